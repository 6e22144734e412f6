#include "t/unit/election-fixture.h"

/* Who is answered, who votes, and what is told to the operator. */

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
