#include "t/unit/cmocka.h"

#include <errno.h>

#include "src/zk/acl.h"

#define SPAN(literal) bytes_of(literal, sizeof(literal) - 1)

enum { SIZE_MAX_TEST = 1000 };

static void assert_text(const struct zk_acls *acls, const char *expected)
{
	struct buf text;

	buf_init(&text, SIZE_MAX_TEST);
	zk_acls_format(&text, acls);
	assert_true(bytes_equal_text(buf_bytes(&text), expected));
	buf_release(&text);
}

static void assert_parses_to(const char *text, const char *expected, int count)
{
	struct zk_acls acls;
	struct buf buf;

	buf_init(&buf, SIZE_MAX_TEST);
	buf_append_text(&buf, "before");
	assert_int_equal(zk_acls_parse(text, &buf, &acls), 0);
	assert_int_equal(acls.count, count);
	assert_text(&acls, expected);
	buf_release(&buf);
}

static void a_list_is_printed_as_it_is_parsed(void **state)
{
	static const char *const texts[] = {
		"world:anyone:cdrwa",
		"world:anyone:r",
		"digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=:cdrwa",
		"ip:fe80::/10:rw",
		"auth::a",
		"world:anyone:",
		"world:anyone:r,ip:10.0.0.0/8:cdrwa,digest:a:b:w",
	};
	static const int counts[] = {1, 1, 1, 1, 1, 1, 3};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_parses_to(texts[i], texts[i], counts[i]);
}

static void letters_may_come_in_any_order(void **state)
{
	assert_parses_to("world:anyone:awrdc", "world:anyone:cdrwa", 1);
	assert_parses_to("world:anyone:rr", "world:anyone:r", 1);
}

/* Distinguished names have commas, so a comma alone ends no ACL. */
static void an_id_may_hold_commas(void **state)
{
	assert_parses_to("x509:CN=zk1,O=Example,C=de:cdrwa,world:anyone:r",
			 "x509:CN=zk1,O=Example,C=de:cdrwa,world:anyone:r", 2);
}

static void what_is_no_list_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		",",
		"world",
		"world:anyone",
		"world:anyone:x",
		":anyone:r",
		"world:anyone:r,",
		",world:anyone:r",
		"world:anyone:r,,world:anyone:r",
		"world:anyone:r ",
		"world:anyone:r,auth",
		"world:anyone:R",
	};
	struct zk_acls acls;
	struct buf buf;

	buf_init(&buf, SIZE_MAX_TEST);
	buf_append_text(&buf, "before");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (zk_acls_parse(texts[i], &buf, &acls) != -EINVAL)
			fail_msg("\"%s\" is accepted", texts[i]);
		assert_true(bytes_equal_text(buf_bytes(&buf), "before"));
	}
	buf_release(&buf);
}

static void a_list_that_does_not_fit_is_refused(void **state)
{
	struct zk_acls acls;
	struct buf buf;

	buf_init(&buf, 30);
	assert_int_equal(zk_acls_parse("world:anyone:r,world:anyone:w", &buf, &acls), -EINVAL);
	assert_int_equal(buf.size, 0);
	buf_release(&buf);
}

static void the_constant_lists_are_well_formed(void **state)
{
	struct zk_acls open = zk_acls_open();
	struct zk_acls read_only = zk_acls_read_only();
	struct jute_reader reader;
	struct zk_acls read;
	struct buf buf;

	assert_text(&open, "world:anyone:cdrwa");
	assert_text(&read_only, "world:anyone:r");
	assert_false(zk_acls_equal(&open, &read_only));
	buf_init(&buf, SIZE_MAX_TEST);
	zk_acls_write(&buf, &open);
	jute_reader_init(&reader, buf.data, buf.size, SIZE_MAX_TEST);
	read = zk_acls_read(&reader);
	assert_int_equal(reader.error, 0);
	assert_true(zk_acls_equal(&open, &read));
	buf_release(&buf);
}

static void lists_are_equal_in_the_same_order_only(void **state)
{
	struct zk_acls a, b, same;
	struct buf buf;

	buf_init(&buf, SIZE_MAX_TEST);
	/* Filled once to its end, so that the next lists do not move the first. */
	assert_non_null(buf_extend(&buf, SIZE_MAX_TEST));
	buf_reset(&buf);
	assert_int_equal(zk_acls_parse("a:b:r,c:d:w", &buf, &a), 0);
	assert_int_equal(zk_acls_parse("c:d:w,a:b:r", &buf, &b), 0);
	assert_int_equal(zk_acls_parse("a:b:r,c:d:w", &buf, &same), 0);
	assert_true(zk_acls_equal(&a, &same));
	assert_false(zk_acls_equal(&a, &b));
	a = (struct zk_acls){.count = -1, .encoded = SPAN("")};
	b = (struct zk_acls){.count = 0, .encoded = SPAN("")};
	assert_false(zk_acls_equal(&a, &b)); /* null is not empty */
	buf_release(&buf);
}

/* On the wire they are legal: the server answers INVALIDACL to null itself. */
static void null_lists_and_null_parts_are_read(void **state)
{
	static const char encoded[] = "\377\377\377\377"
				      "\0\0\0\0"
				      "\0\0\0\1\0\0\0\100\377\377\377\377\377\377\377\377";
	struct jute_reader reader;
	struct zk_acls acls;
	struct zk_acl acl;
	size_t at = 0;

	jute_reader_init(&reader, encoded, sizeof(encoded) - 1, SIZE_MAX_TEST);
	acls = zk_acls_read(&reader);
	assert_int_equal(acls.count, -1);
	assert_false(zk_acls_next(&acls, &at, &acl));
	assert_int_equal(zk_acls_read(&reader).count, 0);
	acls = zk_acls_read(&reader);
	assert_int_equal(acls.count, 1);
	assert_true(zk_acls_next(&acls, &at, &acl));
	assert_int_equal(acl.perms, 64);
	assert_true(bytes_is_null(acl.scheme) && bytes_is_null(acl.id));
	assert_false(zk_acls_next(&acls, &at, &acl));
	assert_int_equal(reader.error, 0);
	assert_text(&acls, "::");
}

static void a_list_that_is_cut_short_is_none(void **state)
{
	static const char encoded[] = "\0\0\0\1\0\0\0\37\0\0\0\5world\0\0\0\6anyone";
	struct jute_reader reader;

	for (size_t size = 0; size < sizeof(encoded) - 1; size++) {
		jute_reader_init(&reader, encoded, size, SIZE_MAX_TEST);
		assert_int_equal(zk_acls_read(&reader).count, -1);
		assert_int_equal(reader.error, -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_printed_as_it_is_parsed),
		cmocka_unit_test(letters_may_come_in_any_order),
		cmocka_unit_test(an_id_may_hold_commas),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(a_list_that_does_not_fit_is_refused),
		cmocka_unit_test(the_constant_lists_are_well_formed),
		cmocka_unit_test(lists_are_equal_in_the_same_order_only),
		cmocka_unit_test(null_lists_and_null_parts_are_read),
		cmocka_unit_test(a_list_that_is_cut_short_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
