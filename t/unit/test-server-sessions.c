/* Sessions of the server, and what a restart makes of them. */
#include <errno.h>

#include "replica/tree/replay.h"
#include "replica/tree/session.h"
#include "replica/tree/txn.h"
#include "src/zk/opcode.h"
#include "t/unit/server-fixture.h"

/* ---- sessions ---- */

static void password_of(session_id_t id, uint8_t ret_password[ZK_PASSWORD_SIZE])
{
	session_password(id, ret_password);
}

static void take_connect_response(struct fake_driver *driver, connection_id_t id,
				  struct zk_connect_response *ret_response)
{
	struct bytes frame = fake_take_frame(driver, id);
	struct jute_reader reader;

	assert_false(bytes_is_null(frame));
	jute_reader_init(&reader, (const uint8_t *)frame.data + 4, bytes_size(frame) - 4, 100);
	zk_connect_response_read(&reader, ret_response);
	assert_int_equal(reader.error, 0);
}

static void test_session_moves_to_a_new_connection(void **state)
{
	struct fake_driver *driver = *state;
	session_id_t id = fake_connect(driver, 1);
	uint8_t password[ZK_PASSWORD_SIZE];
	struct zk_connect_response response;

	password_of(id, password);
	fake_send_connect(driver, 2, id, bytes_of(password, sizeof(password)), 0);
	take_connect_response(driver, 2, &response);
	assert_int_equal(response.session_id, id);
	assert_int_equal(response.timeout_ms, 10000);
	assert_true(fake_is_closed(driver, 1));
	fake_create(driver, 2, "/a", "x", ZK_EPHEMERAL);
	assert_int_equal(fake_take_code(driver, 2), ZK_OK);
	assert_int_equal(driver->log_count, 2); /* no new session was made */
}

static void expect_invalid_session(struct fake_driver *driver, connection_id_t id)
{
	struct zk_connect_response response;

	take_connect_response(driver, id, &response);
	assert_int_equal(response.session_id, 0);
	assert_int_equal(response.timeout_ms, 0);
	assert_memory_equal(response.password.data, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_true(fake_is_closed(driver, id));
}

static void test_wrong_password_kicks_and_is_refused(void **state)
{
	struct fake_driver *driver = *state;
	session_id_t id = fake_connect(driver, 1);

	fake_send_connect(driver, 2, id, bytes_of("0123456789abcdef", 16), 0);
	expect_invalid_session(driver, 2);
	assert_true(fake_is_closed(driver, 1));
	fake_send_connect(driver, 3, id, BYTES_NULL, 0);
	expect_invalid_session(driver, 3);
}

static void test_unknown_session_is_refused(void **state)
{
	struct fake_driver *driver = *state;
	uint8_t password[ZK_PASSWORD_SIZE];

	password_of(4711, password);
	fake_send_connect(driver, 1, 4711, bytes_of(password, sizeof(password)), 0);
	expect_invalid_session(driver, 1);
}

static void test_client_of_the_future_is_sent_away(void **state)
{
	struct fake_driver *driver = *state;

	fake_send_connect(driver, 1, 0, BYTES_NULL, 1);
	fake_expect_nothing(driver, 1);
	assert_true(fake_is_closed(driver, 1));
	assert_int_equal(driver->log_count, 0);
}

static int32_t negotiated(struct fake_driver *driver, connection_id_t id, int32_t timeout_ms,
			  bool has_read_only, size_t *ret_frame_size)
{
	const struct zk_connect_request connect = {
		.timeout_ms = timeout_ms, .password = BYTES_NULL, .has_read_only = has_read_only};
	struct zk_connect_response response;
	struct jute_reader reader;
	struct bytes frame;
	struct buf buf = fake_record();

	zk_connect_request_write(&buf, &connect);
	fake_open(driver, id, "127.0.0.1");
	fake_send(driver, id, buf_bytes(&buf));
	buf_release(&buf);
	frame = fake_take_frame(driver, id);
	*ret_frame_size = bytes_size(frame);
	jute_reader_init(&reader, (const uint8_t *)frame.data + 4, bytes_size(frame) - 4, 100);
	zk_connect_response_read(&reader, &response);
	return response.timeout_ms;
}

static void test_timeout_is_clamped_and_old_clients_get_the_old_response(void **state)
{
	struct fake_driver *driver = *state;
	size_t size;

	assert_int_equal(negotiated(driver, 1, 1, true, &size), 4000);
	assert_int_equal(size, 41);
	assert_int_equal(negotiated(driver, 2, 100000000, false, &size), 40000);
	assert_int_equal(size, 40);
	assert_int_equal(negotiated(driver, 3, -1, false, &size), 4000);
}

static void test_expired_session_takes_its_ephemerals(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	fake_create(driver, 1, "/e", "x", ZK_EPHEMERAL);
	fake_read(driver, 2, ZK_OP_EXISTS, "/e", true);
	(void)fake_take_code(driver, 1);
	(void)fake_take_code(driver, 2);
	fake_advance(driver, 8000);
	fake_request_bare(driver, 2, ZK_OP_PING);
	fake_expect_reply(driver, 2, ZK_XID_PING, ZK_OK);
	assert_false(fake_is_closed(driver, 1));
	assert_true(server_next_tick_ms(driver->server) <= driver->now_ms + 4000);
	fake_advance(driver, 4000);
	assert_true(fake_is_closed(driver, 1));
	fake_expect_nothing(driver, 1);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_DELETED, "/e");
	assert_false(fake_is_closed(driver, 2));
}

static void test_close_session_answers_then_closes(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	driver->is_slow = true;
	fake_create(driver, 1, "/e", "x", ZK_EPHEMERAL);
	fake_request_bare(driver, 1, ZK_OP_CLOSE_SESSION);
	fake_create(driver, 1, "/f", "x", 0); /* behind it: dropped */
	fake_read(driver, 1, ZK_OP_EXISTS, "/e", false);
	assert_int_equal(driver->log_count, 3);
	fake_commit_all(driver);
	fake_expect_reply(driver, 1, 1, ZK_OK);
	fake_expect_reply(driver, 1, 2, ZK_OK);
	fake_expect_nothing(driver, 1);
	assert_true(fake_is_closed(driver, 1));
	assert_int_equal(tree_ephemeral_count(server_tree(driver->server)), 0);
	assert_int_equal(tree_session_count(server_tree(driver->server)), 0);
}

static void test_writes_outlive_their_connection(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	driver->is_slow = true;
	fake_create(driver, 1, "/a", "x", 0);
	fake_read(driver, 1, ZK_OP_SYNC, "/", false);
	fake_close(driver, 1);
	fake_commit_all(driver);
	assert_non_null(tree_find(server_tree(driver->server), bytes_of_text("/a")));
}

static void test_connection_without_a_session_ends(void **state)
{
	struct fake_driver *driver = *state;

	fake_open(driver, 1, "127.0.0.1");
	assert_int_equal(server_next_tick_ms(driver->server), driver->now_ms + 10000);
	fake_advance(driver, 9999);
	assert_false(fake_is_closed(driver, 1));
	fake_advance(driver, 1);
	assert_true(fake_is_closed(driver, 1));
}

/* ---- restart ---- */

static struct tree *recover(const struct fake_driver *driver)
{
	struct tree *tree = tree_new(false);
	struct replay replay;

	replay_init(&replay, tree);
	for (size_t at = 0; at < driver->log_count; at++)
		assert_int_equal(replay_txn(&replay, (zxid_t)at + 1, blob_bytes(driver->log[at])),
				 0);
	assert_int_equal(replay_mismatches(&replay), 0);
	/* Nothing that was there before comes again, and no other than the next. */
	assert_int_equal(replay_txn(&replay, 1, blob_bytes(driver->log[0])), -EBADMSG);
	assert_int_equal(
		replay_txn(&replay, (zxid_t)driver->log_count + 1, blob_bytes(driver->log[0])),
		-EBADMSG);
	assert_int_equal(replay_txn(&replay, (zxid_t)driver->log_count + 1, bytes_of("junk", 4)),
			 -EBADMSG);
	replay_release(&replay);
	return tree;
}

static void test_the_log_makes_the_same_tree(void **state)
{
	struct fake_driver *driver = *state;
	struct server_config config;
	struct server_action action;
	struct server *server;
	struct tree *tree;
	session_id_t id = fake_connect(driver, 1);

	fake_create(driver, 1, "/a", "x", 0);
	fake_create(driver, 1, "/a/e", "x", ZK_EPHEMERAL_SEQUENTIAL);
	fake_create(driver, 1, "/a", "x", 0);
	fake_set_data(driver, 1, "/a", "y", -1);
	tree = recover(driver);
	assert_int_equal(tree_digest(tree), tree_digest(server_tree(driver->server)));
	assert_int_equal(tree_zxid(tree), driver->committed);
	server_config_init(&config);
	server = server_new(&config, tree);
	server_start(server, SERVER_STANDALONE, 0, 5, 6);
	assert_false(server_take_action(server, &action));
	assert_non_null(tree_find_session(server_tree(server), id));
	server_check(server);
	/* Nobody came back: the session and its ephemeral end. */
	server_tick(server, 100000, 100000);
	assert_true(server_take_action(server, &action));
	assert_int_equal(action.type, SERVER_APPEND);
	assert_int_equal(action.zxid, driver->committed + 1);
	assert_false(server_take_action(server, &action));
	server_committed(server, action.zxid);
	assert_int_equal(tree_ephemeral_count(server_tree(server)), 0);
	server_free(server);
	tree_free(tree);
}

static void test_ephemerals_of_no_session_go_at_start(void **state)
{
	struct tree *tree = tree_new(false);
	const struct tree_row row = {.path = bytes_of_text("/e"),
				     .data = BYTES_NULL,
				     .acls = zk_acls_open(),
				     .stat = {.ephemeral_owner = 99}};
	struct server_config config;
	struct server_action action;
	struct server *server;

	assert_int_equal(tree_load_row(tree, &row), 0);
	server_config_init(&config);
	server = server_new(&config, tree);
	server_start(server, SERVER_STANDALONE, 0, 0, 0);
	assert_true(server_take_action(server, &action));
	assert_int_equal(action.type, SERVER_APPEND);
	server_committed(server, 1);
	assert_null(tree_find(tree, bytes_of_text("/e")));
	server_check(server);
	server_free(server);
	tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_session_moves_to_a_new_connection),
		TEST(test_wrong_password_kicks_and_is_refused),
		TEST(test_unknown_session_is_refused),
		TEST(test_client_of_the_future_is_sent_away),
		TEST(test_timeout_is_clamped_and_old_clients_get_the_old_response),
		TEST(test_expired_session_takes_its_ephemerals),
		TEST(test_close_session_answers_then_closes),
		TEST(test_writes_outlive_their_connection),
		TEST(test_connection_without_a_session_ends),
		TEST(test_the_log_makes_the_same_tree),
		TEST(test_ephemerals_of_no_session_go_at_start),
	};

	return cmocka_run_group_tests_name("server sessions", tests, NULL, NULL);
}
