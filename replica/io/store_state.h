#ifndef IO_STORE_STATE_H
#define IO_STORE_STATE_H

#include <stdint.h>

#include "replica/io/store_db.h"
#include "replica/io/store_dir.h"
#include "src/zk/zxid.h"

/*
 * state.db: what of the other files is valid, in one row. All of it changes in
 * one commit.
 */
struct store_state_row {
	int64_t myid; /* STORE_MYID_NONE */
	int64_t accepted_epoch;
	int64_t current_epoch;
	uint32_t generation;
	zxid_t base_zxid;
	/* The newest log segment, by its first zxid: its file must be there. 0 for none. */
	zxid_t segment_zxid;
	/* At least so much is logged: written when a segment begins, and at start and close. */
	zxid_t logged_zxid;
	/* The log above it is void, and being removed (store_truncate.c); STORE_TRUNCATE_NONE. */
	zxid_t truncate_zxid;
};

enum { STORE_TRUNCATE_NONE = -1 };

struct store_state_db {
	struct store_db db;
	sqlite3_stmt *update;
	struct store_state_row row; /* as it is on disk */
};

/* Make the file that makes the rest valid: last of all in a new store. */
int store_state_make(const struct store_dir *dir, const struct store_state_row *row,
		     struct store_refusal *ret_refusal);

int store_state_open(struct store_state_db *state, const struct store_dir *dir,
		     struct store_refusal *ret_refusal);
/* Takes one that is all zeros. */
void store_state_close(struct store_state_db *state);

/* Durable when it returns. */
int store_state_write(struct store_state_db *state, const struct store_state_row *row,
		      struct store_refusal *ret_refusal);

#endif
