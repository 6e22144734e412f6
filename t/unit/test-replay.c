/*
 * Digests while transactions are replayed: what a snapshot that was taken while its tree changed
 * does to them, and what stays wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/tree/replay.h"
#include "replica/tree/txn.h"
#include "src/base/mem.h"
#include "src/base/prng.h"
#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"
#include "t/unit/fake-driver.h"
#include "t/unit/tree-copy.h"

enum { SEEDS = 200, REQUESTS = 120, PATH_SIZE = 40, CHILDREN_MAX = 64 };

/* ---- a history: what a server's clients asked for ---- */

static void make_path(struct prng *prng, char path[PATH_SIZE])
{
	unsigned first = (unsigned)prng_below(prng, 5);
	unsigned second = (unsigned)prng_below(prng, 4);

	if (prng_below(prng, 3) == 0)
		snprintf(path, PATH_SIZE, "/%u", first);
	else
		snprintf(path, PATH_SIZE, "/%u/%u", first, second);
}

static void ask_for_something(struct fake_driver *driver, struct prng *prng, connection_id_t id)
{
	static const int32_t flags[] = {ZK_PERSISTENT, ZK_PERSISTENT, ZK_EPHEMERAL,
					ZK_PERSISTENT_SEQUENTIAL};
	char path[PATH_SIZE];

	make_path(prng, path);
	switch (prng_below(prng, 5)) {
	case 0:
	case 1:
		fake_create(driver, id, path, "new", flags[prng_below(prng, 4)]);
		break;
	case 2:
	case 3:
		fake_set_data(driver, id, path, "changed", -1);
		break;
	default:
		fake_delete(driver, id, path, -1);
		break;
	}
}

/* Two sessions, of which one ends now and then, and another begins. */
static void make_history(struct fake_driver *driver, struct prng *prng)
{
	connection_id_t second = 2;
	struct server_config config;
	struct buf nothing;

	server_config_init(&config);
	fake_driver_init(driver, &config);
	(void)fake_connect(driver, 1);
	(void)fake_connect(driver, second);
	for (unsigned i = 0; i < REQUESTS; i++) {
		ask_for_something(driver, prng, prng_below(prng, 2) ? 1 : second);
		if (prng_below(prng, 20) > 0)
			continue;
		buf_init(&nothing, 0);
		fake_request(driver, second, ZK_OP_CLOSE_SESSION, &nothing);
		(void)fake_connect(driver, ++second);
	}
}

static void replay_until(struct replay *replay, const struct fake_driver *driver, size_t count)
{
	struct tree *tree = replay->apply.tree;

	while ((size_t)tree_zxid(tree) < count) {
		zxid_t next = tree_zxid(tree) + 1;

		assert_int_equal(replay_txn(replay, next, blob_bytes(driver->log[next - 1])), 0);
	}
}

/* ---- a snapshot, as DataTree.serializeNode takes it ---- */

struct fuzzy {
	const struct fake_driver *driver;
	struct prng *prng;
	struct replay live;
	struct tree *copy;
};

static bool is_child(const char *path, struct bytes of)
{
	size_t size = strcmp(path, "/") == 0 ? 0 : strlen(path);
	const char *text = of.data;

	return bytes_size(of) > size + 1 && memcmp(text, path, size) == 0 && text[size] == '/' &&
	       !memchr(text + size + 1, '/', bytes_size(of) - size - 1);
}

static size_t list_children(const struct tree *tree, const char *path, char *ret[CHILDREN_MAX])
{
	const struct znode *znode = NULL;
	struct buf at_path;
	size_t count = 0;

	buf_init(&at_path, INT32_MAX);
	while ((znode = tree_walk_next(tree, znode))) {
		struct bytes at = znode_path(znode, &at_path);

		if (!is_child(path, at))
			continue;
		assert_true(count < CHILDREN_MAX);
		ret[count++] = mem_printf("%.*s", (int)bytes_size(at), (const char *)at.data);
	}
	buf_release(&at_path);
	return count;
}

static void let_pass(struct fuzzy *fuzzy)
{
	size_t now = (size_t)tree_zxid(fuzzy->live.apply.tree) + prng_below(fuzzy->prng, 4);

	if (now < fuzzy->driver->log_count)
		replay_until(&fuzzy->live, fuzzy->driver, now);
}

/* The znode and the names of its children at one moment, each of these at a later. */
static void take_node(struct fuzzy *fuzzy, const char *path)
{
	struct tree *tree = fuzzy->live.apply.tree;
	const struct znode *znode = tree_find(tree, bytes_of_text(path));
	char *children[CHILDREN_MAX];
	struct tree_row row;
	struct buf row_path;
	size_t count;

	if (!znode)
		return;
	buf_init(&row_path, INT32_MAX);
	row = tree_copy_row(znode, &row_path);
	assert_int_equal(tree_load_row(fuzzy->copy, &row), 0);
	buf_release(&row_path);
	count = list_children(tree, path, children);
	for (size_t at = 0; at < count; at++) {
		let_pass(fuzzy);
		take_node(fuzzy, children[at]);
		free(children[at]);
	}
}

static void take_sessions(struct fuzzy *fuzzy)
{
	const struct tree_session *at = NULL;

	while ((at = tree_next_session(fuzzy->live.apply.tree, at)))
		if (at->open)
			assert_int_equal(tree_load_session(fuzzy->copy, at->id, at->timeout_ms), 0);
}

/* Begun in the middle of the history: holds part of what comes until it ends. */
static void take_snapshot(struct fuzzy *fuzzy)
{
	zxid_t begin = (zxid_t)(fuzzy->driver->log_count / 3);

	replay_init(&fuzzy->live, tree_new(false));
	replay_until(&fuzzy->live, fuzzy->driver, (size_t)begin);
	fuzzy->copy = tree_new(false);
	take_sessions(fuzzy);
	take_node(fuzzy, "/");
	tree_set_zxid(fuzzy->copy, begin);
}

static void release(struct fuzzy *fuzzy)
{
	tree_free(fuzzy->live.apply.tree);
	tree_free(fuzzy->copy);
	replay_release(&fuzzy->live);
}

/* ---- digests ---- */

/* How many transactions the snapshot held part of. */
static size_t expect_settled(uint64_t seed)
{
	struct fake_driver driver;
	struct prng prng;
	struct fuzzy fuzzy = {.driver = &driver, .prng = &prng};
	struct replay replay;
	size_t unsettled;
	size_t end;

	prng_init(&prng, seed);
	make_history(&driver, &prng);
	take_snapshot(&fuzzy);
	end = (size_t)tree_zxid(fuzzy.live.apply.tree);
	replay_init(&replay, fuzzy.copy);
	/* At the latest where the snapshot ended it is the tree, and stays it. */
	replay_until(&replay, &driver, end);
	assert_int_equal(tree_digest(fuzzy.copy), tree_digest(fuzzy.live.apply.tree));
	unsettled = replay.unsettled;
	replay_until(&replay, &driver, driver.log_count);
	assert_int_equal(replay.unsettled, unsettled);
	assert_true(replay.is_settled);
	assert_int_equal(replay_mismatches(&replay), 0);
	assert_int_equal(tree_digest(fuzzy.copy), tree_digest(server_tree(driver.server)));
	tree_check(fuzzy.copy);
	replay_release(&replay);
	release(&fuzzy);
	fake_driver_release(&driver);
	return unsettled;
}

static void test_what_a_snapshot_holds_of_later_transactions_is_no_mismatch(void **state)
{
	size_t seeds = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		seeds += expect_settled(seed) > 0;
	/* Or this shows nothing. */
	assert_true(seeds > SEEDS / 4);
}

static void load_other(struct tree *tree)
{
	const struct tree_row other = {.path = bytes_of_text("/other"),
				       .data = bytes_of_text("nobody's"),
				       .acls = zk_acls_open(),
				       .stat = {.czxid = 1, .mzxid = 1, .pzxid = 1}};

	assert_int_equal(tree_load_row(tree, &other), 0);
}

static void test_tree_that_never_agrees_is_a_mismatch_each_time(void **state)
{
	struct fake_driver driver;
	struct prng prng;
	struct fuzzy fuzzy = {.driver = &driver, .prng = &prng};
	struct replay replay;

	prng_init(&prng, 1);
	make_history(&driver, &prng);
	take_snapshot(&fuzzy);
	load_other(fuzzy.copy);
	replay_init(&replay, fuzzy.copy);
	replay_until(&replay, &driver, driver.log_count);
	assert_false(replay.is_settled);
	/* What failed has none. */
	assert_in_range(replay_mismatches(&replay), driver.log_count / 4, driver.log_count);
	replay_release(&replay);
	release(&fuzzy);
	fake_driver_release(&driver);
}

static void test_mismatch_behind_one_that_agrees_is_one(void **state)
{
	struct fake_driver driver;
	struct tree *tree = tree_new(false);
	struct prng prng;
	struct replay replay;
	size_t half;

	prng_init(&prng, 2);
	make_history(&driver, &prng);
	half = driver.log_count / 2;
	replay_init(&replay, tree);
	replay_until(&replay, &driver, half);
	assert_true(replay.is_settled);
	assert_int_equal(replay_mismatches(&replay), 0);
	load_other(tree);
	replay_until(&replay, &driver, driver.log_count);
	assert_in_range(replay_mismatches(&replay), half / 4, half);
	replay_release(&replay);
	tree_free(tree);
	fake_driver_release(&driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_snapshot_holds_of_later_transactions_is_no_mismatch),
		cmocka_unit_test(test_tree_that_never_agrees_is_a_mismatch_each_time),
		cmocka_unit_test(test_mismatch_behind_one_that_agrees_is_one),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
