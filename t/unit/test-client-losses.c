/* The order of the client session's requests when connections end, once and again. */
#include <errno.h>

#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "t/unit/client-fixture.h"

/* ---- order and repeated losses ---- */

static void judging_keeps_the_order_of_requests(void **state)
{
	struct world *w = begin_established(NULL);
	const struct node ours = {true, NEW, NEW, EXPECTED + 1, 0, "ours"};

	submit_create(w, "/n", ZK_PERSISTENT, 1);
	submit_get(w, "/n", false, 2);
	submit_set(w, "/n", EXPECTED, 3);
	pump(w);
	lose(w);
	submit_get(w, "/late", false, 4);
	come_back(w);
	take_probe(w, "/n");
	show_node(w, &(struct node){.present = false});
	/* Sent again, the read behind it; the set is looked at when both are answered. */
	take(w, ZK_OP_CREATE2);
	answer(w, NEW, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	assert_true(nothing_is_sent(w));
	answer(w, NEW, ZK_NONODE);
	take_probe(w, "/n");
	show_node(w, &ours);
	take(w, ZK_OP_GET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/late"));
	answer(w, BASE + 60, ZK_NONODE);
	assert_int_equal(w->note_count, 4);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(w->notes[i].tag, i + 1);
	finish(w);
}

static void second_loss_keeps_the_order_of_requests(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", -1, 1);
	submit_set(w, "/b", 3, 2);
	pump(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(nothing_is_sent(w));
	lose(w);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/a"));
	answer(w, BASE + 51, ZK_OK);
	take_probe(w, "/b");
	finish(w);
}

/* The first is sent again, and makes it: the second must not take that for its own. */
static void a_request_that_was_sent_again_is_no_proof_for_the_next_one(void **state)
{
	const struct node made = {true, BASE + 60, BASE + 60, 0, SESSION, "ours"};
	struct world *w = begin_established(NULL);
	struct zk_request request;

	build_write(&request, ZK_INTENT_CREATE_EPHEMERAL);
	submit(w, &request, 1);
	build_write(&request, ZK_INTENT_CREATE_EPHEMERAL);
	submit(w, &request, 2);
	pump(w);
	lose(w);
	come_back(w);
	take_probe(w, "/n");
	show_node(w, &(struct node){false, 0, 0, 0, 0, NULL});
	take(w, ZK_OP_CREATE2);
	answer(w, BASE + 60, ZK_OK);
	take_probe(w, "/n");
	show_node(w, &made);
	take(w, ZK_OP_CREATE2);
	answer(w, BASE + 61, ZK_NODEEXISTS);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_REPLIED);
	assert_int_equal(w->notes[1].code, ZK_NODEEXISTS);
	finish(w);
}

/* ... nor one that was answered before the loss. */
static void a_request_that_was_answered_is_no_proof_for_the_next_one(void **state)
{
	const struct node made = {true, BASE + 30, BASE + 30, 0, SESSION, "ours"};
	struct world *w = begin_established(NULL);
	struct zk_request request;

	build_write(&request, ZK_INTENT_CREATE_EPHEMERAL);
	submit(w, &request, 1);
	build_write(&request, ZK_INTENT_CREATE_EPHEMERAL);
	submit(w, &request, 2);
	pump(w);
	take(w, ZK_OP_CREATE2);
	answer(w, BASE + 30, ZK_OK);
	lose(w);
	come_back(w);
	take_probe(w, "/n");
	show_node(w, &made);
	take(w, ZK_OP_CREATE2);
	finish(w);
}

/* What came behind a request that was done was done later still. */
static void a_resolved_request_makes_the_next_ones_base_newer(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	build_write(&request, ZK_INTENT_CREATE);
	submit(w, &request, 1);
	zk_request_delete(&request, text("/n"), -1);
	submit(w, &request, 2);
	pump(w);
	lose(w);
	come_back(w);
	take_probe(w, "/n");
	show_node(w, &(struct node){true, NEW, NEW, 0, 0, "ours"});
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_RESOLVED);
	take_probe(w, "/n");
	show_node(w, &(struct node){true, NEW, NEW, 0, 0, "ours"});
	take(w, ZK_OP_DELETE);
	finish(w);
}

static void after_two_losses_a_request_is_sent_alone(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", -1, 1);
	submit_set(w, "/b", -1, 2);
	pump(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	take(w, ZK_OP_SET_DATA);
	lose(w);
	submit_get(w, "/c", false, 3);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/a"));
	assert_true(nothing_is_sent(w));
	answer(w, BASE + 51, ZK_OK);
	take(w, ZK_OP_SET_DATA);
	assert_true(nothing_is_sent(w));
	answer(w, BASE + 52, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	assert_int_equal(w->note_count, 2);
	finish(w);
}

/* The one that kills connections hits its limit; those that were only near it go on. */
static void third_loss_makes_it_unknown_and_frees_the_rest(void **state)
{
	struct world *w = begin_established(NULL);

	submit_get(w, "/poison", false, 1);
	submit_set(w, "/b", -1, 2);
	pump(w);
	lose(w);
	come_back(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_GET_DATA);
	assert_true(nothing_is_sent(w));
	lose(w);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].tag, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_UNKNOWN);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	answer(w, BASE + 51, ZK_OK);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_REPLIED);
	finish(w);
}

static void losses_while_being_judged_count(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", 1, 1);
	pump(w);
	lose(w);
	for (int i = 0; i < 2; i++) {
		come_back(w);
		take_probe(w, "/a");
		lose(w);
	}
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_UNKNOWN);
	finish(w);
}

static void loss_of_a_request_sent_again_is_judged_again(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", EXPECTED, 1);
	pump(w);
	lose(w);
	come_back(w);
	take_probe(w, "/a");
	show_node(w, &(struct node){true, OLD, OLD, EXPECTED, 0, "old"});
	take(w, ZK_OP_SET_DATA);
	lose(w);
	come_back(w);
	take_probe(w, "/a");
	show_node(w, &(struct node){true, OLD, NEW, EXPECTED + 1, 0, "ours"});
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_RESOLVED);
	assert_int_equal(w->notes[0].stat.version, EXPECTED + 1);
	finish(w);
}

static void requests_not_yet_sent_are_never_in_doubt(void **state)
{
	struct world *w = begin_established(NULL);

	lose(w);
	submit_create(w, "/a-", ZK_PERSISTENT_SEQUENTIAL, 1);
	establish(w, SESSION);
	take(w, ZK_OP_CREATE2);
	answer(w, BASE + 1, ZK_OK);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_REPLIED);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judging_keeps_the_order_of_requests),
		cmocka_unit_test(second_loss_keeps_the_order_of_requests),
		cmocka_unit_test(a_request_that_was_sent_again_is_no_proof_for_the_next_one),
		cmocka_unit_test(a_request_that_was_answered_is_no_proof_for_the_next_one),
		cmocka_unit_test(a_resolved_request_makes_the_next_ones_base_newer),
		cmocka_unit_test(after_two_losses_a_request_is_sent_alone),
		cmocka_unit_test(third_loss_makes_it_unknown_and_frees_the_rest),
		cmocka_unit_test(losses_while_being_judged_count),
		cmocka_unit_test(loss_of_a_request_sent_again_is_judged_again),
		cmocka_unit_test(requests_not_yet_sent_are_never_in_doubt),
	};

	return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
