#ifndef TREE_ZNODE_INDEX_H
#define TREE_ZNODE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/tree/znode.h"

/*
 * Znodes by path: a hash table of its own rather than base/map, because a znode
 * needs one pointer for it instead of 48 bytes, and because it grows bucket by
 * bucket (linear hashing: Litwin, 1980), so that no insertion into a table of
 * millions waits for a rehash of all of it.
 *
 * Invariants:
 *  1. round is a power of two, and round <= bucket_count < 2 * round
 *  2. buckets below bucket_count - round are split already: their znodes, and those of the
 *     buckets from round on, are placed by one more bit of the hash
 */
struct znode_index {
	struct znode **buckets;
	size_t bucket_count;
	size_t capacity;
	size_t round;
	size_t count;
	uint64_t hash_key[2];
};

void znode_index_init(struct znode_index *index);
/* The znodes are not touched. */
void znode_index_release(struct znode_index *index);

/* path as it is stored: "" for the root. NULL if it isn't there. */
struct znode *znode_index_find(const struct znode_index *index, const char *path, size_t size);
/* Sets its hash, to that of its path, which is given; its place is fetched meanwhile. */
void znode_index_prepare(const struct znode_index *index, struct znode *znode, struct bytes path);
/* It is prepared, and its path must not be there. */
void znode_index_insert(struct znode_index *index, struct znode *znode);
/*
 * Of the one that was inserted last: was its path there all the same? That is less than a
 * look before it, as the place was gone to.
 */
bool znode_index_has_twin(const struct znode *znode);
/* Grow for count znodes at once: split while it is empty, no bucket has any to move. */
void znode_index_reserve(struct znode_index *index, size_t count);
/* It must be there. */
void znode_index_remove(struct znode_index *index, struct znode *znode);

#endif
