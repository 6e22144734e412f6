/* A deque of transactions in one array, found by their counters or by binary search. */
#include "replica/zab/history.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

/* What an entry takes besides its transaction, so that many small ones are bounded too. */
enum { ENTRY_OVERHEAD = 64 };

bool history_follows(zxid_t zxid, zxid_t next)
{
	if (zxid_epoch(next) == zxid_epoch(zxid))
		return next > zxid && zxid_counter(next) == zxid_counter(zxid) + 1;
	return next > zxid && zxid_counter(next) == 1;
}

void history_init(struct history *history, zxid_t base)
{
	*history = (struct history){.base = base};
}

void history_release(struct history *history)
{
	for (size_t i = 0; i < history->count; i++)
		blob_unref(history->entries[history->first + i].txn);
	free(history->entries);
	*history = (struct history){.base = history->base};
}

const struct history_entry *history_at(const struct history *history, size_t i)
{
	ASSERT(i < history->count);
	return &history->entries[history->first + i];
}

zxid_t history_last(const struct history *history)
{
	return history->count > 0 ? history_at(history, history->count - 1)->zxid : history->base;
}

static uint64_t end_of(const struct history *history, size_t i)
{
	return i > 0 ? history_at(history, i - 1)->end : history->base_end;
}

static void make_room(struct history *history)
{
	if (history->first + history->count < history->capacity)
		return;
	if (history->first > history->capacity / 2) {
		memmove(history->entries, history->entries + history->first,
			history->count * sizeof(*history->entries));
		history->first = 0;
		return;
	}
	history->capacity = history->capacity > 0 ? 2 * history->capacity : 64;
	history->entries =
		mem_realloc(history->entries, history->capacity * sizeof(*history->entries));
}

void history_append(struct history *history, zxid_t zxid, struct blob *txn)
{
	uint64_t end = end_of(history, history->count);

	ASSERT(txn != NULL);
	ASSERT(history_follows(history_last(history), zxid));
	make_room(history);
	history->entries[history->first + history->count] = (struct history_entry){
		.zxid = zxid,
		.txn = blob_ref(txn),
		.end = end + txn->size + ENTRY_OVERHEAD,
	};
	history->count++;
}

/*
 * Without a gap, what is of the last entry's epoch is found by counting back. False: it is of
 * another, or not there.
 */
static bool count_back(const struct history *history, zxid_t zxid, size_t *ret_after)
{
	zxid_t last = history_last(history);

	if (zxid_epoch(zxid) != zxid_epoch(last) || zxid > last ||
	    (uint64_t)(last - zxid) >= history->count)
		return false;
	*ret_after = history->count - (size_t)(last - zxid);
	return history_at(history, *ret_after - 1)->zxid == zxid;
}

size_t history_after(const struct history *history, zxid_t zxid)
{
	size_t low = 0, high = history->count;
	size_t after;

	if (count_back(history, zxid, &after))
		return after;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (history_at(history, middle)->zxid > zxid)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool history_has(const struct history *history, zxid_t zxid)
{
	size_t after = history_after(history, zxid);

	if (after == 0)
		return zxid == history->base;
	return history_at(history, after - 1)->zxid == zxid;
}

void history_truncate(struct history *history, zxid_t zxid)
{
	size_t after = history_after(history, zxid);

	ASSERT(history_has(history, zxid));
	while (history->count > after) {
		history->count--;
		blob_unref(history->entries[history->first + history->count].txn);
	}
}

size_t history_size_after(const struct history *history, zxid_t zxid)
{
	return (size_t)(end_of(history, history->count) -
			end_of(history, history_after(history, zxid)));
}

void history_trim(struct history *history, zxid_t zxid, size_t size_max, size_t count_max)
{
	size_t count = history_after(history, zxid);

	while (count > 0 &&
	       (count > count_max || end_of(history, count) - history->base_end > size_max)) {
		struct history_entry *oldest = &history->entries[history->first];

		history->base = oldest->zxid;
		history->base_end = oldest->end;
		blob_unref(oldest->txn);
		history->first++;
		history->count--;
		count--;
	}
}

void history_check(const struct history *history)
{
	zxid_t last = history->base;

	for (size_t i = 0; i < history->count; i++) {
		ASSERT(history_follows(last, history_at(history, i)->zxid));
		ASSERT(end_of(history, i) < history_at(history, i)->end);
		last = history_at(history, i)->zxid;
	}
}
