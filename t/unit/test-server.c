/* The server step by step: order of answers, sessions, what is refused and how. */
#include <errno.h>

#include "replica/tree/replay.h"
#include "replica/tree/session.h"
#include "replica/tree/txn.h"
#include "src/base/prng.h"
#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"
#include "t/unit/fake-driver.h"

static int setup(void **state)
{
	struct fake_driver *driver = test_calloc(1, sizeof(*driver));
	struct server_config config;

	server_config_init(&config);
	fake_driver_init(driver, &config);
	*state = driver;
	return 0;
}

static int teardown(void **state)
{
	fake_driver_release(*state);
	test_free(*state);
	return 0;
}

static void start_anew(void **state, const struct server_config *config)
{
	fake_driver_release(*state);
	fake_driver_init(*state, config);
}

static struct buf nothing(void)
{
	struct buf buf;

	buf_init(&buf, SIZE_MAX);
	return buf;
}

static void request(struct fake_driver *driver, connection_id_t id, int32_t opcode)
{
	struct buf body = nothing();

	fake_request(driver, id, opcode, &body);
}

/* The next reply must be to xid, with this code. */
static void expect_reply(struct fake_driver *driver, connection_id_t id, int32_t xid, int32_t code)
{
	struct fake_reply reply;

	assert_true(fake_take_reply(driver, id, &reply));
	assert_int_equal(reply.header.xid, xid);
	assert_int_equal(reply.header.err, code);
}

static bool is_closed(const struct fake_driver *driver, connection_id_t id)
{
	return driver->connections[id].is_closed;
}

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
	expect_reply(driver, 1, 1, ZK_OK);
	expect_reply(driver, 1, 2, ZK_OK);
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
	request(driver, 1, ZK_OP_CREATE); /* does not decode */
	fake_read(driver, 1, ZK_OP_EXISTS, "/a", false);
	fake_commit(driver, before + 1);
	expect_reply(driver, 1, 1, ZK_OK);
	expect_reply(driver, 1, 2, ZK_OK);
	fake_expect_nothing(driver, 1);
	fake_commit(driver, before + 3);
	expect_reply(driver, 1, 3, ZK_OK);
	expect_reply(driver, 1, 4, ZK_OK);
	expect_reply(driver, 1, 5, ZK_BADVERSION);
	expect_reply(driver, 1, 6, ZK_MARSHALLINGERROR);
	expect_reply(driver, 1, 7, ZK_OK);
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
	expect_reply(driver, 1, 2, ZK_OK);
	/* Its own write was answered before the other's was applied: so was the read behind it. */
	expect_reply(driver, 1, 3, ZK_NONODE);
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
	expect_reply(driver, 1, 1, ZK_OK);
	expect_reply(driver, 1, 2, ZK_OK);
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
	expect_reply(driver, 1, 1, ZK_OK);
	fake_expect_nothing(driver, 1);
	fake_commit_all(driver);
	expect_reply(driver, 1, 2, ZK_OK);
}

static void test_parent_goes_behind_its_last_child_before_either_is_applied(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	fake_create(driver, 1, "/p", "x", 0);
	fake_create(driver, 1, "/p/c", "x", 0);
	expect_reply(driver, 1, 1, ZK_OK);
	expect_reply(driver, 1, 2, ZK_OK);
	driver->is_slow = true;
	fake_delete(driver, 1, "/p", -1);
	fake_delete(driver, 1, "/p/c", -1);
	fake_delete(driver, 1, "/p", -1);
	fake_commit_all(driver);
	expect_reply(driver, 1, 3, ZK_NOTEMPTY);
	expect_reply(driver, 1, 4, ZK_OK);
	expect_reply(driver, 1, 5, ZK_OK);
}

static void test_ping_waits_its_turn_and_auth_does_not(void **state)
{
	struct fake_driver *driver = *state;
	struct zk_auth_packet packet = {.scheme = bytes_of_text("digest"),
					.auth = bytes_of_text("u:p")};
	struct buf record = nothing();

	(void)fake_connect(driver, 1);
	driver->is_slow = true;
	fake_create(driver, 1, "/a", "x", 0);
	request(driver, 1, ZK_OP_PING);
	zk_auth_packet_write(&record, &packet);
	fake_request(driver, 1, ZK_OP_AUTH, &record);
	expect_reply(driver, 1, 3, ZK_OK);
	fake_expect_nothing(driver, 1);
	fake_commit_all(driver);
	expect_reply(driver, 1, 1, ZK_OK);
	expect_reply(driver, 1, ZK_XID_PING, ZK_OK);
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
	expect_reply(driver, 1, 1, ZK_OK);
	expect_reply(driver, 1, 2, ZK_OK);
}

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
	assert_true(is_closed(driver, 1));
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
	assert_true(is_closed(driver, id));
}

static void test_wrong_password_kicks_and_is_refused(void **state)
{
	struct fake_driver *driver = *state;
	session_id_t id = fake_connect(driver, 1);

	fake_send_connect(driver, 2, id, bytes_of("0123456789abcdef", 16), 0);
	expect_invalid_session(driver, 2);
	assert_true(is_closed(driver, 1));
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
	assert_true(is_closed(driver, 1));
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
	struct buf buf = nothing();

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
	request(driver, 2, ZK_OP_PING);
	expect_reply(driver, 2, ZK_XID_PING, ZK_OK);
	assert_false(is_closed(driver, 1));
	assert_true(server_next_tick_ms(driver->server) <= driver->now_ms + 4000);
	fake_advance(driver, 4000);
	assert_true(is_closed(driver, 1));
	fake_expect_nothing(driver, 1);
	fake_expect_event(driver, 2, ZK_EVENT_NODE_DELETED, "/e");
	assert_false(is_closed(driver, 2));
}

static void test_close_session_answers_then_closes(void **state)
{
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	driver->is_slow = true;
	fake_create(driver, 1, "/e", "x", ZK_EPHEMERAL);
	request(driver, 1, ZK_OP_CLOSE_SESSION);
	fake_create(driver, 1, "/f", "x", 0); /* behind it: dropped */
	fake_read(driver, 1, ZK_OP_EXISTS, "/e", false);
	assert_int_equal(driver->log_count, 3);
	fake_commit_all(driver);
	expect_reply(driver, 1, 1, ZK_OK);
	expect_reply(driver, 1, 2, ZK_OK);
	fake_expect_nothing(driver, 1);
	assert_true(is_closed(driver, 1));
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
	assert_false(is_closed(driver, 1));
	fake_advance(driver, 1);
	assert_true(is_closed(driver, 1));
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

/* ---- flow ---- */

static void test_reading_pauses_while_too_much_is_in_process(void **state)
{
	struct fake_driver *driver = *state;
	struct server_config config;

	server_config_init(&config);
	config.outstanding_limit = 3;
	start_anew(state, &config);
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
	expect_reply(driver, 1, 1, ZK_NONODE);
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
	expect_reply(driver, 1, 2, ZK_OK);
	expect_reply(driver, 1, 3, ZK_OK);
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

/* ---- what is refused ---- */

static void expect_unknown(struct fake_driver *driver, connection_id_t id, int32_t opcode)
{
	struct fake_reply reply;

	(void)fake_connect(driver, id);
	request(driver, id, opcode);
	assert_true(fake_take_reply(driver, id, &reply));
	assert_int_equal(reply.header.err, ZK_UNIMPLEMENTED);
	assert_int_equal(reply.header.zxid, -1);
	assert_true(is_closed(driver, id));
}

static void test_unknown_operations_close(void **state)
{
	static const int32_t opcodes[] = {0, 10, 23, 999, -1, ZK_OP_CHECK, ZK_OP_CREATE_SESSION};
	struct fake_driver *driver = *state;
	size_t count = sizeof(opcodes) / sizeof(opcodes[0]);

	for (size_t at = 0; at < count; at++)
		expect_unknown(driver, at, opcodes[at]);
	assert_int_equal(driver->log_count, count); /* the sessions, nothing else */
}

static void create_ttl(struct fake_driver *driver, connection_id_t id, int32_t flags,
		       int64_t ttl_ms)
{
	const struct zk_create_ttl_request request_ = {.create = {.path = bytes_of_text("/t"),
								  .data = BYTES_NULL,
								  .acls = zk_acls_open(),
								  .flags = flags},
						       .ttl_ms = ttl_ms};
	struct buf record = nothing();

	zk_create_ttl_request_write(&record, &request_);
	fake_request(driver, id, ZK_OP_CREATE_TTL, &record);
}

/* spec/client-protocol.md 5.3 and 5.4: some of this ends Java servers. */
static void test_ttl_is_refused_as_by_apache(void **state)
{
	struct fake_driver *driver = *state;
	struct server_config config;

	(void)fake_connect(driver, 1);
	create_ttl(driver, 1, ZK_PERSISTENT_WITH_TTL, 1000);
	assert_int_equal(fake_take_code(driver, 1), ZK_UNIMPLEMENTED);
	create_ttl(driver, 1, ZK_PERSISTENT, -1);
	assert_int_equal(fake_take_code(driver, 1), ZK_BADARGUMENTS);
	server_config_init(&config);
	config.extended_types = true;
	start_anew(state, &config);
	(void)fake_connect(driver, 1);
	create_ttl(driver, 1, ZK_PERSISTENT, -1);
	assert_int_equal(fake_take_code(driver, 1), ZK_BADARGUMENTS);
	create_ttl(driver, 1, ZK_PERSISTENT, 5);
	assert_int_equal(fake_take_code(driver, 1), ZK_BADARGUMENTS);
	create_ttl(driver, 1, ZK_PERSISTENT_WITH_TTL, 0);
	assert_int_equal(fake_take_code(driver, 1), ZK_BADARGUMENTS);
	create_ttl(driver, 1, ZK_PERSISTENT_WITH_TTL, ZNODE_TTL_MS_MAX + 1);
	assert_int_equal(fake_take_code(driver, 1), ZK_BADARGUMENTS);
	create_ttl(driver, 1, ZK_PERSISTENT_WITH_TTL, ZNODE_TTL_MS_MAX);
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
	fake_create(driver, 1, "/u", "x", ZK_PERSISTENT_WITH_TTL);
	assert_int_equal(fake_take_code(driver, 1), ZK_BADARGUMENTS);
}

static void test_undecodable_write_makes_no_transaction(void **state)
{
	static const int32_t opcodes[] = {ZK_OP_CREATE,     ZK_OP_CREATE2, ZK_OP_CREATE_CONTAINER,
					  ZK_OP_CREATE_TTL, ZK_OP_DELETE,  ZK_OP_SET_DATA,
					  ZK_OP_SET_ACL,    ZK_OP_RECONFIG};
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	for (size_t at = 0; at < sizeof(opcodes) / sizeof(opcodes[0]); at++) {
		struct fake_reply reply;

		request(driver, 1, opcodes[at]);
		assert_true(fake_take_reply(driver, 1, &reply));
		assert_int_equal(reply.header.err, ZK_MARSHALLINGERROR);
		assert_int_equal(reply.header.zxid, 1);
	}
	assert_int_equal(driver->log_count, 1);
	/* A multi takes a zxid, in 3.8 and 3.9 alike. */
	request(driver, 1, ZK_OP_MULTI);
	assert_int_equal(fake_take_code(driver, 1), ZK_MARSHALLINGERROR);
	assert_int_equal(driver->log_count, 2);
}

static void test_paths_are_refused_as_by_apache(void **state)
{
	static const struct {
		const char *path;
		int32_t code;
	} cases[] = {
		{"", ZK_BADARGUMENTS},
		{"a", ZK_BADARGUMENTS},
		{"/", ZK_NODEEXISTS},
		{"/a/../b", ZK_NONODE},
		{"/nope/", ZK_NONODE},
		{"//", ZK_BADARGUMENTS},
		{"/.", ZK_BADARGUMENTS},
		{"/..", ZK_BADARGUMENTS},
		{"/\x01", ZK_BADARGUMENTS},
		{"/\xff", ZK_BADARGUMENTS},
		{"/ok", ZK_OK},
		{"/ok/", ZK_BADARGUMENTS},
		{"/\xc3\xa4", ZK_OK},
		{"/...", ZK_OK},
		{"/ok", ZK_NODEEXISTS},
		{"/e/x", ZK_NOCHILDRENFOREPHEMERALS},
	};
	struct fake_driver *driver = *state;

	(void)fake_connect(driver, 1);
	fake_create(driver, 1, "/e", "", ZK_EPHEMERAL);
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
	for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
		fake_create(driver, 1, cases[at].path, "", 0);
		assert_int_equal(fake_take_code(driver, 1), cases[at].code);
	}
	fake_delete(driver, 1, "/zookeeper/config", -1);
	assert_int_equal(fake_take_code(driver, 1), ZK_BADARGUMENTS);
	fake_delete(driver, 1, "/", -1);
	assert_int_equal(fake_take_code(driver, 1), ZK_BADARGUMENTS);
	fake_delete(driver, 1, "/ok", 3);
	assert_int_equal(fake_take_code(driver, 1), ZK_BADVERSION);
	fake_set_data(driver, 1, "/zookeeper/config", "x", -1);
	assert_int_equal(fake_take_code(driver, 1), ZK_NOAUTH);
}

/* A closeSession that is too large to read would end every server of an ensemble. */
static void test_ephemerals_never_outgrow_their_close_session(void **state)
{
	enum { MAXBUFFER = 2048 };
	struct fake_driver *driver = *state;
	struct server_config config;
	struct txn_header header;
	struct bytes last;
	int created = 0;
	int32_t code;

	server_config_init(&config);
	config.jute_maxbuffer = MAXBUFFER;
	start_anew(state, &config);
	(void)fake_connect(driver, 1);
	do {
		fake_create(driver, 1, "/ephemeral-", "", ZK_EPHEMERAL_SEQUENTIAL);
		code = fake_take_code(driver, 1);
	} while (code == ZK_OK && ++created < MAXBUFFER);
	assert_int_equal(code, ZK_QUOTAEXCEEDED);
	assert_int_equal(created, (MAXBUFFER - 48) / 25);
	/* Room that is given back can be used again. */
	fake_delete(driver, 1, "/ephemeral-0000000000", -1);
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
	fake_create(driver, 1, "/ephemeral-", "", ZK_EPHEMERAL_SEQUENTIAL);
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
	fake_create(driver, 1, "/p", "", 0);
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
	request(driver, 1, ZK_OP_CLOSE_SESSION);
	last = blob_bytes(driver->log[driver->log_count - 1]);
	assert_int_equal(txn_decode_header(last, &header), 0);
	assert_int_equal(header.type, ZK_OP_CLOSE_SESSION);
	assert_true(bytes_size(last) <= MAXBUFFER);
	assert_int_equal(tree_ephemeral_count(server_tree(driver->server)), 0);
}

static void test_auth_failure_answers_then_closes(void **state)
{
	const struct zk_auth_packet packet = {.scheme = bytes_of_text("nope"),
					      .auth = bytes_of_text("x")};
	struct fake_driver *driver = *state;
	struct buf record = nothing();

	(void)fake_connect(driver, 1);
	zk_auth_packet_write(&record, &packet);
	fake_request(driver, 1, ZK_OP_AUTH, &record);
	assert_int_equal(fake_take_code(driver, 1), ZK_AUTHFAILED);
	assert_true(is_closed(driver, 1));
}

/* ---- multi ---- */

static void add_part(struct buf *record, int32_t opcode)
{
	const struct zk_multi_header header = {.type = opcode, .err = -1};

	zk_multi_header_write(record, &header);
}

static void add_delete(struct buf *record, const char *path)
{
	const struct zk_path_version_request delete = {.path = bytes_of_text(path), .version = -1};

	add_part(record, ZK_OP_DELETE);
	zk_path_version_request_write(record, &delete);
}

static void add_end(struct buf *record)
{
	const struct zk_multi_header end = {.type = -1, .done = true, .err = -1};

	zk_multi_header_write(record, &end);
}

/* An exception in Java's processor: the parts are not reported one by one. */
static void test_exception_in_a_multi_fails_all_of_it(void **state)
{
	const struct zk_acl acl = {
		.perms = ZK_PERM_ALL, .scheme = bytes_of_text("digest"), .id = BYTES_NULL};
	struct zk_create_request create = {.path = bytes_of_text("/b"), .data = BYTES_NULL};
	struct fake_driver *driver = *state;
	struct buf record = nothing();
	struct buf acls = nothing();

	(void)fake_connect(driver, 1);
	fake_create(driver, 1, "/a", "x", 0);
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
	add_delete(&record, "/a");
	zk_acl_write(&acls, &acl);
	create.acls = (struct zk_acls){.count = 1, .encoded = buf_bytes(&acls)};
	add_part(&record, ZK_OP_CREATE);
	zk_create_request_write(&record, &create);
	buf_release(&acls);
	add_end(&record);
	fake_request(driver, 1, ZK_OP_MULTI, &record);
	assert_int_equal(fake_take_code(driver, 1), ZK_MARSHALLINGERROR);
	assert_non_null(tree_find(server_tree(driver->server), bytes_of_text("/a")));
	/* The delete was taken back where later requests look, too. */
	fake_set_data(driver, 1, "/a", "y", 0);
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
}

static void test_multi_read_that_ends_in_an_exception(void **state)
{
	const struct zk_path_watch_request children = {.path = bytes_of_text("/zookeeper/quota")};
	const struct zk_path_watch_request null_path = {.path = BYTES_NULL};
	struct fake_driver *driver = *state;
	struct buf record = nothing();
	struct fake_reply reply;

	(void)fake_connect(driver, 1);
	add_delete(&record, "/a");
	add_end(&record);
	fake_request(driver, 1, ZK_OP_MULTI_READ, &record);
	assert_true(fake_take_reply(driver, 1, &reply));
	assert_int_equal(reply.header.err, ZK_MARSHALLINGERROR);
	assert_int_equal(bytes_size(reply.body), ZK_MULTI_HEADER_SIZE);
	/* What was read before the exception is in the answer. */
	record = nothing();
	add_part(&record, ZK_OP_GET_CHILDREN);
	zk_path_watch_request_write(&record, &children);
	add_part(&record, ZK_OP_GET_CHILDREN);
	zk_path_watch_request_write(&record, &null_path);
	add_end(&record);
	fake_request(driver, 1, ZK_OP_MULTI_READ, &record);
	assert_true(fake_take_reply(driver, 1, &reply));
	assert_int_equal(reply.header.err, ZK_MARSHALLINGERROR);
	assert_int_equal(bytes_size(reply.body), 2 * ZK_MULTI_HEADER_SIZE + 4);
	request(driver, 1, ZK_OP_MULTI_READ);
	assert_int_equal(fake_take_code(driver, 1), ZK_MARSHALLINGERROR);
}

/* ---- watches ---- */

static void add_watch(struct fake_driver *driver, connection_id_t id, const char *path,
		      int32_t mode)
{
	const struct zk_path_type_request watch = {.path = bytes_of_text(path), .type = mode};
	struct buf record = nothing();

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
	struct buf acls = nothing();
	struct buf record = nothing();

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
	struct buf record = nothing();

	(void)fake_connect(driver, 1);
	zk_set_watches_write(&record, &set);
	fake_request(driver, 1, ZK_OP_SET_WATCHES, &record);
	assert_int_equal(fake_take_code(driver, 1), ZK_MARSHALLINGERROR);
}

/* ---- malformed input ---- */

static const int32_t all_opcodes[] = {
	ZK_OP_CREATE,
	ZK_OP_DELETE,
	ZK_OP_EXISTS,
	ZK_OP_GET_DATA,
	ZK_OP_SET_DATA,
	ZK_OP_GET_ACL,
	ZK_OP_SET_ACL,
	ZK_OP_GET_CHILDREN,
	ZK_OP_SYNC,
	ZK_OP_PING,
	ZK_OP_GET_CHILDREN2,
	ZK_OP_MULTI,
	ZK_OP_CREATE2,
	ZK_OP_RECONFIG,
	ZK_OP_CHECK_WATCHES,
	ZK_OP_REMOVE_WATCHES,
	ZK_OP_CREATE_CONTAINER,
	ZK_OP_DELETE_CONTAINER,
	ZK_OP_CREATE_TTL,
	ZK_OP_MULTI_READ,
	ZK_OP_AUTH,
	ZK_OP_SET_WATCHES,
	ZK_OP_SASL,
	ZK_OP_GET_EPHEMERALS,
	ZK_OP_GET_ALL_CHILDREN_NUMBER,
	ZK_OP_SET_WATCHES2,
	ZK_OP_ADD_WATCH,
	ZK_OP_WHO_AM_I,
};
enum { OPCODE_COUNT = sizeof(all_opcodes) / sizeof(all_opcodes[0]) };

/* What a request without a body gets (spec/client-protocol.md 1 and 13). */
static void test_every_operation_without_a_body(void **state)
{
	struct fake_driver *driver = *state;

	for (size_t at = 0; at < OPCODE_COUNT; at++) {
		int32_t opcode = all_opcodes[at];
		int32_t expected = ZK_MARSHALLINGERROR;
		struct fake_reply reply;

		(void)fake_connect(driver, at);
		request(driver, at, opcode);
		if (opcode == ZK_OP_AUTH || opcode == ZK_OP_SASL) {
			fake_expect_nothing(driver, at);
			assert_true(is_closed(driver, at));
			continue;
		}
		if (opcode == ZK_OP_PING || opcode == ZK_OP_WHO_AM_I)
			expected = ZK_OK;
		if (opcode == ZK_OP_DELETE_CONTAINER)
			expected = ZK_BADARGUMENTS;
		assert_true(fake_take_reply(driver, at, &reply));
		assert_int_equal(reply.header.err, expected);
		assert_false(is_closed(driver, at));
	}
}

static void test_a_cut_header_or_connect_request_closes(void **state)
{
	struct fake_driver *driver = *state;
	uint8_t zeros[44] = {0};

	(void)fake_connect(driver, 1);
	fake_send(driver, 1, bytes_of(zeros, 7));
	fake_expect_nothing(driver, 1);
	assert_true(is_closed(driver, 1));
	for (connection_id_t id = 2; id < 30; id++) {
		fake_open(driver, id, "127.0.0.1");
		fake_send(driver, id, bytes_of(zeros, id - 2)); /* 28 is the least that decodes */
		fake_expect_nothing(driver, id);
		assert_true(is_closed(driver, id));
	}
	fake_open(driver, 30, "127.0.0.1");
	fake_send(driver, 30, bytes_of(zeros, 28));
	assert_false(is_closed(driver, 30));
}

/* Whatever comes: the server's invariants hold, and only this connection suffers. */
static void test_random_frames(void **state)
{
	enum { FRAME_COUNT = 20000, FRAME_SIZE_MAX = 60 };
	struct fake_driver *driver = *state;
	uint8_t frame[FRAME_SIZE_MAX];
	struct prng prng;

	prng_init(&prng, 7);
	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, 2);
	for (int count = 0; count < FRAME_COUNT; count++) {
		size_t size = prng_below(&prng, FRAME_SIZE_MAX);

		for (size_t at = 0; at < size; at++) /* mostly small numbers: lengths that fit */
			frame[at] =
				prng_below(&prng, 3) ? 0 : (uint8_t)prng_below(&prng, 256) & 0x7;
		if (size > 7) {
			frame[4] = frame[5] = frame[6] = 0;
			frame[7] = (uint8_t)all_opcodes[prng_below(&prng, OPCODE_COUNT)];
		}
		fake_send(driver, 2, bytes_of(frame, size));
		while (!bytes_is_null(fake_take_frame(driver, 2)))
			;
		if (!is_closed(driver, 2))
			continue;
		fake_close(driver, 2);
		(void)fake_connect(driver, 2);
	}
	assert_false(is_closed(driver, 1));
	request(driver, 1, ZK_OP_PING);
	expect_reply(driver, 1, ZK_XID_PING, ZK_OK);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		TEST(test_reading_pauses_while_too_much_is_in_process),
		TEST(test_writes_are_held_while_intake_is_off),
		TEST(test_what_is_held_has_a_maximum),
		TEST(test_unknown_operations_close),
		TEST(test_ttl_is_refused_as_by_apache),
		TEST(test_undecodable_write_makes_no_transaction),
		TEST(test_paths_are_refused_as_by_apache),
		TEST(test_ephemerals_never_outgrow_their_close_session),
		TEST(test_auth_failure_answers_then_closes),
		TEST(test_exception_in_a_multi_fails_all_of_it),
		TEST(test_multi_read_that_ends_in_an_exception),
		TEST(test_all_three_modes_on_one_path),
		TEST(test_events_are_filtered_by_acl_but_use_up_the_watch),
		TEST(test_watches_end_with_their_connection),
		TEST(test_set_watches_with_a_null_list_is_refused),
		TEST(test_every_operation_without_a_body),
		TEST(test_a_cut_header_or_connect_request_closes),
		TEST(test_random_frames),
		TEST(test_statistics),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
