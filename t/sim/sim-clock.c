#include "t/sim/sim-clock.h"

enum {
	FIRST_MS_MAX = 1000 * 1000 * 1000,
	DRIFT_PPM_MAX = 50 * 1000, /* far beyond any quartz */
	MILLION = 1000 * 1000,
};

void sim_clock_start(struct sim_clock *clock, const struct sim_world *world, struct prng *chance)
{
	clock->started_us = world->now_us;
	clock->first_ms = sim_between(chance, 1, FIRST_MS_MAX);
	clock->drift_ppm = sim_between(chance, -DRIFT_PPM_MAX, DRIFT_PPM_MAX);
}

msec_t sim_clock_ms(const struct sim_clock *clock, const struct sim_world *world)
{
	int64_t elapsed_us = world->now_us - clock->started_us;

	return clock->first_ms + elapsed_us * (MILLION + clock->drift_ppm) / MILLION / 1000;
}

int64_t sim_clock_us(const struct sim_clock *clock, msec_t at_ms)
{
	int64_t elapsed_us = (at_ms - clock->first_ms) * 1000;

	return clock->started_us + elapsed_us * MILLION / (MILLION + clock->drift_ppm) + 1;
}
