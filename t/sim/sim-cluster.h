#ifndef T_SIM_CLUSTER_H
#define T_SIM_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "t/sim/sim-check.h"
#include "t/sim/sim-client.h"
#include "t/sim/sim-faults.h"
#include "t/sim/sim-net.h"
#include "t/sim/sim-replica.h"
#include "t/sim/sim-world.h"

/*
 * An ensemble in its world: servers 1 to N, voters first, then observers, and
 * clients. Everything about it that an option does not say is drawn from the seed.
 *
 *	sim_cluster_init(&cluster, &options);
 *	sim_world_run_until(&cluster.world, ...);
 *	sim_cluster_release(&cluster);
 */
enum { SIM_CLIENTS_MAX = SIM_SESSIONS_MAX - 1 };

struct sim_options {
	uint64_t seed;
	int voters;       /* 0: from the seed, 3 or 5 */
	int observers;    /* -1: from the seed, 0 to 2 */
	int clients;      /* -1: from the seed */
	int64_t chaos_ms; /* 0: from the seed; how long things break */
	enum zab_mutation mutation;
	bool is_plain; /* all machines are near and fast, and the configuration is always the same
			*/
	bool only_consequences; /* sim-check.h */
	bool is_tracing;
};
void sim_options_init(struct sim_options *options);

struct sim_cluster {
	struct sim_options options; /* nothing open in it any more */
	struct sim_world world;
	struct sim_net net;
	struct prng chance;
	struct members members;
	struct sim_check *check;
	struct sim_replica replicas[SIM_NODES_MAX]; /* replicas[i] is server i + 1 */
	int count;
	int voter_count;
	struct sim_client clients[SIM_CLIENTS_MAX];
	int client_count;
};

void sim_cluster_init(struct sim_cluster *cluster, const struct sim_options *options);
void sim_cluster_release(struct sim_cluster *cluster);
void sim_cluster_start(struct sim_cluster *cluster); /* all servers */

struct sim_replica *sim_cluster_replica(struct sim_cluster *cluster, int64_t sid);
/* Of the highest established epoch, if it serves; NULL. */
struct sim_replica *sim_cluster_leader(struct sim_cluster *cluster);
/* Every server is up and serves the highest epoch. */
bool sim_cluster_is_whole(struct sim_cluster *cluster);
/* Every server has delivered the whole history. */
bool sim_cluster_is_current(struct sim_cluster *cluster);

/* For who breaks them. */
struct sim_hosts sim_cluster_hosts(struct sim_cluster *cluster);

/* Run until it is true, for so long at most; false: it did not come, or the run has failed. */
typedef bool sim_condition_fn(struct sim_cluster *cluster);
bool sim_cluster_wait(struct sim_cluster *cluster, sim_condition_fn *condition, int64_t ms_max);

#endif
