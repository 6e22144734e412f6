/*
 * zabsim: run the consensus core through seeds of a world that breaks. Its options are those of
 * sim-command.h, and
 *
 *	--consequences	look at what is lost, and not at promises that are broken on the way
 */
#include <inttypes.h>
#include <stdio.h>

#include "t/sim/sim-command.h"
#include "t/sim/sim-run.h"

static struct sim_outcome sum; /* of all seeds; recovery_ms: the slowest */

static void add(const struct sim_outcome *outcome)
{
	sum.steps += outcome->steps;
	sum.virtual_ms += outcome->virtual_ms;
	sum.transactions += outcome->transactions;
	sum.epochs += outcome->epochs;
	sum.acknowledged += outcome->acknowledged;
	sum.snapshots += outcome->snapshots;
	sum.truncations += outcome->truncations;
	sum.crashes += outcome->crashes;
	sum.diffs += outcome->diffs;
	sum.wipes += outcome->wipes;
	if (outcome->recovery_ms > sum.recovery_ms)
		sum.recovery_ms = outcome->recovery_ms;
}

static void run(const struct sim_order *order, bool is_verbose, struct sim_verdict *ret_verdict)
{
	struct sim_options options;
	struct sim_outcome outcome;

	sim_options_init(&options);
	options.seed = order->seed;
	options.voters = order->voters;
	options.observers = order->observers;
	options.chaos_ms = order->chaos_ms;
	options.mutation = (enum zab_mutation)order->mutation;
	options.only_consequences = order->only_consequences;
	options.is_tracing = order->is_tracing;
	sim_run(&options, &outcome);
	if (is_verbose)
		printf("seed %" PRIu64 ": %" PRIu64 " steps, %" PRId64 " ms, %zu transactions, "
		       "%u epochs, recovered after %" PRId64 " ms\n",
		       order->seed, outcome.steps, outcome.virtual_ms, outcome.transactions,
		       outcome.epochs, outcome.recovery_ms);
	add(&outcome);
	*ret_verdict = outcome.verdict;
}

static void print_sum(uint64_t seeds)
{
	printf("%" PRIu64 " seeds, %" PRId64 " s: %" PRIu64 " steps, %zu transactions, %" PRIu64
	       " acknowledged, %u epochs, %u crashes, %u snapshots, %u diffs, %u truncations, "
	       "%u wipes; slowest recovery %" PRId64 " ms\n",
	       seeds, sum.virtual_ms / 1000, sum.steps, sum.transactions, sum.acknowledged,
	       sum.epochs, sum.crashes, sum.snapshots, sum.diffs, sum.truncations, sum.wipes,
	       sum.recovery_ms);
}

int main(int argc, char **argv)
{
	static const struct simulator simulator = {
		.name = "zabsim",
		.knows_consequences = true,
		.mutation_name = sim_mutation_name,
		.run = run,
		.print_sum = print_sum,
	};

	(void)argc;
	return sim_command(&simulator, argv);
}
