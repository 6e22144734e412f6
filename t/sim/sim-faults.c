#include "t/sim/sim-faults.h"

#include <string.h>

#include "src/base/assert.h"

enum {
	PACE_US_MIN = 20 * 1000,
	SHORT_US_MIN = 5 * 1000,
	SHORT_US_MAX = 300 * 1000,
	LONG_US_MAX = 1500 * 1000,
	ACTIONS_MAX = 40,
	SLOWNESS_MAX = 200,
};

enum fault_type {
	FAULT_CRASH,
	FAULT_CRASH_LATER,
	FAULT_POWER,
	FAULT_PARTITION,
	FAULT_ISOLATE,
	FAULT_ONE_WAY,
	FAULT_BREAK,
	FAULT_SLOW_DISK,
	FAULT_FULL_DISK,
	FAULT_PAUSE,
	FAULT_WIPE,
	FAULT_COUNT,
};

static const char *fault_name(enum fault_type type)
{
	static const char *const names[] = {
		[FAULT_CRASH] = "fault: crash",         [FAULT_CRASH_LATER] = "fault: crash later",
		[FAULT_POWER] = "fault: power",         [FAULT_PARTITION] = "fault: partition",
		[FAULT_ISOLATE] = "fault: isolate",     [FAULT_ONE_WAY] = "fault: one way",
		[FAULT_BREAK] = "fault: break",         [FAULT_SLOW_DISK] = "fault: slow disk",
		[FAULT_FULL_DISK] = "fault: full disk", [FAULT_PAUSE] = "fault: pause",
		[FAULT_WIPE] = "fault: wipe",
	};

	return names[type];
}

static void cut(struct sim_fault *fault, int64_t from, int64_t to)
{
	fault->cuts[from][to]++;
	sim_net_cut(&fault->faults->cluster->net, from, to);
}

static void crash(struct sim_faults *faults, int64_t sid)
{
	struct sim_replica *replica = sim_cluster_replica(faults->cluster, sid);

	if (sim_replica_is_up(replica))
		sim_replica_crash(replica, sim_one_in(&faults->chance, 4));
}

/* Every server that stays has been in sync with an epoch, so that they are an ensemble without it.
 */
static bool can_be_wiped(struct sim_faults *faults, int64_t sid)
{
	struct sim_cluster *cluster = faults->cluster;

	if (faults->was_wiped || sid > cluster->voter_count || cluster->voter_count < 3)
		return false;
	for (int other = 1; other <= cluster->voter_count; other++)
		if (other != sid && sim_disk_is_empty(&sim_cluster_replica(cluster, other)->disk))
			return false;
	return true;
}

static void partition(struct sim_fault *fault)
{
	struct sim_cluster *cluster = fault->faults->cluster;
	uint64_t sides = prng_next(&fault->faults->chance);

	for (int a = 1; a <= cluster->count; a++)
		for (int b = 1; b <= cluster->count; b++)
			if ((sides >> a & 1) != (sides >> b & 1))
				cut(fault, a, b);
}

static void isolate(struct sim_fault *fault)
{
	for (int other = 1; other <= fault->faults->cluster->count; other++)
		if (other != fault->sid) {
			cut(fault, other, fault->sid);
			cut(fault, fault->sid, other);
		}
}

static void cut_one_way(struct sim_fault *fault)
{
	int count = fault->faults->cluster->count;
	int64_t other = sim_between(&fault->faults->chance, 1, count);

	if (other == fault->sid)
		other = other % count + 1;
	if (sim_one_in(&fault->faults->chance, 2))
		cut(fault, other, fault->sid);
	else
		cut(fault, fault->sid, other);
}

static void begin(struct sim_fault *fault)
{
	struct sim_faults *faults = fault->faults;
	struct sim_cluster *cluster = faults->cluster;
	struct sim_replica *replica = sim_cluster_replica(cluster, fault->sid);

	switch ((enum fault_type)fault->type) {
	case FAULT_CRASH:
		crash(faults, fault->sid);
		break;
	case FAULT_CRASH_LATER:
		if (sim_replica_is_up(replica))
			replica->actions_left = 1 + prng_below(&faults->chance, ACTIONS_MAX);
		break;
	case FAULT_POWER:
		for (int sid = 1; sid <= cluster->count; sid++)
			crash(faults, sid);
		break;
	case FAULT_PARTITION:
		partition(fault);
		break;
	case FAULT_ISOLATE:
		isolate(fault);
		break;
	case FAULT_ONE_WAY:
		cut_one_way(fault);
		break;
	case FAULT_BREAK:
		(void)sim_net_break_one(&cluster->net); /* there may be none */
		break;
	case FAULT_SLOW_DISK:
		sim_disk_set_slowness(&replica->disk,
				      sim_between(&faults->chance, 5, SLOWNESS_MAX));
		break;
	case FAULT_FULL_DISK:
		replica->disk.is_full = true;
		break;
	case FAULT_PAUSE:
		if (sim_replica_is_up(replica))
			sim_replica_pause(replica, cluster->world.now_us +
							   sim_between(&faults->chance,
								       SHORT_US_MIN, LONG_US_MAX));
		break;
	case FAULT_WIPE:
		if (!can_be_wiped(faults, fault->sid))
			break;
		faults->was_wiped = true;
		crash(faults, fault->sid);
		sim_replica_wipe(replica);
		break;
	case FAULT_COUNT:
		break;
	}
}

static void repair(void *data)
{
	struct sim_fault *fault = data;
	struct sim_cluster *cluster = fault->faults->cluster;
	struct sim_replica *replica = sim_cluster_replica(cluster, fault->sid);

	ASSERT(fault->is_active);
	fault->is_active = false;
	sim_trace(&cluster->world, fault->sid, "repair", fault->type, 0, 0);
	for (int from = 1; from <= cluster->count; from++)
		for (int to = 1; to <= cluster->count; to++)
			if (fault->cuts[from][to] > 0)
				sim_net_mend(&cluster->net, from, to);
	switch ((enum fault_type)fault->type) {
	case FAULT_SLOW_DISK:
		sim_disk_set_slowness(&replica->disk, 1);
		break;
	case FAULT_FULL_DISK:
		replica->disk.is_full = false;
		break;
	case FAULT_CRASH_LATER:
		replica->actions_left = 0;
		break;
	case FAULT_POWER:
		sim_cluster_start(cluster);
		return;
	default:
		break;
	}
	if (!sim_replica_is_up(replica))
		sim_replica_start(replica);
}

static int64_t choose_target(struct sim_faults *faults)
{
	struct sim_replica *leader = sim_cluster_leader(faults->cluster);

	if (leader && sim_one_in(&faults->chance, 2))
		return leader->sid;
	return sim_between(&faults->chance, 1, faults->cluster->count);
}

static void next_fault(void *data)
{
	struct sim_faults *faults = data;
	struct sim_world *world = &faults->cluster->world;
	struct sim_fault *fault = NULL;

	sim_timer_set(world, &faults->next,
		      world->now_us +
			      sim_between(&faults->chance, PACE_US_MIN, faults->pace_us_max));
	for (int i = 0; i < SIM_FAULTS_MAX; i++)
		if (!faults->active[i].is_active)
			fault = &faults->active[i];
	if (!fault)
		return;
	fault->is_active = true;
	fault->sid = choose_target(faults);
	fault->type = (int)prng_below(&faults->chance, FAULT_COUNT);
	memset(fault->cuts, 0, sizeof(fault->cuts));
	sim_trace(world, fault->sid, fault_name(fault->type), 0, 0, 0);
	sim_timer_set(world, &fault->repair,
		      world->now_us + sim_between(&faults->chance, SHORT_US_MIN,
						  sim_one_in(&faults->chance, 3) ? LONG_US_MAX
										 : SHORT_US_MAX));
	begin(fault);
}

void sim_faults_init(struct sim_faults *faults, struct sim_cluster *cluster, uint64_t seed)
{
	*faults = (struct sim_faults){.cluster = cluster};
	prng_init(&faults->chance, seed);
	faults->pace_us_max = sim_between(&faults->chance, 60 * 1000, 800 * 1000);
	sim_timer_init(&faults->next, next_fault, faults);
	for (int i = 0; i < SIM_FAULTS_MAX; i++) {
		faults->active[i].faults = faults;
		sim_timer_init(&faults->active[i].repair, repair, &faults->active[i]);
	}
	sim_timer_set(&cluster->world, &faults->next, cluster->world.now_us + PACE_US_MIN);
}

void sim_faults_stop(struct sim_faults *faults)
{
	struct sim_world *world = &faults->cluster->world;

	sim_timer_stop(world, &faults->next);
	for (int i = 0; i < SIM_FAULTS_MAX; i++)
		if (faults->active[i].is_active) {
			sim_timer_stop(world, &faults->active[i].repair);
			repair(&faults->active[i]);
		}
	for (int i = 0; i < faults->cluster->count; i++) {
		struct sim_replica *replica = &faults->cluster->replicas[i];

		sim_disk_set_slowness(&replica->disk, 1);
		replica->disk.is_full = false;
	}
	sim_cluster_start(faults->cluster);
}

void sim_faults_release(struct sim_faults *faults)
{
	struct sim_world *world = &faults->cluster->world;

	sim_timer_stop(world, &faults->next);
	for (int i = 0; i < SIM_FAULTS_MAX; i++)
		sim_timer_stop(world, &faults->active[i].repair);
}
