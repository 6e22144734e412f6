#include "replica/io/store_lag.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"

enum {
	GROUPS_MIN = 16,
	GROUP_COUNT_MAX = 1000,
	GROUP_SIZE_MAX = 256 << 10,
};

void store_lag_release(struct store_lag_meter *meter)
{
	free(meter->groups);
	*meter = (struct store_lag_meter){0};
}

static struct store_lag_group *open_group(struct store_lag_meter *meter)
{
	struct store_lag_group *last = meter->count > 0 ? &meter->groups[meter->count - 1] : NULL;

	if (last && last->part.count < GROUP_COUNT_MAX && last->part.size < GROUP_SIZE_MAX)
		return last;
	if (meter->count == meter->capacity) {
		meter->capacity = meter->capacity ? meter->capacity * 2 : GROUPS_MIN;
		meter->groups =
			mem_realloc(meter->groups, meter->capacity * sizeof(*meter->groups));
	}
	last = &meter->groups[meter->count++];
	*last = (struct store_lag_group){0};
	return last;
}

void store_lag_add(struct store_lag_meter *meter, zxid_t zxid, size_t size)
{
	struct store_lag_group *group = open_group(meter);

	if (group->part.count == 0)
		group->first_zxid = zxid;
	group->last_zxid = zxid;
	group->part.count++;
	group->part.size += size;
	meter->sum.count++;
	meter->sum.size += size;
}

void store_lag_pass(struct store_lag_meter *meter, zxid_t tree_zxid)
{
	size_t passed = 0;

	while (passed < meter->count && meter->groups[passed].last_zxid <= tree_zxid) {
		meter->sum.count -= meter->groups[passed].part.count;
		meter->sum.size -= meter->groups[passed].part.size;
		passed++;
	}
	meter->count -= passed;
	memmove(meter->groups, meter->groups + passed, meter->count * sizeof(*meter->groups));
}

void store_lag_cut(struct store_lag_meter *meter, zxid_t zxid)
{
	struct store_lag_group *last = meter->groups + meter->count;

	for (; meter->count > 0 && (--last)->first_zxid > zxid; meter->count--) {
		meter->sum.count -= last->part.count;
		meter->sum.size -= last->part.size;
	}
	if (meter->count > 0 && last->last_zxid > zxid)
		last->last_zxid = zxid;
}
