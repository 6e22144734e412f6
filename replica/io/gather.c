#include "replica/io/gather.h"

#include "src/base/assert.h"

enum { PENALTY_MAX = 64, AVERAGE_SHARE = 8 };

void gather_appended(struct gather *gather)
{
	gather->in_flight++;
}

static int64_t wait_us(const struct gather *gather)
{
	return gather->commit_us < GATHER_WAIT_US_MAX ? gather->commit_us : GATHER_WAIT_US_MAX;
}

void gather_durable(struct gather *gather, size_t count, int64_t took_us, int64_t now_us)
{
	ASSERT(count <= gather->in_flight);
	if (gather->group > 1 && count >= gather->group)
		gather->penalty = 0;
	if (gather->skips > 0)
		gather->skips--;
	gather->group = gather->in_flight;
	gather->in_flight -= count;
	gather->commit_us += (took_us - gather->commit_us) / AVERAGE_SHARE;
	gather->until_us = now_us + wait_us(gather);
}

size_t gather_wanted(const struct gather *gather, size_t waiting, int64_t now_us)
{
	size_t wanted = gather->group;

	if (gather->in_flight > waiting)
		wanted = gather->in_flight;
	else if (now_us >= gather->until_us)
		wanted = 0;
	return gather->skips == 0 && wanted <= GATHER_GROUP_MAX ? wanted : 0;
}

void gather_missed(struct gather *gather)
{
	gather->penalty = gather->penalty > 0 ? gather->penalty * 2 : 1;
	if (gather->penalty > PENALTY_MAX)
		gather->penalty = PENALTY_MAX;
	gather->skips = gather->penalty;
	gather->group = 0;
}
