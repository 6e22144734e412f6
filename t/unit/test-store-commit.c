/* When a commit begins: with others, at last alone, and on which thread. Real threads, real time.
 */
#include <stdlib.h>
#include <time.h>

#include "t/unit/cmocka.h"
#include "t/unit/store-fixture.h"

enum { TRIES_MAX = 200, PATIENCE_S = 10 };

static void nap(void)
{
	struct timespec pause = {.tv_nsec = 100000};

	nanosleep(&pause, NULL);
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void wait_until_durable(struct rig *rig)
{
	int64_t end_us = now_us() + PATIENCE_S * 1000000;

	do {
		store_poll(rig->store);
		if (rig->durable == rig->appended)
			return;
		nap();
	} while (now_us() < end_us);
	fail_msg("transaction %u is not durable", rig->appended);
}

static void append(struct rig *rig, unsigned count)
{
	store_cork(rig->store);
	rig_append(rig, count);
	store_uncork(rig->store);
}

static void start(struct rig *rig)
{
	rig->gathers = true;
	store_must_open(rig);
	store_start(rig->store);
	append(rig, 1);
	wait_until_durable(rig);
}

static void must_hold_all(struct rig *rig)
{
	unsigned appended = rig->appended;

	assert_false(rig->has_failed);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded, appended);
}

/* A disk that is slow just now is left to the log worker. So it is in memory, and tried again. */
static void test_a_lone_commit_may_be_done_here(void **state)
{
	struct rig *rig = *state;
	unsigned here = 0;

	start(rig);
	for (unsigned i = 0; i < TRIES_MAX && here < 5; i++) {
		unsigned before = rig->durable;

		store_cork(rig->store);
		rig_append(rig, 1);
		if (store_commit(rig->store, 1)) {
			assert_int_equal(rig->durable, before);
			store_poll(rig->store);
			assert_int_equal(rig->durable, rig->appended);
			here++;
		} else {
			wait_until_durable(rig);
		}
	}
	assert_int_equal(here, 5);
	store_cork(rig->store);
	rig_append(rig, 2);
	assert_false(store_commit(rig->store, 1));
	wait_until_durable(rig);
	must_hold_all(rig);
}

/* Where two were in flight, one waits for the other: true once it does. */
static bool leave_one_waiting(struct rig *rig)
{
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		append(rig, 2);
		wait_until_durable(rig);
		append(rig, 1);
		/* Not if this thread was too late for it. */
		if (store_gather_due_us(rig->store) != INT64_MAX)
			return true;
		wait_until_durable(rig);
	}
	return false;
}

static int64_t count_rows(const struct rig *rig)
{
	return store_query(rig, "log.1.0000000100000001.db", "select count(*) from log");
}

static void test_one_waits_for_the_other(void **state)
{
	struct rig *rig = *state;
	int64_t rows;

	start(rig);
	assert_true(leave_one_waiting(rig));
	assert_true(store_gather_due_us(rig->store) <= now_us() + 1000);
	rows = count_rows(rig);
	nap();
	store_poll(rig->store);
	assert_int_equal(rig->durable, rig->appended - 1);
	append(rig, 1);
	assert_true(store_gather_due_us(rig->store) == INT64_MAX);
	wait_until_durable(rig);
	/* They share a row. */
	assert_int_equal(count_rows(rig), rows + 1);
	must_hold_all(rig);
}

static void test_a_wait_is_ended(void **state)
{
	struct rig *rig = *state;

	start(rig);
	assert_true(leave_one_waiting(rig));
	while (now_us() < store_gather_due_us(rig->store))
		nap();
	store_cork(rig->store);
	store_uncork(rig->store);
	assert_true(store_gather_due_us(rig->store) == INT64_MAX);
	wait_until_durable(rig);
	must_hold_all(rig);
}

static void test_other_work_ends_a_wait(void **state)
{
	struct rig *rig = *state;

	start(rig);
	assert_true(leave_one_waiting(rig));
	rig_set_epochs(rig);
	wait_until_durable(rig);
	must_hold_all(rig);
}

static void test_a_close_ends_a_wait(void **state)
{
	struct rig *rig = *state;

	start(rig);
	assert_true(leave_one_waiting(rig));
	must_hold_all(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_lone_commit_may_be_done_here, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(test_one_waits_for_the_other, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(test_a_wait_is_ended, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_other_work_ends_a_wait, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(test_a_close_ends_a_wait, store_setup,
						store_teardown),
	};

	(void)setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
