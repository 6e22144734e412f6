#ifndef IO_CONN_PRIVATE_H
#define IO_CONN_PRIVATE_H

#include <uv.h>

#include "src/io/address.h"
#include "src/io/conn.h"

/* What conn*.c, connect.c and listener.c share. Nobody else includes this. */

enum { CONN_LENGTH_SIZE = 4 };

/*
 *	RESOLVING -> CONNECTING -> OPEN -> LINGERING -> CLOSED
 *	     \____________\__________\_________________/
 */
enum conn_state {
	CONN_RESOLVING,
	CONN_CONNECTING,
	CONN_OPEN,
	CONN_LINGERING, /* the owner has let go; output is still on its way out */
	CONN_CLOSED,    /* nobody is told anything; the handles are closing */
};

/*
 * Invariants:
 *  1. on_closed is called only in the step to CLOSED, and only if that was not
 *     the owner's wish
 *  2. writing holds bytes only while the uv_write of them is on its way
 *  3. input holds bytes only of a frame whose end has not come, or while paused
 *  4. the memory goes when `uses` is 0: one for each open handle and for a
 *     resolution on its way
 */
struct conn {
	struct loop *loop;
	struct conn_options options;
	void *data;
	enum conn_state state;
	int error; /* found where on_closed may not be called; the next flush tells it */
	int uses;

	uv_tcp_t tcp;
	uv_timer_t timer; /* of connecting, later of lingering */
	bool has_timer;
	struct loop_flush flush;
	struct loop_orphan orphan; /* while it lingers */

	bool expects_word; /* accepted, and its first four bytes have not come */
	bool deaf;         /* it was a four-letter word: nothing else is looked at */
	bool paused;
	bool reading; /* uv_read_start is on */
	struct buf input;

	struct buf output; /* appended, not yet handed over */
	struct buf writing;
	size_t writing_at; /* what of it the kernel has taken at once */
	uv_write_t write;
	uv_shutdown_t shutdown;
	bool crowded; /* output has passed half its maximum: on_drained is owed */

	char peer[ADDRESS_TEXT_SIZE];
	char peer_host[ADDRESS_TEXT_SIZE];
	uint16_t peer_port;
	char local_host[ADDRESS_TEXT_SIZE];
	uint16_t local_port;

	/* connect.c's */
	uv_getaddrinfo_t resolution;
	uv_connect_t connection;
	struct addrinfo *addresses;
	const struct addrinfo *next_address;
	struct sockaddr_storage literal; /* instead of addresses, where host was no name */
	bool literal_is_next;
	int connect_error; /* why the last address failed */
};

/* In the given state, with no handle open yet. */
struct conn *conn_new(struct loop *loop, enum conn_state state, const struct conn_options *options,
		      void *data);

/* Open the TCP handle; it counts as a use until conn_closed_handle is its close callback. */
void conn_init_tcp(struct conn *conn);
void conn_closed_handle(uv_handle_t *handle);
void conn_drop_use(struct conn *conn);

void conn_start_timer(struct conn *conn, uint64_t after_ms, uv_timer_cb on_timer);

/* The TCP handle is connected: read addresses, set options, begin to read and write. */
void conn_open(struct conn *conn);

/* End it by itself: tell the owner, once, and close. */
void conn_fail(struct conn *conn, int error);
/* The same from where the owner can't be called: at this turn's end. */
void conn_fail_later(struct conn *conn, int error);

/* The last step of every life: nobody is told. */
void conn_destroy(struct conn *conn);

/* conn_read.c: the socket is read, or not; after a pause, first what was read before it. */
void conn_start_reading(struct conn *conn);
void conn_stop_reading(struct conn *conn);
void conn_go_on_reading(struct conn *conn);

/* conn_write.c: offer the output to the kernel, and do whatever follows from how that went. */
void conn_settle(struct conn *conn);

/* connect.c: stop what is on its way. */
void conn_cancel_connecting(struct conn *conn);

#endif
