#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/tree/auth.h"
#include "replica/tree/session.h"
#include "replica/tree/tree.h"
#include "replica/tree/watch.h"
#include "replica/zab/packet.h"
#include "replica/zab/zab.h"
#include "src/base/blob.h"
#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

/*
 * The core of a replica towards its clients: what ZooKeeperServer and its
 * request processors do. It turns requests into transactions (or has its leader do that), is
 * told what is committed, applies that in zxid order, and answers.
 *
 * A server has one role all its life:
 *
 *	standalone	makes transactions, and commits what is logged
 *	leader		makes them for its own clients and for those of its learners, who send
 *			REQUESTs; owns the sessions of all, and expires them
 *	learner		sends each write to the leader as a REQUEST and answers it when the
 *			transaction comes back, known by session and cxid; reads are answered here
 *
 * It is a step function without clock or I/O. The driver reports events by the
 * functions below and after each takes all actions, in order:
 *
 *	server_frame(server, connection, frame);
 *	while (server_take_action(server, &action))
 *		perform(&action);
 *
 * Life cycle: server_new with a tree that everything committed so far was applied to
 * (tree/replay.h); server_start once; then events. Time comes from server_tick only: call it
 * at every turn of the loop, before the other events of that turn. At the end of a role it is
 * freed: whoever was connected is told nothing, and what was in process is as lost as on a
 * connection that breaks.
 *
 * Order that it guarantees to clients: replies of a connection are in the order
 * of its requests (auth excepted); a read sees the connection's own writes;
 * an event precedes every reply whose zxid is that of its transaction or later.
 *
 * Invariants:
 *  1. applied <= committed <= proposed; but on a learner, what lies between applied and
 *     proposed is in the queue of proposals, one zxid after the other
 *  2. a connection has at most one session, a session at most one connection
 *  3. a request waits in its connection's queue until everything before it is answered
 *  4. the session of a leader's own established connection has no other owner (R23: it is
 *     closed as soon as the session moves)
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

enum server_role { SERVER_STANDALONE, SERVER_LEADER, SERVER_LEARNER };

/* A connection is a number of the driver's choice, never used twice. */
typedef uint64_t connection_id_t;

/* The tree is borrowed: the server alone changes it until server_free. The config is copied;
 * super_digest must live as long as the server. */
struct server *server_new(const struct server_config *config, struct tree *tree);
void server_free(struct server *server);

/*
 * epoch is that of the leader, 0 for a standalone; the tree holds everything of earlier epochs,
 * and a leader's nothing of this one: its first transaction has counter 1. A leader gives every
 * session of the tree its whole timeout, and closes what is left of sessions that are gone.
 */
void server_start(struct server *server, enum server_role role, uint32_t epoch, msec_t now_ms,
		  msec_t wall_ms);
/* What server_stats.digest_mismatches begins with: those counted before there was a server. */
void server_set_digest_mismatches(struct server *server, uint64_t count);
uint64_t server_digest_mismatches(const struct server *server);

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
 * Not on a learner: every proposal up to zxid is committed and durable here: apply and answer.
 * On a standalone that is what the log has on disk.
 */
void server_committed(struct server *server, zxid_t zxid);

/* Whether new transactions may be made. While not, writes are held back, those of learners
 * included; reads go on. */
void server_set_intake(struct server *server, bool allowed);

/* ---- events of a leader: what learners send (spec/quorum-protocol.md 10, 11) ---- */

/*
 * A REQUEST that came by link: a write is proposed as if a client here had sent it, but that
 * what is refused makes an error transaction, whatever the reason, since the learner waits for
 * one; a sync is answered by SYNC once all that is proposed now is applied; anything else is
 * dropped, as Java has it. ids are NULL where the packet's authinfo is null.
 */
void server_learner_request(struct server *server, zab_link_t link,
			    const struct zab_request *request, const struct auth_ids *ids);
/* REVALIDATE: a client moved there. The answer is an action, once all that is proposed now is
 * applied. */
void server_learner_revalidate(struct server *server, zab_link_t link,
			       const struct zab_session *session);
/* The table of a PING. 0, or -EBADMSG: the link is to be closed. Not an event: there is no action.
 */
int server_learner_touched(struct server *server, struct bytes table);
/* What it asked for and was not answered is forgotten, what it had proposed is not. */
void server_learner_closed(struct server *server, zab_link_t link);

/* ---- events of a learner: what its leader sends ---- */

/* A committed transaction, the next one: apply it, answer who asked for it. It must decode. */
void server_deliver(struct server *server, zxid_t zxid, struct bytes txn);
/*
 * SYNC: the oldest sync that was sent is answered, once everything known to be proposed now is
 * applied. False: none was sent.
 */
bool server_synced(struct server *server);
/* The answer to a REVALIDATE. */
void server_revalidated(struct server *server, session_id_t session_id, bool is_valid);
/* Everything up to zxid was proposed (logged here, or about to be). Not an event. */
void server_note_proposed(struct server *server, zxid_t zxid);
/* Append the table for a PING: sessions whose clients were heard of since the last one. Not an
 * event. */
void server_take_touched(struct server *server, struct buf *table);

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
	/* Propose txn (a standalone: append it to the log); server_committed when that is done. */
	SERVER_APPEND,
	/* Send packet to the learner at link: REVALIDATE's answer, SYNC. */
	SERVER_TO_LEARNER,
	/* Close link: more REQUESTs of that learner wait than are kept. No server_learner_closed
	   follows. */
	SERVER_CLOSE_LEARNER,
	/* Send packet to the leader: REQUEST, REVALIDATE. */
	SERVER_TO_LEADER,
};

struct server_action {
	enum server_action_type type;
	connection_id_t connection;
	struct bytes bytes;       /* SEND: valid until the next event */
	zxid_t zxid;              /* APPEND */
	struct blob *txn;         /* APPEND: take a reference to keep it beyond the next event */
	zab_link_t link;          /* TO_LEARNER, CLOSE_LEARNER */
	struct zab_packet packet; /* TO_LEARNER, TO_LEADER: valid until the next event */
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
	/* Transactions of others whose digest wasn't the tree's (zk_digest_mismatches_count), and
	   the last of them that was delivered (0: none was). */
	uint64_t digest_mismatches;
	zxid_t digest_mismatch_zxid;
	size_t connection_count;
	size_t session_count;
	size_t znode_count; /* as srvr shows it: the root counts twice */
	size_t ephemeral_count;
	size_t watch_count;
	uint64_t data_size;
	zxid_t zxid;     /* applied */
	zxid_t proposed; /* the last transaction made; on a learner, the last known */
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
/* The session id that it would give next: a later server in the same process begins there. */
session_id_t server_next_session_id(const struct server *server);
const struct session_tracker *server_sessions(const struct server *server); /* for dump */
const struct watches *server_watches(const struct server *server);
/* The connection behind a watcher of server_watches. */
connection_id_t server_watcher_connection(const struct watcher *watcher);
session_id_t server_watcher_session(const struct watcher *watcher);

/* Recompute every invariant; O(everything). */
void server_check(const struct server *server);

/*
 * Deliberate faults, for the simulator to prove that it catches them. Never set but in t/.
 */
enum server_mutation {
	SERVER_MUTATION_NONE,
	SERVER_MUTATION_READ_OVERTAKES,     /* a read does not wait for the writes before it */
	SERVER_MUTATION_ANSWER_EARLY,       /* a learner answers a delete before it is applied */
	SERVER_MUTATION_SYNC_AT_ONCE,       /* a learner answers sync by itself */
	SERVER_MUTATION_REVALIDATE_ALWAYS,  /* a learner welcomes every session that comes back */
	SERVER_MUTATION_ACCEPT_AHEAD,       /* a client that has seen more is not sent away */
	SERVER_MUTATION_FORWARD_REORDERS,   /* a leader takes a learner's setData behind its next */
	SERVER_MUTATION_NO_TOUCH,           /* a learner does not say whose clients are alive */
	SERVER_MUTATION_EXPIRE_EARLY,       /* sessions expire after half their timeout */
	SERVER_MUTATION_CLOSE_UNAPPLIED,    /* a learner keeps what is closed and not connected */
	SERVER_MUTATION_NO_MISSED_EVENTS,   /* setWatches tells nothing that was missed */
	SERVER_MUTATION_FORGET_SET_WATCHES, /* setWatches registers nothing */
	SERVER_MUTATION_STAGE_NO_SESSIONS,  /* a snapshot's sessions do not reach the store */
	SERVER_MUTATION_OLD_OWNER_WRITES, /* a session that has moved may write from where it was */
	SERVER_MUTATION_COUNT,
};
void server_set_mutation(struct server *server, enum server_mutation mutation);

#endif
