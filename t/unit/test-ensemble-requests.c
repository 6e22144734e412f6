/* Requests that a learner must not forward, and what a leader makes of those that come all the
 * same; packets as Apache's servers send them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replica/tree/txn.h"
#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"
#include "t/unit/fake-ensemble.h"
#include "t/unit/vectors.h"

enum { LEADER = FAKE_LEADER, A = 1, B = 2 };

static const struct session *tracked(struct fake_ensemble *ensemble, session_id_t id)
{
	return session_find(server_sessions(fake_node(ensemble, LEADER)->server), id);
}

/* The transaction that was proposed last. */
static struct txn last_txn(const struct fake_ensemble *ensemble)
{
	struct txn txn;

	assert_int_equal(txn_decode(blob_bytes(ensemble->log[ensemble->log_count - 1]), &txn), 0);
	return txn;
}

/* ---- what must not reach a leader ---- */

static void create_ttl(struct fake_driver *driver, connection_id_t id, int32_t flags, int64_t ttl)
{
	const struct zk_create_ttl_request create = {.create = {.path = bytes_of_text("/t"),
								.data = BYTES_NULL,
								.acls = zk_acls_open(),
								.flags = flags},
						     .ttl_ms = ttl};
	struct buf body = fake_record();

	zk_create_ttl_request_write(&body, &create);
	fake_request(driver, id, ZK_OP_CREATE_TTL, &body);
}

static void test_poison_is_answered_by_the_learner(void **state)
{
	static const int32_t undecodable[] = {
		ZK_OP_CREATE,   ZK_OP_CREATE2,  ZK_OP_CREATE_TTL,
		ZK_OP_DELETE,   ZK_OP_SET_DATA, ZK_OP_SET_ACL,
		ZK_OP_RECONFIG, ZK_OP_MULTI,    ZK_OP_CREATE_CONTAINER};
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	size_t count;

	(void)fake_ensemble_connect(ensemble, A, 1);
	count = ensemble->request_count;
	for (size_t at = 0; at < sizeof(undecodable) / sizeof(undecodable[0]); at++) {
		fake_request_bare(a, 1, undecodable[at]);
		assert_int_equal(fake_take_code(a, 1), ZK_MARSHALLINGERROR);
	}
	fake_request_bare(a, 1, ZK_OP_DELETE_CONTAINER);
	assert_int_equal(fake_take_code(a, 1), ZK_BADARGUMENTS);
	create_ttl(a, 1, ZK_PERSISTENT, -1);
	assert_int_equal(fake_take_code(a, 1), ZK_BADARGUMENTS);
	create_ttl(a, 1, ZK_PERSISTENT_WITH_TTL, 0);
	assert_int_equal(fake_take_code(a, 1), ZK_BADARGUMENTS);
	fake_request_bare(a, 1, ZK_OP_CREATE_SESSION);
	assert_int_equal(fake_take_code(a, 1), ZK_UNIMPLEMENTED);
	assert_true(fake_is_closed(a, 1));
	(void)fake_ensemble_connect(ensemble, A, 2);
	fake_request_bare(a, 2, ZK_OP_CHECK);
	assert_int_equal(fake_take_code(a, 2), ZK_UNIMPLEMENTED);
	assert_true(fake_is_closed(a, 2));
	fake_ensemble_pump(ensemble);
	assert_int_equal(ensemble->request_count, count + 1);
}

static void test_what_is_refused_is_answered_in_its_turn(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);

	(void)fake_ensemble_connect(ensemble, A, 1);
	ensemble->is_slow = true;
	fake_create(a, 1, "/a", "x", 0);
	fake_request_bare(a, 1, ZK_OP_DELETE);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(a, 1);
	fake_ensemble_commit(ensemble, 1);
	fake_ensemble_pump(ensemble);
	fake_expect_reply(a, 1, 1, ZK_OK);
	fake_expect_reply(a, 1, 2, ZK_MARSHALLINGERROR);
}

/* ---- what a leader is sent all the same ---- */

static void send_raw(struct fake_ensemble *ensemble, session_id_t id, int32_t opcode,
		     struct bytes body, const struct auth_ids *ids)
{
	const struct zab_request raw = {
		.session_id = id, .cxid = 42, .opcode = opcode, .body = body};

	fake_ensemble_request(ensemble, A, &raw, ids);
	fake_ensemble_pump(ensemble);
}

/* Whoever waits for session and cxid hears of it. */
static void expect_error_txn(struct fake_ensemble *ensemble, size_t before, session_id_t id,
			     int32_t code)
{
	struct txn txn;

	assert_int_equal(ensemble->log_count, before + 1);
	txn = last_txn(ensemble);
	assert_int_equal(txn.header.session_id, id);
	assert_int_equal(txn.header.cxid, 42);
	assert_int_equal(txn.header.type, ZK_OP_ERROR);
	assert_int_equal(txn.record.error.err, code);
	assert_false(txn.has_digest);
}

static void test_harmful_requests_become_error_transactions(void **state)
{
	static const struct {
		int32_t opcode;
		int32_t code;
	} cases[] = {
		{ZK_OP_CREATE, ZK_MARSHALLINGERROR},     {ZK_OP_CREATE2, ZK_MARSHALLINGERROR},
		{ZK_OP_CREATE_TTL, ZK_MARSHALLINGERROR}, {ZK_OP_DELETE, ZK_MARSHALLINGERROR},
		{ZK_OP_SET_DATA, ZK_MARSHALLINGERROR},   {ZK_OP_SET_ACL, ZK_MARSHALLINGERROR},
		{ZK_OP_MULTI, ZK_MARSHALLINGERROR},      {ZK_OP_RECONFIG, ZK_MARSHALLINGERROR},
		{ZK_OP_CHECK, ZK_UNIMPLEMENTED},         {ZK_OP_DELETE_CONTAINER, ZK_BADARGUMENTS},
	};
	struct fake_ensemble *ensemble = *state;
	const struct auth_ids ids = AUTH_IDS_NONE;
	session_id_t id = fake_ensemble_connect(ensemble, A, 1);

	for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
		size_t before = ensemble->log_count;

		send_raw(ensemble, id, cases[at].opcode, bytes_of("", 0), &ids);
		expect_error_txn(ensemble, before, id, cases[at].code);
	}
}

static void test_requests_that_are_none_are_dropped(void **state)
{
	static const int32_t opcodes[] = {ZK_OP_PING,
					  ZK_OP_GET_DATA,
					  ZK_OP_ADD_WATCH,
					  ZK_OP_WHO_AM_I,
					  ZK_OP_AUTH,
					  ZK_OP_ERROR,
					  0,
					  999};
	struct fake_ensemble *ensemble = *state;
	session_id_t id = fake_ensemble_connect(ensemble, A, 1);
	size_t before = ensemble->log_count;

	for (size_t at = 0; at < sizeof(opcodes) / sizeof(opcodes[0]); at++)
		send_raw(ensemble, id, opcodes[at], bytes_of("", 0), NULL);
	assert_int_equal(ensemble->log_count, before);
}

static struct buf delete_body(void)
{
	const struct zk_path_version_request delete = {.path = bytes_of_text("/x"), .version = -1};
	struct buf body = fake_record();

	zk_path_version_request_write(&body, &delete);
	return body;
}

static void test_sessions_that_may_not_write_are_told_so(void **state)
{
	struct fake_ensemble *ensemble = *state;
	const struct auth_ids ids = AUTH_IDS_NONE;
	session_id_t own = fake_ensemble_connect(ensemble, A, 1);
	session_id_t others = fake_ensemble_connect(ensemble, B, 1);
	struct buf body = delete_body();
	size_t before = ensemble->log_count;

	send_raw(ensemble, 4711, ZK_OP_DELETE, buf_bytes(&body), &ids);
	expect_error_txn(ensemble, before++, 4711, ZK_SESSIONEXPIRED);
	send_raw(ensemble, others, ZK_OP_DELETE, buf_bytes(&body), &ids);
	expect_error_txn(ensemble, before++, others, ZK_SESSIONMOVED);
	send_raw(ensemble, own, ZK_OP_DELETE, buf_bytes(&body), NULL);
	expect_error_txn(ensemble, before++, own, ZK_MARSHALLINGERROR);
	send_raw(ensemble, own, ZK_OP_DELETE, buf_bytes(&body), &ids);
	expect_error_txn(ensemble, before++, own, ZK_NONODE);
	send_raw(ensemble, others, ZK_OP_CLOSE_SESSION, bytes_of("", 0), NULL);
	expect_error_txn(ensemble, before++, others, ZK_SESSIONMOVED);
	send_raw(ensemble, 4711, ZK_OP_CLOSE_SESSION, bytes_of("", 0), NULL);
	expect_error_txn(ensemble, before++, 4711, ZK_SESSIONEXPIRED);
	assert_non_null(tracked(ensemble, others));
	buf_release(&body);
}

static void test_session_is_created_once(void **state)
{
	struct fake_ensemble *ensemble = *state;
	session_id_t others = fake_ensemble_connect(ensemble, B, 1);
	size_t before = ensemble->log_count;

	send_raw(ensemble, others, ZK_OP_CREATE_SESSION, bytes_of("\0\0\x1f\x40", 4), NULL);
	expect_error_txn(ensemble, before++, others, ZK_SESSIONEXPIRED);
	send_raw(ensemble, 0, ZK_OP_CREATE_SESSION, bytes_of("\0\0\x1f\x40", 4), NULL);
	expect_error_txn(ensemble, before++, 0, ZK_BADARGUMENTS);
	send_raw(ensemble, 4711, ZK_OP_CREATE_SESSION, bytes_of("\0\0\x1f", 3), NULL);
	expect_error_txn(ensemble, before++, 4711, ZK_MARSHALLINGERROR);
	assert_int_equal(tracked(ensemble, others)->owner, B);
	assert_false(fake_is_closed(fake_node(ensemble, B), 1));
}

static void test_ephemerals_of_a_learner_leave_a_readable_close_session(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a;
	struct server_config config;
	char path[200];
	int at = 0;
	int32_t code;

	fake_ensemble_release(ensemble);
	server_config_init(&config);
	config.jute_maxbuffer = 4096;
	fake_ensemble_init(ensemble, &config);
	a = fake_node(ensemble, A);
	(void)fake_ensemble_connect(ensemble, A, 1);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	do {
		path[1] = (char)('a' + at++);
		fake_create(a, 1, path, "", ZK_EPHEMERAL);
		fake_ensemble_pump(ensemble);
		code = fake_take_code(a, 1);
	} while (code == ZK_OK && at < 26);
	assert_int_equal(code, ZK_QUOTAEXCEEDED);
	fake_request_bare(a, 1, ZK_OP_CLOSE_SESSION);
	fake_ensemble_pump(ensemble);
	assert_int_equal(last_txn(ensemble).header.type, ZK_OP_CLOSE_SESSION);
	assert_in_range(bytes_size(blob_bytes(ensemble->log[ensemble->log_count - 1])), 3500, 4096);
	assert_int_equal(tree_ephemeral_count(fake_node(ensemble, B)->tree), 0);
}

/* ---- intake ---- */

static void test_requests_wait_in_order_for_intake(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	size_t before;

	(void)fake_ensemble_connect(ensemble, A, 1);
	fake_intake(fake_node(ensemble, LEADER), false);
	before = ensemble->log_count;
	fake_create(a, 1, "/a", "x", 0);
	fake_read(a, 1, ZK_OP_SYNC, "/", false);
	fake_set_data(a, 1, "/a", "y", 0);
	fake_ensemble_pump(ensemble);
	assert_int_equal(ensemble->log_count, before);
	fake_intake(fake_node(ensemble, LEADER), true);
	fake_ensemble_pump(ensemble);
	fake_expect_reply(a, 1, 1, ZK_OK);
	fake_expect_reply(a, 1, 2, ZK_OK);
	fake_expect_reply(a, 1, 3, ZK_OK);
}

static void test_learner_that_sends_on_and_on_is_cut(void **state)
{
	enum { BODY_SIZE = 1024 * 1024 };
	struct fake_ensemble *ensemble = *state;
	char *body = test_calloc(1, BODY_SIZE);
	const struct zab_request raw = {
		.session_id = 1, .opcode = ZK_OP_SET_DATA, .body = bytes_of(body, BODY_SIZE)};

	fake_intake(fake_node(ensemble, LEADER), false);
	for (int at = 0; at < 63; at++)
		fake_ensemble_request(ensemble, A, &raw, NULL);
	assert_false(ensemble->nodes[A].is_cut);
	fake_ensemble_request(ensemble, A, &raw, NULL);
	assert_true(ensemble->nodes[A].is_cut);
	test_free(body);
	fake_intake(fake_node(ensemble, LEADER), true);
	assert_int_equal(ensemble->log_count, 0);
}

static void test_what_a_lost_learner_waited_for_is_forgotten(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *leader = fake_node(ensemble, LEADER);

	(void)fake_ensemble_connect(ensemble, LEADER, 1);
	(void)fake_ensemble_connect(ensemble, A, 1);
	ensemble->is_slow = true;
	fake_create(leader, 1, "/a", "x", 0);
	fake_read(fake_node(ensemble, A), 1, ZK_OP_SYNC, "/", false);
	fake_ensemble_pump(ensemble);
	server_learner_closed(leader->server, ensemble->nodes[A].link);
	fake_perform_all(leader);
	fake_ensemble_commit(ensemble, SIZE_MAX);
	fake_ensemble_pump(ensemble);
	fake_expect_nothing(fake_node(ensemble, A), 1);
}

/* ---- digests ---- */

static void test_wrong_digest_of_the_leader_is_counted(void **state)
{
	struct fake_ensemble *ensemble = *state;
	struct fake_driver *a = fake_node(ensemble, A);
	struct txn txn = {.header = {.session_id = 1,
				     .zxid = zxid_make(FAKE_EPOCH, 1),
				     .type = ZK_OP_CREATE_SESSION},
			  .record = {.type = ZK_OP_CREATE_SESSION, .create_session = {4000}},
			  .has_digest = true,
			  .digest = {.version = TXN_DIGEST_VERSION, .tree_digest = 1}};
	struct server_stats stats;
	struct buf bytes = fake_record();

	txn_encode(&bytes, &txn);
	server_deliver(a->server, txn.header.zxid, buf_bytes(&bytes));
	fake_perform_all(a);
	server_get_stats(a->server, &stats);
	assert_int_equal(stats.digest_mismatches, 1);
	assert_int_equal(stats.digest_mismatch_zxid, txn.header.zxid);
	buf_release(&bytes);
}

/* ---- bytes, as Apache's servers sent them ---- */

static const session_id_t CAPTURED_SESSION = 0x0300000000000001;

/* The last packet of a server and the one before, and what Apache's sent. */
struct capture {
	struct fake_driver driver;
	struct buf sent;
	struct buf sent_before;
	struct vectors vectors;
};

static void capture(void *data, const struct server_action *action)
{
	struct capture *all = data;
	struct buf before = all->sent;

	if (action->type == SERVER_APPEND)
		return;
	assert_true(action->type == SERVER_TO_LEADER || action->type == SERVER_TO_LEARNER);
	all->sent = all->sent_before;
	all->sent_before = before;
	buf_reset(&all->sent);
	zab_packet_write(&all->sent, &action->packet);
}

static void capture_init(struct capture *all, enum server_role role)
{
	struct server_config config;

	server_config_init(&config);
	config.first_session_id = CAPTURED_SESSION;
	vectors_load(&all->vectors, "vectors-quorum.txt");
	buf_init(&all->sent, SIZE_MAX);
	buf_init(&all->sent_before, SIZE_MAX);
	fake_driver_init_as(&all->driver, &config, role, 1, tree_new(false), capture, all);
}

static void capture_release(struct capture *all)
{
	fake_driver_release(&all->driver);
	buf_release(&all->sent);
	buf_release(&all->sent_before);
	vectors_release(&all->vectors);
	test_free(all);
}

/* note, or what begins with this word. */
static bool is_noted(const struct vector *vector, const char *word)
{
	size_t size = strlen(word);

	return strncmp(vector->note, word, size) == 0 &&
	       (vector->note[size] == '\0' || vector->note[size] == ' ');
}

/* The packet of the conversation of CAPTURED_SESSION with that note. */
static struct bytes find_vector(const struct capture *all, char direction, const char *note)
{
	bool is_there = false;

	for (size_t at = 0; at < all->vectors.count; at++) {
		const struct vector *vector = &all->vectors.items[at];

		is_there |= strstr(vector->note, "broadcast phase") != NULL;
		if (is_there && vector->direction == direction && is_noted(vector, note))
			return vector->bytes;
	}
	fail_msg("no vector %c %s", direction, note);
	return BYTES_NULL;
}

static void expect_captured(const struct capture *all, char direction, const char *note)
{
	assert_true(bytes_equal(buf_bytes(&all->sent), find_vector(all, direction, note)));
}

static struct zab_packet read_vector(const struct capture *all, char direction, const char *note)
{
	struct bytes bytes = find_vector(all, direction, note);
	struct zab_packet packet;

	assert_int_equal(zab_packet_read(bytes, SIZE_MAX, &packet), bytes_size(bytes));
	return packet;
}

static void deliver_captured(struct capture *all, const char *note)
{
	struct zab_packet proposal = read_vector(all, '<', note);

	server_deliver(all->driver.server, proposal.zxid, proposal.data);
	fake_perform_all(&all->driver);
}

static void send_captured_connect(struct fake_driver *driver, connection_id_t id,
				  session_id_t session_id)
{
	uint8_t password[ZK_PASSWORD_SIZE] = {0};
	const struct zk_connect_request request = {.timeout_ms = 20000,
						   .session_id = session_id,
						   .password =
							   bytes_of(password, sizeof(password))};
	struct buf frame = fake_record();

	session_password(session_id, password);
	zk_connect_request_write(&frame, &request);
	fake_open(driver, id, "127.0.0.1");
	fake_send(driver, id, buf_bytes(&frame));
	buf_release(&frame);
}

static void test_learners_packets_are_apaches(void **state)
{
	struct capture *all = test_calloc(1, sizeof(*all));
	struct fake_driver *driver = &all->driver;
	const struct zk_path_record path = {.path = bytes_of_text("/")};
	struct buf body = fake_record();
	struct buf table = fake_record();
	struct zab_packet ping;

	capture_init(all, SERVER_LEARNER);
	send_captured_connect(driver, 1, 0);
	expect_captured(all, '>', "REQUEST createSession");
	deliver_captured(all, "PROPOSAL createSession");
	assert_int_equal(fake_take_session(driver, 1), CAPTURED_SESSION);
	fake_create(driver, 1, "/f", "1", 0);
	expect_captured(all, '>', "REQUEST create");
	deliver_captured(all, "PROPOSAL create");
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
	zk_path_record_write(&body, &path);
	fake_request(driver, 1, ZK_OP_SYNC, &body);
	expect_captured(all, '>', "REQUEST sync");
	send_captured_connect(driver, 2, CAPTURED_SESSION);
	/* With a sync of our own behind it. */
	assert_true(bytes_equal(buf_bytes(&all->sent_before),
				find_vector(all, '>', "REVALIDATE known")));
	server_take_touched(driver->server, &table);
	ping = read_vector(all, '>', "PING with one touched session");
	assert_true(bytes_equal(buf_bytes(&table), ping.data));
	buf_release(&table);
	capture_release(all);
}

static void test_leaders_packets_are_apaches(void **state)
{
	struct capture *all = test_calloc(1, sizeof(*all));
	struct server *server;
	struct zab_packet packet;
	struct zab_request asked;
	struct zab_session session;

	capture_init(all, SERVER_LEADER);
	server = all->driver.server;
	packet = read_vector(all, '>', "REQUEST createSession");
	assert_int_equal(zab_request_read(packet.data, &asked), 0);
	server_learner_request(server, 1, &asked, NULL);
	fake_perform_all(&all->driver);
	packet = read_vector(all, '>', "REVALIDATE known");
	assert_int_equal(zab_session_read(packet.data, &session), 0);
	server_learner_revalidate(server, 1, &session);
	fake_perform_all(&all->driver);
	assert_int_equal(all->sent.size, 0);
	server_committed(server, zxid_make(1, 1));
	fake_perform_all(&all->driver);
	expect_captured(all, '<', "REVALIDATE");
	session.id = 0x4d;
	server_learner_revalidate(server, 1, &session);
	fake_perform_all(&all->driver);
	assert_int_equal(all->sent.data[all->sent.size - 5], 0); /* not valid */
	packet = read_vector(all, '>', "REQUEST sync");
	assert_int_equal(zab_request_read(packet.data, &asked), 0);
	server_learner_request(server, 1, &asked, NULL);
	fake_perform_all(&all->driver);
	expect_captured(all, '<', "SYNC");
	capture_release(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ENSEMBLE(name)                                                                             \
	cmocka_unit_test_setup_teardown(name, fake_ensemble_setup, fake_ensemble_teardown)
		ENSEMBLE(test_poison_is_answered_by_the_learner),
		ENSEMBLE(test_what_is_refused_is_answered_in_its_turn),
		ENSEMBLE(test_harmful_requests_become_error_transactions),
		ENSEMBLE(test_requests_that_are_none_are_dropped),
		ENSEMBLE(test_sessions_that_may_not_write_are_told_so),
		ENSEMBLE(test_session_is_created_once),
		ENSEMBLE(test_ephemerals_of_a_learner_leave_a_readable_close_session),
		ENSEMBLE(test_requests_wait_in_order_for_intake),
		ENSEMBLE(test_learner_that_sends_on_and_on_is_cut),
		ENSEMBLE(test_what_a_lost_learner_waited_for_is_forgotten),
		ENSEMBLE(test_wrong_digest_of_the_leader_is_counted),
		cmocka_unit_test(test_learners_packets_are_apaches),
		cmocka_unit_test(test_leaders_packets_are_apaches),
	};

	return cmocka_run_group_tests_name("ensemble-requests", tests, NULL, NULL);
}
