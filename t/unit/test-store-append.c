/* The log's VFS: what SQLite writes is what a file holds, and when. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replica/io/store_append.h"
#include "src/base/mem.h"
#include "src/base/prng.h"
#include "t/unit/cmocka.h"

enum {
	FILE_SIZE_MAX = 4 << 20,
	/* Some are larger than what is gathered. */
	WRITE_SIZE_MAX = 700 << 10,
	PAGE_SIZE_MAX = 64 << 10,
	ROUNDS = 400,
};

/* ---- a pwrite(2) of our own: that which goes past the page cache is the module's ---- */

static struct {
	size_t size_max; /* writes end early; 0: they don't */
	int error;       /* of the next, once; 0: none */
	unsigned calls;
} disk;

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	int error = disk.error;

	disk.calls++;
	disk.error = 0;
	if (error) {
		errno = error;
		return -1;
	}
	if (disk.size_max > 0 && size > disk.size_max)
		size = disk.size_max;
	return __real_pwrite(fd, bytes, size, offset);
}

/* ---- a VFS that counts ---- */

static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	sqlite3_io_methods methods;
	const sqlite3_io_methods *real_methods;
	unsigned writes;
	unsigned syncs;
	int write_code;
} counting;

static int count_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
	counting.writes++;
	if (counting.write_code != SQLITE_OK)
		return counting.write_code;
	return counting.real_methods->xWrite(file, bytes, size, offset);
}

static int count_sync(sqlite3_file *file, int flags)
{
	counting.syncs++;
	return counting.real_methods->xSync(file, flags);
}

static int open_counted(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
			int *ret_flags)
{
	int code = counting.real->xOpen(counting.real, path, file, flags, ret_flags);

	if (code != SQLITE_OK || !(flags & SQLITE_OPEN_WAL))
		return code;
	counting.real_methods = file->pMethods;
	counting.methods = *file->pMethods;
	counting.methods.xWrite = count_write;
	counting.methods.xSync = count_sync;
	file->pMethods = &counting.methods;
	return code;
}

static void start_counting(void)
{
	memset(&counting, 0, sizeof(counting));
	counting.real = sqlite3_vfs_find(NULL);
	counting.vfs = *counting.real;
	counting.vfs.pNext = NULL;
	counting.vfs.zName = "counting";
	counting.vfs.xOpen = open_counted;
	assert_int_equal(sqlite3_vfs_register(&counting.vfs, 0), SQLITE_OK);
}

static void stop_counting(void)
{
	assert_int_equal(sqlite3_vfs_unregister(&counting.vfs), SQLITE_OK);
}

/* ---- a WAL beside what it should hold ---- */

struct world {
	char directory[64];
	char *path;
	struct store_append_vfs append;
	sqlite3_file *file;
	uint8_t *model;
	int64_t size;
	int64_t end; /* where a write continues it */
	struct prng prng;
};

static int setup(void **state)
{
	struct world *world = mem_zalloc(sizeof(*world));

	strcpy(world->directory, "test-store-append.XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	/* What SQLite gives to xOpen is absolute, and has two zeros behind it. */
	world->path = mem_zalloc(4096);
	assert_non_null(realpath(world->directory, world->path));
	strcat(world->path, "/file");
	/* A WAL gets the mode of its database. */
	assert_int_equal(mknod(world->path, S_IFREG | 0600, 0), 0);
	strcat(world->path, "-wal");
	world->model = mem_zalloc(FILE_SIZE_MAX);
	prng_init(&world->prng, 1);
	memset(&disk, 0, sizeof(disk));
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	char *command = mem_printf("rm -r %s", world->directory);

	assert_int_equal(system(command), 0);
	free(command);
	free(world->model);
	free(world->path);
	free(world);
	return 0;
}

/* tmpfs has no O_DIRECT before Linux 6.6; then there is nothing to test. */
static void need_direct(const struct world *world)
{
	int fd = open(world->directory, O_RDWR | O_TMPFILE | O_DIRECT, 0600);

	if (fd < 0)
		skip();
	(void)close(fd);
}

static void open_wal(struct world *world, const char *below)
{
	sqlite3_vfs *vfs;

	store_append_vfs_init(&world->append, below);
	vfs = sqlite3_vfs_find(world->append.vfs.zName);
	assert_non_null(vfs);
	world->file = mem_zalloc((size_t)vfs->szOsFile);
	assert_int_equal(vfs->xOpen(vfs, world->path, world->file,
				    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL,
				    NULL),
			 SQLITE_OK);
}

static void close_wal(struct world *world)
{
	assert_int_equal(world->file->pMethods->xClose(world->file), SQLITE_OK);
	free(world->file);
	store_append_vfs_release(&world->append);
}

static int write_at(struct world *world, int64_t offset, size_t size)
{
	uint8_t *bytes = mem_alloc(size + 1);
	int code;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)prng_next(&world->prng);
	memcpy(world->model + offset, bytes, size);
	if (offset + (int64_t)size > world->size)
		world->size = offset + (int64_t)size;
	code = world->file->pMethods->xWrite(world->file, bytes, (int)size, offset);
	free(bytes);
	return code;
}

static int append(struct world *world, size_t size)
{
	int64_t end = world->end;

	world->end += (int64_t)size;
	return write_at(world, end, size);
}

static int sync_wal(struct world *world)
{
	return world->file->pMethods->xSync(world->file, SQLITE_SYNC_NORMAL);
}

static void must_read(struct world *world, int64_t offset, size_t size)
{
	uint8_t *bytes = mem_alloc(size + 1);

	assert_int_equal(world->file->pMethods->xRead(world->file, bytes, (int)size, offset),
			 SQLITE_OK);
	assert_memory_equal(bytes, world->model + offset, size);
	free(bytes);
}

/* Others see it all; behind its end are zeros, up to a block's end. */
static void must_be_in_the_file(struct world *world)
{
	FILE *file = fopen(world->path, "r");
	uint8_t *bytes = mem_zalloc(FILE_SIZE_MAX);
	size_t size = fread(bytes, 1, FILE_SIZE_MAX, file);

	fclose(file);
	assert_true((int64_t)size >= world->size && (int64_t)size < world->size + 4096);
	assert_memory_equal(bytes, world->model, (size_t)world->size);
	for (size_t i = (size_t)world->size; i < size; i++)
		assert_int_equal(bytes[i], 0);
	free(bytes);
}

static size_t draw_size(struct world *world)
{
	static const unsigned maxima[] = {1, 24, 32, 4096, 4120, 20000, WRITE_SIZE_MAX};
	unsigned which = (unsigned)prng_below(&world->prng, sizeof(maxima) / sizeof(*maxima));

	return 1 + (size_t)prng_below(&world->prng, maxima[which]);
}

static void do_something(struct world *world)
{
	size_t size = draw_size(world);
	int64_t offset;

	switch (prng_below(&world->prng, 8)) {
	case 0:
		assert_int_equal(sync_wal(world), SQLITE_OK);
		must_be_in_the_file(world);
		return;
	case 1:
	case 2:
		if (size > PAGE_SIZE_MAX || (int64_t)size > world->size)
			return;
		offset = (int64_t)prng_below(&world->prng,
					     (uint64_t)(world->size - (int64_t)size) + 1);
		if (prng_below(&world->prng, 2) == 0)
			must_read(world, offset, size);
		else
			assert_int_equal(write_at(world, offset, size), SQLITE_OK);
		return;
	default:
		if (world->end + (int64_t)size <= FILE_SIZE_MAX)
			assert_int_equal(append(world, size), SQLITE_OK);
	}
}

static void do_much(struct world *world, const char *below, size_t write_size_max)
{
	disk.size_max = write_size_max;
	open_wal(world, below);
	for (unsigned i = 0; i < ROUNDS; i++)
		do_something(world);
	assert_int_equal(sync_wal(world), SQLITE_OK);
	must_be_in_the_file(world);
	must_read(world, 0, (size_t)world->size);
	close_wal(world);
}

static void test_a_file_holds_what_was_written(void **state)
{
	need_direct(*state);
	do_much(*state, NULL, 0);
	assert_true(disk.calls > 0);
}

static void test_and_so_it_does_without_o_direct(void **state)
{
	do_much(*state, "unix", 0);
	assert_int_equal(disk.calls, 0);
}

static void test_a_write_that_ends_early_goes_on(void **state)
{
	need_direct(*state);
	do_much(*state, NULL, 4096 + 5 * 512);
}

static void test_a_sync_makes_its_commit_appear_and_nothing_before(void **state)
{
	struct world *world = *state;
	struct stat stat_before;

	open_wal(world, NULL);
	assert_int_equal(append(world, 32), SQLITE_OK);
	assert_int_equal(sync_wal(world), SQLITE_OK);
	assert_int_equal(append(world, 24), SQLITE_OK);
	assert_int_equal(append(world, 8192), SQLITE_OK);
	assert_int_equal(stat(world->path, &stat_before), 0);
	assert_true(stat_before.st_size <= 4096);
	assert_int_equal(sync_wal(world), SQLITE_OK);
	must_be_in_the_file(world);
	close_wal(world);
}

static void test_blocks_that_are_too_small_are_written_below(void **state)
{
	struct world *world = *state;

	need_direct(world);
	open_wal(world, NULL);
	assert_int_equal(append(world, 1000), SQLITE_OK);
	disk.error = EINVAL;
	assert_int_equal(sync_wal(world), SQLITE_OK);
	must_be_in_the_file(world);
	assert_int_equal(append(world, 5000), SQLITE_OK);
	assert_int_equal(sync_wal(world), SQLITE_OK);
	must_be_in_the_file(world);
	assert_int_equal(disk.calls, 1);
	close_wal(world);
}

/* That it is full has a sentence of its own. */
static void test_a_failed_write_fails_the_sync(void **state)
{
	struct world *world = *state;

	need_direct(world);
	open_wal(world, NULL);
	assert_int_equal(append(world, 1000), SQLITE_OK);
	disk.error = EIO;
	assert_int_equal(sync_wal(world), SQLITE_IOERR_WRITE);
	disk.error = ENOSPC;
	assert_int_equal(sync_wal(world), SQLITE_FULL);
	/* None of it is taken for written. */
	assert_int_equal(sync_wal(world), SQLITE_OK);
	must_be_in_the_file(world);
	close_wal(world);
}

static void test_a_truncated_wal_is_written_as_it_comes(void **state)
{
	struct world *world = *state;

	open_wal(world, NULL);
	assert_int_equal(append(world, 10000), SQLITE_OK);
	assert_int_equal(world->file->pMethods->xTruncate(world->file, 5000), SQLITE_OK);
	world->size = 5000;
	assert_int_equal(write_at(world, 5000, 3000), SQLITE_OK);
	assert_int_equal(write_at(world, 0, 3000), SQLITE_OK);
	assert_int_equal(sync_wal(world), SQLITE_OK);
	must_be_in_the_file(world);
	assert_int_equal(world->size, 8000);
	close_wal(world);
}

/* ---- SQLite upon it ---- */

static void run(sqlite3 *sqlite, const char *sql)
{
	assert_int_equal(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
}

static sqlite3 *open_database(struct world *world, const char *vfs)
{
	char *path = mem_printf("%s/log.db", world->directory);
	sqlite3 *sqlite;

	assert_int_equal(
		sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
		SQLITE_OK);
	run(sqlite, "pragma journal_mode = wal; pragma synchronous = full;"
		    "create table if not exists t (x)");
	free(path);
	return sqlite;
}

static void test_a_commit_is_one_write_and_one_sync(void **state)
{
	struct world *world = *state;
	sqlite3 *sqlite;

	start_counting();
	store_append_vfs_init(&world->append, "counting");
	sqlite = open_database(world, world->append.name);
	counting.writes = 0;
	counting.syncs = 0;
	run(sqlite, "insert into t values (randomblob(50000))");
	assert_int_equal(counting.writes, 1);
	assert_int_equal(counting.syncs, 1);
	counting.write_code = SQLITE_FULL;
	assert_int_equal(sqlite3_exec(sqlite, "insert into t values (1)", NULL, NULL, NULL),
			 SQLITE_FULL);
	assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
	store_append_vfs_release(&world->append);
	stop_counting();
}

static int count_rows(sqlite3 *sqlite)
{
	sqlite3_stmt *statement;
	int count;

	assert_int_equal(sqlite3_prepare_v2(sqlite, "select count(*) from t", -1, &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	count = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	return count;
}

static void test_others_read_each_commit_at_once(void **state)
{
	struct world *world = *state;
	sqlite3 *writer, *other;

	store_append_vfs_init(&world->append, NULL);
	writer = open_database(world, world->append.name);
	other = open_database(world, NULL);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(count_rows(other), i);
		run(writer, "insert into t values (randomblob(3000))");
	}
	assert_int_equal(count_rows(other), 100);
	run(writer, "pragma wal_checkpoint(truncate)");
	run(writer, "insert into t values (1)");
	assert_int_equal(count_rows(other), 101);
	assert_int_equal(sqlite3_close(writer), SQLITE_OK);
	assert_int_equal(count_rows(other), 101);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	store_append_vfs_release(&world->append);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_file_holds_what_was_written),
		TEST(test_and_so_it_does_without_o_direct),
		TEST(test_a_write_that_ends_early_goes_on),
		TEST(test_a_sync_makes_its_commit_appear_and_nothing_before),
		TEST(test_blocks_that_are_too_small_are_written_below),
		TEST(test_a_failed_write_fails_the_sync),
		TEST(test_a_truncated_wal_is_written_as_it_comes),
		TEST(test_a_commit_is_one_write_and_one_sync),
		TEST(test_others_read_each_commit_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
