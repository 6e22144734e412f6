#include "t/unit/cmocka.h"

#include <stdlib.h>

#include "src/zk/path.h"

/* A literal, which may hold '\0' in the middle. */
#define SPAN(literal) bytes_of(literal, sizeof(literal) - 1)

static void valid_paths_are_accepted(void **state)
{
	static const char *const paths[] = {
		"/",
		"/a",
		"/a/b/c",
		"/...",
		"/a/.b",
		"/a..b",
		"/ ",
		"/a b",
		"/%41",
		"/a:b",
		"/~",
		"/\u00a0",
		"/\u07ff",
		"/\u0800",
		"/\xed\x9f\xbf",
		"/\uf900",
		"/\uffef",
		"/gr\u00fc\u00df",
		"/\u4e2d/\u6587",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (!zk_path_is_valid(bytes_of_text(paths[i])))
			fail_msg("%s is refused", paths[i]);
	}
}

static void malformed_paths_are_refused(void **state)
{
	const struct bytes paths[] = {
		BYTES_NULL,  SPAN(""),       SPAN("a"),       SPAN("a/b"),
		SPAN("//"),  SPAN("/a/"),    SPAN("/a//b"),   SPAN("/."),
		SPAN("/.."), SPAN("/a/./b"), SPAN("/a/../b"), SPAN("/a/.."),
		SPAN("./a"), SPAN("\0"),     SPAN("/\0"),     SPAN("/a\0b"),
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (zk_path_is_valid(paths[i]))
			fail_msg("path %zu is accepted", i);
	}
}

/* PathUtils.validatePath, on both sides of each border. */
static void forbidden_characters_are_refused(void **state)
{
	const struct bytes paths[] = {
		SPAN("/\x01"),
		SPAN("/\x1f"),
		SPAN("/\x7f"),
		SPAN("/\xc2\x80"),
		SPAN("/\xc2\x9f"),
		SPAN("/\xee\x80\x80"),     /* U+E000 */
		SPAN("/\xef\xa3\xbf"),     /* U+F8FF */
		SPAN("/\xef\xbf\xb0"),     /* U+FFF0 */
		SPAN("/\xef\xbf\xbd"),     /* U+FFFD */
		SPAN("/\xef\xbf\xbf"),     /* U+FFFF */
		SPAN("/\xf0\x9f\x98\x80"), /* U+1F600: two surrogates to ZooKeeper */
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (zk_path_is_valid(paths[i]))
			fail_msg("path %zu is accepted", i);
	}
}

static void malformed_utf8_is_refused(void **state)
{
	const struct bytes paths[] = {
		SPAN("/\x80"),                 /* a continuation alone */
		SPAN("/\xc3"),                 /* cut short */
		SPAN("/\xc3/a"),               /* a '/' where a continuation must be */
		SPAN("/\xe4\xb8"),             /* cut short */
		SPAN("/\xe4\xb8/a"),           /* the same, inside the path */
		SPAN("/\xc0\xaf"),             /* overlong '/' */
		SPAN("/\xc1\xbf"),             /* overlong */
		SPAN("/\xc1\x81"),             /* overlong \'A\' */
		SPAN("/\xe0\x80\xaf"),         /* overlong '/' */
		SPAN("/\xe0\x9f\xbf"),         /* overlong */
		SPAN("/\xed\xa0\x80"),         /* a surrogate */
		SPAN("/\xf8\x88\x80\x80\x80"), /* five bytes */
		SPAN("/\xfe"),
		SPAN("/\xff"),
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (zk_path_is_valid(paths[i]))
			fail_msg("path %zu is accepted", i);
	}
}

/* What is behind a path in memory would make it whole. */
static void a_character_cut_at_the_end_is_refused(void **state)
{
	assert_true(zk_path_is_valid(bytes_of("/\xe4\xb8\xad", 4)));
	assert_false(zk_path_is_valid(bytes_of("/\xe4\xb8\xad", 3)));
	assert_false(zk_path_is_valid(bytes_of("/\xe4\xb8\xad", 2)));
	assert_true(zk_path_is_valid(bytes_of("/\xc3\xbc", 3)));
	assert_false(zk_path_is_valid(bytes_of("/\xc3\xbc", 2)));
}

static void a_name_is_one_component(void **state)
{
	assert_true(zk_path_name_is_valid(SPAN("a")));
	assert_true(zk_path_name_is_valid(SPAN(".data")));
	assert_false(zk_path_name_is_valid(SPAN("")));
	assert_false(zk_path_name_is_valid(SPAN("a/b")));
	assert_false(zk_path_name_is_valid(SPAN(".")));
	assert_false(zk_path_name_is_valid(SPAN("..")));
	assert_false(zk_path_name_is_valid(SPAN("a\x7f")));
}

static void assert_split(const char *path, const char *parent, const char *name)
{
	char *joined;

	assert_true(bytes_equal_text(zk_path_parent(bytes_of_text(path)), parent));
	assert_true(bytes_equal_text(zk_path_name(bytes_of_text(path)), name));
	joined = zk_path_join(bytes_of_text(parent), bytes_of_text(name));
	assert_string_equal(joined, path);
	free(joined);
}

static void parent_and_name_join_to_the_path(void **state)
{
	assert_split("/a", "/", "a");
	assert_split("/a/b", "/a", "b");
	assert_split("/abc/d/ef", "/abc/d", "ef");
	assert_true(bytes_equal_text(zk_path_name(SPAN("/")), ""));
}

static void within_stops_at_component_borders(void **state)
{
	assert_true(zk_path_is_within(SPAN("/a"), SPAN("/a")));
	assert_true(zk_path_is_within(SPAN("/a/b"), SPAN("/a")));
	assert_true(zk_path_is_within(SPAN("/a"), SPAN("/")));
	assert_true(zk_path_is_within(SPAN("/"), SPAN("/")));
	assert_false(zk_path_is_within(SPAN("/ab"), SPAN("/a")));
	assert_false(zk_path_is_within(SPAN("/a"), SPAN("/a/b")));
	assert_false(zk_path_is_within(SPAN("/b/a"), SPAN("/a")));
	assert_false(zk_path_is_within(BYTES_NULL, SPAN("/")));
	assert_false(zk_path_is_within(SPAN("/a"), BYTES_NULL));
	assert_true(zk_path_is_system(SPAN("/zookeeper")));
	assert_true(zk_path_is_system(SPAN("/zookeeper/quota")));
	assert_false(zk_path_is_system(SPAN("/zookeeper2")));
	assert_false(zk_path_is_system(SPAN("/")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_paths_are_accepted),
		cmocka_unit_test(malformed_paths_are_refused),
		cmocka_unit_test(forbidden_characters_are_refused),
		cmocka_unit_test(malformed_utf8_is_refused),
		cmocka_unit_test(a_character_cut_at_the_end_is_refused),
		cmocka_unit_test(a_name_is_one_component),
		cmocka_unit_test(parent_and_name_join_to_the_path),
		cmocka_unit_test(within_stops_at_component_borders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
