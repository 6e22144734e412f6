#ifndef T_SIM_CLOCK_H
#define T_SIM_CLOCK_H

#include <stdint.h>

#include "src/base/msec.h"
#include "src/base/prng.h"
#include "t/sim/sim-world.h"

/* The monotonic clock of a process: it starts anywhere, and drifts. */
struct sim_clock {
	int64_t started_us;
	msec_t first_ms; /* what it says at its start */
	int64_t drift_ppm;
};

void sim_clock_start(struct sim_clock *clock, const struct sim_world *world, struct prng *chance);
msec_t sim_clock_ms(const struct sim_clock *clock, const struct sim_world *world);
/* The first moment at which it says so, or a little later. */
int64_t sim_clock_us(const struct sim_clock *clock, msec_t at_ms);

#endif
