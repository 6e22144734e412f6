/* The order in which the store's tree worker does what it is given, and what wakes it. */
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "replica/io/store_work.h"
#include "t/unit/cmocka.h"
#include "t/unit/store-fixture.h"

enum { DEADLINE_S = 20 };

/* ---- a tree that is handed over, and rows that are staged behind it ---- */

/*
 * All of it comes while the worker looks whether there is a tree to write, and it goes on to the
 * rows. Behind the last of those the staged tree may be the valid one, which the tree that was
 * handed over must not be written into.
 */
static void test_rows_are_not_staged_before_a_tree_that_waits(void **state)
{
	struct rig *rig = *state;
	struct store_refusal refusal;
	int error = 0;

	store_make_some(rig);
	rig_write_tree(rig, rig->durable);
	rig_begin_generation(rig, 20);
	rig_install_generation(rig);
	assert_false(store_stage_work_on_batch(rig->store, &error, &refusal));
	rig_work(rig);
	assert_int_equal(rig->before.tree, rig->before.tree_written);
	assert_int_equal(rig->installations, 1);
	store_must_come_back(rig);
	assert_int_equal(rig->loaded_tree, 20);
}

static void test_the_tree_that_waits_is_written_and_then_rows(void **state)
{
	struct rig *rig = *state;

	store_make_some(rig);
	rig_write_tree(rig, rig->durable);
	rig_begin_generation(rig, 20);
	rig_install_generation(rig);
	/* BEGIN; INSTALL waits for the tree worker. */
	while (store_step(rig->store, STORE_LOG_WORKER))
		;
	while (rig->before.tree < rig->before.tree_written) {
		assert_true(store_step(rig->store, STORE_TREE_WORKER));
		assert_false(store_step(rig->store, STORE_LOG_WORKER));
		store_poll(rig->store);
	}
	rig_work(rig);
	store_must_come_back(rig);
}

/* ---- a segment that the tree has passed before it was full ---- */

static void wait_until(struct rig *rig, bool (*holds)(const struct rig *rig))
{
	time_t deadline = time(NULL) + DEADLINE_S;

	while (store_poll(rig->store), !holds(rig)) {
		assert_true(time(NULL) < deadline);
		(void)poll(NULL, 0, 1); /* a turn of a loop */
	}
}

static bool is_settled(const struct rig *rig)
{
	return rig->durable == rig->appended && rig->tree == rig->tree_written &&
	       store_is_idle(rig->store);
}

static bool has_next_segment(const struct rig *rig)
{
	char *dir = store_file(rig, "");
	bool has_next = store_count_files(dir, "log.1.next", ".db") == 1;

	free(dir);
	return has_next && is_settled(rig);
}

/*
 * The tree is at the end of the log when a new segment begins, so that the one before can go; no
 * other tree is handed over, and nothing else is wanted of the worker.
 */
static void test_a_segment_that_the_tree_has_passed_goes_when_the_next_begins(void **state)
{
	/* The last of each round is small, so that the worker isn't asked for the next segment. */
	enum { ROUNDS = 8, FULL = 25 };
	struct rig *rig = *state;

	rig->segment_size = 4000;
	store_must_open(rig);
	store_start(rig->store);
	wait_until(rig, has_next_segment);
	for (unsigned round = 0; round < ROUNDS; round++) {
		rig_append(rig, FULL);
		wait_until(rig, has_next_segment);
		rig_write_tree(rig, rig->durable);
		wait_until(rig, is_settled);
		rig_append(rig, 1);
		wait_until(rig, is_settled);
		assert_int_equal(store_count_segments(rig), 1);
	}
	store_must_come_back(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows_are_not_staged_before_a_tree_that_waits),
		TEST(test_the_tree_that_waits_is_written_and_then_rows),
		TEST(test_a_segment_that_the_tree_has_passed_goes_when_the_next_begins),
	};

	return cmocka_run_group_tests_name("store-tree-worker", tests, NULL, NULL);
}
