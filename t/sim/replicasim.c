/*
 * replicasim: run whole replicas and their clients through seeds of a world that breaks.
 *
 *	replicasim [--seed N] [--seeds N] [--mutation NAME] [--servers VOTERS[+OBSERVERS]]
 *	       [--ms N] [--trace] [--hash] [--verbose] [--list-mutations]
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

#include "t/sim/whole-run.h"

struct arguments {
	struct whole_options options;
	uint64_t seeds;
	bool is_verbose;
	bool prints_hash;
};

static _Noreturn void usage(void)
{
	fputs("usage: replicasim [--seed N] [--seeds N] [--mutation NAME] "
	      "[--servers VOTERS[+OBSERVERS]]\n"
	      "              [--ms N] [--trace] [--hash] [--verbose] [--list-mutations]\n",
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

static void parse_servers(const char *text, struct whole_options *options)
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
	for (int i = SERVER_MUTATION_NONE + 1; i < SERVER_MUTATION_COUNT; i++)
		puts(whole_mutation_name(i));
	exit(0);
}

static void parse(char **argv, struct arguments *arguments)
{
	struct whole_options *options = &arguments->options;

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
			options->mutation = whole_mutation_by_name(*argv);
			if (options->mutation == SERVER_MUTATION_COUNT)
				usage();
		} else if (!strcmp(*argv, "--trace")) {
			options->is_tracing = true;
		} else if (!strcmp(*argv, "--hash")) {
			arguments->prints_hash = true;
		} else if (!strcmp(*argv, "--verbose")) {
			arguments->is_verbose = true;
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

static void set_replay(const struct whole_options *given, uint64_t seed)
{
	int size = snprintf(replay, sizeof(replay), "replay with: t/sim/replicasim --seed %" PRIu64,
			    seed);

	if (given->voters)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --servers %d+%d",
				 given->voters, given->observers);
	if (given->chaos_ms)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --ms %" PRId64,
				 given->chaos_ms);
	if (given->mutation)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --mutation %s",
				 whole_mutation_name(given->mutation));
	snprintf(replay + size, sizeof(replay) - (size_t)size, " --trace\n");
}

/* An ASSERT of the core: it has said which. */
static void on_abort(int signal)
{
	(void)signal;
	(void)!write(STDOUT_FILENO, replay, strlen(replay)); /* nobody to tell */
	_exit(1);
}

static void add(struct whole_outcome *sum, const struct whole_outcome *outcome)
{
	sum->steps += outcome->steps;
	sum->virtual_ms += outcome->virtual_ms;
	sum->transactions += outcome->transactions;
	sum->expired += outcome->expired;
	sum->writes += outcome->writes;
	sum->reads += outcome->reads;
	sum->events += outcome->events;
	sum->lives += outcome->lives;
	sum->moves += outcome->moves;
	sum->unknown += outcome->unknown;
	sum->resolved += outcome->resolved;
	sum->crashes += outcome->crashes;
	sum->leaderships += outcome->leaderships;
	sum->snapshots += outcome->snapshots;
	sum->installs += outcome->installs;
	sum->reloads += outcome->reloads;
	sum->truncations += outcome->truncations;
	sum->wipes += outcome->wipes;
	if (outcome->recovery_ms > sum->recovery_ms)
		sum->recovery_ms = outcome->recovery_ms; /* the slowest */
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.seeds = 1};
	struct whole_outcome sum = {0};
	uint64_t first;

	(void)argc;
	whole_options_init(&arguments.options);
	parse(argv, &arguments);
	first = arguments.options.seed;
	signal(SIGABRT, on_abort);
	for (uint64_t seed = first; seed - first < arguments.seeds; seed++) {
		struct whole_options options = arguments.options;
		struct whole_outcome outcome;

		options.seed = seed;
		set_replay(&arguments.options, seed);
		whole_run(&options, &outcome);
		if (arguments.is_verbose)
			printf("seed %" PRIu64 ": %" PRIu64 " steps, %" PRId64
			       " ms, %zu transactions, %u crashes, recovered after %" PRId64
			       " ms\n",
			       seed, outcome.steps, outcome.virtual_ms, outcome.transactions,
			       outcome.crashes, outcome.recovery_ms);
		if (arguments.prints_hash)
			printf("seed %" PRIu64 ": %016" PRIx64 "\n", seed, outcome.trace_hash);
		if (!outcome.is_good) {
			printf("seed %" PRIu64 ": %s: %s", seed, outcome.failure, replay);
			return 1;
		}
		add(&sum, &outcome);
	}
	printf("%" PRIu64 " seeds, %" PRId64 " s: %" PRIu64 " steps, %zu transactions, %" PRIu64
	       " writes, %" PRIu64 " reads, %" PRIu64 " events, %" PRIu64 " lives, %" PRIu64
	       " moves, %zu expired, %" PRIu64 " unknown, %" PRIu64
	       " resolved, %u crashes, %u leaderships, %u snapshots, %u installed, %u reloads, "
	       "%u truncations, %u wipes; slowest recovery %" PRId64 " ms\n",
	       arguments.seeds, sum.virtual_ms / 1000, sum.steps, sum.transactions, sum.writes,
	       sum.reads, sum.events, sum.lives, sum.moves, sum.expired, sum.unknown, sum.resolved,
	       sum.crashes, sum.leaderships, sum.snapshots, sum.installs, sum.reloads,
	       sum.truncations, sum.wipes, sum.recovery_ms);
	return 0;
}
