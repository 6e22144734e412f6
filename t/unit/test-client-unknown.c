/* What the client session makes of a write whose answer was lost: the table of unknown outcomes. */
#include <errno.h>

#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "t/unit/client-fixture.h"

/* ---- the table of unknown outcomes ---- */

enum fate { FATE_AGAIN, FATE_DONE, FATE_EXISTS, FATE_UNKNOWN };

struct row {
	const char *name;
	enum zk_intent intent;
	struct node node;   /* what the server shows at the path; of a rename, the source */
	struct node target; /* of a rename */
	enum fate fate;
	int32_t code;
};

static void check_fate(struct world *w, const struct row *row, int32_t opcode)
{
	const struct note *note = &w->notes[0];

	if (row->fate == FATE_AGAIN) {
		assert_int_equal(w->note_count, 0);
		take(w, opcode);
		answer(w, BASE + 60, ZK_OK);
		assert_int_equal(note->outcome, ZK_OUTCOME_REPLIED);
		assert_int_equal(note->zxid, BASE + 60);
	} else {
		assert_true(nothing_is_sent(w));
	}
	assert_int_equal(w->note_count, 1);
	if (row->fate == FATE_DONE) {
		assert_int_equal(note->outcome, ZK_OUTCOME_RESOLVED);
		assert_int_equal(note->code, ZK_OK);
	} else if (row->fate == FATE_EXISTS) {
		assert_int_equal(note->outcome, ZK_OUTCOME_REPLIED);
		assert_int_equal(note->code, ZK_NODEEXISTS);
		assert_true(note->has_stat);
	} else if (row->fate == FATE_UNKNOWN) {
		assert_int_equal(note->outcome, ZK_OUTCOME_UNKNOWN);
		assert_int_equal(note->code, row->code);
	}
	assert_true(note->sent);
}

static void play(const struct row *row)
{
	struct world *w = begin_established(NULL);
	bool renames = row->intent == ZK_INTENT_RENAME;
	struct zk_request request;
	int32_t opcode;

	build_write(&request, row->intent);
	opcode = request.opcode;
	submit(w, &request, 1);
	pump(w);
	take(w, opcode);
	lose(w);
	come_back(w);
	take_probe(w, renames ? "/from" : "/n");
	show_node(w, &row->node);
	if (renames && !row->node.present) {
		take_probe(w, "/to");
		show_node(w, &row->target);
	}
	check_fate(w, row, opcode);
	assert_int_equal(zk_client_pending(w->client), 0);
	finish(w);
}

static void rows_are_played(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("# %s\n", rows[i].name);
		play(&rows[i]);
	}
}

#define PLAY(rows) rows_are_played(rows, sizeof(rows) / sizeof(rows[0]))

static void versioned_set_is_judged_by_version_and_bytes(void **state)
{
	static const struct row rows[] = {
		{"unchanged",
		 ZK_INTENT_SET,
		 {true, OLD, OLD, EXPECTED, 0, "old"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"one more, our bytes",
		 ZK_INTENT_SET,
		 {true, OLD, NEW, EXPECTED + 1, 0, "ours"},
		 {0},
		 FATE_DONE,
		 0},
		{"one more, other bytes",
		 ZK_INTENT_SET,
		 {true, OLD, NEW, EXPECTED + 1, 0, "theirs"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"one more, null",
		 ZK_INTENT_SET,
		 {true, OLD, NEW, EXPECTED + 1, 0, NULL},
		 {0},
		 FATE_AGAIN,
		 0},
		{"two more",
		 ZK_INTENT_SET,
		 {true, OLD, NEW, EXPECTED + 2, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_BADVERSION},
		{"older",
		 ZK_INTENT_SET,
		 {true, OLD, OLD, EXPECTED - 1, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_BADVERSION},
		{"gone", ZK_INTENT_SET, {false}, {0}, FATE_UNKNOWN, ZK_NONODE},
		{"made anew",
		 ZK_INTENT_SET,
		 {true, NEW, NEW, EXPECTED, 0, "x"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_BADVERSION},
	};

	PLAY(rows);
}

static void append_is_judged_by_how_the_value_begins(void **state)
{
	static const struct row rows[] = {
		{"unchanged",
		 ZK_INTENT_APPEND,
		 {true, OLD, OLD, EXPECTED, 0, "ou"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"ours",
		 ZK_INTENT_APPEND,
		 {true, OLD, NEW, EXPECTED + 1, 0, "ours"},
		 {0},
		 FATE_DONE,
		 0},
		{"ours and more",
		 ZK_INTENT_APPEND,
		 {true, OLD, NEW, EXPECTED + 3, 0, "ours and theirs"},
		 {0},
		 FATE_DONE,
		 0},
		{"theirs instead",
		 ZK_INTENT_APPEND,
		 {true, OLD, NEW, EXPECTED + 1, 0, "outs"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"theirs and more",
		 ZK_INTENT_APPEND,
		 {true, OLD, NEW, EXPECTED + 2, 0, "out"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_BADVERSION},
		{"gone", ZK_INTENT_APPEND, {false}, {0}, FATE_UNKNOWN, ZK_NONODE},
	};

	PLAY(rows);
}

static void create_is_judged_by_age_version_and_bytes(void **state)
{
	static const struct row rows[] = {
		{"absent", ZK_INTENT_CREATE, {false}, {0}, FATE_AGAIN, 0},
		{"ours", ZK_INTENT_CREATE, {true, NEW, NEW, 0, 0, "ours"}, {0}, FATE_DONE, 0},
		{"old", ZK_INTENT_CREATE, {true, OLD, OLD, 0, 0, "ours"}, {0}, FATE_AGAIN, 0},
		{"changed",
		 ZK_INTENT_CREATE,
		 {true, NEW, NEW, 1, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"theirs",
		 ZK_INTENT_CREATE,
		 {true, NEW, NEW, 0, 0, "theirs"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"absent, O_TRUNC", ZK_INTENT_CREATE_TRUNCATE, {false}, {0}, FATE_AGAIN, 0},
		{"ours, O_TRUNC",
		 ZK_INTENT_CREATE_TRUNCATE,
		 {true, NEW, NEW, 0, 0, "ours"},
		 {0},
		 FATE_DONE,
		 0},
		{"theirs, O_TRUNC",
		 ZK_INTENT_CREATE_TRUNCATE,
		 {true, NEW, NEW, 0, 0, "theirs"},
		 {0},
		 FATE_EXISTS,
		 0},
	};

	PLAY(rows);
}

static void exclusive_create_is_sent_again_only_if_surely_not_done(void **state)
{
	static const struct row rows[] = {
		{"absent", ZK_INTENT_CREATE_EXCLUSIVE, {false}, {0}, FATE_AGAIN, 0},
		{"old",
		 ZK_INTENT_CREATE_EXCLUSIVE,
		 {true, OLD, OLD, 0, 0, "ours"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"new",
		 ZK_INTENT_CREATE_EXCLUSIVE,
		 {true, NEW, NEW, 0, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
	};

	PLAY(rows);
}

static void ephemeral_create_is_judged_by_its_owner(void **state)
{
	static const struct row rows[] = {
		{"absent", ZK_INTENT_CREATE_EPHEMERAL, {false}, {0}, FATE_AGAIN, 0},
		{"ours",
		 ZK_INTENT_CREATE_EPHEMERAL,
		 {true, NEW, NEW, 0, SESSION, NULL},
		 {0},
		 FATE_DONE,
		 0},
		{"theirs",
		 ZK_INTENT_CREATE_EPHEMERAL,
		 {true, NEW, NEW, 0, SESSION + 1, NULL},
		 {0},
		 FATE_AGAIN,
		 0},
		{"ours before",
		 ZK_INTENT_CREATE_EPHEMERAL,
		 {true, OLD, OLD, 0, SESSION, NULL},
		 {0},
		 FATE_AGAIN,
		 0},
	};

	PLAY(rows);
}

static void delete_is_done_when_it_is_gone(void **state)
{
	static const struct row rows[] = {
		{"gone", ZK_INTENT_DELETE, {false}, {0}, FATE_DONE, 0},
		{"still there", ZK_INTENT_DELETE, {true, OLD, NEW, 9, 0, "x"}, {0}, FATE_AGAIN, 0},
		{"made anew",
		 ZK_INTENT_DELETE,
		 {true, NEW, NEW, 0, 0, "x"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
	};

	PLAY(rows);
}

static void rename_is_judged_by_source_and_target(void **state)
{
	static const struct row rows[] = {
		{"source there",
		 ZK_INTENT_RENAME,
		 {true, OLD, OLD, 0, 0, "ours"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"another source",
		 ZK_INTENT_RENAME,
		 {true, NEW, NEW, 0, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"moved", ZK_INTENT_RENAME, {false}, {true, NEW, NEW, 0, 0, "ours"}, FATE_DONE, 0},
		{"replaced",
		 ZK_INTENT_RENAME,
		 {false},
		 {true, OLD, NEW, 5, 0, "ours"},
		 FATE_DONE,
		 0},
		{"target old",
		 ZK_INTENT_RENAME,
		 {false},
		 {true, OLD, OLD, 0, 0, "ours"},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"target theirs",
		 ZK_INTENT_RENAME,
		 {false},
		 {true, NEW, NEW, 0, 0, "x"},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"both gone", ZK_INTENT_RENAME, {false}, {false}, FATE_UNKNOWN, ZK_NONODE},
	};

	PLAY(rows);
}

static void unconditional_set_and_reads_are_sent_again(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", -1, 1);
	submit_get(w, "/b", false, 2);
	pump(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	take(w, ZK_OP_GET_DATA);
	assert_int_equal(w->note_count, 0);
	finish(w);
}

static void nothing_tells_of_a_sequential_create_or_other_multi(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	submit_create(w, "/a-", ZK_PERSISTENT_SEQUENTIAL, 1);
	zk_request_multi_begin(&request);
	zk_request_multi_check(&request, text("/a"), 0);
	zk_request_multi_end(&request);
	submit(w, &request, 2);
	/* A wrong intent is no way to have it sent twice. */
	build_write(&request, ZK_INTENT_NONE);
	request.intent = ZK_INTENT_CREATE;
	submit(w, &request, 3);
	pump(w);
	lose(w);
	assert_int_equal(w->note_count, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(w->notes[i].outcome, ZK_OUTCOME_UNKNOWN);
		assert_int_equal(w->notes[i].code, ZK_CONNECTIONLOSS);
	}
	finish(w);
}

static void nothing_is_judged_where_the_sync_failed(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/n", EXPECTED, 1);
	pump(w);
	lose(w);
	establish(w, SESSION);
	take(w, ZK_OP_SYNC);
	assert_int_equal(answer_xid(w, w->header.xid, 0, ZK_THROTTLEDOP, NULL), -EBADMSG);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	assert_int_equal(w->note_count, 0);
	come_back(w);
	take_probe(w, "/n");
	finish(w);
}

static void unreadable_state_leaves_it_unknown(void **state)
{
	struct world *w = begin_established(NULL);

	submit_create(w, "/n", ZK_PERSISTENT, 1);
	pump(w);
	lose(w);
	come_back(w);
	take_probe(w, "/n");
	answer(w, BASE + 50, ZK_NOAUTH);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_UNKNOWN);
	assert_int_equal(w->notes[0].code, ZK_NOAUTH);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versioned_set_is_judged_by_version_and_bytes),
		cmocka_unit_test(append_is_judged_by_how_the_value_begins),
		cmocka_unit_test(create_is_judged_by_age_version_and_bytes),
		cmocka_unit_test(exclusive_create_is_sent_again_only_if_surely_not_done),
		cmocka_unit_test(ephemeral_create_is_judged_by_its_owner),
		cmocka_unit_test(delete_is_done_when_it_is_gone),
		cmocka_unit_test(rename_is_judged_by_source_and_target),
		cmocka_unit_test(unconditional_set_and_reads_are_sent_again),
		cmocka_unit_test(nothing_tells_of_a_sequential_create_or_other_multi),
		cmocka_unit_test(nothing_is_judged_where_the_sync_failed),
		cmocka_unit_test(unreadable_state_leaves_it_unknown),
	};

	return cmocka_run_group_tests_name("unknown outcomes", tests, NULL, NULL);
}
