#include "replica/tree/session.h"

#include "src/base/bytes.h"
#include "src/zk/zxid.h"
#include "t/unit/cmocka.h"

/* spec/client-protocol.md 3.2, from a running server. */
static void test_password_is_apaches(void **state)
{
	static const uint8_t expected[ZK_PASSWORD_SIZE] = {0x7d, 0x90, 0xf6, 0x0d, 0xc6, 0x04,
							   0x9d, 0xdd, 0x23, 0xb8, 0xad, 0x30,
							   0x7f, 0x21, 0x4d, 0x7d};
	uint8_t password[ZK_PASSWORD_SIZE];

	session_password(0x1000019a3290000, password);
	assert_memory_equal(password, expected, sizeof(expected));
}

static void test_first_id_has_server_and_clock(void **state)
{
	assert_int_equal(session_first_id(1, 0x28161900), 0x0100281619000000);
	assert_int_equal(session_first_id(3, 0x123456789a), 0x03123456789a0000);
	/* More clock than 40 bits doesn't reach the server's byte. */
	assert_int_equal(session_first_id(2, 0xff0000000001), 0x0200000000010000);
	assert_int_equal(session_first_id(128, 0), INT64_MIN + 1);
}

static void test_ids_are_not_given_twice(void **state)
{
	struct session_tracker tracker;

	session_tracker_init(&tracker, 2000, 5);
	(void)session_track(&tracker, 6, 4000, 0);
	assert_int_equal(session_tracker_next_id(&tracker), 5);
	assert_int_equal(session_tracker_next_id(&tracker), 7);
	tracker.next_id = -1;
	assert_int_equal(session_tracker_next_id(&tracker), -1);
	assert_int_equal(session_tracker_next_id(&tracker), 1);
	session_tracker_release(&tracker);
}

static void test_expiry_comes_tick_by_tick(void **state)
{
	struct session_tracker tracker;

	session_tracker_init(&tracker, 2000, 1);
	(void)session_track(&tracker, 1, 4000, 100);
	(void)session_track(&tracker, 2, 4000, 1900);
	(void)session_track(&tracker, 3, 4000, 2100);
	assert_int_equal(session_next_expiry_ms(&tracker), 6000);
	assert_null(session_next_expired(&tracker, 5999));
	assert_int_equal(session_next_expired(&tracker, 6000)->id, 1);
	session_set_closing(&tracker, session_find(&tracker, 1));
	assert_int_equal(session_next_expired(&tracker, 6000)->id, 2);
	session_set_closing(&tracker, session_find(&tracker, 2));
	assert_null(session_next_expired(&tracker, 6000));
	assert_int_equal(session_next_expired(&tracker, 8000)->id, 3);
	session_tracker_check(&tracker);
	session_tracker_release(&tracker);
}

static void test_touch_keeps_alive_but_not_the_closing(void **state)
{
	struct session_tracker tracker;

	session_tracker_init(&tracker, 2000, 1);
	(void)session_track(&tracker, 1, 4000, 0);
	assert_true(session_touch(&tracker, 1, 10000, 5000));
	assert_int_equal(session_next_expiry_ms(&tracker), 16000);
	assert_false(session_touch(&tracker, 2, 4000, 5000));
	session_set_closing(&tracker, session_find(&tracker, 1));
	assert_false(session_touch(&tracker, 1, 4000, 6000));
	assert_int_equal(session_next_expiry_ms(&tracker), INT64_MAX);
	session_tracker_check(&tracker);
	session_forget(&tracker, 1);
	assert_null(session_find(&tracker, 1));
	session_tracker_release(&tracker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password_is_apaches),
		cmocka_unit_test(test_first_id_has_server_and_clock),
		cmocka_unit_test(test_ids_are_not_given_twice),
		cmocka_unit_test(test_expiry_comes_tick_by_tick),
		cmocka_unit_test(test_touch_keeps_alive_but_not_the_closing),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
