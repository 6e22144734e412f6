#ifndef T_SIM_WHOLE_RUN_H
#define T_SIM_WHOLE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/server/server.h"
#include "t/sim/sim-command.h"
#include "t/sim/sim-faults.h"
#include "t/sim/whole-client.h"
#include "t/sim/whole-host.h"

/*
 * One seed: an ensemble of whole replicas starts, its clients work while things break, all is
 * repaired. Then, in bounded time: a leader, all servers with it, an acknowledged write of every
 * client; every client is quiet, and no session of a client that stays connected expires; every
 * watch has told what it should; all trees are the same, Stat for Stat.
 */
enum { WHOLE_CLIENTS_MAX = 6, WHOLE_RECOVERY_MS_MAX = 20 * 1000 };

struct whole_options {
	uint64_t seed;
	int voters;       /* 0: from the seed, 3 or 5 */
	int observers;    /* -1: from the seed, 0 to 2 */
	int64_t chaos_ms; /* 0: from the seed; how long things break */
	enum server_mutation mutation;
	bool is_tracing;
};
void whole_options_init(struct whole_options *options);

struct whole_outcome {
	struct sim_verdict verdict;
	uint64_t steps;
	int64_t virtual_ms;
	int64_t recovery_ms; /* from the repair until every client has written */
	size_t transactions;
	size_t expired;
	uint64_t writes, reads, events, lives, moves, unknown, resolved;
	unsigned crashes, leaderships, snapshots, installs, reloads, truncations, wipes;
};

void whole_run(const struct whole_options *options, struct whole_outcome *ret_outcome);

/* Of an enum server_mutation; NULL beyond the last. */
const char *whole_mutation_name(int mutation);

#endif
