/*
 * A generation on its way, as the workers see it.
 *
 *	log worker	... batch | BEGIN | batch batch | INSTALL or ABORT | batch ...
 *			log of g  |       | log of s	|		   | log of s, or of g
 *
 *	tree worker		  rows of s, rows, the last: durable
 *
 * The log worker parks the valid log and goes on in the staged one, as if it
 * were the only one, but state.db hears nothing of it. INSTALL waits until the
 * tree worker has made the staged tree durable; its commit in state.db is the
 * moment at which s is valid and g void. What is void the tree worker removes
 * then, and in the case of INSTALL opens the tree of s before.
 */
#include <stdlib.h>

#include "replica/io/store_tree.h"
#include "replica/io/store_work.h"
#include "src/base/mem.h"

/* With the mutex held. */
static void add_void(struct store *store, uint32_t generation, uint32_t successor)
{
	struct store_void *added = mem_zalloc(sizeof(*added));

	added->generation = generation;
	added->successor = successor;
	list_append(&store->voids, &added->link);
	store_wake(store, STORE_TREE_WORKER);
}

/* ---- the log worker ---- */

void store_stage_begin(struct store *store, const struct store_job *job)
{
	store_segment_close(&store->segment);
	store->staged_state = (struct store_state_row){
		.generation = job->generation,
		.base_zxid = job->zxid,
		.truncate_zxid = STORE_TRUNCATE_NONE,
	};
	store_lock(store);
	ASSERT(store->parked.generation == 0);
	store->parked = (struct store_parked_log){
		.generation = store->generation,
		.next = store->next,
		.segments = store->segments,
		.segment_count = store->segment_count,
		.tree_zxid = store->tree_zxid,
		.durable_zxid = store->durable_zxid,
	};
	store->generation = job->generation;
	store->next = STORE_NEXT_NONE;
	store->segments = NULL;
	store->segment_count = 0;
	store->tree_zxid = job->zxid;
	store->durable_zxid = job->zxid;
	store_unlock(store);
}

int store_stage_install(struct store *store, const struct store_job *job,
			struct store_refusal *ret_refusal)
{
	struct store_state_row row = store->staged_state;
	int error;

	row.myid = store->state_db.row.myid;
	row.accepted_epoch = job->accepted_epoch;
	row.current_epoch = job->current_epoch;
	row.logged_zxid = store->durable_zxid;
	error = store_state_write(&store->state_db, &row, ret_refusal);
	if (error)
		return error;
	store_lock(store);
	add_void(store, store->parked.generation, row.generation);
	free(store->parked.segments);
	store->parked = (struct store_parked_log){0};
	store->next = STORE_NEXT_WANTED;
	store_unlock(store);
	return 0;
}

void store_stage_abort(struct store *store)
{
	store_segment_close(&store->segment);
	store_lock(store);
	add_void(store, store->generation, 0);
	free(store->segments);
	store->generation = store->parked.generation;
	store->next = store->parked.next;
	store->segments = store->parked.segments;
	store->segment_count = store->parked.segment_count;
	store->tree_zxid = store->parked.tree_zxid;
	store->durable_zxid = store->parked.durable_zxid;
	store->parked = (struct store_parked_log){0};
	store_unlock(store);
}

/* ---- the tree worker: what is void ---- */

static void close_staged_tree(struct store *store)
{
	store_tree_close(&store->staged_tree);
	store->staged_tree_generation = 0;
}

static int replace_tree(struct store *store, uint32_t generation, struct store_refusal *ret_refusal)
{
	store_tree_close(&store->tree);
	/* The WAL that was kept is of the log that is void, too. */
	store->spare.has_old = false;
	return store_tree_open(&store->tree, &store->dir, generation, ret_refusal);
}

bool store_stage_work_on_void(struct store *store, int *ret_error,
			      struct store_refusal *ret_refusal)
{
	struct store_void *first = NULL;
	int error = 0;

	store_lock(store);
	if (!list_is_empty(&store->voids))
		first = list_item(list_first(&store->voids), struct store_void, link);
	store_unlock(store);
	if (!first)
		return false;
	if (store->staged_tree_generation == first->generation)
		close_staged_tree(store);
	if (first->successor)
		error = replace_tree(store, first->successor, ret_refusal);
	if (!error)
		error = store_dir_remove_generation(&store->dir, first->generation, ret_refusal);
	store_lock(store);
	list_remove(&first->link);
	store_unlock(store);
	free(first);
	store->events.notify(store->data);
	*ret_error = error;
	return true;
}

/* ---- the tree worker: rows ---- */

void store_stage_batch_free(struct store_stage_batch *batch)
{
	if (!batch)
		return;
	store_writeout_free(batch->rows);
	free(batch);
}

static int open_staged_tree(struct store *store, uint32_t generation,
			    struct store_refusal *ret_refusal)
{
	int error;

	if (store->staged_tree_generation == generation)
		return 0;
	/* That of a generation that was aborted, if any. */
	close_staged_tree(store);
	error = store_tree_make(&store->dir, generation, STORE_TREE_NOT_WHOLE, ret_refusal);
	if (!error)
		error = store_tree_open(&store->staged_tree, &store->dir, generation, ret_refusal);
	if (!error)
		store->staged_tree_generation = generation;
	return error;
}

/*
 * Only the last batch gives the tree its zxid; before, it is refused as not
 * whole. Nothing stays in the WAL, where rot could bring back an earlier one.
 */
static int write_batch(struct store *store, const struct store_stage_batch *batch,
		       struct store_refusal *ret_refusal)
{
	struct store_tree_db *tree = &store->staged_tree;
	int error;

	error = open_staged_tree(store, batch->generation, ret_refusal);
	if (!error)
		error = store_tree_write(tree, batch->rows, ret_refusal);
	if (!error && batch->is_last)
		error = store_db_checkpoint(&tree->db, SQLITE_CHECKPOINT_TRUNCATE, ret_refusal);
	else if (!error && store_tree_wants_checkpoint(tree))
		error = store_tree_checkpoint(tree, ret_refusal);
	if (!error && batch->is_last)
		close_staged_tree(store);
	return error;
}

static struct store_stage_batch *take_batch(struct store *store)
{
	struct list *first;

	store_lock(store);
	first = list_first(&store->stage_batches);
	if (first)
		list_remove(first);
	store_unlock(store);
	return first ? list_item(first, struct store_stage_batch, link) : NULL;
}

bool store_stage_work_on_batch(struct store *store, int *ret_error,
			       struct store_refusal *ret_refusal)
{
	struct store_stage_batch *batch = take_batch(store);
	int error;

	if (!batch)
		return false;
	error = write_batch(store, batch, ret_refusal);
	store_lock(store);
	store->stage_size -= batch->size;
	if (!error && batch->is_last) {
		store->whole_generation = batch->generation;
		store_wake(store, STORE_LOG_WORKER);
	}
	store_unlock(store);
	/* Nobody else has a reference to what is in it. */
	store_stage_batch_free(batch);
	store->events.notify(store->data);
	*ret_error = error;
	return true;
}
