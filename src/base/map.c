#include "src/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/base/siphash.h"

enum { BUCKET_COUNT_MIN = 16 };

void map_init(struct map *map)
{
	*map = (struct map){0};
	list_init(&map->order);
	siphash_process_key(map->hash_key);
}

void map_release(struct map *map)
{
	if (!map)
		return;
	free(map->buckets);
	map_init(map);
}

static uint64_t hash_of(const struct map *map, struct bytes key)
{
	ASSERT(!bytes_is_null(key));
	return siphash(map->hash_key, key.data, (size_t)key.size);
}

static struct map_entry **bucket_of(const struct map *map, uint64_t hash)
{
	return &map->buckets[hash & (map->bucket_count - 1)];
}

static bool entry_has_key(const struct map_entry *entry, uint64_t hash, struct bytes key)
{
	return entry->hash == hash && entry->key_size == (uint32_t)key.size &&
	       memcmp(entry->key, key.data, entry->key_size) == 0;
}

static struct map_entry *find(const struct map *map, uint64_t hash, struct bytes key)
{
	if (map->count == 0)
		return NULL;
	for (struct map_entry *at = *bucket_of(map, hash); at; at = at->chain)
		if (entry_has_key(at, hash, key))
			return at;
	return NULL;
}

struct map_entry *map_find(const struct map *map, struct bytes key)
{
	return map->count == 0 ? NULL : find(map, hash_of(map, key), key);
}

static void chain_in(struct map *map, struct map_entry *entry)
{
	struct map_entry **bucket = bucket_of(map, entry->hash);

	entry->chain = *bucket;
	*bucket = entry;
}

static void rehash(struct map *map, size_t bucket_count)
{
	free(map->buckets);
	map->buckets = mem_zalloc(bucket_count * sizeof(struct map_entry *));
	map->bucket_count = bucket_count;
	list_for_each (&map->order, at)
		chain_in(map, list_item(at, struct map_entry, order));
}

void map_insert(struct map *map, struct map_entry *entry, struct bytes key)
{
	uint64_t hash = hash_of(map, key);

	ASSERT(!find(map, hash, key));
	if (map->count >= map->bucket_count)
		rehash(map, map->bucket_count ? map->bucket_count * 2 : BUCKET_COUNT_MIN);
	entry->hash = hash;
	entry->key = key.data;
	entry->key_size = (uint32_t)key.size;
	chain_in(map, entry);
	list_append(&map->order, &entry->order);
	map->count++;
}

void map_remove(struct map *map, struct map_entry *entry)
{
	struct map_entry **at;

	ASSERT(map->count > 0);
	at = bucket_of(map, entry->hash);
	while (*at && *at != entry)
		at = &(*at)->chain;
	ASSERT(*at == entry);
	*at = entry->chain;
	entry->chain = NULL;
	list_remove(&entry->order);
	map->count--;
}

struct map_entry *map_first(const struct map *map)
{
	return list_is_empty(&map->order) ? NULL
					  : list_item(map->order.next, struct map_entry, order);
}

struct map_entry *map_next(const struct map *map, const struct map_entry *entry)
{
	return entry->order.next == &map->order
		       ? NULL
		       : list_item(entry->order.next, struct map_entry, order);
}

struct bytes map_entry_key(const struct map_entry *entry)
{
	return bytes_of(entry->key, entry->key_size);
}
