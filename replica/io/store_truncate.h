#ifndef IO_STORE_TRUNCATE_H
#define IO_STORE_TRUNCATE_H

#include "replica/io/store_dir.h"
#include "replica/io/store_state.h"
#include "replica/io/store_work.h"

/*
 * Dropping the end of the log takes several steps, of which a crash may leave
 * any part. So state.db says first, in one commit, above which zxid the log is
 * void (truncate_zxid): that is the moment at which the new log takes the place
 * of the old one. The segments above it are then removed, the row that it lies
 * in is shortened, and state.db forgets it. Whoever finds it at start finishes
 * that before the log is read.
 */

/* 0 at once if state.db says nothing of a truncation. No segment may be open. */
int store_truncate_finish(const struct store_dir *dir, struct store_state_db *state,
			  struct store_refusal *ret_refusal);

/* The log worker's: all of it. zxid must be the log's, or where it begins. */
int store_truncate_log(struct store *store, zxid_t zxid, struct store_refusal *ret_refusal);

#endif
