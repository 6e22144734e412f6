#include "src/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

enum { CAPACITY_MIN = 64 };

void buf_init(struct buf *buf, size_t size_max)
{
	*buf = (struct buf){.size_max = size_max};
}

void buf_release(struct buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	buf_init(buf, buf->size_max);
}

void buf_reset(struct buf *buf)
{
	buf->size = 0;
	buf->error = 0;
}

/* Doubling keeps the cost of n appends at O(n); the maximum is never passed. */
static void grow(struct buf *buf, size_t size)
{
	size_t capacity = buf->capacity > CAPACITY_MIN ? buf->capacity : CAPACITY_MIN;

	while (capacity < size)
		capacity *= 2;
	if (capacity > buf->size_max)
		capacity = buf->size_max;
	buf->data = mem_realloc(buf->data, capacity);
	buf->capacity = capacity;
	ASSERT(size <= buf->capacity);
}

void *buf_extend(struct buf *buf, size_t size)
{
	uint8_t *begin;

	if (buf->error || size > buf->size_max - buf->size) {
		buf->error = -ENOBUFS;
		return NULL;
	}
	if (buf->size + size > buf->capacity || !buf->data)
		grow(buf, buf->size + size);
	begin = buf->data + buf->size;
	buf->size += size;
	return begin;
}

void buf_append(struct buf *buf, const void *data, size_t size)
{
	void *begin;

	if (size == 0)
		return;
	begin = buf_extend(buf, size);
	if (begin)
		memcpy(begin, data, size);
}

void buf_append_text(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	char *text;
	int size;
	va_list args;

	va_start(args, format);
	size = vasprintf(&text, format, args);
	va_end(args);
	ASSERT(size >= 0);
	buf_append(buf, text, (size_t)size);
	free(text);
}

void buf_truncate(struct buf *buf, size_t size)
{
	ASSERT(size <= buf->size);
	buf->size = size;
}

void buf_consume(struct buf *buf, size_t size)
{
	ASSERT(size <= buf->size);
	buf->size -= size;
	if (buf->size > 0)
		memmove(buf->data, buf->data + size, buf->size);
}

struct bytes buf_bytes(const struct buf *buf)
{
	return bytes_of(buf->size > 0 ? (const void *)buf->data : "", buf->size);
}
