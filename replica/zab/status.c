/* What an operator sees of the core, and what must always be true of it. */
#include "replica/zab/zab_impl.h"
#include "src/base/assert.h"

static void count_learners(const struct zab *zab, struct zab_status *status)
{
	leader_for_each(zab, learner)
	{
		status->learner_count++;
		if (learner->phase != LEARNER_SYNCED)
			continue;
		if (learner->is_observer)
			status->synced_observer_count++;
		else
			status->synced_follower_count++;
	}
}

static int64_t leader_of(const struct zab *zab)
{
	if (zab->state == ZAB_LEADING)
		return zab->config.myid;
	return zab->state == ZAB_LOOKING ? -1 : zab->follow.leader;
}

void zab_get_status(const struct zab *zab, struct zab_status *ret_status)
{
	*ret_status = (struct zab_status){
		.state = zab->state,
		.is_serving = zab->is_serving,
		.leader = leader_of(zab),
		.accepted_epoch = zab->accepted_epoch,
		.current_epoch = zab->current_epoch,
		.logged = zab->logged,
		.committed = zab->committed,
		.delivered = zab->delivered,
		.election_ms = zab->election_ms,
	};
	if (zab->state != ZAB_LEADING)
		return;
	count_learners(zab, ret_status);
	if (zab->lead.phase == LEAD_ESTABLISHED)
		ret_status->outstanding_count =
			zab->history.count - history_after(&zab->history, zab->known);
}

const struct members *zab_members(const struct zab *zab)
{
	return &zab->committed_members;
}

bool zab_next_learner(const struct zab *zab, size_t *at, struct zab_learner_status *ret_status)
{
	size_t i = 0;

	if (zab->state != ZAB_LEADING)
		return false;
	leader_for_each(zab, learner)
	{
		if (i++ < *at)
			continue;
		*ret_status = (struct zab_learner_status){
			.sid = learner->sid,
			.link = learner->link,
			.is_observer = learner->is_observer,
			.is_synced = learner->phase == LEARNER_SYNCED,
			.acked = learner->acked,
		};
		*at = i;
		return true;
	}
	return false;
}

int64_t zab_link_sid(const struct zab *zab, zab_link_t link)
{
	const struct learner *learner = zab->state == ZAB_LEADING ? leader_find(zab, link) : NULL;

	return learner ? learner->sid : -1;
}

static void check_leader(const struct zab *zab)
{
	const struct lead *lead = &zab->lead;

	ASSERT(lead->phase < LEAD_SYNC || zab->accepted_epoch == lead->epoch);
	ASSERT(lead->phase < LEAD_ESTABLISHED || zab->current_epoch == lead->epoch);
	ASSERT(lead->phase < LEAD_ESTABLISHED || zab->known >= lead->history);
	ASSERT(lead->phase == LEAD_ESTABLISHED || zab_appended(zab) == lead->history);
	ASSERT(lead->phase != LEAD_ESTABLISHED || lead->proposed == zxid_make(lead->epoch, 0) ||
	       lead->proposed == zab_appended(zab));
	leader_for_each(zab, learner)
	{
		ASSERT(learner->phase >= LEARNER_ACKED || learner->acked == 0);
		ASSERT(learner->phase < LEARNER_SYNCED || lead->phase == LEAD_ESTABLISHED);
		ASSERT(learner->phase < LEARNER_SYNCING || lead->phase >= LEAD_SYNC);
		ASSERT(learner->acked <= learner->sent);
	}
}

void zab_check(const struct zab *zab)
{
	ASSERT(zab->accepted_epoch >= zab->current_epoch);
	history_check(&zab->history);
	history_check(&zab->staged);
	ASSERT(zab->base <= zab->tree);
	ASSERT(zab->tree <= zab->delivered);
	ASSERT(zab->history.base <= zab->delivered);
	election_check(&zab->election);
	/* What a deliberate fault breaks is the simulator's to find. */
	if (zab->mutation != ZAB_MUTATION_NONE)
		return;
	ASSERT(zab->delivered <= zab->committed);
	ASSERT(zab->committed <= zab->logged);
	ASSERT(zab->logged <= history_last(&zab->history));
	ASSERT(zab->committed <= zab->known);
	if (zab->state == ZAB_LEADING)
		check_leader(zab);
	else if (zab->state != ZAB_LOOKING && zab->follow.phase >= FOLLOW_ACKED)
		ASSERT(zab->current_epoch == zab->follow.epoch);
}
