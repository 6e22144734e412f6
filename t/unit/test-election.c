#include "t/unit/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/zab/election.h"
#include "src/base/mem.h"
#include "src/base/prng.h"

#define THREE "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"
#define FIVE  THREE "server.4=d:1:2\nserver.5=e:1:2\n"

/* ---- one election, and what it sent ---- */

enum { SENT_MAX = 64 };

struct sent {
	int64_t sid;
	enum zab_state state;
	struct zab_vote vote;
	int64_t round;
};

struct fixture {
	struct election election;
	struct members members;
	struct sent sent[SENT_MAX];
	size_t sent_count;
	msec_t now_ms;
};

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

static void set_up(struct fixture *fixture, const char *text, int64_t myid)
{
	*fixture = (struct fixture){.now_ms = 1000};
	assert_int_equal(members_parse(bytes_of_text(text), &fixture->members), 0);
	election_init(&fixture->election, myid, &fixture->members, record, fixture);
}

static void tear_down(struct fixture *fixture)
{
	election_check(&fixture->election);
	election_release(&fixture->election);
	members_release(&fixture->members);
}

static struct zab_vote vote_of(int64_t leader, zxid_t zxid, int64_t peer_epoch)
{
	return (struct zab_vote){.leader = leader, .zxid = zxid, .peer_epoch = peer_epoch};
}

static void start(struct fixture *fixture, zxid_t zxid, int64_t peer_epoch)
{
	fixture->sent_count = 0;
	election_start(&fixture->election, vote_of(fixture->election.myid, zxid, peer_epoch),
		       fixture->now_ms);
}

/* What a peer says; and the checks that must hold after anything. */
static void say_all(struct fixture *fixture, int64_t sid, const struct notification *notification)
{
	struct buf buf;

	buf_init(&buf, NOTIFICATION_SIZE_MAX);
	notification_write(&buf, notification);
	fixture->sent_count = 0;
	election_notification(&fixture->election, sid, buf_bytes(&buf), fixture->now_ms);
	election_check(&fixture->election);
	buf_release(&buf);
}

static void say(struct fixture *fixture, int64_t sid, enum zab_state state, struct zab_vote vote,
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

/* As 3.4 does: 40 bytes. */
static void say_in_version_0(struct fixture *fixture, int64_t sid, enum zab_state state,
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

static void reach(struct fixture *fixture, int64_t sid, enum election_reach value)
{
	fixture->sent_count = 0;
	election_set_reachable(&fixture->election, sid, value, fixture->now_ms);
	election_check(&fixture->election);
}

static void advance(struct fixture *fixture, msec_t ms)
{
	fixture->now_ms += ms;
	fixture->sent_count = 0;
	election_tick(&fixture->election, fixture->now_ms);
	election_check(&fixture->election);
}

/* The leader that was found; 0: none yet. */
static int64_t leader(const struct fixture *fixture)
{
	struct zab_vote vote;

	return election_decided(&fixture->election, &vote) ? vote.leader : 0;
}

static void assert_sent(const struct fixture *fixture, size_t index, int64_t sid,
			enum zab_state state, struct zab_vote vote, int64_t round)
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

/* LOOKING, to all of the others. */
static void assert_broadcast(const struct fixture *fixture, struct zab_vote vote, int64_t round)
{
	const struct election *election = &fixture->election;

	assert_int_equal(fixture->sent_count, election->peer_count);
	for (size_t i = 0; i < election->peer_count; i++)
		assert_sent(fixture, i, election->peers[i].sid, ZAB_LOOKING, vote, round);
}

#define SILENCE(fixture) assert_int_equal((fixture)->sent_count, 0)

/* ---- LOOKING peers ---- */

static void a_start_proposes_itself_in_a_new_round(void **state)
{
	struct fixture f;

	set_up(&f, THREE "server.9=o:1:2:observer", 2);
	start(&f, 0x100000005, 1);
	assert_broadcast(&f, vote_of(2, 0x100000005, 1), 1);
	assert_int_equal(f.sent_count, 2);
	start(&f, 0x100000006, 1);
	assert_broadcast(&f, vote_of(2, 0x100000006, 1), 2);
	assert_int_equal(leader(&f), 0);
	tear_down(&f);
}

static void a_vote_is_better_by_epoch_then_zxid_then_sid(void **state)
{
	static const struct zab_vote ascending[] = {
		{1, 0x100000007, 1}, {2, 0x100000007, 1}, {1, 0x100000008, 1},
		{1, 0x100000003, 2}, {3, 0x100000003, 2}, {1, 0x300000000, 2},
	};
	size_t count = sizeof(ascending) / sizeof(ascending[0]);
	struct fixture f;

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			set_up(&f, FIVE, 5);
			start(&f, 0, 0);
			say(&f, 1, ZAB_LOOKING, ascending[i], 1);
			assert_broadcast(&f, ascending[i], 1);
			say(&f, 2, ZAB_LOOKING, ascending[j], 1);
			if (j > i)
				assert_broadcast(&f, ascending[j], 1);
			else
				assert_int_equal(f.sent_count, 1);
			tear_down(&f);
		}
	}
}

static void a_voter_of_weight_0_is_not_voted_for(void **state)
{
	struct fixture f;

	set_up(&f, THREE "group.1=1:2:3\nweight.3=0", 1);
	start(&f, 5, 0);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 9, 0), 1);
	assert_int_equal(f.sent_count, 1);
	assert_sent(&f, 0, 3, ZAB_LOOKING, vote_of(1, 5, 0), 1);
	say(&f, 2, ZAB_LOOKING, vote_of(2, 6, 0), 1);
	assert_broadcast(&f, vote_of(2, 6, 0), 1);
	tear_down(&f);
}

static void a_later_round_is_entered_and_earlier_votes_are_forgotten(void **state)
{
	struct fixture f;

	set_up(&f, FIVE, 5);
	start(&f, 0x100000001, 1);
	say(&f, 1, ZAB_LOOKING, vote_of(1, 0x100000009, 1), 1);
	say(&f, 2, ZAB_LOOKING, vote_of(1, 0x100000009, 1), 1);
	assert_int_equal(f.election.is_finalizing, true);
	/* Worse than the proposal, but what counts in a new round is the own vote. */
	say(&f, 3, ZAB_LOOKING, vote_of(3, 0x100000002, 1), 7);
	assert_broadcast(&f, vote_of(3, 0x100000002, 1), 7);
	assert_int_equal(f.election.is_finalizing, false);
	say(&f, 4, ZAB_LOOKING, vote_of(3, 0x100000002, 1), 7);
	assert_int_equal(f.election.is_finalizing, true);
	say(&f, 1, ZAB_LOOKING, vote_of(1, 0, 0), 8);
	assert_broadcast(&f, vote_of(5, 0x100000001, 1), 8);
	assert_int_equal(f.election.round, 8);
	tear_down(&f);
}

static void a_peer_in_an_earlier_round_is_told_and_not_counted(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	for (int round = 1; round <= 3; round++)
		start(&f, 5, 0);
	for (int again = 0; again < 2; again++) {
		say(&f, 3, ZAB_LOOKING, vote_of(3, 9, 0), 2);
		assert_int_equal(f.sent_count, 1);
		assert_sent(&f, 0, 3, ZAB_LOOKING, vote_of(1, 5, 0), 3);
		assert_false(f.election.is_finalizing);
	}
	/* Restarted after it had voted in this round: that vote is void. */
	say(&f, 3, ZAB_LOOKING, vote_of(3, 9, 0), 3);
	assert_true(f.election.is_finalizing);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 9, 0), 1);
	assert_sent(&f, 0, 3, ZAB_LOOKING, vote_of(3, 9, 0), 3);
	assert_false(f.election.is_finalizing);
	tear_down(&f);
}

static void the_first_vote_of_a_round_is_answered_once(void **state)
{
	struct fixture f;

	set_up(&f, FIVE, 5);
	start(&f, 5, 0);
	say(&f, 1, ZAB_LOOKING, vote_of(1, 2, 0), 1);
	assert_int_equal(f.sent_count, 1);
	assert_sent(&f, 0, 1, ZAB_LOOKING, vote_of(5, 5, 0), 1);
	say(&f, 1, ZAB_LOOKING, vote_of(1, 2, 0), 1);
	SILENCE(&f);
	/* It was following an old leader when the proposal reached it. */
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 1, 0), 0);
	SILENCE(&f);
	say(&f, 2, ZAB_LOOKING, vote_of(2, 1, 0), 1);
	assert_int_equal(f.sent_count, 1);
	assert_sent(&f, 0, 2, ZAB_LOOKING, vote_of(5, 5, 0), 1);
	tear_down(&f);
}

static void a_quorum_is_waited_on_for_a_better_vote(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 2);
	start(&f, 5, 0);
	say(&f, 1, ZAB_LOOKING, vote_of(2, 5, 0), 1);
	assert_int_equal(leader(&f), 0);
	assert_int_equal(election_next_tick_ms(&f.election), f.now_ms + ELECTION_FINALIZE_MS);
	advance(&f, ELECTION_FINALIZE_MS - 1);
	assert_int_equal(leader(&f), 0);
	/* A better one: all over again. */
	say(&f, 3, ZAB_LOOKING, vote_of(3, 5, 0), 1);
	assert_broadcast(&f, vote_of(3, 5, 0), 1);
	advance(&f, ELECTION_FINALIZE_MS - 1);
	assert_int_equal(leader(&f), 0);
	advance(&f, 1);
	assert_int_equal(leader(&f), 3);
	assert_int_equal(election_next_tick_ms(&f.election), INT64_MAX);
	tear_down(&f);
}

static void a_quorum_is_not_waited_on_when_nobody_else_can_speak(void **state)
{
	struct fixture f;

	/* All have voted. */
	set_up(&f, THREE, 2);
	start(&f, 5, 0);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 5, 0), 1);
	assert_int_equal(leader(&f), 0);
	say(&f, 1, ZAB_LOOKING, vote_of(3, 5, 0), 1);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);

	/* Two of five can't be reached. */
	set_up(&f, FIVE, 3);
	reach(&f, 4, ELECTION_UNREACHABLE);
	reach(&f, 5, ELECTION_UNREACHABLE);
	start(&f, 5, 0);
	say(&f, 1, ZAB_LOOKING, vote_of(3, 5, 0), 1);
	assert_int_equal(leader(&f), 0);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 5, 0), 1);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);

	/* Who was waited for turns out not to be there. */
	set_up(&f, THREE, 2);
	reach(&f, 3, ELECTION_REACHABLE);
	start(&f, 5, 0);
	say(&f, 1, ZAB_LOOKING, vote_of(2, 5, 0), 1);
	assert_int_equal(leader(&f), 0);
	reach(&f, 3, ELECTION_UNREACHABLE);
	assert_int_equal(leader(&f), 2);
	tear_down(&f);
}

static void a_minority_of_five_never_decides(void **state)
{
	struct fixture f;

	set_up(&f, FIVE, 2);
	for (int64_t sid = 3; sid <= 5; sid++)
		reach(&f, sid, ELECTION_UNREACHABLE);
	start(&f, 5, 0);
	say(&f, 1, ZAB_LOOKING, vote_of(2, 5, 0), 1);
	advance(&f, ELECTION_FINALIZE_MS);
	advance(&f, ELECTION_RESEND_MS_MAX);
	assert_int_equal(leader(&f), 0);
	tear_down(&f);
}

static void a_quorum_that_is_lost_is_not_waited_on(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 2);
	start(&f, 5, 0);
	say(&f, 1, ZAB_LOOKING, vote_of(2, 5, 0), 1);
	advance(&f, 150);
	/* It was started again, with an empty disk. */
	say(&f, 1, ZAB_LOOKING, vote_of(1, -1, 0), 1);
	advance(&f, 50);
	assert_int_equal(leader(&f), 0);
	say(&f, 1, ZAB_LOOKING, vote_of(2, 5, 0), 1);
	advance(&f, 199);
	assert_int_equal(leader(&f), 0);
	advance(&f, 1);
	assert_int_equal(leader(&f), 2);
	tear_down(&f);
}

static void the_only_voter_is_elected_at_once(void **state)
{
	struct fixture f;

	set_up(&f, "server.1=a:1:2\nserver.2=b:1:2:observer", 1);
	start(&f, 5, 0);
	assert_int_equal(leader(&f), 1);
	tear_down(&f);
}

static void the_proposal_is_sent_again_at_growing_intervals(void **state)
{
	struct fixture f;
	msec_t interval = ELECTION_RESEND_MS_MIN;

	set_up(&f, THREE, 1);
	start(&f, 5, 0);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(election_next_tick_ms(&f.election), f.now_ms + interval);
		advance(&f, interval - 1);
		SILENCE(&f);
		advance(&f, 1);
		assert_broadcast(&f, vote_of(1, 5, 0), 1);
		interval = interval * 2 < ELECTION_RESEND_MS_MAX ? interval * 2
								 : ELECTION_RESEND_MS_MAX;
	}
	assert_int_equal(interval, ELECTION_RESEND_MS_MAX);
	/* A new election, or a new connection, begins from the start. */
	start(&f, 5, 0);
	assert_int_equal(election_next_tick_ms(&f.election), f.now_ms + ELECTION_RESEND_MS_MIN);
	advance(&f, 200);
	advance(&f, 400);
	reach(&f, 3, ELECTION_REACHABLE);
	assert_int_equal(f.sent_count, 1);
	assert_sent(&f, 0, 3, ZAB_LOOKING, vote_of(1, 5, 0), 2);
	assert_int_equal(election_next_tick_ms(&f.election), f.now_ms + ELECTION_RESEND_MS_MIN);
	reach(&f, 3, ELECTION_REACHABLE);
	assert_int_equal(f.sent_count, 1);
	reach(&f, 3, ELECTION_UNREACHABLE);
	reach(&f, 9, ELECTION_REACHABLE);
	SILENCE(&f);
	tear_down(&f);
}

/* ---- settled peers (4.2; lessons C2d) ---- */

static void a_joiner_needs_the_leader_and_a_quorum_that_follows(void **state)
{
	struct zab_vote vote = vote_of(3, 0x100000004, 2);
	struct fixture f;

	set_up(&f, FIVE, 1);
	start(&f, 0x100000001, 1);
	say(&f, 2, ZAB_FOLLOWING, vote, 4);
	say(&f, 4, ZAB_FOLLOWING, vote, 4);
	say(&f, 5, ZAB_FOLLOWING, vote, 4);
	assert_int_equal(leader(&f), 0); /* 3 itself hasn't said so */
	say(&f, 3, ZAB_LEADING, vote, 4);
	assert_int_equal(leader(&f), 3);
	assert_int_equal(f.election.settled_round, 4);
	assert_int_equal(f.election.round, 4);
	tear_down(&f);

	set_up(&f, FIVE, 1);
	start(&f, 0x100000001, 1);
	say(&f, 3, ZAB_LEADING, vote, 4);
	say(&f, 2, ZAB_FOLLOWING, vote, 4);
	assert_int_equal(leader(&f), 0);
	say(&f, 5, ZAB_OBSERVING, vote, 4);
	assert_int_equal(leader(&f), 0);
	say(&f, 4, ZAB_FOLLOWING, vote, 4);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);
}

static void a_leader_that_follows_another_is_none(void **state)
{
	struct fixture f;

	set_up(&f, FIVE, 1);
	start(&f, 0x100000001, 1);
	say(&f, 3, ZAB_FOLLOWING, vote_of(3, 5, 2), 4);
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 5, 2), 4);
	say(&f, 4, ZAB_FOLLOWING, vote_of(3, 5, 2), 4);
	assert_int_equal(leader(&f), 0);
	tear_down(&f);
}

/* ZOOKEEPER-1419, 1514: members of one ensemble may differ in what their votes were. */
static void settled_votes_may_differ_in_zxid_and_round(void **state)
{
	struct fixture f;

	set_up(&f, FIVE, 1);
	start(&f, 0x200000009, 2);
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 0x100000001, 3), 1);
	say(&f, 4, ZAB_FOLLOWING, vote_of(3, 0x200000004, 3), 7);
	say(&f, 3, ZAB_LEADING, vote_of(3, 0x200000002, 3), 2);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);
}

/* ZOOKEEPER-1732, 1818: but not in the epoch, or in the leader. */
static void settled_votes_must_agree_in_leader_and_epoch(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	start(&f, 0x200000009, 2);
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 0, 2), 5);
	say(&f, 3, ZAB_LEADING, vote_of(3, 0, 3), 5);
	assert_int_equal(leader(&f), 0);
	/* Asked again, when it has reached UPTODATE. */
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 0, 3), 5);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);

	set_up(&f, FIVE, 1);
	start(&f, 0x200000009, 2);
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 0, 3), 5);
	say(&f, 4, ZAB_FOLLOWING, vote_of(5, 0, 3), 5);
	say(&f, 3, ZAB_LEADING, vote_of(3, 0, 3), 5);
	say(&f, 5, ZAB_LEADING, vote_of(5, 0, 3), 5);
	assert_int_equal(leader(&f), 0);
	say(&f, 4, ZAB_FOLLOWING, vote_of(3, 0, 3), 5);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);
}

static void with_a_version_0_peer_the_leader_alone_must_agree(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	start(&f, 0x200000009, 2);
	say_in_version_0(&f, 2, ZAB_FOLLOWING, vote_of(3, 0, 2), 5);
	say(&f, 3, ZAB_LEADING, vote_of(3, 0, 3), 6);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);

	/* Two of them agree among themselves as all do. */
	set_up(&f, THREE, 1);
	start(&f, 0x200000009, 2);
	say_in_version_0(&f, 2, ZAB_FOLLOWING, vote_of(3, 0, 2), 5);
	say_in_version_0(&f, 3, ZAB_LEADING, vote_of(3, 0, 3), 6);
	assert_int_equal(leader(&f), 0);
	say_in_version_0(&f, 3, ZAB_LEADING, vote_of(3, 0, 2), 6);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);
}

static void a_vote_of_the_same_round_may_be_settled_already(void **state)
{
	struct fixture f;

	/* 3 leads by the vote that was cast here, and 2 isn't there. */
	set_up(&f, THREE, 1);
	start(&f, 5, 0);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 5, 0), 1);
	assert_int_equal(leader(&f), 0);
	say(&f, 3, ZAB_LEADING, vote_of(3, 5, 0), 1);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);

	/* Of this round, what they agree in is the leader. */
	set_up(&f, THREE, 1);
	start(&f, 5, 0);
	say(&f, 3, ZAB_LEADING, vote_of(3, 5, 1), 1);
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 5, 0), 1);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);

	/* It leads in that round; but not by a vote of ours. */
	set_up(&f, THREE, 1);
	start(&f, 6, 0);
	say(&f, 3, ZAB_LEADING, vote_of(3, 5, 0), 1);
	advance(&f, ELECTION_FINALIZE_MS);
	assert_int_equal(leader(&f), 0);
	tear_down(&f);
}

static void who_is_followed_leads_only_in_that_round(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	start(&f, 5, 1);
	say(&f, 2, ZAB_FOLLOWING, vote_of(1, 5, 1), 4);
	say(&f, 3, ZAB_FOLLOWING, vote_of(1, 5, 1), 4);
	assert_int_equal(leader(&f), 0);
	for (int round = 2; round <= 4; round++)
		start(&f, 5, 1);
	say(&f, 2, ZAB_FOLLOWING, vote_of(1, 5, 1), 4);
	assert_int_equal(leader(&f), 1);
	tear_down(&f);
}

static void who_was_followed_before_a_restart_does_not_lead(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	start(&f, 0x200000007, 2);
	say(&f, 2, ZAB_FOLLOWING, vote_of(1, 0x100000003, 2), 1);
	say(&f, 3, ZAB_FOLLOWING, vote_of(1, 0x100000003, 2), 1);
	assert_int_equal(leader(&f), 0);
	/* They notice, and look. */
	say(&f, 2, ZAB_LOOKING, vote_of(1, 0x200000007, 2), 2);
	say(&f, 3, ZAB_LOOKING, vote_of(1, 0x200000007, 2), 2);
	assert_int_equal(leader(&f), 1);
	tear_down(&f);
}

static void a_joined_ensemble_of_an_earlier_round_sets_no_clock_back(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	for (int round = 1; round <= 9; round++)
		start(&f, 5, 1);
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 5, 2), 4);
	say(&f, 3, ZAB_LEADING, vote_of(3, 5, 2), 4);
	assert_int_equal(leader(&f), 3);
	assert_int_equal(f.election.round, 9);
	election_settle(&f.election, ZAB_FOLLOWING, vote_of(3, 5, 2));
	say(&f, 2, ZAB_LOOKING, vote_of(2, 5, 1), 1);
	assert_sent(&f, 0, 2, ZAB_FOLLOWING, vote_of(3, 5, 2), 4);
	start(&f, 5, 2);
	assert_broadcast(&f, vote_of(1, 5, 2), 10);
	tear_down(&f);
}

static void a_peer_that_looks_again_is_settled_no_more(void **state)
{
	struct zab_vote vote = vote_of(3, 0, 3);
	struct fixture f;

	set_up(&f, THREE, 1);
	start(&f, 0x200000009, 2);
	say(&f, 2, ZAB_FOLLOWING, vote, 5);
	say(&f, 2, ZAB_LOOKING, vote_of(2, 0, 2), 1);
	say(&f, 3, ZAB_LEADING, vote, 5);
	assert_int_equal(leader(&f), 0);
	say(&f, 2, ZAB_FOLLOWING, vote, 5);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);

	/* And the other way round: its vote of this round is void. */
	set_up(&f, FIVE, 1);
	start(&f, 5, 0);
	say(&f, 2, ZAB_LOOKING, vote_of(2, 7, 0), 1);
	say(&f, 3, ZAB_LOOKING, vote_of(2, 7, 0), 1);
	assert_true(f.election.is_finalizing);
	say(&f, 3, ZAB_FOLLOWING, vote_of(4, 9, 1), 8);
	assert_false(f.election.is_finalizing);
	tear_down(&f);
}

/* ---- answers ---- */

static void a_settled_server_answers_who_is_looking(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	start(&f, 5, 1);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	assert_int_equal(leader(&f), 3);
	say(&f, 2, ZAB_LOOKING, vote_of(2, 5, 1), 9);
	SILENCE(&f); /* the role is being taken */
	election_settle(&f.election, ZAB_FOLLOWING, vote_of(3, 5, 1));
	assert_int_equal(leader(&f), 0);
	say(&f, 2, ZAB_LOOKING, vote_of(2, 5, 1), 9);
	assert_int_equal(f.sent_count, 1);
	assert_sent(&f, 0, 2, ZAB_FOLLOWING, vote_of(3, 5, 1), 1);
	/* R25: once the epoch is established, its number. */
	election_settle(&f.election, ZAB_FOLLOWING, vote_of(3, 5, 2));
	say(&f, 2, ZAB_LOOKING, vote_of(2, 5, 1), 9);
	assert_sent(&f, 0, 2, ZAB_FOLLOWING, vote_of(3, 5, 2), 1);
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 5, 2), 1);
	SILENCE(&f);
	say(&f, 3, ZAB_LEADING, vote_of(3, 5, 2), 1);
	SILENCE(&f);
	advance(&f, ELECTION_RESEND_MS_MAX);
	SILENCE(&f);
	reach(&f, 2, ELECTION_REACHABLE);
	SILENCE(&f);
	assert_int_equal(election_next_tick_ms(&f.election), INT64_MAX);
	tear_down(&f);
}

static void who_votes_for_what_was_elected_is_told_that_once(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	start(&f, 5, 1);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	election_settle(&f.election, ZAB_FOLLOWING, vote_of(3, 5, 1));
	election_settle(&f.election, ZAB_FOLLOWING, vote_of(3, 5, 2));
	say(&f, 2, ZAB_LOOKING, vote_of(3, 5, 1), 2);
	assert_sent(&f, 0, 2, ZAB_FOLLOWING, vote_of(3, 5, 2), 1);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	assert_sent(&f, 0, 2, ZAB_FOLLOWING, vote_of(3, 5, 1), 1);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	assert_int_equal(f.sent_count, 1);
	assert_sent(&f, 0, 2, ZAB_FOLLOWING, vote_of(3, 5, 2), 1);
	tear_down(&f);
}

static void a_leader_answers_that_it_leads(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 3);
	start(&f, 5, 1);
	say(&f, 1, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	election_settle(&f.election, ZAB_LEADING, vote_of(3, 5, 2));
	say(&f, 2, ZAB_LOOKING, vote_of(2, 5, 1), 1);
	assert_sent(&f, 0, 2, ZAB_LEADING, vote_of(3, 5, 2), 1);
	tear_down(&f);
}

static void strangers_and_observers_are_answered_and_not_counted(void **state)
{
	struct zab_vote none = vote_of(INT64_MIN, INT64_MIN, INT64_MIN);
	struct fixture f;

	set_up(&f, THREE "server.9=o:1:2:observer", 1);
	say(&f, 9, ZAB_LOOKING, none, 1);
	SILENCE(&f); /* nothing to say before the first start */
	start(&f, 5, 1);
	say(&f, 9, ZAB_LOOKING, none, 4);
	assert_int_equal(f.sent_count, 1);
	assert_sent(&f, 0, 9, ZAB_LOOKING, vote_of(1, 5, 1), 1);
	assert_int_equal(f.election.ignored, 0);
	say(&f, 7, ZAB_LOOKING, vote_of(1, 5, 1), 1);
	assert_int_equal(f.sent_count, 1);
	assert_sent(&f, 0, 7, ZAB_LOOKING, vote_of(1, 5, 1), 1);
	assert_int_equal(f.election.ignored, 1);
	say(&f, 9, ZAB_LOOKING, vote_of(1, 5, 1), 1);
	assert_false(f.election.is_finalizing);
	/* No answers to answers: they would never end. */
	say(&f, 9, ZAB_OBSERVING, vote_of(3, 5, 1), 1);
	SILENCE(&f);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	election_settle(&f.election, ZAB_FOLLOWING, vote_of(3, 5, 2));
	say(&f, 9, ZAB_LOOKING, none, 4);
	assert_sent(&f, 0, 9, ZAB_FOLLOWING, vote_of(3, 5, 2), 1);
	tear_down(&f);
}

static void a_vote_for_a_stranger_is_ignored(void **state)
{
	struct fixture f;

	set_up(&f, THREE "server.9=o:1:2:observer", 1);
	start(&f, 5, 1);
	say(&f, 2, ZAB_LOOKING, vote_of(7, 99, 9), 1);
	SILENCE(&f);
	say(&f, 2, ZAB_LOOKING, vote_of(9, 99, 9), 5);
	SILENCE(&f);
	assert_int_equal(f.election.round, 1);
	say(&f, 2, ZAB_FOLLOWING, vote_of(9, 99, 9), 5);
	say(&f, 3, ZAB_FOLLOWING, vote_of(9, 99, 9), 5);
	assert_int_equal(leader(&f), 0);
	/* It is told the round nevertheless. */
	say(&f, 2, ZAB_LOOKING, vote_of(7, 99, 9), 0);
	assert_int_equal(f.sent_count, 1);
	tear_down(&f);
}

static void malformed_messages_are_counted_and_dropped(void **state)
{
	struct fixture f;
	uint8_t bytes[48] = {0};

	set_up(&f, THREE, 1);
	start(&f, 5, 1);
	f.sent_count = 0;
	for (size_t size = 0; size < 28; size++)
		election_notification(&f.election, 2, bytes_of(bytes, size), f.now_ms);
	assert_int_equal(f.election.ignored, 28);
	say(&f, 1, ZAB_LOOKING, vote_of(3, 9, 9), 1); /* from itself */
	say(&f, 2, ZAB_LOOKING, vote_of(3, 9, 9), -1);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 9, 9), ELECTION_ROUND_MAX + 1);
	assert_int_equal(f.election.ignored, 31);
	SILENCE(&f);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 9, 9), ELECTION_ROUND_MAX);
	assert_broadcast(&f, vote_of(3, 9, 9), ELECTION_ROUND_MAX);
	tear_down(&f);
}

/* ---- observers ---- */

static void start_observer(struct fixture *f)
{
	f->sent_count = 0;
	election_start(&f->election, vote_of(INT64_MIN, INT64_MIN, INT64_MIN), f->now_ms);
}

static void an_observer_follows_what_the_voters_decide(void **state)
{
	struct fixture f;

	set_up(&f, THREE "server.9=o:1:2:observer", 9);
	start_observer(&f);
	assert_broadcast(&f, vote_of(INT64_MIN, INT64_MIN, INT64_MIN), 1);
	assert_int_equal(f.sent_count, 3);
	say(&f, 1, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	assert_broadcast(&f, vote_of(3, 5, 1), 1);
	advance(&f, 1000);
	assert_int_equal(leader(&f), 0); /* its own vote is none */
	say(&f, 3, ZAB_LOOKING, vote_of(3, 5, 1), 1);
	advance(&f, ELECTION_FINALIZE_MS);
	assert_int_equal(leader(&f), 3);
	election_settle(&f.election, ZAB_OBSERVING, vote_of(3, 5, 2));
	/* A voter answers an OBSERVING observer with its vote, and that must be the end. */
	say(&f, 2, ZAB_LOOKING, vote_of(2, 5, 1), 1);
	SILENCE(&f);
	say(&f, 8, ZAB_LOOKING, vote_of(2, 5, 1), 1);
	SILENCE(&f);
	start_observer(&f);
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 5, 2), 1);
	say(&f, 3, ZAB_LEADING, vote_of(3, 5, 2), 1);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);
}

/* ---- empty stores (lessons R18) ---- */

static void an_empty_store_does_not_vote(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	start(&f, -1, 0);
	assert_broadcast(&f, vote_of(1, -1, 0), 1);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 0x100000005, 1), 1);
	SILENCE(&f);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 0x100000005, 1), 4);
	SILENCE(&f);
	advance(&f, 10000);
	assert_broadcast(&f, vote_of(1, -1, 0), 1);
	assert_int_equal(leader(&f), 0);
	/* It joins what has formed without it. */
	say(&f, 2, ZAB_FOLLOWING, vote_of(3, 0x100000005, 2), 4);
	assert_int_equal(leader(&f), 0);
	say(&f, 3, ZAB_LEADING, vote_of(3, 0x100000005, 2), 4);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);
}

static void an_empty_store_is_no_part_of_a_quorum(void **state)
{
	struct fixture f;

	/* The leader alone, in this very round: its one follower was this server, before. */
	set_up(&f, THREE, 1);
	start(&f, -1, 0);
	say(&f, 3, ZAB_LEADING, vote_of(3, 0x100000005, 1), 1);
	assert_int_equal(leader(&f), 0);
	/* They follow it still, from before its disk was lost. */
	say(&f, 2, ZAB_FOLLOWING, vote_of(1, 0x100000005, 1), 1);
	say(&f, 3, ZAB_FOLLOWING, vote_of(1, 0x100000005, 1), 1);
	assert_int_equal(leader(&f), 0);
	say(&f, 2, ZAB_FOLLOWING, vote_of(1, -1, 0), 1);
	say(&f, 3, ZAB_FOLLOWING, vote_of(1, -1, 0), 1);
	assert_int_equal(leader(&f), 0);
	tear_down(&f);
}

static void a_vote_of_an_empty_peer_is_not_counted(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	start(&f, 5, 1);
	say(&f, 3, ZAB_LOOKING, vote_of(3, -1, 0), 1);
	SILENCE(&f);
	say(&f, 3, ZAB_LOOKING, vote_of(3, -1, 7), 9);
	SILENCE(&f);
	assert_int_equal(f.election.round, 1);
	tear_down(&f);
}

static void empty_stores_vote_when_every_voter_is_empty(void **state)
{
	struct fixture f;

	/* 2 is of this kind, 3 is Apache's: it votes with zxid 0 at once. */
	set_up(&f, THREE "server.9=o:1:2:observer", 1);
	start(&f, -1, 0);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 0, 0), 1);
	SILENCE(&f);
	say(&f, 2, ZAB_LOOKING, vote_of(2, -1, 0), 1);
	assert_int_equal(f.sent_count, 4); /* itself, then 3, whose vote was kept */
	assert_sent(&f, 0, 2, ZAB_LOOKING, vote_of(1, 0, 0), 1);
	assert_sent(&f, 2, 2, ZAB_LOOKING, vote_of(3, 0, 0), 1);
	assert_sent(&f, 3, 3, ZAB_LOOKING, vote_of(3, 0, 0), 1);
	say(&f, 2, ZAB_LOOKING, vote_of(3, 0, 0), 1);
	assert_int_equal(leader(&f), 3);
	tear_down(&f);
}

static void an_empty_store_waits_for_the_last_voter(void **state)
{
	struct fixture f;

	set_up(&f, FIVE, 1);
	start(&f, -1, 0);
	for (int64_t sid = 2; sid <= 4; sid++)
		say(&f, sid, ZAB_LOOKING, vote_of(4, 0, 0), 1);
	advance(&f, 100000);
	assert_broadcast(&f, vote_of(1, -1, 0), 1);
	/* 5 has something. */
	say(&f, 5, ZAB_LOOKING, vote_of(5, 1, 0), 1);
	SILENCE(&f);
	say(&f, 5, ZAB_LOOKING, vote_of(5, 0, 1), 1);
	SILENCE(&f);
	say(&f, 5, ZAB_FOLLOWING, vote_of(4, 0, 0), 1);
	SILENCE(&f);
	/* It hasn't; but what was heard in an earlier election is not heard. */
	start(&f, -1, 0);
	say(&f, 5, ZAB_LOOKING, vote_of(5, 0, 0), 2);
	SILENCE(&f);
	for (int64_t sid = 2; sid <= 3; sid++) {
		say(&f, sid, ZAB_LOOKING, vote_of(5, 0, 0), 2);
		SILENCE(&f);
	}
	say(&f, 4, ZAB_LOOKING, vote_of(5, 0, 0), 2);
	assert_int_equal(leader(&f), 5);
	tear_down(&f);
}

static void an_empty_store_that_votes_enters_the_round_of_the_others(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 2);
	start(&f, -1, 0);
	say(&f, 1, ZAB_LOOKING, vote_of(1, 0, 0), 6);
	say(&f, 3, ZAB_LOOKING, vote_of(1, -1, 0), 1);
	assert_int_equal(f.election.round, 6);
	assert_sent(&f, f.sent_count - 1, 3, ZAB_LOOKING, vote_of(2, 0, 0), 6);
	tear_down(&f);
}

static void the_operator_may_say_that_the_ensemble_is_new(void **state)
{
	struct fixture f;

	set_up(&f, THREE, 1);
	election_set_bootstrap(&f.election, true);
	start(&f, -1, 0);
	assert_true(f.sent_count >= 2);
	assert_sent(&f, f.sent_count - 1, 3, ZAB_LOOKING, vote_of(1, 0, 0), 1);
	say(&f, 3, ZAB_LOOKING, vote_of(3, 0x100000005, 1), 1);
	assert_broadcast(&f, vote_of(3, 0x100000005, 1), 1);
	tear_down(&f);

	/* While it looks already. */
	set_up(&f, THREE, 1);
	start(&f, -1, 0);
	f.sent_count = 0;
	election_set_bootstrap(&f.election, false);
	SILENCE(&f);
	election_set_bootstrap(&f.election, true);
	assert_broadcast(&f, vote_of(1, 0, 0), 1);
	/* And not once it is no longer said. */
	election_set_bootstrap(&f.election, false);
	start(&f, -1, 0);
	assert_broadcast(&f, vote_of(1, -1, 0), 2);
	tear_down(&f);

	/* A store that isn't empty has its own zxid. */
	set_up(&f, THREE, 1);
	election_set_bootstrap(&f.election, true);
	start(&f, 0x100000000, 1);
	assert_broadcast(&f, vote_of(1, 0x100000000, 1), 1);
	tear_down(&f);
}

static void the_only_voter_may_be_empty(void **state)
{
	struct fixture f;

	set_up(&f, "server.1=a:1:2", 1);
	start(&f, -1, 0);
	assert_int_equal(leader(&f), 1);
	tear_down(&f);
}

/* ---- configurations ---- */

static void say_config(struct fixture *fixture, int64_t sid, const char *config)
{
	struct notification notification = {
		.state = ZAB_LOOKING,
		.vote = vote_of(3, 5, 1),
		.election_epoch = 1,
		.version = NOTIFICATION_VERSION,
		.config = bytes_of_text(config),
	};

	say_all(fixture, sid, &notification);
}

static void a_newer_configuration_is_told_and_not_adopted(void **state)
{
	struct fixture f;

	set_up(&f, THREE "version=100000000", 1);
	start(&f, 5, 1);
	say_config(&f, 2, THREE "version=0");
	say_config(&f, 2, "server.1=a:1:2\nserver.2=b:1:2\nserver.3=x:1:2\nversion=100000000");
	say_config(&f, 7, THREE "version=200000000"); /* a stranger */
	assert_int_equal(f.election.newer_version, 0);
	say_config(&f, 3, THREE "server.4=d:1:2\nversion=100000005");
	assert_int_equal(f.election.newer_version, 0x100000005);
	assert_int_equal(f.election.newer_version_sid, 3);
	assert_int_equal(f.election.peer_count, 2);
	say_config(&f, 2, THREE "server.4=d:1:2\nversion=100000004");
	assert_int_equal(f.election.newer_version_sid, 3);
	say_config(&f, 2, THREE "server.4=d:1:2\nversion=100000006");
	assert_int_equal(f.election.newer_version, 0x100000006);
	assert_int_equal(f.election.newer_version_sid, 2);
	assert_int_equal(leader(&f), 3); /* they counted */
	tear_down(&f);
}

static void a_configuration_that_cant_be_read_spoils_no_vote(void **state)
{
	static const char *const texts[] = {"", "version=x", THREE "extra=1", "server.1=a"};
	size_t count = sizeof(texts) / sizeof(texts[0]);
	struct fixture f;

	for (size_t i = 0; i < count; i++) {
		set_up(&f, THREE, 1);
		start(&f, 5, 1);
		say_config(&f, 2, texts[i]);
		say_config(&f, 3, texts[i]);
		assert_int_equal(f.election.unreadable_configs, 2);
		assert_int_equal(f.election.newer_version, 0);
		assert_int_equal(leader(&f), 3);
		tear_down(&f);
	}
}

static void both_configurations_must_agree_while_one_is_proposed(void **state)
{
	struct members next;
	struct fixture f;

	assert_int_equal(members_parse(bytes_of_text("server.1=a:1:2\nserver.4=d:1:2\n"
						     "server.5=e:1:2\nversion=5"),
				       &next),
			 0);
	set_up(&f, THREE, 1);
	start(&f, 5, 1);
	election_set_members(&f.election, &f.members, &next);
	assert_int_equal(f.election.peer_count, 4);
	start(&f, 5, 1);
	assert_broadcast(&f, vote_of(1, 5, 1), 2);
	say(&f, 2, ZAB_LOOKING, vote_of(1, 5, 1), 2);
	assert_false(f.election.is_finalizing);
	say(&f, 4, ZAB_LOOKING, vote_of(1, 5, 1), 2);
	assert_true(f.election.is_finalizing);

	/* Who has left has no vote, and is not voted for. */
	say(&f, 5, ZAB_LOOKING, vote_of(5, 9, 1), 2);
	assert_broadcast(&f, vote_of(5, 9, 1), 2);
	say(&f, 2, ZAB_LOOKING, vote_of(5, 9, 1), 2);
	f.sent_count = 0;
	election_set_members(&f.election, &f.members, NULL);
	election_check(&f.election);
	assert_broadcast(&f, vote_of(1, 5, 1), 2);
	assert_false(f.election.is_finalizing);
	tear_down(&f);
	members_release(&next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_proposes_itself_in_a_new_round),
		cmocka_unit_test(a_vote_is_better_by_epoch_then_zxid_then_sid),
		cmocka_unit_test(a_voter_of_weight_0_is_not_voted_for),
		cmocka_unit_test(a_later_round_is_entered_and_earlier_votes_are_forgotten),
		cmocka_unit_test(a_peer_in_an_earlier_round_is_told_and_not_counted),
		cmocka_unit_test(the_first_vote_of_a_round_is_answered_once),
		cmocka_unit_test(a_quorum_is_waited_on_for_a_better_vote),
		cmocka_unit_test(a_quorum_is_not_waited_on_when_nobody_else_can_speak),
		cmocka_unit_test(a_minority_of_five_never_decides),
		cmocka_unit_test(a_quorum_that_is_lost_is_not_waited_on),
		cmocka_unit_test(the_only_voter_is_elected_at_once),
		cmocka_unit_test(the_proposal_is_sent_again_at_growing_intervals),
		cmocka_unit_test(a_joiner_needs_the_leader_and_a_quorum_that_follows),
		cmocka_unit_test(a_leader_that_follows_another_is_none),
		cmocka_unit_test(settled_votes_may_differ_in_zxid_and_round),
		cmocka_unit_test(settled_votes_must_agree_in_leader_and_epoch),
		cmocka_unit_test(with_a_version_0_peer_the_leader_alone_must_agree),
		cmocka_unit_test(a_vote_of_the_same_round_may_be_settled_already),
		cmocka_unit_test(who_is_followed_leads_only_in_that_round),
		cmocka_unit_test(who_was_followed_before_a_restart_does_not_lead),
		cmocka_unit_test(a_joined_ensemble_of_an_earlier_round_sets_no_clock_back),
		cmocka_unit_test(a_peer_that_looks_again_is_settled_no_more),
		cmocka_unit_test(a_settled_server_answers_who_is_looking),
		cmocka_unit_test(who_votes_for_what_was_elected_is_told_that_once),
		cmocka_unit_test(a_leader_answers_that_it_leads),
		cmocka_unit_test(strangers_and_observers_are_answered_and_not_counted),
		cmocka_unit_test(a_vote_for_a_stranger_is_ignored),
		cmocka_unit_test(malformed_messages_are_counted_and_dropped),
		cmocka_unit_test(an_observer_follows_what_the_voters_decide),
		cmocka_unit_test(an_empty_store_does_not_vote),
		cmocka_unit_test(an_empty_store_is_no_part_of_a_quorum),
		cmocka_unit_test(a_vote_of_an_empty_peer_is_not_counted),
		cmocka_unit_test(empty_stores_vote_when_every_voter_is_empty),
		cmocka_unit_test(an_empty_store_waits_for_the_last_voter),
		cmocka_unit_test(an_empty_store_that_votes_enters_the_round_of_the_others),
		cmocka_unit_test(the_operator_may_say_that_the_ensemble_is_new),
		cmocka_unit_test(the_only_voter_may_be_empty),
		cmocka_unit_test(a_newer_configuration_is_told_and_not_adopted),
		cmocka_unit_test(a_configuration_that_cant_be_read_spoils_no_vote),
		cmocka_unit_test(both_configurations_must_agree_while_one_is_proposed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
