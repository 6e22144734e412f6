#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/tree/session.h"
#include "replica/tree/tree.h"
#include "replica/tree/watch.h"
#include "src/base/blob.h"
#include "src/base/bytes.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

/*
 * The core of a replica towards its clients: what ZooKeeperServer and its
 * request processors do. It turns requests into transactions, is told what is
 * committed, applies that in zxid order, and answers.
 *
 * It is a step function without clock or I/O. The driver reports events by the
 * functions below and after each takes all actions, in order:
 *
 *	server_frame(server, connection, frame);
 *	while (server_take_action(server, &action))
 *		perform(&action);
 *
 * Life cycle: server_new with a tree as the store had it; server_recover for
 * every logged and committed transaction above the tree's zxid, in order;
 * server_start once; then events. Time comes from server_tick only: call it at
 * every turn of the loop, before the other events of that turn.
 *
 * Order that it guarantees to clients: replies of a connection are in the order
 * of its requests (auth excepted); a read sees the connection's own writes;
 * an event precedes every reply whose zxid is that of its transaction or later.
 *
 * Invariants:
 *  1. applied <= committed <= proposed; what lies between applied and proposed is in the
 *     queue of proposals, one zxid after the other
 *  2. a connection has at most one session, a session at most one connection
 *  3. a request waits in its connection's queue until everything before it is answered
 */

struct server_config {
	uint8_t server_id;          /* the top byte of session ids: myid, or 1 for a standalone */
	int32_t tick_ms;            /* tickTime */
	int32_t timeout_min_ms;     /* minSessionTimeout */
	int32_t timeout_max_ms;     /* maxSessionTimeout */
	uint32_t jute_maxbuffer;    /* bytes of a frame; what the driver enforces, too */
	uint32_t outstanding_limit; /* globalOutstandingLimit */
	int32_t sessionless_timeout_ms; /* zookeeper.nio.sessionlessCnxnTimeout */
	bool extended_types;            /* zookeeper.extendedTypesEnabled: TTL znodes */
	bool digest_enabled;      /* zookeeper.digest.enabled: transactions carry the tree digest */
	bool skip_acl;            /* zookeeper.skipACL */
	bool reconfig_enabled;    /* reconfigEnabled */
	const char *super_digest; /* zookeeper.DigestAuthenticationProvider.superDigest, or NULL */
	session_id_t first_session_id; /* 0: made from server_id and the clock at server_start */
};

/* ZooKeeper's defaults. */
void server_config_init(struct server_config *config);

struct server;

/* A connection is a number of the driver's choice, never used twice. */
typedef uint64_t connection_id_t;

/* Takes the tree over. The config is copied; super_digest must live as long as the server. */
struct server *server_new(const struct server_config *config, struct tree *tree);
void server_free(struct server *server);

/*
 * Apply a transaction of the log. 0, or -EBADMSG: it does not decode, or its
 * zxid is not above the tree's.
 */
int server_recover(struct server *server, struct bytes txn);

void server_start(struct server *server, msec_t now_ms, msec_t wall_ms);

/* ---- events ---- */

/* now_ms is monotonic, wall_ms is since 1970 and goes into transactions. Expires sessions. */
void server_tick(struct server *server, msec_t now_ms, msec_t wall_ms);

/* When server_tick has work at the latest, in the time of now_ms. */
msec_t server_next_tick_ms(const struct server *server);

/* address is the peer's IP address as text without port or zone: its id of scheme "ip". */
void server_connection_opened(struct server *server, connection_id_t connection,
			      const char *address);

/* A whole frame without its length word, which the driver has checked against jute_maxbuffer. */
void server_frame(struct server *server, connection_id_t connection, struct bytes frame);

/* The connection ended: by its peer, an error, or a SERVER_CLOSE that has been performed. */
void server_connection_closed(struct server *server, connection_id_t connection);

/*
 * Every proposal up to zxid is committed and durable here: apply and answer.
 * On a standalone that is what the log has on disk.
 */
void server_committed(struct server *server, zxid_t zxid);

/* Whether new transactions may be made. While not, writes are held back, reads go on. */
void server_set_intake(struct server *server, bool allowed);

/* ---- actions ---- */

enum server_action_type {
	/* Send bytes (frames with their length words) on connection, behind what was sent before.
	 */
	SERVER_SEND,
	/* Close connection once everything sent is out; read nothing more. */
	SERVER_CLOSE,
	/*
	 * Read nothing more from connection until SERVER_RESUME. Frames that were read already
	 * may still be given.
	 */
	SERVER_PAUSE,
	SERVER_RESUME,
	/* Append txn to the log; report it by server_committed when it is durable. */
	SERVER_APPEND,
};

struct server_action {
	enum server_action_type type;
	connection_id_t connection;
	struct bytes bytes; /* SEND: valid until the next event */
	zxid_t zxid;        /* APPEND */
	struct blob *txn;   /* APPEND: take a reference to keep it beyond the next event */
};

/* False when there is none left. */
bool server_take_action(struct server *server, struct server_action *ret_action);

/* ---- what an operator sees ---- */

struct server_stats {
	uint64_t packets_received;
	uint64_t packets_sent;
	/* Of answered requests, from arrival to reply. */
	msec_t latency_min_ms;
	msec_t latency_max_ms;
	uint64_t latency_sum_ms;
	uint64_t latency_count;
	uint64_t outstanding; /* requests in process */
	/* Transactions of the log whose digest wasn't the tree's (zk_digest_mismatches_count). */
	uint64_t digest_mismatches;
	size_t connection_count;
	size_t session_count;
	size_t znode_count; /* as srvr shows it: the root counts twice */
	size_t ephemeral_count;
	size_t watch_count;
	uint64_t data_size;
	zxid_t zxid;     /* applied */
	zxid_t proposed; /* the last transaction made */
};

void server_get_stats(const struct server *server, struct server_stats *ret_stats);
void server_reset_stats(struct server *server); /* srst */

struct server_connection_stats {
	connection_id_t connection;
	session_id_t session_id; /* 0 before it is established */
	int32_t timeout_ms;
	uint64_t outstanding;
	uint64_t packets_received;
	uint64_t packets_sent;
	int32_t last_opcode;
	int32_t last_xid;
	zxid_t last_zxid;
	msec_t opened_ms; /* in the time of now_ms, as is the next */
	msec_t last_reply_ms;
	msec_t last_latency_ms;
	msec_t latency_min_ms;
	msec_t latency_max_ms;
	uint64_t latency_sum_ms;
	uint64_t latency_count;
	size_t watch_count;
};

/* False if there is no such connection. */
bool server_get_connection_stats(const struct server *server, connection_id_t connection,
				 struct server_connection_stats *ret_stats);
void server_reset_connection_stats(struct server *server); /* crst */

struct tree *server_tree(struct server *server); /* for write-out, and dump */
const struct session_tracker *server_sessions(const struct server *server); /* for dump */
const struct watches *server_watches(const struct server *server);
/* The connection behind a watcher of server_watches. */
connection_id_t server_watcher_connection(const struct watcher *watcher);
session_id_t server_watcher_session(const struct watcher *watcher);

/* Recompute every invariant; O(everything). */
void server_check(const struct server *server);

#endif
