#include "src/zk/jute.h"

#include <errno.h>

#include "src/base/assert.h"
#include "src/base/endian.h"

/* No field of the protocol is longer, whatever jute.maxbuffer is set to. */
enum { FIELD_SIZE_MAX = INT32_MAX };

void jute_reader_init(struct jute_reader *reader, const void *data, size_t size,
		      size_t field_size_max)
{
	const uint8_t *begin = data ? data : (const uint8_t *)""; /* nothing, of a null span */

	ASSERT(data || size == 0);
	*reader = (struct jute_reader){
		.at = begin,
		.end = begin + size,
		.field_size_max = field_size_max < FIELD_SIZE_MAX ? field_size_max : FIELD_SIZE_MAX,
	};
}

size_t jute_left(const struct jute_reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

void jute_fail(struct jute_reader *reader)
{
	reader->error = -EBADMSG;
}

/* The next size bytes, or NULL (and the sticky error) where there are fewer. */
static const uint8_t *take(struct jute_reader *reader, size_t size)
{
	const uint8_t *at = reader->at;

	if (reader->error || size > jute_left(reader)) {
		jute_fail(reader);
		return NULL;
	}
	reader->at += size;
	return at;
}

int8_t jute_read_byte(struct jute_reader *reader)
{
	const uint8_t *at = take(reader, 1);

	return at ? (int8_t)*at : 0;
}

bool jute_read_boolean(struct jute_reader *reader)
{
	return jute_read_byte(reader) != 0;
}

int32_t jute_read_int(struct jute_reader *reader)
{
	const uint8_t *at = take(reader, 4);

	return at ? (int32_t)endian_get_u32(at) : 0;
}

int64_t jute_read_long(struct jute_reader *reader)
{
	const uint8_t *at = take(reader, 8);

	return at ? (int64_t)endian_get_u64(at) : 0;
}

struct bytes jute_read_buffer(struct jute_reader *reader)
{
	int32_t size = jute_read_int(reader);
	const uint8_t *at;

	if (reader->error || size == -1)
		return BYTES_NULL;
	if (size < -1 || (size_t)size > reader->field_size_max) {
		jute_fail(reader);
		return BYTES_NULL;
	}
	at = take(reader, (size_t)size);
	return at ? bytes_of(at, (size_t)size) : BYTES_NULL;
}

struct bytes jute_read_ustring(struct jute_reader *reader)
{
	return jute_read_buffer(reader);
}

int32_t jute_read_count(struct jute_reader *reader, size_t element_size_min)
{
	int32_t count = jute_read_int(reader);

	ASSERT(element_size_min > 0);
	if (reader->error || count == -1)
		return -1;
	if (count < -1)
		return 0;
	if ((size_t)count > jute_left(reader) / element_size_min) {
		jute_fail(reader);
		return -1;
	}
	return count;
}

void jute_write_byte(struct buf *buf, int8_t value)
{
	buf_append(buf, &value, 1);
}

void jute_write_boolean(struct buf *buf, bool value)
{
	jute_write_byte(buf, value ? 1 : 0);
}

void jute_write_int(struct buf *buf, int32_t value)
{
	uint8_t *at = buf_extend(buf, 4);

	if (at)
		endian_put_u32(at, (uint32_t)value);
}

void jute_write_long(struct buf *buf, int64_t value)
{
	uint8_t *at = buf_extend(buf, 8);

	if (at)
		endian_put_u64(at, (uint64_t)value);
}

void jute_write_buffer(struct buf *buf, struct bytes value)
{
	jute_write_int(buf, bytes_is_null(value) ? -1 : value.size);
	buf_append(buf, value.data, bytes_size(value));
}

void jute_write_ustring(struct buf *buf, struct bytes value)
{
	jute_write_buffer(buf, value);
}

struct jute_strings jute_read_strings(struct jute_reader *reader)
{
	struct jute_strings strings = JUTE_STRINGS_NULL;
	int32_t count = jute_read_count(reader, 4);
	const uint8_t *begin = reader->at;

	for (int32_t i = 0; i < count; i++)
		(void)jute_read_ustring(reader); /* the sticky error says whether it was whole */
	if (reader->error || count < 0)
		return strings;
	strings.count = count;
	strings.encoded = bytes_of(begin, (size_t)(reader->at - begin));
	return strings;
}

void jute_write_strings(struct buf *buf, const struct jute_strings *strings)
{
	jute_write_int(buf, strings->count);
	buf_append(buf, strings->encoded.data, bytes_size(strings->encoded));
}

bool jute_strings_next(const struct jute_strings *strings, size_t *at, struct bytes *ret_string)
{
	struct jute_reader reader;
	size_t size = bytes_size(strings->encoded);

	if (strings->count <= 0 || *at >= size)
		return false;
	jute_reader_init(&reader, (const uint8_t *)strings->encoded.data + *at, size - *at, size);
	*ret_string = jute_read_ustring(&reader);
	ASSERT(!reader.error);
	*at = size - jute_left(&reader);
	return true;
}
