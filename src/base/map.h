#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/bytes.h"
#include "src/base/list.h"

/*
 * An intrusive hash map that iterates in insertion order, so that what a pure
 * layer does never depends on hash values or pointers.
 *
 * The entry is embedded in the caller's struct, which owns it, its key's bytes
 * included: the key must not change or move while the entry is in the map.
 *
 *	struct session { struct map_entry entry; int64_t id; ... };
 *
 *	map_insert(&sessions, &session->entry, bytes_of(&session->id, 8));
 *	entry = map_find(&sessions, bytes_of(&id, 8));
 *	session = map_item(entry, struct session, entry);
 *
 * Operations are O(1) on average. The hash is SipHash-1-3 with a key of the
 * map's own, so that a peer that chooses names cannot choose collisions.
 *
 * Invariants:
 *  1. a key is in the map at most once (map_insert asserts it)
 *  2. count is the number of entries; order links exactly those
 */
struct map_entry {
	struct list order;
	struct map_entry *chain;
	uint64_t hash;
	const void *key;
	uint32_t key_size;
};

struct map {
	struct map_entry **buckets;
	size_t bucket_count; /* 0 or a power of two */
	size_t count;
	struct list order;
	uint64_t hash_key[2];
};

void map_init(struct map *map);

/* Releases the table, not the entries; those still in it belong to nobody afterwards. */
void map_release(struct map *map);

/* NULL if the key is not there. */
struct map_entry *map_find(const struct map *map, struct bytes key);

/* The key must not be in the map. */
void map_insert(struct map *map, struct map_entry *entry, struct bytes key);

/* The entry must be in the map. */
void map_remove(struct map *map, struct map_entry *entry);

/* The oldest entry, and the one inserted next after another; NULL at the end. */
struct map_entry *map_first(const struct map *map);
struct map_entry *map_next(const struct map *map, const struct map_entry *entry);

struct bytes map_entry_key(const struct map_entry *entry);

#define map_item(entry, type, member) list_item(entry, type, member)

/* The loop body may remove `at` (and nothing else) from the map. */
#define map_for_each(map, at)                                                                      \
	for (struct map_entry *at = map_first(map), *at##_next = at ? map_next(map, at) : NULL;    \
	     at; at = at##_next, at##_next = at ? map_next(map, at) : NULL)

#endif
