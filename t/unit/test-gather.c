/* Clients that wait for a commit share the next one, and nobody waits long for who doesn't come. */
#include "replica/io/gather.h"

#include <stdbool.h>

#include "t/unit/cmocka.h"

enum { CLIENTS_MAX = 256, COMMIT_US = 250, RUN_US = 2000000 };

/* Clients with one request in flight each, and a log worker; a microsecond a step. */
struct run {
	size_t client_count;
	int64_t turn_us;  /* from one client's next request to the following one's */
	int64_t think_us; /* from the end of a commit to the first one's */
	bool gathers;

	struct gather gather;
	int64_t due_us[CLIENTS_MAX]; /* of the next request; 0: it is in flight */
	size_t waiting[CLIENTS_MAX], waiting_count;
	size_t committing[CLIENTS_MAX], committing_count;
	int64_t ends_us; /* the commit that is under way */

	size_t commit_count;
	size_t done_count;
	int64_t idle_us; /* in which requests waited, and no commit was under way */
};

static void end_commit(struct run *run, int64_t now_us)
{
	gather_durable(&run->gather, run->committing_count, COMMIT_US, now_us);
	run->commit_count++;
	run->done_count += run->committing_count;
	for (size_t i = 0; i < run->committing_count; i++)
		run->due_us[run->committing[i]] =
			now_us + run->think_us + (int64_t)(i + 1) * run->turn_us;
	run->committing_count = 0;
}

static void take_requests(struct run *run, int64_t now_us)
{
	for (size_t i = 0; i < run->client_count; i++) {
		if (run->due_us[i] != now_us)
			continue;
		run->due_us[i] = 0;
		run->waiting[run->waiting_count++] = i;
		gather_appended(&run->gather);
	}
}

static bool may_begin(struct run *run, int64_t now_us)
{
	if (!run->gathers)
		return true;
	if (run->waiting_count >= gather_wanted(&run->gather, run->waiting_count, now_us))
		return true;
	assert_true(now_us < run->gather.until_us);
	if (now_us + 1 < run->gather.until_us)
		return false;
	gather_missed(&run->gather);
	return true;
}

static void begin_commit(struct run *run, int64_t now_us)
{
	run->committing_count = run->waiting_count;
	for (size_t i = 0; i < run->waiting_count; i++)
		run->committing[i] = run->waiting[i];
	run->waiting_count = 0;
	run->ends_us = now_us + COMMIT_US;
}

static struct run clients(size_t count, int64_t turn_us, int64_t think_us, bool gathers)
{
	struct run run = {
		.client_count = count,
		.turn_us = turn_us,
		.think_us = think_us,
		.gathers = gathers,
	};

	/* They begin one by one: nobody puts them in step. */
	for (size_t i = 0; i < count; i++)
		run.due_us[i] = (int64_t)(i * COMMIT_US / 2 + 1);
	for (int64_t now_us = 1; now_us <= RUN_US; now_us++) {
		if (run.committing_count > 0 && now_us == run.ends_us)
			end_commit(&run, now_us);
		take_requests(&run, now_us);
		if (run.committing_count > 0 || run.waiting_count == 0)
			continue;
		if (may_begin(&run, now_us))
			begin_commit(&run, now_us);
		else
			run.idle_us++;
	}
	return run;
}

static void test_clients_share_a_commit(void **state)
{
	for (size_t count = 2; count <= 16; count *= 2) {
		struct run alone = clients(count, 5, 20, false);
		struct run together = clients(count, 5, 20, true);

		/* Two groups, that wait for each other. */
		assert_in_range(alone.done_count / alone.commit_count, 1, count / 2 + 1);
		assert_true(together.done_count >= (count - 1) * together.commit_count);
		assert_true(together.done_count * 10 > alone.done_count * 13);
	}
}

static void test_one_client_never_waits(void **state)
{
	struct run run = clients(1, 5, 20, true);

	assert_int_equal(run.idle_us, 0);
	assert_int_equal(run.done_count, run.commit_count);
	assert_in_range(run.commit_count, RUN_US / (COMMIT_US + 26), RUN_US / (COMMIT_US + 24));
}

/* They come back later than a commit would be worth waiting. */
static void test_who_does_not_come_is_forgotten(void **state)
{
	struct run run = clients(4, 5, 4 * COMMIT_US, true);

	assert_true(run.idle_us > 0);
	assert_true(run.idle_us < RUN_US / 50);
}

/* Whenever they come back: little is lost where waits are often in vain. */
static void test_waits_cost_a_fifth_at_most(void **state)
{
	for (int64_t think_us = 20; think_us <= 4 * COMMIT_US; think_us += 20) {
		struct run alone = clients(4, 5, think_us, false);
		struct run together = clients(4, 5, think_us, true);

		assert_true(together.done_count * 5 >= alone.done_count * 4);
	}
}

static void test_many_do_not_wait(void **state)
{
	struct run run = clients(CLIENTS_MAX, 1, 20, true);
	struct run alone = clients(CLIENTS_MAX, 1, 20, false);

	assert_true(run.done_count * 100 >= alone.done_count * 99);
}

static void test_no_wait_is_longer_than_a_commit(void **state)
{
	struct gather gather = {0};

	for (int i = 0; i < 100; i++) {
		gather_appended(&gather);
		gather_appended(&gather);
		gather_durable(&gather, 2, 100000, 0);
	}
	assert_int_equal(gather.until_us, GATHER_WAIT_US_MAX);
	gather_appended(&gather);
	assert_int_equal(gather_wanted(&gather, 1, GATHER_WAIT_US_MAX - 1), 2);
	assert_int_equal(gather_wanted(&gather, 1, GATHER_WAIT_US_MAX), 0);
	for (int i = 0; i < 100; i++) {
		gather_durable(&gather, 1, 300, 0);
		gather_appended(&gather);
	}
	assert_in_range(gather.until_us, 290, 310);
}

/* In vain once, twice, and again: 1, 2, 4 commits, and 64 at most, wait for nobody. */
static void test_a_wait_in_vain_has_a_price(void **state)
{
	struct gather gather = {0};

	for (unsigned round = 0, price = 1; round < 10; round++) {
		/* Of two that were in flight one comes again. */
		gather_appended(&gather);
		gather_appended(&gather);
		gather_durable(&gather, 2, COMMIT_US, 0);
		while (gather.skips > 0) {
			gather_appended(&gather);
			gather_durable(&gather, 1, COMMIT_US, 0);
		}
		gather_appended(&gather);
		gather_missed(&gather);
		assert_int_equal(gather.skips, price);
		assert_int_equal(gather_wanted(&gather, 1, 0), 0);
		gather_durable(&gather, 1, COMMIT_US, 0);
		price = price < 64 ? price * 2 : 64;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients_share_a_commit),
		cmocka_unit_test(test_one_client_never_waits),
		cmocka_unit_test(test_who_does_not_come_is_forgotten),
		cmocka_unit_test(test_waits_cost_a_fifth_at_most),
		cmocka_unit_test(test_many_do_not_wait),
		cmocka_unit_test(test_no_wait_is_longer_than_a_commit),
		cmocka_unit_test(test_a_wait_in_vain_has_a_price),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
