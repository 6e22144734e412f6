#include "t/sim/sim-world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/list.h"

/* FNV-1a's start and prime, taken eight bytes at a time. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * HASH_PRIME;
	return hash ^ hash >> 29;
}

uint64_t sim_hash(uint64_t hash, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint64_t word;

	hash = hash_word(hash, size);
	for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = hash_word(hash, word);
	}
	word = 0;
	if (size > 0)
		memcpy(&word, at, size);
	return hash_word(hash, word);
}

void sim_world_init(struct sim_world *world, bool is_tracing)
{
	*world = (struct sim_world){.trace_hash = HASH_START, .is_tracing = is_tracing};
	heap_init(&world->timers);
}

void sim_world_release(struct sim_world *world)
{
	heap_release(&world->timers);
}

bool sim_world_step(struct sim_world *world)
{
	struct heap_entry *entry = heap_first(&world->timers);
	struct sim_timer *timer;

	if (!entry || world->has_failed)
		return false;
	ASSERT(entry->key >= world->now_us);
	world->now_us = entry->key;
	world->steps++;
	timer = list_item(entry, struct sim_timer, entry);
	heap_remove(&world->timers, entry);
	timer->fire(timer->data);
	return true;
}

void sim_world_run_until(struct sim_world *world, int64_t until_us)
{
	struct heap_entry *entry;

	while ((entry = heap_first(&world->timers)) && entry->key <= until_us)
		if (!sim_world_step(world))
			return;
	if (!world->has_failed && world->now_us < until_us)
		world->now_us = until_us;
}

void sim_timer_init(struct sim_timer *timer, sim_timer_fn *fire, void *data)
{
	heap_entry_init(&timer->entry);
	timer->fire = fire;
	timer->data = data;
}

void sim_timer_set(struct sim_world *world, struct sim_timer *timer, int64_t at_us)
{
	heap_update(&world->timers, &timer->entry, at_us < world->now_us ? world->now_us : at_us);
}

void sim_timer_stop(struct sim_world *world, struct sim_timer *timer)
{
	heap_remove(&world->timers, &timer->entry);
}

bool sim_timer_is_set(const struct sim_timer *timer)
{
	return timer->entry.index != HEAP_NOWHERE;
}

void sim_trace(struct sim_world *world, int64_t sid, const char *what, int64_t a, int64_t b,
	       int64_t c)
{
	uint64_t hash = sim_hash(world->trace_hash, what, strlen(what));

	hash = hash_word(hash, (uint64_t)world->now_us);
	hash = hash_word(hash, (uint64_t)sid);
	hash = hash_word(hash, (uint64_t)a);
	hash = hash_word(hash, (uint64_t)b);
	world->trace_hash = hash_word(hash, (uint64_t)c);
	if (world->is_tracing)
		printf("%10.3f %" PRId64 " %-24s %" PRIx64 " %" PRIx64 " %" PRIx64 "\n",
		       (double)world->now_us / 1000, sid, what, (uint64_t)a, (uint64_t)b,
		       (uint64_t)c);
}

void sim_trace_bytes(struct sim_world *world, struct bytes bytes)
{
	world->trace_hash = sim_hash(world->trace_hash, bytes.data, bytes_size(bytes));
}

void sim_fail(struct sim_world *world, const char *format, ...)
{
	va_list args;

	if (world->has_failed)
		return;
	world->has_failed = true;
	va_start(args, format);
	vsnprintf(world->failure, sizeof(world->failure), format, args);
	va_end(args);
	if (world->is_tracing)
		printf("%10.3f FAILED: %s\n", (double)world->now_us / 1000, world->failure);
}

int64_t sim_between(struct prng *chance, int64_t low, int64_t high)
{
	ASSERT(low <= high);
	return low + (int64_t)prng_below(chance, (uint64_t)(high - low) + 1);
}

bool sim_one_in(struct prng *chance, uint64_t count)
{
	return prng_below(chance, count) == 0;
}
