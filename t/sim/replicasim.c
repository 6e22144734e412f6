/*
 * replicasim: run whole replicas and their clients through seeds of a world that breaks. Its
 * options are those of sim-command.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "t/sim/sim-command.h"
#include "t/sim/whole-run.h"

static struct whole_outcome sum; /* of all seeds; recovery_ms: the slowest */

static void add(const struct whole_outcome *outcome)
{
	sum.steps += outcome->steps;
	sum.virtual_ms += outcome->virtual_ms;
	sum.transactions += outcome->transactions;
	sum.expired += outcome->expired;
	sum.writes += outcome->writes;
	sum.reads += outcome->reads;
	sum.events += outcome->events;
	sum.lives += outcome->lives;
	sum.moves += outcome->moves;
	sum.unknown += outcome->unknown;
	sum.resolved += outcome->resolved;
	sum.crashes += outcome->crashes;
	sum.leaderships += outcome->leaderships;
	sum.snapshots += outcome->snapshots;
	sum.installs += outcome->installs;
	sum.reloads += outcome->reloads;
	sum.truncations += outcome->truncations;
	sum.wipes += outcome->wipes;
	if (outcome->recovery_ms > sum.recovery_ms)
		sum.recovery_ms = outcome->recovery_ms;
}

static void run(const struct sim_order *order, bool is_verbose, struct sim_verdict *ret_verdict)
{
	struct whole_options options;
	struct whole_outcome outcome;

	whole_options_init(&options);
	options.seed = order->seed;
	options.voters = order->voters;
	options.observers = order->observers;
	options.chaos_ms = order->chaos_ms;
	options.mutation = (enum server_mutation)order->mutation;
	options.is_tracing = order->is_tracing;
	whole_run(&options, &outcome);
	if (is_verbose)
		printf("seed %" PRIu64 ": %" PRIu64 " steps, %" PRId64 " ms, %zu transactions, "
		       "%u crashes, recovered after %" PRId64 " ms\n",
		       order->seed, outcome.steps, outcome.virtual_ms, outcome.transactions,
		       outcome.crashes, outcome.recovery_ms);
	add(&outcome);
	*ret_verdict = outcome.verdict;
}

static void print_sum(uint64_t seeds)
{
	printf("%" PRIu64 " seeds, %" PRId64 " s: %" PRIu64 " steps, %zu transactions, %" PRIu64
	       " writes, %" PRIu64 " reads, %" PRIu64 " events, %" PRIu64 " lives, %" PRIu64
	       " moves, %zu expired, %" PRIu64 " unknown, %" PRIu64
	       " resolved, %u crashes, %u leaderships, %u snapshots, %u installed, %u reloads, "
	       "%u truncations, %u wipes; slowest recovery %" PRId64 " ms\n",
	       seeds, sum.virtual_ms / 1000, sum.steps, sum.transactions, sum.writes, sum.reads,
	       sum.events, sum.lives, sum.moves, sum.expired, sum.unknown, sum.resolved,
	       sum.crashes, sum.leaderships, sum.snapshots, sum.installs, sum.reloads,
	       sum.truncations, sum.wipes, sum.recovery_ms);
}

int main(int argc, char **argv)
{
	static const struct simulator simulator = {
		.name = "replicasim",
		.mutation_name = whole_mutation_name,
		.run = run,
		.print_sum = print_sum,
	};

	(void)argc;
	return sim_command(&simulator, argv);
}
