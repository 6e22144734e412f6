#include "t/unit/store-fixture.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"
#include "t/unit/cmocka.h"

static struct rig *new_rig(void)
{
	struct rig *rig = mem_zalloc(sizeof(*rig));
	char *dir = rig_make_dir();

	rig_init(rig, dir);
	free(dir);
	return rig;
}

int store_setup(void **state)
{
	*state = new_rig();
	return 0;
}

int store_teardown(void **state)
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

void store_must_open(struct rig *rig)
{
	int error = rig_open(rig);

	if (error)
		fail_msg("%s (%s)", rig->refusal.text, strerror(-error));
	assert_string_equal(rig->wrong, "");
}

void store_must_refuse(struct rig *rig, int error, const char *about)
{
	assert_int_equal(rig_open(rig), error);
	if (!strstr(rig->refusal.text, about))
		fail_msg("'%s' does not say '%s'", rig->refusal.text, about);
}

void store_must_come_back(struct rig *rig)
{
	struct rig_history history;

	rig_get_history(rig, &history);
	rig_close(rig);
	store_must_open(rig);
	assert_true(rig_has_loaded(rig, &history));
}

char *store_file(const struct rig *rig, const char *name)
{
	return mem_printf("%s/zkfs-1/%s", rig->data_dir, name);
}

unsigned store_count_files(const char *dir, const char *prefix, const char *suffix)
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

unsigned store_count_segments(const struct rig *rig)
{
	char *dir = store_file(rig, "");
	unsigned count = store_count_files(dir, "log.1.0", ".db");

	free(dir);
	return count;
}

int64_t store_query(const struct rig *rig, const char *name, const char *sql)
{
	char *path = store_file(rig, name);
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

void store_make_some(struct rig *rig)
{
	rig->segment_size = 4000;
	store_must_open(rig);
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
