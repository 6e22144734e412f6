#include "replica/zab/election.h"

#include <stdlib.h>

#include "replica/zab/election_votes.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

/* ---- sending ---- */

static void write_message(struct election *election, const struct zab_vote *vote)
{
	const struct members *committed = election->committed;
	struct notification notification = {
		.state = election->state,
		.vote = *vote,
		.election_epoch =
			election->state == ZAB_LOOKING ? election->round : election->settled_round,
		.version = NOTIFICATION_VERSION,
		.config = bytes_of(committed->text, committed->text_size),
	};

	buf_reset(&election->message);
	notification_write(&election->message, &notification);
	ASSERT(!election->message.error); /* MEMBERS_TEXT_SIZE_MAX is far below its maximum */
}

static void send_vote(struct election *election, int64_t sid, const struct zab_vote *vote)
{
	write_message(election, vote);
	election->send(election->data, sid, buf_bytes(&election->message));
}

static void send_to(struct election *election, int64_t sid)
{
	send_vote(election, sid, &election->proposal);
}

static void broadcast(struct election *election)
{
	write_message(election, &election->proposal);
	for (size_t i = 0; i < election->peer_count; i++)
		election->send(election->data, election->peers[i].sid,
			       buf_bytes(&election->message));
	election->resend_at_ms = election->now_ms + election->resend_ms;
}

/* ---- deciding ---- */

static void decide(struct election *election, const struct zab_vote *vote, int64_t election_epoch)
{
	ASSERT(election_is_searching(election));
	election->proposal = *vote;
	election->elected = *vote;
	election->settled_round = election_epoch;
	if (election->round < election_epoch)
		election->round = election_epoch;
	election->is_decided = true;
	election->is_finalizing = false;
}

/* Nothing better can come from any voter that may still speak. */
static bool all_have_voted(const struct election *election, const struct election_vote *vote)
{
	for (size_t i = 0; i < election->peer_count; i++) {
		const struct election_peer *peer = &election->peers[i];

		if (peer->reach != ELECTION_UNREACHABLE &&
		    !(peer->received.is_present &&
		      election_votes_match(ELECTION_RECEIVED, &peer->received, vote)))
			return false;
	}
	return true;
}

/* Does a quorum agree with the proposal, and was that so for long enough? */
static void count_votes(struct election *election)
{
	struct election_vote vote = election_own_ballot(election);

	if (!vote.is_present || !election_is_quorum(election, ELECTION_RECEIVED, &vote)) {
		election->is_finalizing = false;
		return;
	}
	if (!election->is_finalizing) {
		election->is_finalizing = true;
		election->finalize_at_ms = election->now_ms + ELECTION_FINALIZE_MS;
	}
	if (election->now_ms >= election->finalize_at_ms || all_have_voted(election, &vote))
		decide(election, &election->proposal, election->round);
}

/* ---- the votes of LOOKING servers ---- */

static void propose(struct election *election, const struct zab_vote *vote)
{
	election->proposal = *vote;
	election->is_finalizing = false;
	broadcast(election);
}

static void enter_round(struct election *election, int64_t round)
{
	ASSERT(round > election->round);
	election->round = round;
	for (size_t i = 0; i < election->peer_count; i++)
		election->peers[i].received.is_present = false;
}

/*
 * A LOOKING vote of this round or a later one, from a server that votes, while
 * this one does. Whose vote is the first of the round may have been settled
 * when the proposal was sent, and so not have counted it: it is sent again,
 * where Java lets it wait for the next interval.
 */
static void take_vote(struct election *election, struct election_peer *peer,
		      const struct election_vote *vote)
{
	bool is_first = !peer->received.is_present;

	if (vote->election_epoch > election->round) {
		enter_round(election, vote->election_epoch);
		propose(election, election_is_better(election, &vote->vote, &election->own)
					  ? &vote->vote
					  : &election->own);
	} else if (election_is_better(election, &vote->vote, &election->proposal)) {
		propose(election, &vote->vote);
	} else if (is_first) {
		send_to(election, peer->sid);
	}
	peer->received = *vote;
}

/* An empty store may vote: so do those that were heard before. */
static void bootstrap(struct election *election)
{
	election->own.zxid = 0;
	propose(election, &election->own);
	for (size_t i = 0; i < election->peer_count; i++) {
		struct election_peer *peer = &election->peers[i];

		if (peer->looking.is_present && peer->looking.vote.zxid != -1 &&
		    peer->looking.election_epoch >= election->round)
			take_vote(election, peer, &peer->looking);
	}
	count_votes(election);
}

/*
 * May an empty store vote? A proposal is never worse than its sender's own
 * vote, so who proposes an empty store is empty itself.
 */
static void try_bootstrap(struct election *election)
{
	if (!election_is_searching(election) || !election_is_voteless(election))
		return;
	for (size_t i = 0; i < election->peer_count && !election->may_bootstrap; i++) {
		const struct election_vote *vote = &election->peers[i].looking;

		if (!vote->is_present || !election_is_empty_vote(&vote->vote))
			return;
	}
	bootstrap(election);
}

static void hear_looking(struct election *election, struct election_peer *peer,
			 const struct election_vote *vote)
{
	peer->looking = *vote;
	peer->out_of_election.is_present = false;
	if (vote->vote.zxid == -1 || vote->election_epoch < election->round) {
		/* What it said in this round it said before it was started again. */
		peer->received.is_present = false;
	} else if (!election_is_voteless(election)) {
		take_vote(election, peer, vote);
	}
	if (election_is_voteless(election))
		try_bootstrap(election);
	else
		count_votes(election);
}

/* ---- the votes of settled servers ---- */

static void join_if_agreed(struct election *election, enum election_set set,
			   const struct election_vote *vote)
{
	if (!election->is_decided && election_is_quorum(election, set, vote) &&
	    election_is_leader_confirmed(election, set, vote))
		decide(election, &vote->vote, vote->election_epoch);
}

/* FastLeaderElection.receivedFollowingNotification */
static void hear_settled(struct election *election, struct election_peer *peer,
			 const struct election_vote *vote)
{
	peer->looking.is_present = false;
	peer->received.is_present = false;
	if (vote->election_epoch == election->round) {
		peer->received = *vote;
		join_if_agreed(election, ELECTION_RECEIVED, vote);
	}
	peer->out_of_election = *vote;
	join_if_agreed(election, ELECTION_OUT_OF_ELECTION, vote);
	if (!election->is_decided)
		count_votes(election);
}

static void hear(struct election *election, struct election_peer *peer,
		 const struct notification *notification)
{
	struct election_vote vote = {
		.is_present = true,
		.state = notification->state,
		.vote = notification->vote,
		.election_epoch = notification->election_epoch,
		.version = notification->version,
	};

	/*
	 * It is late, whomever it votes for (WorkerReceiver.run). Java's observers say so too; but
	 * a voter answers an observer at once, so that the two would never stop.
	 */
	if (vote.state == ZAB_LOOKING && vote.election_epoch < election->round &&
	    election_is_voter(election, election->myid))
		send_to(election, peer->sid);
	if (vote.state == ZAB_OBSERVING || !election_is_voter(election, vote.vote.leader))
		return;
	if (vote.state == ZAB_LOOKING)
		hear_looking(election, peer, &vote);
	else
		hear_settled(election, peer, &vote);
}

/* ---- configurations ---- */

static zxid_t newest_version(const struct election *election)
{
	zxid_t version = election->committed->version;

	if (election->last_seen && election->last_seen->version > version)
		version = election->last_seen->version;
	return election->newer_version > version ? election->newer_version : version;
}

/* Only looks whether somebody was reconfigured without this server. */
static void note_config(struct election *election, int64_t sid, struct bytes config)
{
	const struct members *committed = election->committed;
	struct members members;

	/* Nearly always it is the own one; equal bytes say the same. */
	if (bytes_is_null(config) ||
	    bytes_equal(config, bytes_of(committed->text, committed->text_size)))
		return;
	if (members_parse(config, &members) < 0) {
		election->unreadable_configs++;
		return;
	}
	if (members.version > newest_version(election)) {
		election->newer_version = members.version;
		election->newer_version_sid = sid;
	}
	members_release(&members);
}

/* ---- peers ---- */

static int compare_peers(const void *a, const void *b)
{
	int64_t left = ((const struct election_peer *)a)->sid;
	int64_t right = ((const struct election_peer *)b)->sid;

	return (left > right) - (left < right);
}

static void add_voters(const struct election *election, const struct members *members,
		       struct election_peer *peers, size_t *count)
{
	for (size_t i = 0; i < members->count; i++) {
		int64_t sid = members->members[i].sid;
		const struct election_peer *known = election_find_peer(election, sid);
		bool is_there = false;

		for (size_t j = 0; j < *count; j++)
			is_there = is_there || peers[j].sid == sid;
		if (members->members[i].is_observer || sid == election->myid || is_there)
			continue;
		peers[(*count)++] = known ? *known : (struct election_peer){.sid = sid};
	}
}

void election_set_members(struct election *election, const struct members *committed,
			  const struct members *last_seen)
{
	size_t count_max = committed->count + (last_seen ? last_seen->count : 0);
	struct election_peer *peers = mem_zalloc((count_max + 1) * sizeof(*peers));
	size_t count = 0;

	election->committed = committed;
	election->last_seen = last_seen;
	add_voters(election, committed, peers, &count);
	if (last_seen)
		add_voters(election, last_seen, peers, &count);
	qsort(peers, count, sizeof(*peers), compare_peers);
	free(election->peers);
	election->peers = peers;
	election->peer_count = count;
	if (!election_is_searching(election))
		return;
	if (!election_is_voter(election, election->proposal.leader))
		propose(election, &election->own);
	count_votes(election);
}

/* ---- life and events ---- */

void election_init(struct election *election, int64_t myid, const struct members *committed,
		   election_send_fn *send, void *data)
{
	*election = (struct election){.myid = myid, .send = send, .data = data};
	buf_init(&election->message, NOTIFICATION_SIZE_MAX);
	election_set_members(election, committed, NULL);
}

void election_release(struct election *election)
{
	free(election->peers);
	buf_release(&election->message);
	*election = (struct election){0};
}

void election_set_bootstrap(struct election *election, bool is_allowed)
{
	election->may_bootstrap = is_allowed;
	try_bootstrap(election);
}

void election_start(struct election *election, struct zab_vote own, msec_t now_ms)
{
	ASSERT(own.leader == election->myid || own.leader == INT64_MIN);
	for (size_t i = 0; i < election->peer_count; i++) {
		struct election_peer *peer = &election->peers[i];

		*peer = (struct election_peer){.sid = peer->sid, .reach = peer->reach};
	}
	election->now_ms = now_ms;
	election->state = ZAB_LOOKING;
	election->is_decided = false;
	election->round++;
	election->own = own;
	election->resend_ms = ELECTION_RESEND_MS_MIN;
	propose(election, &election->own);
	if (election_is_voteless(election))
		try_bootstrap(election);
	else
		count_votes(election);
}

/*
 * A settled server's answer to a voter. Who votes already for what was elected
 * is told that vote, once: beside it, with the epoch that has begun since, the
 * vote of a leader looks better to Java than the one that it is about to follow.
 */
static void answer_voter(struct election *election, struct election_peer *peer,
			 const struct notification *notification)
{
	bool agrees = notification->election_epoch == election->settled_round &&
		      election_is_same_vote(&notification->vote, &election->elected);

	if (agrees && !peer->was_confirmed)
		send_vote(election, peer->sid, &election->elected);
	else
		send_to(election, peer->sid);
	peer->was_confirmed = agrees;
}

/* Servers that don't vote are told the current vote, and not counted (WorkerReceiver.run). */
static void answer_nonvoter(struct election *election, int64_t sid,
			    const struct notification *notification)
{
	if (!election_is_member(election, sid))
		election->ignored++;
	if (election->round > 0 && election->state != ZAB_OBSERVING &&
	    notification->state == ZAB_LOOKING)
		send_to(election, sid);
}

void election_notification(struct election *election, int64_t sid, struct bytes bytes,
			   msec_t now_ms)
{
	struct notification notification;
	struct election_peer *peer = election_find_peer(election, sid);

	election->now_ms = now_ms;
	if (sid == election->myid || notification_read(bytes, &notification) < 0 ||
	    notification.election_epoch < 0 || notification.election_epoch > ELECTION_ROUND_MAX) {
		election->ignored++;
		return;
	}
	if (election_is_member(election, sid))
		note_config(election, sid, notification.config);
	if (!peer)
		answer_nonvoter(election, sid, &notification);
	else if (election_is_searching(election))
		hear(election, peer, &notification);
	else if (notification.state == ZAB_LOOKING &&
		 (election->state == ZAB_FOLLOWING || election->state == ZAB_LEADING))
		answer_voter(election, peer, &notification);
}

void election_set_reachable(struct election *election, int64_t sid, enum election_reach reach,
			    msec_t now_ms)
{
	struct election_peer *peer = election_find_peer(election, sid);

	election->now_ms = now_ms;
	if (!peer)
		return;
	peer->reach = reach;
	if (!election_is_searching(election))
		return;
	if (reach == ELECTION_REACHABLE) {
		send_to(election, sid);
		election->resend_ms = ELECTION_RESEND_MS_MIN;
		if (election->resend_at_ms > now_ms + election->resend_ms)
			election->resend_at_ms = now_ms + election->resend_ms;
	}
	count_votes(election);
}

void election_tick(struct election *election, msec_t now_ms)
{
	election->now_ms = now_ms;
	if (!election_is_searching(election))
		return;
	count_votes(election);
	if (election->is_decided || now_ms < election->resend_at_ms)
		return;
	election->resend_ms *= 2;
	if (election->resend_ms > ELECTION_RESEND_MS_MAX)
		election->resend_ms = ELECTION_RESEND_MS_MAX;
	broadcast(election);
}

msec_t election_next_tick_ms(const struct election *election)
{
	if (!election_is_searching(election))
		return INT64_MAX;
	if (election->is_finalizing && election->finalize_at_ms < election->resend_at_ms)
		return election->finalize_at_ms;
	return election->resend_at_ms;
}

bool election_decided(const struct election *election, struct zab_vote *ret_vote)
{
	if (!election->is_decided)
		return false;
	*ret_vote = election->proposal;
	return true;
}

void election_settle(struct election *election, enum zab_state state, struct zab_vote vote)
{
	ASSERT(state != ZAB_LOOKING);
	ASSERT(election->is_decided || election->state == state);
	ASSERT(vote.leader == election->proposal.leader);
	ASSERT((state == ZAB_LEADING) == (vote.leader == election->myid));
	election->state = state;
	election->proposal = vote;
	election->is_decided = false;
}

/* ---- invariants ---- */

static void check_peer(const struct election *election, const struct election_peer *peer)
{
	const struct election_vote *received = &peer->received;

	ASSERT(peer->sid != election->myid && election_is_voter(election, peer->sid));
	ASSERT(!peer->looking.is_present || peer->looking.state == ZAB_LOOKING);
	ASSERT(!peer->looking.is_present || !peer->out_of_election.is_present);
	ASSERT(!peer->out_of_election.is_present || peer->out_of_election.state == ZAB_FOLLOWING ||
	       peer->out_of_election.state == ZAB_LEADING);
	if (!election_is_searching(election) || !received->is_present)
		return;
	ASSERT(received->election_epoch == election->round);
	ASSERT(received->state != ZAB_OBSERVING);
	ASSERT(received->state != ZAB_LOOKING || received->vote.zxid != -1);
	ASSERT(received->state != ZAB_LOOKING || !election_is_voteless(election));
}

void election_check(const struct election *election)
{
	for (size_t i = 0; i < election->peer_count; i++) {
		ASSERT(i == 0 || election->peers[i - 1].sid < election->peers[i].sid);
		check_peer(election, &election->peers[i]);
	}
	ASSERT(election->round >= election->settled_round && election->settled_round >= 0);
	ASSERT(!election->is_decided || election->state == ZAB_LOOKING);
	ASSERT(!election->is_finalizing || election_is_searching(election));
	ASSERT(!election_is_voteless(election) || !election_is_searching(election) ||
	       election_is_same_vote(&election->proposal, &election->own));
}
