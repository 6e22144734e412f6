#ifndef T_SIM_WORLD_H
#define T_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/bytes.h"
#include "src/base/heap.h"
#include "src/base/prng.h"

/*
 * The world of a simulation: virtual time, the trace, and what was found wrong.
 *
 * Everything that happens is a timer that fires. Time jumps from one to the
 * next; timers of one instant fire in the order in which they were set. Nothing
 * else moves the world, and all chance comes from generators that the seed
 * feeds, so a seed is a run, byte for byte.
 *
 * The trace is a line an event. It is always hashed, and printed on demand: two
 * runs with the same hash did the same.
 *
 * The first wrong thing is kept (sim_fail) and the run ends there.
 */
struct sim_world {
	int64_t now_us;
	struct heap timers;
	uint64_t steps;
	uint64_t trace_hash;
	bool is_tracing;
	bool has_failed;
	char failure[512];
};

void sim_world_init(struct sim_world *world, bool is_tracing);
void sim_world_release(struct sim_world *world);

/* Fire the next timer; false: there is none, or the run has failed. */
bool sim_world_step(struct sim_world *world);
/* Fire what is due up to then; the clock stands there afterwards, unless the run has failed. */
void sim_world_run_until(struct sim_world *world, int64_t until_us);

/* ---- timers: embedded in what they belong to, which stops them before it goes ---- */

typedef void sim_timer_fn(void *data);
struct sim_timer {
	struct heap_entry entry;
	sim_timer_fn *fire;
	void *data;
};
void sim_timer_init(struct sim_timer *timer, sim_timer_fn *fire, void *data);
/* Set, or move, to a moment; one that is past is now. */
void sim_timer_set(struct sim_world *world, struct sim_timer *timer, int64_t at_us);
void sim_timer_stop(struct sim_world *world, struct sim_timer *timer);
bool sim_timer_is_set(const struct sim_timer *timer);

/* ---- the trace ---- */

/* Something happened at a server (0: at none): up to three numbers that tell it. */
void sim_trace(struct sim_world *world, int64_t sid, const char *what, int64_t a, int64_t b,
	       int64_t c);
/* Bytes that went somewhere: hashed, never printed. */
void sim_trace_bytes(struct sim_world *world, struct bytes bytes);

/* An invariant does not hold: a sentence. */
void sim_fail(struct sim_world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- chance ---- */

/* Evenly from [low, high]. */
int64_t sim_between(struct prng *chance, int64_t low, int64_t high);
bool sim_one_in(struct prng *chance, uint64_t count);

/* A hash of bytes, to be chained: not for secrets. */
uint64_t sim_hash(uint64_t hash, const void *bytes, size_t size);

#endif
