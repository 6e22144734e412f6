#include "t/unit/election-fixture.h"

static void record(void *data, int64_t sid, struct bytes bytes)
{
	struct fixture *fixture = data;
	struct notification notification;

	assert_int_equal(notification_read(bytes, &notification), 0);
	assert_true(bytes_equal_text(notification.config, fixture->members.text));
	assert_true(fixture->sent_count < SENT_MAX);
	fixture->sent[fixture->sent_count++] = (struct sent){
		.sid = sid,
		.state = notification.state,
		.vote = notification.vote,
		.round = notification.election_epoch,
	};
}

void set_up(struct fixture *fixture, const char *text, int64_t myid)
{
	*fixture = (struct fixture){.now_ms = 1000};
	assert_int_equal(members_parse(bytes_of_text(text), &fixture->members), 0);
	election_init(&fixture->election, myid, &fixture->members, record, fixture);
}

void tear_down(struct fixture *fixture)
{
	election_check(&fixture->election);
	election_release(&fixture->election);
	members_release(&fixture->members);
}

struct zab_vote vote_of(int64_t leader, zxid_t zxid, int64_t peer_epoch)
{
	return (struct zab_vote){.leader = leader, .zxid = zxid, .peer_epoch = peer_epoch};
}

void start(struct fixture *fixture, zxid_t zxid, int64_t peer_epoch)
{
	fixture->sent_count = 0;
	election_start(&fixture->election, vote_of(fixture->election.myid, zxid, peer_epoch),
		       fixture->now_ms);
}

void say_all(struct fixture *fixture, int64_t sid, const struct notification *notification)
{
	struct buf buf;

	buf_init(&buf, NOTIFICATION_SIZE_MAX);
	notification_write(&buf, notification);
	fixture->sent_count = 0;
	election_notification(&fixture->election, sid, buf_bytes(&buf), fixture->now_ms);
	election_check(&fixture->election);
	buf_release(&buf);
}

void say(struct fixture *fixture, int64_t sid, enum zab_state state, struct zab_vote vote,
	 int64_t round)
{
	struct notification notification = {
		.state = state,
		.vote = vote,
		.election_epoch = round,
		.version = NOTIFICATION_VERSION,
		.config = bytes_of(fixture->members.text, fixture->members.text_size),
	};

	say_all(fixture, sid, &notification);
}

void say_in_version_0(struct fixture *fixture, int64_t sid, enum zab_state state,
		      struct zab_vote vote, int64_t round)
{
	struct notification notification = {
		.state = state,
		.vote = vote,
		.election_epoch = round,
		.version = NOTIFICATION_VERSION,
		.config = bytes_of_text(""),
	};
	struct buf buf;

	buf_init(&buf, NOTIFICATION_SIZE_MAX);
	notification_write(&buf, &notification);
	buf_truncate(&buf, 40);
	fixture->sent_count = 0;
	election_notification(&fixture->election, sid, buf_bytes(&buf), fixture->now_ms);
	election_check(&fixture->election);
	buf_release(&buf);
}

void reach(struct fixture *fixture, int64_t sid, enum election_reach value)
{
	fixture->sent_count = 0;
	election_set_reachable(&fixture->election, sid, value, fixture->now_ms);
	election_check(&fixture->election);
}

void advance(struct fixture *fixture, msec_t ms)
{
	fixture->now_ms += ms;
	fixture->sent_count = 0;
	election_tick(&fixture->election, fixture->now_ms);
	election_check(&fixture->election);
}

int64_t leader(const struct fixture *fixture)
{
	struct zab_vote vote;

	return election_decided(&fixture->election, &vote) ? vote.leader : 0;
}

void assert_sent(const struct fixture *fixture, size_t index, int64_t sid, enum zab_state state,
		 struct zab_vote vote, int64_t round)
{
	const struct sent *sent = &fixture->sent[index];

	assert_true(index < fixture->sent_count);
	assert_int_equal(sent->sid, sid);
	assert_int_equal(sent->state, state);
	assert_int_equal(sent->vote.leader, vote.leader);
	assert_int_equal(sent->vote.zxid, vote.zxid);
	assert_int_equal(sent->vote.peer_epoch, vote.peer_epoch);
	assert_int_equal(sent->round, round);
}

void assert_broadcast(const struct fixture *fixture, struct zab_vote vote, int64_t round)
{
	const struct election *election = &fixture->election;

	assert_int_equal(fixture->sent_count, election->peer_count);
	for (size_t i = 0; i < election->peer_count; i++)
		assert_sent(fixture, i, election->peers[i].sid, ZAB_LOOKING, vote, round);
}
