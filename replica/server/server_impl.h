#ifndef SERVER_SERVER_IMPL_H
#define SERVER_SERVER_IMPL_H

#include "replica/server/connection.h"
#include "replica/server/server.h"
#include "replica/tree/apply.h"
#include "replica/tree/prep.h"
#include "replica/tree/session.h"
#include "replica/tree/tree.h"
#include "replica/tree/txn.h"
#include "replica/tree/watch.h"
#include "src/base/list.h"
#include "src/base/map.h"

/*
 * What the parts of the server share:
 *
 *	server.c      life, events, statistics
 *	action.c      the actions of an event
 *	establish.c   connect requests, sessions that begin
 *	intake.c      frames: what each is, and whether it waits
 *	proposal.c    writes that become transactions here
 *	forward.c     a learner's: writes, syncs and sessions that go to the leader
 *	learners.c    a leader's: what its learners send
 *	commit.c      what is committed: applied, answered
 *	read.c        requests that the replica answers from its tree
 *	watching.c    requests about watches, and the events
 *	reply.c       the bytes that go to a connection
 *
 * A frame goes intake -> read, or intake -> proposal -> (the log) -> commit, or intake ->
 * forward -> (the leader) -> commit, and ends in reply.
 */

/* A transaction that was proposed and is not applied yet. */
struct proposal {
	struct list link;
	zxid_t zxid;
	struct blob *txn;
};

/* A sync that was sent to the leader. SYNC names none: the oldest is meant. */
struct asked_sync {
	struct list link;
	struct queued *queued; /* NULL: its client is gone */
};

/* A session whose client was heard of since the last PING. */
struct touched {
	struct map_entry entry;
	session_id_t id;
	int32_t timeout_ms;
};

/* A learner whose REQUESTs are held back, of a leader. */
struct learner {
	struct map_entry entry;
	zab_link_t link;
	struct list held; /* struct held_request */
	size_t held_size;
};

/* What a learner is answered when zxid is applied. */
struct learner_wait {
	struct list link;
	enum { LEARNER_SYNC, LEARNER_REVALIDATE } type;
	zab_link_t learner;
	zxid_t zxid;
	session_id_t session_id; /* REVALIDATE, as is the next */
	bool is_valid;
};

/* An action, and what of its packet lies in server->packets until it is taken. */
struct step {
	struct server_action action;
	size_t packet_at;
};

struct server {
	struct server_config config;
	enum server_role role;
	zxid_t epoch_zxid; /* all that is at or below it was applied when the role began */
	bool started;
	bool intake;
	msec_t now_ms;
	msec_t wall_ms;
	struct tree *tree;
	struct watches watches;
	struct session_tracker tracker;
	struct prep prep;
	struct apply apply;
	struct map connections;    /* struct connection by id */
	struct map by_session;     /* and by session */
	struct list unestablished; /* in the order in which they were opened */
	struct list outgoing;      /* connections with bytes that an action names */
	struct list proposals;
	struct list syncs;         /* struct queued that wait for their zxid, in its order */
	struct list asked_syncs;   /* of a learner */
	struct map touched;        /* of a learner: struct touched by session */
	uint64_t touch_round;      /* how often it was taken, and one more */
	struct map learners;       /* of a leader: struct learner by link */
	struct list learner_waits; /* of a leader: by zxid */
	zxid_t proposed;
	zxid_t committed;
	size_t outstanding;
	uint64_t digest_mismatches;
	zxid_t digest_mismatch_zxid;
	struct buf txn;     /* the one that is being made */
	struct buf packets; /* data and ids of the packets that the steps name */
	struct step *steps;
	size_t step_count;
	size_t step_at;
	size_t step_capacity;
	struct server_stats stats;
	enum server_mutation mutation;
};

/* ---- action.c ---- */

/* The actions of the last event were performed: their bytes go. */
void server_begin_event(struct server *server);
void server_emit(struct server *server, const struct server_action *action);
/*
 * Emit an action with a packet, whose data is null; or what is appended to the buf that is
 * returned, and then server_packet_end, which copies the ids (NULL: none).
 */
struct buf *server_packet_begin(struct server *server, enum server_action_type type,
				zab_link_t link, enum zab_packet_type packet);
void server_packet_end(struct server *server, const struct auth_ids *ids);

/* ---- server.c ---- */

/* NULL if there is none. */
struct connection *server_find_connection(const struct server *server, connection_id_t id);
/*
 * Up to which all is applied. An epoch without a transaction begins above the tree's zxid, and so
 * does what is known to be proposed in it.
 */
zxid_t server_applied(const struct server *server);
/* The client is there. False: its session is gone, or being closed. */
bool server_touch(struct server *server, struct connection *connection);
/* What is queued goes out, then the connection ends; its watches and requests are gone at once. */
void server_close_connection(struct server *server, struct connection *connection);
void server_pause(struct server *server, struct connection *connection, enum pause_reason reason);
void server_resume(struct server *server, struct connection *connection, enum pause_reason reason);

/* ---- establish.c ---- */

void establish_connect(struct server *server, struct connection *connection, struct bytes frame);
/* Its createSession was applied, or (not is_valid) the leader refused it. */
void establish_finish(struct server *server, session_id_t session_id, bool is_valid);
/* The leader knows the session, or not. */
void establish_revalidated(struct server *server, session_id_t session_id, bool is_valid);
/* It is REVALIDATING: welcome it if nothing is missing any more. */
void establish_resume(struct server *server, struct connection *connection);
/* No two connections have one session. */
void establish_set_session(struct server *server, struct connection *connection,
			   session_id_t session_id);
struct connection *establish_find(const struct server *server, session_id_t session_id);

/* ---- intake.c ---- */

void intake_frame(struct server *server, struct connection *connection, struct bytes frame,
		  msec_t received_ms);
/* Look at the frames that were held back, as far as nothing holds them any more. */
void intake_held(struct server *server, struct connection *connection);
/* Answer what stands at the head of the queue and waits for nothing. */
void intake_drain(struct server *server, struct connection *connection);

/* ---- proposal.c ---- */

void proposal_submit(struct server *server, struct connection *connection, int32_t xid,
		     int32_t opcode, struct bytes body, msec_t received_ms);
/* The transaction of a request, with the next zxid. False: it makes none, as it does not decode. */
bool proposal_make(struct server *server, struct prep_request *request);
/* An error transaction for one who waits for a transaction. */
void proposal_refuse(struct server *server, struct prep_request *request, enum zk_code code);
void proposal_create_session(struct server *server, session_id_t session_id, int32_t timeout_ms,
			     session_owner_t owner);
/* Without a request of the client: the session expired, or is none. */
void proposal_close_session(struct server *server, session_id_t session_id);
/* Apply what is committed. */
void proposal_apply(struct server *server);
void proposal_forget_all(struct server *server);

/* ---- forward.c ---- */

void forward_write(struct server *server, struct connection *connection, int32_t xid,
		   int32_t opcode, struct bytes body, msec_t received_ms);
void forward_sync(struct server *server, struct connection *connection, int32_t xid,
		  struct bytes body, msec_t received_ms);
/* That transaction comes next: answer what its request has waiting before it. */
void forward_settle_syncs(struct server *server, const struct txn_header *header);
/* The oldest sync that was forwarded has its answer. False: there is none. */
bool forward_synced(struct server *server);
void forward_create_session(struct server *server, const struct connection *connection);
/* It, and a sync behind it, which is the first request of the connection's queue. */
void forward_revalidate(struct server *server, struct connection *connection);
/* Is that the transaction of the forwarded request? */
bool forward_is_answer(const struct queued *queued, const struct txn_header *header);
void forward_touch(struct server *server, struct connection *connection);
void forward_forget_all(struct server *server);

/* ---- learners.c ---- */

/* What server_learner_request, _revalidate and _closed say. */
void learners_take_request(struct server *server, zab_link_t link,
			   const struct zab_request *request, const struct auth_ids *ids);
void learners_revalidate(struct server *server, zab_link_t link, const struct zab_session *session);
void learners_forget(struct server *server, zab_link_t link);
/* The REQUESTs that were held back, as far as nothing holds them any more. */
void learners_take_held(struct server *server);
/* What waited for what is applied now. */
void learners_answer(struct server *server);
void learners_forget_all(struct server *server);

/* ---- commit.c ---- */

/* Apply the transaction, fire its watches, answer those that waited for it. */
void commit_apply(struct server *server, const struct txn *txn);

/* ---- read.c ---- */

/* The answer, behind everything before it. */
void read_execute(struct server *server, struct connection *connection, int32_t xid, int32_t opcode,
		  struct bytes body, msec_t received_ms);
bool read_is_permitted(const struct server *server, const struct connection *connection,
		       const struct zk_acls *acls, int32_t perms);

/* ---- watching.c: each returns the code of its answer ---- */

enum zk_code watching_set_watches(struct server *server, struct connection *connection,
				  struct bytes body, bool has_persistent);
enum zk_code watching_add(struct server *server, struct connection *connection, struct bytes body);
enum zk_code watching_check(struct server *server, struct connection *connection,
			    struct bytes body);
enum zk_code watching_remove(struct server *server, struct connection *connection,
			     struct bytes body);
/* A read's watch. */
void watching_register(struct server *server, struct connection *connection,
		       enum watch_table_id table, struct bytes path);
/* apply_event_fn, data is the server. */
void watching_event(void *data, struct watcher *watcher, zxid_t zxid, enum zk_event_type type,
		    struct bytes path, const struct zk_acls *acls);

/* ---- reply.c ---- */

/*
 * A frame begins; records are appended to the buf that is returned, then
 * reply_end. The header's zxid is the tree's but where reply_begin_at gives one.
 */
struct buf *reply_begin(struct server *server, struct connection *connection, int32_t xid,
			enum zk_code err);
struct buf *reply_begin_at(struct server *server, struct connection *connection, int32_t xid,
			   zxid_t zxid, enum zk_code err);
/* Without a reply header: the answer to a connect request. */
struct buf *reply_begin_bare(struct server *server, struct connection *connection);
void reply_end(struct server *server, struct connection *connection);
/* Take back the frame that was begun. */
void reply_cancel(struct server *server, struct connection *connection);
/* A frame of the header alone. */
void reply_code(struct server *server, struct connection *connection, int32_t xid,
		enum zk_code err);
/* The request of that time was answered: count its latency. */
void reply_count(struct server *server, struct connection *connection, int32_t xid, int32_t opcode,
		 msec_t received_ms);

#endif
