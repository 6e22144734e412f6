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
	sim_net_cut(fault->faults->hosts.net, from, to);
}

static void crash(struct sim_faults *faults, int64_t sid)
{
	const struct sim_hosts *hosts = &faults->hosts;

	if (hosts->is_up(hosts->data, sid))
		hosts->crash(hosts->data, sid, sim_one_in(&faults->chance, 4));
}

static void start_all(struct sim_faults *faults)
{
	const struct sim_hosts *hosts = &faults->hosts;

	for (int sid = 1; sid <= hosts->count; sid++)
		if (!hosts->is_up(hosts->data, sid))
			hosts->start(hosts->data, sid);
}

/* Every server that stays has been in sync with an epoch, so that they are an ensemble without it.
 */
static bool can_be_wiped(struct sim_faults *faults, int64_t sid)
{
	const struct sim_hosts *hosts = &faults->hosts;

	if (faults->was_wiped || sid > hosts->voter_count || hosts->voter_count < 3)
		return false;
	for (int other = 1; other <= hosts->voter_count; other++)
		if (other != sid && sim_disk_is_empty(hosts->disk(hosts->data, other)))
			return false;
	return true;
}

static bool is_node(const struct sim_hosts *hosts, int sid)
{
	return sid <= hosts->count ||
	       (sim_net_is_client(sid) && sid < SIM_NODES_MAX + hosts->client_count);
}

static void partition(struct sim_fault *fault)
{
	const struct sim_hosts *hosts = &fault->faults->hosts;
	uint64_t sides = prng_next(&fault->faults->chance);

	for (int a = 1; a < SIM_NET_NODES_MAX; a++)
		for (int b = 1; b < SIM_NET_NODES_MAX; b++)
			if (is_node(hosts, a) && is_node(hosts, b) &&
			    (sides >> a & 1) != (sides >> b & 1))
				cut(fault, a, b);
}

static void isolate(struct sim_fault *fault)
{
	for (int other = 1; other <= fault->faults->hosts.count; other++)
		if (other != fault->sid) {
			cut(fault, other, fault->sid);
			cut(fault, fault->sid, other);
		}
}

static void cut_one_way(struct sim_fault *fault)
{
	int count = fault->faults->hosts.count;
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
	const struct sim_hosts *hosts = &faults->hosts;
	struct sim_disk *disk = hosts->disk(hosts->data, fault->sid);
	bool is_up = hosts->is_up(hosts->data, fault->sid);

	switch ((enum fault_type)fault->type) {
	case FAULT_CRASH:
		crash(faults, fault->sid);
		break;
	case FAULT_CRASH_LATER:
		if (is_up)
			hosts->crash_later(hosts->data, fault->sid,
					   1 + prng_below(&faults->chance, ACTIONS_MAX));
		break;
	case FAULT_POWER:
		for (int sid = 1; sid <= hosts->count; sid++)
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
		(void)sim_net_break_one(hosts->net); /* there may be none */
		break;
	case FAULT_SLOW_DISK:
		sim_disk_set_slowness(disk, sim_between(&faults->chance, 5, SLOWNESS_MAX));
		break;
	case FAULT_FULL_DISK:
		disk->is_full = true;
		break;
	case FAULT_PAUSE:
		if (is_up)
			hosts->pause(hosts->data, fault->sid,
				     hosts->world->now_us + sim_between(&faults->chance,
									SHORT_US_MIN, LONG_US_MAX));
		break;
	case FAULT_WIPE:
		if (!can_be_wiped(faults, fault->sid))
			break;
		faults->was_wiped = true;
		crash(faults, fault->sid);
		hosts->wipe(hosts->data, fault->sid);
		break;
	case FAULT_COUNT:
		break;
	}
}

static void repair(void *data)
{
	struct sim_fault *fault = data;
	const struct sim_hosts *hosts = &fault->faults->hosts;
	struct sim_disk *disk = hosts->disk(hosts->data, fault->sid);

	ASSERT(fault->is_active);
	fault->is_active = false;
	sim_trace(hosts->world, fault->sid, "repair", fault->type, 0, 0);
	for (int from = 1; from < SIM_NET_NODES_MAX; from++)
		for (int to = 1; to < SIM_NET_NODES_MAX; to++)
			if (fault->cuts[from][to] > 0)
				sim_net_mend(hosts->net, from, to);
	switch ((enum fault_type)fault->type) {
	case FAULT_SLOW_DISK:
		sim_disk_set_slowness(disk, 1);
		break;
	case FAULT_FULL_DISK:
		disk->is_full = false;
		break;
	case FAULT_CRASH_LATER:
		hosts->crash_later(hosts->data, fault->sid, 0);
		break;
	case FAULT_POWER:
		start_all(fault->faults);
		return;
	default:
		break;
	}
	if (!hosts->is_up(hosts->data, fault->sid))
		hosts->start(hosts->data, fault->sid);
}

static int64_t choose_target(struct sim_faults *faults)
{
	int64_t leader = faults->hosts.leader(faults->hosts.data);

	if (leader != 0 && sim_one_in(&faults->chance, 2))
		return leader;
	return sim_between(&faults->chance, 1, faults->hosts.count);
}

static void next_fault(void *data)
{
	struct sim_faults *faults = data;
	struct sim_world *world = faults->hosts.world;
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

void sim_faults_init(struct sim_faults *faults, const struct sim_hosts *hosts, uint64_t seed)
{
	*faults = (struct sim_faults){.hosts = *hosts};
	prng_init(&faults->chance, seed);
	faults->pace_us_max = sim_between(&faults->chance, 60 * 1000, 800 * 1000);
	sim_timer_init(&faults->next, next_fault, faults);
	for (int i = 0; i < SIM_FAULTS_MAX; i++) {
		faults->active[i].faults = faults;
		sim_timer_init(&faults->active[i].repair, repair, &faults->active[i]);
	}
	sim_timer_set(hosts->world, &faults->next, hosts->world->now_us + PACE_US_MIN);
}

void sim_faults_stop(struct sim_faults *faults)
{
	struct sim_world *world = faults->hosts.world;

	sim_timer_stop(world, &faults->next);
	for (int i = 0; i < SIM_FAULTS_MAX; i++)
		if (faults->active[i].is_active) {
			sim_timer_stop(world, &faults->active[i].repair);
			repair(&faults->active[i]);
		}
	for (int sid = 1; sid <= faults->hosts.count; sid++) {
		struct sim_disk *disk = faults->hosts.disk(faults->hosts.data, sid);

		sim_disk_set_slowness(disk, 1);
		disk->is_full = false;
	}
	start_all(faults);
}

void sim_faults_release(struct sim_faults *faults)
{
	struct sim_world *world = faults->hosts.world;

	sim_timer_stop(world, &faults->next);
	for (int i = 0; i < SIM_FAULTS_MAX; i++)
		sim_timer_stop(world, &faults->active[i].repair);
}
