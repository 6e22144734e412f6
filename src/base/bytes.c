#include "src/base/bytes.h"

#include <string.h>

#include "src/base/mem.h"

int bytes_compare(struct bytes a, struct bytes b)
{
	size_t common = bytes_size(a) < bytes_size(b) ? bytes_size(a) : bytes_size(b);
	int order = common > 0 ? memcmp(a.data, b.data, common) : 0;

	if (order != 0)
		return order;
	return (a.size > b.size) - (a.size < b.size);
}

char *bytes_dup(struct bytes bytes)
{
	return bytes_is_null(bytes) ? NULL : mem_dup(bytes.data, (size_t)bytes.size);
}
