/* What the store keeps. */
#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "src/base/mem.h"
#include "t/unit/cmocka.h"
#include "t/unit/store-fixture.h"

/* ---- what is kept ---- */

static void test_new_store_is_empty(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 2; i++) {
		store_must_open(rig);
		assert_int_equal(rig->loaded, 0);
		assert_int_equal(rig->loaded_rows, 0);
		assert_int_equal(store_state(rig->store)->generation, 1);
		assert_int_equal(store_state(rig->store)->logged_zxid, 0);
		rig_close(rig);
	}
}

static void test_transactions_come_back_after_close(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	for (unsigned i = 1; i <= 20; i++) {
		rig_append(rig, i % 4 + 1);
		rig_work(rig);
		assert_int_equal(rig->durable, rig->appended);
	}
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded, 50);
	/* The last batch knew all but its own last to be committed. */
	assert_int_equal(rig->loaded_committed, 49);
}

static void test_close_finishes_what_was_appended(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	rig_append(rig, 10);
	rig_set_epochs(rig);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded, 10);
	assert_int_equal(rig->epochs_set, 1);
}

static void test_transactions_come_back_after_kill(void **state)
{
	struct rig *rig = *state;
	struct rig after;
	char *copy = rig_make_dir();

	store_must_open(rig);
	rig_append(rig, 30);
	rig_work(rig);
	rig_write_tree(rig, 20);
	rig_work(rig);
	rig_append(rig, 5);
	rig_work(rig);
	rig_copy_dir(rig->data_dir, copy);
	rig_init(&after, copy);
	for (int i = 0; i < 2; i++) {
		store_must_open(&after);
		assert_int_equal(after.loaded_tree, 20);
		assert_int_equal(after.loaded, 35);
		rig_close(&after);
	}
	rig_release(&after);
	rig_remove_dir(copy);
	free(copy);
}

static void test_what_waits_goes_in_one_commit(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	rig_append(rig, 17);
	assert_true(store_step(rig->store, STORE_LOG_WORKER));
	assert_false(store_step(rig->store, STORE_LOG_WORKER));
	rig_append(rig, 2);
	assert_true(store_step(rig->store, STORE_LOG_WORKER));
	store_poll(rig->store);
	assert_int_equal(rig->durable, 19);
	assert_int_equal(store_query(rig, "log.1.0000000100000001.db", "select count(*) from log"),
			 2);
}

static void test_a_batch_has_a_limit(void **state)
{
	struct rig *rig = *state;
	size_t size = STORE_BATCH_SIZE_MAX / 3;
	char *value = mem_zalloc(size);

	rig->segment_size = 64 << 20;
	store_must_open(rig);
	for (unsigned i = 1; i <= 7; i++)
		assert_int_equal(store_append(rig->store, rig_zxid(i), bytes_of(value, size), 0),
				 0);
	rig_work(rig);
	assert_int_equal(rig->durable, 7);
	assert_int_equal(store_query(rig, "log.1.0000000100000001.db", "select count(*) from log"),
			 4);
	free(value);
}

static void test_the_queue_has_a_limit(void **state)
{
	struct rig *rig = *state;
	size_t size = STORE_TXN_SIZE_MAX;
	char *value = mem_zalloc(size + 1);
	unsigned n = 0;

	store_must_open(rig);
	assert_int_equal(store_append(rig->store, 1, bytes_of(value, size + 1), 0), -EMSGSIZE);
	while (store_queue_size(rig->store) + size <= STORE_QUEUE_SIZE_MAX) {
		n++;
		assert_int_equal(store_append(rig->store, rig_zxid(n), bytes_of(value, size), 0),
				 0);
	}
	assert_int_equal(store_append(rig->store, rig_zxid(n + 1), bytes_of(value, size), 0),
			 -ENOBUFS);
	rig_work(rig);
	assert_int_equal(rig->durable, n);
	assert_int_equal(store_queue_size(rig->store), 0);
	free(value);
}

static void test_epochs_follow_what_was_appended_before(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	rig_append(rig, 3);
	rig_set_epochs(rig);
	rig_append(rig, 3);
	assert_true(store_step(rig->store, STORE_LOG_WORKER));
	store_poll(rig->store);
	assert_int_equal(rig->durable, 3);
	assert_int_equal(rig->epochs_durable, 0);
	assert_true(store_step(rig->store, STORE_LOG_WORKER));
	store_poll(rig->store);
	assert_int_equal(rig->durable, 3);
	assert_int_equal(rig->epochs_durable, 1);
	rig_work(rig);
	assert_int_equal(rig->durable, 6);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(store_state(rig->store)->accepted_epoch, 1);
	assert_int_equal(store_state(rig->store)->current_epoch, 0);
}

/* ---- the tree ---- */

static void test_the_tree_comes_back_with_every_column(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	for (unsigned n = 1; n <= 200; n += 7) {
		rig_append(rig, 7);
		rig_work(rig);
		rig_write_tree(rig, n + 3);
		rig_work(rig);
		rig_close(rig);
		store_must_open(rig);
		assert_int_equal(rig->loaded_tree, n + 3);
		assert_int_equal(rig->loaded, n + 6);
	}
	assert_true(rig->loaded_rows > 3);
}

/* Rows come in order of their czxid whatever the key was. */
static void test_a_tree_whose_key_is_the_path_is_loaded(void **state)
{
	struct rig *rig = *state;

	store_make_some(rig);
	rig_close(rig);
	(void)store_query(rig, "tree.1.db",
			  "create table older (path text primary key, data blob, acl blob, "
			  "czxid integer not null, mzxid integer not null, pzxid integer not null, "
			  "ctime integer not null, mtime integer not null, "
			  "version integer not null, cversion integer not null, "
			  "aversion integer not null, ephemeral_owner integer not null, "
			  "checksum integer not null) strict, without rowid");
	(void)store_query(
		rig, "tree.1.db",
		"insert into older select path, data, acl, czxid, mzxid, pzxid, ctime, "
		"mtime, version, cversion, aversion, ephemeral_owner, checksum from znode");
	(void)store_query(rig, "tree.1.db", "drop table znode");
	(void)store_query(rig, "tree.1.db", "alter table older rename to znode");
	store_must_open(rig);
	assert_true(rig->loaded_rows > 3);
	rig_append(rig, 5);
	rig_work(rig);
	rig_write_tree(rig, rig->durable);
	rig_close(rig);
	store_must_open(rig);
}

/* Znode n's row: another n, another everything. */
static struct tree_row numbered_row(unsigned n, char path[16], char data[16])
{
	snprintf(path, 16, "/n%u", 9999 - n);
	snprintf(data, 16, "data of %u", n);
	return (struct tree_row){
		.path = bytes_of_text(path),
		.data = n % 3 == 0 ? BYTES_NULL : bytes_of_text(data),
		.acls = n % 2 == 0 ? zk_acls_open() : zk_acls_read_only(),
		.stat = {.czxid = n, .mzxid = n + 1, .pzxid = n + 2, .version = (int32_t)n},
	};
}

static void add_numbered(struct store_writeout *writeout, unsigned n, bool is_new)
{
	char path[16], data[16];
	struct tree_change change = {
		.type = TREE_ZNODE_PUT, .is_new = is_new, .row = numbered_row(n, path, data)};

	change.blob = blob_new(change.row.data);
	store_writeout_add(writeout, &change);
	blob_unref(change.blob);
}

/* They come in the order of their numbers. */
static int expect_numbered(const struct tree_row *row, void *data)
{
	char path[16], text[16];
	struct tree_row expected = numbered_row(++*(unsigned *)data, path, text);

	assert_true(bytes_equal(row->path, expected.path));
	assert_true(bytes_equal(row->data, expected.data));
	assert_true(zk_acls_equal(&row->acls, &expected.acls));
	assert_memory_equal(&row->stat, &expected.stat, sizeof(row->stat));
	return 0;
}

static int expect_no_session(session_id_t id, int32_t timeout_ms, void *data)
{
	return -EBADMSG;
}

static int take_tree_done(zxid_t zxid, uint64_t digest, struct store_refusal *refusal, void *data)
{
	return 0;
}

static int take_txn(zxid_t zxid, struct bytes txn, bool committed, struct store_refusal *refusal,
		    void *data)
{
	return 0;
}

/* From none to more than SQLite gets at a time, beside rows that were there before. */
static void test_any_number_of_new_rows_is_written(void **state)
{
	static const struct store_loader loader = {.row = expect_numbered,
						   .session = expect_no_session,
						   .tree_done = take_tree_done,
						   .txn = take_txn};
	struct rig *rig = *state;
	unsigned written = 0;

	store_must_open(rig);
	rig_append(rig, 51);
	rig_work(rig);
	for (unsigned count = 0; count <= 50; count++) {
		struct store_writeout *writeout = store_writeout_new(rig_zxid(count + 1), count);
		unsigned loaded = 0;

		for (unsigned n = written + count; n > written; n--)
			add_numbered(writeout, n, true);
		if (written > 0)
			add_numbered(writeout, written / 2 + 1, false);
		written += count;
		store_write_tree(rig->store, writeout);
		rig_work(rig);
		if (count % 7 != 0 && count != 50)
			continue;
		assert_int_equal(store_reload(rig->store, &loader, &loaded, &rig->refusal), 0);
		assert_int_equal(loaded, written);
	}
}

static void test_the_tree_can_be_read_while_it_is_served(void **state)
{
	struct rig *rig = *state;
	int64_t nulls, empties;

	store_must_open(rig);
	rig_append(rig, 100);
	rig_work(rig);
	rig_write_tree(rig, 100);
	rig_work(rig);
	nulls = store_query(rig, "tree.1.db", "select count(*) from znode where data is null");
	empties =
		store_query(rig, "tree.1.db", "select count(*) from znode where length(data) = 0");
	assert_true(nulls > 0 && empties > 0);
	assert_int_equal(store_query(rig, "tree.1.db", "select zxid from tree"), rig_zxid(100));
	assert_int_equal(
		store_query(rig, "tree.1.db", "select mzxid from znode where path = '/p08'"),
		rig_zxid(100));
	assert_int_equal(store_query(rig, "state.db", "select generation from state"), 1);
	rig_append(rig, 1);
	rig_work(rig);
	assert_int_equal(rig->durable, 101);
}

static void test_segments_go_when_the_tree_has_passed(void **state)
{
	struct rig *rig = *state;
	unsigned segments;

	rig->segment_size = 4000;
	store_must_open(rig);
	for (unsigned i = 0; i < 40; i++) {
		rig_append(rig, 5);
		rig_work(rig);
	}
	segments = store_count_segments(rig);
	assert_in_range(segments, 6, 40);
	rig_write_tree(rig, 100);
	rig_work(rig);
	assert_in_range(store_count_segments(rig), 2, segments - 2);
	rig_write_tree(rig, 200);
	rig_work(rig);
	/* The newest stays: it is where the log ends. */
	assert_int_equal(store_count_segments(rig), 1);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded_tree, 200);
	assert_int_equal(rig->loaded, 200);
	rig_append(rig, 5);
	rig_work(rig);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded, 205);
}

/* ---- segments made ahead ---- */

static struct stat stat_of(const struct rig *rig, const char *name)
{
	char *path = store_file(rig, name);
	struct stat stat_of;

	if (stat(path, &stat_of) != 0)
		stat_of = (struct stat){0};
	free(path);
	return stat_of;
}

static void test_a_commit_changes_neither_size_nor_blocks(void **state)
{
	struct rig *rig = *state;
	const char *wal = "log.1.0000000100000001.db-wal";
	struct stat made, now;

	store_must_open(rig);
	rig_work(rig);
	made = stat_of(rig, "log.1.next.db-wal");
	assert_true(made.st_size > (off_t)rig->segment_size);
	for (unsigned i = 0; i < 30; i++) {
		rig_append(rig, 1);
		rig_work(rig);
		now = stat_of(rig, wal);
		assert_true(now.st_ino == made.st_ino);
		assert_int_equal(now.st_size, made.st_size);
		assert_int_equal(now.st_blocks, made.st_blocks);
	}
	assert_int_equal(store_query(rig, "log.1.0000000100000001.db", "select count(*) from log"),
			 30);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded, 30);
}

/* Append until a segment more has begun. */
static void fill_segment(struct rig *rig)
{
	unsigned segments = store_count_segments(rig);

	for (unsigned i = 0; i < 100 && store_count_segments(rig) == segments; i++) {
		rig_append(rig, 1);
		rig_work(rig);
	}
	assert_int_equal(store_count_segments(rig), segments + 1);
}

static bool segment_has_wal(const struct rig *rig, ino_t inode)
{
	char *dir = store_file(rig, "");
	DIR *stream = opendir(dir);
	struct dirent *entry;
	bool has = false;

	assert_non_null(stream);
	while ((entry = readdir(stream)))
		if (strncmp(entry->d_name, "log.1.0", 7) == 0 && strstr(entry->d_name, ".db-wal"))
			has = has || stat_of(rig, entry->d_name).st_ino == inode;
	closedir(stream);
	free(dir);
	return has;
}

static void test_the_wal_of_a_segment_that_is_gone_is_used_again(void **state)
{
	struct rig *rig = *state;
	ino_t first;
	bool is_used = false;

	rig->segment_size = 4000;
	store_must_open(rig);
	rig_work(rig);
	first = stat_of(rig, "log.1.next.db-wal").st_ino;
	assert_true(first != 0);
	for (unsigned i = 0; i < 10 && !is_used; i++) {
		fill_segment(rig);
		rig_write_tree(rig, rig->durable);
		rig_work(rig);
		is_used = i > 0 && segment_has_wal(rig, first);
	}
	assert_true(is_used);
	fill_segment(rig);
	rig_append(rig, 1);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded, rig->durable);
	assert_true(rig->loaded > 10);
}

/* It sees the segment as it was, to its end. */
static void test_a_wal_that_is_read_is_not_used_again(void **state)
{
	struct rig *rig = *state;
	char *path = store_file(rig, "log.1.0000000100000001.db");
	sqlite3_stmt *statement;
	unsigned count = 0;
	sqlite3 *sqlite;

	rig->segment_size = 4000;
	store_must_open(rig);
	rig_work(rig);
	fill_segment(rig);
	fill_segment(rig);
	assert_int_equal(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(sqlite, "select * from log", -1, &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	rig_write_tree(rig, rig->durable);
	rig_work(rig);
	assert_int_equal(stat_of(rig, "log.1.0000000100000001.db").st_ino, 0);
	fill_segment(rig);
	fill_segment(rig);
	do
		count++;
	while (sqlite3_step(statement) == SQLITE_ROW);
	assert_true(count > 3);
	assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
	assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
	free(path);
}

static void test_a_reader_does_not_stop_the_log(void **state)
{
	struct rig *rig = *state;
	char *path = store_file(rig, "log.1.0000000100000001.db");
	sqlite3 *sqlite;

	rig->segment_size = 8 << 20;
	store_must_open(rig);
	rig_append(rig, 1);
	rig_work(rig);
	assert_int_equal(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sqlite, "begin; select * from log", NULL, NULL, NULL),
			 SQLITE_OK);
	for (unsigned i = 0; i < 300; i++) {
		rig_append(rig, 1);
		rig_work(rig);
	}
	assert_false(rig->has_failed);
	assert_int_equal(rig->durable, 301);
	assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded, 301);
	free(path);
}

static void test_the_log_may_have_its_own_directory(void **state)
{
	struct rig *rig = *state;

	rig->log_dir = rig_make_dir();
	store_must_open(rig);
	rig_append(rig, 5);
	rig_work(rig);
	assert_int_equal(store_count_segments(rig), 0);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded, 5);
}

static void test_the_lag_is_what_the_tree_has_not(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	assert_int_equal(store_lag(rig->store).count, 0);
	rig_append(rig, 5000);
	rig_work(rig);
	assert_int_equal(store_lag(rig->store).count, 5000);
	rig_write_tree(rig, 3000);
	assert_true(store_is_writing_tree(rig->store));
	rig_work(rig);
	assert_false(store_is_writing_tree(rig->store));
	assert_in_range(store_lag(rig->store).count, 2000, 2999);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(store_lag(rig->store).count, 2000);
	rig_write_tree(rig, 5000);
	rig_work(rig);
	assert_int_equal(store_lag(rig->store).count, 0);
	assert_int_equal(store_lag(rig->store).size, 0);
}

static void test_write_outs_follow_each_other(void **state)
{
	struct rig *rig = *state;
	unsigned n = 0;

	store_must_open(rig);
	rig_append(rig, STORE_WRITEOUTS_MAX);
	rig_work(rig);
	while (store_can_write_tree(rig->store))
		rig_write_tree(rig, ++n);
	assert_int_equal(n, STORE_WRITEOUTS_MAX);
	assert_true(store_step(rig->store, STORE_TREE_WORKER));
	assert_true(store_step(rig->store, STORE_TREE_WORKER));
	assert_int_equal(rig->tree, 0);
	store_poll(rig->store);
	assert_int_equal(rig->tree, 2);
	assert_true(store_can_write_tree(rig->store));
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded_tree, n);
}

/* ---- threads ---- */

/* Poll until it is so, or ten seconds have passed. */
static void wait_until_durable(struct rig *rig, unsigned n)
{
	struct timespec pause = {.tv_nsec = 100000};
	struct timespec now, begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		store_poll(rig->store);
		if (rig->durable >= n)
			return;
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < begin.tv_sec + 10);
	fail_msg("transaction %u is not durable", n);
}

static void test_workers_work_beside_the_loop(void **state)
{
	struct rig *rig = *state;

	rig->segment_size = 100000;
	store_must_open(rig);
	store_start(rig->store);
	for (unsigned i = 0; i < 300; i++) {
		rig_append(rig, i % 20 + 1);
		store_poll(rig->store);
		if (i % 50 == 0)
			rig_set_epochs(rig);
		if (store_can_write_tree(rig->store) && rig->durable > rig->tree_written + 200)
			rig_write_tree(rig, rig->durable);
	}
	wait_until_durable(rig, rig->appended);
	assert_int_equal(rig->epochs_durable, rig->epochs_set);
	assert_true(rig->notified > 0);
	rig_append(rig, 9);
	rig_close(rig);
	store_must_open(rig);
	assert_int_equal(rig->loaded, 3159);
	assert_false(rig->has_failed);
}

/* ---- zkfsd --log ---- */

struct walked {
	unsigned rows;
	unsigned txns;
	zxid_t last;
};

static int walk_row(const struct store_log_row *row, void *data)
{
	struct walked *walked = data;

	walked->rows++;
	assert_true(row->previous_zxid == walked->last);
	return 0;
}

static int walk_txn(zxid_t zxid, struct bytes txn, void *data)
{
	struct walked *walked = data;

	walked->txns++;
	walked->last = zxid;
	return zxid == rig_zxid(13) ? -ECANCELED : 0;
}

static const struct store_log_reader walker = {walk_row, walk_txn};

static void test_a_segment_can_be_read_alive_and_dead(void **state)
{
	struct rig *rig = *state;
	char *path = store_file(rig, "log.1.0000000100000001.db");
	char *wal = store_file(rig, "log.1.0000000100000001.db-wal");
	struct store_refusal refusal;

	store_must_open(rig);
	for (unsigned i = 0; i < 4; i++) {
		rig_append(rig, 3);
		rig_work(rig);
	}
	for (int closed = 0; closed < 2; closed++) {
		struct walked walked = {0};

		assert_int_equal(store_read_log(path, &walker, &walked, &refusal), 0);
		assert_int_equal(walked.rows, 4);
		assert_int_equal(walked.txns, 12);
		walked = (struct walked){0};
		assert_int_equal(store_read_log(wal, &walker, &walked, &refusal), 0);
		assert_int_equal(walked.txns, 12);
		rig_close(rig);
	}
	free(path);
	free(wal);
}

static void test_reading_a_segment_ends_when_told_or_refused(void **state)
{
	struct rig *rig = *state;
	char *path = store_file(rig, "log.1.0000000100000001.db");
	char *tree = store_file(rig, "tree.1.db");
	struct store_refusal refusal;
	struct walked walked = {0};

	store_must_open(rig);
	rig_append(rig, 20);
	rig_work(rig);
	assert_int_equal(store_read_log(path, &walker, &walked, &refusal), -ECANCELED);
	assert_int_equal(walked.txns, 13);
	assert_int_equal(store_read_log(tree, &walker, &walked, &refusal), -EBADMSG);
	assert_int_equal(store_read_log("/nowhere/log.db", &walker, &walked, &refusal), -EIO);
	assert_non_null(strstr(refusal.text, "/nowhere/log.db"));
	free(path);
	free(tree);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_store_is_empty),
		TEST(test_transactions_come_back_after_close),
		TEST(test_close_finishes_what_was_appended),
		TEST(test_transactions_come_back_after_kill),
		TEST(test_what_waits_goes_in_one_commit),
		TEST(test_a_batch_has_a_limit),
		TEST(test_the_queue_has_a_limit),
		TEST(test_epochs_follow_what_was_appended_before),
		TEST(test_the_tree_comes_back_with_every_column),
		TEST(test_a_tree_whose_key_is_the_path_is_loaded),
		TEST(test_any_number_of_new_rows_is_written),
		TEST(test_the_tree_can_be_read_while_it_is_served),
		TEST(test_segments_go_when_the_tree_has_passed),
		TEST(test_a_commit_changes_neither_size_nor_blocks),
		TEST(test_the_wal_of_a_segment_that_is_gone_is_used_again),
		TEST(test_a_wal_that_is_read_is_not_used_again),
		TEST(test_a_reader_does_not_stop_the_log),
		TEST(test_the_log_may_have_its_own_directory),
		TEST(test_the_lag_is_what_the_tree_has_not),
		TEST(test_write_outs_follow_each_other),
		TEST(test_workers_work_beside_the_loop),
		TEST(test_a_segment_can_be_read_alive_and_dead),
		TEST(test_reading_a_segment_ends_when_told_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
