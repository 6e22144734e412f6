#ifndef IO_STORE_RECOVER_H
#define IO_STORE_RECOVER_H

#include "replica/io/store_dir.h"
#include "replica/io/store_state.h"

/*
 * Read the log at start: find what damage can be told by, and hand out the
 * transactions above the tree.
 */

/* What is known of a log segment while it lies there. */
struct store_segment_mark {
	zxid_t first_zxid;
	zxid_t previous_zxid; /* of the transaction before the first; 0 if it lies below the tree */
};

struct store_recovered {
	zxid_t logged_zxid;
	zxid_t committed_zxid;
	struct store_segment_mark *segments; /* with rows; ascending; the caller frees them */
	size_t segment_count;
	zxid_t empty_segment; /* the newest one, begun and never committed to; 0 for none */
};

typedef int store_recover_fn(zxid_t zxid, struct bytes txn, bool committed, void *data,
			     struct store_refusal *ret_refusal);

struct store_recover_handler {
	store_recover_fn *txn;
	store_recover_fn *history; /* NULL: nobody wants any */
	size_t history_size_max;
	void *data;
};

/*
 * If somebody wants history, as much as there is of what lies at or below
 * tree_zxid and is not more than history_size_max goes before, as committed;
 * it reaches up to tree_zxid without a gap. txn gets every transaction above tree_zxid, each once
 * the row it is in was checked. Nothing is changed on disk. On an error nothing is set.
 */
int store_recover_log(const struct store_dir *dir, const struct store_state_row *state,
		      zxid_t tree_zxid, const struct store_recover_handler *handler,
		      struct store_recovered *ret_recovered, struct store_refusal *ret_refusal);

#endif
