#include "replica/io/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replica/io/store_truncate.h"
#include "replica/io/store_work.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

/* ---- opening ---- */

/* A new store's tree may be there already: a crash came before state.db. */
static int check_tree_is_new(struct store *store, struct store_refusal *ret_refusal)
{
	struct store_tree_db tree;
	int error = store_tree_open(&tree, &store->dir, 1, ret_refusal);

	if (!error && (tree.head.zxid != 0 || tree.head.row_count != 0))
		error = store_db_damaged(&tree.db, ret_refusal, "state.db beside it is missing");
	if (!error)
		store_tree_close(&tree);
	return error;
}

/* state.db comes last: it says that the rest is there. */
static int create(struct store *store, int64_t myid, struct store_refusal *ret_refusal)
{
	struct store_state_row state = {
		.myid = myid, .generation = 1, .truncate_zxid = STORE_TRUNCATE_NONE};
	char *tree = store_dir_tree(&store->dir, state.generation);
	int error;

	error = store_dir_check_new(&store->dir, ret_refusal);
	if (!error && store_dir_has(tree))
		error = check_tree_is_new(store, ret_refusal);
	else if (!error)
		error = store_tree_make(&store->dir, state.generation, 0, ret_refusal);
	if (!error)
		error = store_state_make(&store->dir, &state, ret_refusal);
	free(tree);
	return error;
}

/* A standalone that joins an ensemble gets its first myid; after that it stays. */
static int check_myid(struct store *store, int64_t myid, struct store_refusal *ret_refusal)
{
	struct store_state_row row = store->state_db.row;

	if (myid == STORE_MYID_NONE || myid == row.myid)
		return 0;
	if (row.myid != STORE_MYID_NONE)
		return store_refuse(ret_refusal, -EINVAL,
				    "%s belongs to the server with myid %lld, not %lld",
				    store->dir.data, (long long)row.myid, (long long)myid);
	row.myid = myid;
	return store_state_write(&store->state_db, &row, ret_refusal);
}

static int open_tree(struct store *store, struct store_refusal *ret_refusal)
{
	char *path = store_dir_tree(&store->dir, store->generation);
	int error;

	if (store_dir_has(path))
		error = store_tree_open(&store->tree, &store->dir, store->generation, ret_refusal);
	else
		error = store_refuse(ret_refusal, -EBADMSG, "%s is missing", path);
	free(path);
	return error;
}

static void note_state(struct store *store)
{
	const struct store_state_row *row = &store->state_db.row;

	store->state = (struct store_state){
		.myid = row->myid,
		.accepted_epoch = row->accepted_epoch,
		.current_epoch = row->current_epoch,
		.generation = row->generation,
		.base_zxid = row->base_zxid,
		.tree_zxid = store->tree.head.zxid,
		.tree_digest = store->tree.head.digest,
	};
}

static int open_files(struct store *store, const struct store_options *options,
		      struct store_refusal *ret_refusal)
{
	int error;

	error = store_dir_open(&store->dir, options, ret_refusal);
	if (error)
		return error;
	store->dir.vfs = store->vfs;
	store->dir.append_vfs = store->append_vfs.name;
	if (store->dir.is_new)
		error = create(store, options->myid, ret_refusal);
	if (!error)
		error = store_state_open(&store->state_db, &store->dir, ret_refusal);
	if (!error)
		error = check_myid(store, options->myid, ret_refusal);
	if (error)
		return error;
	store->generation = store->state_db.row.generation;
	store->last_generation = store->generation;
	error = open_tree(store, ret_refusal);
	if (!error)
		note_state(store);
	return error;
}

static struct store *alloc_store(const struct store_options *options,
				 const struct store_events *events, void *data)
{
	struct store *store = mem_zalloc(sizeof(*store));

	store->vfs = options->vfs ? mem_strdup(options->vfs) : NULL;
	store_append_vfs_init(&store->append_vfs, store->vfs);
	store->segment_size = options->segment_size ? options->segment_size : STORE_SEGMENT_SIZE;
	store->gathers = options->gathers;
	store->events = *events;
	store->data = data;
	list_init(&store->jobs);
	store->gather_due_us = INT64_MAX;
	list_init(&store->stage_batches);
	list_init(&store->voids);
	list_init(&store->writeouts);
	list_init(&store->written);
	ASSERT(pthread_mutex_init(&store->mutex, NULL) == 0);
	for (size_t i = 0; i < 2; i++)
		ASSERT(sem_init(&store->threads[i].wake, 0, 0) == 0);
	return store;
}

static void free_writeouts(struct list *writeouts)
{
	list_for_each_safe (writeouts, at) {
		list_remove(at);
		store_writeout_free(list_item(at, struct store_writeout, link));
	}
}

static void free_store(struct store *store)
{
	ASSERT(store->snapshot_count == 0);
	store_release_generations(store);
	store_segment_close(&store->segment);
	store_tree_close(&store->tree);
	store_state_close(&store->state_db);
	store_dir_close(&store->dir);
	list_for_each_safe (&store->jobs, at) {
		list_remove(at);
		store_job_free(list_item(at, struct store_job, link));
	}
	store_job_free(store->free_job);
	free_writeouts(&store->writeouts);
	free_writeouts(&store->written);
	store_lag_release(&store->lag);
	free(store->segments);
	free(store->news);
	for (size_t i = 0; i < 2; i++)
		ASSERT(sem_destroy(&store->threads[i].wake) == 0);
	ASSERT(pthread_mutex_destroy(&store->mutex) == 0);
	store_append_vfs_release(&store->append_vfs);
	free(store->vfs);
	free(store);
}

int store_open(const struct store_options *options, const struct store_events *events, void *data,
	       struct store **ret_store, struct store_refusal *ret_refusal)
{
	struct store *store = alloc_store(options, events, data);
	int error = open_files(store, options, ret_refusal);

	if (error) {
		free_store(store);
		return error;
	}
	*ret_store = store;
	return 0;
}

/* ---- loading ---- */

struct replay {
	struct store *store;
	const struct store_loader *loader;
	void *data;
};

static int replay_txn(zxid_t zxid, struct bytes txn, bool committed, void *data,
		      struct store_refusal *ret_refusal)
{
	struct replay *replay = data;

	if (!replay->store->is_loaded)
		store_lag_add(&replay->store->lag, zxid, bytes_size(txn));
	return replay->loader->txn(zxid, txn, committed, ret_refusal, replay->data);
}

static int replay_history(zxid_t zxid, struct bytes txn, bool committed, void *data,
			  struct store_refusal *ret_refusal)
{
	struct replay *replay = data;

	return replay->loader->history(zxid, txn, ret_refusal, replay->data);
}

static int recover_log(struct store *store, const struct store_loader *loader, void *data,
		       struct store_recovered *ret_recovered, struct store_refusal *ret_refusal)
{
	struct replay replay = {.store = store, .loader = loader, .data = data};
	struct store_recover_handler handler = {
		.txn = replay_txn,
		.history = loader->history ? replay_history : NULL,
		.history_size_max = loader->history_size_max,
		.data = &replay,
	};

	return store_recover_log(&store->dir, &store->state_db.row, store->state.tree_zxid,
				 &handler, ret_recovered, ret_refusal);
}

/*
 * What a process that ended had begun, before the log is looked at: the end
 * that was truncated, and segments that the tree had passed.
 */
static int finish_begun(struct store *store, struct store_refusal *ret_refusal)
{
	const struct store_state_row *row = &store->state_db.row;
	int error = 0;

	if (row->truncate_zxid != STORE_TRUNCATE_NONE &&
	    store->state.tree_zxid > row->truncate_zxid)
		return store_db_damaged(
			&store->tree.db, ret_refusal,
			"its zxid is 0x%" PRIx64 ", but the log was truncated to 0x%" PRIx64,
			(uint64_t)store->state.tree_zxid, (uint64_t)row->truncate_zxid);
	error = store_truncate_finish(&store->dir, &store->state_db, ret_refusal);
	if (!error && row->base_zxid > 0)
		error = store_dir_remove_logs(&store->dir, store->generation, 0, row->base_zxid,
					      ret_refusal);
	return error;
}

/*
 * What was begun and never committed to goes: state.db forgets it first. And
 * what was found logged now will have to be there the next time, too.
 */
static int tidy(struct store *store, const struct store_recovered *recovered,
		struct store_refusal *ret_refusal)
{
	struct store_state_row row = store->state_db.row;
	char *empty;
	int error = 0;

	row.logged_zxid = recovered->logged_zxid;
	row.segment_zxid = 0;
	if (recovered->segment_count > 0)
		row.segment_zxid = recovered->segments[recovered->segment_count - 1].first_zxid;
	if (memcmp(&row, &store->state_db.row, sizeof(row)) != 0)
		error = store_state_write(&store->state_db, &row, ret_refusal);
	if (!error && recovered->empty_segment) {
		empty = store_dir_log(&store->dir, store->generation, recovered->empty_segment);
		error = store_dir_remove(&store->dir, empty, ret_refusal);
		free(empty);
	}
	if (!error)
		error = store_dir_remove_void(&store->dir, store->generation, ret_refusal);
	return error;
}

static void note_recovered(struct store *store, const struct store_recovered *recovered)
{
	store->segments = recovered->segments;
	store->segment_count = recovered->segment_count;
	store->tree_zxid = store->state.tree_zxid;
	store->state.logged_zxid = recovered->logged_zxid;
	store->state.committed_zxid = recovered->committed_zxid;
	store->state.is_empty = recovered->logged_zxid == 0 && store->state.current_epoch == 0;
	store->handed_zxid = store->state.tree_zxid;
	store->appended_zxid = recovered->logged_zxid;
	store->durable_zxid = recovered->logged_zxid;
	store->next = STORE_NEXT_WANTED;
	store->is_loaded = true;
}

int store_load(struct store *store, const struct store_loader *loader, void *data,
	       struct store_refusal *ret_refusal)
{
	struct store_recovered recovered;
	int error;

	ASSERT(!store->is_loaded);
	error = finish_begun(store, ret_refusal);
	if (!error)
		error = store_tree_load(&store->tree, loader, data, ret_refusal);
	if (!error)
		error = recover_log(store, loader, data, &recovered, ret_refusal);
	if (error)
		return error;
	/* What the truncation changed. */
	store->state.base_zxid = store->state_db.row.base_zxid;
	error = tidy(store, &recovered, ret_refusal);
	if (error)
		free(recovered.segments);
	else
		note_recovered(store, &recovered);
	return error;
}

/* The workers have nothing to do, so their files may be read, each by a connection of its own. */
int store_reload(struct store *store, const struct store_loader *loader, void *data,
		 struct store_refusal *ret_refusal)
{
	struct store_recovered recovered;
	struct store_tree_db tree;
	int error;

	ASSERT(store->is_loaded && store_is_idle(store));
	error = store_tree_open_to_read(&tree, &store->dir, store->generation, ret_refusal);
	if (error)
		return error;
	ASSERT(tree.head.zxid == store->state.tree_zxid);
	error = store_tree_load(&tree, loader, data, ret_refusal);
	store_tree_close(&tree);
	if (!error)
		error = recover_log(store, loader, data, &recovered, ret_refusal);
	if (error)
		return error;
	store->state.committed_zxid = recovered.committed_zxid;
	free(recovered.segments);
	return 0;
}

/* ---- working ---- */

void store_start(struct store *store)
{
	ASSERT(store->is_loaded && !store->threads[0].is_running);
	store_start_threads(store);
}

bool store_step(struct store *store, enum store_worker worker)
{
	ASSERT(store->is_loaded && !store->threads[0].is_running);
	return store_work(store, worker);
}

/* What the workers left for the loop thread, taken from under the mutex at once. */
struct news {
	struct store_news *done;
	size_t count;
	struct list written;
	bool has_failed;
};

static void take_news(struct store *store, struct news *ret_news)
{
	list_init(&ret_news->written);
	store_lock(store);
	ret_news->done = store->news;
	ret_news->count = store->news_count;
	ret_news->has_failed = store->has_failed;
	list_splice(&ret_news->written, &store->written);
	store->news = NULL;
	store->news_count = 0;
	store->news_capacity = 0;
	store_unlock(store);
}

static void tell_tree(struct store *store, struct store_writeout *written)
{
	store->state.tree_zxid = written->zxid;
	store->state.tree_digest = written->digest;
	store->writeout_count--;
	store_lag_pass(&store->lag, written->zxid);
	store_writeout_free(written);
	store->events.tree_durable(store->state.tree_zxid, store->data);
}

/* Of a generation that was aborted meanwhile nobody wants to hear. */
static void tell_log(struct store *store, const struct store_news *done)
{
	gather_durable(&store->gather, done->count, done->took_us, store_now_us());
	if (done->generation == store->staged_generation)
		store->staged_logged_zxid = done->zxid;
	else if (done->generation == store->state.generation)
		store->state.logged_zxid = done->zxid;
	else
		return;
	store->events.log_durable(done->zxid, store->data);
}

static void tell_done(struct store *store, const struct store_news *done)
{
	switch (done->type) {
	case STORE_JOB_BATCH:
		tell_log(store, done);
		break;
	case STORE_JOB_TRUNCATE:
		store->state.logged_zxid = done->zxid;
		store->state.base_zxid = done->base_zxid;
		store->events.truncated(store->data);
		break;
	case STORE_JOB_INSTALL:
		store_tell_installed(store);
		store->events.epochs_durable(store->data);
		break;
	default:
		ASSERT(done->type == STORE_JOB_EPOCHS);
		store->events.epochs_durable(store->data);
	}
}

void store_poll(struct store *store)
{
	struct news news;
	struct list *first;

	take_news(store, &news);
	/* Before all, as one that was handed over before a generation was begun is of the old. */
	while ((first = list_first(&news.written))) {
		list_remove(first);
		tell_tree(store, list_item(first, struct store_writeout, link));
	}
	for (size_t i = 0; i < news.count; i++)
		tell_done(store, &news.done[i]);
	free(news.done);
	if (news.has_failed && !store->has_told_failure) {
		store->has_told_failure = true;
		store->events.failed(store->failure.text, store->data);
	}
}

/* So that the next start knows that nothing is missing at the log's end. */
static void note_close(struct store *store)
{
	struct store_state_row row = store->state_db.row;
	struct store_refusal refusal;

	row.logged_zxid = store->durable_zxid;
	/* All that is lost with it is that knowledge; the process ends anyway. */
	if (row.logged_zxid != store->state_db.row.logged_zxid)
		(void)store_state_write(&store->state_db, &row, &refusal);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->staged_generation && !store->is_installing)
		store_abort_generation(store);
	if (store->threads[0].is_running)
		store_stop_threads(store);
	store->is_stopping = true;
	/* What the one waits for the other may have finished last. */
	while (store->is_loaded &&
	       (store_work(store, STORE_LOG_WORKER) || store_work(store, STORE_TREE_WORKER)))
		;
	if (store->is_loaded && !store->has_failed)
		note_close(store);
	free_store(store);
}

const struct store_state *store_state(const struct store *store)
{
	return &store->state;
}

/* ---- the log ---- */

struct store_job *store_new_job(struct store *store, enum store_job_type type)
{
	struct store_job *job = store->free_job;

	store->free_job = NULL;
	if (!job) {
		job = mem_zalloc(sizeof(*job));
		store_batch_init(&job->batch);
	}
	job->type = type;
	store_batch_reset(&job->batch, store->appended_zxid);
	list_append(&store->jobs, &job->link);
	store->jobs_in_hand++;
	return job;
}

/* With the mutex held: the job that the transaction goes with. */
static struct store_job *job_for(struct store *store, struct bytes txn)
{
	struct store_job *open = store_open_job(store);

	if (!open || !store_batch_has_room(&open->batch, txn))
		return store_new_job(store, STORE_JOB_BATCH);
	return open;
}

int store_append(struct store *store, zxid_t zxid, struct bytes txn, zxid_t committed)
{
	struct store_job *job;
	size_t size_before;
	int error = 0;

	ASSERT(store->is_loaded && zxid > store->appended_zxid && zxid > 0);
	if (bytes_size(txn) > STORE_TXN_SIZE_MAX)
		return -EMSGSIZE;
	store_lock(store);
	if (store->queue_size + bytes_size(txn) > STORE_QUEUE_SIZE_MAX) {
		error = -ENOBUFS;
	} else {
		job = job_for(store, txn);
		size_before = job->batch.txns.size;
		store_batch_add(&job->batch, zxid, txn, committed);
		store->queue_size += job->batch.txns.size - size_before;
		gather_appended(&store->gather);
		if (!store->is_corked)
			store_wake_to_commit(store);
	}
	store_unlock(store);
	if (error)
		return error;
	store->appended_zxid = zxid;
	store_lag_add(store->staged_generation ? &store->staged_lag : &store->lag, zxid,
		      bytes_size(txn));
	return 0;
}

size_t store_queue_size(struct store *store)
{
	size_t size;

	store_lock(store);
	size = store->queue_size;
	store_unlock(store);
	return size;
}

void store_set_epochs(struct store *store, int64_t accepted_epoch, int64_t current_epoch)
{
	struct store_job *job;

	ASSERT(store->is_loaded);
	store->state.accepted_epoch = accepted_epoch;
	store->state.current_epoch = current_epoch;
	store_lock(store);
	job = store_new_job(store, STORE_JOB_EPOCHS);
	job->accepted_epoch = accepted_epoch;
	job->current_epoch = current_epoch;
	store_wake(store, STORE_LOG_WORKER);
	store_unlock(store);
}

void store_truncate(struct store *store, zxid_t zxid)
{
	struct store_job *job;

	ASSERT(store->is_loaded && store->staged_generation == 0);
	ASSERT(zxid >= store->state.base_zxid && zxid >= store->handed_zxid &&
	       zxid <= store->appended_zxid);
	store->appended_zxid = zxid;
	store_lag_cut(&store->lag, zxid);
	store_lock(store);
	job = store_new_job(store, STORE_JOB_TRUNCATE);
	job->zxid = zxid;
	store_wake(store, STORE_LOG_WORKER);
	store_unlock(store);
}

/* ---- the tree ---- */

struct store_lag store_lag(const struct store *store)
{
	return store->lag.sum;
}

bool store_is_writing_tree(const struct store *store)
{
	return store->writeout_count > 0;
}

bool store_can_write_tree(const struct store *store)
{
	return store->writeout_count < STORE_WRITEOUTS_MAX && store->staged_generation == 0;
}

void store_write_tree(struct store *store, struct store_writeout *writeout)
{
	ASSERT(store->is_loaded && store_can_write_tree(store));
	ASSERT(writeout->zxid >= store->handed_zxid && writeout->zxid <= store->state.logged_zxid);
	store->handed_zxid = writeout->zxid;
	store->writeout_count++;
	store_lock(store);
	list_append(&store->writeouts, &writeout->link);
	store_wake(store, STORE_TREE_WORKER);
	store_unlock(store);
}
