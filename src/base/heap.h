#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * An intrusive binary min-heap of deadlines. Entries with equal keys leave in
 * the order in which they came, so that a run can be repeated.
 *
 *	struct timer { struct heap_entry entry; ... };
 *
 *	heap_insert(&timers, &timer->entry, deadline_ms);
 *	while ((entry = heap_first(&timers)) && entry->key <= now_ms)
 *		heap_remove(&timers, entry);
 *
 * insert, remove and update are O(log n). The caller owns the entries.
 */
struct heap_entry {
	int64_t key;
	uint64_t sequence;
	size_t index; /* HEAP_NOWHERE when it is in no heap */
};

#define HEAP_NOWHERE SIZE_MAX

struct heap {
	struct heap_entry **entries;
	size_t count;
	size_t capacity;
	uint64_t sequence;
};

void heap_init(struct heap *heap);
void heap_release(struct heap *heap);

/* For an entry that has not been in a heap yet. */
void heap_entry_init(struct heap_entry *entry);

/* NULL if it is empty. */
struct heap_entry *heap_first(const struct heap *heap);

/* The entry must be in no heap. */
void heap_insert(struct heap *heap, struct heap_entry *entry, int64_t key);
/* Nothing happens if the entry is in no heap. */
void heap_remove(struct heap *heap, struct heap_entry *entry);
/* Insert, or move to the new key. */
void heap_update(struct heap *heap, struct heap_entry *entry, int64_t key);

#endif
