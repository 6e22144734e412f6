#ifndef ZAB_ELECTION_H
#define ZAB_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/zab/members.h"
#include "replica/zab/notification.h"
#include "src/base/buf.h"
#include "src/base/msec.h"
#include "src/zk/zxid.h"

/*
 * FastLeaderElection as a step machine (spec/quorum-protocol.md 3.1, 4). It
 * lives as long as the process: its round (the logical clock) never goes back.
 * Part of zab (zab.h), which owns it.
 *
 *	election_start(election, vote, now)	-> LOOKING
 *	election_notification / election_tick	-> sends; at the end, decided
 *	election_decided(election, &vote)
 *	election_settle(election, state, vote)	-> answers LOOKING peers from now on
 *
 * What is sent goes out by the send callback, which must not call back. To
 * each sid only the latest counts; what a connection may have lost is sent again when
 * there is a new one (election_set_reachable), and all at growing intervals.
 *
 * The wait at the end: Java waits finalizeWait (200 ms) for a better vote. Here
 * it ends as soon as every voter that can be reached has voted for the same;
 * who can't be reached is what the driver said (election_set_reachable). A voter that
 * is reachable or unknown, and silent, is waited for until finalizeWait is over.
 *
 * Where it differs from Java, beside that:
 *  - Own and others' votes never go back to an earlier round: Java sets its clock
 *    back when it joins an ensemble of an earlier one. What is answered afterwards
 *    has the ensemble's round either way.
 *  - A voter counts by the last thing it said: one that was FOLLOWING and is LOOKING,
 *    or that has settled in another round, is in no set any more as what it was.
 *  - A voter whose first vote of a round changes nothing here is sent the proposal: it
 *    may have been settled still when that went out, and have dropped it.
 *  - A server that others follow leads only by the vote that it cast in this round, not
 *    by one that it has in common with them from before it was started again.
 *  - A LOOKING voter of the settled round whose vote is the elected one is answered with
 *    that vote, once, and not with the epoch that has begun since: Java takes that for a
 *    better vote, gives up the quorum it has, and waits for its next interval.
 *  - OBSERVING answers nobody, and who is OBSERVING is not answered: no vote depends
 *    on it, and a Java voter would answer the answer, for ever.
 *  - The configuration in a notification is not adopted (reconfigEnabled=false), and
 *    the vote counts even if that can't be read. See newer_version.
 *
 * Invariants (election_check):
 *  1. round grows only
 *  2. while LOOKING, received holds only votes of this round, of voters
 *  3. own zxid -1 (a store that may not vote, lessons R18): it proposes nothing and joins
 *     only what servers that are FOLLOWING and LEADING agree on
 */
enum {
	ELECTION_FINALIZE_MS = 200,
	ELECTION_RESEND_MS_MIN = 200,
	ELECTION_RESEND_MS_MAX = 60000,
};
/* No round of a peer beyond it is believed: it could not be counted on from. */
#define ELECTION_ROUND_MAX ((int64_t)1 << 62)

/* What became of a voter's socket, as the driver last told. */
enum election_reach { ELECTION_UNKNOWN, ELECTION_REACHABLE, ELECTION_UNREACHABLE };

struct election_vote {
	bool is_present;
	enum zab_state state;
	struct zab_vote vote;
	int64_t election_epoch;
	int32_t version;
};

/* A voter, and what it said last in this election. */
struct election_peer {
	int64_t sid;
	enum election_reach reach;
	struct election_vote looking;         /* while it is LOOKING, whether it counts or not */
	struct election_vote received;        /* recvset: of this round */
	struct election_vote out_of_election; /* outofelection: of a settled ensemble */
	bool was_confirmed;                   /* answered last with what was elected */
};

/* bytes is valid during the call. */
typedef void election_send_fn(void *data, int64_t sid, struct bytes bytes);

struct election {
	int64_t myid;
	const struct members *committed; /* zab's; must outlive the election, or be set anew */
	const struct members *last_seen; /* NULL, or newer than committed */
	election_send_fn *send;
	void *data;
	struct buf message; /* what is being sent */

	enum zab_state state;
	int64_t round; /* logicalclock; 0: never started */
	struct zab_vote own;
	struct zab_vote proposal;    /* while LOOKING; afterwards the current vote */
	struct zab_vote elected;     /* the current vote as it was decided, with that peer_epoch */
	int64_t settled_round;       /* the electionEpoch of the current vote */
	struct election_peer *peers; /* voters of both configurations, by sid, without myid */
	size_t peer_count;
	msec_t now_ms;
	msec_t resend_at_ms;
	msec_t resend_ms;
	bool is_finalizing; /* a quorum agrees, until finalize_at_ms */
	msec_t finalize_at_ms;
	bool is_decided;
	bool may_bootstrap; /* see election_set_bootstrap */

	/* For the operator; zab watches them. */
	uint64_t ignored;            /* messages that were malformed or of strangers */
	uint64_t unreadable_configs; /* in messages that were not ignored for it */
	zxid_t newer_version;        /* the highest that a member has beyond ours; 0: none has */
	int64_t newer_version_sid;   /* who has it */
};

void election_init(struct election *election, int64_t myid, const struct members *committed,
		   election_send_fn *send, void *data);
void election_release(struct election *election);

/*
 * When the configurations have changed. Forgets who left, and while LOOKING proposes itself where
 * the proposal was one of them. zab starts a new election where the change calls for one.
 */
void election_set_members(struct election *election, const struct members *committed,
			  const struct members *last_seen);

/*
 * An empty store doesn't vote (own zxid -1) until every voter, heard in this
 * election, is LOOKING and empty too (zxid 0 or -1, peerEpoch 0), or the operator said that
 * this is a new ensemble. election_start with a zxid of -1 means an empty store; once
 * bootstrap is allowed its vote has zxid 0, until the next start. Takes effect at once.
 */
void election_set_bootstrap(struct election *election, bool is_allowed);

/* LOOKING: a new round. own.leader is myid, or INT64_MIN with zxid and epoch INT64_MIN for an
 * observer. */
void election_start(struct election *election, struct zab_vote own, msec_t now_ms);

/* A frame of sid's election connection, whatever the state. Malformed ones are counted and dropped.
 */
void election_notification(struct election *election, int64_t sid, struct bytes bytes,
			   msec_t now_ms);
/* REACHABLE for every new connection, even if it was so before: the current proposal goes out. */
void election_set_reachable(struct election *election, int64_t sid, enum election_reach reach,
			    msec_t now_ms);
void election_tick(struct election *election, msec_t now_ms);
msec_t election_next_tick_ms(const struct election *election); /* INT64_MAX: never */

/* LOOKING, and a leader is found: *ret_vote.leader. It stays so until settled or started again;
 * meanwhile messages are dropped. */
bool election_decided(const struct election *election, struct zab_vote *ret_vote);

/*
 * The role was taken: what LOOKING peers are answered with. Again when the epoch is
 * established, with its number as peer_epoch (lessons R25). state is not LOOKING, and the
 * leader is that of the decision.
 */
void election_settle(struct election *election, enum zab_state state, struct zab_vote vote);

void election_check(const struct election *election);

#endif
