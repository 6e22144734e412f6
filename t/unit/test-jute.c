#include "t/unit/cmocka.h"

#include <errno.h>
#include <limits.h>

#include "src/zk/jute.h"

#define SPAN(literal) bytes_of(literal, sizeof(literal) - 1)

enum { FIELD_SIZE_MAX_TEST = 1000 };

static struct jute_reader reader_of(struct bytes bytes)
{
	struct jute_reader reader;

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), FIELD_SIZE_MAX_TEST);
	return reader;
}

static void numbers_are_written_and_read_big_endian(void **state)
{
	struct jute_reader reader;
	struct buf buf;

	buf_init(&buf, 1000);
	jute_write_byte(&buf, -2);
	jute_write_boolean(&buf, true);
	jute_write_boolean(&buf, false);
	jute_write_int(&buf, INT32_MIN);
	jute_write_int(&buf, 0x01020304);
	jute_write_long(&buf, INT64_MIN);
	jute_write_long(&buf, 0x0102030405060708);
	assert_true(bytes_equal(buf_bytes(&buf), SPAN("\xfe\1\0\x80\0\0\0\1\2\3\4"
						      "\x80\0\0\0\0\0\0\0\1\2\3\4\5\6\7\10")));
	reader = reader_of(buf_bytes(&buf));
	assert_int_equal(jute_read_byte(&reader), -2);
	assert_true(jute_read_boolean(&reader));
	assert_false(jute_read_boolean(&reader));
	assert_int_equal(jute_read_int(&reader), INT32_MIN);
	assert_int_equal(jute_read_int(&reader), 0x01020304);
	assert_int_equal(jute_read_long(&reader), INT64_MIN);
	assert_int_equal(jute_read_long(&reader), 0x0102030405060708);
	assert_int_equal(jute_left(&reader), 0);
	assert_int_equal(reader.error, 0);
	buf_release(&buf);
}

static void any_byte_but_zero_is_true(void **state)
{
	struct jute_reader reader = reader_of(SPAN("\2\xff"));

	assert_true(jute_read_boolean(&reader));
	assert_true(jute_read_boolean(&reader));
}

static void null_and_empty_buffers_stay_apart(void **state)
{
	struct jute_reader reader;
	struct buf buf;

	buf_init(&buf, 1000);
	jute_write_buffer(&buf, BYTES_NULL);
	jute_write_buffer(&buf, SPAN(""));
	jute_write_ustring(&buf, SPAN("a\0b"));
	assert_true(bytes_equal(buf_bytes(&buf), SPAN("\xff\xff\xff\xff\0\0\0\0\0\0\0\3a\0b")));
	reader = reader_of(buf_bytes(&buf));
	assert_true(bytes_is_null(jute_read_buffer(&reader)));
	assert_true(bytes_equal(jute_read_buffer(&reader), SPAN("")));
	assert_true(bytes_equal(jute_read_ustring(&reader), SPAN("a\0b")));
	assert_int_equal(reader.error, 0);
	buf_release(&buf);
}

/* Each by its first bytes: what follows is the sticky error, and nothing is read any more. */
static void an_error_is_sticky(void **state)
{
	struct jute_reader reader = reader_of(SPAN("\0\0\0"));

	assert_int_equal(jute_read_int(&reader), 0);
	assert_int_equal(reader.error, -EBADMSG);
	assert_int_equal(jute_read_byte(&reader), 0); /* a byte is left, but behind a hole */
	assert_false(jute_read_boolean(&reader));
	assert_int_equal(jute_read_long(&reader), 0);
	assert_true(bytes_is_null(jute_read_buffer(&reader)));
	assert_int_equal(jute_read_count(&reader, 1), -1);
	assert_int_equal(jute_read_strings(&reader).count, -1);
	assert_int_equal(reader.error, -EBADMSG);
	assert_int_equal(jute_left(&reader), 3);
}

static void nothing_may_be_null(void **state)
{
	struct jute_reader reader = reader_of(BYTES_NULL);

	assert_int_equal(jute_left(&reader), 0);
	assert_int_equal(reader.error, 0);
	assert_int_equal(jute_read_byte(&reader), 0);
	assert_int_equal(reader.error, -EBADMSG);
}

static void assert_buffer_refused(struct bytes bytes)
{
	struct jute_reader reader = reader_of(bytes);

	assert_true(bytes_is_null(jute_read_buffer(&reader)));
	assert_int_equal(reader.error, -EBADMSG);
}

static void a_length_that_cannot_be_is_refused(void **state)
{
	assert_buffer_refused(SPAN(""));
	assert_buffer_refused(SPAN("\0\0\0"));
	assert_buffer_refused(SPAN("\0\0\0\2a"));
	assert_buffer_refused(SPAN("\xff\xff\xff\xfe"));
	assert_buffer_refused(SPAN("\x80\0\0\0"));
	assert_buffer_refused(SPAN("\x7f\xff\xff\xff"));
}

static void a_field_over_the_limit_is_refused(void **state)
{
	static const char bytes[4 + FIELD_SIZE_MAX_TEST + 1] = "\0\0\3\350"; /* 1000 */
	static const char more[4 + FIELD_SIZE_MAX_TEST + 1] = "\0\0\3\351";
	struct jute_reader reader = reader_of(bytes_of(bytes, sizeof(bytes)));

	assert_int_equal(jute_read_buffer(&reader).size, FIELD_SIZE_MAX_TEST);
	assert_int_equal(reader.error, 0);
	assert_buffer_refused(bytes_of(more, sizeof(more)));
}

/* Before anyone allocates for it. */
static void a_count_must_fit_the_bytes_left(void **state)
{
	struct jute_reader reader = reader_of(SPAN("\0\0\0\2abcdefgh"));

	assert_int_equal(jute_read_count(&reader, 4), 2);
	reader = reader_of(SPAN("\0\0\0\3abcdefgh"));
	assert_int_equal(jute_read_count(&reader, 4), -1);
	assert_int_equal(reader.error, -EBADMSG);
	reader = reader_of(SPAN("\x7f\xff\xff\xff"));
	assert_int_equal(jute_read_count(&reader, 1), -1);
	assert_int_equal(reader.error, -EBADMSG);
}

/* Apache's reader: -1 is null, below it is empty. */
static void a_negative_count_is_null_or_empty(void **state)
{
	struct jute_reader reader = reader_of(SPAN("\xff\xff\xff\xff\xff\xff\xff\xfe\x80\0\0\0"));

	assert_int_equal(jute_read_count(&reader, 4), -1);
	assert_int_equal(jute_read_count(&reader, 4), 0);
	assert_int_equal(jute_read_strings(&reader).count, 0);
	assert_int_equal(reader.error, 0);
}

static void strings_are_kept_as_they_were(void **state)
{
	static const char encoded[] = "\0\0\0\3\0\0\0\1a\xff\xff\xff\xff\0\0\0\0";
	struct jute_reader reader = reader_of(SPAN(encoded));
	struct jute_strings strings = jute_read_strings(&reader);
	struct bytes string;
	struct buf buf;
	size_t at = 0;

	assert_int_equal(reader.error, 0);
	assert_int_equal(strings.count, 3);
	assert_true(jute_strings_next(&strings, &at, &string));
	assert_true(bytes_equal(string, SPAN("a")));
	assert_true(jute_strings_next(&strings, &at, &string));
	assert_true(bytes_is_null(string));
	assert_true(jute_strings_next(&strings, &at, &string));
	assert_true(bytes_equal(string, SPAN("")));
	assert_false(jute_strings_next(&strings, &at, &string));
	buf_init(&buf, 1000);
	jute_write_strings(&buf, &strings);
	assert_true(bytes_equal(buf_bytes(&buf), SPAN(encoded)));
	buf_release(&buf);
}

static void strings_that_are_cut_short_are_none(void **state)
{
	struct jute_reader reader = reader_of(SPAN("\0\0\0\2\0\0\0\1a\0\0\0\2b"));
	struct jute_strings strings = jute_read_strings(&reader);
	struct bytes string;
	size_t at = 0;

	assert_int_equal(reader.error, -EBADMSG);
	assert_int_equal(strings.count, -1);
	assert_false(jute_strings_next(&strings, &at, &string));
}

static void null_strings_are_written_as_null(void **state)
{
	struct jute_strings strings = JUTE_STRINGS_NULL;
	struct bytes string;
	struct buf buf;
	size_t at = 0;

	assert_false(jute_strings_next(&strings, &at, &string));
	buf_init(&buf, 1000);
	jute_write_strings(&buf, &strings);
	assert_true(bytes_equal(buf_bytes(&buf), SPAN("\xff\xff\xff\xff")));
	buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_and_read_big_endian),
		cmocka_unit_test(any_byte_but_zero_is_true),
		cmocka_unit_test(null_and_empty_buffers_stay_apart),
		cmocka_unit_test(an_error_is_sticky),
		cmocka_unit_test(nothing_may_be_null),
		cmocka_unit_test(a_length_that_cannot_be_is_refused),
		cmocka_unit_test(a_field_over_the_limit_is_refused),
		cmocka_unit_test(a_count_must_fit_the_bytes_left),
		cmocka_unit_test(a_negative_count_is_null_or_empty),
		cmocka_unit_test(strings_are_kept_as_they_were),
		cmocka_unit_test(strings_that_are_cut_short_are_none),
		cmocka_unit_test(null_strings_are_written_as_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
