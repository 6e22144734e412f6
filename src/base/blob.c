#include "src/base/blob.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

struct blob *blob_alloc(size_t size)
{
	struct blob *blob;

	ASSERT(size <= INT32_MAX);
	blob = mem_alloc(sizeof(*blob) + size);
	blob->refs = 1;
	blob->size = (uint32_t)size;
	return blob;
}

struct blob *blob_new(struct bytes bytes)
{
	struct blob *blob;

	if (bytes_is_null(bytes))
		return NULL;
	blob = blob_alloc(bytes_size(bytes));
	if (blob->size > 0)
		memcpy(blob->bytes, bytes.data, blob->size);
	return blob;
}

struct blob *blob_ref(struct blob *blob)
{
	if (blob)
		blob->refs++;
	return blob;
}

void blob_unref(struct blob *blob)
{
	if (!blob)
		return;
	ASSERT(blob->refs > 0);
	if (--blob->refs == 0)
		free(blob);
}

struct bytes blob_bytes(const struct blob *blob)
{
	return blob ? bytes_of(blob->bytes, blob->size) : BYTES_NULL;
}
