#ifndef T_SIM_COMMAND_H
#define T_SIM_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The command line of both simulators, and their way through the seeds:
 *
 *	NAME [--seed N] [--seeds N] [--mutation NAME] [--servers VOTERS[+OBSERVERS]]
 *	     [--ms N] [--trace] [--hash] [--verbose] [--list-mutations]
 *
 * Exit status 0: everything that has to hold held. 1: it did not, in the first such seed, and the
 * last line says what, and how to run it again. With --mutation that is what is wanted: a mutation
 * that no seed finds is status 0. 2: the command line is wrong.
 */

/* What a run is to be. */
struct sim_order {
	uint64_t seed;
	int voters;             /* 0: from the seed */
	int observers;          /* -1: from the seed */
	int64_t chaos_ms;       /* 0: from the seed; how long things break */
	int mutation;           /* 0: none */
	bool only_consequences; /* sim-check.h */
	bool is_tracing;
};

/* What became of it. */
struct sim_verdict {
	bool is_good;
	char failure[512];
	uint64_t trace_hash;
};

struct simulator {
	const char *name;
	bool knows_consequences;                    /* it has --consequences, too */
	const char *(*mutation_name)(int mutation); /* of 1, 2, ...; NULL beyond the last */

	/* Run one seed, and add it to the sum; with --verbose, say in a line what it was. */
	void (*run)(const struct sim_order *order, bool is_verbose,
		    struct sim_verdict *ret_verdict);
	void (*print_sum)(uint64_t seeds);
};

/* All of main; its status. */
int sim_command(const struct simulator *simulator, char **argv);

#endif
