#include <stdio.h>
#include <string.h>

#include "replica/io/fourletter.h"
#include "t/unit/cmocka.h"

static void expect_average(uint64_t sum, uint64_t count, const char *text)
{
	struct buf buf;

	buf_init(&buf, 64);
	fourletter_print_average(&buf, sum, count);
	buf_append(&buf, "", 1);
	assert_string_equal((const char *)buf.data, text);
	buf_release(&buf);
}

static void averages_are_printed_as_java_prints_them(void **state)
{
	expect_average(0, 0, "0.0");
	expect_average(2, 1, "2.0");
	expect_average(3, 2, "1.5");
	expect_average(16054, 10000, "1.6054");
	expect_average(1596, 1000, "1.596");
	expect_average(1, 3, "0.3333");
	expect_average(2, 3, "0.6667");
	expect_average(1, 1000, "0.001");
	expect_average(1, 100000, "0.0");
	expect_average(99999, 100000, "1.0");
}

static void a_word_is_four_letters_of_the_table(void **state)
{
	assert_true(fourletter_is_word("ruok"));
	assert_true(fourletter_is_word("hash"));
	assert_false(fourletter_is_word("RUOK"));
	assert_false(fourletter_is_word("\0\0\0,"));
	assert_false(fourletter_is_word("xxxx"));
}

/* What a word that isn't allowed is answered needs nothing to look at. */
static void expect_refused(const char *whitelist, const char *word)
{
	struct fourletter fourletter;
	char sentence[80];
	struct buf answer;

	fourletter_init(&fourletter, whitelist);
	buf_init(&answer, 256);
	fourletter_answer(&fourletter, word, NULL, &answer);
	(void)snprintf(sentence, sizeof(sentence),
		       "%s is not executed because it is not in the whitelist.\n", word);
	assert_int_equal(answer.size, strlen(sentence));
	assert_memory_equal(answer.data, sentence, answer.size);
	buf_release(&answer);
}

static void expect_imok(const char *whitelist)
{
	struct fourletter fourletter;
	struct buf answer;

	fourletter_init(&fourletter, whitelist);
	buf_init(&answer, 256);
	fourletter_answer(&fourletter, "ruok", NULL, &answer);
	assert_int_equal(answer.size, 4);
	assert_memory_equal(answer.data, "imok", 4);
	buf_release(&answer);
}

static void the_whitelist_is_a_comma_list_or_a_star(void **state)
{
	expect_imok("*");
	expect_imok("ruok");
	expect_imok("stat, ruok");
	expect_imok("stat,ruok , mntr");
	expect_refused("", "ruok");
	expect_refused("stat,ruoks", "ruok");
	expect_refused("stat", "ruok");
	expect_refused("ruok", "stat");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(averages_are_printed_as_java_prints_them),
		cmocka_unit_test(a_word_is_four_letters_of_the_table),
		cmocka_unit_test(the_whitelist_is_a_comma_list_or_a_star),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
