#include "fs/znode.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

/* Apart from znode.c, so that what handles do with values is tested without a mount. */

struct value *value_new(struct bytes data, const struct zk_stat *stat)
{
	size_t size = bytes_size(data);
	struct value *value = mem_alloc(sizeof(*value) + size);

	*value = (struct value){
		.reference_count = 1,
		.czxid = stat->czxid,
		.mzxid = stat->mzxid,
		.version = stat->version,
		.is_null = bytes_is_null(data),
		.size = size,
	};
	if (size > 0)
		memcpy(value->data, data.data, size);
	return value;
}

struct value *value_hold(struct value *value)
{
	value->reference_count++;
	return value;
}

void value_drop(struct value *value)
{
	if (!value)
		return;
	ASSERT(value->reference_count > 0);
	if (--value->reference_count == 0)
		free(value);
}

struct bytes value_data(const struct value *value)
{
	return value->is_null ? BYTES_NULL : bytes_of(value->data, value->size);
}
