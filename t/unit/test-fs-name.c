#include "t/unit/cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "fs/name.h"
#include "src/base/prng.h"

#define HEX40 "0123456789abcdef0123456789abcdef01234567"

static const char *show_in(const char *name, bool in_root)
{
	static char shown[NAME_SIZE_MAX + 1];

	name_show(bytes_of_text(name), in_root, shown);
	return shown;
}

static const char *show(const char *name)
{
	return show_in(name, false);
}

static enum name_meaning meaning_of(const char *shown, bool in_root)
{
	struct create_mode mode;
	char *name = NULL;
	enum name_meaning meaning = name_parse(shown, in_root, &name, &mode);

	free(name);
	return meaning;
}

static struct create_mode mode_of(const char *shown)
{
	struct create_mode mode = {0};
	char *name = NULL;

	assert_int_equal(name_parse(shown, false, &name, &mode), NAME_MODE);
	return mode;
}

/* shown means name, and name is shown so. */
static void assert_pair(const char *name, const char *shown, bool in_root)
{
	struct create_mode mode;
	char *parsed = NULL;

	assert_string_equal(show_in(name, in_root), shown);
	assert_int_equal(name_parse(shown, in_root, &parsed, &mode), NAME_ZNODE);
	assert_string_equal(parsed, name);
	free(parsed);
}

static void plain_names_are_shown_as_they_are(void **state)
{
	static const char *const names[] = {
		"a",
		"item-0000000007",
		".hidden",
		"..data",
		".data2",
		".DATA",
		"...",
		" ",
		"a b\n",
		"\xc3\xa4",
		"100%",
		"a%20b",
		"dubbo%3A%2F%2F10.0.0.1%3A20880",
		"%",
		"%~",
		"%~12",
		"%25",
		"%2Ehidden",
		"%2edata",
		"a%2Edata",
		".ttl=",
		".ttl=1s",
		".ttlx",
		"x%~" HEX40 "g",
		"~" HEX40,
		"25~" HEX40,
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_pair(names[i], names[i], true);
}

static void names_that_mean_something_else_are_escaped(void **state)
{
	assert_pair(".data", "%2Edata", false);
	assert_pair(".ephemeral", "%2Eephemeral", false);
	assert_pair(".sequential", "%2Esequential", false);
	assert_pair(".container", "%2Econtainer", false);
	assert_pair(".ttl=5", "%2Ettl=5", false);
	assert_pair(".ttl=99999999999999999999", "%2Ettl=99999999999999999999", false);
	assert_pair(".", "%2E", false);
	assert_pair("..", "%2E.", false);
	assert_pair(".zkfs", "%2Ezkfs", true);
	assert_pair(".zkfs", ".zkfs", false);
}

static void what_looks_like_an_escape_is_escaped(void **state)
{
	assert_pair("%2Edata", "%252Edata", false);
	assert_pair("%252Edata", "%25252Edata", false);
	assert_pair("%2Ezkfs", "%252Ezkfs", true);
	assert_pair("%2Ezkfs", "%2Ezkfs", false);
	assert_pair("a%~" HEX40, "a%25~" HEX40, false);
	assert_pair("%~" HEX40, "%25~" HEX40, false);
	assert_pair("%25~" HEX40, "%2525~" HEX40, false);
	assert_pair("a%2525~" HEX40, "a%252525~" HEX40, false);
}

static void special_names_keep_their_meaning(void **state)
{
	assert_int_equal(meaning_of(".data", false), NAME_DATA);
	assert_int_equal(meaning_of(".zkfs", true), NAME_ZKFS);
	assert_int_equal(meaning_of(".zkfs", false), NAME_ZNODE);
	assert_true(mode_of(".ephemeral").ephemeral);
	assert_true(mode_of(".sequential").sequential);
	assert_true(mode_of(".container").container);
	assert_int_equal(mode_of(".ttl=1").ttl_ms, 1000);
	assert_int_equal(mode_of(".ttl=1099511627").ttl_ms, 1099511627000);
	assert_int_equal(meaning_of(".ttl=0", false), NAME_INVALID);
	assert_int_equal(meaning_of(".ttl=1099511628", false), NAME_INVALID);
	assert_int_equal(meaning_of(".ttl=99999999999999999999", false), NAME_INVALID);
	assert_int_equal(meaning_of("", false), NAME_INVALID);
	assert_int_equal(meaning_of("x%~" HEX40, false), NAME_DIGEST);
}

static void long_names_end_in_their_digest(void **state)
{
	char name[400];
	char expected[NAME_SIZE_MAX + 1];

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	assert_pair(name, name, false);

	name[255] = 'n';
	name[256] = '\0';
	memset(expected, 'n', 213);
	/* printf 'n%.0s' $(seq 256) | sha1sum */
	strcpy(expected + 213, "%~b52903860ba6c4be22232b937f1e550927eb716e");
	assert_string_equal(show(name), expected);
	assert_int_equal(meaning_of(show(name), false), NAME_DIGEST);

	/* as it would be too long escaped */
	memset(name, 'n', 213);
	strcpy(name + 213, "%~" HEX40);
	assert_int_equal(strlen(name), 255);
	assert_int_equal(meaning_of(show(name), false), NAME_DIGEST);
	assert_string_not_equal(show(name), name);
}

static void long_names_are_cut_at_a_character(void **state)
{
	char name[300];

	/* 212 bytes, then characters of three bytes: the first would cross the cut at 213. */
	memset(name, 'n', 212);
	for (size_t at = 212; at + 3 < sizeof(name); at += 3)
		memcpy(name + at, "\xe2\x82\xac", 4);
	assert_int_equal(strlen(show(name)), 212 + 42);
	assert_int_equal(show(name)[212], '%');

	/* What is no UTF-8 is cut all the same. */
	memset(name, 0x80, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(strlen(show(name)), 210 + 42);
}

static void no_name_breaks_a_listing(void **state)
{
	static const struct bytes odd[] = {
		{.data = "", .size = 0},     {.data = NULL, .size = -1}, {.data = "a/b", .size = 3},
		{.data = "a\0b", .size = 3}, {.data = "/", .size = 1},
	};
	char shown[NAME_SIZE_MAX + 1];

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		name_show(odd[i], true, shown);
		assert_int_equal(meaning_of(shown, true), NAME_DIGEST);
		assert_null(strchr(shown, '/'));
	}
}

/* Names of the pieces that escapes are made of meet every rule by and by. */
static void make_odd_name(struct prng *prng, char ret_name[32 * 48 + 1])
{
	static const char *const pieces[] = {
		".",    "%",     "25",           "2E",         "2e",         "~",
		HEX40,  "data",  ".data",        ".ephemeral", ".container", ".ttl=7",
		"zkfs", ".zkfs", "\xe2\x82\xac", "a",          ".sequential"};
	uint64_t count = prng_below(prng, 100) == 0 ? 32 : 1 + prng_below(prng, 6);

	ret_name[0] = '\0';
	for (uint64_t i = 0; i < count; i++) {
		uint64_t which = prng_below(prng, sizeof(pieces) / sizeof(pieces[0]) + 4);
		char byte[2] = {(char)(1 + prng_below(prng, 255)), '\0'};

		if (byte[0] == '/')
			byte[0] = '.';
		strcat(ret_name, which < sizeof(pieces) / sizeof(pieces[0]) ? pieces[which] : byte);
	}
}

static void each_name_is_shown_and_found_again(void **state)
{
	char name[32 * 48 + 1], shown[NAME_SIZE_MAX + 1];
	struct create_mode mode;
	size_t long_count = 0;
	struct prng prng;

	prng_init(&prng, 7);
	for (int i = 0; i < 200000; i++) {
		bool in_root = prng_below(&prng, 2);
		char *parsed = NULL;
		enum name_meaning meaning;

		make_odd_name(&prng, name);
		name_show(bytes_of_text(name), in_root, shown);
		assert_in_range(strlen(shown), 1, NAME_SIZE_MAX);
		meaning = name_parse(shown, in_root, &parsed, &mode);
		if (meaning == NAME_DIGEST) {
			assert_true(strlen(name) > NAME_SIZE_MAX - 2);
			long_count++;
			continue;
		}
		assert_int_equal(meaning, NAME_ZNODE);
		assert_string_equal(parsed, name);
		free(parsed);
	}
	assert_in_range(long_count, 100, 10000);
}

/* So that what is created under a name is listed under it. */
static void each_shown_name_is_the_form_of_what_it_means(void **state)
{
	char typed[32 * 48 + 1], shown[NAME_SIZE_MAX + 1];
	struct create_mode mode;
	struct prng prng;

	prng_init(&prng, 8);
	for (int i = 0; i < 200000; i++) {
		bool in_root = prng_below(&prng, 2);
		char *parsed = NULL;

		make_odd_name(&prng, typed);
		if (name_parse(typed, in_root, &parsed, &mode) != NAME_ZNODE)
			continue;
		name_show(bytes_of_text(parsed), in_root, shown);
		assert_string_equal(shown, typed);
		free(parsed);
	}
}

static void modes_compose(void **state)
{
	struct create_mode ephemeral = {.ephemeral = true}, sequential = {.sequential = true},
			   container = {.container = true}, ttl = {.ttl_ms = 5000}, both;
	char text[64];

	assert_true(name_mode_compose(&ephemeral, &sequential, &both));
	assert_true(both.ephemeral && both.sequential && !both.container && both.ttl_ms == 0);
	name_mode_format(&both, text);
	assert_string_equal(text, ".ephemeral/.sequential");

	assert_true(name_mode_compose(&sequential, &ttl, &both));
	name_mode_format(&both, text);
	assert_string_equal(text, ".ttl=5/.sequential");

	assert_false(name_mode_compose(&ephemeral, &ephemeral, &both));
	assert_false(name_mode_compose(&ttl, &ttl, &both));
	assert_false(name_mode_compose(&ephemeral, &ttl, &both));
	assert_false(name_mode_compose(&container, &sequential, &both));
	assert_false(name_mode_compose(&ephemeral, &container, &both));
}

static void lock_contenders_are_known_by_their_names(void **state)
{
#define UUID "0123456789abcdef0123456789abcdef"
	static const char *const contenders[] = {
		UUID "__lock__0000000003",
		UUID "__rlock__2147483647",
		UUID "__lock__-000000001",
		UUID "__lock__-2147483648",
	};
	static const char *const others[] = {
		UUID "__lock__",
		UUID "__lock__000000003",
		UUID "__lock__000000003x",
		UUID "__wlock__0000000003",
		"x" UUID "__lock__0000000003",
		"0123456789ABCDEF0123456789abcdef__lock__0000000003",
		UUID,
		"lock-0000000001",
		"",
	};

	for (size_t i = 0; i < sizeof(contenders) / sizeof(contenders[0]); i++)
		assert_true(name_is_contender(bytes_of_text(contenders[i])));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(name_is_contender(bytes_of_text(others[i])));
	assert_false(name_is_contender(BYTES_NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_names_are_shown_as_they_are),
		cmocka_unit_test(names_that_mean_something_else_are_escaped),
		cmocka_unit_test(what_looks_like_an_escape_is_escaped),
		cmocka_unit_test(special_names_keep_their_meaning),
		cmocka_unit_test(long_names_end_in_their_digest),
		cmocka_unit_test(long_names_are_cut_at_a_character),
		cmocka_unit_test(no_name_breaks_a_listing),
		cmocka_unit_test(each_name_is_shown_and_found_again),
		cmocka_unit_test(each_shown_name_is_the_form_of_what_it_means),
		cmocka_unit_test(modes_compose),
		cmocka_unit_test(lock_contenders_are_known_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
