#include "t/unit/election-fixture.h"

/* Votes, and what is made of them (spec/quorum-protocol.md 4). */

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
