#include "replica/tree/znode_index.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/base/siphash.h"

enum { BUCKET_COUNT_MIN = 16 };

void znode_index_init(struct znode_index *index)
{
	*index = (struct znode_index){
		.buckets = mem_zalloc(BUCKET_COUNT_MIN * sizeof(struct znode *)),
		.bucket_count = BUCKET_COUNT_MIN,
		.capacity = BUCKET_COUNT_MIN,
		.round = BUCKET_COUNT_MIN,
	};
	/* Clients choose the paths, so not the hashes. */
	siphash_process_key(index->hash_key);
}

void znode_index_release(struct znode_index *index)
{
	free(index->buckets);
	*index = (struct znode_index){0};
}

static uint32_t hash_of(const struct znode_index *index, const char *path, size_t size)
{
	return (uint32_t)siphash(index->hash_key, path, size);
}

static struct znode **bucket_of(const struct znode_index *index, uint32_t hash)
{
	size_t at = hash & (index->round * 2 - 1);

	if (at >= index->bucket_count)
		at = hash & (index->round - 1);
	return &index->buckets[at];
}

/* From its end, name by name. */
static bool has_path(const struct znode *znode, const char *path, size_t size)
{
	for (; znode->parent; znode = znode->parent) {
		if (size <= znode->name_size)
			return false;
		size -= znode->name_size;
		if (memcmp(path + size, znode->name, znode->name_size) != 0 || path[--size] != '/')
			return false;
	}
	return size == 0;
}

struct znode *znode_index_find(const struct znode_index *index, const char *path, size_t size)
{
	uint32_t hash = hash_of(index, path, size);

	for (struct znode *at = *bucket_of(index, hash); at; at = at->chain)
		if (at->hash == hash && has_path(at, path, size))
			return at;
	return NULL;
}

static void chain_in(struct znode_index *index, struct znode *znode)
{
	struct znode **bucket = bucket_of(index, znode->hash);

	znode->chain = *bucket;
	*bucket = znode;
}

/* Add one bucket, and divide the one that was its znodes' between the two. */
static void split_bucket(struct znode_index *index)
{
	struct znode **source = &index->buckets[index->bucket_count - index->round];
	struct znode *left = *source;
	struct znode *next;

	if (index->bucket_count == index->capacity) {
		index->capacity *= 2;
		index->buckets =
			mem_realloc(index->buckets, index->capacity * sizeof(struct znode *));
		source = &index->buckets[index->bucket_count - index->round];
	}
	*source = NULL;
	index->buckets[index->bucket_count++] = NULL;
	for (; left; left = next) {
		next = left->chain;
		chain_in(index, left);
	}
	if (index->bucket_count == index->round * 2)
		index->round *= 2;
}

void znode_index_prepare(const struct znode_index *index, struct znode *znode, struct bytes path)
{
	znode->hash = hash_of(index, path.data, bytes_size(path));
	/* A load waited a tenth of its time for what is random places of a large table. */
	__builtin_prefetch(bucket_of(index, znode->hash), 1);
}

void znode_index_insert(struct znode_index *index, struct znode *znode)
{
	if (index->count >= index->bucket_count)
		split_bucket(index);
	chain_in(index, znode);
	index->count++;
}

static bool is_same_path(const struct znode *a, const struct znode *b)
{
	return a->hash == b->hash && a->parent == b->parent && a->name_size == b->name_size &&
	       memcmp(a->name, b->name, a->name_size) == 0;
}

bool znode_index_has_twin(const struct znode *znode)
{
	for (const struct znode *at = znode->chain; at; at = at->chain)
		if (is_same_path(at, znode))
			return true;
	return false;
}

void znode_index_reserve(struct znode_index *index, size_t count)
{
	while (index->bucket_count < count)
		split_bucket(index);
}

void znode_index_remove(struct znode_index *index, struct znode *znode)
{
	struct znode **at = bucket_of(index, znode->hash);

	while (*at && *at != znode)
		at = &(*at)->chain;
	ASSERT(*at == znode);
	*at = znode->chain;
	znode->chain = NULL;
	index->count--;
}
