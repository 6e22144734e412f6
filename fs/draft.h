#ifndef FS_DRAFT_H
#define FS_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"

/*
 * What a handle has done to a value that isn't known yet: writes, truncations
 * and appends, kept so that they can be laid over any version of the value,
 * again after every BADVERSION. Pure.
 *
 *	result(base) = base, cut at `keep`
 *	             + the written bytes over it, zeros where neither is
 *	             made exactly `size` long if `sized`, else at least that
 *	             + tail
 *
 * Invariants:
 *  1. written bits are set below extent only, extent <= capacity
 *  2. sized: keep <= size and extent <= size, and the tail is empty (what is
 *     appended then has a place)
 *  3. no result over the base that the edits were made with is longer than
 *     size_max; over another one it may be (draft_size tells)
 */
struct draft {
	uint8_t *data;     /* capacity bytes; those that are not written are undefined */
	uint64_t *written; /* a bit a byte of data */
	size_t capacity;   /* 0, or a multiple of 64 */
	size_t extent;     /* behind the last byte ever written */
	size_t keep;       /* so much of the base counts; SIZE_MAX: all */
	size_t size;
	bool sized;
	bool changed; /* anything was done at all */
	struct buf tail;
	size_t size_max;
};

void draft_init(struct draft *draft, size_t size_max);
void draft_release(struct draft *draft);

/* Move what `from` holds into the initialised and empty `draft`; from is empty afterwards. */
void draft_move(struct draft *draft, struct draft *from);

bool draft_is_empty(const struct draft *draft);

/* Does the result not depend on the base at all? */
bool draft_is_whole(const struct draft *draft);

/*
 * The edits. base_size is that of the value which the handle sees. Negative
 * errno, and nothing is changed:
 *  -EFBIG   the result would be longer than size_max
 *  -EAGAIN  something was appended to a value of unknown size: that must be
 *           committed first (never for append)
 */
int draft_write(struct draft *draft, size_t base_size, size_t offset, struct bytes bytes);
int draft_append(struct draft *draft, size_t base_size, struct bytes bytes);
int draft_truncate(struct draft *draft, size_t size);
/* Make it at least so long (fallocate of mode 0). */
int draft_extend(struct draft *draft, size_t base_size, size_t size);

/* The size of the result over a base of that size. */
size_t draft_size(const struct draft *draft, size_t base_size);

/* Bytes [offset, offset + size) of the result, which must be within it. */
void draft_read(const struct draft *draft, struct bytes base, size_t offset, size_t size,
		uint8_t *ret_bytes);

/* Heap bytes in use. */
size_t draft_memory(const struct draft *draft);

void draft_check(const struct draft *draft);

#endif
