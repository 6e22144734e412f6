#ifndef ZK_JUTE_H
#define ZK_JUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"

/*
 * Jute, ZooKeeper's binary encoding: big-endian numbers, no tags, no padding.
 *
 *	byte, boolean   1 byte; any non-zero boolean reads as true
 *	int             4 bytes
 *	long            8 bytes
 *	buffer, ustring int length, then the bytes; length -1 is null
 *	vector          int count, then the elements; count -1 is null, and a
 *	                count below -1 reads as empty (as Apache's reader has it)
 *	record          its fields in order, nothing else
 *
 * Reading goes through a bounded cursor over bytes that the caller owns; what
 * is read points into them. The first field that is cut short, or longer than
 * field_size_max, sets the sticky error; all later reads then return zero and
 * null, so a record's reader looks at error once, at its end. Bytes left over
 * behind a record are the caller's business (ZooKeeper ignores them).
 *
 * Writing appends to a struct buf, whose error is sticky too.
 */
struct jute_reader {
	const uint8_t *at;
	const uint8_t *end;
	size_t field_size_max;
	int error; /* 0 or -EBADMSG */
};

void jute_reader_init(struct jute_reader *reader, const void *data, size_t size,
		      size_t field_size_max);
size_t jute_left(const struct jute_reader *reader);
void jute_fail(struct jute_reader *reader);

int8_t jute_read_byte(struct jute_reader *reader);
bool jute_read_boolean(struct jute_reader *reader);
int32_t jute_read_int(struct jute_reader *reader);
int64_t jute_read_long(struct jute_reader *reader);
struct bytes jute_read_buffer(struct jute_reader *reader);
struct bytes jute_read_ustring(struct jute_reader *reader);

/*
 * A vector's count: -1 for null, else 0 or more. An element needs at least
 * element_size_min bytes, so a count that the bytes left can't hold is an
 * error here, before anyone allocates for it.
 */
int32_t jute_read_count(struct jute_reader *reader, size_t element_size_min);

void jute_write_byte(struct buf *buf, int8_t value);
void jute_write_boolean(struct buf *buf, bool value);
void jute_write_int(struct buf *buf, int32_t value);
void jute_write_long(struct buf *buf, int64_t value);
void jute_write_buffer(struct buf *buf, struct bytes value);
void jute_write_ustring(struct buf *buf, struct bytes value);

/*
 * vector<ustring>, kept in its encoded form: reading one checks every element
 * and allocates nothing, writing one copies it. count is -1 for null, and
 * encoded holds the elements without the count.
 *
 *	struct bytes path;
 *
 *	for (size_t at = 0; jute_strings_next(&strings, &at, &path);)
 *		...
 */
struct jute_strings {
	int32_t count;
	struct bytes encoded;
};

#define JUTE_STRINGS_NULL ((struct jute_strings){.count = -1, .encoded = {.data = "", .size = 0}})

struct jute_strings jute_read_strings(struct jute_reader *reader);
void jute_write_strings(struct buf *buf, const struct jute_strings *strings);

/* False at the end. *at is 0 before the first. */
bool jute_strings_next(const struct jute_strings *strings, size_t *at, struct bytes *ret_string);

#endif
