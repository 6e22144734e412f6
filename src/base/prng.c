#include "src/base/prng.h"

#include "src/base/assert.h"

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void prng_init(struct prng *prng, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		prng->state[i] = splitmix(&seed);
}

static uint64_t rotate_left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

uint64_t prng_next(struct prng *prng)
{
	uint64_t *s = prng->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

uint64_t prng_below(struct prng *prng, uint64_t bound)
{
	uint64_t limit;
	uint64_t number;

	ASSERT(bound > 0);
	/* Numbers at or past the last whole multiple of bound would favour the small ones. */
	limit = UINT64_MAX - UINT64_MAX % bound;
	do
		number = prng_next(prng);
	while (number >= limit);
	return number % bound;
}
