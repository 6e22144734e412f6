#include "t/sim/sim-run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/sim/sim-faults.h"

static bool has_leader(struct sim_cluster *cluster)
{
	return sim_cluster_leader(cluster);
}

/* What has to come after the repair, in this order. */
static void recover(struct sim_cluster *cluster)
{
	struct sim_world *world = &cluster->world;
	int64_t end_us = world->now_us + SIM_RECOVERY_MS_MAX * INT64_C(1000);
	const char *missing = "no leader";
	size_t count;

	if (!sim_cluster_wait(cluster, has_leader, SIM_RECOVERY_MS_MAX))
		goto out;
	missing = "not every server serves";
	if (!sim_cluster_wait(cluster, sim_cluster_is_whole, (end_us - world->now_us) / 1000))
		goto out;
	missing = "no write commits";
	count = sim_check_count(cluster->check);
	while (sim_check_count(cluster->check) == count && cluster->client_count > 0 &&
	       world->now_us < end_us && !world->has_failed)
		sim_world_run_until(world, world->now_us + 5000);
	if (world->now_us >= end_us)
		goto out;
	missing = "not every server has the whole history";
	for (int i = 0; i < cluster->client_count; i++)
		sim_client_stop(&cluster->clients[i]);
	if (!sim_cluster_wait(cluster, sim_cluster_is_current, (end_us - world->now_us) / 1000))
		goto out;
	return;
out:
	if (!world->has_failed)
		sim_fail(world, "%s %d ms after the repair", missing, SIM_RECOVERY_MS_MAX);
}

void sim_run(const struct sim_options *options, struct sim_outcome *ret_outcome)
{
	struct sim_cluster *cluster = mem_zalloc(sizeof(*cluster));
	struct sim_faults *faults = mem_zalloc(sizeof(*faults));
	struct sim_world *world = &cluster->world;
	struct sim_hosts hosts;
	int64_t repaired_us;

	sim_cluster_init(cluster, options);
	sim_cluster_start(cluster);
	/* Who has no word of an operator begins only when all are there, and is stuck for good
	 * where some crash between the first of them entering epoch 1 and the last (lessons R18,
	 * R19). */
	if (!cluster->replicas[0].config.may_bootstrap &&
	    !sim_cluster_wait(cluster, sim_cluster_is_whole, SIM_RECOVERY_MS_MAX))
		sim_fail(world, "the ensemble has not begun after %d ms", SIM_RECOVERY_MS_MAX);
	hosts = sim_cluster_hosts(cluster);
	sim_faults_init(faults, &hosts, prng_next(&cluster->chance));
	sim_world_run_until(world, world->now_us + cluster->options.chaos_ms * 1000);
	repaired_us = world->now_us;
	if (!world->has_failed) {
		sim_trace(world, 0, "repaired", 0, 0, 0);
		sim_faults_stop(faults);
		recover(cluster);
	}
	*ret_outcome = (struct sim_outcome){
		.verdict.is_good = !world->has_failed,
		.verdict.trace_hash = world->trace_hash,
		.steps = world->steps,
		.virtual_ms = world->now_us / 1000,
		.recovery_ms = (world->now_us - repaired_us) / 1000,
		.transactions = sim_check_count(cluster->check),
		.epochs = sim_check_epoch(cluster->check),
		.wipes = faults->was_wiped,
	};
	memcpy(ret_outcome->verdict.failure, world->failure, sizeof(world->failure));
	for (int i = 0; i < cluster->count; i++) {
		ret_outcome->snapshots += cluster->replicas[i].counts.snapshots;
		ret_outcome->truncations += cluster->replicas[i].counts.truncations;
		ret_outcome->crashes += cluster->replicas[i].counts.crashes;
		ret_outcome->diffs += cluster->replicas[i].counts.diffs;
	}
	for (int i = 0; i < cluster->client_count; i++)
		ret_outcome->acknowledged += cluster->clients[i].acknowledged;
	sim_faults_release(faults);
	sim_cluster_release(cluster);
	free(faults);
	free(cluster);
}

const char *sim_mutation_name(int mutation)
{
	static const char *const names[ZAB_MUTATION_COUNT] = {
		[ZAB_MUTATION_NONE] = "none",
		[ZAB_MUTATION_SKIP_ACCEPTED_EPOCH] = "skip-accepted-epoch",
		[ZAB_MUTATION_EPOCH_BEFORE_HISTORY] = "epoch-before-history",
		[ZAB_MUTATION_ACK_NEWLEADER_EARLY] = "ack-newleader-early",
		[ZAB_MUTATION_ACK_EARLY] = "ack-early",
		[ZAB_MUTATION_LEADER_COUNTS_UNLOGGED] = "leader-counts-unlogged",
		[ZAB_MUTATION_MINORITY] = "minority",
		[ZAB_MUTATION_MINORITY_ELECTION] = "minority-election",
		[ZAB_MUTATION_KEEP_AT_TRUNC] = "keep-at-trunc",
		[ZAB_MUTATION_DIFF_WITH_HOLE] = "diff-with-hole",
		[ZAB_MUTATION_APPLY_TAIL_AT_RESTART] = "apply-tail-at-restart",
		[ZAB_MUTATION_APPLY_BEFORE_UPTODATE] = "apply-before-uptodate",
		[ZAB_MUTATION_COMMIT_BEFORE_LOGGED] = "commit-before-logged",
		[ZAB_MUTATION_KEEP_LOG_AT_SNAP] = "keep-log-at-snap",
		[ZAB_MUTATION_VOTE_DELIVERED] = "vote-delivered",
		[ZAB_MUTATION_REUSE_EPOCH] = "reuse-epoch",
		[ZAB_MUTATION_EMPTY_VOTES] = "empty-votes",
		[ZAB_MUTATION_STALE_VOTE] = "stale-vote",
		[ZAB_MUTATION_ACK_OVERTAKES] = "ack-overtakes",
		[ZAB_MUTATION_NO_DRAIN] = "no-drain",
		[ZAB_MUTATION_NEWLEADER_BEFORE_SNAP] = "newleader-before-snap",
		[ZAB_MUTATION_OBSERVER_COUNTS] = "observer-counts",
	};

	return mutation < ZAB_MUTATION_COUNT ? names[mutation] : NULL;
}
