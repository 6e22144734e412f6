/*
 * What is decided while transactions are still on their way must be what would
 * have been decided had each been applied first. Two servers get the same
 * requests: one commits at once, the other whenever chance wants it; their
 * logs must be the same.
 */
#include <stdio.h>
#include <string.h>

#include "replica/tree/txn.h"
#include "src/base/prng.h"
#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"
#include "t/unit/fake-driver.h"

enum { STEP_COUNT = 4000, CLIENT_COUNT = 4, PATH_SIZE_MAX = 64, SEED_COUNT = 5 };

struct pair {
	struct fake_driver serial;
	struct fake_driver slow;
	struct prng prng;
};

static void random_path(struct pair *pair, char path[PATH_SIZE_MAX])
{
	static const char *const names[] = {"a", "b"};
	size_t depth = 1 + prng_below(&pair->prng, 3);

	path[0] = '\0';
	for (size_t at = 0; at < depth; at++) {
		strcat(path, "/");
		strcat(path, names[prng_below(&pair->prng, 2)]);
	}
}

static struct zk_acls random_acls(struct pair *pair)
{
	return prng_below(&pair->prng, 8) == 0 ? zk_acls_read_only() : zk_acls_open();
}

static int32_t random_version(struct pair *pair)
{
	return (int32_t)prng_below(&pair->prng, 4) - 1;
}

static void write_create(struct pair *pair, struct buf *record, const char *path)
{
	const struct zk_create_request request = {
		.path = bytes_of_text(path),
		.data = bytes_of_text("data"),
		.acls = random_acls(pair),
		.flags = (int32_t)prng_below(&pair->prng, 5),
	};

	zk_create_request_write(record, &request);
}

static void write_path_version(struct pair *pair, struct buf *record, const char *path)
{
	const struct zk_path_version_request request = {.path = bytes_of_text(path),
							.version = random_version(pair)};

	zk_path_version_request_write(record, &request);
}

static void write_set_data(struct pair *pair, struct buf *record, const char *path)
{
	const struct zk_set_data_request request = {.path = bytes_of_text(path),
						    .data = bytes_of_text("other"),
						    .version = random_version(pair)};

	zk_set_data_request_write(record, &request);
}

static void write_set_acl(struct pair *pair, struct buf *record, const char *path)
{
	const struct zk_set_acl_request request = {.path = bytes_of_text(path),
						   .acls = random_acls(pair),
						   .version = random_version(pair)};

	zk_set_acl_request_write(record, &request);
}

static const struct operation {
	int32_t opcode;
	bool in_multi;
	void (*write)(struct pair *pair, struct buf *record, const char *path);
} operations[] = {
	{ZK_OP_CREATE, true, write_create},       {ZK_OP_CREATE2, true, write_create},
	{ZK_OP_CREATE, true, write_create},       {ZK_OP_CREATE_CONTAINER, true, write_create},
	{ZK_OP_DELETE, true, write_path_version}, {ZK_OP_DELETE, true, write_path_version},
	{ZK_OP_DELETE, true, write_path_version}, {ZK_OP_DELETE, true, write_path_version},
	{ZK_OP_SET_DATA, true, write_set_data},   {ZK_OP_CHECK, true, write_path_version},
	{ZK_OP_SET_ACL, false, write_set_acl},
};

static const struct operation *random_operation(struct pair *pair, bool in_multi)
{
	for (;;) {
		const struct operation *operation = &operations[prng_below(
			&pair->prng, sizeof(operations) / sizeof(operations[0]))];

		if (in_multi ? operation->in_multi : operation->opcode != ZK_OP_CHECK)
			return operation;
	}
}

static int32_t write_multi(struct pair *pair, struct buf *record)
{
	const struct zk_multi_header end = {.type = -1, .done = true, .err = -1};
	size_t count = prng_below(&pair->prng, 5);
	char path[PATH_SIZE_MAX];

	for (size_t at = 0; at < count; at++) {
		const struct operation *operation = random_operation(pair, true);
		const struct zk_multi_header header = {.type = operation->opcode, .err = -1};

		random_path(pair, path);
		zk_multi_header_write(record, &header);
		operation->write(pair, record, path);
	}
	zk_multi_header_write(record, &end);
	return ZK_OP_MULTI;
}

static int32_t write_request(struct pair *pair, struct buf *record)
{
	const struct operation *operation;
	char path[PATH_SIZE_MAX];

	if (prng_below(&pair->prng, 4) == 0)
		return write_multi(pair, record);
	operation = random_operation(pair, false);
	random_path(pair, path);
	operation->write(pair, record, path);
	return operation->opcode;
}

static void send_both(struct pair *pair, connection_id_t id, int32_t opcode, struct buf *record)
{
	struct buf copy;

	buf_init(&copy, SIZE_MAX);
	buf_append(&copy, record->data, record->size);
	fake_request(&pair->serial, id, opcode, record);
	fake_request(&pair->slow, id, opcode, &copy);
}

static void connect_both(struct pair *pair, connection_id_t id)
{
	(void)fake_connect(&pair->serial, id);
	fake_commit_all(&pair->slow);
	pair->slow.is_slow = false;
	(void)fake_connect(&pair->slow, id);
	pair->slow.is_slow = true;
}

static void close_both(struct pair *pair, connection_id_t id)
{
	struct buf nothing;

	buf_init(&nothing, SIZE_MAX);
	send_both(pair, id, ZK_OP_CLOSE_SESSION, &nothing);
	/* Requests behind it while it waits must make no difference. */
	for (int at = 0; at < 3; at++) {
		buf_init(&nothing, SIZE_MAX);
		send_both(pair, id, write_request(pair, &nothing), &nothing);
	}
	fake_close(&pair->serial, id);
	if (prng_below(&pair->prng, 2))
		fake_commit_all(&pair->slow);
	fake_close(&pair->slow, id);
	connect_both(pair, id);
}

/* Some of what waits gets durable. */
static void commit_some(struct pair *pair)
{
	size_t waiting = pair->slow.log_count - (size_t)pair->slow.committed;

	if (waiting > 0 && prng_below(&pair->prng, 20) == 0)
		fake_commit(&pair->slow,
			    pair->slow.committed + 1 + (zxid_t)prng_below(&pair->prng, waiting));
}

/* The paths of a closeSession have no order. */
static void expect_same_txn(struct bytes a, struct bytes b)
{
	struct txn txn_a;
	struct txn txn_b;

	assert_int_equal(txn_decode(a, &txn_a), 0);
	assert_int_equal(txn_decode(b, &txn_b), 0);
	if (txn_a.header.type == ZK_OP_CLOSE_SESSION) {
		assert_int_equal(txn_b.header.type, ZK_OP_CLOSE_SESSION);
		assert_int_equal(a.size, b.size);
		assert_int_equal(txn_a.digest.tree_digest, txn_b.digest.tree_digest);
		return;
	}
	if (!bytes_equal(a, b))
		fail_msg("transaction 0x%llx differs", (long long)txn_a.header.zxid);
}

static void run(uint64_t seed)
{
	struct pair *pair = test_calloc(1, sizeof(*pair));
	struct server_config config;

	server_config_init(&config);
	config.first_session_id = 0x0100000000000000;
	prng_init(&pair->prng, seed);
	fake_driver_init(&pair->serial, &config);
	fake_driver_init(&pair->slow, &config);
	pair->slow.is_slow = true;
	for (connection_id_t id = 0; id < CLIENT_COUNT; id++)
		connect_both(pair, id);
	for (int step = 0; step < STEP_COUNT; step++) {
		connection_id_t id = prng_below(&pair->prng, CLIENT_COUNT);
		struct buf record;

		buf_init(&record, SIZE_MAX);
		send_both(pair, id, write_request(pair, &record), &record);
		if (prng_below(&pair->prng, 50) == 0)
			close_both(pair, id);
		commit_some(pair);
	}
	fake_commit_all(&pair->slow);
	assert_int_equal(pair->serial.log_count, pair->slow.log_count);
	for (size_t at = 0; at < pair->serial.log_count; at++)
		expect_same_txn(blob_bytes(pair->serial.log[at]), blob_bytes(pair->slow.log[at]));
	assert_int_equal(tree_digest(server_tree(pair->serial.server)),
			 tree_digest(server_tree(pair->slow.server)));
	fake_driver_release(&pair->serial);
	fake_driver_release(&pair->slow);
	test_free(pair);
}

static void test_pending_state_is_as_if_applied(void **state)
{
	for (uint64_t seed = 1; seed <= SEED_COUNT; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pending_state_is_as_if_applied),
	};

	return cmocka_run_group_tests_name("prep", tests, NULL, NULL);
}
