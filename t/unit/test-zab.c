/* The consensus core in an ensemble of its own kind. */
#include <string.h>

#include "t/unit/cmocka.h"
#include "t/unit/zab-cluster.h"
#include "t/unit/zab-skip.h"

static struct cluster cluster;

static int set_up(void **state)
{
	(void)state;
	cluster_init(&cluster, 3, 0);
	return 0;
}

static int set_up_observer(void **state)
{
	(void)state;
	cluster_init(&cluster, 4, 1);
	return 0;
}

static int set_up_five(void **state)
{
	(void)state;
	cluster_init(&cluster, 5, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cluster_release(&cluster);
	return 0;
}

static int64_t start_all(void)
{
	for (size_t i = 0; i < cluster.count; i++)
		cluster_start(&cluster, (int64_t)i + 1);
	return cluster_await(&cluster, cluster.count);
}

static struct cluster_node *node(int64_t sid)
{
	return cluster_node(&cluster, sid);
}

static int64_t follower_of(int64_t leader)
{
	return leader == 1 ? 2 : 1;
}

/* The server that is neither. */
static int64_t third(int64_t a, int64_t b)
{
	return 6 - a - b;
}

static void propose(int64_t leader, const char *text)
{
	(void)cluster_propose(&cluster, leader, text); /* its zxid is not of interest */
	cluster_settle(&cluster);
}

static void assert_applied(int64_t sid, const char *texts)
{
	assert_string_equal(cluster_applied(&cluster, sid), texts);
}

static void assert_all_applied(const char *texts)
{
	for (size_t i = 0; i < cluster.count; i++)
		assert_applied((int64_t)i + 1, texts);
}

static void test_empty_servers_form_an_ensemble(void **state)
{
	(void)state;
	start_all();
	for (int64_t sid = 1; sid <= 3; sid++) {
		assert_int_equal(node(sid)->epoch, 1);
		assert_int_equal(node(sid)->disk.accepted_epoch, 1);
		assert_int_equal(node(sid)->disk.current_epoch, 1);
		assert_false(node(sid)->disk.is_empty);
		assert_int_equal(node(sid)->snapshots_received, 0);
	}
}

static void test_proposals_are_committed_everywhere(void **state)
{
	int64_t leader;

	(void)state;
	leader = start_all();
	assert_int_equal(cluster_propose(&cluster, leader, "a"), 0x100000001);
	assert_int_equal(cluster_propose(&cluster, leader, "b"), 0x100000002);
	cluster_settle(&cluster);
	propose(leader, "c");
	assert_all_applied("a b c");
}

static void test_follower_that_restarts_gets_a_diff(void **state)
{
	int64_t leader, follower;

	(void)state;
	leader = start_all();
	follower = follower_of(leader);
	propose(leader, "a");
	cluster_crash(&cluster, follower);
	propose(leader, "b");
	propose(leader, "c");
	memset(node(follower)->received, 0, sizeof(node(follower)->received));
	cluster_start(&cluster, follower);
	cluster_await(&cluster, 3);
	assert_int_equal(node(follower)->received[ZAB_DIFF], 1);
	assert_int_equal(node(follower)->received[ZAB_PROPOSAL], 2);
	assert_all_applied("a b c");
	propose(leader, "d");
	assert_all_applied("a b c d");
}

/* The leader alone logs a transaction that nobody else has seen, and dies. */
static int64_t lose_leader_with_a_tail(int64_t leader)
{
	for (int64_t sid = 1; sid <= 3; sid++)
		cluster_cut(&cluster, leader, sid);
	(void)cluster_propose(&cluster, leader, "lost"); /* its zxid is not of interest */
	cluster_sync(&cluster, leader, SIZE_MAX);
	cluster_crash(&cluster, leader);
	return cluster_await(&cluster, 2);
}

static void test_uncommitted_tail_is_cut(void **state)
{
	int64_t old, leader;

	(void)state;
	old = start_all();
	propose(old, "a");
	leader = lose_leader_with_a_tail(old);
	memset(node(old)->received, 0, sizeof(node(old)->received));
	cluster_start(&cluster, old);
	assert_applied(old, "a"); /* logged, not applied */
	cluster_await(&cluster, 3);
	assert_int_equal(node(old)->received[ZAB_TRUNC], 1);
	assert_int_equal(node(old)->disk.log.count, 1);
	propose(leader, "b");
	assert_all_applied("a b");
}

static void test_uncommitted_tail_beside_a_newer_epoch_is_replaced(void **state)
{
	int64_t old, leader;

	(void)state;
	old = start_all();
	propose(old, "a");
	leader = lose_leader_with_a_tail(old);
	propose(leader, "b");
	cluster_start(&cluster, old);
	cluster_await(&cluster, 3);
	assert_int_equal(node(old)->snapshots_received, 1);
	assert_all_applied("a b");
	propose(leader, "c");
	assert_all_applied("a b c");
}

static void test_tail_that_a_quorum_logged_is_committed_by_the_next_leader(void **state)
{
	int64_t old, other;

	(void)state;
	old = start_all();
	other = follower_of(old);
	propose(old, "a");
	node(old)->is_disk_held = true;
	node(third(old, other))->is_disk_held = true;
	propose(old, "b"); /* other has it in its log; nobody knows it to be committed */
	assert_applied(other, "a");
	for (int64_t sid = 1; sid <= 3; sid++)
		cluster_crash(&cluster, sid);
	node(old)->is_disk_held = false;
	cluster_start(&cluster, other);
	assert_applied(other, "a");
	node(third(old, other))->is_disk_held = false;
	cluster_start(&cluster, third(old, other));
	assert_int_equal(cluster_await(&cluster, 2), other);
	assert_applied(other, "a b");
	cluster_start(&cluster, old);
	cluster_await(&cluster, 3);
	assert_all_applied("a b");
}

static void test_follower_beyond_the_window_gets_a_snapshot(void **state)
{
	int64_t leader, follower;

	(void)state;
	for (int64_t sid = 1; sid <= 3; sid++)
		node(sid)->config.history_count_max = 1;
	leader = start_all();
	follower = follower_of(leader);
	propose(leader, "a");
	cluster_crash(&cluster, follower);
	propose(leader, "b");
	propose(leader, "c");
	propose(leader, "d");
	cluster_write_tree(&cluster, leader);
	propose(leader, "e");
	cluster_start(&cluster, follower);
	cluster_await(&cluster, 3);
	assert_int_equal(node(follower)->snapshots_received, 1);
	assert_all_applied("a b c d e");
	propose(leader, "f");
	cluster_crash(&cluster, follower);
	cluster_start(&cluster, follower);
	cluster_await(&cluster, 3);
	assert_int_equal(node(follower)->snapshots_received, 1);
	assert_all_applied("a b c d e f");
}

static void test_proposals_go_on_while_a_snapshot_is_on_its_way(void **state)
{
	int64_t leader, follower;

	(void)state;
	for (int64_t sid = 1; sid <= 3; sid++)
		node(sid)->config.history_count_max = 0;
	leader = start_all();
	follower = follower_of(leader);
	cluster_crash(&cluster, follower);
	propose(leader, "a");
	cluster_write_tree(&cluster, leader);
	node(follower)->is_disk_held = true;
	cluster_start(&cluster, follower);
	for (int i = 0; i < 40; i++) {
		cluster_sync(&cluster, follower, 1);
		propose(leader, "b");
		cluster_write_tree(&cluster, leader);
	}
	node(follower)->is_disk_held = false;
	cluster_await(&cluster, 3);
	cluster_settle(&cluster);
	assert_int_equal(node(follower)->snapshots_received, 1);
	assert_int_equal(node(follower)->applied.count, 41);
	assert_int_equal(node(follower)->applied_zxid, node(leader)->applied_zxid);
}

static void test_observer_is_informed_and_never_votes(void **state)
{
	int64_t leader;

	(void)state;
	leader = start_all();
	assert_int_equal(node(4)->state, ZAB_OBSERVING);
	propose(leader, "a");
	propose(leader, "b");
	assert_all_applied("a b");
	assert_int_equal(node(4)->received[ZAB_INFORM], 2);
	assert_int_equal(node(4)->received[ZAB_PROPOSAL], 0);
	assert_int_equal(node(leader)->received[ZAB_ACK], 2 * 2 + 2 + 2 * 2);
	/* With the observer alone there is no quorum. */
	for (int64_t sid = 1; sid <= 3; sid++)
		if (sid != leader)
			cluster_crash(&cluster, sid);
	(void)cluster_run(&cluster, 2000, NULL, NULL);
	assert_int_equal(cluster_leader(&cluster, 1), 0);
	cluster_start(&cluster, leader == 1 ? 2 : 1);
	leader = cluster_await(&cluster, 3);
	propose(leader, "c");
	assert_applied(4, "a b c");
}

static void test_observer_that_was_away_gets_history_with_its_commits(void **state)
{
	int64_t leader;

	(void)state;
	leader = start_all();
	propose(leader, "z");
	cluster_crash(&cluster, 4);
	propose(leader, "a");
	propose(leader, "b");
	cluster_start(&cluster, 4);
	cluster_await(&cluster, 4);
	assert_int_equal(node(4)->received[ZAB_PROPOSAL], 2);
	assert_int_equal(node(4)->received[ZAB_COMMIT], 2);
	propose(leader, "c");
	assert_all_applied("z a b c");
}

static void test_next_leader_is_established_at_once(void **state)
{
	int64_t leader, next;
	msec_t died_ms;

	(void)state;
	leader = start_all();
	propose(leader, "a");
	(void)cluster_run(&cluster, 3000, NULL, NULL);
	cluster_crash(&cluster, leader);
	died_ms = cluster.now_ms;
	next = cluster_await(&cluster, 2);
	assert_true(cluster.now_ms - died_ms < 250);
	assert_int_equal(node(next)->epoch, 2);
	assert_int_equal(cluster_propose(&cluster, next, "b"), 0x200000001);
	cluster_settle(&cluster);
	cluster_start(&cluster, leader);
	cluster_await(&cluster, 3);
	assert_all_applied("a b");
}

static void test_commit_waits_for_the_own_log(void **state)
{
	int64_t leader, slow;

	(void)state;
	leader = start_all();
	slow = follower_of(leader);
	node(slow)->is_disk_held = true;
	propose(leader, "a");
	propose(leader, "b");
	assert_applied(leader, "a b");
	assert_int_equal(node(slow)->received[ZAB_COMMIT], 2);
	assert_applied(slow, "");
	cluster_sync(&cluster, slow, 1);
	assert_applied(slow, "a");
	cluster_sync(&cluster, slow, 1);
	assert_all_applied("a b");
}

static void test_leader_commits_without_its_own_log(void **state)
{
	int64_t leader;

	(void)state;
	leader = start_all();
	node(leader)->is_disk_held = true;
	propose(leader, "a");
	assert_applied(follower_of(leader), "a");
	assert_applied(leader, "");
	cluster_sync(&cluster, leader, SIZE_MAX);
	assert_all_applied("a");
}

static void test_minority_commits_nothing(void **state)
{
	int64_t leader;

	(void)state;
	leader = start_all();
	for (int64_t sid = 1; sid <= 5; sid++)
		node(sid)->is_disk_held = sid != leader && sid != follower_of(leader);
	propose(leader, "a");
	for (int64_t sid = 1; sid <= 5; sid++)
		assert_applied(sid, "");
	cluster_sync(&cluster, leader == 5 ? 4 : 5, SIZE_MAX);
	cluster_settle(&cluster);
	assert_applied(leader, "a");
}

/* What an Apache leader's SNAP can leave behind: a tree that holds transactions of its tail. */
static void hold_tail_in_snapshot(struct cluster_disk *disk)
{
	struct cluster_txn txn = {.zxid = 0x100000003};

	disk->base_tree = disk->log;
	disk->log.count = 0;
	txn.txn = blob_new(bytes_of_text("never"));
	disk->base_tree.items[disk->base_tree.count++] = txn;
	disk->base = disk->tree = disk->committed = 0x100000003;
}

static void test_snapshot_with_an_uncommitted_tail_is_replaced(void **state)
{
	int64_t leader, follower;

	(void)state;
	leader = start_all();
	follower = follower_of(leader);
	propose(leader, "a");
	propose(leader, "b");
	cluster_crash(&cluster, follower);
	hold_tail_in_snapshot(&node(follower)->disk);
	memset(node(follower)->received, 0, sizeof(node(follower)->received));
	cluster_start(&cluster, follower);
	assert_applied(follower, "a b never");
	cluster_await(&cluster, 3);
	assert_int_equal(node(follower)->received[ZAB_TRUNC], 1);
	assert_int_equal(node(follower)->received[ZAB_SNAP], 1);
	assert_string_equal(node(follower)->fatal, "");
	assert_all_applied("a b");
	propose(leader, "c");
	assert_all_applied("a b c");
}

static void test_cutting_what_was_served_ends_the_process(void **state)
{
	int64_t leader, follower;
	struct cluster_disk *disk;
	struct cluster_txn txn = {.zxid = 0x100000002};

	(void)state;
	leader = start_all();
	follower = follower_of(leader);
	propose(leader, "a");
	cluster_crash(&cluster, follower);
	disk = &node(follower)->disk;
	txn.txn = blob_new(bytes_of_text("served"));
	disk->log.items[disk->log.count++] = txn;
	disk->committed = 0x100000002;
	cluster_start(&cluster, follower);
	(void)cluster_run(&cluster, 1000, NULL, NULL);
	assert_non_null(strstr(node(follower)->fatal, "0x100000002"));
	assert_int_equal(disk->log.count, 2);
}

static void test_empty_store_does_not_vote_in_an_old_ensemble(void **state)
{
	int64_t leader, wiped;

	(void)state;
	leader = start_all();
	wiped = follower_of(leader);
	propose(leader, "a");
	for (int64_t sid = 1; sid <= 3; sid++)
		cluster_crash(&cluster, sid);
	for (size_t i = 0; i < node(wiped)->disk.log.count; i++)
		blob_unref(node(wiped)->disk.log.items[i].txn);
	memset(&node(wiped)->disk, 0, sizeof(node(wiped)->disk));
	node(wiped)->disk.is_empty = true;
	cluster_start(&cluster, wiped);
	cluster_start(&cluster, leader);
	(void)cluster_run(&cluster, 5000, NULL, NULL);
	assert_int_equal(cluster_leader(&cluster, 1), 0);
	cluster_start(&cluster, third(leader, wiped));
	cluster_await(&cluster, 3);
	assert_all_applied("a");
}

static void test_leader_without_a_quorum_steps_down(void **state)
{
	int64_t leader;

	(void)state;
	leader = start_all();
	for (int64_t sid = 1; sid <= 3; sid++)
		if (sid != leader)
			cluster_crash(&cluster, sid);
	(void)cluster_run(&cluster, 2 * 200, NULL, NULL);
	assert_int_equal(node(leader)->state, ZAB_LOOKING);
	assert_false(node(leader)->is_serving);
}

static void test_learner_that_acknowledges_nothing_is_dropped(void **state)
{
	int64_t leader, stuck;
	struct zab_status status;

	(void)state;
	leader = start_all();
	stuck = follower_of(leader);
	node(stuck)->is_disk_held = true;
	propose(leader, "a");
	(void)cluster_run(&cluster, 6 * 200, NULL, NULL);
	zab_get_status(node(leader)->zab, &status);
	assert_int_equal(status.state, ZAB_LEADING);
	assert_int_equal(status.synced_follower_count, 1);
	/* It does not come back before its log is durable. */
	assert_int_equal(node(stuck)->state, ZAB_LOOKING);
	node(stuck)->is_disk_held = false;
	cluster_await(&cluster, 3);
	assert_all_applied("a");
}

static void test_learner_that_falls_far_behind_is_dropped(void **state)
{
	int64_t leader, stuck;

	(void)state;
	for (int64_t sid = 1; sid <= 3; sid++)
		node(sid)->config.pinned_size_max = 1000;
	leader = start_all();
	stuck = follower_of(leader);
	node(stuck)->is_disk_held = true;
	for (int i = 0; i < 20; i++)
		propose(leader, "a");
	assert_int_equal(node(stuck)->state, ZAB_LOOKING);
	assert_int_equal(node(leader)->applied.count, 20);
}

static void test_intake_is_bounded(void **state)
{
	int64_t leader;

	(void)state;
	for (int64_t sid = 1; sid <= 3; sid++)
		node(sid)->config.outstanding_size_max = 500;
	leader = start_all();
	for (int64_t sid = 1; sid <= 3; sid++)
		node(sid)->is_disk_held = true;
	for (int i = 0; zab_can_propose(node(leader)->zab); i++) {
		assert_true(i < 10);
		propose(leader, "a");
	}
	for (int64_t sid = 1; sid <= 3; sid++)
		cluster_sync(&cluster, sid, SIZE_MAX);
	cluster_settle(&cluster);
	assert_true(zab_can_propose(node(leader)->zab));
}

static void skip_to(struct cluster_node *node, zxid_t zxid)
{
	zab_skip_to(node->zab, zxid);
	node->disk.base = node->disk.tree = node->disk.committed = node->applied_zxid = zxid;
}

static void test_last_counter_of_an_epoch_is_never_used(void **state)
{
	int64_t leader, next;

	(void)state;
	leader = start_all();
	for (int64_t sid = 1; sid <= 4; sid++)
		skip_to(node(sid), 0x1fffffffc);
	assert_int_equal(cluster_propose(&cluster, leader, "a"), 0x1fffffffd);
	cluster_settle(&cluster);
	assert_true(zab_can_propose(node(leader)->zab));
	for (int64_t sid = 1; sid <= 3; sid++)
		node(sid)->is_disk_held = true;
	assert_int_equal(cluster_propose(&cluster, leader, "b"), 0x1fffffffe);
	cluster_settle(&cluster);
	/* It leads until that is committed, and takes nothing more. */
	assert_int_equal(node(leader)->state, ZAB_LEADING);
	assert_false(zab_can_propose(node(leader)->zab));
	for (int64_t sid = 1; sid <= 3; sid++) {
		node(sid)->is_disk_held = false;
		cluster_sync(&cluster, sid, SIZE_MAX);
	}
	cluster_settle(&cluster);
	assert_int_not_equal(node(leader)->epoch, 1);
	next = cluster_await(&cluster, 4);
	assert_int_equal(node(next)->epoch, 2);
	assert_all_applied("a b");
	assert_int_equal(cluster_propose(&cluster, next, "c"), 0x200000001);
	cluster_settle(&cluster);
	assert_all_applied("a b c");
	/* The log goes on over the end of the epoch. */
	cluster_crash(&cluster, follower_of(next));
	propose(next, "d");
	cluster_start(&cluster, follower_of(next));
	(void)cluster_await(&cluster, 4);
	assert_all_applied("a b c d");
}

#define zab_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		zab_test(test_empty_servers_form_an_ensemble),
		zab_test(test_proposals_are_committed_everywhere),
		zab_test(test_follower_that_restarts_gets_a_diff),
		zab_test(test_uncommitted_tail_is_cut),
		zab_test(test_uncommitted_tail_beside_a_newer_epoch_is_replaced),
		zab_test(test_tail_that_a_quorum_logged_is_committed_by_the_next_leader),
		zab_test(test_follower_beyond_the_window_gets_a_snapshot),
		zab_test(test_proposals_go_on_while_a_snapshot_is_on_its_way),
		cmocka_unit_test_setup_teardown(test_observer_is_informed_and_never_votes,
						set_up_observer, tear_down),
		cmocka_unit_test_setup_teardown(
			test_observer_that_was_away_gets_history_with_its_commits, set_up_observer,
			tear_down),
		zab_test(test_next_leader_is_established_at_once),
		zab_test(test_commit_waits_for_the_own_log),
		zab_test(test_leader_commits_without_its_own_log),
		cmocka_unit_test_setup_teardown(test_minority_commits_nothing, set_up_five,
						tear_down),
		zab_test(test_snapshot_with_an_uncommitted_tail_is_replaced),
		zab_test(test_cutting_what_was_served_ends_the_process),
		zab_test(test_empty_store_does_not_vote_in_an_old_ensemble),
		zab_test(test_leader_without_a_quorum_steps_down),
		zab_test(test_learner_that_acknowledges_nothing_is_dropped),
		zab_test(test_learner_that_falls_far_behind_is_dropped),
		zab_test(test_intake_is_bounded),
		cmocka_unit_test_setup_teardown(test_last_counter_of_an_epoch_is_never_used,
						set_up_observer, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
