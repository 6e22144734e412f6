#ifndef IO_CONN_H
#define IO_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/io/loop.h"

/*
 * A TCP connection that carries frames (int length, then that many bytes), or
 * plain bytes, on a loop. Both sides of the protocol use it.
 *
 * Reading: all connections share the loop's read buffer; a frame that came
 * whole is handed out where it lies. Only the beginning of a frame whose end
 * has not come is kept, in memory of the connection's own.
 *
 * Writing: appends go to one buffer, which is written once a turn, after the
 * hooks, in one system call.
 *
 * Life: a conn comes from conn_connect or from a listener. It ends
 *  - by itself: on_closed is called, once, and the conn is gone when that
 *    returns;
 *  - by conn_close or conn_close_after_flush: nothing is called any more, and
 *    the conn is gone for its owner at once.
 * on_closed is never called from within a function of this header. Callbacks
 * may call everything here.
 *
 * TCP_NODELAY is always on.
 */
struct conn;

struct conn_callbacks {
	/* conn_connect has succeeded; not for accepted ones. May be NULL there. */
	void (*on_connected)(struct conn *conn, void *data);

	/* One frame, without its length word; valid during the call. */
	void (*on_frame)(struct conn *conn, struct bytes frame, void *data);

	/*
	 * Instead of on_frame, for what is not framed: all bytes that are there.
	 * Returns how many of them were used up; the rest is shown again, with more
	 * behind it. Holding back more than frame_size_max + 4 ends the connection.
	 */
	size_t (*on_bytes)(struct conn *conn, struct bytes bytes, void *data);

	/*
	 * The first four bytes of an accepted connection (ZooKeeper's four-letter
	 * words come where a length is due). True: it was one; the owner answers with
	 * conn_write and conn_close_after_flush, no frame is looked for, and what else
	 * comes is dropped. May be NULL.
	 */
	bool (*on_word)(struct conn *conn, const char word[4], void *data);

	/* Output had passed half its maximum, and is below a quarter of it again. May be NULL. */
	void (*on_drained)(struct conn *conn, void *data);

	/*
	 * -ECONNRESET: the peer has closed it (cleanly or not); -EMSGSIZE: a length
	 * below 0 or above frame_size_max; -ENOBUFS: output_size_max passed;
	 * -ETIMEDOUT: conn_connect's time is over; else what the system said.
	 */
	void (*on_closed)(struct conn *conn, int error, void *data);
};

struct conn_options {
	size_t frame_size_max;
	size_t output_size_max;                 /* appended and not yet taken by the kernel */
	const struct conn_callbacks *callbacks; /* must outlive the conn */
};

/*
 * Resolve host and try its addresses in turn, all within timeout_ms. Errors,
 * those of the resolver too (-EHOSTUNREACH: no such name), come by on_closed.
 */
struct conn *conn_connect(struct loop *loop, const char *host, uint16_t port, uint64_t timeout_ms,
			  const struct conn_options *options, void *data);

/* Bytes in output are thrown away. NULL is ignored. */
void conn_close(struct conn *conn);
/* Reading ends now; output still goes out, for at most CONN_LINGER_MS. */
void conn_close_after_flush(struct conn *conn);

enum { CONN_LINGER_MS = 5000 };

/* The owner's pointer that callbacks get; an accepted conn begins with the listener's. */
void conn_set_data(struct conn *conn, void *data);
void *conn_data(const struct conn *conn);

/* ---- output ---- */

void conn_write(struct conn *conn, struct bytes bytes);

/*
 * The output itself, for who encodes straight into it: append to it at once,
 * don't keep it. Cutting it back to the size it was given with is allowed.
 */
struct buf *conn_output(struct conn *conn);

/* A length word whose number is not known yet, and its later completion. */
size_t conn_frame_begin(struct conn *conn);
void conn_frame_end(struct conn *conn, size_t begin);

/* Bytes not yet taken by the kernel. */
size_t conn_output_size(const struct conn *conn);

/* Hand the output to the kernel now, not at the end of the turn. */
void conn_flush(struct conn *conn);

/* ---- input ---- */

/*
 * No more frames, beginning with the one after that which is being handled;
 * the kernel's buffer fills, and the peer has to wait. What was read already
 * is kept, and comes after conn_resume, in a later turn. Idempotent.
 */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);
bool conn_is_paused(const struct conn *conn);

/* ---- the peer ---- */

enum { CONN_ADDRESS_SIZE = 80 };

/*
 * As Java prints them (an IPv6 address in full, "0:0:0:0:0:0:0:1", an
 * IPv4-mapped one as IPv4): host is InetAddress.getHostAddress, peer is
 * InetSocketAddress.toString, "/127.0.0.1:2181" or "/[0:0:0:0:0:0:0:1]:2181".
 * Empty before it is connected.
 */
const char *conn_peer(const struct conn *conn);
const char *conn_peer_host(const struct conn *conn);
uint16_t conn_peer_port(const struct conn *conn);

/* The same of the own end: address and port that the peer sees. */
const char *conn_local_host(const struct conn *conn);
uint16_t conn_local_port(const struct conn *conn);

/* ---- listening ---- */

struct listener;

/* on_accept takes over conn: it sets its data, or closes it. */
typedef void listener_on_accept(struct listener *listener, struct conn *conn, void *data);

/*
 * host NULL or "0.0.0.0" or "::": all addresses, IPv4 and IPv6; port 0: any
 * free one. A name is resolved here and now (only at start-up may this block).
 * 0, or what the system said (-EADDRINUSE, -EACCES, -EADDRNOTAVAIL ...).
 */
int listener_open(struct loop *loop, const char *host, uint16_t port, int backlog,
		  const struct conn_options *options, listener_on_accept *on_accept, void *data,
		  struct listener **ret_listener);
void listener_close(struct listener *listener); /* NULL is ignored; its conns stay */
uint16_t listener_port(const struct listener *listener);

#endif
