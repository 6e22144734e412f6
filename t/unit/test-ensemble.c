/* The servers of an ensemble, step by step: a leader, two learners, and who is connected where. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replica/tree/txn.h"
#include "src/base/prng.h"
#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"
#include "t/unit/fake-ensemble.h"
#include "t/unit/vectors.h"

enum { LEADER = FAKE_LEADER, A = 1, B = 2 };

static void send_reconnect(struct fake_ensemble *ensemble, int node, connection_id_t id,
			   session_id_t session_id)
{
	uint8_t password[ZK_PASSWORD_SIZE];

	session_password(session_id, password);
	fake_send_connect(fake_node(ensemble, node), id, session_id,
			  bytes_of(password, sizeof(password)), 0);
}

/* The session that it gets: the same, or 0. */
static session_id_t reconnect(struct fake_ensemble *ensemble, int node, connection_id_t id,
			      session_id_t session_id)
{
	send_reconnect(ensemble, node, id, session_id);
	fake_ensemble_pump(ensemble);
	return fake_take_session(fake_node(ensemble, node), id);
}

static const struct session *tracked(struct fake_ensemble *ensemble, session_id_t id)
{
	return session_find(server_sessions(fake_node(ensemble, LEADER)->server), id);
}

static bool exists(struct fake_ensemble *ensemble, int node, const char *path)
{
	return tree_find(fake_node(ensemble, node)->tree, bytes_of_text(path)) != NULL;
}

/* The transaction that was proposed last. */
static struct txn last_txn(const struct fake_ensemble *ensemble)
{
	struct txn txn;

	assert_int_equal(txn_decode(blob_bytes(ensemble->log[ensemble->log_count - 1]), &txn), 0);
	return txn;
}

/* ---- writes and reads ---- */

static void test_epoch_begins_with_counter_one(void **state)
{
	struct fake_ensemble *ensemble = *state;

	(void)fake_ensemble_connect(ensemble, LEADER, 1);
	assert_int_equal(tree_zxid(fake_node(ensemble, A)->tree), zxid_make(FAKE_EPOCH, 1));
}

static void test_write_at_a_learner_is_everybodys(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	struct fake_reply reply;

	(void)fake_ensemble_connect(ensemble, A, 1);
	fake_create(a, 1, "/a", "x", 0);
	fake_expect_nothing(a, 1);
	fake_ensemble_pump(ensemble);
	assert_true(fake_take_reply(a, 1, &reply));
	assert_int_equal(reply.header.err, ZK_OK);
	assert_int_equal(reply.header.zxid, fake_proposed(ensemble));
	for (int node = 0; node < FAKE_NODE_COUNT; node++)
		assert_true(exists(ensemble, node, "/a"));
}

static void test_failed_write_takes_a_zxid(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	struct fake_reply reply;

	(void)fake_ensemble_connect(ensemble, A, 1);
	fake_delete(a, 1, "/nope", -1);
	fake_ensemble_pump(ensemble);
	assert_true(fake_take_reply(a, 1, &reply));
	assert_int_equal(reply.header.err, ZK_NONODE);
	assert_int_equal(reply.header.zxid, zxid_make(FAKE_EPOCH, 2));
}

static void test_read_waits_for_own_write_only(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	(void)fake_ensemble_connect(ensemble, A, 1);
	(void)fake_ensemble_connect(ensemble, A, 2);
	ensemble->is_slow = true;
	fake_create(a, 1, "/a", "x", 0);
	fake_read(a, 1, ZK_OP_EXISTS, "/a", false);
	fake_set_data(a, 1, "/a", "y", 0);
	fake_request_bare(a, 1, ZK_OP_PING);
	fake_read(a, 2, ZK_OP_EXISTS, "/a", false);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(a, 1);
	assert_int_equal(fake_take_code(a, 2), ZK_NONODE);
	fake_ensemble_commit(ensemble, 1);
	fake_ensemble_pump(ensemble);
	fake_expect_reply(a, 1, 1, ZK_OK);
	fake_expect_reply(a, 1, 2, ZK_OK);
	fake_expect_nothing(a, 1);
	fake_ensemble_commit(ensemble, 1);
	fake_ensemble_pump(ensemble);
	fake_expect_reply(a, 1, 3, ZK_OK);
	fake_expect_reply(a, 1, ZK_XID_PING, ZK_OK);
}

static void test_watches_fire_at_learners_before_the_answer(void **state)
{
	struct fake_ensemble *ensemble = *state;

	for (int node = 0; node < FAKE_NODE_COUNT; node++) {
		(void)fake_ensemble_connect(ensemble, node, 1);
		fake_read(fake_node(ensemble, node), 1, ZK_OP_EXISTS, "/a", true);
		assert_int_equal(fake_take_code(fake_node(ensemble, node), 1), ZK_NONODE);
	}
	fake_create(fake_node(ensemble, B), 1, "/a", "x", 0);
	fake_ensemble_pump(ensemble);
	for (int node = 0; node < FAKE_NODE_COUNT; node++)
		fake_expect_event(fake_node(ensemble, node), 1, ZK_EVENT_NODE_CREATED, "/a");
	assert_int_equal(fake_take_code(fake_node(ensemble, B), 1), ZK_OK);
}

static void test_multi_at_a_learner_answers_each_part(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	const struct zk_multi_header header = {.type = ZK_OP_CREATE, .err = -1};
	const struct zk_multi_header end = {.type = -1, .done = true, .err = -1};
	const struct zk_create_request create = {
		.path = bytes_of_text("/m"), .data = BYTES_NULL, .acls = zk_acls_open()};
	struct zk_multi_header result;
	struct jute_reader reader;
	struct fake_reply reply;
	struct buf body = fake_record();

	(void)fake_ensemble_connect(ensemble, A, 1);
	for (int part = 0; part < 2; part++) {
		zk_multi_header_write(&body, &header);
		zk_create_request_write(&body, &create);
	}
	zk_multi_header_write(&body, &end);
	fake_request(a, 1, ZK_OP_MULTI, &body);
	fake_ensemble_pump(ensemble);
	assert_true(fake_take_reply(a, 1, &reply));
	assert_int_equal(reply.header.err, ZK_OK);
	jute_reader_init(&reader, reply.body.data, bytes_size(reply.body), SIZE_MAX);
	zk_multi_header_read(&reader, &result);
	assert_int_equal(result.type, ZK_OP_ERROR);
	assert_int_equal(jute_read_int(&reader), ZK_OK);
	zk_multi_header_read(&reader, &result);
	assert_int_equal(jute_read_int(&reader), ZK_NODEEXISTS);
	assert_false(exists(ensemble, B, "/m"));
}

static void test_throttled_learner_reads_on_when_answers_come(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	(void)fake_ensemble_connect(ensemble, A, 1);
	ensemble->is_slow = true;
	for (int at = 0; at <= 1001; at++)
		fake_create(a, 1, "/a", "x", 0);
	assert_true(a->connections[1].is_paused);
	fake_ensemble_pump(ensemble);
	fake_ensemble_commit(ensemble, SIZE_MAX);
	fake_ensemble_pump(ensemble);
	assert_false(a->connections[1].is_paused);
}

/* ---- sync ---- */

static void test_sync_at_a_learner_waits_for_what_was_proposed(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	(void)fake_ensemble_connect(ensemble, A, 1);
	(void)fake_ensemble_connect(ensemble, LEADER, 2);
	ensemble->is_slow = true;
	fake_create(fake_node(ensemble, LEADER), 2, "/a", "x", 0);
	fake_read(a, 1, ZK_OP_SYNC, "/", false);
	fake_read(a, 1, ZK_OP_EXISTS, "/a", false);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(a, 1);
	fake_create(fake_node(ensemble, LEADER), 2, "/b", "x", 0);
	fake_ensemble_commit(ensemble, 1);
	/* The learner knows of /b before SYNC comes, so it waits for it, too. */
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(a, 1);
	fake_ensemble_commit(ensemble, 1);
	fake_ensemble_pump(ensemble);
	fake_expect_reply(a, 1, 1, ZK_OK);
	fake_expect_reply(a, 1, 2, ZK_OK);
}

static void test_sync_with_nothing_proposed_is_answered_at_once(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	(void)fake_ensemble_connect(ensemble, A, 1);
	ensemble->is_slow = true;
	fake_read(a, 1, ZK_OP_SYNC, "/x", false);
	fake_expect_nothing(a, 1);
	fake_ensemble_pump(ensemble);
	fake_expect_reply(a, 1, 1, ZK_OK);
}

static void deliver(struct fake_ensemble *ensemble, int node, bool to_leader)
{
	const struct fake_node *at = &ensemble->nodes[node];

	assert_false(list_is_empty(to_leader ? &at->to_leader : &at->to_learner));
	assert_true(fake_ensemble_deliver_one(ensemble, (uint32_t)node * 2 + to_leader));
}

static void test_each_sync_answers_the_one_that_was_sent_first(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	for (connection_id_t id = 1; id <= 3; id++)
		(void)fake_ensemble_connect(ensemble, A, id);
	for (connection_id_t id = 1; id <= 3; id++)
		fake_read(a, id, ZK_OP_SYNC, "/", false);
	fake_close(a, 1);
	for (int at = 0; at < 3; at++)
		deliver(ensemble, A, true);
	/* Whose sync it was is gone: it is nobody else's. */
	deliver(ensemble, A, false);
	fake_expect_nothing(a, 2);
	deliver(ensemble, A, false);
	fake_expect_reply(a, 2, 1, ZK_OK);
	fake_expect_nothing(a, 3);
	deliver(ensemble, A, false);
	fake_expect_reply(a, 3, 1, ZK_OK);
	assert_false(server_synced(a->server));
	fake_perform_all(a);
}

/* COMMIT goes out when a quorum has logged, SYNC when the leader has. */
static void test_sync_before_a_write_does_not_hold_it_up(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	(void)fake_ensemble_connect(ensemble, A, 1);
	(void)fake_ensemble_connect(ensemble, B, 2);
	ensemble->is_slow = true;
	fake_create(fake_node(ensemble, B), 2, "/a", "x", 0);
	fake_ensemble_pump(ensemble);
	fake_read(a, 1, ZK_OP_SYNC, "/", false);
	fake_read(a, 1, ZK_OP_EXISTS, "/a", false);
	fake_read(a, 1, ZK_OP_EXISTS, "/b", false);
	fake_create(a, 1, "/b", "x", 0);
	fake_ensemble_pump(ensemble);
	for (int at = 0; at < 2; at++) {
		zxid_t zxid = tree_zxid(a->tree) + 1;

		server_deliver(a->server, zxid, blob_bytes(ensemble->log[zxid_counter(zxid) - 1]));
		fake_perform_all(a);
	}
	fake_expect_reply(a, 1, 1, ZK_OK);
	fake_expect_reply(a, 1, 2, ZK_OK);
	/* It was asked before the write. */
	fake_expect_reply(a, 1, 3, ZK_NONODE);
	fake_expect_reply(a, 1, 4, ZK_OK);
	/* SYNC comes late, and is no other's. */
	fake_read(a, 1, ZK_OP_SYNC, "/", false);
	assert_true(server_synced(a->server));
	fake_perform_all(a);
	fake_expect_nothing(a, 1);
	assert_true(server_synced(a->server));
	fake_perform_all(a);
	fake_expect_reply(a, 1, 5, ZK_OK);
}

static void test_sync_without_a_path_fails_and_is_not_sent(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	size_t count;

	(void)fake_ensemble_connect(ensemble, A, 1);
	count = ensemble->request_count;
	fake_request_bare(a, 1, ZK_OP_SYNC);
	fake_expect_reply(a, 1, 1, ZK_MARSHALLINGERROR);
	fake_ensemble_pump(ensemble);
	assert_int_equal(ensemble->request_count, count);
}

/* ---- sessions ---- */

static void test_session_of_a_learner_is_the_leaders_too(void **state)
{
	struct fake_ensemble *ensemble = *state;
	session_id_t id = fake_ensemble_connect(ensemble, A, 1);

	assert_int_equal((uint64_t)id >> 56, A + 1);
	assert_non_null(tracked(ensemble, id));
	assert_int_equal(tracked(ensemble, id)->owner, A);
	assert_int_equal(tracked(ensemble, id)->timeout_ms, 10000);
	for (int node = 0; node < FAKE_NODE_COUNT; node++)
		assert_non_null(tree_find_session(fake_node(ensemble, node)->tree, id));
}

static void test_frames_before_the_session_is_there_wait(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	fake_send_connect(a, 1, 0, BYTES_NULL, 0);
	assert_true(a->connections[1].is_paused);
	fake_create(a, 1, "/a", "x", 0);
	fake_ensemble_pump(ensemble);
	assert_false(a->connections[1].is_paused);
	assert_int_not_equal(fake_take_session(a, 1), 0);
	fake_expect_reply(a, 1, 1, ZK_OK);
}

static void test_touched_sessions_live_and_others_expire(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	session_id_t silent = fake_ensemble_connect(ensemble, A, 1);
	session_id_t alive = fake_ensemble_connect(ensemble, A, 2);

	fake_create(a, 1, "/e", "x", ZK_EPHEMERAL);
	fake_ensemble_pump(ensemble);
	assert_int_equal(fake_take_code(a, 1), ZK_OK);
	fake_ensemble_ping(ensemble);
	for (int at = 0; at < 3; at++) {
		fake_ensemble_advance(ensemble, 4000);
		fake_request_bare(a, 2, ZK_OP_PING);
		fake_ensemble_ping(ensemble);
	}
	assert_null(tracked(ensemble, silent));
	assert_non_null(tracked(ensemble, alive));
	assert_true(fake_is_closed(a, 1));
	fake_expect_nothing(a, 1);
	assert_false(fake_is_closed(a, 2));
	assert_false(exists(ensemble, B, "/e"));
}

static void test_table_names_each_session_once_and_is_empty_then(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	session_id_t id = fake_ensemble_connect(ensemble, A, 1);
	struct buf table = fake_record();
	struct zab_session session;

	fake_request_bare(a, 1, ZK_OP_PING);
	fake_request_bare(a, 1, ZK_OP_PING);
	/* Even if it has gone since. */
	fake_close(a, 1);
	server_take_touched(a->server, &table);
	assert_int_equal(table.size, ZAB_SESSION_SIZE);
	assert_int_equal(zab_session_read(buf_bytes(&table), &session), 0);
	assert_int_equal(session.id, id);
	assert_int_equal(session.timeout_ms, 10000);
	buf_reset(&table);
	server_take_touched(a->server, &table);
	assert_int_equal(table.size, 0);
	buf_release(&table);
}

static void test_table_of_half_an_entry_is_refused(void **state)
{
	struct server *leader = fake_node(*state, LEADER)->server;

	assert_int_equal(server_learner_touched(leader, bytes_of("0123456789a", 11)), -EBADMSG);
	assert_int_equal(server_learner_touched(leader, BYTES_NULL), -EBADMSG);
	assert_int_equal(server_learner_touched(leader, bytes_of("", 0)), 0);
}

static void test_close_session_at_a_learner(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	session_id_t id = fake_ensemble_connect(ensemble, A, 1);
	size_t count;

	fake_create(a, 1, "/e", "x", ZK_EPHEMERAL);
	fake_request_bare(a, 1, ZK_OP_CLOSE_SESSION);
	count = ensemble->log_count;
	fake_create(a, 1, "/f", "x", 0); /* behind it: dropped */
	fake_ensemble_pump(ensemble);
	fake_expect_reply(a, 1, 1, ZK_OK);
	fake_expect_reply(a, 1, 2, ZK_OK);
	fake_expect_nothing(a, 1);
	assert_true(fake_is_closed(a, 1));
	assert_int_equal(ensemble->log_count, count + 2);
	assert_null(tracked(ensemble, id));
	assert_false(exists(ensemble, LEADER, "/e"));
}

static void test_session_moves_between_learners(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	struct fake_driver *b = fake_node(ensemble, B);
	session_id_t id = fake_ensemble_connect(ensemble, A, 1);

	fake_create(a, 1, "/e", "x", ZK_EPHEMERAL);
	fake_ensemble_pump(ensemble);
	assert_int_equal(fake_take_code(a, 1), ZK_OK);
	assert_int_equal(reconnect(ensemble, B, 1, id), id);
	assert_int_equal(tracked(ensemble, id)->owner, B);
	/* The old server isn't told: it still answers reads, and hears of it by the next write. */
	fake_read(a, 1, ZK_OP_EXISTS, "/e", false);
	assert_int_equal(fake_take_code(a, 1), ZK_OK);
	fake_set_data(a, 1, "/e", "y", -1);
	fake_ensemble_pump(ensemble);
	assert_int_equal(last_txn(ensemble).header.type, ZK_OP_ERROR);
	assert_int_equal(last_txn(ensemble).record.error.err, ZK_SESSIONMOVED);
	fake_expect_nothing(a, 1);
	assert_true(fake_is_closed(a, 1));
	fake_set_data(b, 1, "/e", "z", 0);
	fake_ensemble_pump(ensemble);
	assert_int_equal(fake_take_code(b, 1), ZK_OK);
}

/* The codes are in its parts, and the multi itself is no failure. */
static void test_multi_of_a_moved_session_ends_its_connection(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	const struct zk_multi_header header = {.type = ZK_OP_DELETE, .err = -1};
	const struct zk_multi_header end = {.type = -1, .done = true, .err = -1};
	const struct zk_path_version_request delete = {.path = bytes_of_text("/x"), .version = -1};
	session_id_t id = fake_ensemble_connect(ensemble, A, 1);
	struct buf body = fake_record();

	assert_int_equal(reconnect(ensemble, B, 1, id), id);
	zk_multi_header_write(&body, &header);
	zk_path_version_request_write(&body, &delete);
	zk_multi_header_write(&body, &end);
	fake_request(a, 1, ZK_OP_MULTI, &body);
	fake_ensemble_pump(ensemble);
	assert_int_equal(last_txn(ensemble).header.type, ZK_OP_MULTI);
	fake_expect_nothing(a, 1);
	assert_true(fake_is_closed(a, 1));
}

/* A leader that knows the session no more refuses to close it; the connection ends all the same. */
static void test_refused_close_session_ends_the_connection(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	struct txn txn = {.header = {.session_id = fake_ensemble_connect(ensemble, A, 1),
				     .cxid = 1,
				     .zxid = fake_proposed(ensemble) + 1,
				     .type = ZK_OP_ERROR},
			  .record = {.type = ZK_OP_ERROR, .error = {ZK_SESSIONEXPIRED}}};
	struct buf bytes = fake_record();

	fake_request_bare(a, 1, ZK_OP_CLOSE_SESSION);
	txn_encode(&bytes, &txn);
	server_deliver(a->server, txn.header.zxid, buf_bytes(&bytes));
	fake_perform_all(a);
	fake_expect_reply(a, 1, 1, ZK_SESSIONEXPIRED);
	assert_true(fake_is_closed(a, 1));
	buf_release(&bytes);
}

static void test_session_moves_from_the_leader_and_back(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *leader = fake_node(ensemble, LEADER);
	struct fake_driver *a = fake_node(ensemble, A);
	session_id_t id = fake_ensemble_connect(ensemble, LEADER, 1);

	assert_int_equal(tracked(ensemble, id)->owner, SESSION_OWNER_SELF);
	assert_int_equal(reconnect(ensemble, A, 1, id), id);
	assert_true(fake_is_closed(leader, 1));
	fake_create(a, 1, "/e", "x", ZK_EPHEMERAL);
	fake_ensemble_pump(ensemble);
	assert_int_equal(fake_take_code(a, 1), ZK_OK);
	assert_int_equal(reconnect(ensemble, LEADER, 2, id), id);
	fake_set_data(leader, 2, "/e", "y", 0);
	fake_ensemble_pump(ensemble);
	assert_int_equal(fake_take_code(leader, 2), ZK_OK);
	fake_delete(a, 1, "/e", -1);
	fake_ensemble_pump(ensemble);
	assert_true(fake_is_closed(a, 1));
	assert_true(exists(ensemble, B, "/e"));
}

static void test_unknown_session_is_refused_by_the_leader(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	assert_int_equal(reconnect(ensemble, A, 1, 4711), 0);
	assert_true(fake_is_closed(a, 1));
}

static void test_wrong_password_is_refused_by_the_learner(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	session_id_t id = fake_ensemble_connect(ensemble, A, 1);

	fake_send_connect(a, 2, id, bytes_of("0123456789abcdef", 16), 0);
	assert_int_equal(fake_take_session(a, 2), 0);
	assert_true(fake_is_closed(a, 2));
	assert_true(fake_is_closed(a, 1));
}

static void test_client_may_have_seen_the_epochs_begin_and_no_more(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	fake_send_connect(a, 1, 0, BYTES_NULL, zxid_make(FAKE_EPOCH, 0));
	assert_false(fake_is_closed(a, 1));
	fake_send_connect(a, 2, 0, BYTES_NULL, zxid_make(FAKE_EPOCH, 1));
	assert_true(fake_is_closed(a, 2));
	fake_ensemble_pump(ensemble);
}

static void test_session_that_moves_finds_its_writes_done(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *b = fake_node(ensemble, B);
	session_id_t id = fake_ensemble_connect(ensemble, A, 1);

	ensemble->is_slow = true;
	fake_create(fake_node(ensemble, A), 1, "/old", "x", 0);
	fake_ensemble_pump(ensemble);
	send_reconnect(ensemble, B, 1, id);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(b, 1);
	fake_ensemble_commit(ensemble, 1);
	fake_ensemble_pump(ensemble);
	assert_int_equal(fake_take_session(b, 1), id);
	assert_true(exists(ensemble, B, "/old"));
}

static void test_new_leader_keeps_sessions_and_closes_orphans(void **state)
{
	struct tree *tree = tree_new(false);
	const struct tree_row row = {.path = bytes_of_text("/e"),
				     .data = BYTES_NULL,
				     .acls = zk_acls_open(),
				     .stat = {.ephemeral_owner = 99}};
	struct server_config config;
	struct server_action action;
	struct server *server;
	struct txn txn;

	assert_int_equal(tree_load_session(tree, 77, 8000), 0);
	assert_int_equal(tree_load_row(tree, &row), 0);
	tree_set_zxid(tree, zxid_make(2, 9));
	server_config_init(&config);
	server = server_new(&config, tree);
	server_start(server, SERVER_LEADER, 3, 0, 0);
	assert_true(server_take_action(server, &action));
	assert_int_equal(action.type, SERVER_APPEND);
	assert_int_equal(action.zxid, zxid_make(3, 1));
	assert_int_equal(txn_decode(blob_bytes(action.txn), &txn), 0);
	assert_int_equal(txn.header.type, ZK_OP_CLOSE_SESSION);
	assert_int_equal(txn.header.session_id, 99);
	assert_false(server_take_action(server, &action));
	server_check(server);
	assert_int_equal(session_find(server_sessions(server), 77)->owner, SESSION_OWNER_NONE);
	server_free(server);
	tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ENSEMBLE(name)                                                                             \
	cmocka_unit_test_setup_teardown(name, fake_ensemble_setup, fake_ensemble_teardown)
		ENSEMBLE(test_epoch_begins_with_counter_one),
		ENSEMBLE(test_write_at_a_learner_is_everybodys),
		ENSEMBLE(test_failed_write_takes_a_zxid),
		ENSEMBLE(test_read_waits_for_own_write_only),
		ENSEMBLE(test_watches_fire_at_learners_before_the_answer),
		ENSEMBLE(test_multi_at_a_learner_answers_each_part),
		ENSEMBLE(test_throttled_learner_reads_on_when_answers_come),
		ENSEMBLE(test_sync_at_a_learner_waits_for_what_was_proposed),
		ENSEMBLE(test_sync_with_nothing_proposed_is_answered_at_once),
		ENSEMBLE(test_each_sync_answers_the_one_that_was_sent_first),
		ENSEMBLE(test_sync_before_a_write_does_not_hold_it_up),
		ENSEMBLE(test_sync_without_a_path_fails_and_is_not_sent),
		ENSEMBLE(test_session_of_a_learner_is_the_leaders_too),
		ENSEMBLE(test_frames_before_the_session_is_there_wait),
		ENSEMBLE(test_touched_sessions_live_and_others_expire),
		ENSEMBLE(test_table_names_each_session_once_and_is_empty_then),
		ENSEMBLE(test_table_of_half_an_entry_is_refused),
		ENSEMBLE(test_close_session_at_a_learner),
		ENSEMBLE(test_session_moves_between_learners),
		ENSEMBLE(test_multi_of_a_moved_session_ends_its_connection),
		ENSEMBLE(test_refused_close_session_ends_the_connection),
		ENSEMBLE(test_session_moves_from_the_leader_and_back),
		ENSEMBLE(test_unknown_session_is_refused_by_the_leader),
		ENSEMBLE(test_wrong_password_is_refused_by_the_learner),
		ENSEMBLE(test_client_may_have_seen_the_epochs_begin_and_no_more),
		ENSEMBLE(test_session_that_moves_finds_its_writes_done),
		cmocka_unit_test(test_new_leader_keeps_sessions_and_closes_orphans),
	};

	return cmocka_run_group_tests_name("ensemble", tests, NULL, NULL);
}
