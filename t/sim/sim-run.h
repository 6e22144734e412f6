#ifndef T_SIM_RUN_H
#define T_SIM_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "t/sim/sim-cluster.h"
#include "t/sim/sim-command.h"

/*
 * One seed: an ensemble starts, works while things break, is repaired, and must
 * then come to itself in bounded time: a leader, all servers with it, a write
 * that commits, and everybody with the whole history.
 */
enum { SIM_RECOVERY_MS_MAX = 12000 };

struct sim_outcome {
	struct sim_verdict verdict;
	uint64_t steps;
	int64_t virtual_ms;
	int64_t recovery_ms; /* from the repair to the end */
	size_t transactions;
	uint32_t epochs;
	uint64_t acknowledged;
	unsigned snapshots, truncations, crashes, diffs, wipes;
};

void sim_run(const struct sim_options *options, struct sim_outcome *ret_outcome);

/* Of an enum zab_mutation; NULL beyond the last. */
const char *sim_mutation_name(int mutation);

#endif
