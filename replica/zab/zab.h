#ifndef ZAB_ZAB_H
#define ZAB_ZAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/zab/election.h"
#include "replica/zab/members.h"
#include "replica/zab/notification.h"
#include "replica/zab/packet.h"
#include "src/base/blob.h"
#include "src/base/bytes.h"
#include "src/base/msec.h"
#include "src/zk/zxid.h"

/*
 * The consensus core of a replica: election, discovery, synchronization and
 * broadcast of ZAB (Junqueira, Reed, Serafini 2011) as Apache ZooKeeper speaks
 * it (spec/quorum-protocol.md), so that it can lead and follow Apache servers.
 *
 * A step function without clock or I/O. The driver (or the simulator) reports events
 * by the functions below and after each performs all actions, in order:
 *
 *	zab_packet(zab, link, &packet);
 *	while (zab_take_action(zab, &action))
 *		perform(&action);
 *
 * Same state and event, same actions and bytes. Time comes by zab_tick only: call it at
 * every turn before the other events of that turn. Events may also be reported while actions
 * are performed (a ZAB_PINGED is answered at once): theirs are queued behind. What an action
 * points to is valid until zab_take_action has returned false; only ZAB_RECEIVED's packet points
 * into what zab_packet was given, which the driver keeps until then.
 *
 * A transaction is opaque bytes with a zxid. A link is a connection on a
 * quorum port, a number of the driver's choice, never used twice.
 *
 * Zxids (DESIGN.md 7): logged >= committed >= delivered >= tree
 *	logged      the last one that is durable in the own log: votes, ACKEPOCH, sync decisions
 *	committed   known to be committed, and logged here
 *	delivered   handed to the application by ZAB_DELIVER
 *	tree        durable in the tree's database; below it the log may be gone
 *
 * Order of durable effects, which the core keeps by waiting for the events:
 *  - acceptedEpoch durable before ACKEPOCH (a leader: before LEADERINFO)
 *  - history and then currentEpoch durable before ACK of NEWLEADER; nothing of the new
 *    epoch is logged before that but what the leader sends as history
 *  - a transaction durable before its ACK, ACKs in order, the first of them NEWLEADER's
 *  - nothing delivered before it is committed and logged; nothing of a sync before UPTODATE
 *  - LOOKING begins only when everything appended before is durable (lessons R5)
 *
 * Invariants (zab_check):
 *  1. the four zxids are in order, and history (zab/history.h) is contiguous from its base to
 *     the last appended
 *  2. what is proposed in an epoch has the counters 1, 2, 3, ... (R6, on send and on receive)
 *  3. accepted_epoch >= current_epoch; acknowledged NEWLEADER of e means current_epoch == e durable
 *  4. a leader counts an ack of a learner only behind that learner's ack of NEWLEADER
 *
 * A bug is an ASSERT. What a peer does wrong closes its link with a ZAB_LOG.
 */

typedef uint64_t zab_link_t;
#define ZAB_LINK_NONE 0

struct zab_config {
	int64_t myid;
	struct members members; /* the committed configuration; copied. myid belongs to it */
	msec_t tick_ms;
	int32_t init_limit; /* ticks */
	int32_t sync_limit;
	uint32_t data_size_max; /* of a packet's data: jute.maxbuffer and what a transaction adds */
	/* History that is kept in memory below the tree's zxid, for a DIFF. */
	size_t history_size_max;
	size_t history_count_max;
	/* Beyond it a learner that falls behind (its SNAP, its acks) is dropped. */
	size_t pinned_size_max;
	/* Transactions proposed and not committed; zab_can_propose is false beyond it. */
	size_t outstanding_size_max;
	/* Whether an empty store may vote at once: the operator says that this is a new ensemble
	 * (R18). */
	bool may_bootstrap;
};
/* ZooKeeper's sample values, members empty. history_*_max are ours: 32 MiB, 100,000. */
void zab_config_init(struct zab_config *config);

/* What the disk holds at start. */
struct zab_durable {
	/* It was made for this ensemble, and no ZAB_SET_EPOCHS or ZAB_INSTALL_SNAPSHOT with
	   is_empty false was durable since: it was never in sync, nor in the ensemble's first
	   quorum. What it may have accepted or logged meanwhile counts for nothing: it is no voter
	   (R18). Its current_epoch is 0, its tree empty. */
	bool is_empty;
	uint32_t accepted_epoch;
	uint32_t current_epoch;
	zxid_t base_zxid; /* of the generation: the log begins behind it */
	zxid_t tree_zxid;
	zxid_t committed_zxid; /* a lower bound, not below tree_zxid */
};

struct zab;

/*
 * Life: zab_new, zab_recover for every transaction that the log still holds (from any
 * zxid at or below tree_zxid + 1 on, contiguous), zab_start. The application has applied up to
 * committed_zxid by itself: delivered begins there.
 */
struct zab *zab_new(const struct zab_config *config, const struct zab_durable *durable);
void zab_free(struct zab *zab);
/* 0, or -EBADMSG: it does not follow the one before (same epoch + 1, or counter 1 of a higher one).
 */
int zab_recover(struct zab *zab, zxid_t zxid, struct blob *txn);
void zab_start(struct zab *zab, msec_t now_ms);

/* ---- events: time and election ---- */

void zab_tick(struct zab *zab, msec_t now_ms);
msec_t zab_next_tick_ms(const struct zab *zab);

/* A frame from sid's election connection. */
void zab_notification(struct zab *zab, int64_t sid, struct bytes bytes);
void zab_set_reachable(struct zab *zab, int64_t sid, enum election_reach reach);

/* ---- events: links ---- */

/* Accepted on the quorum port (only while ZAB_LISTEN holds). */
void zab_link_accepted(struct zab *zab, zab_link_t link);
/* ZAB_CONNECT succeeded (link), or failed for good (ZAB_LINK_NONE). */
void zab_connected(struct zab *zab, zab_link_t link);
/* The peer or the driver ended it; not after ZAB_CLOSE. */
void zab_link_closed(struct zab *zab, zab_link_t link);
void zab_packet(struct zab *zab, zab_link_t link, const struct zab_packet *packet);

/* ---- events: the own disk ---- */

/*
 * Appended transactions up to zxid are durable. Not of a staged generation: what is appended there
 * is durable with ZAB_INSTALL_SNAPSHOT, or dropped.
 */
void zab_logged(struct zab *zab, zxid_t zxid);
/* ZAB_SET_EPOCHS or ZAB_INSTALL_SNAPSHOT is durable, with all that was appended before it. */
void zab_epochs_durable(struct zab *zab);
/* ZAB_TRUNCATE is durable. */
void zab_truncated(struct zab *zab);
/* The tree's database is at zxid; the valid generation's, so not from ZAB_INSTALL_SNAPSHOT until
 * that is durable. */
void zab_tree_durable(struct zab *zab, zxid_t zxid);

/* ---- events: snapshots ---- */

/*
 * ZAB_SEND_SNAPSHOT was begun: the stream is that of zxid, a committed one not below the tree's
 * that was told last. The core then sends SNAP (as a ZAB_SEND); behind it the driver puts the
 * stream.
 */
void zab_snapshot_opened(struct zab *zab, zab_link_t link, zxid_t zxid);
/* The stream is on the link in whole. If that fails the driver closes the link. While a stream is
 * on a link its time is the driver's: it ends the link where nothing moves for init_limit. */
void zab_snapshot_sent(struct zab *zab, zab_link_t link);
/* ZAB_RECEIVE_SNAPSHOT: the stream was read in whole, its end included, and is staged; or it is no
 * good. */
void zab_snapshot_received(struct zab *zab, zab_link_t link, bool is_good);

/* ---- the application ---- */

/* Whether it leads an established epoch and has room (outstanding_size_max). */
bool zab_can_propose(const struct zab *zab);
/* The zxid that zab_propose will take next. While it leads. */
zxid_t zab_next_zxid(const struct zab *zab);
/*
 * Leading and established: propose txn, whose zxid must be zab_next_zxid. Takes a reference. The
 * last counter of an epoch is never used: the leader steps down first.
 */
void zab_propose(struct zab *zab, zxid_t zxid, struct blob *txn);

/* Send a packet of the application's (REQUEST, REVALIDATE, SYNC) to a learner, or to the leader
 * (link ignored while not leading). Dropped where the link is gone. */
void zab_send(struct zab *zab, zab_link_t link, const struct zab_packet *packet);
/* The answer to ZAB_PINGED: the table of touched sessions (never null; struct zab_session). */
void zab_pong(struct zab *zab, struct bytes table);

/* ---- actions ---- */

enum zab_action_type {
	/* Election: send bytes to sid's election connection: one slot a sid, a newer replaces an
	   older. */
	ZAB_NOTIFY,
	/* Accept links on the quorum port; or don't any more (close what is not in use there). */
	ZAB_LISTEN,
	ZAB_UNLISTEN,
	/* Connect to sid's quorum port, trying again until deadline_ms -> zab_connected. A later
	 * ZAB_DISCONNECT takes it back. */
	ZAB_CONNECT,
	ZAB_DISCONNECT,
	ZAB_SEND, /* bytes: one whole packet, on link */
	ZAB_CLOSE,
	/* Disk. Performed in order; each is reported when durable. */
	ZAB_APPEND,     /* zxid, txn, and committed: a lower bound to store with it (in a staged
			   generation its base) -> zab_logged */
	ZAB_SET_EPOCHS, /* both epochs and is_empty -> zab_epochs_durable */
	ZAB_TRUNCATE,   /* drop the log above zxid -> zab_truncated */
	/* Snapshots. */
	ZAB_SEND_SNAPSHOT,    /* to link -> zab_snapshot_opened, then zab_snapshot_sent */
	ZAB_RECEIVE_SNAPSHOT, /* what follows on link is a stream, at zxid: stage it in a new
				 generation, whose log begins behind zxid; appends that follow go
				 there
				 -> zab_snapshot_received */
	ZAB_INSTALL_SNAPSHOT, /* make the staged generation, both epochs and is_empty (false) valid
				 in one commit
				 -> zab_epochs_durable. The application's tree is the staged one
				 from then on, at zxid, and its old one void */
	ZAB_ABORT_SNAPSHOT,   /* drop what is staged, appends to it included; the old generation is
				 valid */
	/* To the application. */
	ZAB_ROLE,     /* state, epoch, is_serving: see below */
	ZAB_DELIVER,  /* zxid, txn: committed and logged; in order, without a gap */
	ZAB_RECEIVED, /* packet of link for the application: REQUEST, REVALIDATE, SYNC, PING (a
			 learner's table; sid is who) */
	ZAB_PINGED,   /* we are asked for our touched sessions: answer with zab_pong */
	/* For the operator: text, level (0 debug, 1 info, 2 warning, 3 error). */
	ZAB_LOG,
	/* It can't go on: say text and end the process, exit status not zero. */
	ZAB_FATAL,
};

/*
 * ZAB_ROLE: first LOOKING, not serving (at every change of role, once; the application drops its
 * clients and what it had in process). Then the new state, serving, once the epoch is established
 * and all of its history is delivered: a leader before anything is proposed, a learner at UPTODATE.
 * is_serving false with another state than LOOKING tells srvr's Mode only.
 */
struct zab_action {
	enum zab_action_type type;
	zab_link_t link;
	int64_t sid;
	zxid_t zxid;
	zxid_t committed;
	uint32_t accepted_epoch;
	uint32_t current_epoch;
	bool is_empty;
	msec_t deadline_ms;
	enum zab_state state;
	uint32_t epoch;
	bool is_serving;
	int level;
	struct bytes bytes;       /* NOTIFY, SEND */
	struct blob *txn;         /* APPEND, DELIVER: take a reference to keep it */
	struct zab_packet packet; /* RECEIVED */
	const char *text;
};

/* False when there is none left. */
bool zab_take_action(struct zab *zab, struct zab_action *ret_action);

/* ---- what an operator sees ---- */

struct zab_learner_status {
	int64_t sid;
	zab_link_t link;
	bool is_observer;
	bool is_synced;
	zxid_t acked;
};

struct zab_status {
	enum zab_state state;
	bool is_serving;
	int64_t leader; /* sid; -1: none known */
	uint32_t accepted_epoch;
	uint32_t current_epoch;
	zxid_t logged;
	zxid_t committed;
	zxid_t delivered;
	size_t learner_count;
	size_t synced_follower_count;
	size_t synced_observer_count;
	size_t outstanding_count; /* proposed here, not committed */
	msec_t election_ms;       /* how long the last election took */
};
void zab_get_status(const struct zab *zab, struct zab_status *ret_status);
/* The committed configuration, valid as long as zab. */
const struct members *zab_members(const struct zab *zab);
/* The learners of a leader, in the order of their connecting; false at the end. *at is 0 before the
 * first. */
bool zab_next_learner(const struct zab *zab, size_t *at, struct zab_learner_status *ret_status);

/* The sid behind an accepted link, or -1. */
int64_t zab_link_sid(const struct zab *zab, zab_link_t link);

void zab_check(const struct zab *zab);

/*
 * Deliberate faults, for the simulator to prove that it catches them. Never set but in t/.
 */
enum zab_mutation {
	ZAB_MUTATION_NONE,
	ZAB_MUTATION_SKIP_ACCEPTED_EPOCH,  /* ACKEPOCH without waiting for acceptedEpoch */
	ZAB_MUTATION_EPOCH_BEFORE_HISTORY, /* currentEpoch set durable before the history is (R2) */
	ZAB_MUTATION_ACK_NEWLEADER_EARLY,  /* before history and epoch are durable (R1) */
	ZAB_MUTATION_ACK_EARLY,            /* ACK of a proposal before it is logged */
	ZAB_MUTATION_LEADER_COUNTS_UNLOGGED, /* the leader's own ack before its own sync */
	ZAB_MUTATION_MINORITY,               /* a majority less one commits */
	ZAB_MUTATION_MINORITY_ELECTION,      /* ... elects */
	ZAB_MUTATION_KEEP_AT_TRUNC,          /* TRUNC leaves the log as it is */
	ZAB_MUTATION_DIFF_WITH_HOLE,         /* one transaction is left out of a DIFF (R6) */
	ZAB_MUTATION_APPLY_TAIL_AT_RESTART,  /* the uncommitted tail counts as committed (R11) */
	ZAB_MUTATION_APPLY_BEFORE_UPTODATE,  /* commits of a sync are delivered as they come */
	ZAB_MUTATION_COMMIT_BEFORE_LOGGED,   /* a COMMIT is delivered that the own log does not hold
					      */
	ZAB_MUTATION_KEEP_LOG_AT_SNAP,       /* a SNAP leaves the old log valid (R12) */
	ZAB_MUTATION_VOTE_DELIVERED, /* votes with the delivered zxid, not the logged one (R7) */
	ZAB_MUTATION_REUSE_EPOCH,    /* the new epoch is max(acceptedEpoch), not plus one (R14) */
	ZAB_MUTATION_EMPTY_VOTES,    /* an empty store votes (R18) */
	ZAB_MUTATION_STALE_VOTE,     /* the vote's peerEpoch is not updated at UPTODATE (R25) */
	ZAB_MUTATION_ACK_OVERTAKES,  /* a proposal's ACK goes out before NEWLEADER's (R3) */
	ZAB_MUTATION_NO_DRAIN,       /* LOOKING does not wait for the own log (R5) */
	ZAB_MUTATION_NEWLEADER_BEFORE_SNAP, /* NEWLEADER before the stream is sent (R10) */
	ZAB_MUTATION_OBSERVER_COUNTS,       /* observers count in quorums */
	ZAB_MUTATION_COUNT,
};
void zab_set_mutation(struct zab *zab, enum zab_mutation mutation);

#endif
