#ifndef IO_STORE_WORK_H
#define IO_STORE_WORK_H

#include <pthread.h>
#include <semaphore.h>

#include "replica/io/store.h"
#include "replica/io/store_dir.h"
#include "replica/io/store_lag.h"
#include "replica/io/store_recover.h"
#include "replica/io/store_segment.h"
#include "replica/io/store_spare.h"
#include "replica/io/store_state.h"
#include "replica/io/store_tree.h"
#include "src/base/list.h"

/*
 * The inside of a store, and what its workers do. Each field belongs to one of
 * four: nobody changes it after the load, the loop thread, one worker, or
 * whoever holds the mutex. The mutex is never held while something is written.
 */

/* What the log worker does in order: a batch of transactions, or the epochs. */
struct store_job {
	struct list link;
	bool is_epochs;
	int64_t accepted_epoch;
	int64_t current_epoch;
	struct store_batch batch;
};

/* The log segment that comes next. LACKING: there was no room; it is wanted again when some is. */
enum store_next { STORE_NEXT_NONE, STORE_NEXT_WANTED, STORE_NEXT_READY, STORE_NEXT_LACKING };

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
	size_t segment_size;
	uint32_t generation;
	struct store_events events;
	void *data;

	/* the loop thread's */
	struct store_state state;
	struct store_lag_meter lag;
	zxid_t appended_zxid;
	bool is_loaded;
	bool is_corked;
	size_t writeout_count; /* handed over, and not yet told to be durable */
	zxid_t handed_zxid;    /* the last one's, or the tree's */
	bool has_told_failure;

	/* the log worker's; the loop thread's before the start and after the end */
	struct store_state_db state_db;
	struct store_segment segment;
	bool is_makeshift; /* the segment was made in a hurry, without a WAL */
	bool has_asked;    /* for the next */

	/* the tree worker's, likewise */
	struct store_tree_db tree;
	struct store_spare spare;

	pthread_mutex_t mutex;
	/* under the mutex: to do */
	struct list jobs; /* struct store_job */
	size_t queue_size;
	struct list writeouts; /* to be written, oldest first */
	enum store_next next;
	struct store_segment_mark *segments; /* with rows; oldest first */
	size_t segment_count;
	zxid_t tree_zxid;
	bool is_stopping;
	/* under the mutex: done, and not told yet */
	struct store_job *free_job; /* memory to use again */
	zxid_t durable_zxid;
	unsigned epochs_done;
	struct list written; /* oldest first */
	bool has_failed;
	struct store_refusal failure;

	struct store_thread threads[2]; /* by enum store_worker */
};

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

/* Takes NULL. */
void store_job_free(struct store_job *job);

#endif
