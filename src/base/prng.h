#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdint.h>

/*
 * The only source of chance in a pure layer: xoshiro256** (Blackman, Vigna
 * 2018), seeded by splitmix64. The same seed gives the same numbers for ever.
 * Not for secrets.
 */
struct prng {
	uint64_t state[4];
};

void prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);

/* Evenly from [0, bound), bound > 0. */
uint64_t prng_below(struct prng *prng, uint64_t bound);

#endif
