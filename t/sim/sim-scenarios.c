/*
 * Scenarios: what seeds do by chance, done on purpose, and what a seed once
 * found. Each is a run of the simulated world, so the checkers look on
 * (sim-check.h) unless puppets play.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"
#include "t/sim/sim-cluster.h"
#include "t/sim/sim-puppet.h"
#include "t/sim/sim-run.h"
#include "t/unit/cmocka.h"

enum { WAIT_MS = 8000 };

/* ---- ensembles without chance but that of the network ---- */

static struct sim_cluster *begin(uint64_t seed, int voters, int observers)
{
	struct sim_cluster *cluster = mem_zalloc(sizeof(*cluster));
	struct sim_options options;

	sim_options_init(&options);
	options.seed = seed;
	options.voters = voters;
	options.observers = observers;
	options.clients = 3;
	options.is_plain = true;
	options.is_tracing = getenv("SIM_TRACE") != NULL;
	sim_cluster_init(cluster, &options);
	sim_cluster_start(cluster);
	return cluster;
}

static void assert_good(const struct sim_cluster *cluster)
{
	if (cluster->world.has_failed)
		fail_msg("seed %" PRIu64 ": %s", cluster->options.seed, cluster->world.failure);
}

static void wait_for(struct sim_cluster *cluster, sim_condition_fn *condition, const char *what)
{
	bool is_met = sim_cluster_wait(cluster, condition, WAIT_MS);

	assert_good(cluster);
	if (!is_met)
		fail_msg("seed %" PRIu64 ": waited in vain until %s", cluster->options.seed, what);
}

static void wait_whole(struct sim_cluster *cluster)
{
	wait_for(cluster, sim_cluster_is_whole, "every server serves");
}

static void run_ms(struct sim_cluster *cluster, int64_t ms)
{
	sim_world_run_until(&cluster->world, cluster->world.now_us + ms * 1000);
	assert_good(cluster);
}

/* Until a number of further transactions are committed. */
static void wait_commits(struct sim_cluster *cluster, size_t more)
{
	size_t count = sim_check_count(cluster->check) + more;
	int64_t until_us = cluster->world.now_us + WAIT_MS * 1000;

	while (sim_check_count(cluster->check) < count && cluster->world.now_us < until_us &&
	       sim_world_step(&cluster->world))
		;
	assert_good(cluster);
	assert_true(sim_check_count(cluster->check) >= count);
}

/* Everything is up again, and everybody has everything. */
static void end(struct sim_cluster *cluster)
{
	sim_cluster_start(cluster);
	wait_whole(cluster);
	wait_commits(cluster, 3);
	for (int i = 0; i < cluster->client_count; i++)
		sim_client_stop(&cluster->clients[i]);
	wait_for(cluster, sim_cluster_is_current, "every server has the whole history");
	sim_cluster_release(cluster);
	free(cluster);
}

static struct sim_replica *follower_of(struct sim_cluster *cluster)
{
	struct sim_replica *leader = sim_cluster_leader(cluster);

	assert_non_null(leader);
	return sim_cluster_replica(cluster, leader->sid % cluster->voter_count + 1);
}

/* ---- commits and the own log ---- */

static zxid_t heard_commit(const struct sim_replica *replica)
{
	zxid_t committed = 0;

	for (int i = 0; i < SIM_LINKS_MAX; i++)
		if (replica->links[i].number != 0 && replica->links[i].talk.committed > committed)
			committed = replica->links[i].talk.committed;
	return committed;
}

static void a_commit_before_the_own_sync_waits_for_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct sim_cluster *cluster = begin(seed, 3, 0);
		struct sim_replica *slow;
		bool was_early = false;
		zxid_t logged;

		wait_whole(cluster);
		slow = follower_of(cluster);
		sim_disk_set_slowness(&slow->disk, 40);
		logged = sim_disk_logged(&slow->disk);
		for (int64_t until_us = cluster->world.now_us + WAIT_MS * 1000;
		     !was_early && cluster->world.now_us < until_us;
		     sim_world_step(&cluster->world)) {
			assert_good(cluster);
			logged = sim_disk_logged(&slow->disk);
			assert_true(sim_app_zxid(slow->app) <= logged);
			was_early = heard_commit(slow) > logged;
		}
		assert_true(was_early);
		sim_disk_set_slowness(&slow->disk, 1);
		end(cluster);
	}
}

static void a_leader_commits_what_a_quorum_without_it_has_logged(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct sim_cluster *cluster = begin(seed, 3, 0);
		struct sim_replica *leader;
		struct sim_replica *follower;
		bool was_ahead = false;

		wait_whole(cluster);
		leader = sim_cluster_leader(cluster);
		follower = follower_of(cluster);
		sim_disk_set_slowness(&leader->disk, 40);
		for (int64_t until_us = cluster->world.now_us + WAIT_MS * 1000;
		     !was_ahead && cluster->world.now_us < until_us;
		     sim_world_step(&cluster->world)) {
			assert_good(cluster);
			was_ahead = sim_app_zxid(follower->app) > sim_disk_logged(&leader->disk);
			assert_true(sim_app_zxid(leader->app) <= sim_disk_logged(&leader->disk));
		}
		assert_true(was_ahead);
		sim_disk_set_slowness(&leader->disk, 1);
		end(cluster);
	}
}

/*
 * The ACK that answers UPTODATE carries no transaction's zxid. Behind the first proposal it once
 * counted as one, was stored as committed, and a TRUNC below it ended the process (seed 308478).
 */
static void the_second_ack_of_newleader_commits_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct sim_cluster *cluster = begin(seed, 3, 0);

		wait_whole(cluster);
		/* The next epoch: a follower that logs slowly acks its first proposals late. */
		sim_replica_crash(sim_cluster_leader(cluster), false);
		for (int i = 0; i < cluster->client_count; i++)
			cluster->clients[i].think_us_max = 1000;
		for (int i = 0; i < cluster->count; i++)
			if (cluster->replicas[i].zab && i != 0)
				sim_disk_set_slowness(&cluster->replicas[i].disk, 8);
		wait_commits(cluster, 20); /* sim_disk_append looks at each */
		for (int i = 0; i < cluster->count; i++)
			sim_disk_set_slowness(&cluster->replicas[i].disk, 1);
		end(cluster);
	}
}

/* ---- torn logs ---- */

static void crash_all(struct sim_cluster *cluster, const int64_t survivors[3])
{
	for (int sid = 1; sid <= 3; sid++) {
		struct sim_replica *replica = sim_cluster_replica(cluster, sid);

		replica->survivors = survivors[sid - 1];
		sim_replica_crash(replica, false);
	}
	run_ms(cluster, 20);
}

/* The power fails, and again while the ensemble comes back, each time in the middle of a write. */
static void two_torn_logs_in_a_row_lose_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 64; seed++) {
		struct sim_cluster *cluster = begin(seed, 3, 0);
		int64_t survivors[3] = {(int64_t)(seed & 3), (int64_t)(seed >> 2 & 3),
					(int64_t)(seed >> 4 & 3)};

		wait_whole(cluster);
		for (int i = 0; i < cluster->count; i++)
			sim_disk_set_slowness(&cluster->replicas[i].disk, 10);
		wait_commits(cluster, 10);
		crash_all(cluster, survivors);
		sim_cluster_start(cluster);
		/* Just so far that the new epoch is being written. */
		run_ms(cluster, (int64_t)(seed * 7 % 60));
		for (int i = 0; i < 3; i++)
			survivors[i] = 3 - survivors[i];
		crash_all(cluster, survivors);
		for (int i = 0; i < cluster->count; i++)
			sim_disk_set_slowness(&cluster->replicas[i].disk, 1);
		end(cluster);
	}
}

/* ---- snapshots ---- */

static struct sim_replica *receiver;

static bool is_receiving(struct sim_cluster *cluster)
{
	(void)cluster;
	return receiver->receiving != 0;
}

static bool is_installing(struct sim_cluster *cluster)
{
	(void)cluster;
	return receiver->disk.is_installing;
}

/* A follower that was away for longer than the history that is kept. */
static struct sim_cluster *begin_behind(uint64_t seed)
{
	struct sim_cluster *cluster = begin(seed, 3, 0);

	wait_whole(cluster);
	receiver = follower_of(cluster);
	wait_commits(cluster, 5);
	sim_replica_crash(receiver, false);
	for (int i = 0; i < 3; i++)
		wait_commits(cluster, 160);
	run_ms(cluster, 1000);
	sim_replica_start(receiver);
	return cluster;
}

static void a_crash_between_snapshot_and_installation_keeps_the_old_state(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct sim_cluster *cluster = begin_behind(seed);
		zxid_t logged = sim_disk_logged(&receiver->disk);

		wait_for(cluster, is_receiving, "a snapshot comes");
		run_ms(cluster, (int64_t)seed * 3);
		if (receiver->zab && receiver->receiving) {
			receiver->survivors = 0;
			sim_replica_crash(receiver, false);
			assert_int_equal(sim_disk_logged(&receiver->disk), logged);
			sim_replica_start(receiver);
		}
		end(cluster);
	}
}

/* The installation is one commit: it has happened in whole, or not at all (R12). */
static void a_crash_in_an_installation_leaves_one_of_both_states(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct sim_cluster *cluster = begin_behind(seed);
		zxid_t logged = sim_disk_logged(&receiver->disk);
		bool survives = seed % 2 == 0;

		wait_for(cluster, is_installing, "a snapshot is installed");
		receiver->survivors = survives ? INT32_MAX : 0;
		sim_replica_crash(receiver, false);
		if (survives)
			assert_true(sim_disk_logged(&receiver->disk) > logged);
		else
			assert_int_equal(sim_disk_logged(&receiver->disk), logged);
		sim_replica_start(receiver);
		end(cluster);
	}
}

/* A voter whose disk was lost comes back, the leader or another, and until it is in sync it has no
 * vote: the checker looks at everything that it says (R18). */
static void a_voter_with_a_new_disk_comes_back_without_a_vote(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct sim_cluster *cluster = begin(seed, seed % 2 ? 3 : 5, (int)(seed % 3));
		struct sim_replica *wiped;

		wait_whole(cluster);
		wait_commits(cluster, seed % 4 ? 30 : 1);
		wiped = seed % 2 ? sim_cluster_leader(cluster) : follower_of(cluster);
		sim_replica_crash(wiped, false);
		sim_replica_wipe(wiped);
		if (seed % 5 == 0)
			run_ms(cluster, 500);
		sim_replica_start(wiped);
		end(cluster);
	}
}

/* ---- how long it takes ---- */

static bool has_leader(struct sim_cluster *cluster)
{
	return sim_cluster_leader(cluster);
}

/* An election ends when all who can be reached agree: it does not wait for 200 ms. */
static void an_election_ends_as_soon_as_all_agree(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct sim_cluster *cluster = begin(seed, seed % 2 ? 3 : 5, (int)(seed % 3));

		assert_true(sim_cluster_wait(cluster, has_leader, ELECTION_FINALIZE_MS / 2));
		end(cluster);
	}
}

/* From the end of a leader's process to the next commit, seen by nobody but the others' sockets. */
static void a_dead_leader_is_replaced_at_once(void **state)
{
	int64_t sum_us = 0;
	int64_t slowest_us = 0;
	int count = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct sim_cluster *cluster = begin(seed, seed % 2 ? 3 : 5, 0);
		int64_t since_us;

		wait_whole(cluster);
		wait_commits(cluster, 20);
		sim_replica_crash(sim_cluster_leader(cluster), false);
		since_us = cluster->world.now_us;
		wait_for(cluster, has_leader, "there is a leader");
		assert_true(sim_cluster_leader(cluster)->is_serving);
		since_us = cluster->world.now_us - since_us;
		sum_us += since_us;
		count++;
		if (since_us > slowest_us)
			slowest_us = since_us;
		end(cluster);
	}
	print_message("# a new leader after %" PRId64 " ms, at most %" PRId64 " ms\n",
		      sum_us / count / 1000, slowest_us / 1000);
	assert_true(slowest_us < 200 * 1000);
}

/* ---- puppets ---- */

static const char three[] = "server.1=127.0.0.1:2001:3001:participant\n"
			    "server.2=127.0.0.1:2002:3002:participant\n"
			    "server.3=127.0.0.1:2003:3003:participant\n"
			    "version=0";

static const char observed[] = "server.1=127.0.0.1:2001:3001:observer\n"
			       "server.2=127.0.0.1:2002:3002:participant\n"
			       "server.3=127.0.0.1:2003:3003:participant\n"
			       "version=0";

/* Server 1 is a replica; 2 and 3 do what the scenario says. */
struct stage {
	struct sim_world world;
	struct sim_net net;
	struct members members;
	struct sim_replica replica;
	struct sim_puppet two, three;
};

static void stage_set(struct stage *stage, const char *members)
{
	struct zab_config config;

	sim_world_init(&stage->world, getenv("SIM_TRACE") != NULL);
	sim_net_init(&stage->net, &stage->world, 1);
	assert_int_equal(members_parse(bytes_of_text(members), &stage->members), 0);
	zab_config_init(&config);
	config.myid = 1;
	config.members = stage->members;
	config.tick_ms = 100;
	sim_replica_init(&stage->replica, &stage->world, &stage->net, NULL, &config, 1);
	sim_puppet_init(&stage->two, &stage->world, &stage->net, 2, members);
	sim_puppet_init(&stage->three, &stage->world, &stage->net, 3, members);
}

static void stage_clear(struct stage *stage)
{
	sim_replica_release(&stage->replica);
	sim_net_release(&stage->net);
	members_release(&stage->members);
	sim_world_release(&stage->world);
}

static void stage_wait(struct stage *stage, const bool *is_true)
{
	int64_t until_us = stage->world.now_us + WAIT_MS * 1000;

	while (!*is_true && stage->world.now_us < until_us && sim_world_step(&stage->world))
		;
	if (stage->world.has_failed)
		fail_msg("%s", stage->world.failure);
	assert_true(*is_true);
}

static void stage_run_ms(struct stage *stage, int64_t ms)
{
	sim_world_run_until(&stage->world, stage->world.now_us + ms * 1000);
	if (stage->world.has_failed)
		fail_msg("%s", stage->world.failure);
}

/* The replica has ended its link to it. */
static void stage_wait_loss(struct stage *stage, const struct sim_puppet *puppet)
{
	for (int i = 0; i < WAIT_MS && puppet->losses == 0; i++)
		stage_run_ms(stage, 1);
	assert_true(puppet->losses > 0);
}

/* Both puppets are settled under one of them. */
static void stage_leader(struct stage *stage, int64_t leader, uint32_t epoch, zxid_t zxid)
{
	sim_puppet_vote(&stage->two, leader, epoch, zxid, 1);
	sim_puppet_vote(&stage->three, leader, epoch, zxid, 1);
	sim_puppet_tell(&stage->two, 1);
	sim_puppet_tell(&stage->three, 1);
}

static struct blob *txn_of(zxid_t zxid)
{
	struct sim_request request = {.session = 1,
				      .cxid = (int32_t)zxid_counter(zxid),
				      .opcode = SIM_OPEN,
				      .attachment = 1,
				      .key = 1,
				      .value = zxid};
	struct blob *encoded = sim_request_encode(&request);
	struct blob *txn = sim_txn_encode(blob_bytes(encoded), 3, zxid);

	blob_unref(encoded);
	return txn;
}

/* The state behind transactions 1 to count of epoch 1. */
static struct blob *snapshot_of(uint32_t count)
{
	struct sim_app *app = sim_app_new();
	struct blob *snapshot;

	for (uint32_t counter = 1; counter <= count; counter++) {
		struct blob *txn = txn_of(zxid_make(1, counter));

		(void)sim_app_apply(app, zxid_make(1, counter), blob_bytes(txn));
		blob_unref(txn);
	}
	snapshot = sim_app_snapshot(app);
	sim_app_free(app);
	return snapshot;
}

/*
 * An Apache leader's SNAP can hold transactions of its tail. They never get committed, another
 * leads, and its TRUNC goes below our tree: nothing is cut, the link is closed, and 0x0 is asked
 * from, which brings a SNAP (DESIGN.md 7, lessons R11; ZOOKEEPER-1549, 4837).
 */
static void a_trunc_below_a_snapshot_with_a_tail_brings_a_snap(void **state)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));
	struct sim_replica *replica = &stage->replica;
	struct blob *with_tail = snapshot_of(5);
	struct blob *without = snapshot_of(3);

	(void)state;
	stage_set(stage, three);
	stage->three.sync = SIM_PUPPET_SNAP;
	stage->three.sync_zxid = zxid_make(1, 5);
	stage->three.stream = with_tail;
	sim_replica_start(replica);
	stage_leader(stage, 3, 1, 0);
	stage_wait(stage, &replica->is_serving);
	assert_int_equal(sim_app_zxid(replica->app), zxid_make(1, 5));

	/* 4 and 5 were never committed: 2 has not got them. */
	stage->two.sync = SIM_PUPPET_TRUNC;
	stage->two.sync_zxid = zxid_make(1, 3);
	sim_net_listen(&stage->net, 3, false);
	sim_puppet_hang_up(&stage->three);
	stage_leader(stage, 2, 2, zxid_make(1, 3));
	stage->two.stream = without;
	stage_wait(stage, &stage->two.has_ackepoch);
	assert_int_equal(stage->two.ackepoch_zxid, zxid_make(1, 5));
	stage_wait_loss(stage, &stage->two);
	assert_false(stage->two.has_newleader_ack);
	assert_int_equal(sim_disk_logged(&replica->disk), zxid_make(1, 5));
	assert_int_equal(replica->disk.current_epoch, 1);

	stage->two.sync = SIM_PUPPET_SNAP;
	stage->two.has_ackepoch = false;
	stage_wait(stage, &stage->two.has_ackepoch);
	assert_int_equal(stage->two.ackepoch_zxid, 0);
	stage_wait(stage, &replica->is_serving);
	assert_int_equal(sim_app_zxid(replica->app), zxid_make(1, 3));
	assert_int_equal(replica->disk.valid.base, zxid_make(1, 3));
	assert_int_equal(replica->disk.current_epoch, 2);

	stage_clear(stage);
	blob_unref(with_tail);
	blob_unref(without);
	free(stage);
}

/* ... and so it is when the process has ended in between: what it is to ask for follows from the
 * disk. */
static void a_trunc_below_a_snapshot_brings_a_snap_after_a_restart(void **state)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));
	struct sim_replica *replica = &stage->replica;
	struct blob *with_tail = snapshot_of(5);
	struct blob *without = snapshot_of(3);

	(void)state;
	stage_set(stage, three);
	stage->three.sync = SIM_PUPPET_SNAP;
	stage->three.sync_zxid = zxid_make(1, 5);
	stage->three.stream = with_tail;
	sim_replica_start(replica);
	stage_leader(stage, 3, 1, 0);
	stage_wait(stage, &replica->is_serving);
	sim_replica_crash(replica, false);

	stage->two.sync = SIM_PUPPET_TRUNC;
	stage->two.sync_zxid = zxid_make(1, 3);
	stage->two.stream = without;
	sim_replica_start(replica);
	stage_leader(stage, 2, 2, zxid_make(1, 3));
	stage_wait_loss(stage, &stage->two);
	assert_int_equal(sim_disk_logged(&replica->disk), zxid_make(1, 5));
	stage->two.sync = SIM_PUPPET_SNAP;
	stage_wait(stage, &replica->is_serving);
	assert_int_equal(stage->two.ackepoch_zxid, 0);
	assert_int_equal(sim_app_zxid(replica->app), zxid_make(1, 3));

	stage_clear(stage);
	blob_unref(with_tail);
	blob_unref(without);
	free(stage);
}

/* A learner that gets a DIFF with a hole takes nothing of what is behind it (R6, ZOOKEEPER-4925).
 */
static void a_hole_in_a_history_is_refused(void **state)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));
	struct sim_replica *replica = &stage->replica;
	struct blob *txn;

	(void)state;
	stage_set(stage, three);
	stage->three.sync = SIM_PUPPET_DIFF;
	sim_replica_start(replica);
	stage_leader(stage, 3, 1, 0);
	stage_wait(stage, &replica->is_serving);
	for (uint32_t counter = 1; counter <= 2; counter++) {
		txn = txn_of(zxid_make(1, counter));
		sim_puppet_send(&stage->three, ZAB_PROPOSAL, zxid_make(1, counter),
				blob_bytes(txn));
		sim_puppet_send(&stage->three, ZAB_COMMIT, zxid_make(1, counter), BYTES_NULL);
		blob_unref(txn);
	}
	for (int i = 0; i < WAIT_MS && stage->three.acked != zxid_make(1, 2); i++)
		stage_run_ms(stage, 1);
	txn = txn_of(zxid_make(1, 4));
	sim_puppet_send(&stage->three, ZAB_PROPOSAL, zxid_make(1, 4), blob_bytes(txn));
	blob_unref(txn);
	stage_wait_loss(stage, &stage->three);
	assert_int_equal(sim_disk_logged(&replica->disk), zxid_make(1, 2));
	assert_int_equal(stage->three.acked, zxid_make(1, 2));
	assert_int_equal(sim_app_zxid(replica->app), zxid_make(1, 2));

	stage_clear(stage);
	free(stage);
}

/* What an observer accepts no quorum has counted: it follows an ensemble of an earlier epoch (seed
 * 302619). */
static void an_observer_that_accepted_a_later_epoch_follows(void **state)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));
	struct sim_replica *replica = &stage->replica;

	(void)state;
	stage_set(stage, observed);
	stage->three.is_mute = true;
	sim_replica_start(replica);
	stage_leader(stage, 3, 4, 0);
	stage_wait(stage, &stage->three.has_ackepoch);
	assert_int_equal(replica->disk.accepted_epoch, 4);
	sim_net_listen(&stage->net, 3, false);
	sim_puppet_hang_up(&stage->three);
	stage_leader(stage, 2, 3, 0);
	stage_wait(stage, &replica->is_serving);
	assert_int_equal(replica->epoch, 3);
	assert_int_equal(replica->disk.accepted_epoch, 4);
	assert_int_equal(replica->disk.current_epoch, 3);

	stage_clear(stage);
	free(stage);
}

/* ---- the simulator itself ---- */

static void a_seed_is_a_run(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct sim_options options;
		struct sim_outcome first, second, other;

		sim_options_init(&options);
		options.seed = seed;
		sim_run(&options, &first);
		sim_run(&options, &second);
		options.seed = seed + 1000;
		sim_run(&options, &other);
		assert_true(first.verdict.is_good && second.verdict.is_good);
		assert_true(first.verdict.trace_hash == second.verdict.trace_hash);
		assert_int_equal(first.steps, second.steps);
		assert_int_equal(first.transactions, second.transactions);
		assert_true(first.verdict.trace_hash != other.verdict.trace_hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_commit_before_the_own_sync_waits_for_it),
		cmocka_unit_test(a_leader_commits_what_a_quorum_without_it_has_logged),
		cmocka_unit_test(the_second_ack_of_newleader_commits_nothing),
		cmocka_unit_test(two_torn_logs_in_a_row_lose_nothing),
		cmocka_unit_test(a_crash_between_snapshot_and_installation_keeps_the_old_state),
		cmocka_unit_test(a_crash_in_an_installation_leaves_one_of_both_states),
		cmocka_unit_test(a_voter_with_a_new_disk_comes_back_without_a_vote),
		cmocka_unit_test(an_election_ends_as_soon_as_all_agree),
		cmocka_unit_test(a_dead_leader_is_replaced_at_once),
		cmocka_unit_test(a_trunc_below_a_snapshot_with_a_tail_brings_a_snap),
		cmocka_unit_test(a_trunc_below_a_snapshot_brings_a_snap_after_a_restart),
		cmocka_unit_test(a_hole_in_a_history_is_refused),
		cmocka_unit_test(an_observer_that_accepted_a_later_epoch_follows),
		cmocka_unit_test(a_seed_is_a_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
