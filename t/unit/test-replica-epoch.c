/* The end of an epoch and the beginning of the next, as whole replicas see them. */
#include "replica/server/replica_impl.h"
#include "replica/server/server_impl.h"
#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"
#include "t/unit/replica-cluster.h"
#include "t/unit/zab-skip.h"

/* As if there had been so many transactions in the epoch, without an effect. There was none yet. */
static void skip_to(struct cluster *cluster, int64_t sid, zxid_t zxid)
{
	struct cluster_node *node = cluster_node(cluster, sid);
	struct replica *replica = node->driver.replica;

	zab_skip_to(replica->zab, zxid);
	replica->committed = replica->appended = zxid;
	tree_set_zxid(replica->tree, zxid);
	replica->server->proposed = replica->server->committed = zxid;
	node->store.base = node->committed = zxid;
	cluster_write_tree(cluster, sid);
	replica_check(replica);
}

static void test_transactions_beyond_the_end_of_an_epoch_are_dropped(void **state)
{
	enum { SESSIONS = 5 };
	struct cluster *cluster = test_calloc(1, sizeof(*cluster));
	struct fake_driver *driver;
	int64_t leader;

	cluster_init(cluster, 1);
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++)
		cluster_start(cluster, sid);
	leader = cluster_await(cluster, CLUSTER_NODE_COUNT);
	driver = cluster_driver(cluster, leader);
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++)
		skip_to(cluster, sid, 0x1fffffffc - SESSIONS);
	for (connection_id_t id = 1; id <= SESSIONS; id++)
		assert_int_not_equal(cluster_connect(cluster, leader, id, 0), 0);
	assert_int_equal(tree_zxid(replica_tree(driver->replica)), 0x1fffffffc);
	for (connection_id_t id = 1; id <= SESSIONS; id++)
		fake_close(driver, id);
	/* They expire together, and the leader closes them all at once, whatever room there is. */
	while (cluster_node(cluster, leader)->epoch == 1) {
		cluster_advance(cluster, 20);
		cluster_settle(cluster);
	}
	leader = cluster_await(cluster, CLUSTER_NODE_COUNT);
	assert_int_equal(cluster_node(cluster, leader)->epoch, 2);
	assert_int_equal(tree_zxid(replica_tree(cluster_driver(cluster, leader)->replica)),
			 0x1fffffffe);
	while (tree_session_count(replica_tree(cluster_driver(cluster, leader)->replica)) > 0) {
		cluster_advance(cluster, 20);
		cluster_settle(cluster);
	}
	assert_int_equal(tree_zxid(replica_tree(cluster_driver(cluster, leader)->replica)),
			 zxid_make(2, SESSIONS - 2));
	assert_true(cluster_agrees(cluster));
	cluster_release(cluster);
	test_free(cluster);
}

/* There is no transaction of the epoch yet; it begins above the tree's zxid all the same. */
static void test_nothing_waits_for_the_first_transaction_of_an_epoch(void **state)
{
	struct cluster *cluster = test_calloc(1, sizeof(*cluster));
	struct fake_driver *driver;
	int64_t first, second, follower;
	session_id_t session;

	cluster_init(cluster, 1);
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++)
		cluster_start(cluster, sid);
	first = cluster_await(cluster, CLUSTER_NODE_COUNT);
	session = cluster_connect(cluster, first, 1, 0);
	cluster_stop(cluster, first);
	second = cluster_await(cluster, 2);
	follower = 6 - first - second; /* they are 1, 2 and 3 */
	assert_int_equal(cluster_node(cluster, second)->epoch, 2);
	assert_int_equal(cluster_connect(cluster, follower, 1, session), session);
	driver = cluster_driver(cluster, follower);
	fake_read(driver, 1, ZK_OP_SYNC, "/", false);
	assert_int_equal(cluster_code(cluster, follower, 1), ZK_OK);
	fake_read(driver, 1, ZK_OP_EXISTS, "/", false);
	assert_int_equal(cluster_code(cluster, follower, 1), ZK_OK);
	assert_int_equal(zxid_epoch(tree_zxid(replica_tree(driver->replica))), 1);
	cluster_release(cluster);
	test_free(cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transactions_beyond_the_end_of_an_epoch_are_dropped),
		cmocka_unit_test(test_nothing_waits_for_the_first_transaction_of_an_epoch),
	};

	return cmocka_run_group_tests_name("replica-epoch", tests, NULL, NULL);
}
