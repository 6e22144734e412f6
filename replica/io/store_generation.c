/* Generations as the loop thread sees them: what is staged, installed, aborted. */
#include <stdlib.h>

#include "replica/io/store_work.h"
#include "src/base/mem.h"

enum {
	/* Rows that go to the tree worker, and into one commit, together: 1 MiB of a segment. */
	BATCH_SHARE = 64,
	/* What a row takes besides its bytes. */
	ROW_SIZE = sizeof(struct store_change),
};

static bool is_staging(const struct store *store)
{
	return store->staged_generation != 0 && !store->is_installing;
}

void store_begin_generation(struct store *store, zxid_t base_zxid)
{
	struct store_job *job;

	ASSERT(store->is_loaded && store->staged_generation == 0 && base_zxid >= 0);
	store->staged_generation = ++store->last_generation;
	store->staged_base_zxid = base_zxid;
	store->staged_logged_zxid = base_zxid;
	store->valid_appended_zxid = store->appended_zxid;
	store_lock(store);
	job = store_new_job(store, STORE_JOB_BEGIN);
	job->generation = store->staged_generation;
	job->zxid = base_zxid;
	store_wake(store, STORE_LOG_WORKER);
	store_unlock(store);
	store->appended_zxid = base_zxid;
}

/* ---- rows ---- */

static struct store_stage_batch *open_batch(struct store *store)
{
	if (!store->filling) {
		store->filling = mem_zalloc(sizeof(*store->filling));
		store->filling->generation = store->staged_generation;
		store->filling->rows = store_writeout_new(STORE_TREE_NOT_WHOLE, 0);
	}
	return store->filling;
}

static void hand_over(struct store *store)
{
	struct store_stage_batch *batch = store->filling;

	store->filling = NULL;
	store_lock(store);
	list_append(&store->stage_batches, &batch->link);
	store->stage_size += batch->size;
	store_wake(store, STORE_TREE_WORKER);
	store_unlock(store);
}

static void stage(struct store *store, const struct tree_change *change, size_t size)
{
	struct store_stage_batch *batch = open_batch(store);

	ASSERT(is_staging(store));
	store_writeout_add(batch->rows, change);
	batch->size += ROW_SIZE + size;
	if (batch->size >= store->segment_size / BATCH_SHARE)
		hand_over(store);
}

void store_stage_row(struct store *store, const struct tree_row *row)
{
	struct tree_change change = {.type = TREE_ZNODE_PUT, .row = *row};

	stage(store, &change,
	      bytes_size(row->path) + bytes_size(row->data) + bytes_size(row->acls.encoded));
}

void store_stage_session(struct store *store, session_id_t id, int32_t timeout_ms)
{
	struct tree_change change = {
		.type = TREE_SESSION_PUT, .session_id = id, .timeout_ms = timeout_ms};

	stage(store, &change, 0);
}

bool store_can_stage(struct store *store)
{
	bool has_room;

	store_lock(store);
	has_room = store->stage_size < STORE_STAGE_SIZE_MAX;
	store_unlock(store);
	return has_room;
}

/* ---- the end ---- */

void store_install_generation(struct store *store, uint64_t digest, int64_t accepted_epoch,
			      int64_t current_epoch)
{
	struct store_stage_batch *last = open_batch(store);
	struct store_job *job;

	ASSERT(is_staging(store));
	last->is_last = true;
	last->rows->zxid = store->staged_base_zxid;
	last->rows->digest = digest;
	hand_over(store);
	store->is_installing = true;
	store->staged_digest = digest;
	store->state.accepted_epoch = accepted_epoch;
	store->state.current_epoch = current_epoch;
	store_lock(store);
	job = store_new_job(store, STORE_JOB_INSTALL);
	job->generation = store->staged_generation;
	job->accepted_epoch = accepted_epoch;
	job->current_epoch = current_epoch;
	store_wake(store, STORE_LOG_WORKER);
	store_unlock(store);
}

/* The tree that was handed over before the generation was begun is told by now. */
void store_tell_installed(struct store *store)
{
	ASSERT(store->is_installing && store->writeout_count == 0);
	store->state.generation = store->staged_generation;
	store->state.base_zxid = store->staged_base_zxid;
	store->state.tree_zxid = store->staged_base_zxid;
	store->state.tree_digest = store->staged_digest;
	store->state.logged_zxid = store->staged_logged_zxid;
	store->handed_zxid = store->staged_base_zxid;
	store_lag_release(&store->lag);
	store->lag = store->staged_lag;
	store->staged_lag = (struct store_lag_meter){0};
	store->staged_generation = 0;
	store->is_installing = false;
}

/* Rows that wait are dropped; one batch may be with the worker, whose file goes later. */
static void drop_batches(struct store *store)
{
	store_stage_batch_free(store->filling);
	store->filling = NULL;
	store_lock(store);
	list_for_each_safe (&store->stage_batches, at) {
		struct store_stage_batch *batch = list_item(at, struct store_stage_batch, link);

		list_remove(at);
		store->stage_size -= batch->size;
		store_stage_batch_free(batch);
	}
	store_unlock(store);
}

void store_abort_generation(struct store *store)
{
	ASSERT(is_staging(store));
	drop_batches(store);
	store_lag_release(&store->staged_lag);
	store->staged_lag = (struct store_lag_meter){0};
	store->staged_generation = 0;
	store->appended_zxid = store->valid_appended_zxid;
	store_lock(store);
	(void)store_new_job(store, STORE_JOB_ABORT);
	store_wake(store, STORE_LOG_WORKER);
	store_unlock(store);
}

void store_release_generations(struct store *store)
{
	drop_batches(store);
	store_lag_release(&store->staged_lag);
	store_tree_close(&store->staged_tree);
	free(store->parked.segments);
	list_for_each_safe (&store->voids, at) {
		list_remove(at);
		free(list_item(at, struct store_void, link));
	}
}
