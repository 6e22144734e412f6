/*
 * Sessions that come back, at a learner of a leader that answers REVALIDATE as Apache's does: at
 * once, whatever of the session's is on its way. cxids begin anew with each connection.
 */
#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"
#include "t/unit/fake-ensemble.h"

enum { LEADER = FAKE_LEADER, A = 1, B = 2 };

/* B observes: of transactions it hears when they are committed. */
static int setup(void **state)
{
	struct fake_ensemble *ensemble = test_calloc(1, sizeof(*ensemble));
	struct server_config config;

	server_config_init(&config);
	fake_ensemble_init(ensemble, &config);
	ensemble->nodes[B].is_observer = true;
	*state = ensemble;
	return 0;
}

static int teardown(void **state)
{
	fake_ensemble_check(*state);
	fake_ensemble_release(*state);
	test_free(*state);
	return 0;
}

static session_id_t connect(struct fake_ensemble *ensemble, int node, connection_id_t id)
{
	struct fake_driver *driver = fake_node(ensemble, node);
	session_id_t session_id;

	fake_send_connect(driver, id, 0, BYTES_NULL, 0);
	fake_ensemble_pump(ensemble);
	session_id = fake_take_session(driver, id);
	assert_int_not_equal(session_id, 0);
	return session_id;
}

static void send_return(struct fake_ensemble *ensemble, int node, connection_id_t id,
			session_id_t session_id)
{
	uint8_t password[ZK_PASSWORD_SIZE];

	session_password(session_id, password);
	fake_send_connect(fake_node(ensemble, node), id, session_id,
			  bytes_of(password, sizeof(password)), 0);
}

/* The answer that an Apache leader gives; that of ours changes nothing any more. */
static void revalidate(struct fake_ensemble *ensemble, int node, session_id_t session_id,
		       bool is_valid)
{
	struct fake_driver *driver = fake_node(ensemble, node);

	server_revalidated(driver->server, session_id, is_valid);
	fake_perform_all(driver);
}

static void sync_arrives(struct fake_driver *driver)
{
	assert_true(server_synced(driver->server));
	fake_perform_all(driver);
}

static void commit(struct fake_ensemble *ensemble, size_t count)
{
	fake_ensemble_commit(ensemble, count);
	fake_ensemble_pump(ensemble);
}

static bool exists(struct fake_ensemble *ensemble, int node, const char *path)
{
	return tree_find(fake_node(ensemble, node)->tree, bytes_of_text(path)) != NULL;
}

static void expect_reply(struct fake_driver *driver, connection_id_t id, int32_t xid, int32_t code)
{
	struct fake_reply reply;

	assert_true(fake_take_reply(driver, id, &reply));
	assert_int_equal(reply.header.xid, xid);
	assert_int_equal(reply.header.err, code);
}

static bool is_closed(struct fake_driver *driver, connection_id_t id)
{
	return driver->connections[id].is_closed;
}

static size_t outstanding(struct fake_driver *driver)
{
	struct server_stats stats;

	server_get_stats(driver->server, &stats);
	return stats.outstanding;
}

/* ---- what was asked for over an earlier connection ---- */

/* /old of the first connection and /new of the second have the same session and cxid. */
static void expect_new_only(struct fake_ensemble *ensemble, int node, connection_id_t id)
{
	struct fake_driver *driver = fake_node(ensemble, node);

	fake_create(driver, id, "/new", "x", 0);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(driver, id);
	commit(ensemble, 1);
	expect_reply(driver, id, 1, ZK_OK);
	assert_true(exists(ensemble, node, "/new"));
}

static void expect_its_write_answers_nothing(struct fake_ensemble *ensemble, int from, int to)
{
	session_id_t id = connect(ensemble, from, 1);

	ensemble->is_slow = true;
	fake_create(fake_node(ensemble, from), 1, "/old", "x", 0);
	fake_ensemble_pump(ensemble);
	send_return(ensemble, to, 2, id);
	revalidate(ensemble, to, id, true);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(fake_node(ensemble, to), 2);
	commit(ensemble, 1);
	assert_int_equal(fake_take_session(fake_node(ensemble, to), 2), id);
	assert_true(exists(ensemble, to, "/old"));
	expect_new_only(ensemble, to, 2);
}

static void test_write_from_elsewhere_answers_nothing_at_an_observer(void **state)
{
	expect_its_write_answers_nothing(*state, A, B);
}

static void test_write_from_here_answers_nothing_at_an_observer(void **state)
{
	expect_its_write_answers_nothing(*state, B, B);
}

static void test_write_from_elsewhere_answers_nothing_at_a_follower(void **state)
{
	expect_its_write_answers_nothing(*state, B, A);
}

/* The leader has the request in its queue, and has proposed nothing yet, when it answers. */
static void test_request_that_waits_at_the_leader_answers_nothing(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	session_id_t id = connect(ensemble, A, 1);

	fake_intake(fake_node(ensemble, LEADER), false);
	fake_create(a, 1, "/old", "x", 0);
	send_return(ensemble, A, 2, id);
	revalidate(ensemble, A, id, true);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(a, 2);
	ensemble->is_slow = true;
	fake_intake(fake_node(ensemble, LEADER), true);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(a, 2);
	commit(ensemble, 1);
	assert_int_equal(fake_take_session(a, 2), id);
	expect_new_only(ensemble, A, 2);
}

/* What its last server sends when the session has moved is refused, and can't be told from it. */
static void test_refused_write_from_elsewhere_ends_the_connection(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *b = fake_node(ensemble, B);
	session_id_t id = connect(ensemble, A, 1);

	send_return(ensemble, B, 2, id);
	fake_ensemble_pump(ensemble);
	assert_int_equal(fake_take_session(b, 2), id);
	fake_create(fake_node(ensemble, A), 1, "/old", "x", 0);
	assert_true(fake_ensemble_deliver_one(ensemble, A * 2 + 1));
	fake_create(b, 2, "/new", "x", 0);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(b, 2);
	assert_true(is_closed(b, 2));
	assert_false(exists(ensemble, B, "/old"));
	assert_true(exists(ensemble, B, "/new"));
}

/* ---- the two answers ---- */

static void test_session_is_resumed_by_both_answers_in_either_order(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *b = fake_node(ensemble, B);
	session_id_t first = connect(ensemble, B, 1);
	session_id_t second = connect(ensemble, B, 2);

	send_return(ensemble, B, 3, first);
	send_return(ensemble, B, 4, second);
	assert_int_equal(outstanding(b), 2);
	revalidate(ensemble, B, first, true);
	fake_expect_nothing(b, 3);
	sync_arrives(b);
	assert_int_equal(fake_take_session(b, 3), first);
	sync_arrives(b);
	fake_expect_nothing(b, 4);
	revalidate(ensemble, B, second, true);
	assert_int_equal(fake_take_session(b, 4), second);
	assert_int_equal(outstanding(b), 0);
	assert_false(server_synced(b->server));
	fake_perform_all(b);
}

static void test_requests_behind_the_connect_request_are_taken_in_order(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *b = fake_node(ensemble, B);
	session_id_t id = connect(ensemble, B, 1);

	send_return(ensemble, B, 2, id);
	fake_create(b, 2, "/a", "x", 0);
	fake_read(b, 2, ZK_OP_EXISTS, "/a", false);
	fake_read(b, 2, ZK_OP_SYNC, "/a", false);
	fake_ensemble_pump(ensemble);
	assert_int_equal(fake_take_session(b, 2), id);
	expect_reply(b, 2, 1, ZK_OK);
	expect_reply(b, 2, 2, ZK_OK);
	expect_reply(b, 2, 3, ZK_OK);
}

/* SYNC names none: it must not be taken for the answer to the next one's. */
static void test_sync_of_who_is_gone_or_turned_away_is_nobody_elses(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *b = fake_node(ensemble, B);
	session_id_t gone = connect(ensemble, B, 1);

	(void)connect(ensemble, B, 2);
	send_return(ensemble, B, 3, gone);
	fake_close(b, 3);
	send_return(ensemble, B, 4, 4711);
	revalidate(ensemble, B, 4711, false);
	assert_int_equal(fake_take_session(b, 4), 0);
	assert_true(is_closed(b, 4));
	fake_read(b, 2, ZK_OP_SYNC, "/", false);
	sync_arrives(b);
	sync_arrives(b);
	fake_expect_nothing(b, 2);
	sync_arrives(b);
	expect_reply(b, 2, 1, ZK_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define RETURN(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		RETURN(test_write_from_elsewhere_answers_nothing_at_an_observer),
		RETURN(test_write_from_here_answers_nothing_at_an_observer),
		RETURN(test_write_from_elsewhere_answers_nothing_at_a_follower),
		RETURN(test_request_that_waits_at_the_leader_answers_nothing),
		RETURN(test_refused_write_from_elsewhere_ends_the_connection),
		RETURN(test_session_is_resumed_by_both_answers_in_either_order),
		RETURN(test_requests_behind_the_connect_request_are_taken_in_order),
		RETURN(test_sync_of_who_is_gone_or_turned_away_is_nobody_elses),
	};

	return cmocka_run_group_tests_name("ensemble-return", tests, NULL, NULL);
}
