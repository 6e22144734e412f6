#include "replica/io/store_truncate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "replica/io/store_segment.h"
#include "src/base/assert.h"

/* The segment that zxid lies in. */
static int cut_segment(const struct store_dir *dir, const struct store_state_row *state,
		       struct store_refusal *ret_refusal)
{
	char *path = store_dir_log(dir, state->generation, state->segment_zxid);
	int error;

	if (store_dir_has(path))
		error = store_segment_cut(dir, path, state->truncate_zxid, ret_refusal);
	else
		error = store_refuse(ret_refusal, -EBADMSG, "%s is missing", path);
	free(path);
	return error;
}

int store_truncate_finish(const struct store_dir *dir, struct store_state_db *state,
			  struct store_refusal *ret_refusal)
{
	struct store_state_row row = state->row;
	int error;

	if (row.truncate_zxid == STORE_TRUNCATE_NONE)
		return 0;
	error = store_dir_remove_logs(dir, row.generation, row.truncate_zxid + 1, INT64_MAX,
				      ret_refusal);
	if (!error && row.segment_zxid != 0)
		error = cut_segment(dir, &row, ret_refusal);
	row.truncate_zxid = STORE_TRUNCATE_NONE;
	return error ? error : store_state_write(state, &row, ret_refusal);
}

/*
 * Forget the segments above zxid. The newest that is left, by its first zxid; 0
 * if all are gone, which can only be when the tree has passed all below zxid.
 */
static zxid_t forget_segments(struct store *store, zxid_t zxid)
{
	zxid_t newest = 0;

	store_lock(store);
	while (store->segment_count > 0 &&
	       store->segments[store->segment_count - 1].first_zxid > zxid)
		store->segment_count--;
	if (store->segment_count > 0)
		newest = store->segments[store->segment_count - 1].first_zxid;
	ASSERT(newest != 0 || zxid == store->tree_zxid || zxid == store->state_db.row.base_zxid);
	store_unlock(store);
	return newest;
}

/* The segment that was written is closed: the next batch begins another (lessons R15). */
int store_truncate_log(struct store *store, zxid_t zxid, struct store_refusal *ret_refusal)
{
	struct store_state_row row = store->state_db.row;
	int error;

	ASSERT(zxid >= row.base_zxid && zxid <= store->durable_zxid);
	if (zxid == store->durable_zxid)
		return 0;
	store_segment_close(&store->segment);
	row.truncate_zxid = zxid;
	row.segment_zxid = forget_segments(store, zxid);
	if (row.logged_zxid > zxid)
		row.logged_zxid = zxid;
	if (row.segment_zxid == 0)
		row.base_zxid = zxid;
	error = store_state_write(&store->state_db, &row, ret_refusal);
	if (!error)
		error = store_truncate_finish(&store->dir, &store->state_db, ret_refusal);
	return error;
}
