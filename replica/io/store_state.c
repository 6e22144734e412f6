#include "replica/io/store_state.h"

#include <inttypes.h>
#include <stdlib.h>

#include "replica/io/store_wal.h"
#include "src/base/mem.h"

#define SCHEMA                                                                                     \
	"create table state ("                                                                     \
	"id integer primary key check (id = 1), "                                                  \
	"myid integer not null, "                                                                  \
	"accepted_epoch integer not null, "                                                        \
	"current_epoch integer not null, "                                                         \
	"generation integer not null, "                                                            \
	"base_zxid integer not null, "                                                             \
	"segment_zxid integer not null, "                                                          \
	"logged_zxid integer not null, "                                                           \
	"truncate_zxid integer not null, "                                                         \
	"checksum integer not null) strict; "

#define COLUMNS                                                                                    \
	"myid, accepted_epoch, current_epoch, generation, base_zxid, segment_zxid, logged_zxid, "  \
	"truncate_zxid"

enum { PAGE_SIZE = 4096 };

static uint32_t checksum_of(const struct store_state_row *row)
{
	uint32_t crc = 0;

	crc = store_crc_number(crc, row->myid);
	crc = store_crc_number(crc, row->accepted_epoch);
	crc = store_crc_number(crc, row->current_epoch);
	crc = store_crc_number(crc, row->generation);
	crc = store_crc_number(crc, row->base_zxid);
	crc = store_crc_number(crc, row->segment_zxid);
	crc = store_crc_number(crc, row->logged_zxid);
	return store_crc_number(crc, row->truncate_zxid);
}

static int prepare_update(struct store_state_db *state, struct store_refusal *ret_refusal)
{
	return store_db_prepare(&state->db,
				"update state set (" COLUMNS
				", checksum) = (?, ?, ?, ?, ?, ?, ?, ?, ?) where id = 1",
				&state->update, ret_refusal);
}

static int update(struct store_state_db *state, const struct store_state_row *row,
		  struct store_refusal *ret_refusal)
{
	const int64_t values[] = {
		row->myid,        row->accepted_epoch, row->current_epoch,
		row->generation,  row->base_zxid,      row->segment_zxid,
		row->logged_zxid, row->truncate_zxid,  checksum_of(row),
	};

	/* Binding a number to a parameter that is there can't fail. */
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		(void)sqlite3_bind_int64(state->update, (int)i + 1, values[i]);
	return store_db_step(&state->db, state->update, ret_refusal);
}

/*
 * The checkpoint copies the commit from the WAL, where rot in the last frames
 * looks like a torn commit, to where the checksum tells. If a reader holds it
 * up, it can wait.
 */
int store_state_write(struct store_state_db *state, const struct store_state_row *row,
		      struct store_refusal *ret_refusal)
{
	int error = update(state, row, ret_refusal);

	if (!error)
		error = store_db_checkpoint(&state->db, SQLITE_CHECKPOINT_PASSIVE, ret_refusal);
	if (!error)
		state->row = *row;
	return error;
}

int store_state_make(const struct store_dir *dir, const struct store_state_row *row,
		     struct store_refusal *ret_refusal)
{
	char *made = store_dir_new_state(dir);
	char *path = store_dir_state(dir);
	char *schema = mem_printf(SCHEMA "insert into state values (1, %" PRId64 ", %" PRId64
					 ", %" PRId64 ", %" PRIu32 ", %" PRId64 ", %" PRId64
					 ", %" PRId64 ", %" PRId64 ", %" PRIu32 ")",
				  row->myid, row->accepted_epoch, row->current_epoch,
				  row->generation, row->base_zxid, row->segment_zxid,
				  row->logged_zxid, row->truncate_zxid, checksum_of(row));
	int error;

	error = store_db_make(dir->vfs, made, PAGE_SIZE, schema, ret_refusal);
	if (!error)
		error = store_dir_rename(dir, made, path, ret_refusal);
	free(schema);
	free(made);
	free(path);
	return error;
}

static int read_row(struct store_state_db *state, struct store_refusal *ret_refusal)
{
	struct store_state_row *row = &state->row;
	sqlite3_stmt *statement;
	int error;

	error = store_db_prepare(&state->db, "select " COLUMNS ", checksum from state where id = 1",
				 &statement, ret_refusal);
	if (error)
		return error;
	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		row->myid = sqlite3_column_int64(statement, 0);
		row->accepted_epoch = sqlite3_column_int64(statement, 1);
		row->current_epoch = sqlite3_column_int64(statement, 2);
		row->generation = (uint32_t)sqlite3_column_int64(statement, 3);
		row->base_zxid = sqlite3_column_int64(statement, 4);
		row->segment_zxid = sqlite3_column_int64(statement, 5);
		row->logged_zxid = sqlite3_column_int64(statement, 6);
		row->truncate_zxid = sqlite3_column_int64(statement, 7);
		if (sqlite3_column_int64(statement, 8) != checksum_of(row))
			error = store_db_damaged(&state->db, ret_refusal,
						 "the row's checksum is wrong");
		break;
	case SQLITE_DONE:
		error = store_db_damaged(&state->db, ret_refusal, "its row is missing");
		break;
	default:
		error = store_db_refuse(&state->db, ret_refusal);
	}
	(void)sqlite3_finalize(statement);
	return error;
}

/*
 * What a torn commit left in the WAL must not be taken for one of ours later,
 * so the WAL is emptied before the first.
 */
int store_state_open(struct store_state_db *state, const struct store_dir *dir,
		     struct store_refusal *ret_refusal)
{
	char *path = store_dir_state(dir);
	int error;

	*state = (struct store_state_db){0};
	error = store_wal_check(path, ret_refusal);
	if (!error)
		error = store_db_open(&state->db, dir->vfs, path, ret_refusal);
	if (!error)
		error = store_db_check(&state->db, ret_refusal);
	if (!error)
		error = read_row(state, ret_refusal);
	if (!error)
		error = store_db_checkpoint(&state->db, SQLITE_CHECKPOINT_TRUNCATE, ret_refusal);
	if (!error)
		error = prepare_update(state, ret_refusal);
	if (error)
		store_state_close(state);
	free(path);
	return error;
}

void store_state_close(struct store_state_db *state)
{
	(void)sqlite3_finalize(state->update);
	if (state->db.sqlite)
		store_db_close(&state->db);
	*state = (struct store_state_db){0};
}
