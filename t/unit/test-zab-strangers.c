/*
 * Who comes to a leader's quorum port and is none of its ensemble: a server of another one, a
 * program that has learnt the protocol. It may be answered, but nothing that it says is counted.
 */
#include <stdio.h>

#include "replica/zab/zab_impl.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"

enum { MYID = 2, STRANGER = 99, LINK_OF_1 = 1, LINK_OF_OTHER = 1000 };

struct rig {
	struct zab *zab;
	struct zab_config config;
	msec_t now_ms;
	uint32_t accepted_epoch; /* the last that was to be set; 0: none was */
	zab_link_t closed;       /* the last link */
	size_t closed_count;
	size_t warnings;
	bool is_looking; /* again */
	bool is_over;
};

static const char members_text[] = "server.1=h:1:2:participant\nserver.2=h:3:4:participant\n"
				   "server.3=h:5:6:participant\nserver.4=h:7:8:observer\nversion=0";

static void act(struct rig *rig, const struct zab_action *action)
{
	switch (action->type) {
	case ZAB_SET_EPOCHS:
		rig->accepted_epoch = action->accepted_epoch;
		break;
	case ZAB_CLOSE:
		rig->closed = action->link;
		rig->closed_count++;
		break;
	case ZAB_ROLE:
		rig->is_looking = action->state == ZAB_LOOKING;
		break;
	case ZAB_LOG:
		rig->warnings += action->level >= 2;
		break;
	case ZAB_FATAL:
		rig->is_over = true;
		break;
	default:
		break;
	}
}

static void settle(struct rig *rig)
{
	struct zab_action action;

	while (zab_take_action(rig->zab, &action))
		act(rig, &action);
	zab_check(rig->zab);
}

static void vote_for_us(struct rig *rig, int64_t sid)
{
	const struct notification notification = {
		.state = ZAB_LOOKING,
		.vote = {.leader = MYID, .peer_epoch = 1},
		.election_epoch = 1,
		.version = NOTIFICATION_VERSION,
		.config = bytes_of_text(members_text),
	};
	struct buf buf;

	buf_init(&buf, NOTIFICATION_SIZE_MAX);
	notification_write(&buf, &notification);
	zab_notification(rig->zab, sid, buf_bytes(&buf));
	settle(rig);
	buf_release(&buf);
}

/* It leads, and has heard of nobody who follows. */
static int setup(void **state)
{
	const struct zab_durable durable = {.accepted_epoch = 1, .current_epoch = 1};
	struct rig *rig = test_calloc(1, sizeof(*rig));

	rig->now_ms = 1000;
	zab_config_init(&rig->config);
	rig->config.myid = MYID;
	assert_int_equal(members_parse(bytes_of_text(members_text), &rig->config.members), 0);
	rig->zab = zab_new(&rig->config, &durable);
	zab_start(rig->zab, rig->now_ms);
	vote_for_us(rig, 1);
	vote_for_us(rig, 3);
	rig->now_ms += 200;
	zab_tick(rig->zab, rig->now_ms);
	settle(rig);
	assert_false(rig->is_looking);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	zab_free(rig->zab);
	members_release(&rig->config.members);
	test_free(rig);
	return 0;
}

static void connect(struct rig *rig, zab_link_t link)
{
	zab_link_accepted(rig->zab, link);
	settle(rig);
}

static void introduce(struct rig *rig, zab_link_t link, int64_t sid, enum zab_packet_type type,
		      uint32_t accepted_epoch)
{
	const struct zab_learner_info info = {.sid = sid, .protocol_version = ZAB_PROTOCOL_VERSION};
	struct zab_packet packet = {.type = type,
				    .zxid = zxid_make(accepted_epoch, 0),
				    .auth_count = -1,
				    .auth = BYTES_NULL};
	struct buf buf;

	buf_init(&buf, 64);
	zab_learner_info_write(&buf, &info);
	packet.data = buf_bytes(&buf);
	zab_packet(rig->zab, link, &packet);
	settle(rig);
	buf_release(&buf);
}

/* ---- what must not count ---- */

/* One below the last: with it there would be one more epoch, and then never another. */
static void test_epochs_are_not_used_up_by_who_is_not_configured(void **state)
{
	struct rig *rig = *state;

	connect(rig, LINK_OF_OTHER);
	introduce(rig, LINK_OF_OTHER, STRANGER, ZAB_OBSERVERINFO, INT32_MAX - 1);
	connect(rig, LINK_OF_OTHER + 1);
	introduce(rig, LINK_OF_OTHER + 1, STRANGER + 1, ZAB_FOLLOWERINFO, INT32_MAX - 1);
	connect(rig, LINK_OF_1);
	introduce(rig, LINK_OF_1, 1, ZAB_FOLLOWERINFO, 1);
	assert_int_equal(rig->accepted_epoch, 2);
	assert_false(rig->is_looking || rig->is_over);
}

static void test_configured_observers_epoch_is_passed(void **state)
{
	struct rig *rig = *state;

	connect(rig, LINK_OF_OTHER);
	introduce(rig, LINK_OF_OTHER, 4, ZAB_OBSERVERINFO, 6);
	connect(rig, LINK_OF_1);
	introduce(rig, LINK_OF_1, 1, ZAB_FOLLOWERINFO, 1);
	assert_int_equal(rig->accepted_epoch, 7);
}

static void test_followers_that_are_not_configured_are_no_quorum(void **state)
{
	struct rig *rig = *state;

	for (zab_link_t link = LINK_OF_OTHER; link < LINK_OF_OTHER + 5; link++) {
		connect(rig, link);
		introduce(rig, link, STRANGER + link, ZAB_FOLLOWERINFO, 1);
	}
	assert_int_equal(rig->accepted_epoch, 0);
	assert_int_equal(rig->closed_count, 0);
}

/* Links have the id -1 until they have said theirs: whoever says that is not one of them. */
static void test_id_that_is_none_is_refused_and_disturbs_nobody(void **state)
{
	struct rig *rig = *state;

	connect(rig, LINK_OF_1);
	connect(rig, LINK_OF_OTHER);
	introduce(rig, LINK_OF_OTHER, -1, ZAB_FOLLOWERINFO, 1);
	assert_int_equal(rig->closed_count, 1);
	assert_int_equal(rig->closed, LINK_OF_OTHER);
	assert_int_equal(rig->warnings, 1);
	introduce(rig, LINK_OF_1, 1, ZAB_FOLLOWERINFO, 1);
	assert_int_equal(rig->accepted_epoch, 2);
}

/* ---- how many ---- */

static void test_connections_are_bounded_and_told(void **state)
{
	struct rig *rig = *state;

	for (zab_link_t link = LINK_OF_OTHER; link < LINK_OF_OTHER + ZAB_LINKS_MAX; link++)
		connect(rig, link);
	assert_int_equal(rig->closed_count, 0);
	connect(rig, LINK_OF_OTHER + ZAB_LINKS_MAX);
	assert_int_equal(rig->closed_count, 1);
	assert_int_equal(rig->closed, LINK_OF_OTHER + ZAB_LINKS_MAX);
	assert_int_equal(rig->warnings, 1);
	zab_link_closed(rig->zab, LINK_OF_OTHER);
	settle(rig);
	connect(rig, LINK_OF_1);
	introduce(rig, LINK_OF_1, 1, ZAB_FOLLOWERINFO, 1);
	assert_int_equal(rig->accepted_epoch, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define STRANGERS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		STRANGERS(test_epochs_are_not_used_up_by_who_is_not_configured),
		STRANGERS(test_configured_observers_epoch_is_passed),
		STRANGERS(test_followers_that_are_not_configured_are_no_quorum),
		STRANGERS(test_id_that_is_none_is_refused_and_disturbs_nobody),
		STRANGERS(test_connections_are_bounded_and_told),
	};

	return cmocka_run_group_tests_name("zab-strangers", tests, NULL, NULL);
}
