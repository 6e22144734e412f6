#ifndef IO_STORE_SEGMENT_H
#define IO_STORE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "replica/io/store_db.h"
#include "replica/io/store_dir.h"
#include "src/base/buf.h"
#include "src/zk/zxid.h"

/*
 * One database of the log. It is written from its beginning, a row a commit,
 * until it is full, and then only read. A process never goes on in a segment
 * that an earlier one began: what a crash left in its WAL stays as it is.
 */

/*
 * A page is a frame of the WAL, which is checksummed and written whole. CPU a
 * transaction in bench-store with 2, 4 and 8 KiB, in us: one of 140 B a commit
 * 151, 140, 139; 16 12.3, 11.6, 11.7; 256 1.5, 1.4, 1.5; 256 of 1 KiB 3.5, 3.9,
 * 3.9; 1,024 of them 3.1, 2.9, 3.1. The smaller of equals writes less.
 */
enum { STORE_SEGMENT_PAGE_SIZE = 4096 };

/* What a transaction takes in a row besides its bytes. */
enum { STORE_TXN_HEADER_SIZE = 12 };

/* Transactions on their way into one row. */
struct store_batch {
	zxid_t first_zxid;
	zxid_t last_zxid;
	zxid_t committed_zxid;
	zxid_t previous_zxid;
	size_t count;
	struct buf txns;
};

/* Room for STORE_BATCH_SIZE_MAX, or one larger transaction. */
void store_batch_init(struct store_batch *batch);
void store_batch_release(struct store_batch *batch);
/* Begin one behind the transaction of previous_zxid. */
void store_batch_reset(struct store_batch *batch, zxid_t previous_zxid);
bool store_batch_has_room(const struct store_batch *batch, struct bytes txn);
/* There must be room. */
void store_batch_add(struct store_batch *batch, zxid_t zxid, struct bytes txn, zxid_t committed);

/* ---- writing ---- */

struct store_segment {
	struct store_db db;
	sqlite3_stmt *insert;
	sqlite3_stmt *reader;   /* at its first row, always */
	size_t size;            /* of the rows written */
	size_t wal_frame_count; /* in its WAL now */
};

/* Make an empty one; it has no name yet. */
int store_segment_make(const struct store_dir *dir, const char *path,
		       struct store_refusal *ret_refusal);

/* Open an empty one for writing. */
int store_segment_open(struct store_segment *segment, const struct store_dir *dir, const char *path,
		       struct store_refusal *ret_refusal);
/* Takes one that is all zeros. */
void store_segment_close(struct store_segment *segment);

/* Durable when it returns. */
int store_segment_write(struct store_segment *segment, const struct store_batch *batch,
			struct store_refusal *ret_refusal);

/*
 * Whether another should begin; size is what one is meant to hold, in rows or in
 * frames of its WAL, which tiny commits fill sooner.
 */
bool store_segment_is_full(const struct store_segment *segment, size_t size);

/* How long the WAL of a segment of that size gets, but for its last commit. */
size_t store_segment_wal_size(size_t size);

/*
 * Drop everything above zxid, which the segment must hold, from a closed one.
 * Durable when it returns, and not in the WAL any more.
 */
int store_segment_cut(const struct store_dir *dir, const char *path, zxid_t zxid,
		      struct store_refusal *ret_refusal);

/* ---- reading ---- */

/* First and last of a segment's rows; false if it has none. */
struct store_segment_span {
	zxid_t first_zxid;
	zxid_t last_zxid;
	zxid_t committed_zxid;
	zxid_t previous_zxid; /* of the first row */
};
int store_segment_span(struct store_db *db, bool *ret_has_rows, struct store_segment_span *ret_span,
		       struct store_refusal *ret_refusal);

/* Add the bytes of all rows that begin at or below zxid to *size. */
int store_segment_size_up_to(struct store_db *db, zxid_t zxid, size_t *size,
			     struct store_refusal *ret_refusal);

/*
 * Read the rows in order. Each row is checked by itself: checksum, order of the
 * zxids, and that it begins and ends with the transactions it says.
 */
typedef int store_row_fn(const struct store_log_row *row, void *data,
			 struct store_refusal *ret_refusal);
typedef int store_txn_fn(zxid_t zxid, struct bytes txn, void *data,
			 struct store_refusal *ret_refusal);
int store_segment_read(struct store_db *db, store_row_fn *on_row, store_txn_fn *on_txn, void *data,
		       struct store_refusal *ret_refusal);

#endif
