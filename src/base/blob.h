#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include <stdint.h>

#include "src/base/bytes.h"

/*
 * Immutable bytes with a reference count: a znode's data, an encoded
 * transaction. Sharing replaces copying, so a write-out of the tree or of the
 * log holds references while the tree moves on.
 *
 * The count is not atomic: references are taken and dropped by the loop thread
 * alone. A worker may read the bytes as long as the loop thread keeps a
 * reference for it.
 *
 * NULL stands for null data (as BYTES_NULL does) wherever a blob is passed.
 */
struct blob {
	uint32_t refs;
	uint32_t size;
	uint8_t bytes[];
};

/* One reference, the caller's. The size must be below 2 GiB. */
struct blob *blob_alloc(size_t size);      /* for the caller to fill */
struct blob *blob_new(struct bytes bytes); /* a copy; NULL for null */

/* Both take NULL. blob_ref returns its argument. */
struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob *blob);

struct bytes blob_bytes(const struct blob *blob);

#endif
