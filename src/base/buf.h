#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/bytes.h"

/*
 * A byte buffer that grows up to a maximum and never beyond it.
 *
 * Errors are sticky: the first append that would pass size_max changes nothing
 * and sets buf->error to -ENOBUFS; every later append is then ignored. So an
 * encoder appends field after field and looks at error once, at the end.
 *
 *	struct buf buf;
 *
 *	buf_init(&buf, size_max);
 *	buf_append(&buf, "x", 1);
 *	if (buf.error) ...
 *	buf_release(&buf);
 *
 * Invariants:
 *  1. size <= capacity <= size_max
 *  2. data is NULL only while capacity is 0
 *  3. data[0..size) is valid until the next call that appends or releases
 */
struct buf {
	uint8_t *data;
	size_t size;
	size_t capacity;
	size_t size_max;
	int error; /* 0 or -ENOBUFS */
};

void buf_init(struct buf *buf, size_t size_max);
void buf_release(struct buf *buf);

/* Empty it and forget its error; the memory is kept for the next use. */
void buf_reset(struct buf *buf);

void buf_append(struct buf *buf, const void *data, size_t size);
void buf_append_text(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Make size more bytes and return where they begin, for the caller to fill at
 * once; NULL (and the sticky error) if that would pass size_max.
 */
void *buf_extend(struct buf *buf, size_t size);

/* Cut to size bytes, which must not be more than there are. */
void buf_truncate(struct buf *buf, size_t size);

/* Remove size bytes from the front, which must be there. */
void buf_consume(struct buf *buf, size_t size);

struct bytes buf_bytes(const struct buf *buf);

#endif
