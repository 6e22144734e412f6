/* What the store keeps, and what it refuses to begin with. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/sim/store-rig.h"
#include "t/unit/cmocka.h"

static struct rig *new_rig(void)
{
	struct rig *rig = mem_zalloc(sizeof(*rig));
	char *dir = rig_make_dir();

	rig_init(rig, dir);
	free(dir);
	return rig;
}

static int setup(void **state)
{
	*state = new_rig();
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	rig_close(rig);
	rig_remove_dir(rig->data_dir);
	if (rig->log_dir)
		rig_remove_dir(rig->log_dir);
	rig_release(rig);
	free(rig);
	return 0;
}

static void must_open(struct rig *rig)
{
	int error = rig_open(rig);

	if (error)
		fail_msg("%s (%s)", rig->refusal.text, strerror(-error));
	assert_string_equal(rig->wrong, "");
}

static void must_refuse(struct rig *rig, int error, const char *about)
{
	assert_int_equal(rig_open(rig), error);
	if (!strstr(rig->refusal.text, about))
		fail_msg("'%s' does not say '%s'", rig->refusal.text, about);
}

static char *file_of(const struct rig *rig, const char *name)
{
	return mem_printf("%s/zkfs-1/%s", rig->data_dir, name);
}

static bool has_file(const struct rig *rig, const char *name)
{
	char *path = file_of(rig, name);
	bool has = access(path, F_OK) == 0;

	free(path);
	return has;
}

static void remove_file(const struct rig *rig, const char *name)
{
	char *path = file_of(rig, name);

	assert_int_equal(unlink(path), 0);
	free(path);
}

static unsigned count_files(const char *dir, const char *prefix, const char *suffix)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		size_t size = strlen(entry->d_name);

		count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
			 size > strlen(suffix) &&
			 strcmp(entry->d_name + size - strlen(suffix), suffix) == 0;
	}
	closedir(stream);
	return count;
}

static unsigned count_segments(const struct rig *rig)
{
	char *dir = file_of(rig, "");
	unsigned count = count_files(dir, "log.1.0", ".db");

	free(dir);
	return count;
}

/* What another program sees: the first number that a query gives. */
static int64_t query(const struct rig *rig, const char *name, const char *sql)
{
	char *path = file_of(rig, name);
	sqlite3 *sqlite;
	sqlite3_stmt *statement;
	int64_t number;

	assert_int_equal(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL), SQLITE_OK);
	assert_in_range(sqlite3_step(statement), SQLITE_ROW, SQLITE_DONE);
	number = sqlite3_column_int64(statement, 0);
	assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
	assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
	free(path);
	return number;
}

/* ---- what is kept ---- */

static void test_new_store_is_empty(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 2; i++) {
		must_open(rig);
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

	must_open(rig);
	for (unsigned i = 1; i <= 20; i++) {
		rig_append(rig, i % 4 + 1);
		rig_work(rig);
		assert_int_equal(rig->durable, rig->appended);
	}
	rig_close(rig);
	must_open(rig);
	assert_int_equal(rig->loaded, 50);
	/* The last batch knew all but its own last to be committed. */
	assert_int_equal(rig->loaded_committed, 49);
}

static void test_close_finishes_what_was_appended(void **state)
{
	struct rig *rig = *state;

	must_open(rig);
	rig_append(rig, 10);
	rig_set_epochs(rig);
	rig_close(rig);
	must_open(rig);
	assert_int_equal(rig->loaded, 10);
	assert_int_equal(rig->epochs_set, 1);
}

static void test_transactions_come_back_after_kill(void **state)
{
	struct rig *rig = *state;
	struct rig after;
	char *copy = rig_make_dir();

	must_open(rig);
	rig_append(rig, 30);
	rig_work(rig);
	rig_write_tree(rig, 20);
	rig_work(rig);
	rig_append(rig, 5);
	rig_work(rig);
	rig_copy_dir(rig->data_dir, copy);
	rig_init(&after, copy);
	for (int i = 0; i < 2; i++) {
		must_open(&after);
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

	must_open(rig);
	rig_append(rig, 17);
	assert_true(store_step(rig->store, STORE_LOG_WORKER));
	assert_false(store_step(rig->store, STORE_LOG_WORKER));
	rig_append(rig, 2);
	assert_true(store_step(rig->store, STORE_LOG_WORKER));
	store_poll(rig->store);
	assert_int_equal(rig->durable, 19);
	assert_int_equal(query(rig, "log.1.0000000100000001.db", "select count(*) from log"), 2);
}

static void test_a_batch_has_a_limit(void **state)
{
	struct rig *rig = *state;
	size_t size = STORE_BATCH_SIZE_MAX / 3;
	char *value = mem_zalloc(size);

	must_open(rig);
	for (unsigned i = 1; i <= 7; i++)
		assert_int_equal(store_append(rig->store, rig_zxid(i), bytes_of(value, size), 0),
				 0);
	rig_work(rig);
	assert_int_equal(rig->durable, 7);
	assert_int_equal(query(rig, "log.1.0000000100000001.db", "select count(*) from log"), 4);
	free(value);
}

static void test_the_queue_has_a_limit(void **state)
{
	struct rig *rig = *state;
	size_t size = STORE_TXN_SIZE_MAX;
	char *value = mem_zalloc(size + 1);
	unsigned n = 0;

	must_open(rig);
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

	must_open(rig);
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
	must_open(rig);
	assert_int_equal(store_state(rig->store)->accepted_epoch, 1);
	assert_int_equal(store_state(rig->store)->current_epoch, 0);
}

/* ---- the tree ---- */

static void test_the_tree_comes_back_with_every_column(void **state)
{
	struct rig *rig = *state;

	must_open(rig);
	for (unsigned n = 1; n <= 200; n += 7) {
		rig_append(rig, 7);
		rig_work(rig);
		rig_write_tree(rig, n + 3);
		rig_work(rig);
		rig_close(rig);
		must_open(rig);
		assert_int_equal(rig->loaded_tree, n + 3);
		assert_int_equal(rig->loaded, n + 6);
	}
	assert_true(rig->loaded_rows > 3);
}

static void test_the_tree_can_be_read_while_it_is_served(void **state)
{
	struct rig *rig = *state;
	int64_t nulls, empties;

	must_open(rig);
	rig_append(rig, 100);
	rig_work(rig);
	rig_write_tree(rig, 100);
	rig_work(rig);
	nulls = query(rig, "tree.1.db", "select count(*) from znode where data is null");
	empties = query(rig, "tree.1.db", "select count(*) from znode where length(data) = 0");
	assert_true(nulls > 0 && empties > 0);
	assert_int_equal(query(rig, "tree.1.db", "select zxid from tree"), rig_zxid(100));
	assert_int_equal(query(rig, "tree.1.db", "select mzxid from znode where path = '/p08'"),
			 rig_zxid(100));
	assert_int_equal(query(rig, "state.db", "select generation from state"), 1);
	rig_append(rig, 1);
	rig_work(rig);
	assert_int_equal(rig->durable, 101);
}

static void test_segments_go_when_the_tree_has_passed(void **state)
{
	struct rig *rig = *state;
	unsigned segments;

	rig->segment_size = 4000;
	must_open(rig);
	for (unsigned i = 0; i < 40; i++) {
		rig_append(rig, 5);
		rig_work(rig);
	}
	segments = count_segments(rig);
	assert_in_range(segments, 6, 40);
	rig_write_tree(rig, 100);
	rig_work(rig);
	assert_in_range(count_segments(rig), 2, segments - 2);
	rig_write_tree(rig, 200);
	rig_work(rig);
	/* The newest stays: it is where the log ends. */
	assert_int_equal(count_segments(rig), 1);
	rig_close(rig);
	must_open(rig);
	assert_int_equal(rig->loaded_tree, 200);
	assert_int_equal(rig->loaded, 200);
	rig_append(rig, 5);
	rig_work(rig);
	rig_close(rig);
	must_open(rig);
	assert_int_equal(rig->loaded, 205);
}

static void test_single_commits_use_a_small_wal_again(void **state)
{
	struct rig *rig = *state;
	char *wal = file_of(rig, "log.1.0000000100000001.db-wal");
	char *database = file_of(rig, "log.1.0000000100000001.db");
	struct stat stat_of;

	rig->segment_size = 8 << 20;
	must_open(rig);
	for (unsigned i = 0; i < 500; i++) {
		rig_append(rig, 1);
		rig_work(rig);
	}
	assert_int_equal(stat(wal, &stat_of), 0);
	assert_in_range(stat_of.st_size, 1, 1 << 20);
	assert_int_equal(stat(database, &stat_of), 0);
	assert_true(stat_of.st_size > 100000);
	rig_close(rig);
	must_open(rig);
	assert_int_equal(rig->loaded, 500);
	free(wal);
	free(database);
}

/* A reader holds a checkpoint up, but not the log. */
static void test_a_reader_does_not_stop_the_log(void **state)
{
	struct rig *rig = *state;
	char *path = file_of(rig, "log.1.0000000100000001.db");
	sqlite3 *sqlite;

	rig->segment_size = 8 << 20;
	must_open(rig);
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
	must_open(rig);
	assert_int_equal(rig->loaded, 301);
	free(path);
}

static void test_the_log_may_have_its_own_directory(void **state)
{
	struct rig *rig = *state;

	rig->log_dir = rig_make_dir();
	must_open(rig);
	rig_append(rig, 5);
	rig_work(rig);
	assert_int_equal(count_segments(rig), 0);
	rig_close(rig);
	must_open(rig);
	assert_int_equal(rig->loaded, 5);
}

static void test_the_lag_is_what_the_tree_has_not(void **state)
{
	struct rig *rig = *state;

	must_open(rig);
	assert_int_equal(store_lag(rig->store).count, 0);
	rig_append(rig, 5000);
	rig_work(rig);
	assert_int_equal(store_lag(rig->store).count, 5000);
	rig_write_tree(rig, 3000);
	assert_false(store_can_write_tree(rig->store));
	rig_work(rig);
	assert_true(store_can_write_tree(rig->store));
	assert_in_range(store_lag(rig->store).count, 2000, 2999);
	rig_close(rig);
	must_open(rig);
	assert_int_equal(store_lag(rig->store).count, 2000);
	rig_write_tree(rig, 5000);
	rig_work(rig);
	assert_int_equal(store_lag(rig->store).count, 0);
	assert_int_equal(store_lag(rig->store).size, 0);
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
	must_open(rig);
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
	must_open(rig);
	assert_int_equal(rig->loaded, 3159);
	assert_false(rig->has_failed);
}

/* ---- what is refused ---- */

static void test_a_directory_is_served_once(void **state)
{
	struct rig *rig = *state;
	struct rig second;

	must_open(rig);
	rig_init(&second, rig->data_dir);
	must_refuse(&second, -EBUSY, "served by another zkfsd");
	rig_close(rig);
	must_open(&second);
	rig_release(&second);
}

static void test_another_myid_is_refused(void **state)
{
	struct rig *rig = *state;

	must_open(rig);
	rig_close(rig);
	rig->myid = 3; /* a standalone joins */
	must_open(rig);
	assert_int_equal(store_state(rig->store)->myid, 3);
	rig_close(rig);
	rig->myid = 4;
	must_refuse(rig, -EINVAL, "myid 3, not 4");
}

static void test_a_newer_format_is_refused(void **state)
{
	struct rig *rig = *state;
	char *newer = mem_printf("%s/zkfs-2", rig->data_dir);

	must_open(rig);
	rig_close(rig);
	assert_int_equal(mkdir(newer, 0700), 0);
	must_refuse(rig, -ENOTSUP, "newer zkfsd");
	assert_int_equal(rmdir(newer), 0);
	must_open(rig);
	rig_close(rig);
	(void)query(rig, "tree.1.db", "pragma user_version = 2");
	must_refuse(rig, -ENOTSUP, "format 2");
	free(newer);
}

static void make_some(struct rig *rig)
{
	rig->segment_size = 4000;
	must_open(rig);
	for (unsigned i = 0; i < 12; i++) {
		rig_append(rig, i % 5 + 1);
		rig_work(rig);
		if (i == 6)
			rig_set_epochs(rig);
		if (i % 5 == 4)
			rig_write_tree(rig, rig->durable - 2);
	}
	rig_work(rig);
}

static void test_missing_files_are_refused(void **state)
{
	struct rig *rig = *state;

	make_some(rig);
	rig_append(rig, 20);
	rig_work(rig);
	rig_append(rig, 20);
	rig_close(rig);
	remove_file(rig, "tree.1.db");
	must_refuse(rig, -EBADMSG, "tree.1.db is missing");
	assert_false(has_file(rig, "tree.1.db"));
}

static void test_a_missing_state_is_refused(void **state)
{
	struct rig *rig = *state;

	make_some(rig);
	rig_close(rig);
	remove_file(rig, "state.db");
	must_refuse(rig, -EBADMSG, "state.db is missing");
	must_refuse(rig, -EBADMSG, "state.db is missing");
}

static void test_a_missing_segment_is_refused(void **state)
{
	struct rig *rig = *state;
	char *dir = file_of(rig, "");
	struct dirent *entry;
	unsigned count;
	DIR *stream;

	make_some(rig);
	count = count_segments(rig);
	assert_true(count >= 2);
	stream = opendir(dir);
	while ((entry = readdir(stream))) {
		struct rig after;
		char *copy;
		char *victim;

		if (strncmp(entry->d_name, "log.1.0", 7) != 0 || strlen(entry->d_name) != 25)
			continue;
		copy = rig_make_dir();
		rig_copy_dir(rig->data_dir, copy);
		victim = mem_printf("%s/zkfs-1/%s", copy, entry->d_name);
		assert_int_equal(unlink(victim), 0);
		rig_init(&after, copy);
		must_refuse(&after, -EBADMSG, "");
		rig_release(&after);
		rig_remove_dir(copy);
		free(copy);
		free(victim);
		count--;
	}
	closedir(stream);
	assert_int_equal(count, 0);
	free(dir);
}

static void test_a_missing_log_directory_is_refused(void **state)
{
	struct rig *rig = *state;
	char *moved;

	rig->log_dir = rig_make_dir();
	must_open(rig);
	rig_append(rig, 5);
	rig_close(rig);
	moved = rig->log_dir;
	rig->log_dir = rig_make_dir();
	must_refuse(rig, -EBADMSG, "is missing");
	rig_remove_dir(moved);
	free(moved);
}

/* ---- damage ---- */

/* Whether it was refused; else it must have all that was acknowledged, or at least so many. */
static bool is_refused(const char *dir, unsigned acknowledged, unsigned appended, const char *where,
		       size_t at)
{
	struct rig after;
	bool refused;

	rig_init(&after, dir);
	refused = rig_open(&after) != 0;
	if (refused)
		assert_string_not_equal(after.refusal.text, "");
	else if (after.wrong[0] || after.loaded < acknowledged || after.loaded > appended)
		fail_msg("%s, byte %zu: %u of %u: %s", where, at, after.loaded, acknowledged,
			 after.wrong);
	rig_release(&after);
	return refused;
}

struct damage_count {
	unsigned tried;
	unsigned refused;
};

typedef void damage_fn(FILE *file, size_t at, size_t size);

static void flip_byte(FILE *file, size_t at, size_t size)
{
	int byte;

	assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
	byte = fgetc(file);
	assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
	assert_int_equal(fputc(byte ^ (1 << at % 8), file), byte ^ (1 << at % 8));
}

static void zero_sector(FILE *file, size_t at, size_t size)
{
	static const char zeros[512];
	size_t begin = at - at % 512;

	assert_int_equal(fseek(file, (long)begin, SEEK_SET), 0);
	assert_int_equal(fwrite(zeros, 1, begin + 512 <= size ? 512 : size - begin, file),
			 begin + 512 <= size ? 512 : size - begin);
}

static void cut(FILE *file, size_t at, size_t size)
{
	assert_int_equal(ftruncate(fileno(file), (off_t)at), 0);
}

static size_t size_of(const char *path)
{
	struct stat stat_of;

	assert_int_equal(stat(path, &stat_of), 0);
	return (size_t)stat_of.st_size;
}

/* Damage one file of a copy of the store at one place after the other. */
static struct damage_count damage(const struct rig *rig, const char *name, size_t begin, size_t end,
				  size_t step, damage_fn *do_damage, unsigned acknowledged)
{
	char *source = file_of(rig, name);
	size_t size = size_of(source);
	struct damage_count count = {0};

	for (size_t at = begin; at < size && at < end; at += step) {
		char *copy = rig_make_dir();
		char *victim = mem_printf("%s/zkfs-1/%s", copy, name);
		FILE *file;

		rig_copy_dir(rig->data_dir, copy);
		file = fopen(victim, "r+e");
		assert_non_null(file);
		do_damage(file, at, size);
		assert_int_equal(fclose(file), 0);
		count.refused += is_refused(copy, acknowledged, rig->appended, name, at);
		count.tried++;
		rig_remove_dir(copy);
		free(copy);
		free(victim);
	}
	free(source);
	return count;
}

/* Every file of the store, by the same kind of damage. */
static struct damage_count damage_all(const struct rig *rig, size_t step, damage_fn *do_damage)
{
	char *dir = file_of(rig, "");
	DIR *stream = opendir(dir);
	struct dirent *entry;
	struct damage_count sum = {0};

	while ((entry = readdir(stream))) {
		struct damage_count count;

		if (entry->d_type != DT_REG || strstr(entry->d_name, "-shm"))
			continue;
		count = damage(rig, entry->d_name, sum.tried % step, SIZE_MAX, step, do_damage,
			       rig->appended);
		sum.tried += count.tried;
		sum.refused += count.refused;
	}
	print_message("# %u damaged, %u refused\n", sum.tried, sum.refused);
	closedir(stream);
	free(dir);
	return sum;
}

/* Two segments, a tree, and a clean end. */
static void make_closed(struct rig *rig)
{
	make_some(rig);
	rig_close(rig);
}

static void test_after_close_no_flipped_bit_loses_anything(void **state)
{
	struct rig *rig = *state;
	struct damage_count count;

	make_closed(rig);
	count = damage_all(rig, 509, flip_byte);
	assert_true(count.tried > 300 && count.refused > 100);
}

static void test_after_close_no_lost_sector_loses_anything(void **state)
{
	struct rig *rig = *state;
	struct damage_count count;

	make_closed(rig);
	count = damage_all(rig, 1024, zero_sector);
	assert_true(count.tried > 150 && count.refused > 20);
}

static void test_after_close_no_cut_loses_anything(void **state)
{
	struct rig *rig = *state;
	struct damage_count count;

	make_closed(rig);
	count = damage_all(rig, 2053, cut);
	assert_true(count.tried > 80 && count.refused > 20);
}

/* Everything in the databases themselves, as it is after another program looked into them. */
static void empty_wals(const struct rig *rig)
{
	char *dir = file_of(rig, "");
	DIR *stream = opendir(dir);
	struct dirent *entry;

	while ((entry = readdir(stream)))
		if (strlen(entry->d_name) > 3 &&
		    strcmp(entry->d_name + strlen(entry->d_name) - 3, ".db") == 0)
			(void)query(rig, entry->d_name, "pragma wal_checkpoint(truncate)");
	assert_int_equal(count_files(dir, "", "-wal"), 0);
	closedir(stream);
	free(dir);
}

static void test_without_a_wal_no_flipped_bit_loses_anything(void **state)
{
	struct rig *rig = *state;
	struct damage_count count;

	make_closed(rig);
	empty_wals(rig);
	count = damage_all(rig, 131, flip_byte);
	assert_true(count.tried > 500 && count.refused > 50);
}

static void test_without_a_wal_no_lost_sector_loses_anything(void **state)
{
	struct rig *rig = *state;
	struct damage_count count;

	make_closed(rig);
	empty_wals(rig);
	count = damage_all(rig, 1024, zero_sector);
	assert_true(count.tried > 100 && count.refused > 10);
}

/* The row lies at the end of its page, and each byte of it counts. */
static void test_no_flipped_bit_in_the_state_is_believed(void **state)
{
	struct rig *rig = *state;
	char *path = file_of(rig, "state.db");
	struct damage_count count;
	size_t size;

	rig->myid = 5;
	make_closed(rig);
	empty_wals(rig);
	size = size_of(path);
	count = damage(rig, "state.db", size - 24, size, 1, flip_byte, rig->appended);
	assert_int_equal(count.tried, 24);
	assert_int_equal(count.refused, count.tried);
	free(path);
}

/* One segment with single-transaction commits, and no clean end. Its WAL's name. */
static const char *make_killed(struct rig *rig)
{
	must_open(rig);
	for (unsigned i = 0; i < 8; i++) {
		rig_append(rig, 2);
		rig_work(rig);
	}
	return "log.1.0000000100000001.db-wal";
}

static void test_after_kill_rot_before_the_last_commit_is_refused(void **state)
{
	struct rig *rig = *state;
	const char *wal = make_killed(rig);
	char *path = file_of(rig, wal);
	size_t before_last = size_of(path);
	struct damage_count count;

	rig_append(rig, 2);
	rig_work(rig);
	assert_true(size_of(path) > before_last);
	count = damage(rig, wal, 0, before_last, 499, flip_byte, rig->appended);
	assert_true(count.tried > 200);
	assert_int_equal(count.refused, count.tried);
	free(path);
}

static void test_after_kill_a_torn_last_commit_costs_only_itself(void **state)
{
	struct rig *rig = *state;
	const char *wal = make_killed(rig);
	char *path = file_of(rig, wal);
	size_t before_last = size_of(path);
	unsigned acknowledged = rig->durable;
	struct damage_count count;

	/* It wasn't acknowledged, say. */
	rig_append(rig, 2);
	rig_work(rig);
	count = damage(rig, wal, before_last, SIZE_MAX, 297, flip_byte, acknowledged);
	assert_true(count.tried > 40);
	assert_int_equal(count.refused, 0);
	count = damage(rig, wal, before_last, SIZE_MAX, 297, cut, acknowledged);
	assert_int_equal(count.refused, 0);
	free(path);
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
	char *path = file_of(rig, "log.1.0000000100000001.db");
	char *wal = file_of(rig, "log.1.0000000100000001.db-wal");
	struct store_refusal refusal;

	must_open(rig);
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
	char *path = file_of(rig, "log.1.0000000100000001.db");
	char *tree = file_of(rig, "tree.1.db");
	struct store_refusal refusal;
	struct walked walked = {0};

	must_open(rig);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		TEST(test_the_tree_can_be_read_while_it_is_served),
		TEST(test_segments_go_when_the_tree_has_passed),
		TEST(test_single_commits_use_a_small_wal_again),
		TEST(test_a_reader_does_not_stop_the_log),
		TEST(test_the_log_may_have_its_own_directory),
		TEST(test_the_lag_is_what_the_tree_has_not),
		TEST(test_workers_work_beside_the_loop),
		TEST(test_a_directory_is_served_once),
		TEST(test_another_myid_is_refused),
		TEST(test_a_newer_format_is_refused),
		TEST(test_missing_files_are_refused),
		TEST(test_a_missing_state_is_refused),
		TEST(test_a_missing_segment_is_refused),
		TEST(test_a_missing_log_directory_is_refused),
		TEST(test_after_close_no_flipped_bit_loses_anything),
		TEST(test_after_close_no_lost_sector_loses_anything),
		TEST(test_after_close_no_cut_loses_anything),
		TEST(test_without_a_wal_no_flipped_bit_loses_anything),
		TEST(test_without_a_wal_no_lost_sector_loses_anything),
		TEST(test_no_flipped_bit_in_the_state_is_believed),
		TEST(test_after_kill_rot_before_the_last_commit_is_refused),
		TEST(test_after_kill_a_torn_last_commit_costs_only_itself),
		TEST(test_a_segment_can_be_read_alive_and_dead),
		TEST(test_reading_a_segment_ends_when_told_or_refused),
	};

	/* Thousands of damaged copies: memory spares the disk. */
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
