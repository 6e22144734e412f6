/*
 * A row of the table log is what one commit made durable:
 *
 *	first_zxid	the key
 *	last_zxid
 *	committed_zxid	highest known to be committed when it was written, but not above last
 *	previous_zxid	of the transaction before first, wherever that is stored
 *	checksum	CRC-32 of the four above and txns (store_crc_number, store_crc_bytes)
 *	txns		count times, back to back:
 *
 *		 0        8      12          12 + size
 *		 | zxid   | size | transaction |		numbers are big-endian
 *
 * Rows follow each other without a gap: first < last, previous is the last of
 * the row before.
 */
#include "replica/io/store_segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "replica/io/store_wal.h"
#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"

#define SCHEMA                                                                                     \
	"create table log ("                                                                       \
	"first_zxid integer primary key, "                                                         \
	"last_zxid integer not null, "                                                             \
	"committed_zxid integer not null, "                                                        \
	"previous_zxid integer not null, "                                                         \
	"checksum integer not null, "                                                              \
	"txns blob not null) strict"

enum {
	/* Of the smallest segment. */
	WAL_FRAMES_MIN = 16,
};

static uint32_t checksum_of(const struct store_log_row *row, struct bytes txns)
{
	uint32_t crc = 0;

	crc = store_crc_number(crc, row->first_zxid);
	crc = store_crc_number(crc, row->last_zxid);
	crc = store_crc_number(crc, row->committed_zxid);
	crc = store_crc_number(crc, row->previous_zxid);
	return store_crc_bytes(crc, txns);
}

/* ---- batches ---- */

void store_batch_init(struct store_batch *batch)
{
	*batch = (struct store_batch){0};
	buf_init(&batch->txns, STORE_TXN_SIZE_MAX + STORE_TXN_HEADER_SIZE);
}

void store_batch_reset(struct store_batch *batch, zxid_t previous_zxid)
{
	buf_reset(&batch->txns);
	batch->count = 0;
	batch->previous_zxid = previous_zxid;
}

void store_batch_release(struct store_batch *batch)
{
	buf_release(&batch->txns);
}

bool store_batch_has_room(const struct store_batch *batch, struct bytes txn)
{
	return batch->count == 0 ||
	       batch->txns.size + STORE_TXN_HEADER_SIZE + bytes_size(txn) <= STORE_BATCH_SIZE_MAX;
}

void store_batch_add(struct store_batch *batch, zxid_t zxid, struct bytes txn, zxid_t committed)
{
	uint8_t *header = buf_extend(&batch->txns, STORE_TXN_HEADER_SIZE);

	ASSERT(zxid > (batch->count > 0 ? batch->last_zxid : batch->previous_zxid));
	if (header) {
		endian_put_u64(header, (uint64_t)zxid);
		endian_put_u32(header + 8, (uint32_t)bytes_size(txn));
	}
	buf_append(&batch->txns, txn.data, bytes_size(txn));
	ASSERT(!batch->txns.error);
	if (batch->count == 0)
		batch->first_zxid = zxid;
	batch->last_zxid = zxid;
	batch->committed_zxid = committed < zxid ? committed : zxid;
	batch->count++;
}

/* ---- writing ---- */

int store_segment_make(const struct store_dir *dir, const char *path,
		       struct store_refusal *ret_refusal)
{
	return store_db_make(dir->vfs, path, STORE_SEGMENT_PAGE_SIZE, SCHEMA, ret_refusal);
}

/* The one hook by which SQLite tells how far the WAL has grown. */
static int note_commit(void *data, sqlite3 *sqlite, const char *name, int frame_count)
{
	struct store_segment *segment = data;

	segment->wal_frame_count = (size_t)frame_count;
	return SQLITE_OK;
}

/*
 * A statement that is never at its end keeps the connection a reader of the
 * WAL. Otherwise each commit would become one first, and end it: four of its six
 * locks. The log's writer sees its own commits, and there are no others.
 */
static int start_reader(struct store_segment *segment, struct store_refusal *ret_refusal)
{
	int error;

	error = store_db_prepare(&segment->db, "select 1 from sqlite_schema", &segment->reader,
				 ret_refusal);
	if (!error && sqlite3_step(segment->reader) != SQLITE_ROW)
		error = store_db_refuse(&segment->db, ret_refusal);
	return error;
}

int store_segment_open(struct store_segment *segment, const struct store_dir *dir, const char *path,
		       struct store_refusal *ret_refusal)
{
	int error;

	*segment = (struct store_segment){0};
	error = store_db_open(&segment->db, dir->append_vfs, path, ret_refusal);
	/* What store_wal.c reads needs every page of a commit once. */
	if (!error)
		error = store_db_run(&segment->db, "pragma cache_spill = off", ret_refusal);
	if (!error)
		error = store_db_prepare(&segment->db, "insert into log values (?, ?, ?, ?, ?, ?)",
					 &segment->insert, ret_refusal);
	if (!error)
		error = start_reader(segment, ret_refusal);
	if (error) {
		store_segment_close(segment);
		return error;
	}
	/* The hook that was there before, ours now, was none. */
	(void)sqlite3_wal_hook(segment->db.sqlite, note_commit, segment);
	return 0;
}

void store_segment_close(struct store_segment *segment)
{
	(void)sqlite3_finalize(segment->insert);
	(void)sqlite3_finalize(segment->reader);
	if (segment->db.sqlite)
		store_db_close(&segment->db);
	*segment = (struct store_segment){0};
}

int store_segment_write(struct store_segment *segment, const struct store_batch *batch,
			struct store_refusal *ret_refusal)
{
	struct store_log_row row = {
		.first_zxid = batch->first_zxid,
		.last_zxid = batch->last_zxid,
		.committed_zxid = batch->committed_zxid,
		.previous_zxid = batch->previous_zxid,
	};
	struct bytes txns = buf_bytes(&batch->txns);
	int error;

	ASSERT(batch->count > 0);
	/* Binding a number to a parameter that is there can't fail. */
	(void)sqlite3_bind_int64(segment->insert, 1, row.first_zxid);
	(void)sqlite3_bind_int64(segment->insert, 2, row.last_zxid);
	(void)sqlite3_bind_int64(segment->insert, 3, row.committed_zxid);
	(void)sqlite3_bind_int64(segment->insert, 4, row.previous_zxid);
	(void)sqlite3_bind_int64(segment->insert, 5, checksum_of(&row, txns));
	store_bind_bytes(segment->insert, 6, txns);
	error = store_db_step(&segment->db, segment->insert, ret_refusal);
	if (error)
		return error;
	segment->size += batch->txns.size;
	return 0;
}

static size_t frames_of(size_t size)
{
	return size / STORE_SEGMENT_PAGE_SIZE + WAL_FRAMES_MIN;
}

bool store_segment_is_full(const struct store_segment *segment, size_t size)
{
	return segment->size >= size || segment->wal_frame_count >= frames_of(size);
}

size_t store_segment_wal_size(size_t size)
{
	return STORE_WAL_HEADER_SIZE +
	       frames_of(size) * (STORE_WAL_FRAME_HEADER_SIZE + STORE_SEGMENT_PAGE_SIZE);
}

/* ---- reading ---- */

int store_segment_span(struct store_db *db, bool *ret_has_rows, struct store_segment_span *ret_span,
		       struct store_refusal *ret_refusal)
{
	sqlite3_stmt *statement;
	struct store_segment_span span;
	int error;

	error = store_db_prepare(db,
				 "select f.first_zxid, l.last_zxid, l.committed_zxid, "
				 "f.previous_zxid from "
				 "(select * from log order by first_zxid limit 1) f, "
				 "(select * from log order by first_zxid desc limit 1) l",
				 &statement, ret_refusal);
	if (error)
		return error;
	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		span.first_zxid = sqlite3_column_int64(statement, 0);
		span.last_zxid = sqlite3_column_int64(statement, 1);
		span.committed_zxid = sqlite3_column_int64(statement, 2);
		span.previous_zxid = sqlite3_column_int64(statement, 3);
		*ret_span = span;
		*ret_has_rows = true;
		break;
	case SQLITE_DONE:
		*ret_has_rows = false;
		break;
	default:
		error = store_db_refuse(db, ret_refusal);
	}
	(void)sqlite3_finalize(statement);
	return error;
}

int store_segment_size_up_to(struct store_db *db, zxid_t zxid, size_t *size,
			     struct store_refusal *ret_refusal)
{
	sqlite3_stmt *statement;
	int error;

	error = store_db_prepare(
		db, "select coalesce(sum(length(txns)), 0) from log where first_zxid <= ?",
		&statement, ret_refusal);
	if (error)
		return error;
	/* Binding a number to a parameter that is there can't fail. */
	(void)sqlite3_bind_int64(statement, 1, zxid);
	if (sqlite3_step(statement) == SQLITE_ROW)
		*size += (size_t)sqlite3_column_int64(statement, 0);
	else
		error = store_db_refuse(db, ret_refusal);
	(void)sqlite3_finalize(statement);
	return error;
}

static int row_damaged(const struct store_db *db, const struct store_log_row *row, const char *what,
		       struct store_refusal *ret_refusal)
{
	return store_db_damaged(db, ret_refusal, "the row of zxid 0x%" PRIx64 ": %s",
				(uint64_t)row->first_zxid, what);
}

/* The transaction at *at, which moves behind it; false at anything that can't be one. */
static bool next_txn(struct bytes txns, size_t *at, zxid_t *ret_zxid, struct bytes *ret_txn)
{
	const uint8_t *begin = (const uint8_t *)txns.data + *at;
	size_t left = bytes_size(txns) - *at;
	size_t size;

	if (left < STORE_TXN_HEADER_SIZE)
		return false;
	size = endian_get_u32(begin + 8);
	if (size > left - STORE_TXN_HEADER_SIZE)
		return false;
	*ret_zxid = (zxid_t)endian_get_u64(begin);
	*ret_txn = bytes_of(begin + STORE_TXN_HEADER_SIZE, size);
	*at += STORE_TXN_HEADER_SIZE + size;
	return true;
}

static int read_txns(struct store_db *db, const struct store_log_row *row, struct bytes txns,
		     store_txn_fn *on_txn, void *data, struct store_refusal *ret_refusal)
{
	zxid_t last = row->previous_zxid;
	int error = 0;

	for (size_t at = 0; !error && at < bytes_size(txns);) {
		struct bytes txn;
		zxid_t zxid;
		bool is_first = at == 0;

		if (!next_txn(txns, &at, &zxid, &txn) || zxid <= last ||
		    (is_first && zxid != row->first_zxid))
			return row_damaged(db, row, "a transaction in it", ret_refusal);
		last = zxid;
		error = on_txn(zxid, txn, data, ret_refusal);
	}
	if (!error && last != row->last_zxid)
		return row_damaged(db, row, "its last transaction", ret_refusal);
	return error;
}

static struct store_log_row read_columns(sqlite3_stmt *statement)
{
	return (struct store_log_row){
		.first_zxid = sqlite3_column_int64(statement, 0),
		.last_zxid = sqlite3_column_int64(statement, 1),
		.committed_zxid = sqlite3_column_int64(statement, 2),
		.previous_zxid = sqlite3_column_int64(statement, 3),
	};
}

static int read_row(struct store_db *db, sqlite3_stmt *statement, store_row_fn *on_row,
		    store_txn_fn *on_txn, void *data, struct store_refusal *ret_refusal)
{
	struct store_log_row row = read_columns(statement);
	struct bytes txns = store_column_bytes(statement, 5);
	int error;

	if (sqlite3_column_int64(statement, 4) != checksum_of(&row, txns))
		return row_damaged(db, &row, "its checksum is wrong", ret_refusal);
	error = on_row(&row, data, ret_refusal);
	return error ? error : read_txns(db, &row, txns, on_txn, data, ret_refusal);
}

int store_segment_read(struct store_db *db, store_row_fn *on_row, store_txn_fn *on_txn, void *data,
		       struct store_refusal *ret_refusal)
{
	sqlite3_stmt *statement;
	int error;
	int code;

	error = store_db_prepare(db,
				 "select first_zxid, last_zxid, committed_zxid, previous_zxid, "
				 "checksum, txns from log order by first_zxid",
				 &statement, ret_refusal);
	if (error)
		return error;
	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW)
		error = read_row(db, statement, on_row, on_txn, data, ret_refusal);
	if (!error && code != SQLITE_DONE)
		error = store_db_refuse(db, ret_refusal);
	(void)sqlite3_finalize(statement);
	return error;
}

/* ---- cutting ---- */

/* The row's transactions up to zxid; the row becomes one of those alone. False if zxid isn't there.
 */
static bool cut_row(struct store_log_row *row, struct bytes *txns, zxid_t zxid)
{
	struct bytes txn;
	zxid_t last = row->previous_zxid;
	size_t at = 0;

	while (last < zxid && at < bytes_size(*txns))
		if (!next_txn(*txns, &at, &last, &txn))
			return false;
	if (last != zxid)
		return false;
	row->last_zxid = zxid;
	if (row->committed_zxid > zxid)
		row->committed_zxid = zxid;
	*txns = bytes_of(txns->data, at);
	return true;
}

static int rewrite_row(struct store_db *db, const struct store_log_row *row, struct bytes txns,
		       struct store_refusal *ret_refusal)
{
	sqlite3_stmt *statement;
	int error;

	error = store_db_prepare(db,
				 "update log set (last_zxid, committed_zxid, checksum, txns) = "
				 "(?, ?, ?, ?) where first_zxid = ?",
				 &statement, ret_refusal);
	if (error)
		return error;
	/* Binding a number to a parameter that is there can't fail. */
	(void)sqlite3_bind_int64(statement, 1, row->last_zxid);
	(void)sqlite3_bind_int64(statement, 2, row->committed_zxid);
	(void)sqlite3_bind_int64(statement, 3, checksum_of(row, txns));
	store_bind_bytes(statement, 4, txns);
	(void)sqlite3_bind_int64(statement, 5, row->first_zxid);
	error = store_db_step(db, statement, ret_refusal);
	(void)sqlite3_finalize(statement);
	return error;
}

/* The last row that is left ends with zxid, or has to. */
static int cut_last_row(struct store_db *db, sqlite3_stmt *statement, zxid_t zxid,
			struct store_refusal *ret_refusal)
{
	struct store_log_row row = read_columns(statement);
	struct bytes txns = store_column_bytes(statement, 5);

	if (sqlite3_column_int64(statement, 4) != checksum_of(&row, txns))
		return row_damaged(db, &row, "its checksum is wrong", ret_refusal);
	if (row.last_zxid == zxid)
		return 0;
	if (!cut_row(&row, &txns, zxid))
		return row_damaged(db, &row, "the transaction to cut behind isn't there",
				   ret_refusal);
	return rewrite_row(db, &row, txns, ret_refusal);
}

static int cut_rows(struct store_db *db, zxid_t zxid, struct store_refusal *ret_refusal)
{
	char *drop = mem_printf("delete from log where first_zxid > %" PRId64, zxid);
	sqlite3_stmt *statement;
	int error;

	error = store_db_run(db, drop, ret_refusal);
	free(drop);
	if (!error)
		error = store_db_prepare(db,
					 "select first_zxid, last_zxid, committed_zxid, "
					 "previous_zxid, checksum, txns from log "
					 "order by first_zxid desc limit 1",
					 &statement, ret_refusal);
	if (error)
		return error;
	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		error = cut_last_row(db, statement, zxid, ret_refusal);
		break;
	case SQLITE_DONE:
		error = store_db_damaged(db, ret_refusal, "its rows are missing");
		break;
	default:
		error = store_db_refuse(db, ret_refusal);
	}
	(void)sqlite3_finalize(statement);
	return error;
}

/*
 * The WAL is emptied before, because of what a torn commit may have left in it,
 * and behind, because rot there looks like a torn commit and would bring back
 * what was cut.
 */
int store_segment_cut(const struct store_dir *dir, const char *path, zxid_t zxid,
		      struct store_refusal *ret_refusal)
{
	struct store_db db;
	int error;

	error = store_wal_check(path, ret_refusal);
	if (!error)
		error = store_db_open(&db, dir->vfs, path, ret_refusal);
	if (error)
		return error;
	error = store_db_checkpoint(&db, SQLITE_CHECKPOINT_TRUNCATE, ret_refusal);
	if (!error)
		error = store_db_run(&db, "pragma cache_spill = off; begin immediate", ret_refusal);
	if (!error)
		error = cut_rows(&db, zxid, ret_refusal);
	if (!error)
		error = store_db_run(&db, "commit", ret_refusal);
	if (!error)
		error = store_db_checkpoint(&db, SQLITE_CHECKPOINT_TRUNCATE, ret_refusal);
	store_db_close(&db);
	return error;
}
