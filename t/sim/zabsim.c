/*
 * zabsim: run the consensus core through seeds of a world that breaks.
 *
 *	zabsim [--seed N] [--seeds N] [--mutation NAME] [--servers VOTERS[+OBSERVERS]]
 *	       [--ms N] [--trace] [--hash] [--verbose] [--list-mutations]
 *	       [--consequences]
 *
 * Exit status 0: everything that has to hold held. 1: it did not, in the first
 * such seed, and the last line says what, and how to run it again. With --mutation
 * that is what is wanted: a mutation that no seed finds is status 0.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/sim/sim-run.h"

struct arguments {
	struct sim_options options;
	uint64_t seeds;
	bool is_verbose;
	bool prints_hash;
};

static _Noreturn void usage(void)
{
	fputs("usage: zabsim [--seed N] [--seeds N] [--mutation NAME] "
	      "[--servers VOTERS[+OBSERVERS]]\n"
	      "              [--ms N] [--trace] [--hash] [--verbose] [--list-mutations]\n"
	      "              [--consequences]\n",
	      stderr);
	exit(2);
}

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long value;

	if (!text || *text < '0' || *text > '9')
		usage();
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end || errno || value > max)
		usage();
	return value;
}

static void parse_servers(const char *text, struct sim_options *options)
{
	char voters[8];
	const char *plus = text ? strchr(text, '+') : NULL;
	size_t size = plus ? (size_t)(plus - text) : strlen(text ? text : "");

	if (size == 0 || size >= sizeof(voters))
		usage();
	memcpy(voters, text, size);
	voters[size] = '\0';
	options->voters = (int)number(voters, SIM_NODES_MAX - 1);
	options->observers = plus ? (int)number(plus + 1, SIM_NODES_MAX - 1) : 0;
	if (options->voters == 0 || options->voters + options->observers >= SIM_NODES_MAX)
		usage();
}

static void list_mutations(void)
{
	for (int i = ZAB_MUTATION_NONE + 1; i < ZAB_MUTATION_COUNT; i++)
		puts(sim_mutation_name(i));
	exit(0);
}

static void parse(char **argv, struct arguments *arguments)
{
	struct sim_options *options = &arguments->options;

	for (argv++; *argv; argv++) {
		if (!strcmp(*argv, "--seed")) {
			options->seed = number(*++argv, UINT64_MAX);
		} else if (!strcmp(*argv, "--seeds")) {
			arguments->seeds = number(*++argv, UINT64_MAX);
		} else if (!strcmp(*argv, "--ms")) {
			options->chaos_ms = (int64_t)number(*++argv, 1000 * 1000 * 1000);
		} else if (!strcmp(*argv, "--servers")) {
			parse_servers(*++argv, options);
		} else if (!strcmp(*argv, "--mutation")) {
			if (!*++argv)
				usage();
			options->mutation = sim_mutation_by_name(*argv);
			if (options->mutation == ZAB_MUTATION_COUNT)
				usage();
		} else if (!strcmp(*argv, "--trace")) {
			options->is_tracing = true;
		} else if (!strcmp(*argv, "--hash")) {
			arguments->prints_hash = true;
		} else if (!strcmp(*argv, "--verbose")) {
			arguments->is_verbose = true;
		} else if (!strcmp(*argv, "--consequences")) {
			options->only_consequences = true;
		} else if (!strcmp(*argv, "--list-mutations")) {
			list_mutations();
		} else {
			usage();
		}
		if (!*argv)
			usage();
	}
}

/* ---- how to run it again ---- */

static char replay[256];

static void set_replay(const struct sim_options *given, uint64_t seed)
{
	int size =
		snprintf(replay, sizeof(replay), "replay with: t/sim/zabsim --seed %" PRIu64, seed);

	if (given->voters)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --servers %d+%d",
				 given->voters, given->observers);
	if (given->chaos_ms)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --ms %" PRId64,
				 given->chaos_ms);
	if (given->only_consequences)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --consequences");
	if (given->mutation)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --mutation %s",
				 sim_mutation_name(given->mutation));
	snprintf(replay + size, sizeof(replay) - (size_t)size, " --trace\n");
}

/* An ASSERT of the core: it has said which. */
static void on_abort(int signal)
{
	(void)signal;
	(void)!write(STDOUT_FILENO, replay, strlen(replay)); /* nobody to tell */
	_exit(1);
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.seeds = 1};
	struct sim_outcome sum = {0};
	int64_t slowest_ms = 0;
	uint64_t first;

	(void)argc;
	sim_options_init(&arguments.options);
	parse(argv, &arguments);
	first = arguments.options.seed;
	signal(SIGABRT, on_abort);
	for (uint64_t seed = first; seed - first < arguments.seeds; seed++) {
		struct sim_options options = arguments.options;
		struct sim_outcome outcome;

		options.seed = seed;
		set_replay(&arguments.options, seed);
		sim_run(&options, &outcome);
		if (arguments.is_verbose)
			printf("seed %" PRIu64 ": %" PRIu64 " steps, %" PRId64
			       " ms, %zu transactions, "
			       "%u epochs, recovered after %" PRId64 " ms\n",
			       seed, outcome.steps, outcome.virtual_ms, outcome.transactions,
			       outcome.epochs, outcome.recovery_ms);
		if (arguments.prints_hash)
			printf("seed %" PRIu64 ": %016" PRIx64 "\n", seed, outcome.trace_hash);
		if (!outcome.is_good) {
			printf("seed %" PRIu64 ": %s: %s", seed, outcome.failure, replay);
			return 1;
		}
		sum.steps += outcome.steps;
		sum.virtual_ms += outcome.virtual_ms;
		sum.transactions += outcome.transactions;
		sum.epochs += outcome.epochs;
		sum.acknowledged += outcome.acknowledged;
		sum.snapshots += outcome.snapshots;
		sum.truncations += outcome.truncations;
		sum.crashes += outcome.crashes;
		sum.diffs += outcome.diffs;
		sum.wipes += outcome.wipes;
		if (outcome.recovery_ms > slowest_ms)
			slowest_ms = outcome.recovery_ms;
	}
	printf("%" PRIu64 " seeds, %" PRId64 " s: %" PRIu64 " steps, %zu transactions, %" PRIu64
	       " acknowledged, %u epochs, %u crashes, %u snapshots, %u diffs, %u truncations, "
	       "%u wipes; slowest recovery %" PRId64 " ms\n",
	       arguments.seeds, sum.virtual_ms / 1000, sum.steps, sum.transactions,
	       sum.acknowledged, sum.epochs, sum.crashes, sum.snapshots, sum.diffs, sum.truncations,
	       sum.wipes, slowest_ms);
	return 0;
}
