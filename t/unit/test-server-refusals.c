/* What the server refuses and how: unknown operations, bad paths, failed parts of a multi,
 * malformed input. */
#include "replica/tree/txn.h"
#include "src/base/prng.h"
#include "src/zk/opcode.h"
#include "t/unit/server-fixture.h"

/* ---- what is refused ---- */

static void expect_unknown(struct fake_driver *driver, connection_id_t id, int32_t opcode)
{
	struct fake_reply reply;

	(void)fake_connect(driver, id);
	fake_request_bare(driver, id, opcode);
	assert_true(fake_take_reply(driver, id, &reply));
	assert_int_equal(reply.header.err, ZK_UNIMPLEMENTED);
	assert_int_equal(reply.header.zxid, -1);
	assert_true(fake_is_closed(driver, id));
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
	struct buf record = fake_record();

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
	server_start_anew(state, &config);
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

		fake_request_bare(driver, 1, opcodes[at]);
		assert_true(fake_take_reply(driver, 1, &reply));
		assert_int_equal(reply.header.err, ZK_MARSHALLINGERROR);
		assert_int_equal(reply.header.zxid, 1);
	}
	assert_int_equal(driver->log_count, 1);
	/* A multi takes a zxid, in 3.8 and 3.9 alike. */
	fake_request_bare(driver, 1, ZK_OP_MULTI);
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
	server_start_anew(state, &config);
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
	fake_request_bare(driver, 1, ZK_OP_CLOSE_SESSION);
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
	struct buf record = fake_record();

	(void)fake_connect(driver, 1);
	zk_auth_packet_write(&record, &packet);
	fake_request(driver, 1, ZK_OP_AUTH, &record);
	assert_int_equal(fake_take_code(driver, 1), ZK_AUTHFAILED);
	assert_true(fake_is_closed(driver, 1));
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
	struct buf record = fake_record();
	struct buf acls = fake_record();

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
	struct buf record = fake_record();
	struct fake_reply reply;

	(void)fake_connect(driver, 1);
	add_delete(&record, "/a");
	add_end(&record);
	fake_request(driver, 1, ZK_OP_MULTI_READ, &record);
	assert_true(fake_take_reply(driver, 1, &reply));
	assert_int_equal(reply.header.err, ZK_MARSHALLINGERROR);
	assert_int_equal(bytes_size(reply.body), ZK_MULTI_HEADER_SIZE);
	/* What was read before the exception is in the answer. */
	record = fake_record();
	add_part(&record, ZK_OP_GET_CHILDREN);
	zk_path_watch_request_write(&record, &children);
	add_part(&record, ZK_OP_GET_CHILDREN);
	zk_path_watch_request_write(&record, &null_path);
	add_end(&record);
	fake_request(driver, 1, ZK_OP_MULTI_READ, &record);
	assert_true(fake_take_reply(driver, 1, &reply));
	assert_int_equal(reply.header.err, ZK_MARSHALLINGERROR);
	assert_int_equal(bytes_size(reply.body), 2 * ZK_MULTI_HEADER_SIZE + 4);
	fake_request_bare(driver, 1, ZK_OP_MULTI_READ);
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
		fake_request_bare(driver, at, opcode);
		if (opcode == ZK_OP_AUTH || opcode == ZK_OP_SASL) {
			fake_expect_nothing(driver, at);
			assert_true(fake_is_closed(driver, at));
			continue;
		}
		if (opcode == ZK_OP_PING || opcode == ZK_OP_WHO_AM_I)
			expected = ZK_OK;
		if (opcode == ZK_OP_DELETE_CONTAINER)
			expected = ZK_BADARGUMENTS;
		assert_true(fake_take_reply(driver, at, &reply));
		assert_int_equal(reply.header.err, expected);
		assert_false(fake_is_closed(driver, at));
	}
}

static void test_a_cut_header_or_connect_request_closes(void **state)
{
	struct fake_driver *driver = *state;
	uint8_t zeros[44] = {0};

	(void)fake_connect(driver, 1);
	fake_send(driver, 1, bytes_of(zeros, 7));
	fake_expect_nothing(driver, 1);
	assert_true(fake_is_closed(driver, 1));
	for (connection_id_t id = 2; id < 30; id++) {
		fake_open(driver, id, "127.0.0.1");
		fake_send(driver, id, bytes_of(zeros, id - 2)); /* 28 is the least that decodes */
		fake_expect_nothing(driver, id);
		assert_true(fake_is_closed(driver, id));
	}
	fake_open(driver, 30, "127.0.0.1");
	fake_send(driver, 30, bytes_of(zeros, 28));
	assert_false(fake_is_closed(driver, 30));
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
		if (!fake_is_closed(driver, 2))
			continue;
		fake_close(driver, 2);
		(void)fake_connect(driver, 2);
	}
	assert_false(fake_is_closed(driver, 1));
	fake_request_bare(driver, 1, ZK_OP_PING);
	fake_expect_reply(driver, 1, ZK_XID_PING, ZK_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unknown_operations_close),
		TEST(test_ttl_is_refused_as_by_apache),
		TEST(test_undecodable_write_makes_no_transaction),
		TEST(test_paths_are_refused_as_by_apache),
		TEST(test_ephemerals_never_outgrow_their_close_session),
		TEST(test_auth_failure_answers_then_closes),
		TEST(test_exception_in_a_multi_fails_all_of_it),
		TEST(test_multi_read_that_ends_in_an_exception),
		TEST(test_every_operation_without_a_body),
		TEST(test_a_cut_header_or_connect_request_closes),
		TEST(test_random_frames),
	};

	return cmocka_run_group_tests_name("server refusals", tests, NULL, NULL);
}
