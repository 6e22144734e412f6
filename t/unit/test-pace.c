/* Transactions are slowed to what the tree worker can write, and never stopped for long. */
#include "replica/io/pace.h"
#include "t/unit/cmocka.h"

enum { BATCH = 20000, BATCH_MS = 50, BURST = 5000, RUN_MS = 20000 };

/*
 * A tree worker that writes BATCH in BATCH_MS, and clients that bring a BURST in
 * every millisecond in which they may: ten times as much.
 */
struct run {
	int64_t lag_max;
	int64_t came_in;
	msec_t longest_ms; /* without a burst */
};

static struct run run(msec_t batch_ms)
{
	struct pace pace = {0};
	struct run run = {0};
	int64_t lag = 0;
	msec_t last_ms = 0;

	pace_begin(&pace, 0);
	for (msec_t now_ms = 1; now_ms <= RUN_MS; now_ms++) {
		if (now_ms % batch_ms == 0 && lag >= BATCH) {
			lag -= BATCH;
			pace_passed(&pace, now_ms, lag);
		}
		if (pace_admits(&pace, now_ms, lag)) {
			lag += BURST;
			run.came_in += BURST;
			last_ms = now_ms;
		} else {
			assert_true(pace_due_ms(&pace, now_ms) > now_ms);
		}
		/* Until the first is written, nobody knows how fast that goes. */
		if (now_ms > 2 * batch_ms && now_ms - last_ms > run.longest_ms)
			run.longest_ms = now_ms - last_ms;
		if (lag > run.lag_max)
			run.lag_max = lag;
	}
	return run;
}

static void test_nobody_waits_for_a_whole_write_out(void **state)
{
	struct run fast = run(BATCH_MS);
	struct run slow = run(BATCH_MS * 10);

	/* A burst is what the tree worker writes in 12.5 ms, and in 125. */
	assert_in_range(fast.longest_ms, 5, 20);
	assert_in_range(slow.longest_ms, 50, 200);
	assert_in_range(fast.lag_max, PACE_LAG_FREE, PACE_LAG_MAX - BURST);
	assert_in_range(slow.lag_max, PACE_LAG_FREE, PACE_LAG_MAX - BURST);
	/* And the tree worker is never without work. */
	assert_true(fast.came_in >= RUN_MS / BATCH_MS * BATCH);
	assert_true(slow.came_in >= RUN_MS / BATCH_MS / 10 * BATCH);
}

static void test_little_lag_holds_nothing_up(void **state)
{
	struct pace pace = {0};

	for (msec_t now_ms = 0; now_ms < 100; now_ms++)
		assert_true(pace_admits(&pace, now_ms, PACE_LAG_FREE - 1));
	assert_true(pace_due_ms(&pace, 100) == INT64_MAX);
}

/* Before anything was written, and at the greatest lag, only a write-out helps. */
static void test_the_greatest_lag_stops_all(void **state)
{
	struct pace pace = {0};

	assert_false(pace_admits(&pace, 1, PACE_LAG_FREE));
	assert_true(pace_due_ms(&pace, 1) == INT64_MAX);
	pace_begin(&pace, 1);
	pace_passed(&pace, 101, PACE_LAG_FREE - 100000);
	assert_true(pace_admits(&pace, 102, PACE_LAG_FREE - 1));
	assert_false(pace_admits(&pace, 103, PACE_LAG_MAX));
	assert_false(pace_admits(&pace, 100000, PACE_LAG_MAX));
	assert_true(pace_due_ms(&pace, 100000) == INT64_MAX);
}

static void test_the_lag_is_of_count_or_size(void **state)
{
	struct store_lag lag = {.count = STORE_LAG_COUNT_MAX / 2, .size = STORE_LAG_SIZE_MAX / 4};

	assert_int_equal(pace_lag(lag), PACE_LAG_MAX / 2);
	lag.size = STORE_LAG_SIZE_MAX;
	assert_int_equal(pace_lag(lag), PACE_LAG_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_waits_for_a_whole_write_out),
		cmocka_unit_test(test_little_lag_holds_nothing_up),
		cmocka_unit_test(test_the_greatest_lag_stops_all),
		cmocka_unit_test(test_the_lag_is_of_count_or_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
