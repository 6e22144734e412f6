/*
 * The log is segments of rows, and every row names the zxid before its first.
 * So from some row on, which goes on at or below the tree's zxid, each must go
 * on where the one before ended:
 *
 *	tree 12		log.1.000a.db			log.1.0011.db
 *			| 9: 10..10 | 10: 11..16 |	| 16: 17..18 | 18: 19..25 |
 *			       (12 lies in here)
 *
 * The search begins with the newest segment and ends at the first that begins
 * at or below the tree; older ones are not needed and not looked at. What can't
 * be told by this chain, lost rows at the very end, is told by the WAL
 * (store_wal.h), by the structure of the pages, and by state.db, which knows
 * the newest segment and a zxid that had been logged.
 */
#include "replica/io/store_recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "replica/io/store_segment.h"
#include "replica/io/store_wal.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

struct open_segment {
	struct store_db db;
	struct store_segment_span span;
	bool has_rows;
};

struct recovery {
	const struct store_dir *dir;
	const struct store_state_row *state;
	zxid_t tree_zxid;
	const struct store_recover_handler *handler;
	struct store_refusal *ret_refusal;

	zxid_t *first_zxids; /* of all segments, those with an index from oldest on are open */
	struct open_segment *segments;
	size_t count;
	size_t oldest;
	size_t history_size; /* of the rows that begin at or below the tree */
	bool newest_is_empty;

	zxid_t committed_zxid;
	struct store_db *db; /* being read */
	zxid_t last_zxid;    /* of the rows read */
	bool has_seen_tree;  /* whether the tree's zxid is one of the log */
	size_t skip_size;    /* so much history is too much */
};

static int open_segment(struct recovery *recovery, size_t index)
{
	struct open_segment *segment = &recovery->segments[index];
	zxid_t first_zxid = recovery->first_zxids[index];
	struct store_refusal *ret_refusal = recovery->ret_refusal;
	char *path = store_dir_log(recovery->dir, recovery->state->generation, first_zxid);
	int error;

	error = store_wal_check(path, ret_refusal);
	if (!error)
		error = store_db_open(&segment->db, recovery->dir->vfs, path, ret_refusal);
	if (!error)
		error = store_db_check(&segment->db, ret_refusal);
	if (!error)
		error = store_segment_span(&segment->db, &segment->has_rows, &segment->span,
					   ret_refusal);
	if (!error && segment->has_rows && segment->span.first_zxid != first_zxid)
		error = store_db_damaged(&segment->db, ret_refusal,
					 "its first row is that of zxid 0x%" PRIx64,
					 (uint64_t)segment->span.first_zxid);
	if (!error && recovery->handler->history)
		error = store_segment_size_up_to(&segment->db, recovery->tree_zxid,
						 &recovery->history_size, ret_refusal);
	free(path);
	return error;
}

/* Open from the newest back to the one that begins at or below the tree. */
static int open_needed(struct recovery *recovery)
{
	struct open_segment *segment;
	int error;

	while (recovery->oldest > 0) {
		segment = &recovery->segments[--recovery->oldest];
		error = open_segment(recovery, recovery->oldest);
		if (error)
			return error;
		if (segment->has_rows && segment->span.previous_zxid <= recovery->tree_zxid)
			return 0;
		if (segment->has_rows)
			continue;
		/* A crash can have come between a segment's name and its first row. */
		if (recovery->oldest < recovery->count - 1)
			return store_db_damaged(&segment->db, recovery->ret_refusal,
						"its rows are missing");
		recovery->newest_is_empty = true;
	}
	return 0;
}

/* And older ones, until there is history enough. */
static int open_history(struct recovery *recovery)
{
	const struct store_recover_handler *handler = recovery->handler;
	int error = 0;

	if (!handler->history)
		return 0;
	while (!error && recovery->oldest > 0 &&
	       recovery->history_size < handler->history_size_max) {
		error = open_segment(recovery, --recovery->oldest);
		if (!error && !recovery->segments[recovery->oldest].has_rows)
			error = store_db_damaged(&recovery->segments[recovery->oldest].db,
						 recovery->ret_refusal, "its rows are missing");
	}
	if (recovery->history_size > handler->history_size_max)
		recovery->skip_size = recovery->history_size - handler->history_size_max;
	return error;
}

static bool has_segment(const struct recovery *recovery, zxid_t first_zxid)
{
	for (size_t i = 0; i < recovery->count; i++)
		if (recovery->first_zxids[i] == first_zxid)
			return true;
	return false;
}

static int check_newest_is_there(struct recovery *recovery)
{
	zxid_t newest = recovery->state->segment_zxid;
	char *path;
	int error;

	if (newest == 0 || has_segment(recovery, newest))
		return 0;
	path = store_dir_log(recovery->dir, recovery->state->generation, newest);
	error = store_refuse(recovery->ret_refusal, -EBADMSG, "%s is missing", path);
	free(path);
	return error;
}

/* ---- reading the rows ---- */

static int read_row(const struct store_log_row *row, void *data, struct store_refusal *ret_refusal)
{
	struct recovery *recovery = data;

	if (row->previous_zxid != recovery->last_zxid)
		return store_db_damaged(recovery->db, ret_refusal,
					"the row of zxid 0x%" PRIx64 " goes on from 0x%" PRIx64
					", the one before ends at 0x%" PRIx64,
					(uint64_t)row->first_zxid, (uint64_t)row->previous_zxid,
					(uint64_t)recovery->last_zxid);
	return 0;
}

/* The oldest goes first, so what is too much is left out at the beginning. */
static int read_history(struct recovery *recovery, zxid_t zxid, struct bytes txn,
			struct store_refusal *ret_refusal)
{
	const struct store_recover_handler *handler = recovery->handler;
	size_t size = STORE_TXN_HEADER_SIZE + bytes_size(txn);

	if (!handler->history)
		return 0;
	if (recovery->skip_size == 0)
		return handler->history(zxid, txn, true, handler->data, ret_refusal);
	recovery->skip_size = recovery->skip_size > size ? recovery->skip_size - size : 0;
	return 0;
}

static int read_txn(zxid_t zxid, struct bytes txn, void *data, struct store_refusal *ret_refusal)
{
	struct recovery *recovery = data;

	recovery->last_zxid = zxid;
	if (zxid == recovery->tree_zxid)
		recovery->has_seen_tree = true;
	if (zxid <= recovery->tree_zxid)
		return read_history(recovery, zxid, txn, ret_refusal);
	return recovery->handler->txn(zxid, txn, zxid <= recovery->committed_zxid,
				      recovery->handler->data, ret_refusal);
}

static int read_rows(struct recovery *recovery)
{
	int error = 0;

	for (size_t i = recovery->oldest; !error && i < recovery->count; i++) {
		if (!recovery->segments[i].has_rows)
			continue;
		recovery->db = &recovery->segments[i].db;
		error = store_segment_read(recovery->db, read_row, read_txn, recovery,
					   recovery->ret_refusal);
	}
	return error;
}

/* ---- the positions ---- */

static const struct open_segment *newest_with_rows(const struct recovery *recovery)
{
	size_t count = recovery->count - (recovery->newest_is_empty ? 1 : 0);

	return count > recovery->oldest ? &recovery->segments[count - 1] : NULL;
}

static int refuse_gap(const struct recovery *recovery, zxid_t begin)
{
	return store_refuse(recovery->ret_refusal, -EBADMSG,
			    "%s: the log goes on from zxid 0x%" PRIx64
			    ", but the tree ends at 0x%" PRIx64,
			    recovery->dir->log, (uint64_t)begin, (uint64_t)recovery->tree_zxid);
}

/* Before the first row: the log must reach down to the tree. */
static int begin_chain(struct recovery *recovery)
{
	const struct open_segment *newest = newest_with_rows(recovery);
	zxid_t begin = recovery->state->base_zxid;

	if (newest)
		begin = recovery->segments[recovery->oldest].span.previous_zxid;
	if (begin > recovery->tree_zxid || begin < recovery->state->base_zxid)
		return refuse_gap(recovery, begin);
	recovery->last_zxid = begin;
	recovery->has_seen_tree = begin == recovery->tree_zxid;
	recovery->committed_zxid = recovery->tree_zxid;
	if (newest && newest->span.committed_zxid > recovery->committed_zxid)
		recovery->committed_zxid = newest->span.committed_zxid;
	return 0;
}

/* Behind the last row: nothing that was there may be missing. */
static int end_chain(const struct recovery *recovery)
{
	zxid_t logged = recovery->last_zxid;

	if (!recovery->has_seen_tree)
		return store_refuse(recovery->ret_refusal, -EBADMSG,
				    "%s: the tree ends at zxid 0x%" PRIx64
				    ", which the log, up to 0x%" PRIx64 ", does not have",
				    recovery->dir->log, (uint64_t)recovery->tree_zxid,
				    (uint64_t)logged);
	if (logged < recovery->state->logged_zxid)
		return store_refuse(recovery->ret_refusal, -EBADMSG,
				    "%s: the log ends at zxid 0x%" PRIx64 ", but 0x%" PRIx64
				    " had been logged",
				    recovery->dir->log, (uint64_t)logged,
				    (uint64_t)recovery->state->logged_zxid);
	return 0;
}

static void report(const struct recovery *recovery, struct store_recovered *ret_recovered)
{
	size_t count = recovery->count - (recovery->newest_is_empty ? 1 : 0);
	struct store_segment_mark *marks = mem_zalloc((count + 1) * sizeof(*marks));

	for (size_t i = 0; i < count; i++) {
		marks[i].first_zxid = recovery->first_zxids[i];
		if (i >= recovery->oldest)
			marks[i].previous_zxid = recovery->segments[i].span.previous_zxid;
	}
	*ret_recovered = (struct store_recovered){
		.logged_zxid = recovery->last_zxid,
		.committed_zxid = recovery->committed_zxid,
		.segments = marks,
		.segment_count = count,
		.empty_segment =
			recovery->newest_is_empty ? recovery->first_zxids[recovery->count - 1] : 0,
	};
}

int store_recover_log(const struct store_dir *dir, const struct store_state_row *state,
		      zxid_t tree_zxid, const struct store_recover_handler *handler,
		      struct store_recovered *ret_recovered, struct store_refusal *ret_refusal)
{
	struct recovery recovery = {
		.dir = dir,
		.state = state,
		.tree_zxid = tree_zxid,
		.handler = handler,
		.ret_refusal = ret_refusal,
	};
	int error;

	error = store_dir_list_logs(dir, state->generation, &recovery.first_zxids, &recovery.count,
				    ret_refusal);
	if (error)
		return error;
	recovery.segments = mem_zalloc((recovery.count + 1) * sizeof(*recovery.segments));
	recovery.oldest = recovery.count;
	error = check_newest_is_there(&recovery);
	if (!error)
		error = open_needed(&recovery);
	if (!error)
		error = open_history(&recovery);
	if (!error)
		error = begin_chain(&recovery);
	if (!error)
		error = read_rows(&recovery);
	if (!error)
		error = end_chain(&recovery);
	if (!error)
		report(&recovery, ret_recovered);
	for (size_t i = 0; i < recovery.count; i++)
		if (recovery.segments[i].db.sqlite)
			store_db_close(&recovery.segments[i].db);
	free(recovery.segments);
	free(recovery.first_zxids);
	return error;
}
