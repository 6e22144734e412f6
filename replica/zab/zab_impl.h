#ifndef ZAB_ZAB_IMPL_H
#define ZAB_ZAB_IMPL_H

#include "replica/zab/history.h"
#include "replica/zab/zab.h"
#include "src/base/list.h"

/*
 * What the parts of the core share:
 *
 *	zab.c                life, events, what is durable
 *	role.c               elections, and from LOOKING to a role and back
 *	action.c             actions, packets that go out
 *	quorum.c             sets of voters
 *	leader.c             a leader until its epoch is established; each learner's sync
 *	leader_broadcast.c   proposals, acks, commits, pings, deadlines
 *	learner.c            a learner until UPTODATE
 *	learner_broadcast.c  afterwards
 *	status.c             what an operator sees; zab_check
 *
 * An event changes state and may ask to leave the role (zab_leave) or to drop a
 * learner (leader_drop): both take effect at its end, in zab_settle, so that no
 * handler loses what it is working on.
 */

/* A handful: more than one is on its way only under a mutation. */
enum { ZAB_PENDING_MAX = 8, ZAB_LINKS_MAX = 2 * MEMBERS_MAX };

/* ZAB_SET_EPOCHS or ZAB_INSTALL_SNAPSHOT that is not durable yet. */
struct zab_pending {
	uint32_t accepted_epoch;
	uint32_t current_epoch;
	zxid_t appended; /* and so becomes durable with it */
	bool is_install;
	bool is_empty;
};

/* ---- what a leader knows of one link to its quorum port ---- */

enum learner_phase {
	LEARNER_CONNECTED, /* -> FOLLOWERINFO or OBSERVERINFO */
	LEARNER_INFORMED,  /* waits for the epoch */
	LEARNER_PROMISING, /* LEADERINFO is sent -> ACKEPOCH */
	LEARNER_PROMISED,  /* waits for a quorum of ACKEPOCH */
	LEARNER_SNAPSHOT,  /* its stream is on the way */
	LEARNER_SYNCING,   /* NEWLEADER is sent -> ACK; from here on proposals are forwarded */
	LEARNER_ACKED,     /* waits until the epoch is established */
	LEARNER_SYNCED,    /* UPTODATE is sent */
	LEARNER_GONE,      /* unlinked at the end of the event */
};

struct learner {
	struct list link_in_list;
	zab_link_t link;
	enum learner_phase phase;
	int64_t sid;      /* -1 before its info */
	bool is_observer; /* what it said: INFORM instead of PROPOSAL */
	bool is_voter;    /* a participant of the configuration that says so too */
	uint32_t accepted_epoch;
	zxid_t last_zxid;      /* of its ACKEPOCH */
	int32_t current_epoch; /* of its ACKEPOCH; -1: it had accepted this epoch before */
	zxid_t pin;            /* LEARNER_SNAPSHOT: history above it is kept */
	zxid_t sent;           /* the last transaction that was sent */
	zxid_t informed;       /* the last COMMIT or INFORM that was sent */
	zxid_t acked;          /* cumulative, behind its ack of NEWLEADER */
	zxid_t watched;        /* a PROPOSAL whose ack is overdue at watched_until_ms; 0: none */
	msec_t watched_until_ms;
	msec_t deadline_ms; /* INT64_MAX while its stream is on the way */
};

enum lead_phase {
	LEAD_DISCOVERY, /* -> a quorum's infos */
	LEAD_ACCEPTING, /* acceptedEpoch becomes durable */
	LEAD_PROMISES,  /* -> a quorum's ACKEPOCHs */
	LEAD_SYNC,      /* -> a quorum's acks of NEWLEADER, the own currentEpoch durable */
	LEAD_ESTABLISHED,
};

struct lead {
	enum lead_phase phase;
	uint32_t epoch; /* 0: not fixed yet */
	zxid_t history; /* the last that was logged when we began to lead */
	zxid_t proposed;
	struct list learners; /* in the order of their connecting */
	size_t learner_count;
	int64_t promises[MEMBERS_MAX]; /* voters whose ACKEPOCH counted; they stay so */
	size_t promise_count;
	msec_t deadline_ms; /* of the phase */
	msec_t ping_at_ms;
	msec_t check_at_ms;
};

/* ---- a learner's side ---- */

enum follow_phase {
	FOLLOW_CONNECTING,
	FOLLOW_INFO,      /* FOLLOWERINFO is sent -> LEADERINFO */
	FOLLOW_ACCEPTING, /* acceptedEpoch becomes durable */
	FOLLOW_PROMISED,  /* ACKEPOCH is sent -> DIFF, TRUNC, SNAP */
	FOLLOW_SNAPSHOT,  /* a stream comes in */
	FOLLOW_HISTORY,   /* -> NEWLEADER */
	FOLLOW_STORING,   /* history and currentEpoch become durable */
	FOLLOW_ACKED,     /* -> UPTODATE */
	FOLLOW_BROADCAST,
};

struct follow {
	enum follow_phase phase;
	int64_t leader;
	zab_link_t link;
	uint32_t epoch;     /* of LEADERINFO */
	zxid_t snapshot;    /* of SNAP; else INT64_MIN */
	zxid_t acked;       /* proposals above it are to be acked, once logged */
	zxid_t pinged;      /* of the last PING, for its answer */
	bool has_warned;    /* of COMMITANDACTIVATE */
	msec_t deadline_ms; /* INT64_MAX while a stream comes in */
};

/* ---- the core ---- */

struct zab_queued {
	struct zab_action action;
	struct blob *owned; /* what action.bytes, txn or text is in */
};

/* A notification that waits for the election to begin. */
struct zab_held {
	int64_t sid;
	struct blob *bytes;
};

struct zab {
	struct zab_config config;
	struct members committed_members; /* the committed configuration */
	struct members last_seen_members; /* the newest proposed one; counts where its version is
					     newer */
	zxid_t warned_version;            /* of a newer configuration */
	enum zab_mutation mutation;
	struct members weakened_members; /* of a mutation */
	msec_t now_ms;

	bool is_empty; /* was never in sync, nor in the first quorum (R18) */
	uint32_t accepted_epoch;
	uint32_t current_epoch;
	uint32_t accepted_max; /* the highest acceptedEpoch that was heard of, as leader */
	zxid_t base;           /* of the generation */
	struct history history;
	zxid_t logged;
	zxid_t known; /* known to be committed, logged here or not */
	zxid_t committed;
	zxid_t delivered;
	zxid_t tree;
	bool may_deliver; /* established, or UPTODATE */

	struct zab_pending pending[ZAB_PENDING_MAX];
	size_t pending_count;
	size_t truncating; /* ZAB_TRUNCATEs that are not durable yet */
	/* A generation that is being received: at base, with what is appended behind it. */
	bool is_staging;
	struct history staged;
	/* A leader's TRUNC asked for less than the tree holds: the next sync must be a SNAP. */
	bool needs_snapshot;

	enum zab_state state;
	bool is_started;
	bool is_electing; /* while LOOKING: false until the log has drained */
	bool is_leaving;
	bool is_dead; /* ZAB_FATAL */
	bool is_serving;
	struct zab_vote vote;
	uint32_t failures; /* roles in a row that did not come to serve */
	msec_t look_at_ms; /* the next election begins not before */
	msec_t looking_since_ms;
	msec_t election_ms;
	struct election election;
	struct zab_held *held; /* at most one a member */
	size_t held_count;
	struct lead lead;
	struct follow follow;

	struct zab_queued *queue;
	size_t queue_at;
	size_t queue_count;
	size_t queue_capacity;
	struct buf scratch; /* the packet that is being encoded */
};

/* ---- action.c ---- */

/* A new action, zeroed but for its type. It takes over the reference owned (may be NULL). */
struct zab_action *zab_emit(struct zab *zab, enum zab_action_type type, struct blob *owned);
void zab_log(struct zab *zab, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void zab_fatal(struct zab *zab, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct blob *zab_encode(struct zab *zab, const struct zab_packet *packet);
void zab_send_packet(struct zab *zab, zab_link_t link, const struct zab_packet *packet);
void zab_send_encoded(struct zab *zab, zab_link_t link, struct blob *packet);
/* A packet of a type and a zxid, without data. */
struct zab_packet zab_plain(enum zab_packet_type type, zxid_t zxid);

/* ---- quorum.c ---- */

/* A set of voters, each at most once, and whether it is a quorum of what counts now. */
struct zab_voters {
	int64_t sids[MEMBERS_MAX];
	size_t count;
	size_t spare; /* how many more are taken to be in it; not 0 only under a mutation */
};
/* Nobody. Under the mutation minority, one less is enough. */
void zab_voters_init(const struct zab *zab, struct zab_voters *voters, enum zab_mutation minority);
void zab_voters_add(struct zab_voters *voters, int64_t sid);
bool zab_is_quorum(const struct zab *zab, const struct zab_voters *voters);
bool zab_is_voter(const struct zab *zab, int64_t sid);

/* ---- zab.c ---- */

/* Where appends go: the staged generation if there is one. */
struct history *zab_log_of(struct zab *zab);
zxid_t zab_appended(const struct zab *zab);
void zab_append(struct zab *zab, zxid_t zxid, struct blob *txn);
void zab_set_epochs(struct zab *zab, uint32_t accepted_epoch, uint32_t current_epoch);
/* Whether this server's vote counts: not that of an empty one, but in the first quorum ever. */
bool zab_may_count(const struct zab *zab);
void zab_truncate(struct zab *zab, zxid_t zxid);
/* Whether nothing is on its way to the disk. */
bool zab_is_drained(const struct zab *zab);
/* Unless its installation is on its way. */
void zab_abort_staged(struct zab *zab);
/* Deliver what is known to be committed and is logged. */
void zab_advance(struct zab *zab);
/* Forget history that neither the tree, a learner nor a maximum wants kept. */
void zab_trim(struct zab *zab);

msec_t zab_init_limit_ms(const struct zab *zab);
msec_t zab_sync_limit_ms(const struct zab *zab);

/* ---- role.c ---- */

/* Ask to go back to LOOKING, at the end of the event; says why. */
void zab_leave(struct zab *zab, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void zab_take_role(struct zab *zab, enum zab_state state, uint32_t epoch, bool is_serving);
/* The epoch is established, and its history delivered. */
void zab_serve(struct zab *zab, uint32_t epoch);
/* The end of every event: what it made possible happens. */
void zab_settle(struct zab *zab);
void zab_hear(struct zab *zab, int64_t sid, struct bytes bytes);
void zab_forget_held(struct zab *zab);
/* What came on a connection that is no more; the peer says it again on the next one. */
void zab_forget_held_of(struct zab *zab, int64_t sid);

/* ---- leader.c ---- */

#define leader_for_each(zab, at)                                                                   \
	for (struct learner *at = leader_next((zab), NULL); at; at = leader_next((zab), at))
/* The learner after one (NULL: the first) that is not gone; NULL at the end. */
struct learner *leader_next(const struct zab *zab, const struct learner *learner);
struct learner *leader_find(const struct zab *zab, zab_link_t link);

void leader_begin(struct zab *zab);
/* Take the next step that is possible; false if there is none. */
bool leader_advance(struct zab *zab);
/* Closes all links and frees all learners. */
void leader_end(struct zab *zab);
void leader_sweep(struct zab *zab);
void leader_accept(struct zab *zab, zab_link_t link);
void leader_packet(struct zab *zab, struct learner *learner, const struct zab_packet *packet);
void leader_drop(struct zab *zab, struct learner *learner, int level, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void leader_snapshot_opened(struct zab *zab, struct learner *learner, zxid_t zxid);
void leader_snapshot_sent(struct zab *zab, struct learner *learner);
/* The last zxid that a learner is told to be committed. */
zxid_t leader_committed(const struct zab *zab);

/* ---- leader_broadcast.c ---- */

void leader_established(struct zab *zab);
void leader_uptodate(struct zab *zab, struct learner *learner);
void leader_broadcast_packet(struct zab *zab, struct learner *learner,
			     const struct zab_packet *packet);
/* An ack has come, the own one included: commit what a quorum has. */
void leader_commit(struct zab *zab);
/* Drop learners that hold back too much. */
void leader_check_lag(struct zab *zab);
void leader_tick(struct zab *zab);
msec_t leader_next_tick_ms(const struct zab *zab);

/* ---- learner.c ---- */

void learner_begin(struct zab *zab, int64_t leader);
void learner_end(struct zab *zab);
/* The driver can't reach sid's election port any more. */
void learner_unreachable(struct zab *zab, int64_t sid);
void learner_connected(struct zab *zab, zab_link_t link);
void learner_packet(struct zab *zab, const struct zab_packet *packet);
/* acceptedEpoch, or the history and currentEpoch, are durable. */
void learner_epochs_durable(struct zab *zab);
void learner_snapshot_received(struct zab *zab, bool is_good);
void learner_tick(struct zab *zab);

/* ---- learner_broadcast.c ---- */

void learner_broadcast_packet(struct zab *zab, const struct zab_packet *packet);
/* PROPOSAL, INFORM and their COMMITs, in all phases. False: another type. */
bool learner_transaction(struct zab *zab, const struct zab_packet *packet);
/* Ack what is logged, in order. */
void learner_ack(struct zab *zab);

#endif
