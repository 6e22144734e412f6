#include "src/base/bytes.h"

#include <string.h>

#include "src/base/mem.h"

struct bytes bytes_of_text(const char *text)
{
	return text ? bytes_of(text, strlen(text)) : BYTES_NULL;
}

bool bytes_equal(struct bytes a, struct bytes b)
{
	if (a.size != b.size)
		return false;
	return a.size <= 0 || memcmp(a.data, b.data, (size_t)a.size) == 0;
}

bool bytes_equal_text(struct bytes bytes, const char *text)
{
	return bytes_equal(bytes, bytes_of_text(text));
}

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
