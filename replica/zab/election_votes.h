#ifndef ZAB_ELECTION_VOTES_H
#define ZAB_ELECTION_VOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/zab/election.h"

/*
 * What votes say: who may cast them, which is better, which agree, and whether
 * that is a quorum. The part of election.c that changes nothing.
 */

/* In either configuration. */
bool election_is_voter(const struct election *election, int64_t sid);
bool election_is_member(const struct election *election, int64_t sid);
struct election_peer *election_find_peer(const struct election *election, int64_t sid);

/* It has an empty store, which may not vote. */
bool election_is_voteless(const struct election *election);
/* LOOKING, started, and not decided yet. */
bool election_is_searching(const struct election *election);

bool election_is_same_vote(const struct zab_vote *a, const struct zab_vote *b);
/* Of a server that has nothing. */
bool election_is_empty_vote(const struct zab_vote *vote);
/* FastLeaderElection.totalOrderPredicate */
bool election_is_better(const struct election *election, const struct zab_vote *vote,
			const struct zab_vote *than);

/* Which of a peer's votes are counted. The own one is in the first, by Java's loop-back. */
enum election_set { ELECTION_RECEIVED, ELECTION_OUT_OF_ELECTION };

bool election_votes_match(enum election_set set, const struct election_vote *a,
			  const struct election_vote *b);
/* The proposal as a vote; not present while it may not vote. */
struct election_vote election_own_ballot(const struct election *election);
/* Have enough voted like vote, in every configuration? */
bool election_is_quorum(const struct election *election, enum election_set set,
			const struct election_vote *vote);
/* May the leader of a settled vote be followed, or be this server? */
bool election_is_leader_confirmed(const struct election *election, enum election_set set,
				  const struct election_vote *vote);

#endif
