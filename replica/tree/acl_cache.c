#include "replica/tree/acl_cache.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

void acl_cache_init(struct acl_cache *cache)
{
	*cache = (struct acl_cache){0};
	map_init(&cache->lists);
}

void acl_cache_release(struct acl_cache *cache)
{
	ASSERT(cache->lists.count == 0);
	map_release(&cache->lists);
}

struct acl_list *acl_list_ref(struct acl_list *list)
{
	list->refs++;
	return list;
}

static struct acl_list *list_new(const struct zk_acls *acls)
{
	struct acl_list *list = mem_alloc(sizeof(*list) + bytes_size(acls->encoded));

	list->refs = 1;
	list->count = acls->count;
	list->size = (uint32_t)bytes_size(acls->encoded);
	if (list->size > 0)
		memcpy(list->encoded, acls->encoded.data, list->size);
	return list;
}

struct acl_list *acl_cache_get(struct acl_cache *cache, const struct zk_acls *acls)
{
	struct zk_acls open = zk_acls_open();
	struct map_entry *entry;
	struct bytes key;

	if (acls->count < 0)
		acls = &open;
	/* The elements say how many they are, so their bytes are the whole key. */
	key = bytes_of(acls->encoded.data, bytes_size(acls->encoded));
	if (cache->recent && bytes_equal(map_entry_key(&cache->recent->entry), key))
		return acl_list_ref(cache->recent);
	entry = map_find(&cache->lists, key);
	if (entry)
		return cache->recent = acl_list_ref(map_item(entry, struct acl_list, entry));
	cache->recent = list_new(acls);
	map_insert(&cache->lists, &cache->recent->entry,
		   bytes_of(cache->recent->encoded, cache->recent->size));
	return cache->recent;
}

void acl_cache_put(struct acl_cache *cache, struct acl_list *list)
{
	ASSERT(list->refs > 0);
	if (--list->refs > 0)
		return;
	map_remove(&cache->lists, &list->entry);
	if (cache->recent == list)
		cache->recent = NULL;
	free(list);
}

struct zk_acls acl_list_acls(const struct acl_list *list)
{
	return (struct zk_acls){.count = list->count,
				.encoded = bytes_of(list->encoded, list->size)};
}
