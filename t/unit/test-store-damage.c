/* What the store refuses to begin with: every kind of damage, and never silently less. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/endian.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"
#include "t/unit/store-fixture.h"

static bool has_file(const struct rig *rig, const char *name)
{
	char *path = store_file(rig, name);
	bool has = access(path, F_OK) == 0;

	free(path);
	return has;
}

static void remove_file(const struct rig *rig, const char *name)
{
	char *path = store_file(rig, name);

	assert_int_equal(unlink(path), 0);
	free(path);
}

/* ---- what is refused ---- */

static void test_a_directory_is_served_once(void **state)
{
	struct rig *rig = *state;
	struct rig second;

	store_must_open(rig);
	rig_init(&second, rig->data_dir);
	store_must_refuse(&second, -EBUSY, "served by another zkfsd");
	rig_close(rig);
	store_must_open(&second);
	rig_release(&second);
}

static void test_another_myid_is_refused(void **state)
{
	struct rig *rig = *state;

	store_must_open(rig);
	rig_close(rig);
	rig->myid = 3; /* a standalone joins */
	store_must_open(rig);
	assert_int_equal(store_state(rig->store)->myid, 3);
	rig_close(rig);
	rig->myid = 4;
	store_must_refuse(rig, -EINVAL, "myid 3, not 4");
}

static void test_a_newer_format_is_refused(void **state)
{
	struct rig *rig = *state;
	char *newer = mem_printf("%s/zkfs-2", rig->data_dir);

	store_must_open(rig);
	rig_close(rig);
	assert_int_equal(mkdir(newer, 0700), 0);
	store_must_refuse(rig, -ENOTSUP, "newer zkfsd");
	assert_int_equal(rmdir(newer), 0);
	store_must_open(rig);
	rig_close(rig);
	(void)store_query(rig, "tree.1.db", "pragma user_version = 2");
	store_must_refuse(rig, -ENOTSUP, "format 2");
	free(newer);
}

static void test_missing_files_are_refused(void **state)
{
	struct rig *rig = *state;

	store_make_some(rig);
	rig_append(rig, 20);
	rig_work(rig);
	rig_append(rig, 20);
	rig_close(rig);
	remove_file(rig, "tree.1.db");
	store_must_refuse(rig, -EBADMSG, "tree.1.db is missing");
	assert_false(has_file(rig, "tree.1.db"));
}

static void test_a_missing_state_is_refused(void **state)
{
	struct rig *rig = *state;

	store_make_some(rig);
	rig_close(rig);
	remove_file(rig, "state.db");
	store_must_refuse(rig, -EBADMSG, "state.db is missing");
	store_must_refuse(rig, -EBADMSG, "state.db is missing");
}

static void test_a_missing_segment_is_refused(void **state)
{
	struct rig *rig = *state;
	char *dir = store_file(rig, "");
	struct dirent *entry;
	unsigned count;
	DIR *stream;

	store_make_some(rig);
	count = store_count_segments(rig);
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
		store_must_refuse(&after, -EBADMSG, "");
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
	store_must_open(rig);
	rig_append(rig, 5);
	rig_close(rig);
	moved = rig->log_dir;
	rig->log_dir = rig_make_dir();
	store_must_refuse(rig, -EBADMSG, "is missing");
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
	char *source = store_file(rig, name);
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
	char *dir = store_file(rig, "");
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
	store_make_some(rig);
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
	char *dir = store_file(rig, "");
	DIR *stream = opendir(dir);
	char *kept = store_file(rig, "log.1.old.db-wal");
	struct dirent *entry;

	/* It is of no database, but kept for the next. */
	(void)unlink(kept);
	while ((entry = readdir(stream)))
		if (strlen(entry->d_name) > 3 &&
		    strcmp(entry->d_name + strlen(entry->d_name) - 3, ".db") == 0)
			(void)store_query(rig, entry->d_name, "pragma wal_checkpoint(truncate)");
	assert_int_equal(store_count_files(dir, "", "-wal"), 0);
	closedir(stream);
	free(kept);
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
	count = damage_all(rig, 512, zero_sector);
	assert_true(count.tried > 100 && count.refused > 10);
}

/* The row lies at the end of its page, and each byte of it counts. */
static void test_no_flipped_bit_in_the_state_is_believed(void **state)
{
	struct rig *rig = *state;
	char *path = store_file(rig, "state.db");
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
	store_must_open(rig);
	for (unsigned i = 0; i < 8; i++) {
		rig_append(rig, 2);
		rig_work(rig);
	}
	return "log.1.0000000100000001.db-wal";
}

static uint32_t number_at(FILE *file, long at)
{
	uint8_t bytes[4];

	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	assert_int_equal(fread(bytes, 1, sizeof(bytes), file), sizeof(bytes));
	return endian_get_u32(bytes);
}

/* Behind the last frame that has the header's salts: the file goes on to the end of a block, at
 * least. */
static size_t end_of_frames(const char *path)
{
	FILE *file = fopen(path, "re");
	long size = (long)size_of(path);
	long frame_size = 24 + (long)number_at(file, 8);
	long at = 32;

	while (at + frame_size <= size && number_at(file, at + 8) == number_at(file, 16) &&
	       number_at(file, at + 12) == number_at(file, 20))
		at += frame_size;
	assert_int_equal(fclose(file), 0);
	return (size_t)at;
}

static void test_after_kill_rot_before_the_last_commit_is_refused(void **state)
{
	struct rig *rig = *state;
	const char *wal = make_killed(rig);
	char *path = store_file(rig, wal);
	size_t before_last = end_of_frames(path);
	struct damage_count count;

	rig_append(rig, 2);
	rig_work(rig);
	assert_true(end_of_frames(path) > before_last);
	count = damage(rig, wal, 0, before_last, 131, flip_byte, rig->appended);
	assert_true(count.tried > 200);
	assert_int_equal(count.refused, count.tried);
	free(path);
}

static void test_after_kill_a_torn_last_commit_costs_only_itself(void **state)
{
	struct rig *rig = *state;
	const char *wal = make_killed(rig);
	char *path = store_file(rig, wal);
	size_t before_last = end_of_frames(path);
	unsigned acknowledged = rig->durable;
	struct damage_count count;

	/* It wasn't acknowledged, say. */
	rig_append(rig, 2);
	rig_work(rig);
	count = damage(rig, wal, before_last, SIZE_MAX, 149, flip_byte, acknowledged);
	assert_true(count.tried > 20);
	assert_int_equal(count.refused, 0);
	count = damage(rig, wal, before_last, SIZE_MAX, 149, cut, acknowledged);
	assert_int_equal(count.refused, 0);
	free(path);
}

/* ---- a WAL that was used before ---- */

/* The newest segment's WAL lies in what an older one left. Its name, for the caller to free. */
static char *make_killed_in_used_wal(struct rig *rig)
{
	unsigned begun;
	zxid_t first;

	rig->segment_size = 8000;
	store_must_open(rig);
	rig_work(rig);
	for (unsigned i = 0; i < 60; i++) {
		rig_append(rig, 1);
		rig_work(rig);
		if (i % 10 == 9)
			rig_write_tree(rig, rig->durable);
		rig_work(rig);
	}
	begun = store_count_segments(rig);
	do {
		first = rig_zxid(rig->appended + 1);
		rig_append(rig, 1);
		rig_work(rig);
	} while (store_count_segments(rig) == begun);
	for (unsigned i = 0; i < 6; i++) {
		rig_append(rig, 2);
		rig_work(rig);
	}
	assert_int_equal(store_count_segments(rig), begun + 1);
	return mem_printf("log.1.%016llx.db-wal", (unsigned long long)first);
}

static void must_hold_older_frames(const char *path, size_t from)
{
	FILE *file = fopen(path, "re");
	int byte;

	assert_int_equal(fseek(file, (long)from, SEEK_SET), 0);
	do {
		byte = fgetc(file);
	} while (byte == 0);
	assert_int_not_equal(byte, EOF);
	assert_int_equal(fclose(file), 0);
}

static void test_in_a_used_wal_rot_before_the_last_commit_is_refused(void **state)
{
	struct rig *rig = *state;
	char *wal = make_killed_in_used_wal(rig);
	char *path = store_file(rig, wal);
	size_t before_last = end_of_frames(path);
	struct damage_count count;

	must_hold_older_frames(path, before_last);
	rig_append(rig, 1);
	rig_work(rig);
	count = damage(rig, wal, 0, before_last, 499, flip_byte, rig->appended);
	assert_true(count.tried > 50);
	assert_int_equal(count.refused, count.tried);
	count = damage(rig, wal, 0, 512, 512, zero_sector, rig->appended);
	assert_int_equal(count.refused, 1);
	free(path);
	free(wal);
}

static void test_in_a_used_wal_a_torn_last_commit_costs_only_itself(void **state)
{
	struct rig *rig = *state;
	char *wal = make_killed_in_used_wal(rig);
	char *path = store_file(rig, wal);
	size_t before_last = end_of_frames(path);
	unsigned acknowledged = rig->durable;
	struct damage_count count;

	must_hold_older_frames(path, before_last);
	rig_append(rig, 1);
	rig_work(rig);
	count = damage(rig, wal, before_last, end_of_frames(path), 297, flip_byte, acknowledged);
	assert_true(count.tried > 10);
	assert_int_equal(count.refused, 0);
	free(path);
	free(wal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		TEST(test_in_a_used_wal_rot_before_the_last_commit_is_refused),
		TEST(test_in_a_used_wal_a_torn_last_commit_costs_only_itself),
	};

	/* Thousands of damaged copies: memory spares the disk. */
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
