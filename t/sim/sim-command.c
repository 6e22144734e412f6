#include "t/sim/sim-command.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/sim/sim-net.h"

struct arguments {
	const struct simulator *simulator;
	struct sim_order order; /* of the first seed */
	uint64_t seeds;
	bool is_verbose;
	bool prints_hash;
};

static _Noreturn void usage(const struct simulator *simulator)
{
	fprintf(stderr,
		"usage: %s [--seed N] [--seeds N] [--mutation NAME] "
		"[--servers VOTERS[+OBSERVERS]]\n"
		"              [--ms N] [--trace] [--hash] [--verbose] [--list-mutations]%s\n",
		simulator->name, simulator->knows_consequences ? " [--consequences]" : "");
	exit(2);
}

static uint64_t number(const struct simulator *simulator, const char *text, uint64_t max)
{
	char *end;
	unsigned long long value;

	if (!text || *text < '0' || *text > '9')
		usage(simulator);
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end || errno || value > max)
		usage(simulator);
	return value;
}

static void parse_servers(const struct simulator *simulator, const char *text,
			  struct sim_order *order)
{
	char voters[8];
	const char *plus = text ? strchr(text, '+') : NULL;
	size_t size = plus ? (size_t)(plus - text) : strlen(text ? text : "");

	if (size == 0 || size >= sizeof(voters))
		usage(simulator);
	memcpy(voters, text, size);
	voters[size] = '\0';
	order->voters = (int)number(simulator, voters, SIM_NODES_MAX - 1);
	order->observers = plus ? (int)number(simulator, plus + 1, SIM_NODES_MAX - 1) : 0;
	if (order->voters == 0 || order->voters + order->observers >= SIM_NODES_MAX)
		usage(simulator);
}

static int parse_mutation(const struct simulator *simulator, const char *text)
{
	const char *name;

	for (int i = 0; text && (name = simulator->mutation_name(i)); i++)
		if (strcmp(name, text) == 0)
			return i;
	usage(simulator);
}

static _Noreturn void list_mutations(const struct simulator *simulator)
{
	const char *name;

	for (int i = 1; (name = simulator->mutation_name(i)); i++)
		puts(name);
	exit(0);
}

static void parse(char **argv, struct arguments *arguments)
{
	const struct simulator *simulator = arguments->simulator;
	struct sim_order *order = &arguments->order;

	for (argv++; *argv; argv++) {
		if (!strcmp(*argv, "--seed")) {
			order->seed = number(simulator, *++argv, UINT64_MAX);
		} else if (!strcmp(*argv, "--seeds")) {
			arguments->seeds = number(simulator, *++argv, UINT64_MAX);
		} else if (!strcmp(*argv, "--ms")) {
			order->chaos_ms = (int64_t)number(simulator, *++argv, 1000 * 1000 * 1000);
		} else if (!strcmp(*argv, "--servers")) {
			parse_servers(simulator, *++argv, order);
		} else if (!strcmp(*argv, "--mutation")) {
			order->mutation = parse_mutation(simulator, *++argv);
		} else if (!strcmp(*argv, "--trace")) {
			order->is_tracing = true;
		} else if (!strcmp(*argv, "--hash")) {
			arguments->prints_hash = true;
		} else if (!strcmp(*argv, "--verbose")) {
			arguments->is_verbose = true;
		} else if (simulator->knows_consequences && !strcmp(*argv, "--consequences")) {
			order->only_consequences = true;
		} else if (!strcmp(*argv, "--list-mutations")) {
			list_mutations(simulator);
		} else {
			usage(simulator);
		}
	}
}

/* ---- how to run it again ---- */

static char replay[256];

static void set_replay(const struct simulator *simulator, const struct sim_order *order)
{
	int size = snprintf(replay, sizeof(replay), "replay with: t/sim/%s --seed %" PRIu64,
			    simulator->name, order->seed);

	if (order->voters)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --servers %d+%d",
				 order->voters, order->observers);
	if (order->chaos_ms)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --ms %" PRId64,
				 order->chaos_ms);
	if (order->only_consequences)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --consequences");
	if (order->mutation)
		size += snprintf(replay + size, sizeof(replay) - (size_t)size, " --mutation %s",
				 simulator->mutation_name(order->mutation));
	snprintf(replay + size, sizeof(replay) - (size_t)size, " --trace\n");
}

/* An ASSERT of what is simulated: it has said which. */
static void on_abort(int signal)
{
	(void)signal;
	(void)!write(STDOUT_FILENO, replay, strlen(replay)); /* nobody to tell */
	_exit(1);
}

int sim_command(const struct simulator *simulator, char **argv)
{
	struct arguments arguments = {
		.simulator = simulator,
		.order = {.seed = 1, .observers = -1},
		.seeds = 1,
	};

	parse(argv, &arguments);
	signal(SIGABRT, on_abort);
	for (uint64_t done = 0; done < arguments.seeds; done++) {
		struct sim_order order = arguments.order;
		struct sim_verdict verdict;

		order.seed += done;
		set_replay(simulator, &order);
		simulator->run(&order, arguments.is_verbose, &verdict);
		if (arguments.prints_hash)
			printf("seed %" PRIu64 ": %016" PRIx64 "\n", order.seed,
			       verdict.trace_hash);
		if (!verdict.is_good) {
			printf("seed %" PRIu64 ": %s: %s", order.seed, verdict.failure, replay);
			return 1;
		}
	}
	simulator->print_sum(arguments.seeds);
	return 0;
}
