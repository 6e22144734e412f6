/* What an ensemble asks of the store: TRUNC, SNAP in both directions, history. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replica/tree/snapshot.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"
#include "t/unit/store-fixture.h"

enum { FIELD_SIZE_MAX = 1 << 20, DEADLINE_S = 20 };

/* ---- truncation ---- */

/* To each place there is, in a row, between rows, between segments. */
static void test_the_log_ends_where_it_was_cut(void **state)
{
	struct rig *rig = *state;
	unsigned last;

	store_make_some(rig);
	assert_true(store_count_segments(rig) >= 2);
	for (last = rig->appended; last > rig->tree; last--) {
		rig_truncate(rig, last - 1);
		rig_work(rig);
		assert_false(rig->has_before);
		assert_int_equal(store_state(rig->store)->logged_zxid, rig_zxid(last - 1));
		store_must_come_back(rig);
		assert_int_equal(rig->loaded, last - 1);
	}
	rig_append(rig, 3);
	rig_work(rig);
	store_must_come_back(rig);
}

static void test_what_is_appended_behind_a_cut_follows_it(void **state)
{
	struct rig *rig = *state;

	store_make_some(rig);
	for (unsigned i = 0; i < 10; i++) {
		rig_append(rig, 4);
		rig_truncate(rig, rig->appended - 3);
		/* The same numbers again, of another branch, before anything was written. */
		rig_append(rig, 5);
		rig_work(rig);
		assert_int_equal(rig->durable, rig->appended);
	}
	store_must_come_back(rig);
	assert_true(rig->branches[rig->loaded] > 0);
}

static void test_the_whole_log_may_go(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	rig_append(rig, 9);
	rig_work(rig);
	rig_truncate(rig, 0);
	rig_work(rig);
	store_must_come_back(rig);
	assert_int_equal(rig->loaded, 0);
	rig_append(rig, 2);
	rig_work(rig);
	store_must_come_back(rig);
}

/* The segment that zxid was in may be gone, as the tree has passed it. */
static void test_a_log_cut_at_the_tree_begins_there(void **state)
{
	struct rig *rig = *state;

	rig->segment_size = 2000;
	store_must_open(rig);
	for (unsigned n = 0; n < 40; n++) {
		rig_append(rig, 1);
		rig_work(rig);
		rig_write_tree(rig, rig->durable);
		rig_work(rig);
		rig_append(rig, 1);
		rig_truncate(rig, rig->tree);
		rig_work(rig);
		assert_int_equal(rig->durable, rig->tree);
		if (n % 8 == 7)
			store_must_come_back(rig);
	}
	store_must_come_back(rig);
}

static void test_the_lag_ends_with_the_log(void **state)
{
	struct rig *rig = *state;
	struct store_lag lag;

	store_must_open(rig);
	rig_append(rig, 3000);
	rig_truncate(rig, 0);
	lag = store_lag(rig->store);
	assert_true(lag.count < 1500);
	rig_work(rig);
}

static void test_a_mark_that_nobody_made_is_refused(void **state)
{
	struct rig *rig = *state;

	store_make_some(rig);
	rig_close(rig);
	(void)store_query(rig, "state.db", "update state set truncate_zxid = 1");
	store_must_refuse(rig, -EBADMSG, "state.db");
}

/* ---- generations ---- */

static void test_a_staged_generation_replaces_all(void **state)
{
	struct rig *rig = *state;

	store_make_some(rig);
	rig_begin_generation(rig, 20);
	rig_append(rig, 7);
	rig_work(rig);
	assert_int_equal(rig->durable, 27);
	assert_int_equal(store_state(rig->store)->generation, 1);
	rig_install_generation(rig);
	rig_append(rig, 1);
	rig_work(rig);
	assert_false(rig->has_before);
	assert_int_equal(store_state(rig->store)->generation, 2);
	assert_int_equal(store_state(rig->store)->tree_zxid, rig_zxid(20));
	assert_int_equal(store_state(rig->store)->base_zxid, rig_zxid(20));
	assert_int_equal(store_state(rig->store)->logged_zxid, rig_zxid(28));
	assert_int_equal(store_lag(rig->store).count, 8);
	assert_int_equal(store_count_segments(rig), 0);
	store_must_come_back(rig);
	assert_int_equal(rig->loaded, 28);
	rig_append(rig, 5);
	rig_work(rig);
	rig_write_tree(rig, 30);
	rig_work(rig);
	store_must_come_back(rig);
	assert_int_equal(rig->loaded_tree, 30);
}

static void test_an_aborted_generation_leaves_nothing(void **state)
{
	struct rig *rig = *state;
	char *dir;

	store_make_some(rig);
	for (unsigned base = 0; base < 60; base += 13) {
		unsigned appended = rig->appended;
		struct store_lag lag = store_lag(rig->store);

		rig_begin_generation(rig, base);
		rig_append(rig, 4);
		if (base % 2)
			rig_work(rig);
		rig_abort_generation(rig);
		assert_int_equal(rig->appended, appended);
		assert_int_equal(store_lag(rig->store).count, lag.count);
		rig_append(rig, 2);
		rig_work(rig);
		assert_true(store_is_idle(rig->store));
		assert_int_equal(rig->durable, appended + 2);
	}
	dir = store_file(rig, "");
	assert_int_equal(store_count_files(dir, "tree.", ".db"), 1);
	assert_int_equal(store_count_files(dir, "log.2", ".db"), 0);
	free(dir);
	store_must_come_back(rig);
}

/* Begun again at once, with all of the first still in hand. */
static void test_one_begins_right_after_another_was_aborted(void **state)
{
	struct rig *rig = *state;

	store_make_some(rig);
	for (unsigned i = 0; i < 3; i++) {
		rig_begin_generation(rig, 10 + i);
		rig_append(rig, 2);
		for (unsigned step = 0; step < i; step++)
			(void)store_step(rig->store, STORE_TREE_WORKER);
		rig_abort_generation(rig);
	}
	rig_begin_generation(rig, 31);
	rig_install_generation(rig);
	rig_work(rig);
	assert_int_equal(store_state(rig->store)->generation, 5);
	store_must_come_back(rig);
	assert_int_equal(rig->loaded_tree, 31);
}

static void test_close_ends_a_generation(void **state)
{
	struct rig *rig = *state;
	struct rig_history before;

	store_make_some(rig);
	rig_get_history(rig, &before);
	rig_begin_generation(rig, 20);
	rig_append(rig, 2);
	rig_close(rig);
	store_must_open(rig);
	assert_true(rig_has_loaded(rig, &before));
	rig_begin_generation(rig, 20);
	rig_install_generation(rig);
	rig_append(rig, 2);
	store_must_come_back(rig);
	assert_int_equal(rig->loaded, 22);
}

static void test_what_a_kill_leaves_staged_is_void(void **state)
{
	struct rig *rig = *state;
	char *copy = rig_make_dir();
	char *dir;

	store_make_some(rig);
	rig_begin_generation(rig, 20);
	rig_append(rig, 2);
	rig_work(rig);
	rig_copy_dir(rig->data_dir, copy);
	rig_close(rig);
	rig_remove_dir(rig->data_dir);
	rig_copy_dir(copy, rig->data_dir);
	rig_remove_dir(copy);
	free(copy);
	store_must_open(rig);
	assert_int_equal(store_state(rig->store)->generation, 1);
	dir = store_file(rig, "");
	assert_int_equal(store_count_files(dir, "tree.2", ".db"), 0);
	assert_int_equal(store_count_files(dir, "log.2", ".db"), 0);
	free(dir);
}

static void test_staging_has_a_limit(void **state)
{
	struct rig *rig = *state;
	static const char value[100000];
	struct tree_row row = {.path = bytes_of_text("/p00"),
			       .data = bytes_of(value, sizeof(value)),
			       .acls = {.count = -1}};
	unsigned count = 0;

	store_must_open(rig);
	store_begin_generation(rig->store, 5);
	while (store_can_stage(rig->store) && count < 1000) {
		store_stage_row(rig->store, &row);
		count++;
	}
	assert_in_range(count, 50, 500);
	while (store_step(rig->store, STORE_TREE_WORKER))
		;
	assert_true(store_can_stage(rig->store));
	store_abort_generation(rig->store);
	rig_work(rig);
	assert_true(store_is_idle(rig->store));
}

/* ---- reload, history, emptiness ---- */

static void test_the_old_tree_can_be_loaded_again(void **state)
{
	struct rig *rig = *state;
	struct rig_history history;

	store_make_some(rig);
	assert_true(store_is_idle(rig->store));
	rig_begin_generation(rig, 33);
	rig_append(rig, 4);
	assert_false(store_is_idle(rig->store));
	rig_abort_generation(rig);
	assert_false(store_is_idle(rig->store));
	rig_work(rig);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(store_is_idle(rig->store));
		rig_get_history(rig, &history);
		assert_int_equal(rig_reload(rig), 0);
		assert_string_equal(rig->wrong, "");
		assert_true(rig_has_loaded(rig, &history));
		assert_int_equal(rig->loaded, rig->appended);
		assert_int_equal(rig_zxid(rig->loaded_committed),
				 store_state(rig->store)->committed_zxid);
		rig_append(rig, 3);
		rig_work(rig);
	}
	store_must_come_back(rig);
}

struct told_history {
	zxid_t first;
	zxid_t last;
	unsigned count;
	size_t size;
	bool has_gap;
};

static int ignore_row(const struct tree_row *row, void *data)
{
	return 0;
}

static int ignore_session(session_id_t id, int32_t timeout_ms, void *data)
{
	return 0;
}

static int ignore_tree(zxid_t zxid, uint64_t digest, struct store_refusal *refusal, void *data)
{
	return 0;
}

static int take_txn(zxid_t zxid, struct bytes txn, bool committed, struct store_refusal *refusal,
		    void *data)
{
	struct told_history *told = data;

	if (told->last && zxid <= told->last)
		told->has_gap = true;
	return 0;
}

static int take_history(zxid_t zxid, struct bytes txn, struct store_refusal *refusal, void *data)
{
	struct told_history *told = data;

	if (told->count == 0)
		told->first = zxid;
	else if (zxid != told->last + 1 && zxid_counter(zxid) != 1)
		told->has_gap = true;
	told->last = zxid;
	told->count++;
	told->size += bytes_size(txn) + 12;
	return 0;
}

static struct told_history history_of(struct rig *rig, size_t size_max)
{
	struct told_history told = {0};
	struct store_loader loader = {
		.row = ignore_row,
		.session = ignore_session,
		.tree_done = ignore_tree,
		.txn = take_txn,
		.history = take_history,
		.history_size_max = size_max,
	};

	assert_int_equal(store_reload(rig->store, &loader, &told, &rig->refusal), 0);
	assert_false(told.has_gap);
	assert_true(told.size <= size_max);
	return told;
}

static void test_history_reaches_up_to_the_tree(void **state)
{
	struct rig *rig = *state;
	struct told_history all, some;

	rig->segment_size = 1 << 20;
	store_must_open(rig);
	rig_append(rig, 40);
	rig_work(rig);
	rig_append(rig, 50);
	rig_work(rig);
	rig_write_tree(rig, 70);
	rig_work(rig);
	all = history_of(rig, 1 << 20);
	assert_int_equal(all.first, rig_zxid(1));
	assert_int_equal(all.last, rig_zxid(70));
	assert_int_equal(all.count, 70);
	some = history_of(rig, all.size / 3);
	assert_int_equal(some.last, rig_zxid(70));
	assert_in_range(some.count, 5, 50);
	assert_int_equal(history_of(rig, 0).count, 0);
}

static void test_only_synchronizing_ends_emptiness(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	assert_true(store_state(rig->store)->is_empty);
	/* Epochs are (1, 0) then: one was accepted, none synchronized. */
	rig_set_epochs(rig);
	store_must_come_back(rig);
	assert_true(store_state(rig->store)->is_empty);
	rig_set_epochs(rig);
	store_must_come_back(rig);
	assert_false(store_state(rig->store)->is_empty);
}

static void test_a_transaction_ends_emptiness(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	rig_append(rig, 1);
	store_must_come_back(rig);
	assert_false(store_state(rig->store)->is_empty);
}

/* ---- snapshots for others ---- */

struct taken {
	unsigned rows, sessions;
	bool is_ordered;
	char last[64];
	zxid_t last_czxid;
};

static int take_session(session_id_t id, int32_t timeout_ms, void *data)
{
	struct taken *taken = data;

	taken->sessions++;
	return 0;
}

static int take_row(const struct tree_row *row, void *data)
{
	struct taken *taken = data;
	char *path = bytes_dup(row->path);

	taken->is_ordered &=
		row->stat.czxid > taken->last_czxid ||
		(row->stat.czxid == taken->last_czxid && strcmp(path, taken->last) > 0);
	taken->last_czxid = row->stat.czxid;
	snprintf(taken->last, sizeof(taken->last), "%s", path);
	taken->rows++;
	free(path);
	return 0;
}

static const struct snapshot_handler handler = {take_session, take_row};

static void pause_briefly(void)
{
	(void)poll(NULL, 0, 1); /* a turn of a loop */
}

static int wait_for_piece(struct rig *rig, struct store_snapshot *snapshot, struct bytes *ret_piece)
{
	time_t deadline = time(NULL) + DEADLINE_S;
	int result;

	while ((result = store_snapshot_read(snapshot, ret_piece, &rig->refusal)) ==
	       STORE_SNAPSHOT_WAIT) {
		assert_true(time(NULL) < deadline);
		pause_briefly();
	}
	return result;
}

/* The result at the end of the stream, which the reader was fed with. */
static int drain(struct rig *rig, struct store_snapshot *snapshot, struct taken *taken,
		 bool *ret_is_done, unsigned *ret_pieces)
{
	struct snapshot_reader reader;
	struct bytes piece;
	struct buf kept;
	size_t consumed;
	int result;

	*taken = (struct taken){.is_ordered = true};
	*ret_pieces = 0;
	buf_init(&kept, 16 << 20);
	snapshot_reader_init(&reader, FIELD_SIZE_MAX, &handler, taken);
	while ((result = wait_for_piece(rig, snapshot, &piece)) == STORE_SNAPSHOT_PIECE) {
		buf_append(&kept, piece.data, bytes_size(piece));
		assert_int_equal(snapshot_reader_feed(&reader, buf_bytes(&kept), &consumed), 0);
		buf_consume(&kept, consumed);
		++*ret_pieces;
	}
	*ret_is_done = snapshot_reader_is_done(&reader);
	assert_int_equal(kept.size, 0);
	snapshot_reader_release(&reader);
	buf_release(&kept);
	return result;
}

static void must_open_snapshot(struct rig *rig, zxid_t *ret_zxid, struct store_snapshot **snapshot)
{
	assert_int_equal(store_open_snapshot(rig->store, ret_zxid, snapshot, &rig->refusal), 0);
}

/* At the zxid at which it was opened, whatever is written meanwhile; several at once. */
static void test_a_snapshot_is_of_one_zxid(void **state)
{
	struct rig *rig = *state;
	struct store_snapshot *first, *second;
	struct taken of_first, of_second;
	zxid_t zxid;
	bool is_done;
	unsigned pieces;

	store_make_some(rig);
	must_open_snapshot(rig, &zxid, &first);
	assert_int_equal(zxid, rig_zxid(rig->tree));
	rig_write_tree(rig, rig->durable);
	rig_work(rig);
	must_open_snapshot(rig, &zxid, &second);
	assert_int_equal(zxid, rig_zxid(rig->durable));
	assert_int_equal(drain(rig, first, &of_first, &is_done, &pieces), STORE_SNAPSHOT_END);
	assert_true(is_done && of_first.is_ordered);
	assert_int_equal(drain(rig, second, &of_second, &is_done, &pieces), STORE_SNAPSHOT_END);
	assert_true(is_done && of_second.is_ordered);
	store_close_snapshot(first);
	store_close_snapshot(second);
	/* The rig knows what is at a zxid: the loads compare with the same. */
	store_must_come_back(rig);
	assert_int_equal(of_second.rows, rig->loaded_rows);
	assert_int_equal(of_second.sessions, rig->loaded_sessions);
	assert_true(of_first.rows > 0);
}

/* Values of some MiB in all. */
static void write_large_tree(struct rig *rig, unsigned count)
{
	static char value[40000];
	struct store_writeout *writeout;

	rig_append(rig, 1);
	rig_work(rig);
	writeout = store_writeout_new(rig_zxid(rig->durable), 0);
	for (unsigned i = 0; i < count; i++) {
		char *path = mem_printf("/large-%06u", i);
		struct tree_change change = {
			.type = TREE_ZNODE_PUT,
			.row = {.path = bytes_of_text(path), .acls = zk_acls_open()}};

		memset(value, 'a' + (char)(i % 26), sizeof(value));
		change.blob = blob_new(bytes_of(value, sizeof(value)));
		store_writeout_add(writeout, &change);
		blob_unref(change.blob);
		free(path);
	}
	store_write_tree(rig->store, writeout);
	rig_work(rig);
}

static void test_a_large_snapshot_comes_in_pieces(void **state)
{
	struct rig *rig = *state;
	struct store_snapshot *snapshot;
	struct taken taken;
	zxid_t zxid;
	bool is_done;
	unsigned pieces;

	store_must_open(rig);
	write_large_tree(rig, 200);
	must_open_snapshot(rig, &zxid, &snapshot);
	assert_int_equal(drain(rig, snapshot, &taken, &is_done, &pieces), STORE_SNAPSHOT_END);
	assert_true(is_done);
	assert_int_equal(taken.rows, 200);
	assert_in_range(pieces, 4, 20);
	store_close_snapshot(snapshot);
}

/* At the beginning, and while it waits for somebody to take what is ready. */
static void test_a_snapshot_can_be_given_up(void **state)
{
	struct rig *rig = *state;
	struct store_snapshot *snapshot;
	struct bytes piece;
	zxid_t zxid;

	store_must_open(rig);
	write_large_tree(rig, 200);
	must_open_snapshot(rig, &zxid, &snapshot);
	store_close_snapshot(snapshot);
	must_open_snapshot(rig, &zxid, &snapshot);
	assert_int_equal(wait_for_piece(rig, snapshot, &piece), STORE_SNAPSHOT_PIECE);
	store_close_snapshot(snapshot);
	store_close_snapshot(NULL);
}

static void test_damage_ends_a_snapshot_before_its_end(void **state)
{
	struct rig *rig = *state;
	struct store_snapshot *snapshot;
	struct taken taken;
	zxid_t zxid;
	bool is_done;
	unsigned pieces;

	store_must_open(rig);
	write_large_tree(rig, 60);
	(void)store_query(rig, "tree.1.db", "delete from znode where path = '/large-000040'");
	must_open_snapshot(rig, &zxid, &snapshot);
	assert_int_equal(drain(rig, snapshot, &taken, &is_done, &pieces), -EBADMSG);
	assert_false(is_done);
	assert_non_null(strstr(rig->refusal.text, "tree.1.db is damaged"));
	store_close_snapshot(snapshot);
}

/* ---- with the workers on their threads ---- */

static void wait_until(struct rig *rig, bool (*holds)(const struct rig *rig))
{
	time_t deadline = time(NULL) + DEADLINE_S;

	while (store_poll(rig->store), !holds(rig)) {
		assert_true(time(NULL) < deadline);
		pause_briefly();
	}
}

static bool is_settled(const struct rig *rig)
{
	return !rig->has_before && rig->durable == rig->appended && store_is_idle(rig->store);
}

static void test_threads_do_all_of_it(void **state)
{
	struct rig *rig = *state;

	rig->segment_size = 4000;
	store_must_open(rig);
	store_start(rig->store);
	for (unsigned i = 0; i < 20; i++) {
		rig_append(rig, 10);
		rig_truncate(rig, rig->appended - 5);
		rig_append(rig, 3);
		wait_until(rig, is_settled);
		rig_begin_generation(rig, rig->appended + 3);
		rig_append(rig, 5);
		if (i % 3 == 0)
			rig_abort_generation(rig);
		else
			rig_install_generation(rig);
		rig_append(rig, 2);
		wait_until(rig, is_settled);
		assert_int_equal(rig_reload(rig), 0);
		assert_string_equal(rig->wrong, "");
	}
	store_must_come_back(rig);
}

/* As a loop does, which looks when it is told that there is something, and not before. */
static void wait_for_idle_by_notices(struct rig *rig)
{
	time_t deadline = time(NULL) + DEADLINE_S;
	unsigned seen;

	for (;;) {
		seen = __atomic_load_n(&rig->notified, __ATOMIC_SEQ_CST);
		store_poll(rig->store);
		if (store_is_idle(rig->store))
			return;
		while (__atomic_load_n(&rig->notified, __ATOMIC_SEQ_CST) == seen) {
			assert_true(time(NULL) < deadline);
			(void)sched_yield();
		}
	}
}

static void test_who_waits_for_it_to_be_idle_is_told(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	rig_append(rig, 10);
	rig_work(rig);
	store_start(rig->store);
	for (unsigned i = 0; i < 200; i++) {
		rig_begin_generation(rig, rig->appended + 3);
		rig_abort_generation(rig);
		wait_for_idle_by_notices(rig);
	}
	store_must_come_back(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_log_ends_where_it_was_cut),
		TEST(test_what_is_appended_behind_a_cut_follows_it),
		TEST(test_the_whole_log_may_go),
		TEST(test_a_log_cut_at_the_tree_begins_there),
		TEST(test_the_lag_ends_with_the_log),
		TEST(test_a_mark_that_nobody_made_is_refused),
		TEST(test_a_staged_generation_replaces_all),
		TEST(test_an_aborted_generation_leaves_nothing),
		TEST(test_one_begins_right_after_another_was_aborted),
		TEST(test_close_ends_a_generation),
		TEST(test_what_a_kill_leaves_staged_is_void),
		TEST(test_staging_has_a_limit),
		TEST(test_the_old_tree_can_be_loaded_again),
		TEST(test_history_reaches_up_to_the_tree),
		TEST(test_only_synchronizing_ends_emptiness),
		TEST(test_a_transaction_ends_emptiness),
		TEST(test_a_snapshot_is_of_one_zxid),
		TEST(test_a_large_snapshot_comes_in_pieces),
		TEST(test_a_snapshot_can_be_given_up),
		TEST(test_damage_ends_a_snapshot_before_its_end),
		TEST(test_threads_do_all_of_it),
		TEST(test_who_waits_for_it_to_be_idle_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
