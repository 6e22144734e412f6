#ifndef SERVER_CONNECTION_H
#define SERVER_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/server/server.h"
#include "replica/tree/auth.h"
#include "replica/tree/watch.h"
#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/zk/code.h"

/*
 * One client connection: who it is, its requests that aren't answered yet, and
 * the bytes that go out with the next action. Inside replica/server only.
 */

/*
 *	NEW --------> ESTABLISHING --------> ESTABLISHED
 *	 |  connect        |     createSession    |
 *	 |  request        v     is applied       v
 *	 +-------------> CLOSED <-----------------+
 *
 * A reconnect goes from NEW to ESTABLISHED at once, but on a learner by way of REVALIDATING,
 * until the leader has answered that and the sync behind it. CLOSED means that a SERVER_CLOSE was
 *emitted; the driver reports the end later.
 */
enum connection_state {
	CONNECTION_NEW,
	CONNECTION_ESTABLISHING,
	CONNECTION_REVALIDATING,
	CONNECTION_ESTABLISHED,
	CONNECTION_CLOSED,
};

/* Why nothing more should be read from it. */
enum pause_reason {
	PAUSE_CONNECT = 1,  /* its session is being established */
	PAUSE_THROTTLE = 2, /* too many requests in process */
	PAUSE_INTAKE = 4,   /* it holds a write, and none may be made */
};

enum {
	/* What one step may send to one connection: the children of a node of millions. */
	CONNECTION_OUTPUT_SIZE_MAX = 1 << 30,
	/* Frames that a driver gives though it was asked to pause: those of a read or two. */
	CONNECTION_HELD_SIZE_MAX = 64 * 1024 * 1024,
	/* An output buffer that grew beyond this isn't kept. */
	CONNECTION_OUTPUT_SIZE_KEPT = 16 * 1024,
};

/* A request in process, in the order of arrival. */
struct queued {
	struct list link;
	struct list sync;         /* QUEUED_ZXID: on server->syncs */
	struct asked_sync *asked; /* QUEUED_ASKED: it names this */
	struct connection *connection;
	int32_t xid;
	int32_t opcode;
	enum {
		QUEUED_COMMIT,    /* a write: its transaction, zxid, is proposed */
		QUEUED_FORWARDED, /* a learner's write: its transaction is above zxid */
		QUEUED_ASKED,     /* a learner's sync: the leader has not answered */
		QUEUED_ZXID,      /* sync: everything up to zxid has to be applied */
		QUEUED_READ,      /* waits for what is before it */
		QUEUED_FAILED,    /* made no transaction: err is the answer */
	} kind;
	zxid_t zxid;
	enum zk_code err;
	msec_t received_ms;
	uint32_t body_size;
	uint8_t body[]; /* behind the request's header; reads and sync have it */
};

/* A frame that came before it could be looked at. */
struct held {
	struct list link;
	msec_t received_ms;
	uint32_t size;
	uint8_t bytes[];
};

struct connection {
	struct map_entry by_id;
	struct map_entry by_session; /* while session_id != 0 */
	struct list unestablished;   /* on server->unestablished while NEW */
	struct list outgoing;        /* on server->outgoing while out holds bytes */
	connection_id_t id;
	enum connection_state state;
	unsigned paused; /* enum pause_reason */
	session_id_t session_id;
	int32_t timeout_ms;
	bool is_valid;        /* REVALIDATING: the leader knows the session */
	bool is_closing;      /* of a learner: its closeSession was forwarded */
	uint64_t touch_round; /* of a learner: the last in which the session was touched */
	bool is_full;       /* its watches or its output passed their maximum: it is to be closed */
	bool has_read_only; /* the connect request had the byte, so the response has it */
	struct auth auth;
	struct watcher watcher;
	struct list queue; /* struct queued */
	size_t queue_count;
	struct list held; /* struct held */
	size_t held_size;
	struct buf out;
	size_t frame_at; /* where in out the frame begins that is being written */
	struct server_connection_stats stats;
};

struct connection *connection_new(connection_id_t id, const char *address, msec_t now_ms);
/* It must be off all lists and maps of the server. */
void connection_free(struct connection *connection);

struct queued *connection_enqueue(struct connection *connection, int32_t xid, int32_t opcode,
				  msec_t received_ms, struct bytes body);
/* The oldest request, or NULL. */
struct queued *connection_first(const struct connection *connection);
void connection_dequeue(struct connection *connection, struct queued *queued);

/* 0, or -ENOBUFS: too much is held already. */
int connection_hold(struct connection *connection, struct bytes frame, msec_t now_ms);
struct held *connection_first_held(const struct connection *connection);
/* Off the list; the caller frees it. */
void connection_unhold(struct connection *connection, struct held *held);

void connection_check(const struct connection *connection);

#endif
