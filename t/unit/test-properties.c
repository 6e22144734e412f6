#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/properties.h"
#include "t/unit/cmocka.h"

static int parse(struct properties *properties, const char *text)
{
	properties_init(properties);
	return properties_parse(properties, text, strlen(text));
}

/* Parses text of one key and compares it. */
static void expect(const char *text, const char *key, const char *value)
{
	struct properties properties;

	assert_int_equal(parse(&properties, text), 0);
	assert_int_equal(properties.count, 1);
	assert_string_equal(properties.entries[0].key, key);
	assert_string_equal(properties.entries[0].value, value);
	properties_release(&properties);
}

static void expect_failure(const char *text, int line, const char *sentence)
{
	struct properties properties;

	assert_int_equal(parse(&properties, text), -EINVAL);
	assert_int_equal(properties.error_line, line);
	assert_string_equal(properties.error, sentence);
	properties_release(&properties);
}

static void separators_are_equals_colon_and_blanks(void **state)
{
	expect("tickTime=2000", "tickTime", "2000");
	expect("tickTime = 2000\n", "tickTime", "2000");
	expect("  tickTime:2000\r\n", "tickTime", "2000");
	expect("tickTime 2000", "tickTime", "2000");
	expect("tickTime\t=\t2000", "tickTime", "2000");
	expect("k = = v", "k", "= v");
	expect("server.1=a:2888:3888;2181", "server.1", "a:2888:3888;2181");
	expect("k", "k", "");
	expect("k=", "k", "");
	expect("=v", "", "v");
}

static void values_lose_blanks_at_both_ends(void **state)
{
	expect("k=  v w \t\n", "k", "v w");
}

static void comments_and_empty_lines_count_as_lines_only(void **state)
{
	struct properties properties;

	assert_int_equal(parse(&properties, "# a=1\\\n\n  ! b=2\r\n\rk=#v\n"), 0);
	assert_int_equal(properties.count, 1);
	assert_string_equal(properties.entries[0].value, "#v");
	assert_int_equal(properties.entries[0].line, 5);
	properties_release(&properties);
}

static void a_backslash_joins_lines(void **state)
{
	expect("k=a,\\\n   b,\\\r\n\tc", "k", "a,b,c");
	expect("k=a\\\\", "k", "a\\");
	expect("k=a\\\n#b", "k", "a#b");
	expect("k=a\\", "k", "a");
	expect("k=a\\\n\n", "k", "a");
}

static void escapes_are_taken_away(void **state)
{
	expect("a\\=b\\:c\\ d=1", "a=b:c d", "1");
	expect("k=a\\tb\\q", "k", "a\tbq");
	expect("k=\\u0041\\u00e9\\u20AC", "k", "A\xc3\xa9\xe2\x82\xac");
	expect("k=\\ud83d\\ude00", "k", "\xf0\x9f\x98\x80");
	expect("k=\\ud83dx", "k", "\xef\xbf\xbdx");
	expect("dataDir=C:\\\\zk", "dataDir", "C:\\zk");
}

static void bytes_above_127_stay(void **state)
{
	expect("dataDir=/tmp/\xc3\xa9", "dataDir", "/tmp/\xc3\xa9");
}

static void the_last_of_several_counts(void **state)
{
	struct properties properties;

	assert_int_equal(parse(&properties, "a=1\nb=2\na=3\n"), 0);
	assert_int_equal(properties.count, 2);
	assert_string_equal(properties_find(&properties, "a")->value, "3");
	assert_int_equal(properties_find(&properties, "a")->line, 3);
	assert_null(properties_find(&properties, "c"));
	properties_release(&properties);
}

static void a_bad_escape_is_an_error_with_its_line(void **state)
{
	expect_failure("a=1\nb=\\u12g4\n", 2, "\\u needs four hexadecimal digits, not all zero");
	expect_failure("b=\\u0000", 1, "\\u needs four hexadecimal digits, not all zero");
	expect_failure("\\u1=b", 1, "\\u needs four hexadecimal digits, not all zero");
}

static void a_zero_byte_is_an_error(void **state)
{
	struct properties properties;

	properties_init(&properties);
	assert_int_equal(properties_parse(&properties, "a=1\nb=\0x", 9), -EINVAL);
	assert_int_equal(properties.error_line, 2);
	properties_release(&properties);
}

static void too_large_and_too_many_are_errors(void **state)
{
	struct properties properties;
	struct buf text;

	properties_init(&properties);
	assert_int_equal(properties_parse(&properties, "", PROPERTIES_SIZE_MAX + 1), -EINVAL);
	properties_release(&properties);

	buf_init(&text, PROPERTIES_SIZE_MAX);
	for (int i = 0; i <= PROPERTIES_COUNT_MAX; i++)
		buf_printf(&text, "key%d=v\n", i);
	properties_init(&properties);
	assert_int_equal(properties_parse(&properties, (char *)text.data, text.size), -EINVAL);
	assert_int_equal(properties.error_line, PROPERTIES_COUNT_MAX + 1);
	assert_string_equal(properties.error, "too many keys");
	properties_release(&properties);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(separators_are_equals_colon_and_blanks),
		cmocka_unit_test(values_lose_blanks_at_both_ends),
		cmocka_unit_test(comments_and_empty_lines_count_as_lines_only),
		cmocka_unit_test(a_backslash_joins_lines),
		cmocka_unit_test(escapes_are_taken_away),
		cmocka_unit_test(bytes_above_127_stay),
		cmocka_unit_test(the_last_of_several_counts),
		cmocka_unit_test(a_bad_escape_is_an_error_with_its_line),
		cmocka_unit_test(a_zero_byte_is_an_error),
		cmocka_unit_test(too_large_and_too_many_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
