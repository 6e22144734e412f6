#ifndef T_SIM_ENSEMBLE_H
#define T_SIM_ENSEMBLE_H

#include "replica/zab/zab.h"
#include "src/base/prng.h"

/*
 * What the ensembles of both simulators are made of. Each call that is given chance draws from it,
 * so that the order of calls is part of what a seed says.
 */

/* Servers 1 to voters + observers, the voters first. */
void sim_ensemble_members(struct members *ret_members, int voters, int observers);

/* The longest delay of a network, and the longest sync of a disk. */
int64_t sim_ensemble_delay_us(struct prng *chance);
int64_t sim_ensemble_sync_us(struct prng *chance);

/* Ticks, limits, and how much history is kept. */
void sim_ensemble_config(struct zab_config *ret_config, const struct members *members,
			 int64_t delay_us_max, struct prng *chance);

#endif
