#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "src/base/assert.h"

/*
 * A span of bytes that somebody else owns: a field inside a received frame, a
 * path inside a znode. It is valid as long as its owner is; who keeps it
 * copies it.
 *
 * ZooKeeper keeps "null" and "empty" apart everywhere (length -1 and 0), and so
 * does a span: size -1 is null, size 0 is empty. data need not end in '\0'.
 */
struct bytes {
	const void *data;
	int32_t size;
};

#define BYTES_NULL ((struct bytes){.data = NULL, .size = -1})

static inline struct bytes bytes_of(const void *data, size_t size)
{
	ASSERT(size <= INT32_MAX);
	return (struct bytes){.data = data, .size = (int32_t)size};
}

/* NULL becomes null. */
static inline struct bytes bytes_of_text(const char *text)
{
	return text ? bytes_of(text, strlen(text)) : BYTES_NULL;
}

static inline bool bytes_is_null(struct bytes bytes)
{
	return bytes.size < 0;
}

/* Null equals null only. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	if (a.size != b.size)
		return false;
	return a.size <= 0 || memcmp(a.data, b.data, (size_t)a.size) == 0;
}
static inline bool bytes_equal_text(struct bytes bytes, const char *text)
{
	return bytes_equal(bytes, bytes_of_text(text));
}
/* memcmp order, the shorter first; null before empty. */
int bytes_compare(struct bytes a, struct bytes b);

/* How many bytes there are to read: 0 for null. */
static inline size_t bytes_size(struct bytes bytes)
{
	return bytes.size < 0 ? 0 : (size_t)bytes.size;
}

/* A heap copy that the caller frees, '\0' behind it; NULL for null. */
char *bytes_dup(struct bytes bytes);

#endif
