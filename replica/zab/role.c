/* From LOOKING to a role and back: elections, and what every event ends with. */
#include "replica/zab/zab_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

/* Between roles that fail: 12, 25, ... 400 ms. */
enum { RETRY_MS = 6, RETRY_STEPS = 6 };

/* ---- notifications ---- */

/*
 * While the log drains there is no vote yet, and the last one no longer holds: a
 * peer that was answered with it would look for a leader that is none. What comes then
 * waits, the latest of each member, and is heard when the election has begun.
 */
static void hold(struct zab *zab, int64_t sid, struct bytes bytes)
{
	size_t i = 0;

	if (!members_find(&zab->committed_members, sid))
		return;
	while (i < zab->held_count && zab->held[i].sid != sid)
		i++;
	if (!zab->held)
		zab->held = mem_alloc(MEMBERS_MAX * sizeof(*zab->held));
	if (i < zab->held_count)
		blob_unref(zab->held[i].bytes);
	else
		zab->held_count++;
	zab->held[i] = (struct zab_held){.sid = sid, .bytes = blob_new(bytes)};
}

void zab_forget_held_of(struct zab *zab, int64_t sid)
{
	for (size_t i = 0; i < zab->held_count; i++) {
		if (zab->held[i].sid != sid)
			continue;
		blob_unref(zab->held[i].bytes);
		zab->held_count--;
		for (; i < zab->held_count; i++)
			zab->held[i] = zab->held[i + 1];
	}
}

void zab_forget_held(struct zab *zab)
{
	for (size_t i = 0; i < zab->held_count; i++)
		blob_unref(zab->held[i].bytes);
	zab->held_count = 0;
}

/* Reconfiguration is off here, so the own configuration stays; but the operator should know. */
static void warn_of_newer_config(struct zab *zab)
{
	const struct election *election = &zab->election;

	if (election->newer_version <= zab->warned_version)
		return;
	zab->warned_version = election->newer_version;
	zab_log(zab, 2, "server %lld has a newer configuration than ours, version %llx",
		(long long)election->newer_version_sid,
		(unsigned long long)election->newer_version);
}

void zab_hear(struct zab *zab, int64_t sid, struct bytes bytes)
{
	if (zab->state == ZAB_LOOKING && !zab->is_electing) {
		hold(zab, sid, bytes);
		return;
	}
	election_notification(&zab->election, sid, bytes, zab->now_ms);
	warn_of_newer_config(zab);
}

/* One at a time: what it decides is settled before the next one is answered. */
static bool hear_oldest_held(struct zab *zab)
{
	struct zab_held oldest;

	if (zab->held_count == 0)
		return false;
	oldest = zab->held[0];
	blob_ref(oldest.bytes);
	zab_forget_held_of(zab, oldest.sid);
	zab_hear(zab, oldest.sid, blob_bytes(oldest.bytes));
	blob_unref(oldest.bytes);
	return true;
}

/* ---- roles ---- */

void zab_take_role(struct zab *zab, enum zab_state state, uint32_t epoch, bool is_serving)
{
	struct zab_action *action = zab_emit(zab, ZAB_ROLE, NULL);

	action->state = state;
	action->epoch = epoch;
	action->is_serving = is_serving;
	zab->is_serving = is_serving;
}

/*
 * At once after a role that served, and once more; who is refused again and again waits a
 * little longer each time.
 */
static msec_t next_look_ms(struct zab *zab)
{
	uint32_t step = zab->failures > RETRY_STEPS ? RETRY_STEPS : zab->failures;

	zab->failures = zab->is_serving ? 0 : zab->failures + 1;
	return zab->failures <= 1 ? zab->now_ms : zab->now_ms + ((msec_t)RETRY_MS << step);
}

static void leave_role(struct zab *zab)
{
	zab->is_leaving = false;
	zab->look_at_ms = next_look_ms(zab);
	if (zab->state == ZAB_LEADING)
		leader_end(zab);
	else if (zab->state != ZAB_LOOKING)
		learner_end(zab);
	zab_abort_staged(zab);
	zab->known = zab->committed;
	zab->may_deliver = false;
	zab->state = ZAB_LOOKING;
	zab->is_electing = false;
	zab->looking_since_ms = zab->now_ms;
	zab_take_role(zab, ZAB_LOOKING, 0, false);
}

static struct zab_vote own_vote(const struct zab *zab)
{
	struct zab_vote vote = {
		.leader = zab->config.myid,
		.zxid = zab->logged,
		.peer_epoch = zab->current_epoch,
	};

	if (!zab_is_voter(zab, zab->config.myid))
		return (struct zab_vote){INT64_MIN, INT64_MIN, INT64_MIN};
	if (zab->mutation == ZAB_MUTATION_VOTE_DELIVERED)
		vote.zxid = zab->delivered;
	if (zab->is_empty)
		vote.zxid = zab->mutation == ZAB_MUTATION_EMPTY_VOTES ? 0 : -1;
	return vote;
}

/* Only a log that stands still is voted with (lessons R5, R7). */
static bool begin_election(struct zab *zab)
{
	if (zab->mutation == ZAB_MUTATION_NO_DRAIN && zab->pending_count == 0)
		history_truncate(&zab->history, zab->logged); /* the rest comes later, unseen */
	if (!zab_is_drained(zab) || zab->now_ms < zab->look_at_ms)
		return false;
	if (zab->is_empty && zab_appended(zab) > zab->base) {
		/* Part of a history whose rest never came: it counts for nothing. */
		zab_truncate(zab, zab->base);
		return true;
	}
	election_start(&zab->election, own_vote(zab), zab->now_ms);
	zab->is_electing = true;
	return true;
}

static bool look(struct zab *zab)
{
	if (!zab->is_electing)
		return begin_election(zab);
	if (!election_decided(&zab->election, &zab->vote))
		return hear_oldest_held(zab);
	zab->is_electing = false;
	zab->election_ms = zab->now_ms - zab->looking_since_ms;
	if (zab->vote.leader == zab->config.myid)
		zab->state = ZAB_LEADING;
	else if (zab_is_voter(zab, zab->config.myid))
		zab->state = ZAB_FOLLOWING;
	else
		zab->state = ZAB_OBSERVING;
	election_settle(&zab->election, zab->state, zab->vote);
	zab_take_role(zab, zab->state, 0, false);
	zab_log(zab, 1, "%s after %lld ms: server %lld leads", zab_state_name(zab->state),
		(long long)zab->election_ms, (long long)zab->vote.leader);
	if (zab->state == ZAB_LEADING)
		leader_begin(zab);
	else
		learner_begin(zab, zab->vote.leader);
	return true;
}

void zab_serve(struct zab *zab, uint32_t epoch)
{
	/* Else servers that restart may never agree with those that didn't (lessons R25). */
	if (zab->mutation != ZAB_MUTATION_STALE_VOTE) {
		zab->vote.peer_epoch = epoch;
		election_settle(&zab->election, zab->state, zab->vote);
	}
	zab_take_role(zab, zab->state, epoch, true);
}

void zab_settle(struct zab *zab)
{
	bool again = true;

	while (again && !zab->is_dead) {
		if (zab->state == ZAB_LEADING)
			leader_sweep(zab);
		if (zab->is_leaving)
			leave_role(zab);
		else if (zab->state == ZAB_LOOKING)
			again = look(zab);
		else
			again = hear_oldest_held(zab) ||
				(zab->state == ZAB_LEADING && leader_advance(zab));
	}
}
