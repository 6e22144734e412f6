/*
 * One core, and what it does in which order: each step is an event and the
 * trace of the actions that it brings. The disk is durable when the test says so.
 */
#include <stdio.h>
#include <string.h>

#include "replica/zab/zab.h"
#include "t/unit/cmocka.h"

enum { LEADER_LINK = 7, LINK_1 = 11, LINK_3 = 13, TRACE_SIZE = 4096 };

struct rig {
	struct zab *zab;
	struct zab_config config;
	msec_t now_ms;
	int64_t round; /* the electionEpoch of what peers say */
	char trace[TRACE_SIZE];
	size_t size;
	int warnings;
	struct notification note; /* the last that was sent, without its text */
};

static struct rig rig;

/* ---- traces ---- */

static void trace(const char *what, uint64_t number)
{
	const char *gap = rig.size > 0 ? ", " : "";

	rig.size += (size_t)snprintf(rig.trace + rig.size, TRACE_SIZE - rig.size, "%s%s %llx", gap,
				     what, (unsigned long long)number);
	assert_true(rig.size < TRACE_SIZE);
}

static void trace_send(const struct zab_action *action)
{
	struct zab_packet packet;
	char name[64];

	assert_int_equal(zab_packet_read(action->bytes, rig.config.data_size_max, &packet),
			 action->bytes.size);
	(void)snprintf(name, sizeof(name), "%s%s",
		       action->link == LINK_1   ? "1:"
		       : action->link == LINK_3 ? "3:"
						: "",
		       zab_packet_name(packet.type));
	trace(name, (uint64_t)packet.zxid);
}

static void act(const struct zab_action *action)
{
	switch (action->type) {
	case ZAB_NOTIFY:
		assert_int_equal(notification_read(action->bytes, &rig.note), 0);
		break;
	case ZAB_LISTEN:
		trace("listen", 0);
		break;
	case ZAB_UNLISTEN:
		trace("unlisten", 0);
		break;
	case ZAB_CONNECT:
		trace("connect", (uint64_t)action->sid);
		break;
	case ZAB_DISCONNECT:
		trace("disconnect", (uint64_t)action->sid);
		break;
	case ZAB_SEND:
		trace_send(action);
		break;
	case ZAB_CLOSE:
		trace("close", action->link);
		break;
	case ZAB_APPEND:
		trace("append", (uint64_t)action->zxid);
		break;
	case ZAB_SET_EPOCHS:
		trace("epochs", (uint64_t)action->accepted_epoch << 32 | action->current_epoch);
		break;
	case ZAB_TRUNCATE:
		trace("truncate", (uint64_t)action->zxid);
		break;
	case ZAB_SEND_SNAPSHOT:
		trace("snapshot to", action->link);
		break;
	case ZAB_RECEIVE_SNAPSHOT:
		trace("stage", (uint64_t)action->zxid);
		break;
	case ZAB_INSTALL_SNAPSHOT:
		trace("install", (uint64_t)action->accepted_epoch << 32 | action->current_epoch);
		break;
	case ZAB_ABORT_SNAPSHOT:
		trace("abort", 0);
		break;
	case ZAB_ROLE:
		if (action->state == ZAB_LOOKING || action->is_serving)
			trace(zab_state_name(action->state), action->epoch);
		break;
	case ZAB_DELIVER:
		trace("deliver", (uint64_t)action->zxid);
		break;
	case ZAB_RECEIVED:
		trace("received", (uint64_t)action->packet.type);
		break;
	case ZAB_PINGED:
		trace("pinged", 0);
		break;
	case ZAB_LOG:
		rig.warnings += action->level >= 2;
		break;
	case ZAB_FATAL:
		trace("fatal", 0);
		break;
	}
}

/* All that came since the last look. */
#define assert_trace(expected)                                                                     \
	do {                                                                                       \
		assert_string_equal(take_trace(), (expected));                                     \
	} while (0)

static const char *take_trace(void)
{
	struct zab_action action;

	while (zab_take_action(rig.zab, &action))
		act(&action);
	zab_check(rig.zab);
	if (rig.size == 0)
		rig.trace[0] = '\0';
	rig.size = 0;
	return rig.trace;
}

/* ---- events ---- */

static const char members_text[] = "server.1=h:1:2:participant\nserver.2=h:3:4:participant\n"
				   "server.3=h:5:6:participant\nserver.4=h:7:8:observer\n"
				   "version=0";

/* Server 2, in epoch 1, with that many transactions, of which some are known to be committed. */
static void start(uint32_t txn_count, uint32_t committed)
{
	struct zab_durable durable = {.accepted_epoch = 1, .current_epoch = 1};
	struct blob *txn = blob_new(bytes_of_text("txn"));

	rig = (struct rig){.now_ms = 1000, .round = 1};
	zab_config_init(&rig.config);
	rig.config.myid = 2;
	assert_int_equal(members_parse(bytes_of_text(members_text), &rig.config.members), 0);
	durable.committed_zxid = committed > 0 ? zxid_make(1, committed) : 0;
	rig.zab = zab_new(&rig.config, &durable);
	for (uint32_t i = 1; i <= txn_count; i++)
		assert_int_equal(zab_recover(rig.zab, zxid_make(1, i), txn), 0);
	blob_unref(txn);
	zab_start(rig.zab, rig.now_ms);
	assert_trace("looking 0");
}

static int tear_down(void **state)
{
	(void)state;
	zab_free(rig.zab);
	members_release(&rig.config.members);
	return 0;
}

static void notify(int64_t sid, enum zab_state state, struct zab_vote vote)
{
	struct notification notification = {
		.state = state,
		.vote = vote,
		.election_epoch = rig.round,
		.version = NOTIFICATION_VERSION,
		.config = bytes_of_text(members_text),
	};
	struct buf buf;

	buf_init(&buf, NOTIFICATION_SIZE_MAX);
	notification_write(&buf, &notification);
	zab_notification(rig.zab, sid, buf_bytes(&buf));
	buf_release(&buf);
}

static void hear_data(zab_link_t link, enum zab_packet_type type, zxid_t zxid, struct bytes data)
{
	struct zab_packet packet = {type, zxid, data, -1, BYTES_NULL};

	zab_packet(rig.zab, link, &packet);
}

static void hear(zab_link_t link, enum zab_packet_type type, zxid_t zxid)
{
	bool is_txn = type == ZAB_PROPOSAL || type == ZAB_INFORM;

	hear_data(link, type, zxid, is_txn ? bytes_of_text("txn") : BYTES_NULL);
}

/* Server 3 leads: connected, up to our FOLLOWERINFO. */
static void follow(void)
{
	struct zab_vote vote = {.leader = 3, .zxid = 0x100000001, .peer_epoch = 1};

	notify(3, ZAB_LEADING, vote);
	notify(1, ZAB_FOLLOWING, vote);
	assert_trace("connect 3");
	zab_connected(rig.zab, LEADER_LINK);
	assert_trace("FOLLOWERINFO 100000000");
}

/* ... and up to our ACKEPOCH, in epoch 2. */
static void promise(void)
{
	follow();
	hear(LEADER_LINK, ZAB_LEADERINFO, 0x200000000);
	assert_trace("epochs 200000001");
	zab_epochs_durable(rig.zab);
	(void)take_trace(); /* its zxid is the log's */
}

/* ... and up to date at that zxid. */
static void serve(zxid_t zxid)
{
	promise();
	hear(LEADER_LINK, ZAB_DIFF, zxid);
	hear(LEADER_LINK, ZAB_NEWLEADER, 0x200000000);
	zab_epochs_durable(rig.zab);
	hear(LEADER_LINK, ZAB_UPTODATE, -1);
	(void)take_trace(); /* other tests tell */
}

/* ---- a learner ---- */

static void test_acceptedepoch_is_durable_before_ackepoch(void **state)
{
	(void)state;
	start(3, 2);
	follow();
	hear(LEADER_LINK, ZAB_LEADERINFO, 0x200000000);
	assert_trace("epochs 200000001");
	zab_epochs_durable(rig.zab);
	assert_trace(
		"ACKEPOCH 100000003"); /* the tail too: what is logged, not what is committed */
}

static void test_history_then_currentepoch_are_durable_before_the_ack(void **state)
{
	(void)state;
	start(2, 2);
	promise();
	hear(LEADER_LINK, ZAB_DIFF, 0x100000004);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x100000003);
	hear(LEADER_LINK, ZAB_COMMIT, 0x100000003);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x100000004);
	hear(LEADER_LINK, ZAB_COMMIT, 0x100000004);
	assert_trace("append 100000003, append 100000004");
	hear(LEADER_LINK, ZAB_NEWLEADER, 0x200000000);
	assert_trace("epochs 200000002");
	zab_logged(rig.zab, 0x100000004);
	assert_trace("");
	zab_epochs_durable(rig.zab);
	assert_trace("ACK 200000000");
	hear(LEADER_LINK, ZAB_PING, 0x200000000);
	assert_trace("");
	hear(LEADER_LINK, ZAB_UPTODATE, -1);
	assert_trace("deliver 100000003, deliver 100000004, following 2, ACK 200000000");
}

static void test_proposals_of_the_sync_are_acked_behind_uptodate(void **state)
{
	(void)state;
	start(2, 2);
	promise();
	hear(LEADER_LINK, ZAB_DIFF, 0x100000002);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x200000001);
	hear(LEADER_LINK, ZAB_NEWLEADER, 0x200000000);
	assert_trace("append 200000001, epochs 200000002");
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x200000002);
	hear(LEADER_LINK, ZAB_COMMIT, 0x200000001);
	zab_logged(rig.zab, 0x200000001);
	assert_trace("append 200000002");
	zab_epochs_durable(rig.zab);
	assert_trace("ACK 200000000");
	zab_logged(rig.zab, 0x200000002);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x200000003);
	assert_trace("append 200000003");
	hear(LEADER_LINK, ZAB_UPTODATE, -1);
	assert_trace("deliver 200000001, following 2, ACK 200000000, ACK 200000001, "
		     "ACK 200000002");
	zab_logged(rig.zab, 0x200000003);
	assert_trace("ACK 200000003");
	hear(LEADER_LINK, ZAB_COMMIT, 0x200000002);
	hear(LEADER_LINK, ZAB_COMMIT, 0x200000003);
	assert_trace("deliver 200000002, deliver 200000003");
}

static void test_own_tail_is_committed_at_uptodate(void **state)
{
	(void)state;
	start(3, 1);
	promise();
	hear(LEADER_LINK, ZAB_DIFF, 0x100000003);
	hear(LEADER_LINK, ZAB_NEWLEADER, 0x200000000);
	zab_epochs_durable(rig.zab);
	assert_trace("epochs 200000002, ACK 200000000");
	hear(LEADER_LINK, ZAB_UPTODATE, -1);
	assert_trace("deliver 100000002, deliver 100000003, following 2, ACK 200000000");
}

static void test_snapshot_is_installed_with_its_history_or_not_at_all(void **state)
{
	(void)state;
	start(2, 2);
	promise();
	hear(LEADER_LINK, ZAB_SNAP, 0x100000009);
	assert_trace("stage 100000009");
	zab_snapshot_received(rig.zab, LEADER_LINK, true);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x10000000a);
	hear(LEADER_LINK, ZAB_COMMIT, 0x10000000a);
	hear(LEADER_LINK, ZAB_NEWLEADER, 0x200000000);
	assert_trace("append 10000000a, install 200000002");
	zab_epochs_durable(rig.zab);
	assert_trace("ACK 200000000");
	hear(LEADER_LINK, ZAB_UPTODATE, -1);
	assert_trace("deliver 10000000a, following 2, ACK 200000000");
}

static void test_proposals_that_a_snapshot_holds_are_left_out(void **state)
{
	(void)state;
	start(2, 2);
	promise();
	hear(LEADER_LINK, ZAB_SNAP, 0x100000009);
	zab_snapshot_received(rig.zab, LEADER_LINK, true);
	assert_trace("stage 100000009");
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x100000008);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x100000009);
	hear(LEADER_LINK, ZAB_COMMIT, 0x100000008);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x10000000a);
	assert_trace("append 10000000a");
	hear(LEADER_LINK, ZAB_NEWLEADER, 0x200000000);
	zab_epochs_durable(rig.zab);
	hear(LEADER_LINK, ZAB_UPTODATE, -1);
	assert_trace("install 200000002, ACK 200000000, following 2, ACK 200000000, "
		     "ACK 10000000a");
}

static void test_broken_snapshot_leaves_the_old_log(void **state)
{
	struct zab_status status;

	(void)state;
	start(2, 2);
	promise();
	hear(LEADER_LINK, ZAB_SNAP, 0x100000009);
	zab_snapshot_received(rig.zab, LEADER_LINK, true);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x10000000a);
	assert_trace("stage 100000009, append 10000000a");
	zab_link_closed(rig.zab, LEADER_LINK);
	assert_trace("abort 0, looking 0");
	zab_get_status(rig.zab, &status);
	assert_int_equal(status.logged, 0x100000002);
	assert_int_equal(rig.note.vote.zxid, 0x100000002);
}

static void test_looking_waits_for_the_own_log(void **state)
{
	(void)state;
	start(2, 2);
	serve(0x100000002);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x200000001);
	rig.note = (struct notification){0};
	zab_link_closed(rig.zab, LEADER_LINK);
	assert_trace("append 200000001, looking 0");
	rig.round = 2;
	notify(1, ZAB_LOOKING, (struct zab_vote){1, 0x200000002, 2});
	assert_trace("");
	assert_int_equal(rig.note.version, 0); /* no vote yet, neither the new nor the last */
	zab_logged(rig.zab, 0x200000001);
	assert_trace("");
	assert_int_equal(rig.note.vote.leader, 1); /* whose vote has waited, and is better */
	assert_int_equal(rig.note.vote.zxid, 0x200000002);
}

static void test_looking_peers_are_told_the_new_epoch(void **state)
{
	(void)state;
	start(2, 2);
	serve(0x100000002);
	notify(1, ZAB_LOOKING,
	       (struct zab_vote){.leader = 1, .zxid = 0x100000002, .peer_epoch = 1});
	assert_trace("");
	assert_int_equal(rig.note.state, ZAB_FOLLOWING);
	assert_int_equal(rig.note.vote.leader, 3);
	assert_int_equal(rig.note.vote.peer_epoch, 2);
}

static void test_gap_ends_the_connection(void **state)
{
	(void)state;
	start(2, 2);
	serve(0x100000002);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x200000001);
	zab_logged(rig.zab, 0x200000001);
	assert_trace("append 200000001, ACK 200000001");
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x200000003);
	assert_trace("close 7, looking 0");
}

static void test_epoch_does_not_begin_with_a_later_counter(void **state)
{
	(void)state;
	start(2, 2);
	serve(0x100000002);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x200000002);
	assert_trace("close 7, looking 0");
}

static void test_same_proposal_twice_is_kept_once(void **state)
{
	(void)state;
	start(2, 2);
	serve(0x100000002);
	rig.warnings = 0;
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x200000001);
	zab_logged(rig.zab, 0x200000001);
	hear(LEADER_LINK, ZAB_PROPOSAL, 0x200000001);
	assert_trace("append 200000001, ACK 200000001, ACK 200000001");
	assert_int_equal(rig.warnings, 1);
	hear(LEADER_LINK, ZAB_COMMIT, 0x200000001);
	assert_trace("deliver 200000001");
}

static void test_commit_of_what_was_not_proposed_ends_the_connection(void **state)
{
	(void)state;
	start(2, 2);
	serve(0x100000002);
	hear(LEADER_LINK, ZAB_COMMIT, 0x200000001);
	assert_trace("close 7, looking 0");
}

static void test_leader_of_a_lower_epoch_is_refused(void **state)
{
	(void)state;
	start(2, 2);
	follow();
	hear(LEADER_LINK, ZAB_LEADERINFO, 0);
	assert_trace("close 7, looking 0");
}

static void test_epoch_that_was_accepted_before_is_not_counted_twice(void **state)
{
	(void)state;
	start(2, 2);
	follow();
	hear(LEADER_LINK, ZAB_LEADERINFO, 0x100000000);
	assert_trace("ACKEPOCH 100000002");
}

static void test_trunc_to_an_unknown_transaction_asks_for_a_snapshot(void **state)
{
	struct zab_vote vote = {.leader = 3, .zxid = 0x100000001, .peer_epoch = 1};

	(void)state;
	start(4, 2);
	promise();
	hear(LEADER_LINK, ZAB_TRUNC, 0x100000008);
	assert_trace("close 7, looking 0");
	notify(3, ZAB_LEADING, vote);
	notify(1, ZAB_FOLLOWING, vote);
	zab_connected(rig.zab, LEADER_LINK + 1);
	hear(LEADER_LINK + 1, ZAB_LEADERINFO, 0x200000000);
	assert_trace("connect 3, FOLLOWERINFO 200000000, ACKEPOCH 0");
	hear(LEADER_LINK + 1, ZAB_DIFF, 0x100000008);
	assert_trace("close 8, looking 0");
}

static void test_silent_leader_is_left(void **state)
{
	(void)state;
	start(2, 2);
	serve(0x100000002);
	zab_tick(rig.zab, rig.now_ms + 5 * rig.config.tick_ms - 1);
	hear(LEADER_LINK, ZAB_PING, 0x200000000);
	assert_trace("pinged 0");
	zab_pong(rig.zab, bytes_of("", 0));
	assert_trace("PING 200000000");
	zab_tick(rig.zab, rig.now_ms + 10 * rig.config.tick_ms - 2);
	assert_trace("");
	zab_tick(rig.zab, rig.now_ms + 10 * rig.config.tick_ms - 1);
	assert_trace("close 7, looking 0");
}

/* ---- a leader ---- */

static void lead(void)
{
	struct zab_vote vote = {.leader = 2, .zxid = 0x100000002, .peer_epoch = 1};

	start(2, 1);
	notify(1, ZAB_LOOKING, vote);
	notify(3, ZAB_LOOKING, vote);
	rig.now_ms += ELECTION_FINALIZE_MS;
	zab_tick(rig.zab, rig.now_ms);
	assert_trace("listen 0");
}

static void info(zab_link_t link, int64_t sid, enum zab_packet_type type, uint32_t accepted_epoch,
		 zxid_t config_version)
{
	struct zab_learner_info learner = {sid, ZAB_PROTOCOL_VERSION, config_version};
	struct buf buf;

	zab_link_accepted(rig.zab, link);
	buf_init(&buf, 64);
	zab_learner_info_write(&buf, &learner);
	hear_data(link, type, zxid_make(accepted_epoch, 0), buf_bytes(&buf));
	buf_release(&buf);
}

static void ackepoch(zab_link_t link, zxid_t zxid, int32_t epoch)
{
	uint8_t data[4] = {0, 0, 0, (uint8_t)epoch};

	if (epoch < 0)
		memset(data, 0xff, sizeof(data));
	hear_data(link, ZAB_ACKEPOCH, zxid, bytes_of(data, sizeof(data)));
}

/* Epoch 2 is established with server 1. */
static void lead_with_1(void)
{
	lead();
	info(LINK_1, 1, ZAB_FOLLOWERINFO, 1, 0);
	zab_epochs_durable(rig.zab);
	ackepoch(LINK_1, 0x100000002, 1);
	zab_epochs_durable(rig.zab);
	hear(LINK_1, ZAB_ACK, 0x200000000);
	(void)take_trace(); /* the next test tells */
}

static void propose(void)
{
	struct blob *txn = blob_new(bytes_of_text("txn"));

	zab_propose(rig.zab, zab_next_zxid(rig.zab), txn);
	blob_unref(txn);
}

static void test_leader_is_established_step_by_step(void **state)
{
	(void)state;
	lead();
	info(LINK_1, 1, ZAB_FOLLOWERINFO, 1, 0);
	assert_trace("epochs 200000001");
	zab_epochs_durable(rig.zab);
	assert_trace("1:LEADERINFO 200000000");
	ackepoch(LINK_1, 0x100000001, 1);
	assert_trace("epochs 200000002, 1:DIFF 100000002, 1:PROPOSAL 100000002, "
		     "1:COMMIT 100000002, 1:NEWLEADER 200000000");
	hear(LINK_1, ZAB_ACK, 0x200000000);
	assert_trace("");
	zab_epochs_durable(rig.zab);
	assert_trace("deliver 100000002, leading 2, 1:UPTODATE ffffffffffffffff");
	assert_int_equal(zab_next_zxid(rig.zab), 0x200000001);
	propose();
	assert_trace("1:PROPOSAL 200000001, append 200000001");
	hear(LINK_1, ZAB_ACK, 0x200000000); /* the second one of NEWLEADER */
	hear(LINK_1, ZAB_ACK, 0x200000001);
	assert_trace("");
	zab_logged(rig.zab, 0x200000001);
	assert_trace("1:COMMIT 200000001, deliver 200000001");
}

static void test_epoch_is_above_that_of_observers_too(void **state)
{
	(void)state;
	lead();
	info(LINK_3, 4, ZAB_OBSERVERINFO, 6, 0);
	assert_trace("");
	info(LINK_1, 1, ZAB_FOLLOWERINFO, 3, 0);
	assert_trace("epochs 700000001");
}

static void test_observers_and_uncounted_acks_make_no_quorum(void **state)
{
	(void)state;
	lead();
	info(LINK_3, 4, ZAB_OBSERVERINFO, 1, 0);
	info(LINK_1, 1, ZAB_FOLLOWERINFO, 1, 0);
	zab_epochs_durable(rig.zab);
	assert_trace("epochs 200000001, 3:LEADERINFO 200000000, 1:LEADERINFO 200000000");
	ackepoch(LINK_3, 0x100000002, 1);
	ackepoch(LINK_1, -1, 0); /* an empty server (R18) */
	assert_trace("");
}

static void test_leader_steps_aside_for_a_longer_history(void **state)
{
	(void)state;
	lead();
	info(LINK_1, 1, ZAB_FOLLOWERINFO, 1, 0);
	zab_epochs_durable(rig.zab);
	assert_trace("epochs 200000001, 1:LEADERINFO 200000000");
	ackepoch(LINK_1, 0x100000003, 1);
	assert_trace("close b, unlisten 0, looking 0");
}

static void test_leader_begins_a_higher_epoch_for_who_accepted_one(void **state)
{
	(void)state;
	lead_with_1();
	info(LINK_3, 3, ZAB_FOLLOWERINFO, 5, 0);
	assert_trace("close b, close d, unlisten 0, looking 0");
}

static void test_commits_wait_for_uptodate(void **state)
{
	(void)state;
	lead_with_1();
	propose();
	info(LINK_3, 3, ZAB_FOLLOWERINFO, 1, 0);
	ackepoch(LINK_3, 0x100000002, 1);
	assert_trace("1:PROPOSAL 200000001, append 200000001, 3:LEADERINFO 200000000, "
		     "3:DIFF 100000002, 3:PROPOSAL 200000001, 3:NEWLEADER 200000000");
	zab_logged(rig.zab, 0x200000001);
	hear(LINK_1, ZAB_ACK, 0x200000001);
	assert_trace("1:COMMIT 200000001, deliver 200000001");
	hear(LINK_3, ZAB_ACK, 0x200000000);
	assert_trace("3:UPTODATE ffffffffffffffff, 3:COMMIT 200000001");
}

static void test_ack_that_overtakes_newleaders_is_not_counted(void **state)
{
	(void)state;
	lead_with_1();
	propose();
	info(LINK_3, 3, ZAB_FOLLOWERINFO, 1, 0);
	ackepoch(LINK_3, 0x100000002, 1);
	(void)take_trace(); /* the test before tells */
	zab_logged(rig.zab, 0x200000001);
	hear(LINK_3, ZAB_ACK, 0x200000001);
	assert_trace("");
	hear(LINK_3, ZAB_ACK, 0x200000000);
	assert_trace("3:UPTODATE ffffffffffffffff");
	hear(LINK_3, ZAB_ACK, 0x200000001);
	assert_trace("1:COMMIT 200000001, 3:COMMIT 200000001, deliver 200000001");
}

static void test_acks_of_who_is_gone_do_not_count(void **state)
{
	(void)state;
	lead_with_1();
	propose();
	hear(LINK_1, ZAB_ACK, 0x200000001);
	zab_link_closed(rig.zab, LINK_1);
	zab_logged(rig.zab, 0x200000001);
	assert_trace("1:PROPOSAL 200000001, append 200000001");
}

static void test_observer_gets_inform_and_counts_for_nothing(void **state)
{
	(void)state;
	lead_with_1();
	info(LINK_3, 4, ZAB_OBSERVERINFO, 1, 0);
	ackepoch(LINK_3, 0x100000002, 1);
	hear(LINK_3, ZAB_ACK, 0x200000000);
	assert_trace("3:LEADERINFO 200000000, 3:DIFF 100000002, 3:NEWLEADER 200000000, "
		     "3:UPTODATE ffffffffffffffff");
	propose();
	zab_logged(rig.zab, 0x200000001);
	hear(LINK_3, ZAB_ACK, 0x200000001);
	assert_trace("1:PROPOSAL 200000001, append 200000001");
	hear(LINK_1, ZAB_ACK, 0x200000001);
	assert_trace("1:COMMIT 200000001, 3:INFORM 200000001, deliver 200000001");
}

static void test_unknown_zxids_are_answered_with_a_snapshot(void **state)
{
	static const zxid_t zxids[] = {0x000000005, 0x300000000, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(zxids) / sizeof(zxids[0]); i++) {
		lead_with_1();
		info(LINK_3, 3, ZAB_FOLLOWERINFO, 1, 0);
		ackepoch(LINK_3, zxids[i], 1);
		assert_trace("3:LEADERINFO 200000000, snapshot to d");
		propose();
		zab_snapshot_opened(rig.zab, LINK_3, 0x100000001);
		assert_trace("1:PROPOSAL 200000001, append 200000001, 3:SNAP 100000001");
		zab_snapshot_sent(rig.zab, LINK_3);
		assert_trace("3:PROPOSAL 100000002, 3:COMMIT 100000002, 3:PROPOSAL 200000001, "
			     "3:NEWLEADER 200000000");
		if (i + 1 < sizeof(zxids) / sizeof(zxids[0]))
			tear_down(NULL);
	}
}

static void test_strangers_are_refused(void **state)
{
	(void)state;
	lead();
	zab_link_accepted(rig.zab, LINK_1);
	hear(LINK_1, ZAB_PING, 0);
	assert_trace("close b");
	info(LINK_1, 2, ZAB_FOLLOWERINFO, 1, 0); /* our own id */
	assert_trace("close b");
	info(LINK_1, 1, ZAB_FOLLOWERINFO, 1, 0x100000000); /* a newer configuration */
	assert_trace("close b");
	zab_link_accepted(rig.zab, LINK_1);
	hear_data(LINK_1, ZAB_FOLLOWERINFO, 0, bytes_of("\0\0\0\0\0\0\0\1", 8)); /* before 3.4 */
	assert_trace("close b");
	info(LINK_1, 1, ZAB_FOLLOWERINFO, UINT32_MAX, 0);
	assert_trace("close b");
	zab_link_accepted(rig.zab, LINK_1); /* says nothing at all */
	rig.now_ms += 15 * rig.config.tick_ms;
	zab_tick(rig.zab, rig.now_ms);
	assert_trace("close b, unlisten 0, looking 0");
}

static void test_ping_without_a_table_ends_the_connection(void **state)
{
	(void)state;
	lead_with_1();
	hear_data(LINK_1, ZAB_PING, 0x200000000, bytes_of("", 0));
	assert_trace("received 5");
	hear(LINK_1, ZAB_PING, 0x200000000);
	assert_trace("close b");
}

#define order_test(name) cmocka_unit_test_setup_teardown(name, NULL, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		order_test(test_acceptedepoch_is_durable_before_ackepoch),
		order_test(test_history_then_currentepoch_are_durable_before_the_ack),
		order_test(test_proposals_of_the_sync_are_acked_behind_uptodate),
		order_test(test_own_tail_is_committed_at_uptodate),
		order_test(test_snapshot_is_installed_with_its_history_or_not_at_all),
		order_test(test_proposals_that_a_snapshot_holds_are_left_out),
		order_test(test_broken_snapshot_leaves_the_old_log),
		order_test(test_looking_waits_for_the_own_log),
		order_test(test_looking_peers_are_told_the_new_epoch),
		order_test(test_gap_ends_the_connection),
		order_test(test_epoch_does_not_begin_with_a_later_counter),
		order_test(test_same_proposal_twice_is_kept_once),
		order_test(test_commit_of_what_was_not_proposed_ends_the_connection),
		order_test(test_leader_of_a_lower_epoch_is_refused),
		order_test(test_epoch_that_was_accepted_before_is_not_counted_twice),
		order_test(test_trunc_to_an_unknown_transaction_asks_for_a_snapshot),
		order_test(test_silent_leader_is_left),
		order_test(test_leader_is_established_step_by_step),
		order_test(test_epoch_is_above_that_of_observers_too),
		order_test(test_observers_and_uncounted_acks_make_no_quorum),
		order_test(test_leader_steps_aside_for_a_longer_history),
		order_test(test_leader_begins_a_higher_epoch_for_who_accepted_one),
		order_test(test_commits_wait_for_uptodate),
		order_test(test_ack_that_overtakes_newleaders_is_not_counted),
		order_test(test_acks_of_who_is_gone_do_not_count),
		order_test(test_observer_gets_inform_and_counts_for_nothing),
		order_test(test_unknown_zxids_are_answered_with_a_snapshot),
		order_test(test_strangers_are_refused),
		order_test(test_ping_without_a_table_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
