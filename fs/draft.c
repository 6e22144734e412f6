#include "fs/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

enum { CAPACITY_MIN = 256, WORD_BITS = 64 };

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* ---- the bits ---- */

static uint64_t word_mask(size_t word, size_t begin, size_t end)
{
	size_t first = word * WORD_BITS;
	uint64_t mask = UINT64_MAX;

	if (begin > first)
		mask &= UINT64_MAX << (begin - first);
	if (end < first + WORD_BITS)
		mask &= ~(UINT64_MAX << (end - first));
	return mask;
}

static void bits_set(uint64_t *bits, size_t begin, size_t end)
{
	for (size_t word = begin / WORD_BITS; word * WORD_BITS < end; word++)
		bits[word] |= word_mask(word, begin, end);
}

static void bits_clear(uint64_t *bits, size_t begin, size_t end)
{
	for (size_t word = begin / WORD_BITS; word * WORD_BITS < end; word++)
		bits[word] &= ~word_mask(word, begin, end);
}

/* The first bit in [begin, end) that is `set`, or end. */
static size_t bits_find(const uint64_t *bits, size_t begin, size_t end, bool set)
{
	for (size_t word = begin / WORD_BITS; word * WORD_BITS < end; word++) {
		uint64_t found = (set ? bits[word] : ~bits[word]) & word_mask(word, begin, end);

		if (found)
			return word * WORD_BITS + (size_t)__builtin_ctzll(found);
	}
	return end;
}

/* ---- life cycle ---- */

void draft_init(struct draft *draft, size_t size_max)
{
	*draft = (struct draft){.keep = SIZE_MAX, .size_max = size_max};
	buf_init(&draft->tail, size_max);
}

void draft_release(struct draft *draft)
{
	free(draft->data);
	free(draft->written);
	buf_release(&draft->tail);
	draft_init(draft, draft->size_max);
}

void draft_move(struct draft *draft, struct draft *from)
{
	ASSERT(draft_is_empty(draft));
	draft_release(draft);
	*draft = *from;
	draft_init(from, draft->size_max);
}

bool draft_is_empty(const struct draft *draft)
{
	return !draft->changed;
}

bool draft_is_whole(const struct draft *draft)
{
	return draft->sized && draft->keep == 0;
}

/* ---- edits ---- */

/* Doubling keeps many small writes cheap; size_max bounds it. */
static void reserve(struct draft *draft, size_t size)
{
	size_t capacity = max_size(draft->capacity, CAPACITY_MIN);
	size_t words;

	if (size <= draft->capacity)
		return;
	while (capacity < size)
		capacity *= 2;
	words = capacity / WORD_BITS;
	draft->data = mem_realloc(draft->data, capacity);
	draft->written = mem_realloc(draft->written, words * sizeof(uint64_t));
	memset(draft->written + draft->capacity / WORD_BITS, 0,
	       (words - draft->capacity / WORD_BITS) * sizeof(uint64_t));
	draft->capacity = capacity;
}

/* Written so that no sum can overflow. */
static bool fits(const struct draft *draft, size_t offset, size_t size)
{
	return offset <= draft->size_max && size <= draft->size_max - offset;
}

int draft_write(struct draft *draft, size_t base_size, size_t offset, struct bytes bytes)
{
	size_t size = bytes_size(bytes);

	if (!fits(draft, offset, size) || !fits(draft, 0, draft_size(draft, base_size)))
		return -EFBIG;
	if (draft->tail.size > 0)
		return -EAGAIN;
	if (size == 0)
		return 0;
	reserve(draft, offset + size);
	memcpy(draft->data + offset, bytes.data, size);
	bits_set(draft->written, offset, offset + size);
	draft->extent = max_size(draft->extent, offset + size);
	draft->size = max_size(draft->size, offset + size);
	draft->changed = true;
	return 0;
}

int draft_append(struct draft *draft, size_t base_size, struct bytes bytes)
{
	if (draft->sized)
		return draft_write(draft, base_size, draft->size, bytes);
	if (!fits(draft, draft_size(draft, base_size), bytes_size(bytes)))
		return -EFBIG;
	if (bytes_size(bytes) == 0)
		return 0;
	buf_append(&draft->tail, bytes.data, bytes_size(bytes));
	ASSERT(!draft->tail.error);
	draft->changed = true;
	return 0;
}

int draft_truncate(struct draft *draft, size_t size)
{
	if (!fits(draft, 0, size))
		return -EFBIG;
	if (draft->tail.size > 0)
		return -EAGAIN;
	if (draft->extent > size) {
		bits_clear(draft->written, size, draft->extent);
		draft->extent = size;
	}
	draft->keep = min_size(draft->keep, size);
	draft->size = size;
	draft->sized = true;
	draft->changed = true;
	return 0;
}

int draft_extend(struct draft *draft, size_t base_size, size_t size)
{
	if (!fits(draft, 0, size) || !fits(draft, 0, draft_size(draft, base_size)))
		return -EFBIG;
	if (draft->tail.size > 0)
		return -EAGAIN;
	draft->size = max_size(draft->size, size);
	draft->changed = true;
	return 0;
}

/* ---- the result ---- */

/* Of what is below the tail. */
static size_t laid_size(const struct draft *draft, size_t base_size)
{
	return draft->sized ? draft->size : max_size(draft->size, base_size);
}

size_t draft_size(const struct draft *draft, size_t base_size)
{
	return laid_size(draft, base_size) + draft->tail.size;
}

static void read_base(const struct draft *draft, struct bytes base, size_t offset, size_t size,
		      uint8_t *out)
{
	size_t kept = min_size(draft->keep, bytes_size(base));
	size_t from_base = offset < kept ? min_size(size, kept - offset) : 0;

	if (from_base > 0)
		memcpy(out, (const uint8_t *)base.data + offset, from_base);
	memset(out + from_base, 0, size - from_base);
}

static void read_written(const struct draft *draft, size_t offset, size_t size, uint8_t *out)
{
	size_t end = min_size(offset + size, draft->extent);
	size_t at = offset;

	while (at < end) {
		size_t begin = bits_find(draft->written, at, end, true);

		at = bits_find(draft->written, begin, end, false);
		if (at > begin)
			memcpy(out + (begin - offset), draft->data + begin, at - begin);
	}
}

void draft_read(const struct draft *draft, struct bytes base, size_t offset, size_t size,
		uint8_t *ret_bytes)
{
	size_t laid = laid_size(draft, bytes_size(base));
	size_t below = offset < laid ? min_size(size, laid - offset) : 0;

	ASSERT(offset + size <= laid + draft->tail.size);
	if (below > 0) {
		read_base(draft, base, offset, below, ret_bytes);
		read_written(draft, offset, below, ret_bytes);
	}
	if (size > below)
		memcpy(ret_bytes + below, draft->tail.data + (offset + below - laid), size - below);
}

size_t draft_memory(const struct draft *draft)
{
	return draft->capacity + draft->capacity / 8 + draft->tail.capacity;
}

void draft_check(const struct draft *draft)
{
	ASSERT(draft->extent <= draft->capacity);
	ASSERT(draft->extent <= draft->size);
	ASSERT(draft->size <= draft->size_max);
	ASSERT(bits_find(draft->written, draft->extent, draft->capacity, true) == draft->capacity);
	ASSERT(!draft->sized || draft->keep <= draft->size);
	ASSERT(!draft->sized || draft->tail.size == 0);
	ASSERT(draft->sized || draft->keep == SIZE_MAX);
	ASSERT(draft->changed || (draft->size == 0 && draft->extent == 0 && draft->tail.size == 0));
}
