#include "replica/io/store_work.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replica/io/store_truncate.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

enum {
	/* How far a segment may grow beyond its size while the next one isn't ready. */
	SEGMENT_OVERRUN = 4,
	NEWS_MIN = 8,
	/* The most that is committed on the loop thread. */
	HERE_SIZE_MAX = 64 << 10,
	/* The part of its size at which a segment without a WAL gives way to one that has it. */
	MAKESHIFT_SHARE = 16,
};

bool store_stops_waiting(struct store *store, enum store_worker worker)
{
	bool was_waiting = store->threads[worker].is_waiting;

	store->threads[worker].is_waiting = false;
	return was_waiting;
}

void store_post(struct store *store, enum store_worker worker)
{
	ASSERT(sem_post(&store->threads[worker].wake) == 0);
}

void store_wake(struct store *store, enum store_worker worker)
{
	if (store_stops_waiting(store, worker))
		store_post(store, worker);
}

/* With the mutex held, which is released meanwhile. */
static void wait_for_wake(struct store *store, struct store_thread *thread)
{
	thread->is_waiting = true;
	store_unlock(store);
	while (sem_wait(&thread->wake) != 0)
		ASSERT(errno == EINTR);
	store_lock(store);
}

void store_job_free(struct store_job *job)
{
	if (!job)
		return;
	store_batch_release(&job->batch);
	free(job);
}

/* The first failure is the one that counts; nothing is done after it. */
static void fail(struct store *store, const struct store_refusal *refusal)
{
	store_lock(store);
	if (!store->has_failed)
		store->failure = *refusal;
	store->has_failed = true;
	store_wake(store, STORE_LOG_WORKER);
	store_wake(store, STORE_TREE_WORKER);
	store_unlock(store);
	store->events.notify(store->data);
}

/* ---- the log worker ---- */

/* Whether a segment should begin, if the next is ready. */
static bool wants_segment(const struct store *store)
{
	size_t size = store->segment_size;

	if (!store->segment.db.sqlite || store_segment_is_full(&store->segment, size))
		return true;
	return store->is_makeshift &&
	       store_segment_is_full(&store->segment, size / MAKESHIFT_SHARE);
}

/* Whether one has to begin, ready or not. */
static bool needs_segment(const struct store *store)
{
	return !store->segment.db.sqlite ||
	       store_segment_is_full(&store->segment, store->segment_size * SEGMENT_OVERRUN);
}

/* The file that becomes the next segment: made ahead by the tree worker, or now. NULL: go on. */
static char *take_next(struct store *store)
{
	bool is_ready;

	store_lock(store);
	is_ready = store->next == STORE_NEXT_READY;
	if (is_ready)
		store->next = STORE_NEXT_NONE;
	store_unlock(store);
	if (is_ready)
		return store_dir_new_log(&store->dir, store->generation, "next");
	if (!needs_segment(store))
		return NULL;
	return store_dir_new_log(&store->dir, store->generation, "now");
}

/* Its name is durable before state.db says that it is there, and that before its first row. */
static int begin_segment(struct store *store, const char *made, const struct store_batch *batch,
			 struct store_refusal *ret_refusal)
{
	bool is_staged = store->parked.generation != 0;
	struct store_state_row state = is_staged ? store->staged_state : store->state_db.row;
	char *path = store_dir_log(&store->dir, store->generation, batch->first_zxid);
	int error;

	store_segment_close(&store->segment);
	error = store_dir_rename(&store->dir, made, path, ret_refusal);
	if (!error)
		error = store_segment_open(&store->segment, &store->dir, path, ret_refusal);
	state.segment_zxid = batch->first_zxid;
	state.logged_zxid = batch->previous_zxid;
	/* It will be said when that generation becomes valid. */
	if (is_staged)
		store->staged_state = state;
	else if (!error)
		error = store_state_write(&store->state_db, &state, ret_refusal);
	free(path);
	return error;
}

/* With the mutex held: whether the segment behind the oldest begins at or below the tree. */
static bool has_passed_segment(const struct store *store)
{
	return store->segment_count >= 2 && store->segments[1].previous_zxid <= store->tree_zxid;
}

/* A segment is listed, so that its predecessor may go, once it has a row. */
static void list_segment(struct store *store, const struct store_batch *batch)
{
	store_lock(store);
	store->segments =
		mem_realloc(store->segments, (store->segment_count + 1) * sizeof(*store->segments));
	store->segments[store->segment_count++] = (struct store_segment_mark){
		.first_zxid = batch->first_zxid,
		.previous_zxid = batch->previous_zxid,
	};
	if (has_passed_segment(store))
		store_wake(store, STORE_TREE_WORKER);
	store_unlock(store);
}

/*
 * Half a segment ahead: by then the tree has mostly passed the segment before,
 * whose WAL can be used again. A staged log, which is short, begins its segments
 * when they are needed.
 */
static void ask_for_next(struct store *store)
{
	if (store->parked.generation != 0 || store->has_asked ||
	    !(store->is_makeshift ||
	      store_segment_is_full(&store->segment, store->segment_size / 2)))
		return;
	store->has_asked = true;
	store_lock(store);
	if (store->next == STORE_NEXT_NONE) {
		store->next = STORE_NEXT_WANTED;
		store_wake(store, STORE_TREE_WORKER);
	}
	store_unlock(store);
}

static int write_batch(struct store *store, const struct store_batch *batch,
		       struct store_refusal *ret_refusal)
{
	char *made = wants_segment(store) ? take_next(store) : NULL;
	bool is_makeshift = made && strstr(made, ".now.db");
	int error = 0;

	if (is_makeshift)
		error = store_segment_make(&store->dir, made, ret_refusal);
	if (made) {
		store->is_makeshift = is_makeshift;
		store->has_asked = false;
	}
	if (made && !error)
		error = begin_segment(store, made, batch, ret_refusal);
	if (!error)
		error = store_segment_write(&store->segment, batch, ret_refusal);
	if (made && !error)
		list_segment(store, batch);
	if (!error)
		ask_for_next(store);
	free(made);
	return error;
}

static int write_epochs(struct store *store, const struct store_job *job,
			struct store_refusal *ret_refusal)
{
	struct store_state_row state = store->state_db.row;

	state.accepted_epoch = job->accepted_epoch;
	state.current_epoch = job->current_epoch;
	return store_state_write(&store->state_db, &state, ret_refusal);
}

int64_t store_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* With the mutex held: more transactions are expected, and nothing stands behind these. */
static bool waits_for_company(const struct store *store, const struct store_job *job)
{
	return job == store_open_job(store) && job->batch.count < store->wanted &&
	       !store->is_stopping;
}

/* With the mutex held: the first job; NULL also while it waits for company, or the staged tree. */
static struct store_job *first_job(const struct store *store)
{
	struct list *first = list_first(&store->jobs);
	struct store_job *job = first ? list_item(first, struct store_job, link) : NULL;

	if (job && job->type == STORE_JOB_INSTALL && store->whole_generation != job->generation)
		return NULL;
	if (job && waits_for_company(store, job))
		return NULL;
	return job;
}

bool store_has_job(const struct store *store)
{
	return first_job(store) != NULL;
}

static struct store_job *take_job(struct store *store)
{
	struct store_job *job;

	store_lock(store);
	job = store->has_failed ? NULL : first_job(store);
	if (job)
		list_remove(&job->link);
	store_unlock(store);
	return job;
}

/* With the mutex held. What one commit after the other made durable is told at once. */
static void add_news(struct store *store, const struct store_job *job, int64_t took_us)
{
	size_t count = job->type == STORE_JOB_BATCH ? job->batch.count : 0;
	struct store_news *last =
		store->news_count > 0 ? &store->news[store->news_count - 1] : NULL;
	bool is_more = last && job->type == STORE_JOB_BATCH && last->type == STORE_JOB_BATCH &&
		       last->generation == store->generation;

	if (!is_more && store->news_count == store->news_capacity) {
		store->news_capacity = store->news_capacity ? store->news_capacity * 2 : NEWS_MIN;
		store->news = mem_realloc(store->news, store->news_capacity * sizeof(*last));
	}
	if (is_more)
		count += last->count;
	else
		last = &store->news[store->news_count++];
	*last = (struct store_news){
		.type = job->type,
		.generation = store->generation,
		.zxid = store->durable_zxid,
		.base_zxid = store->state_db.row.base_zxid,
		.count = count,
		.took_us = took_us,
	};
}

static void finish_job(struct store *store, struct store_job *job, int64_t took_us)
{
	struct store_job *surplus;

	store_lock(store);
	if (job->type == STORE_JOB_BATCH) {
		store->durable_zxid = job->batch.last_zxid;
		store->queue_size -= job->batch.txns.size;
	} else if (job->type == STORE_JOB_TRUNCATE) {
		store->durable_zxid = job->zxid;
	}
	if (job->type != STORE_JOB_BEGIN && job->type != STORE_JOB_ABORT)
		add_news(store, job, took_us);
	store->jobs_in_hand--;
	surplus = store->free_job;
	store->free_job = job;
	store_unlock(store);
	store_job_free(surplus);
}

static int do_job(struct store *store, struct store_job *job, struct store_refusal *ret_refusal)
{
	switch (job->type) {
	case STORE_JOB_BATCH:
		return write_batch(store, &job->batch, ret_refusal);
	case STORE_JOB_EPOCHS:
		return write_epochs(store, job, ret_refusal);
	case STORE_JOB_TRUNCATE:
		return store_truncate_log(store, job->zxid, ret_refusal);
	case STORE_JOB_INSTALL:
		return store_stage_install(store, job, ret_refusal);
	case STORE_JOB_BEGIN:
		store_stage_begin(store, job);
		return 0;
	default:
		ASSERT(job->type == STORE_JOB_ABORT);
		store_stage_abort(store);
		return 0;
	}
}

/* False if there was none. */
static bool do_next_job(struct store *store)
{
	struct store_job *job = take_job(store);
	struct store_refusal refusal;
	int64_t begun_us;
	int error = 0;

	if (!job)
		return false;
	begun_us = store_now_us();
	error = do_job(store, job, &refusal);
	if (error) {
		fail(store, &refusal);
		store_job_free(job);
	} else {
		finish_job(store, job, store_now_us() - begun_us);
	}
	return true;
}

static bool work_on_log(struct store *store)
{
	if (!do_next_job(store))
		return false;
	store->events.notify(store->data);
	return true;
}

/* With the mutex held. While the worker waits, what is its own may be looked at here. */
static bool can_work_here(const struct store *store)
{
	const struct store_job *job = first_job(store);

	return job && job == store_open_job(store) && store->threads[STORE_LOG_WORKER].is_waiting &&
	       store->parked.generation == 0 && !store->has_failed && !wants_segment(store) &&
	       job->batch.txns.size <= HERE_SIZE_MAX;
}

bool store_work_here(struct store *store)
{
	bool can_work;

	store_lock(store);
	can_work = can_work_here(store);
	store_unlock(store);
	return can_work && do_next_job(store);
}

/* ---- the tree worker ---- */

/* A disk that is too full for it does no harm yet: the log goes on in the segment it has. */
static int make_next(struct store *store, uint32_t generation, struct store_refusal *ret_refusal)
{
	int error = store_spare_make(&store->spare, &store->dir, generation, store->segment_size,
				     ret_refusal);
	enum store_next next = error ? STORE_NEXT_LACKING : STORE_NEXT_READY;

	if (error && error != -ENOSPC)
		return error;
	store_lock(store);
	if (generation == store->generation)
		store->next = next;
	else if (generation == store->parked.generation)
		store->parked.next = next;
	store_unlock(store);
	return 0;
}

static int write_tree(struct store *store, struct store_writeout *writeout,
		      struct store_refusal *ret_refusal)
{
	int error = store_tree_write(&store->tree, writeout, ret_refusal);

	if (error)
		return error;
	store_lock(store);
	/* The valid generation's, which may be parked. */
	if (store->parked.generation)
		store->parked.tree_zxid = writeout->zxid;
	else
		store->tree_zxid = writeout->zxid;
	list_remove(&writeout->link);
	list_append(&store->written, &writeout->link);
	store_unlock(store);
	store->events.notify(store->data);
	return 0;
}

/* The oldest segment, if it can go; else 0. */
static zxid_t take_passed_segment(struct store *store, uint32_t *ret_generation)
{
	zxid_t passed = 0;

	store_lock(store);
	*ret_generation = store->generation;
	if (has_passed_segment(store)) {
		passed = store->segments[0].first_zxid;
		store->segment_count--;
		memmove(store->segments, store->segments + 1,
			store->segment_count * sizeof(*store->segments));
	}
	store_unlock(store);
	return passed;
}

static void want_if_lacking(enum store_next *next)
{
	if (*next == STORE_NEXT_LACKING)
		*next = STORE_NEXT_WANTED;
}

void store_want_lacking(struct store *store)
{
	want_if_lacking(&store->next);
	want_if_lacking(&store->parked.next);
}

static int remove_segment(struct store *store, uint32_t generation, zxid_t first_zxid,
			  struct store_refusal *ret_refusal)
{
	int error = store_spare_recycle(&store->spare, &store->dir, generation, first_zxid,
					ret_refusal);

	store_lock(store);
	store_want_lacking(store);
	store_unlock(store);
	return error;
}

/* With the mutex held. A store that is closed has no use for it. */
static bool is_next_wanted(const struct store *store)
{
	return store->next == STORE_NEXT_WANTED && !store->is_stopping;
}

/*
 * False if there was nothing. Void files first, as their tree may have to give
 * way to another; a tree that was handed over before rows are staged comes
 * before those.
 */
static bool do_tree_task(struct store *store, int *ret_error, struct store_refusal *ret_refusal)
{
	struct list *writeout;
	uint32_t generation;
	bool wants_next;
	zxid_t passed;

	store_lock(store);
	generation = store->generation;
	wants_next = is_next_wanted(store);
	writeout = list_first(&store->writeouts);
	store_unlock(store);
	if (store_stage_work_on_void(store, ret_error, ret_refusal))
		return true;
	if (wants_next)
		*ret_error = make_next(store, generation, ret_refusal);
	else if ((passed = take_passed_segment(store, &generation)) != 0)
		*ret_error = remove_segment(store, generation, passed, ret_refusal);
	else if (writeout && !store_tree_needs_checkpoint(&store->tree))
		*ret_error = write_tree(store, list_item(writeout, struct store_writeout, link),
					ret_refusal);
	else if (store_stage_work_on_batch(store, ret_error, ret_refusal))
		return true;
	else if (store_tree_wants_checkpoint(&store->tree))
		*ret_error = store_tree_checkpoint(&store->tree, ret_refusal);
	else
		return false;
	return true;
}

static bool work_on_tree(struct store *store)
{
	struct store_refusal refusal;
	bool has_failed, has_worked, tells_idle;
	int error = 0;

	store_lock(store);
	has_failed = store->has_failed;
	store->is_tree_busy = !has_failed;
	store_unlock(store);
	if (has_failed)
		return false;
	has_worked = do_tree_task(store, &error, &refusal);
	if (error)
		fail(store, &refusal);
	store_lock(store);
	store->is_tree_busy = false;
	tells_idle = store->is_idle_awaited;
	store->is_idle_awaited = false;
	store_unlock(store);
	if (has_worked || tells_idle)
		store->events.notify(store->data);
	return has_worked;
}

bool store_is_idle(struct store *store)
{
	bool is_idle;

	store_lock(store);
	is_idle = store->jobs_in_hand == 0 && store->news_count == 0 &&
		  list_is_empty(&store->writeouts) && list_is_empty(&store->written) &&
		  list_is_empty(&store->stage_batches) && list_is_empty(&store->voids) &&
		  !has_passed_segment(store) && !store->is_tree_busy;
	/* The worker may be looking for a task, and find none: then it has nothing else to tell. */
	store->is_idle_awaited = store->is_tree_busy;
	store_unlock(store);
	return is_idle && store->staged_generation == 0;
}

bool store_work(struct store *store, enum store_worker worker)
{
	return worker == STORE_LOG_WORKER ? work_on_log(store) : work_on_tree(store);
}

/* ---- threads ---- */

/* With the mutex held. What is only done when there is nothing else needs no waking. */
static bool has_work(const struct store *store, enum store_worker worker)
{
	if (store->has_failed)
		return false;
	if (worker == STORE_LOG_WORKER)
		return first_job(store) != NULL;
	return !list_is_empty(&store->writeouts) || is_next_wanted(store) ||
	       !list_is_empty(&store->voids) || !list_is_empty(&store->stage_batches) ||
	       has_passed_segment(store);
}

static void run(struct store *store, enum store_worker worker)
{
	struct store_thread *thread = &store->threads[worker];
	bool is_over = false;

	while (!is_over) {
		if (store_work(store, worker))
			continue;
		store_lock(store);
		while (!has_work(store, worker) && !store->is_stopping && !store->has_failed)
			wait_for_wake(store, thread);
		is_over = !has_work(store, worker);
		store_unlock(store);
	}
}

static void *run_log_worker(void *store)
{
	run(store, STORE_LOG_WORKER);
	return NULL;
}

static void *run_tree_worker(void *store)
{
	run(store, STORE_TREE_WORKER);
	return NULL;
}

/* Signals are the loop thread's. */
void store_start_threads(struct store *store)
{
	void *(*const mains[])(void *) = {run_log_worker, run_tree_worker};
	sigset_t all, before;

	sigfillset(&all);
	ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	for (size_t i = 0; i < 2; i++) {
		ASSERT(pthread_create(&store->threads[i].thread, NULL, mains[i], store) == 0);
		store->threads[i].is_running = true;
	}
	ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

void store_stop_threads(struct store *store)
{
	store_lock(store);
	store->is_stopping = true;
	store_wake(store, STORE_LOG_WORKER);
	store_wake(store, STORE_TREE_WORKER);
	store_unlock(store);
	for (size_t i = 0; i < 2; i++) {
		if (store->threads[i].is_running)
			ASSERT(pthread_join(store->threads[i].thread, NULL) == 0);
		store->threads[i].is_running = false;
	}
}
