#include "t/sim/sim-cluster.h"

#include <string.h>

#include "src/base/assert.h"
#include "t/sim/sim-ensemble.h"

void sim_options_init(struct sim_options *options)
{
	*options = (struct sim_options){.seed = 1, .observers = -1, .clients = -1};
}

static void draw_options(struct sim_cluster *cluster)
{
	struct sim_options *options = &cluster->options;
	struct prng *chance = &cluster->chance;
	int voters = sim_one_in(chance, 3) ? 5 : 3;
	int observers = sim_one_in(chance, 2) ? 0 : (int)sim_between(chance, 1, 2);
	int clients = (int)sim_between(chance, 2, 4);
	int64_t chaos_ms = sim_between(chance, 3000, 8000);

	if (options->voters == 0)
		options->voters = voters;
	if (options->observers < 0)
		options->observers = observers;
	if (options->clients < 0)
		options->clients = clients;
	if (options->chaos_ms == 0)
		options->chaos_ms = chaos_ms;
	ASSERT(options->voters + options->observers < SIM_NODES_MAX);
	ASSERT(options->clients <= SIM_CLIENTS_MAX);
}

static struct zab_config make_config(struct sim_cluster *cluster)
{
	struct prng *chance = &cluster->chance;
	struct zab_config config;

	sim_ensemble_config(&config, &cluster->members, cluster->net.delay_us_max, chance);
	config.data_size_max = 1024 * 1024;
	config.outstanding_size_max = (size_t)sim_between(chance, 500, 20 * 1000);
	/* What is outstanding, and some more: else who is slow for a moment is dropped again and
	 * again. */
	config.pinned_size_max =
		config.outstanding_size_max + (size_t)sim_between(chance, 10 * 1000, 100 * 1000);
	config.may_bootstrap = sim_one_in(chance, 2);
	if (cluster->options.is_plain) {
		config.tick_ms = 100;
		config.init_limit = 10;
		config.sync_limit = 5;
		config.history_count_max = 20;
		config.pinned_size_max = 1000 * 1000;
		config.may_bootstrap = true;
	}
	return config;
}

void sim_cluster_init(struct sim_cluster *cluster, const struct sim_options *options)
{
	struct zab_config config;

	memset(cluster, 0, sizeof(*cluster));
	cluster->options = *options;
	prng_init(&cluster->chance, options->seed);
	draw_options(cluster);
	cluster->voter_count = cluster->options.voters;
	cluster->count = cluster->voter_count + cluster->options.observers;
	cluster->client_count = cluster->options.clients;
	sim_world_init(&cluster->world, options->is_tracing);
	sim_net_init(&cluster->net, &cluster->world, prng_next(&cluster->chance));
	if (!options->is_plain)
		cluster->net.delay_us_max = sim_ensemble_delay_us(&cluster->chance);
	sim_ensemble_members(&cluster->members, cluster->voter_count, cluster->options.observers);
	cluster->check = sim_check_new(&cluster->world, &cluster->members);
	if (options->only_consequences)
		sim_check_only_consequences(cluster->check);
	config = make_config(cluster);
	for (int i = 0; i < cluster->count; i++) {
		config.myid = i + 1;
		sim_replica_init(&cluster->replicas[i], &cluster->world, &cluster->net,
				 cluster->check, &config, prng_next(&cluster->chance));
		cluster->replicas[i].mutation = options->mutation;
		if (!options->is_plain)
			cluster->replicas[i].disk.sync_us_max =
				sim_ensemble_sync_us(&cluster->chance);
	}
	for (int i = 0; i < cluster->client_count; i++)
		sim_client_init(&cluster->clients[i], &cluster->world, cluster->check,
				cluster->replicas, (size_t)cluster->count, i + 1,
				prng_next(&cluster->chance));
}

void sim_cluster_release(struct sim_cluster *cluster)
{
	for (int i = 0; i < cluster->client_count; i++)
		sim_client_release(&cluster->clients[i]);
	for (int i = 0; i < cluster->count; i++)
		sim_replica_release(&cluster->replicas[i]);
	sim_net_release(&cluster->net);
	sim_check_free(cluster->check);
	members_release(&cluster->members);
	sim_world_release(&cluster->world);
}

void sim_cluster_start(struct sim_cluster *cluster)
{
	for (int i = 0; i < cluster->count; i++)
		if (!sim_replica_is_up(&cluster->replicas[i]))
			sim_replica_start(&cluster->replicas[i]);
}

struct sim_replica *sim_cluster_replica(struct sim_cluster *cluster, int64_t sid)
{
	ASSERT(sid > 0 && sid <= cluster->count);
	return &cluster->replicas[sid - 1];
}

struct sim_replica *sim_cluster_leader(struct sim_cluster *cluster)
{
	uint32_t epoch = sim_check_epoch(cluster->check);
	int64_t sid = sim_check_leader(cluster->check, epoch);
	struct sim_replica *leader;

	if (sid == 0)
		return NULL;
	leader = sim_cluster_replica(cluster, sid);
	return leader->is_serving && leader->state == ZAB_LEADING && leader->epoch == epoch ? leader
											    : NULL;
}

bool sim_cluster_is_whole(struct sim_cluster *cluster)
{
	if (!sim_cluster_leader(cluster))
		return false;
	for (int i = 0; i < cluster->count; i++)
		if (!cluster->replicas[i].is_serving ||
		    cluster->replicas[i].epoch != sim_check_epoch(cluster->check))
			return false;
	return true;
}

bool sim_cluster_is_current(struct sim_cluster *cluster)
{
	for (int i = 0; i < cluster->count; i++)
		if (!sim_check_is_current(cluster->check, i + 1))
			return false;
	return true;
}

bool sim_cluster_wait(struct sim_cluster *cluster, sim_condition_fn *condition, int64_t ms_max)
{
	int64_t until_us = cluster->world.now_us + ms_max * 1000;

	while (!condition(cluster))
		if (cluster->world.now_us >= until_us || !sim_world_step(&cluster->world))
			return false;
	return !cluster->world.has_failed;
}

/* ---- as what can be broken ---- */

static bool host_is_up(void *data, int64_t sid)
{
	return sim_replica_is_up(sim_cluster_replica(data, sid));
}

static void host_start(void *data, int64_t sid)
{
	sim_replica_start(sim_cluster_replica(data, sid));
}

static void host_crash(void *data, int64_t sid, bool is_silent)
{
	sim_replica_crash(sim_cluster_replica(data, sid), is_silent);
}

static void host_crash_later(void *data, int64_t sid, uint64_t actions)
{
	sim_cluster_replica(data, sid)->actions_left = actions;
}

static void host_pause(void *data, int64_t sid, int64_t until_us)
{
	sim_replica_pause(sim_cluster_replica(data, sid), until_us);
}

static void host_wipe(void *data, int64_t sid)
{
	sim_replica_wipe(sim_cluster_replica(data, sid));
}

static struct sim_disk *host_disk(void *data, int64_t sid)
{
	return &sim_cluster_replica(data, sid)->disk;
}

static int64_t host_leader(void *data)
{
	struct sim_replica *leader = sim_cluster_leader(data);

	return leader ? leader->sid : 0;
}

struct sim_hosts sim_cluster_hosts(struct sim_cluster *cluster)
{
	return (struct sim_hosts){
		.world = &cluster->world,
		.net = &cluster->net,
		.count = cluster->count,
		.voter_count = cluster->voter_count,
		.data = cluster,
		.is_up = host_is_up,
		.start = host_start,
		.crash = host_crash,
		.crash_later = host_crash_later,
		.pause = host_pause,
		.wipe = host_wipe,
		.disk = host_disk,
		.leader = host_leader,
	};
}
