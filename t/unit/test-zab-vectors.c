/*
 * Byte-exact exchange with what running Apache servers said (vectors-quorum.txt): as
 * their learner we answer each `<` line with the `>` lines, as their leader the
 * reverse.
 */
#include <stdlib.h>
#include <string.h>

#include "replica/zab/zab.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"
#include "t/unit/vectors.h"

enum { LINK = 7, SHADOW_LINK = 8, OUT_MAX = 64, DATA_SIZE_MAX = 1024 * 1024 };

/* One core, a disk that is durable at once, and a peer that speaks the lines. */
struct rig {
	struct zab *zab;
	struct zab_config config;
	msec_t now_ms;
	struct blob *out[OUT_MAX]; /* what was sent on LINK and not compared yet */
	size_t out_count;
	bool is_closed;
	bool is_snapshot_wanted;
	bool is_streaming;
	bool is_connecting;
	bool is_pinged;
	zxid_t delivered;
	struct blob *last_txn; /* that was delivered */
	int64_t shadow;        /* a follower that acks at once: a leader's quorum */
	int requests;          /* RECEIVED */
};

static struct vectors vectors;

static int load(void **state)
{
	(void)state;
	vectors_load(&vectors, "vectors-quorum.txt");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	vectors_release(&vectors);
	return 0;
}

/* The number of the line behind the comment that begins so. */
static size_t section(const char *comment)
{
	for (size_t i = 0; i < vectors.count; i++)
		if (vectors.items[i].direction == '#' &&
		    strncmp(vectors.items[i].note, comment, strlen(comment)) == 0)
			return i + 1;
	fail_msg("no section %s", comment);
	return 0;
}

static struct zab_packet parse(struct bytes bytes)
{
	struct zab_packet packet;

	assert_int_equal(zab_packet_read(bytes, DATA_SIZE_MAX, &packet), bytes.size);
	return packet;
}

/* The first packet of that type from line `at` on. */
static struct zab_packet find(size_t at, enum zab_packet_type type)
{
	for (; at < vectors.count; at++) {
		struct zab_packet packet;

		if (vectors.items[at].direction == '#')
			break;
		if (zab_packet_read(vectors.items[at].bytes, DATA_SIZE_MAX, &packet) > 0 &&
		    packet.type == (int32_t)type)
			return packet;
	}
	fail_msg("no %s", zab_packet_name(type));
	return (struct zab_packet){0};
}

/* ---- the rig ---- */

static struct zab_packet plain(enum zab_packet_type type, zxid_t zxid)
{
	return (struct zab_packet){type, zxid, BYTES_NULL, -1, BYTES_NULL};
}

static void feed(struct rig *rig, zab_link_t link, const struct zab_packet *packet);

/* The shadow follower: what it is sent, it answers. */
static void shadow(struct rig *rig, const struct zab_packet *sent)
{
	static const uint8_t current_epoch[4] = {0xff, 0xff, 0xff, 0xff};
	struct zab_packet answer = plain(ZAB_ACK, sent->zxid);

	switch (sent->type) {
	case ZAB_LEADERINFO:
		answer = plain(ZAB_ACKEPOCH, 0);
		answer.data = bytes_of("\0\0\0\0", sizeof(current_epoch));
		break;
	case ZAB_NEWLEADER:
	case ZAB_PROPOSAL:
		break;
	case ZAB_PING:
		answer = *sent;
		answer.data = bytes_of("", 0);
		break;
	default:
		return;
	}
	feed(rig, SHADOW_LINK, &answer);
}

static void act(struct rig *rig, const struct zab_action *action)
{
	switch (action->type) {
	case ZAB_SEND:
		if (action->link == SHADOW_LINK) {
			struct zab_packet packet = parse(action->bytes);

			shadow(rig, &packet);
			break;
		}
		assert_true(rig->out_count < OUT_MAX);
		rig->out[rig->out_count++] = blob_new(action->bytes);
		break;
	case ZAB_CLOSE:
		rig->is_closed = true;
		break;
	case ZAB_CONNECT:
		rig->is_connecting = true;
		break;
	case ZAB_APPEND:
		zab_logged(rig->zab, action->zxid);
		break;
	case ZAB_SET_EPOCHS:
	case ZAB_INSTALL_SNAPSHOT:
		zab_epochs_durable(rig->zab);
		break;
	case ZAB_TRUNCATE:
		zab_truncated(rig->zab);
		break;
	case ZAB_SEND_SNAPSHOT:
		rig->is_snapshot_wanted = true;
		break;
	case ZAB_RECEIVE_SNAPSHOT:
		rig->is_streaming = true;
		break;
	case ZAB_DELIVER:
		rig->delivered = action->zxid;
		blob_unref(rig->last_txn);
		rig->last_txn = blob_ref(action->txn);
		break;
	case ZAB_RECEIVED:
		rig->requests++;
		break;
	case ZAB_PINGED:
		rig->is_pinged = true;
		break;
	case ZAB_FATAL:
		fail_msg("%s", action->text);
		break;
	default:
		break;
	}
}

static void perform(struct rig *rig)
{
	struct zab_action action;

	while (zab_take_action(rig->zab, &action))
		act(rig, &action);
	zab_check(rig->zab);
}

static void feed(struct rig *rig, zab_link_t link, const struct zab_packet *packet)
{
	zab_packet(rig->zab, link, packet);
}

static void notify(struct rig *rig, int64_t sid, enum zab_state state, struct zab_vote vote)
{
	struct notification notification = {
		.state = state,
		.vote = vote,
		.election_epoch = 1,
		.version = NOTIFICATION_VERSION,
		.config = bytes_of(rig->config.members.text, rig->config.members.text_size),
	};
	struct buf buf;

	buf_init(&buf, NOTIFICATION_SIZE_MAX);
	notification_write(&buf, &notification);
	zab_notification(rig->zab, sid, buf_bytes(&buf));
	perform(rig);
	buf_release(&buf);
}

/* A log of txns (epoch 1, counters from 1), committed up to one of them. */
static void rig_init(struct rig *rig, int64_t myid, struct bytes members, size_t history_count_max,
		     uint32_t epoch, uint32_t txn_count, uint32_t committed)
{
	struct zab_durable durable = {.accepted_epoch = epoch, .current_epoch = epoch};
	struct blob *txn = blob_new(bytes_of_text("txn"));

	*rig = (struct rig){.now_ms = 1};
	zab_config_init(&rig->config);
	rig->config.myid = myid;
	rig->config.history_count_max = history_count_max;
	assert_int_equal(members_parse(members, &rig->config.members), 0);
	if (committed > 0)
		durable.committed_zxid = zxid_make(1, committed);
	rig->zab = zab_new(&rig->config, &durable);
	for (uint32_t i = 1; i <= txn_count; i++)
		assert_int_equal(zab_recover(rig->zab, zxid_make(1, i), txn), 0);
	blob_unref(txn);
	zab_start(rig->zab, rig->now_ms);
	perform(rig);
}

static void rig_release(struct rig *rig)
{
	zab_free(rig->zab);
	members_release(&rig->config.members);
	for (size_t i = 0; i < rig->out_count; i++)
		blob_unref(rig->out[i]);
	blob_unref(rig->last_txn);
}

static void expect(struct rig *rig, const struct vector *line)
{
	struct bytes got;

	assert_false(rig->is_closed);
	if (rig->out_count == 0)
		fail_msg("line %d: nothing was sent, %s expected", line->line, line->note);
	got = blob_bytes(rig->out[0]);
	if (!bytes_equal(got, line->bytes))
		fail_msg("line %d: %s expected, %s 0x%llx was sent", line->line, line->note,
			 zab_packet_name(parse(got).type), (unsigned long long)parse(got).zxid);
	blob_unref(rig->out[0]);
	rig->out_count--;
	memmove(rig->out, rig->out + 1, rig->out_count * sizeof(rig->out[0]));
}

/* Two voters other than myid. */
static void others(int64_t myid, int64_t *ret_a, int64_t *ret_b)
{
	*ret_a = myid == 1 ? 2 : 1;
	*ret_b = 6 - myid - *ret_a;
}

/* ---- as their learner ---- */

static void follow(struct rig *rig)
{
	int64_t leader, other;
	struct zab_vote vote = {.zxid = 0x100000001, .peer_epoch = 1};

	others(rig->config.myid, &leader, &other);
	if (rig->config.myid > 3) {
		leader = 2;
		other = 3;
	}
	vote.leader = leader;
	notify(rig, leader, ZAB_LEADING, vote);
	notify(rig, other, ZAB_FOLLOWING, vote);
	assert_true(rig->is_connecting);
	zab_connected(rig->zab, LINK);
	perform(rig);
}

static void say_as_learner(struct rig *rig, const struct vector *line)
{
	struct zab_packet packet = parse(line->bytes);

	if (packet.type == ZAB_REQUEST || packet.type == ZAB_REVALIDATE)
		zab_send(rig->zab, LINK, &packet);
	if (packet.type == ZAB_PING) {
		assert_true(rig->is_pinged);
		rig->is_pinged = false;
		zab_pong(rig->zab, packet.data);
	}
	perform(rig);
	expect(rig, line);
}

static void hear_as_learner(struct rig *rig, const struct vector *line)
{
	struct zab_packet packet;

	if (rig->is_streaming) {
		rig->is_streaming = false;
		zab_snapshot_received(rig->zab, LINK, true);
	} else {
		packet = parse(line->bytes);
		zab_packet(rig->zab, LINK, &packet);
	}
	perform(rig);
}

/* Lines from at on, until a comment, or before one of that type. Returns where it ended. */
static size_t play_learner(struct rig *rig, size_t at, const char *until)
{
	for (; at < vectors.count && vectors.items[at].direction != '#'; at++) {
		const struct vector *line = &vectors.items[at];

		if (until && strncmp(line->note, until, strlen(until)) == 0)
			break;
		if (line->direction == '>')
			say_as_learner(rig, line);
		else
			hear_as_learner(rig, line);
	}
	assert_false(rig->is_closed);
	return at;
}

static void learner_init(struct rig *rig, size_t at, uint32_t committed)
{
	/* Whoever said the lines had version 0 of it. */
	struct bytes config = find(section("3.8.0 learner (sid 1)"), ZAB_NEWLEADER).data;
	struct zab_packet info = find(at, ZAB_FOLLOWERINFO);
	struct zab_learner_info learner;

	assert_int_equal(zab_learner_info_read(info.data, &learner), 0);
	rig_init(rig, learner.sid, config, 300, zxid_epoch(info.zxid),
		 zxid_counter(find(at, ZAB_ACKEPOCH).zxid), committed);
	follow(rig);
}

static void test_learner_of_the_first_epoch(void **state)
{
	size_t at = section("3.8.0 learner (sid 1), 3.9.5 leader, both empty");
	struct rig rig;

	(void)state;
	learner_init(&rig, at, 0);
	play_learner(&rig, at, NULL);
	assert_int_equal(rig.delivered, 0x100000003);
	assert_int_equal(rig.out_count, 1); /* the ACK of the last line's proposal */
	rig_release(&rig);
}

static void test_learner_two_transactions_behind(void **state)
{
	size_t at = section("3.9.5 learner rejoins a 3.8.0 leader");
	struct rig rig;

	(void)state;
	learner_init(&rig, at, 3);
	play_learner(&rig, at, NULL);
	assert_int_equal(rig.delivered, 0x100000006);
	assert_int_equal(rig.out_count, 0);
	rig_release(&rig);
}

static void test_learner_without_data_gets_snap(void **state)
{
	static const char *const sections[] = {"3.9.5 learner joins an established 3.9.5 leader",
					       "3.9.5 learner with wiped disk"};
	static const zxid_t zxids[] = {0x100000000, 0x100000007};

	(void)state;
	for (int i = 0; i < 2; i++) {
		size_t at = section(sections[i]);
		struct zab_status status;
		struct rig rig;

		learner_init(&rig, at, 0);
		play_learner(&rig, at, NULL);
		zab_get_status(rig.zab, &status);
		assert_int_equal(status.delivered, zxids[i]);
		assert_true(status.is_serving);
		rig_release(&rig);
	}
}

static void test_learner_gets_trunc_then_transactions(void **state)
{
	size_t at = section("TRUNC: learner sid 3");
	struct rig rig;

	(void)state;
	learner_init(&rig, at, 2);
	at = play_learner(&rig, at, NULL);
	at = play_learner(&rig, at + 1, NULL);
	assert_int_equal(rig.delivered, 0x100000004);
	assert_int_equal(rig.requests, 3); /* SYNC, REVALIDATE twice */
	play_learner(&rig, at + 1, "INFORMANDACTIVATE");
	assert_int_equal(rig.delivered, 0x100000005);
	assert_int_equal(rig.out_count, 0);
	rig_release(&rig);
}

static void test_observer_is_informed_of_a_reconfig(void **state)
{
	static const char members[] = "server.1=h:1:2:participant\nserver.2=h:1:2:participant\n"
				      "server.3=h:1:2:participant\nserver.9=h:1:2:observer\n"
				      "version=0";
	size_t at = section("reconfig adds observer 9");
	struct zab_packet packet;
	struct rig rig;

	(void)state;
	rig_init(&rig, 9, bytes_of_text(members), 100, 1, 4, 4);
	follow(&rig);
	assert_int_equal(parse(blob_bytes(rig.out[0])).type, ZAB_OBSERVERINFO);
	packet = plain(ZAB_LEADERINFO, 0x100000000);
	feed(&rig, LINK, &packet);
	packet = plain(ZAB_DIFF, 0x100000004);
	feed(&rig, LINK, &packet);
	packet = plain(ZAB_NEWLEADER, 0x100000000);
	feed(&rig, LINK, &packet);
	perform(&rig);
	packet = plain(ZAB_UPTODATE, -1);
	feed(&rig, LINK, &packet);
	perform(&rig);
	while (strncmp(vectors.items[at].note, "INFORMANDACTIVATE", 17) != 0)
		at++;
	assert_int_equal(rig.out_count, 4); /* with ACKEPOCH, and NEWLEADER's ACK twice */
	play_learner(&rig, at, NULL);
	assert_int_equal(rig.delivered, 0x100000007);
	assert_true(bytes_equal(blob_bytes(rig.last_txn), parse(vectors.items[at + 2].bytes).data));
	assert_int_equal(rig.out_count, 4);
	rig_release(&rig);
}

/* ---- as their leader ---- */

static void lead(struct rig *rig, int64_t learner)
{
	struct zab_learner_info info = {.protocol_version = ZAB_PROTOCOL_VERSION};
	struct zab_packet packet = plain(ZAB_FOLLOWERINFO, 0);
	struct zab_vote vote = {.leader = rig->config.myid};
	struct buf buf;

	rig->shadow = 6 - rig->config.myid - learner;
	notify(rig, learner, ZAB_LOOKING, vote);
	notify(rig, rig->shadow, ZAB_LOOKING, vote);
	rig->now_ms += ELECTION_FINALIZE_MS;
	zab_tick(rig->zab, rig->now_ms);
	perform(rig);
	zab_link_accepted(rig->zab, SHADOW_LINK);
	info.sid = rig->shadow;
	buf_init(&buf, 64);
	zab_learner_info_write(&buf, &info);
	packet.data = buf_bytes(&buf);
	feed(rig, SHADOW_LINK, &packet);
	perform(rig);
	assert_true(zab_can_propose(rig->zab));
	buf_release(&buf);
}

static void propose(struct rig *rig, struct bytes data)
{
	struct blob *txn = blob_new(data);

	zab_propose(rig->zab, zab_next_zxid(rig->zab), txn);
	blob_unref(txn);
	perform(rig);
}

/* An established leader of epoch 1; the learner of section `at` has just connected. */
static void leader_init(struct rig *rig, size_t at, uint32_t txn_count, size_t history_count_max)
{
	struct zab_learner_info info;

	assert_int_equal(zab_learner_info_read(find(at, ZAB_FOLLOWERINFO).data, &info), 0);
	rig_init(rig, info.sid == 3 ? 2 : 3, find(at, ZAB_NEWLEADER).data, history_count_max, 0, 0,
		 0);
	lead(rig, info.sid);
	for (uint32_t i = 0; i < txn_count; i++)
		propose(rig, bytes_of_text("txn"));
}

static void say_as_leader(struct rig *rig, const struct vector *line)
{
	struct zab_packet packet = parse(line->bytes);

	if (packet.type == ZAB_PROPOSAL && packet.zxid == zab_next_zxid(rig->zab)) {
		propose(rig, packet.data);
	} else if (packet.type == ZAB_SYNC || packet.type == ZAB_REVALIDATE) {
		zab_send(rig->zab, LINK, &packet);
	} else if (packet.type == ZAB_PING) {
		rig->now_ms += rig->config.tick_ms / 2;
		zab_tick(rig->zab, rig->now_ms);
	} else if (packet.type == ZAB_SNAP) {
		assert_true(rig->is_snapshot_wanted);
		zab_snapshot_opened(rig->zab, LINK, packet.zxid);
		rig->is_streaming = true;
	}
	perform(rig);
	expect(rig, line);
}

static void play_leader(struct rig *rig, size_t at)
{
	for (; at < vectors.count && vectors.items[at].direction != '#'; at++) {
		const struct vector *line = &vectors.items[at];
		struct zab_packet packet;

		if (rig->is_streaming) {
			rig->is_streaming = false;
			zab_snapshot_sent(rig->zab, LINK);
			perform(rig);
		} else if (line->direction == '<') {
			say_as_leader(rig, line);
		} else {
			packet = parse(line->bytes);
			zab_packet(rig->zab, LINK, &packet);
			perform(rig);
		}
	}
	assert_false(rig->is_closed);
}

static void join(struct rig *rig)
{
	zab_link_accepted(rig->zab, LINK);
	perform(rig);
}

static void test_leader_of_the_first_epoch(void **state)
{
	size_t at = section("3.8.0 learner (sid 1), 3.9.5 leader, both empty");
	struct rig rig;

	(void)state;
	leader_init(&rig, at, 0, 100);
	join(&rig);
	play_leader(&rig, at);
	assert_int_equal(rig.requests, 4 + 1); /* PING's table, the shadow's too */
	rig_release(&rig);
}

static void test_leader_of_a_learner_two_transactions_behind(void **state)
{
	static const char *const sections[] = {"3.8.0 learner rejoins, 2 txns behind",
					       "3.9.5 learner rejoins a 3.8.0 leader"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		size_t at = section(sections[i]);
		struct rig rig;

		leader_init(&rig, at, 4, 100);
		propose(&rig, parse(vectors.items[at + 4].bytes).data);
		propose(&rig, parse(vectors.items[at + 6].bytes).data);
		join(&rig);
		play_leader(&rig, at);
		rig_release(&rig);
	}
}

static void test_leader_of_a_learner_with_a_wiped_disk(void **state)
{
	size_t at = section("3.9.5 learner with wiped disk");
	struct rig rig;

	(void)state;
	leader_init(&rig, at, 7, 0);
	zab_tree_durable(rig.zab, 0x100000007); /* none of the history is kept for a DIFF */
	perform(&rig);
	join(&rig);
	play_leader(&rig, at);
	rig_release(&rig);
}

static void test_leader_cuts_a_learners_tail(void **state)
{
	size_t at = section("TRUNC: learner sid 3");
	struct rig rig;

	(void)state;
	leader_init(&rig, at, 2, 100);
	join(&rig);
	play_leader(&rig, at);
	play_leader(&rig, section("then, in the broadcast phase"));
	assert_int_equal(rig.delivered, 0x100000004);
	rig_release(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learner_of_the_first_epoch),
		cmocka_unit_test(test_learner_two_transactions_behind),
		cmocka_unit_test(test_learner_without_data_gets_snap),
		cmocka_unit_test(test_learner_gets_trunc_then_transactions),
		cmocka_unit_test(test_observer_is_informed_of_a_reconfig),
		cmocka_unit_test(test_leader_of_the_first_epoch),
		cmocka_unit_test(test_leader_of_a_learner_two_transactions_behind),
		cmocka_unit_test(test_leader_of_a_learner_with_a_wiped_disk),
		cmocka_unit_test(test_leader_cuts_a_learners_tail),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
