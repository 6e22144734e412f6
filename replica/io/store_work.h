#ifndef IO_STORE_WORK_H
#define IO_STORE_WORK_H

#include <pthread.h>
#include <semaphore.h>

#include "replica/io/gather.h"
#include "replica/io/store.h"
#include "replica/io/store_append.h"
#include "replica/io/store_dir.h"
#include "replica/io/store_lag.h"
#include "replica/io/store_recover.h"
#include "replica/io/store_segment.h"
#include "replica/io/store_spare.h"
#include "replica/io/store_state.h"
#include "replica/io/store_tree.h"
#include "src/base/assert.h"
#include "src/base/list.h"

/*
 * The inside of a store, and what its workers do. Each field belongs to one of
 * four: nobody changes it after the load, the loop thread, one worker, or
 * whoever holds the mutex. The mutex is never held while something is written.
 */

/* What the log worker does in order. */
enum store_job_type {
	STORE_JOB_BATCH,
	STORE_JOB_EPOCHS,
	STORE_JOB_TRUNCATE, /* drop the log above zxid */
	STORE_JOB_BEGIN,    /* the log is now that of generation, behind zxid */
	STORE_JOB_INSTALL,  /* that one, and the epochs, become valid */
	STORE_JOB_ABORT,    /* the log is again that of the valid generation */
};

struct store_job {
	struct list link;
	enum store_job_type type;
	int64_t accepted_epoch;
	int64_t current_epoch;
	zxid_t zxid;
	uint32_t generation;
	struct store_batch batch;
};

/* The log segment that comes next. LACKING: there was no room; it is wanted again when some is. */
enum store_next { STORE_NEXT_NONE, STORE_NEXT_WANTED, STORE_NEXT_READY, STORE_NEXT_LACKING };

/* What was done, in order, and is not told yet. */
struct store_news {
	enum store_job_type type;
	uint32_t generation; /* whose log it was */
	zxid_t zxid;         /* up to which the log is durable now */
	zxid_t base_zxid;    /* where it begins */
	size_t count;        /* of transactions */
	int64_t took_us;     /* the last commit of them */
};

/* A log that waits while the one of a staged generation is written. */
struct store_parked_log {
	uint32_t generation; /* 0: none */
	enum store_next next;
	struct store_segment_mark *segments;
	size_t segment_count;
	zxid_t tree_zxid;
	zxid_t durable_zxid;
};

/* A generation whose files have to go, and the one whose tree takes its place; 0: none. */
struct store_void {
	struct list link;
	uint32_t generation;
	uint32_t successor;
};

/* Rows on their way into a staged tree. */
struct store_stage_batch {
	struct list link;
	uint32_t generation;
	size_t size;
	bool is_last;
	struct store_writeout *rows;
};

/*
 * A semaphore and not a condition, after which the mutex is unlocked by a system
 * call: each is felt at one transaction a commit.
 */
struct store_thread {
	pthread_t thread;
	bool is_running;
	bool is_waiting; /* under the mutex: for the semaphore, which is posted once for it */
	sem_t wake;
};

struct store {
	/* fixed */
	struct store_dir dir;
	char *vfs;
	struct store_append_vfs append_vfs;
	size_t segment_size;
	bool gathers;
	struct store_events events;
	void *data;

	/* the loop thread's */
	struct store_state state;
	struct store_lag_meter lag;
	zxid_t appended_zxid;
	bool is_loaded;
	bool is_corked;
	struct gather gather;
	int64_t gather_due_us; /* when what waits for company is committed; INT64_MAX: none does */
	size_t writeout_count; /* handed over, and not yet told to be durable */
	zxid_t handed_zxid;    /* the last one's, or the tree's */
	bool has_told_failure;
	uint32_t last_generation; /* whose number was ever taken */
	unsigned snapshot_count;  /* being read */
	/* of the staged generation; 0: there is none */
	uint32_t staged_generation;
	bool is_installing;
	zxid_t staged_base_zxid;
	zxid_t staged_logged_zxid;
	uint64_t staged_digest;
	zxid_t valid_appended_zxid; /* of the valid generation meanwhile */
	struct store_lag_meter staged_lag;
	struct store_stage_batch *filling; /* NULL: none */

	/* the log worker's; the loop thread's before the start and after the end */
	struct store_state_db state_db;
	struct store_segment segment;
	bool is_makeshift;                   /* the segment was made in a hurry, without a WAL */
	bool has_asked;                      /* for the next */
	struct store_state_row staged_state; /* what state.db will say of the staged generation */

	/* the tree worker's, likewise */
	struct store_tree_db tree;
	struct store_spare spare;
	struct store_tree_db staged_tree;
	uint32_t staged_tree_generation; /* 0: it is not open */

	pthread_mutex_t mutex;
	/* under the mutex: to do */
	struct list jobs; /* struct store_job */
	size_t jobs_in_hand;
	size_t queue_size;
	size_t wanted; /* a batch of fewer, with nothing behind it, is left where it is */
	struct list stage_batches; /* struct store_stage_batch */
	size_t stage_size;
	struct list voids; /* struct store_void */
	bool is_tree_busy;
	bool is_idle_awaited;  /* somebody saw that, and waits for its end */
	struct list writeouts; /* to be written, oldest first */
	enum store_next next;
	uint32_t generation;                 /* the log's: the valid one, or the staged */
	struct store_segment_mark *segments; /* with rows; oldest first */
	size_t segment_count;
	zxid_t tree_zxid;
	struct store_parked_log parked;
	uint32_t whole_generation; /* whose staged tree is durable, all of it */
	bool is_stopping;
	/* under the mutex: done, and not told yet */
	struct store_job *free_job; /* memory to use again */
	zxid_t durable_zxid;
	struct store_news *news;
	size_t news_count;
	size_t news_capacity;
	struct list written; /* oldest first */
	bool has_failed;
	struct store_refusal failure;

	struct store_thread threads[2]; /* by enum store_worker */
};

static inline void store_lock(struct store *store)
{
	ASSERT(pthread_mutex_lock(&store->mutex) == 0);
}

static inline void store_unlock(struct store *store)
{
	ASSERT(pthread_mutex_unlock(&store->mutex) == 0);
}

/* The job that new transactions go with, or NULL; with the mutex held. */
static inline struct store_job *store_open_job(const struct store *store)
{
	struct store_job *last;

	if (list_is_empty(&store->jobs))
		return NULL;
	last = list_item(store->jobs.prev, struct store_job, link);
	return last->type == STORE_JOB_BATCH ? last : NULL;
}

/* The log worker is to take what there is; with the mutex held. */
void store_wake_to_commit(struct store *store);

/* Whether there is a job that the log worker may take; with the mutex held. */
bool store_has_job(const struct store *store);

/*
 * Do the log worker's job on the loop thread, without notify: if it waits, and there is
 * one small batch and no segment to begin, which takes long. False if not.
 */
bool store_work_here(struct store *store);

/* Of the monotonic clock. */
int64_t store_now_us(void);

/* Do one thing for that worker; false if there is nothing to do, or after a failure. */
bool store_work(struct store *store, enum store_worker worker);

void store_start_threads(struct store *store);
/* They finish what was queued first, unless something failed. */
void store_stop_threads(struct store *store);

/* With the mutex held: there is something new for that worker. */
void store_wake(struct store *store, enum store_worker worker);
/* The same in two steps, so that the worker doesn't wake up to wait for the mutex. */
bool store_stops_waiting(struct store *store, enum store_worker worker); /* with it held */
void store_post(struct store *store, enum store_worker worker);          /* then, without */

/* With the mutex held: files are gone, and with them what the next segment lacked, it may be. */
void store_want_lacking(struct store *store);

/* With the mutex held: memory for a job, behind the others; wake the worker when it is filled. */
struct store_job *store_new_job(struct store *store, enum store_job_type type);
/* Takes NULL. */
void store_job_free(struct store_job *job);

/* ---- generations: the workers' side (store_stage.c) ---- */

/* The log worker's. */
void store_stage_begin(struct store *store, const struct store_job *job);
int store_stage_install(struct store *store, const struct store_job *job,
			struct store_refusal *ret_refusal);
void store_stage_abort(struct store *store);

/* The tree worker's: true if there was something to do. */
bool store_stage_work_on_void(struct store *store, int *ret_error,
			      struct store_refusal *ret_refusal);
bool store_stage_work_on_batch(struct store *store, int *ret_error,
			       struct store_refusal *ret_refusal);

/* Takes NULL. */
void store_stage_batch_free(struct store_stage_batch *batch);

/* ---- generations: the loop thread's side (store_generation.c) ---- */

/* INSTALL was done: what was staged is what is valid. */
void store_tell_installed(struct store *store);
void store_release_generations(struct store *store);

#endif
