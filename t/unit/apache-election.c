#include "t/unit/apache-election.h"

#include <string.h>

#include "src/base/assert.h"

enum { FINALIZE_MS = 200, TIMEOUT_MS_MIN = 200, TIMEOUT_MS_MAX = 60000 };

static bool is_voter(const struct apache_election *apache, int64_t sid)
{
	return sid >= 1 && sid <= apache->count;
}

static struct notification looking(const struct apache_election *apache)
{
	return (struct notification){
		.state = ZAB_LOOKING,
		.vote = apache->proposal,
		.election_epoch = apache->clock,
		.version = NOTIFICATION_VERSION,
		.config = BYTES_NULL,
	};
}

static void enqueue(struct apache_election *apache, int64_t sid,
		    const struct notification *notification)
{
	if (apache->queued == APACHE_QUEUE_MAX) {
		apache->queued--;
		memmove(apache->queue, apache->queue + 1,
			apache->queued * sizeof(apache->queue[0]));
	}
	apache->queue[apache->queued++] =
		(struct apache_queued){.sid = sid, .notification = *notification};
}

/* sendNotifications: to oneself too. */
static void broadcast(struct apache_election *apache)
{
	struct notification notification = looking(apache);

	for (int64_t sid = 1; sid <= apache->count; sid++) {
		if (sid == apache->myid)
			enqueue(apache, sid, &notification);
		else
			apache->send(apache->data, sid, &notification);
	}
}

static bool is_better(const struct zab_vote *vote, const struct zab_vote *than)
{
	return vote->peer_epoch > than->peer_epoch ||
	       (vote->peer_epoch == than->peer_epoch &&
		(vote->zxid > than->zxid ||
		 (vote->zxid == than->zxid && vote->leader > than->leader)));
}

/* recvset keeps no versions, so that settled votes in it match by their leaders. */
static bool votes_match(const struct notification *a, const struct notification *b,
			bool is_received)
{
	if (a->state == ZAB_LOOKING || b->state == ZAB_LOOKING)
		return a->vote.leader == b->vote.leader && a->vote.zxid == b->vote.zxid &&
		       a->vote.peer_epoch == b->vote.peer_epoch &&
		       a->election_epoch == b->election_epoch;
	return a->vote.leader == b->vote.leader &&
	       (is_received || a->vote.peer_epoch == b->vote.peer_epoch);
}

static bool is_quorum(const struct apache_election *apache, const struct apache_vote *votes,
		      const struct notification *vote)
{
	int64_t agreed = 0;

	for (int64_t sid = 1; sid <= apache->count; sid++)
		agreed += votes[sid].is_present &&
			  votes_match(&votes[sid].notification, vote, votes == apache->received);
	return agreed > apache->count / 2;
}

static bool check_leader(const struct apache_election *apache, const struct apache_vote *votes,
			 const struct notification *vote)
{
	const struct apache_vote *leader = &votes[vote->vote.leader];

	if (vote->vote.leader == apache->myid)
		return apache->clock == vote->election_epoch;
	return leader->is_present && leader->notification.state == ZAB_LEADING;
}

static void finish(struct apache_election *apache, const struct zab_vote *vote, int64_t round)
{
	apache->current = *vote;
	apache->current_round = round;
	apache->state = vote->leader == apache->myid ? ZAB_LEADING : ZAB_FOLLOWING;
	apache->queued = 0; /* leaveInstance */
}

static void hear_looking(struct apache_election *apache, const struct apache_queued *queued)
{
	const struct notification *n = &queued->notification;
	struct notification mine;

	if (n->vote.zxid == -1 || n->election_epoch < apache->clock)
		return;
	if (n->election_epoch > apache->clock) {
		apache->clock = n->election_epoch;
		memset(apache->received, 0, sizeof(apache->received));
		apache->proposal = is_better(&n->vote, &apache->own) ? n->vote : apache->own;
		broadcast(apache);
	} else if (is_better(&n->vote, &apache->proposal)) {
		apache->proposal = n->vote;
		broadcast(apache);
	}
	apache->received[queued->sid] =
		(struct apache_vote){.is_present = true, .notification = *n};
	mine = looking(apache);
	apache->is_finalizing = is_quorum(apache, apache->received, &mine);
}

static void hear_settled(struct apache_election *apache, const struct apache_queued *queued)
{
	const struct notification *n = &queued->notification;
	struct apache_vote vote = {.is_present = true, .notification = *n};

	if (n->election_epoch == apache->clock) {
		apache->received[queued->sid] = vote;
		if (is_quorum(apache, apache->received, n) &&
		    check_leader(apache, apache->received, n)) {
			finish(apache, &n->vote, n->election_epoch);
			return;
		}
	}
	apache->out_of_election[queued->sid] = vote;
	if (is_quorum(apache, apache->out_of_election, n) &&
	    check_leader(apache, apache->out_of_election, n)) {
		apache->clock = n->election_epoch;
		finish(apache, &n->vote, n->election_epoch);
	}
}

/* One turn of lookForLeader's loops. */
static void hear(struct apache_election *apache, const struct apache_queued *queued)
{
	const struct notification *n = &queued->notification;

	if (apache->is_finalizing) {
		/* All but a better vote is dropped. */
		if (!is_better(&n->vote, &apache->proposal)) {
			apache->poll_until_ms = apache->now_ms + FINALIZE_MS;
			return;
		}
		apache->is_finalizing = false;
	}
	if (is_voter(apache, queued->sid) && is_voter(apache, n->vote.leader)) {
		if (n->state == ZAB_LOOKING)
			hear_looking(apache, queued);
		else if (n->state != ZAB_OBSERVING)
			hear_settled(apache, queued);
	}
	apache->poll_until_ms =
		apache->now_ms + (apache->is_finalizing ? FINALIZE_MS : apache->timeout_ms);
}

static void run(struct apache_election *apache)
{
	while (apache->state == ZAB_LOOKING && apache->queued > 0) {
		struct apache_queued first = apache->queue[0];

		apache->queued--;
		memmove(apache->queue, apache->queue + 1,
			apache->queued * sizeof(apache->queue[0]));
		hear(apache, &first);
	}
}

void apache_election_init(struct apache_election *apache, int64_t myid, int64_t count,
			  apache_send_fn *send, void *data)
{
	ASSERT(count <= APACHE_VOTERS_MAX);
	*apache =
		(struct apache_election){.myid = myid, .count = count, .send = send, .data = data};
}

void apache_election_start(struct apache_election *apache, struct zab_vote own, msec_t now_ms)
{
	apache->now_ms = now_ms;
	apache->state = ZAB_LOOKING;
	apache->clock++;
	apache->own = own;
	apache->proposal = own;
	apache->is_finalizing = false;
	memset(apache->received, 0, sizeof(apache->received));
	memset(apache->out_of_election, 0, sizeof(apache->out_of_election));
	apache->timeout_ms = TIMEOUT_MS_MIN;
	apache->poll_until_ms = now_ms + TIMEOUT_MS_MIN;
	broadcast(apache);
	run(apache);
}

/* WorkerReceiver.run */
void apache_election_notification(struct apache_election *apache, int64_t sid,
				  const struct notification *notification, msec_t now_ms)
{
	struct notification answer = looking(apache);

	apache->now_ms = now_ms;
	if (apache->state == ZAB_LOOKING) {
		enqueue(apache, sid, notification);
		if (notification->state == ZAB_LOOKING &&
		    notification->election_epoch < apache->clock)
			apache->send(apache->data, sid, &answer);
		run(apache);
	} else if (notification->state == ZAB_LOOKING) {
		answer.state = apache->state;
		answer.vote = apache->current;
		answer.election_epoch = apache->current_round;
		apache->send(apache->data, sid, &answer);
	}
}

void apache_election_tick(struct apache_election *apache, msec_t now_ms)
{
	apache->now_ms = now_ms;
	if (apache->state != ZAB_LOOKING || now_ms < apache->poll_until_ms)
		return;
	if (apache->is_finalizing) {
		finish(apache, &apache->proposal, apache->clock);
		return;
	}
	apache->timeout_ms *= 2;
	if (apache->timeout_ms > TIMEOUT_MS_MAX)
		apache->timeout_ms = TIMEOUT_MS_MAX;
	apache->poll_until_ms = now_ms + apache->timeout_ms;
	broadcast(apache);
	run(apache);
}

void apache_election_set_epoch(struct apache_election *apache, int64_t peer_epoch)
{
	ASSERT(apache->state != ZAB_LOOKING);
	apache->current.peer_epoch = peer_epoch;
}
