#ifndef T_SIM_CHECK_IMPL_H
#define T_SIM_CHECK_IMPL_H

/* Only for sim-check.c and sim-promise.c. */
#include "t/sim/sim-check.h"

enum { SIM_EPOCHS_MAX = 4096 };

struct sim_entry {
	zxid_t zxid;
	uint64_t hash; /* of the transaction's bytes */
	uint64_t digest;
	struct sim_result result;
	int64_t session;
	int32_t cxid;
};

struct sim_epoch {
	int64_t candidate;   /* who sent NEWLEADER; 0: nobody */
	int64_t leader;      /* who established it; 0: nobody */
	zxid_t initial_zxid; /* where its history begins: the last that the candidate had */
};

struct sim_check {
	struct sim_world *world;
	struct members members;
	bool only_consequences;
	const struct sim_disk *disks[SIM_NODES_MAX];

	struct sim_entry *history;
	size_t count;
	size_t capacity;
	struct sim_app *model;                  /* at the end of the history */
	size_t positions[SIM_NODES_MAX];        /* how much of the history each has applied */
	uint32_t current_epochs[SIM_NODES_MAX]; /* as seen last */
	struct {
		uint32_t attachment;
		int32_t cxid;
	} sessions[SIM_SESSIONS_MAX];
	struct sim_epoch epochs[SIM_EPOCHS_MAX];
	uint32_t established;
};

typedef bool sim_voter_fn(const struct sim_check *check, int64_t sid, int64_t what);
bool sim_check_quorum(const struct sim_check *check, sim_voter_fn *has, int64_t what);
/* It has it durable, or had before its disk was wiped. */
sim_voter_fn sim_check_voter_holds;
sim_voter_fn sim_check_voter_promised; /* acceptedEpoch is not below it */
struct sim_epoch *sim_check_epoch_of(struct sim_check *check, uint32_t number);

#endif
