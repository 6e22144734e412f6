#ifndef ZAB_ELECTION_H
#define ZAB_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/zab/members.h"
#include "replica/zab/notification.h"
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
 * What is sent goes out by the send callback, which must not call back.
 *
 * The wait at the end: Java waits finalizeWait (200 ms) for a better vote. Here
 * it ends as soon as every voter that can be reached has voted for the same;
 * who can't be reached is what the driver said (election_set_reachable). A voter that
 * is reachable or unknown, and silent, is waited for until finalizeWait is over.
 *
 * Invariants:
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

/* What became of a voter's socket, as the driver last told. */
enum election_reach { ELECTION_UNKNOWN, ELECTION_REACHABLE, ELECTION_UNREACHABLE };

/* A voter's latest, of this round (looking), or of a settled ensemble. */
struct election_vote {
	bool is_present;
	enum zab_state state;
	struct zab_vote vote;
	int64_t election_epoch;
	int32_t version;
};

struct election_peer {
	int64_t sid;
	enum election_reach reach;
	struct election_vote received;        /* recvset */
	struct election_vote out_of_election; /* outofelection */
};

/* bytes is valid during the call. */
typedef void election_send_fn(void *data, int64_t sid, struct bytes bytes);

struct election {
	int64_t myid;
	const struct members *committed; /* zab's; must outlive the election, or be set anew */
	const struct members *last_seen; /* NULL, or newer than committed */
	election_send_fn *send;
	void *data;

	enum zab_state state;
	int64_t round; /* logicalclock */
	struct zab_vote own;
	struct zab_vote proposal;    /* while LOOKING; afterwards the current vote */
	int64_t settled_round;       /* the electionEpoch of the current vote */
	struct election_peer *peers; /* voters of both configurations, by sid, without myid */
	size_t peer_count;
	msec_t now_ms;
	msec_t resend_at_ms;
	msec_t resend_ms;
	msec_t finalize_at_ms; /* 0: no quorum agrees yet */
	bool is_decided;
	bool may_bootstrap; /* see election_set_bootstrap */
	uint64_t ignored;   /* messages that were malformed or of strangers */
};

void election_init(struct election *election, int64_t myid, const struct members *committed,
		   election_send_fn *send, void *data);
void election_release(struct election *election);

/* Also when the configurations have changed. Forgets votes of who left. */
void election_set_members(struct election *election, const struct members *committed,
			  const struct members *last_seen);

/*
 * An empty store doesn't vote (own zxid -1) until every voter, heard in this
 * election, is LOOKING and empty too (zxid 0 or -1, peerEpoch 0), or the operator said that
 * this is a new ensemble. election_start with a zxid of -1 means an empty store; once
 * bootstrap is allowed its vote has zxid 0.
 */
void election_set_bootstrap(struct election *election, bool is_allowed);

/* LOOKING: a new round. own.leader is myid, or INT64_MIN with zxid and epoch INT64_MIN for an
 * observer. */
void election_start(struct election *election, struct zab_vote own, msec_t now_ms);

/* A frame of sid's election connection, whatever the state. Malformed ones are counted and dropped.
 */
void election_notification(struct election *election, int64_t sid, struct bytes bytes,
			   msec_t now_ms);
void election_set_reachable(struct election *election, int64_t sid, enum election_reach reach,
			    msec_t now_ms);
void election_tick(struct election *election, msec_t now_ms);
msec_t election_next_tick_ms(const struct election *election); /* INT64_MAX: never */

/* LOOKING, and a leader is found: *ret_vote.leader. It stays so until settled or started again. */
bool election_decided(const struct election *election, struct zab_vote *ret_vote);

/*
 * The role was taken: what LOOKING peers are answered with. Again when the epoch is
 * established, with its number as peer_epoch (lessons R25).
 */
void election_settle(struct election *election, enum zab_state state, struct zab_vote vote);

void election_check(const struct election *election);

#endif
