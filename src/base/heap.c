#include "src/base/heap.h"

#include <stdbool.h>
#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

void heap_init(struct heap *heap)
{
	*heap = (struct heap){0};
}

void heap_release(struct heap *heap)
{
	if (!heap)
		return;
	free(heap->entries);
	heap_init(heap);
}

void heap_entry_init(struct heap_entry *entry)
{
	*entry = (struct heap_entry){.index = HEAP_NOWHERE};
}

struct heap_entry *heap_first(const struct heap *heap)
{
	return heap->count > 0 ? heap->entries[0] : NULL;
}

static bool is_before(const struct heap_entry *a, const struct heap_entry *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	return a->sequence < b->sequence;
}

static void place(struct heap *heap, struct heap_entry *entry, size_t index)
{
	heap->entries[index] = entry;
	entry->index = index;
}

static void sift_up(struct heap *heap, struct heap_entry *entry)
{
	size_t index = entry->index;

	while (index > 0 && is_before(entry, heap->entries[(index - 1) / 2])) {
		place(heap, heap->entries[(index - 1) / 2], index);
		index = (index - 1) / 2;
	}
	place(heap, entry, index);
}

static void sift_down(struct heap *heap, struct heap_entry *entry)
{
	size_t index = entry->index;

	for (;;) {
		size_t child = 2 * index + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
		    is_before(heap->entries[child + 1], heap->entries[child]))
			child++;
		if (!is_before(heap->entries[child], entry))
			break;
		place(heap, heap->entries[child], index);
		index = child;
	}
	place(heap, entry, index);
}

void heap_insert(struct heap *heap, struct heap_entry *entry, int64_t key)
{
	ASSERT(entry->index == HEAP_NOWHERE);
	if (heap->count == heap->capacity) {
		heap->capacity = heap->capacity ? heap->capacity * 2 : 16;
		heap->entries =
			mem_realloc(heap->entries, heap->capacity * sizeof(struct heap_entry *));
	}
	entry->key = key;
	entry->sequence = heap->sequence++;
	place(heap, entry, heap->count++);
	sift_up(heap, entry);
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
	struct heap_entry *last;

	if (entry->index == HEAP_NOWHERE)
		return;
	ASSERT(entry->index < heap->count && heap->entries[entry->index] == entry);
	last = heap->entries[--heap->count];
	if (last != entry) {
		place(heap, last, entry->index);
		sift_up(heap, last);
		sift_down(heap, last);
	}
	entry->index = HEAP_NOWHERE;
}

void heap_update(struct heap *heap, struct heap_entry *entry, int64_t key)
{
	heap_remove(heap, entry);
	heap_insert(heap, entry, key);
}
