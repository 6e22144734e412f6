/* The server step by step: order of answers, flow, watches. */
#include "src/zk/opcode.h"
#include "t/unit/server-fixture.h"

/* ---- order ---- */

static void test_read_waits_for_own_write_only(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	driver->is_slow = true;
	fake_create(driver, 1, "/a", "x", 0);
	fake_read(driver, 1, ZK_OP_EXISTS, "/a", false);
	fake_read(driver, 2, ZK_OP_EXISTS, "/a", false);
	fake_expect_nothing(driver, 1);
	assert_int_equal(fake_take_code(driver, 2), ZK_NONODE);
	fake_commit_all(driver);
	fake_expect_reply(driver, 1, 1, ZK_OK);
	fake_expect_reply(driver, 1, 2, ZK_OK);
}

static void test_answers_are_in_order_of_requests(void **state)
{
	struct fake_driver *driver = *state;
	zxid_t before;

	(void)fake_connect(driver, 1);
	driver->is_slow = true;
	before = driver->committed;
	fake_create(driver, 1, "/a", "x", 0);
	fake_read(driver, 1, ZK_OP_GET_DATA, "/a", false);
	fake_set_data(driver, 1, "/a", "y", 0);
	fake_read(driver, 1, ZK_OP_GET_DATA, "/a", false);
	fake_delete(driver, 1, "/a", 5);
	fake_request_bare(driver, 1, ZK_OP_CREATE); /* does not decode */
	fake_read(driver, 1, ZK_OP_EXISTS, "/a", false);
	fake_commit(driver, before + 1);
	fake_expect_reply(driver, 1, 1, ZK_OK);
	fake_expect_reply(driver, 1, 2, ZK_OK);
	fake_expect_nothing(driver, 1);
	fake_commit(driver, before + 3);
	fake_expect_reply(driver, 1, 3, ZK_OK);
	fake_expect_reply(driver, 1, 4, ZK_OK);
	fake_expect_reply(driver, 1, 5, ZK_BADVERSION);
	fake_expect_reply(driver, 1, 6, ZK_MARSHALLINGERROR);
	fake_expect_reply(driver, 1, 7, ZK_OK);
	fake_expect_nothing(driver, 1);
}

static void test_event_goes_before_the_answers_of_its_zxid(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	fake_read(driver, 1, ZK_OP_EXISTS, "/a", true);
	(void)fake_take_code(driver, 1);
	driver->is_slow = true;
	fake_create(driver, 1, "/a", "x", 0);
	fake_create(driver, 2, "/b", "x", 0);
	fake_read(driver, 1, ZK_OP_EXISTS, "/b", false);
	fake_commit_all(driver);
	fake_expect_event(driver, 1, ZK_EVENT_NODE_CREATED, "/a");
	fake_expect_reply(driver, 1, 2, ZK_OK);
	/* Its own write was answered before the other's was applied: so was the read behind it. */
	fake_expect_reply(driver, 1, 3, ZK_NONODE);
}

static void test_sync_waits_for_everybodys_writes(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	driver->is_slow = true;
	fake_create(driver, 2, "/a", "x", 0);
	fake_read(driver, 1, ZK_OP_SYNC, "/", false);
	fake_read(driver, 1, ZK_OP_EXISTS, "/a", false);
	fake_expect_nothing(driver, 1);
	fake_create(driver, 2, "/b", "x", 0);
	fake_commit(driver, driver->committed + 1);
	fake_expect_reply(driver, 1, 1, ZK_OK);
	fake_expect_reply(driver, 1, 2, ZK_OK);
}

static void test_sync_behind_an_own_write_still_waits_for_others(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	driver->is_slow = true;
	fake_create(driver, 1, "/a", "x", 0);
	fake_create(driver, 2, "/b", "x", 0);
	fake_read(driver, 1, ZK_OP_SYNC, "/", false);
	fake_commit(driver, driver->committed + 1);
	fake_expect_reply(driver, 1, 1, ZK_OK);
	fake_expect_nothing(driver, 1);
	fake_commit_all(driver);
	fake_expect_reply(driver, 1, 2, ZK_OK);
}

static void test_parent_goes_behind_its_last_child_before_either_is_applied(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	fake_create(driver, 1, "/p", "x", 0);
	fake_create(driver, 1, "/p/c", "x", 0);
	fake_expect_reply(driver, 1, 1, ZK_OK);
	fake_expect_reply(driver, 1, 2, ZK_OK);
	driver->is_slow = true;
	fake_delete(driver, 1, "/p", -1);
	fake_delete(driver, 1, "/p/c", -1);
	fake_delete(driver, 1, "/p", -1);
	fake_commit_all(driver);
	fake_expect_reply(driver, 1, 3, ZK_NOTEMPTY);
	fake_expect_reply(driver, 1, 4, ZK_OK);
	fake_expect_reply(driver, 1, 5, ZK_OK);
}

static void test_ping_waits_its_turn_and_auth_does_not(void **state)
{
	struct fake_driver *driver = *state;
	struct zk_auth_packet packet = {.scheme = bytes_of_text("digest"),
					.auth = bytes_of_text("u:p")};
	struct buf record = fake_record();

	(void)fake_connect(driver, 1);
	driver->is_slow = true;
	fake_create(driver, 1, "/a", "x", 0);
	fake_request_bare(driver, 1, ZK_OP_PING);
	zk_auth_packet_write(&record, &packet);
	fake_request(driver, 1, ZK_OP_AUTH, &record);
	fake_expect_reply(driver, 1, 3, ZK_OK);
	fake_expect_nothing(driver, 1);
	fake_commit_all(driver);
	fake_expect_reply(driver, 1, 1, ZK_OK);
	fake_expect_reply(driver, 1, ZK_XID_PING, ZK_OK);
}

static void test_frames_before_the_session_is_there_wait(void **state)
{
	struct fake_driver *driver = *state;

	driver->is_slow = true;
	fake_send_connect(driver, 1, 0, BYTES_NULL, 0);
	assert_true(driver->connections[1].is_paused);
	fake_create(driver, 1, "/a", "x", 0);
	fake_read(driver, 1, ZK_OP_EXISTS, "/a", false);
	assert_int_equal(driver->log_count, 1);
	fake_commit_all(driver);
	assert_false(driver->connections[1].is_paused);
	assert_int_equal(bytes_size(fake_take_frame(driver, 1)), 41);
	fake_expect_reply(driver, 1, 1, ZK_OK);
	fake_expect_reply(driver, 1, 2, ZK_OK);
}

/* ---- flow ---- */

static void test_reading_pauses_while_too_much_is_in_process(void **state)
{
	struct fake_driver *driver = *state;
	struct server_config config;

	server_config_init(&config);
	config.outstanding_limit = 3;
	server_start_anew(state, &config);
	(void)fake_connect(driver, 1);
	driver->is_slow = true;
	for (int at = 0; at < 3; at++)
		fake_create(driver, 1, "/a", "x", ZK_PERSISTENT_SEQUENTIAL);
	assert_false(driver->connections[1].is_paused);
	fake_create(driver, 1, "/a", "x", ZK_PERSISTENT_SEQUENTIAL);
	assert_true(driver->connections[1].is_paused);
	/* What was read already is still taken. */
	fake_create(driver, 1, "/a", "x", ZK_PERSISTENT_SEQUENTIAL);
	assert_int_equal(driver->log_count, 6);
	fake_commit(driver, 2);
	assert_true(driver->connections[1].is_paused);
	fake_commit_all(driver);
	assert_false(driver->connections[1].is_paused);
}

static void test_writes_are_held_while_intake_is_off(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	fake_intake(driver, false);
	fake_read(driver, 1, ZK_OP_EXISTS, "/a", false);
	fake_expect_reply(driver, 1, 1, ZK_NONODE);
	fake_create(driver, 1, "/a", "x", 0);
	assert_true(driver->connections[1].is_paused);
	fake_read(driver, 1, ZK_OP_EXISTS, "/a", false);
	fake_expect_nothing(driver, 1);
	fake_send_connect(driver, 3, 0, BYTES_NULL, 0);
	fake_expect_nothing(driver, 3);
	assert_int_equal(driver->log_count, 2);
	/* No session ends either: nothing may be proposed. */
	fake_advance(driver, 60000);
	assert_int_equal(driver->log_count, 2);
	fake_intake(driver, true);
	fake_expect_reply(driver, 1, 2, ZK_OK);
	fake_expect_reply(driver, 1, 3, ZK_OK);
	assert_false(driver->connections[1].is_paused);
}

/* A driver that goes on reading from a paused connection can't fill the memory. */
static void test_what_is_held_has_a_maximum(void **state)
{
	enum { FRAME_SIZE = 1000000 };
	struct fake_driver *driver = *state;
	uint8_t *frame = test_calloc(1, FRAME_SIZE);
	int count = 0;

	frame[7] = ZK_OP_CREATE;
	(void)fake_connect(driver, 1);
	fake_intake(driver, false);
	for (; !driver->connections[1].is_closed; count++)
		fake_send(driver, 1, bytes_of(frame, FRAME_SIZE));
	assert_in_range(count, 60, 70);
	test_free(frame);
	fake_intake(driver, true);
	fake_expect_nothing(driver, 1);
}

/* ---- watches ---- */

static void add_watch(struct fake_driver *driver, connection_id_t id, const char *path,
		      int32_t mode)
{
	const struct zk_path_type_request watch = {.path = bytes_of_text(path), .type = mode};
	struct buf record = fake_record();

	zk_path_type_request_write(&record, &watch);
	fake_request(driver, id, ZK_OP_ADD_WATCH, &record);
	assert_int_equal(fake_take_code(driver, id), ZK_OK);
}

static void do_and_take(struct fake_driver *driver)
{
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
}

/* spec/client-protocol.md 11.2, the whole sequence as captured from 3.9.5. */
static void test_all_three_modes_on_one_path(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	fake_create(driver, 1, "/p", "", 0);
	do_and_take(driver);
	add_watch(driver, 2, "/p", ZK_WATCH_PERSISTENT);
	add_watch(driver, 2, "/p", ZK_WATCH_PERSISTENT_RECURSIVE);
	fake_read(driver, 2, ZK_OP_GET_DATA, "/p", true);
	assert_int_equal(fake_take_code(driver, 2), ZK_OK);
	fake_set_data(driver, 1, "/p", "x", -1);
	do_and_take(driver);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_DATA_CHANGED, "/p");
	fake_create(driver, 1, "/p/c", "", 0);
	do_and_take(driver);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_CREATED, "/p/c");
	fake_expect_event(driver, 2, ZK_EVENT_NODE_CHILDREN_CHANGED, "/p");
	fake_set_data(driver, 1, "/p/c", "x", -1);
	do_and_take(driver);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_DATA_CHANGED, "/p/c");
	fake_create(driver, 1, "/p/c/d", "", 0);
	do_and_take(driver);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_CREATED, "/p/c/d");
	fake_delete(driver, 1, "/p/c/d", -1);
	do_and_take(driver);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_DELETED, "/p/c/d");
	fake_delete(driver, 1, "/p/c", -1);
	do_and_take(driver);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_DELETED, "/p/c");
	fake_expect_event(driver, 2, ZK_EVENT_NODE_CHILDREN_CHANGED, "/p");
	fake_delete(driver, 1, "/p", -1);
	do_and_take(driver);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_DELETED, "/p");
	fake_expect_nothing(driver, 2);
	fake_create(driver, 1, "/p", "", 0);
	do_and_take(driver);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_CREATED, "/p");
	fake_expect_nothing(driver, 2);
}

static void test_events_are_filtered_by_acl_but_use_up_the_watch(void **state)
{
	const struct zk_acl acl = {.perms = ZK_PERM_ALL & ~ZK_PERM_READ,
				   .scheme = bytes_of_text("world"),
				   .id = bytes_of_text("anyone")};
	struct fake_driver *driver = *state;
	struct zk_set_acl_request set = {.path = bytes_of_text("/a"), .version = -1};
	struct buf acls = fake_record();
	struct buf record = fake_record();

	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	fake_create(driver, 1, "/a", "", 0);
	do_and_take(driver);
	fake_read(driver, 2, ZK_OP_GET_DATA, "/a", true);
	assert_int_equal(fake_take_code(driver, 2), ZK_OK);
	zk_acl_write(&acls, &acl);
	set.acls = (struct zk_acls){.count = 1, .encoded = buf_bytes(&acls)};
	zk_set_acl_request_write(&record, &set);
	buf_release(&acls);
	fake_request(driver, 1, ZK_OP_SET_ACL, &record);
	do_and_take(driver);
	fake_set_data(driver, 1, "/a", "x", -1);
	do_and_take(driver);
	fake_expect_nothing(driver, 2);
	assert_int_equal(watches_count(server_watches(driver->server)), 0);
	fake_read(driver, 2, ZK_OP_EXISTS, "/a", true);
	assert_int_equal(fake_take_code(driver, 2), ZK_NOAUTH);
	assert_int_equal(watches_count(server_watches(driver->server)), 0);
}

static void test_watches_end_with_their_connection(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	add_watch(driver, 2, "/", ZK_WATCH_PERSISTENT_RECURSIVE);
	fake_close(driver, 2);
	assert_int_equal(watches_count(server_watches(driver->server)), 0);
	fake_create(driver, 1, "/a", "", 0);
	do_and_take(driver);
}

static void test_set_watches_with_a_null_list_is_refused(void **state)
{
	const struct zk_set_watches set = {
		.data = JUTE_STRINGS_NULL, .exist = JUTE_STRINGS_NULL, .child = JUTE_STRINGS_NULL};
	struct fake_driver *driver = *state;
	struct buf record = fake_record();

	(void)fake_connect(driver, 1);
	zk_set_watches_write(&record, &set);
	fake_request(driver, 1, ZK_OP_SET_WATCHES, &record);
	assert_int_equal(fake_take_code(driver, 1), ZK_MARSHALLINGERROR);
}

/* ---- numbers ---- */

static void test_statistics(void **state)
{
	struct fake_driver *driver = *state;
	struct server_connection_stats one;
	struct server_stats stats;
	session_id_t id = fake_connect(driver, 1);

	driver->is_slow = true;
	fake_create(driver, 1, "/a", "x", 0);
	server_get_stats(driver->server, &stats);
	assert_int_equal(stats.outstanding, 1);
	assert_int_equal(stats.znode_count, 5);
	assert_int_equal(stats.connection_count, 1);
	assert_int_equal(stats.packets_received, 2);
	assert_int_equal(stats.packets_sent, 1);
	assert_int_equal(stats.proposed, stats.zxid + 1);
	fake_advance(driver, 7);
	fake_commit_all(driver);
	server_get_stats(driver->server, &stats);
	assert_int_equal(stats.latency_max_ms, 7);
	assert_int_equal(stats.latency_min_ms, 0);
	assert_int_equal(stats.znode_count, 6);
	assert_true(server_get_connection_stats(driver->server, 1, &one));
	assert_int_equal(one.session_id, id);
	assert_int_equal(one.last_opcode, ZK_OP_CREATE);
	assert_int_equal(one.last_latency_ms, 7);
	assert_false(server_get_connection_stats(driver->server, 2, &one));
	server_reset_stats(driver->server);
	server_reset_connection_stats(driver->server);
	server_get_stats(driver->server, &stats);
	assert_int_equal(stats.packets_received, 0);
	assert_int_equal(stats.latency_max_ms, 0);
	assert_int_equal(stats.znode_count, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_read_waits_for_own_write_only),
		TEST(test_answers_are_in_order_of_requests),
		TEST(test_event_goes_before_the_answers_of_its_zxid),
		TEST(test_sync_waits_for_everybodys_writes),
		TEST(test_sync_behind_an_own_write_still_waits_for_others),
		TEST(test_parent_goes_behind_its_last_child_before_either_is_applied),
		TEST(test_ping_waits_its_turn_and_auth_does_not),
		TEST(test_frames_before_the_session_is_there_wait),
		TEST(test_reading_pauses_while_too_much_is_in_process),
		TEST(test_writes_are_held_while_intake_is_off),
		TEST(test_what_is_held_has_a_maximum),
		TEST(test_all_three_modes_on_one_path),
		TEST(test_events_are_filtered_by_acl_but_use_up_the_watch),
		TEST(test_watches_end_with_their_connection),
		TEST(test_set_watches_with_a_null_list_is_refused),
		TEST(test_statistics),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
