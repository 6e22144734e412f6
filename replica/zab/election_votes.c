#include "replica/zab/election_votes.h"

/* ---- who is who ---- */

bool election_is_voter(const struct election *election, int64_t sid)
{
	return members_is_voter(election->committed, sid) ||
	       (election->last_seen && members_is_voter(election->last_seen, sid));
}

bool election_is_member(const struct election *election, int64_t sid)
{
	return members_find(election->committed, sid) ||
	       (election->last_seen && members_find(election->last_seen, sid));
}

static bool may_lead(const struct election *election, int64_t sid)
{
	return members_may_lead(election->committed, sid) ||
	       (election->last_seen && members_may_lead(election->last_seen, sid));
}

struct election_peer *election_find_peer(const struct election *election, int64_t sid)
{
	for (size_t i = 0; i < election->peer_count; i++)
		if (election->peers[i].sid == sid)
			return &election->peers[i];
	return NULL;
}

/* An empty store, which may not vote. */
bool election_is_voteless(const struct election *election)
{
	return election->own.zxid == -1;
}

bool election_is_searching(const struct election *election)
{
	return election->state == ZAB_LOOKING && election->round > 0 && !election->is_decided;
}

/* ---- votes ---- */

bool election_is_same_vote(const struct zab_vote *a, const struct zab_vote *b)
{
	return a->leader == b->leader && a->zxid == b->zxid && a->peer_epoch == b->peer_epoch;
}

bool election_is_empty_vote(const struct zab_vote *vote)
{
	return (vote->zxid == 0 || vote->zxid == -1) && vote->peer_epoch == 0;
}

/* FastLeaderElection.totalOrderPredicate */
bool election_is_better(const struct election *election, const struct zab_vote *vote,
			const struct zab_vote *than)
{
	if (!may_lead(election, vote->leader))
		return false;
	if (vote->peer_epoch != than->peer_epoch)
		return vote->peer_epoch > than->peer_epoch;
	if (vote->zxid != than->zxid)
		return vote->zxid > than->zxid;
	return vote->leader > than->leader;
}

/*
 * Vote.equals. Servers of one settled ensemble may have come to it by votes of
 * different zxids and rounds: what they have in common is leader and epoch
 * (ZOOKEEPER-1419, 1514, 1732, 1818); with a peer that sends no version, and in
 * this round, the leader alone (Java's recvset keeps no versions).
 */
bool election_votes_match(enum election_set set, const struct election_vote *a,
			  const struct election_vote *b)
{
	if (a->state == ZAB_LOOKING || b->state == ZAB_LOOKING)
		return election_is_same_vote(&a->vote, &b->vote) &&
		       a->election_epoch == b->election_epoch;
	if (a->vote.leader != b->vote.leader)
		return false;
	return set == ELECTION_RECEIVED || (a->version > 0) != (b->version > 0) ||
	       a->vote.peer_epoch == b->vote.peer_epoch;
}

struct election_vote election_own_ballot(const struct election *election)
{
	return (struct election_vote){
		.is_present = !election_is_voteless(election),
		.state = ZAB_LOOKING,
		.vote = election->proposal,
		.election_epoch = election->round,
		.version = NOTIFICATION_VERSION,
	};
}

/* ---- quorums ---- */

struct tally {
	const struct election *election;
	enum election_set set;
	const struct election_vote *vote;
};

static const struct election_vote *vote_in(const struct election_peer *peer, enum election_set set)
{
	return set == ELECTION_RECEIVED ? &peer->received : &peer->out_of_election;
}

/* Has sid voted like tally->vote? The own vote is in ELECTION_RECEIVED, as Java's loop-back puts it
 * there.
 */
static bool has_voted(const void *data, int64_t sid)
{
	const struct tally *tally = data;
	const struct election_peer *peer;
	const struct election_vote *vote;
	struct election_vote own;

	if (sid == tally->election->myid) {
		own = election_own_ballot(tally->election);
		return tally->set == ELECTION_RECEIVED && own.is_present &&
		       election_votes_match(ELECTION_RECEIVED, &own, tally->vote);
	}
	peer = election_find_peer(tally->election, sid);
	if (!peer)
		return false;
	vote = vote_in(peer, tally->set);
	return vote->is_present && election_votes_match(tally->set, vote, tally->vote);
}

bool election_is_quorum(const struct election *election, enum election_set set,
			const struct election_vote *vote)
{
	struct tally tally = {.election = election, .set = set, .vote = vote};

	return members_is_quorum(election->committed, has_voted, &tally) &&
	       (!election->last_seen || members_is_quorum(election->last_seen, has_voted, &tally));
}

/*
 * FastLeaderElection.checkLeader: nobody follows a server that doesn't say
 * itself that it leads; and who is followed leads only if it is in that round,
 * and, beyond Java, by the vote that it cast there: after a restart it would
 * take those for followers that have not noticed yet.
 */
bool election_is_leader_confirmed(const struct election *election, enum election_set set,
				  const struct election_vote *vote)
{
	const struct election_peer *leader;

	if (vote->vote.leader == election->myid)
		return !election_is_voteless(election) && vote->election_epoch == election->round &&
		       election_is_same_vote(&vote->vote, &election->own);
	leader = election_find_peer(election, vote->vote.leader);
	return leader && vote_in(leader, set)->is_present &&
	       vote_in(leader, set)->state == ZAB_LEADING;
}
