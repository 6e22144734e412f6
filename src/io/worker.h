#ifndef IO_WORKER_H
#define IO_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "src/base/list.h"
#include "src/io/loop.h"

/*
 * A thread that runs jobs, strictly in the order of submission, and delivers
 * their completions on the loop's thread in that same order. What blocks
 * (disk) is done here; nothing else is shared with the loop.
 *
 *	static void commit_run(struct worker_job *job)  ... on the worker's thread
 *	static void commit_done(struct worker_job *job) ... on the loop's thread
 *
 *	job->run = commit_run; job->done = commit_done;
 *	err = worker_submit(&worker, job);
 *
 * The job is the worker's from submit until done is called, which may free it
 * or submit it again.
 */
struct worker_job {
	struct list link;
	void (*run)(struct worker_job *job);
	void (*done)(struct worker_job *job); /* may be NULL */
};

struct worker {
	struct loop *loop;
	uv_async_t *async; /* on the heap: it outlives the worker until the loop has closed it */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list jobs;     /* waiting; guarded by lock */
	struct list finished; /* run, completion not yet delivered; guarded by lock */
	size_t job_count;     /* submitted, completion not yet delivered: the loop's thread only */
	size_t jobs_max;
	bool stopping; /* guarded by lock */
};

/* The name is what ps and top show of the thread, cut at 15 bytes. */
int worker_start(struct worker *worker, struct loop *loop, const char *name, size_t jobs_max);

/* 0; -EAGAIN if jobs_max are on their way. On the loop's thread only, as all here. */
int worker_submit(struct worker *worker, struct worker_job *job);

/* Jobs whose completion was not delivered yet. */
size_t worker_depth(const struct worker *worker);

/*
 * Run all that was submitted, join the thread, deliver the completions (here,
 * in order). A completion must not submit to this worker any more.
 */
void worker_stop(struct worker *worker);

#endif
