#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "replica/tree/watch.h"
#include "t/unit/cmocka.h"

enum { WATCHER_COUNT = 3 };

struct fixture {
	struct watches watches;
	struct watcher watchers[WATCHER_COUNT];
	char told[64]; /* the watchers' numbers, in the order in which they were told */
};

static int setup(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));

	watches_init(&fixture->watches);
	for (int at = 0; at < WATCHER_COUNT; at++)
		watcher_init(&fixture->watchers[at]);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	for (int at = 0; at < WATCHER_COUNT; at++)
		watcher_release(&fixture->watches, &fixture->watchers[at]);
	watches_check(&fixture->watches);
	watches_release(&fixture->watches);
	test_free(fixture);
	return 0;
}

static void add(struct fixture *fixture, int watcher, enum watch_table_id table, const char *path,
		unsigned modes)
{
	assert_int_equal(watch_add(&fixture->watches, table, bytes_of_text(path),
				   &fixture->watchers[watcher], modes),
			 0);
	watches_check(&fixture->watches);
}

static void tell(void *data, struct watcher *watcher)
{
	struct fixture *fixture = data;
	char number[2] = {(char)('0' + (watcher - fixture->watchers)), '\0'};

	strcat(fixture->told, number);
}

/* Who is told of one change, "02" for the first and the third. */
static const char *trigger(struct fixture *fixture, enum watch_table_id table, const char *path)
{
	fixture->told[0] = '\0';
	watch_begin(&fixture->watches);
	watch_trigger(&fixture->watches, table, bytes_of_text(path), tell, fixture);
	watches_check(&fixture->watches);
	return fixture->told;
}

static void test_standard_fires_once(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 0, WATCH_DATA, "/a", WATCH_STANDARD);
	add(fixture, 0, WATCH_DATA, "/a", WATCH_STANDARD);
	assert_int_equal(watches_count(&fixture->watches), 1);
	assert_string_equal(trigger(fixture, WATCH_CHILD, "/a"), "");
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a/b"), "");
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a"), "0");
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a"), "");
	assert_int_equal(watches_path_count(&fixture->watches), 0);
}

static void test_persistent_stays_and_outlives_standard(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 0, WATCH_DATA, "/a", WATCH_PERSISTENT);
	add(fixture, 0, WATCH_DATA, "/a", WATCH_STANDARD);
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a"), "0");
	assert_int_equal(watch_modes(&fixture->watches, WATCH_DATA, bytes_of_text("/a"),
				     &fixture->watchers[0]),
			 WATCH_PERSISTENT);
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a"), "0");
}

static void test_recursive_sees_what_is_below(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 0, WATCH_DATA, "/a", WATCH_RECURSIVE);
	add(fixture, 1, WATCH_DATA, "/", WATCH_RECURSIVE);
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a/b/c"), "01");
	assert_string_equal(trigger(fixture, WATCH_DATA, "/ab"), "1");
	assert_string_equal(trigger(fixture, WATCH_DATA, "/"), "1");
	assert_string_equal(trigger(fixture, WATCH_CHILD, "/a"), "");
}

static void test_once_a_trigger_however_many_match(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 0, WATCH_DATA, "/", WATCH_RECURSIVE);
	add(fixture, 0, WATCH_DATA, "/a", WATCH_RECURSIVE | WATCH_PERSISTENT | WATCH_STANDARD);
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a"), "0");
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a/b"), "0");
}

/* NodeDeleted goes to both tables; who got it from the first isn't told again. */
static void test_second_table_passes_over_the_told(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 0, WATCH_DATA, "/a", WATCH_STANDARD);
	add(fixture, 0, WATCH_CHILD, "/a", WATCH_STANDARD);
	add(fixture, 1, WATCH_CHILD, "/a", WATCH_STANDARD);
	fixture->told[0] = '\0';
	watch_begin(&fixture->watches);
	watch_trigger(&fixture->watches, WATCH_DATA, bytes_of_text("/a"), tell, fixture);
	watch_trigger(&fixture->watches, WATCH_CHILD, bytes_of_text("/a"), tell, fixture);
	assert_string_equal(fixture->told, "01");
	assert_int_equal(watches_count(&fixture->watches), 0);
}

static void test_remove_takes_modes_of_one_watcher(void **state)
{
	struct fixture *fixture = *state;
	struct bytes path = bytes_of_text("/a");

	add(fixture, 0, WATCH_DATA, "/a", WATCH_STANDARD | WATCH_RECURSIVE);
	add(fixture, 1, WATCH_DATA, "/a", WATCH_STANDARD);
	assert_int_equal(watch_remove(&fixture->watches, WATCH_DATA, path, &fixture->watchers[0],
				      WATCH_STANDARD | WATCH_PERSISTENT),
			 WATCH_STANDARD);
	assert_int_equal(watch_remove(&fixture->watches, WATCH_DATA, path, &fixture->watchers[2],
				      WATCH_STANDARD),
			 0);
	assert_int_equal(watch_remove(&fixture->watches, WATCH_DATA, BYTES_NULL,
				      &fixture->watchers[0], WATCH_STANDARD),
			 0);
	watches_check(&fixture->watches);
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a"), "01");
	assert_string_equal(trigger(fixture, WATCH_DATA, "/a"), "0");
}

static void test_null_and_relative_paths_are_taken(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 0, WATCH_DATA, "", WATCH_RECURSIVE);
	add(fixture, 0, WATCH_DATA, "relative", WATCH_RECURSIVE);
	assert_int_equal(watch_add(&fixture->watches, WATCH_DATA, BYTES_NULL, &fixture->watchers[0],
				   WATCH_PERSISTENT),
			 0);
	assert_string_equal(trigger(fixture, WATCH_DATA, "/relative"), "");
}

static void test_a_watcher_has_a_maximum(void **state)
{
	struct fixture *fixture = *state;

	fixture->watchers[0].size = WATCHER_SIZE_MAX;
	assert_int_equal(watch_add(&fixture->watches, WATCH_DATA, bytes_of_text("/a"),
				   &fixture->watchers[0], WATCH_STANDARD),
			 -ENOBUFS);
	fixture->watchers[0].size = 0;
	assert_int_equal(watches_count(&fixture->watches), 0);
}

static void count_visit(void *data, struct bytes path, const struct watcher *watcher)
{
	(*(int *)data)++;
}

static void test_thousands_of_watches_on_one_path_and_by_one_watcher(void **state)
{
	enum { MANY = 20000 };
	struct fixture *fixture = *state;
	struct watcher *many = test_calloc(MANY, sizeof(*many));
	char path[32];
	int visited = 0;

	for (int at = 0; at < MANY; at++) {
		watcher_init(&many[at]);
		(void)snprintf(path, sizeof(path), "/n%d", at);
		assert_int_equal(watch_add(&fixture->watches, WATCH_DATA, bytes_of_text("/one"),
					   &many[at], WATCH_PERSISTENT),
				 0);
		assert_int_equal(watch_add(&fixture->watches, WATCH_DATA, bytes_of_text(path),
					   &fixture->watchers[0], WATCH_STANDARD),
				 0);
	}
	watches_visit(&fixture->watches, count_visit, &visited);
	assert_int_equal(visited, 2 * MANY);
	visited = 0;
	watcher_visit(&fixture->watchers[0], count_visit, &visited);
	assert_int_equal(visited, MANY);
	for (int at = 0; at < MANY; at++)
		watcher_release(&fixture->watches, &many[at]);
	test_free(many);
	assert_int_equal(watches_count(&fixture->watches), MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_standard_fires_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_persistent_stays_and_outlives_standard, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_recursive_sees_what_is_below, setup, teardown),
		cmocka_unit_test_setup_teardown(test_once_a_trigger_however_many_match, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_second_table_passes_over_the_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_remove_takes_modes_of_one_watcher, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_null_and_relative_paths_are_taken, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_watcher_has_a_maximum, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_thousands_of_watches_on_one_path_and_by_one_watcher, setup, teardown),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
