/* The window of transactions that the core keeps in memory. */
#include "replica/zab/history.h"

#include "t/unit/cmocka.h"

static struct history history;

static int set_up(void **state)
{
	(void)state;
	history_init(&history, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	history_check(&history);
	history_release(&history);
	return 0;
}

static void append(zxid_t zxid)
{
	struct blob *txn = blob_new(bytes_of_text("transaction"));

	history_append(&history, zxid, txn);
	blob_unref(txn);
}

/* Three of epoch 1, then two of epoch 3. */
static void append_two_epochs(void)
{
	append(0x100000001);
	append(0x100000002);
	append(0x100000003);
	append(0x300000001);
	append(0x300000002);
}

static void test_zxids_follow_by_counter_or_begin_a_later_epoch(void **state)
{
	(void)state;
	assert_true(history_follows(0, 1));
	assert_true(history_follows(0, 0x100000001));
	assert_true(history_follows(0x100000001, 0x100000002));
	assert_true(history_follows(0x100000000, 0x100000001));
	assert_true(history_follows(0x100000009, 0x300000001));
	assert_false(history_follows(0x100000001, 0x100000001));
	assert_false(history_follows(0x100000001, 0x100000003));
	assert_false(history_follows(0x100000009, 0x300000002));
	assert_false(history_follows(0x100000009, 0x200000000));
	assert_false(history_follows(0x300000001, 0x100000001));
	assert_false(history_follows(0x1ffffffff, 0x100000000));
}

static void test_entries_are_found_by_zxid(void **state)
{
	(void)state;
	assert_int_equal(history_last(&history), 0);
	assert_true(history_has(&history, 0));
	append_two_epochs();
	assert_int_equal(history_last(&history), 0x300000002);
	assert_int_equal(history_after(&history, 0), 0);
	assert_int_equal(history_after(&history, 0x100000002), 2);
	assert_int_equal(history_after(&history, 0x200000000), 3);
	assert_int_equal(history_after(&history, 0x300000002), 5);
	assert_true(history_has(&history, 0x100000003));
	assert_false(history_has(&history, 0x100000004));
	assert_false(history_has(&history, 0x300000000));
}

static void test_truncation_drops_the_newest(void **state)
{
	(void)state;
	append_two_epochs();
	history_truncate(&history, 0x100000002);
	assert_int_equal(history_last(&history), 0x100000002);
	append(0x400000001);
	assert_int_equal(history_last(&history), 0x400000001);
	history_truncate(&history, 0);
	assert_int_equal(history.count, 0);
	assert_int_equal(history_size_after(&history, 0), 0);
}

static void test_trimming_drops_the_oldest_up_to_a_zxid(void **state)
{
	size_t size;

	(void)state;
	append_two_epochs();
	size = history_size_after(&history, 0) / 5;
	assert_true(size > 11);
	assert_int_equal(history_size_after(&history, 0x100000002), 3 * size);
	history_trim(&history, 0x100000003, 2 * size, 100);
	assert_int_equal(history.base, 0x100000001);
	assert_int_equal(history.count, 4);
	history_trim(&history, 0x100000003, 100 * size, 1);
	assert_int_equal(history.base, 0x100000002);
	history_trim(&history, 0x100000003, 0, 0);
	assert_int_equal(history.base, 0x100000003);
	assert_int_equal(history.count, 2);
	assert_true(history_has(&history, 0x100000003));
	assert_int_equal(history_size_after(&history, history.base), 2 * size);
}

static void test_window_moves_on_in_bounded_memory(void **state)
{
	(void)state;
	for (zxid_t zxid = 1; zxid <= 100000; zxid++) {
		append(zxid);
		history_trim(&history, zxid, SIZE_MAX, 10);
	}
	assert_int_equal(history.count, 10);
	assert_int_equal(history.base, 99990);
	assert_true(history.capacity <= 64);
}

#define history_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		history_test(test_zxids_follow_by_counter_or_begin_a_later_epoch),
		history_test(test_entries_are_found_by_zxid),
		history_test(test_truncation_drops_the_newest),
		history_test(test_trimming_drops_the_oldest_up_to_a_zxid),
		history_test(test_window_moves_on_in_bounded_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
