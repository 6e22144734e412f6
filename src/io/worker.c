#include "src/io/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

/* A mutex of ours that fails is a bug. */
static void lock(struct worker *worker)
{
	int err = pthread_mutex_lock(&worker->lock);

	ASSERT(!err);
}

static void unlock(struct worker *worker)
{
	int err = pthread_mutex_unlock(&worker->lock);

	ASSERT(!err);
}

/* The next job, waiting for one; NULL when there will be none any more. */
static struct worker_job *take_job(struct worker *worker)
{
	struct list *link;

	lock(worker);
	while (list_is_empty(&worker->jobs) && !worker->stopping) {
		int err = pthread_cond_wait(&worker->wake, &worker->lock);

		ASSERT(!err);
	}
	link = list_first(&worker->jobs);
	if (link)
		list_remove(link);
	unlock(worker);
	return link ? list_item(link, struct worker_job, link) : NULL;
}

/* Many completions may share one wake-up of the loop. */
static void finish_job(struct worker *worker, struct worker_job *job)
{
	bool wake;

	lock(worker);
	wake = list_is_empty(&worker->finished);
	list_append(&worker->finished, &job->link);
	unlock(worker);
	if (wake)
		(void)uv_async_send(worker->async); /* fails only on a handle that is closed */
}

static void *work(void *data)
{
	struct worker *worker = data;
	struct worker_job *job;

	while ((job = take_job(worker))) {
		job->run(job);
		finish_job(worker, job);
	}
	return NULL;
}

static void deliver(struct worker *worker)
{
	struct list finished;
	struct list *link;

	list_init(&finished);
	lock(worker);
	list_splice(&finished, &worker->finished);
	unlock(worker);
	while ((link = list_first(&finished))) {
		struct worker_job *job = list_item(link, struct worker_job, link);

		list_remove(link);
		worker->job_count--;
		if (job->done)
			job->done(job);
	}
}

static void on_async(uv_async_t *async)
{
	deliver(async->data);
}

static void on_async_closed(uv_handle_t *handle)
{
	free(handle);
}

static void close_async(struct worker *worker)
{
	uv_close((uv_handle_t *)worker->async, on_async_closed);
	worker->async = NULL;
}

static int start_thread(struct worker *worker, const char *name)
{
	char short_name[16];
	int err = -pthread_create(&worker->thread, NULL, work, worker);

	if (err)
		return err;
	(void)snprintf(short_name, sizeof(short_name), "%s", name); /* cut: the kernel's limit */
	(void)pthread_setname_np(worker->thread, short_name);       /* only for the eye */
	return 0;
}

int worker_start(struct worker *worker, struct loop *loop, const char *name, size_t jobs_max)
{
	int err;

	*worker = (struct worker){.loop = loop, .jobs_max = jobs_max};
	list_init(&worker->jobs);
	list_init(&worker->finished);
	worker->async = mem_alloc(sizeof(*worker->async));
	err = uv_async_init(&loop->uv, worker->async, on_async);
	if (err) {
		free(worker->async);
		return err;
	}
	worker->async->data = worker;
	err = pthread_mutex_init(&worker->lock, NULL);
	ASSERT(!err);
	err = pthread_cond_init(&worker->wake, NULL);
	ASSERT(!err);
	err = start_thread(worker, name);
	if (err)
		close_async(worker);
	return err;
}

int worker_submit(struct worker *worker, struct worker_job *job)
{
	int err;

	ASSERT(worker->async);
	if (worker->job_count == worker->jobs_max)
		return -EAGAIN;
	worker->job_count++;
	lock(worker);
	ASSERT(!worker->stopping);
	list_append(&worker->jobs, &job->link);
	unlock(worker);
	err = pthread_cond_signal(&worker->wake);
	ASSERT(!err);
	return 0;
}

size_t worker_depth(const struct worker *worker)
{
	return worker->job_count;
}

void worker_stop(struct worker *worker)
{
	int err;

	lock(worker);
	worker->stopping = true;
	unlock(worker);
	err = pthread_cond_signal(&worker->wake);
	ASSERT(!err);
	err = pthread_join(worker->thread, NULL);
	ASSERT(!err);
	deliver(worker);
	ASSERT(worker->job_count == 0);
	close_async(worker);
	(void)pthread_cond_destroy(&worker->wake);  /* nobody waits on it */
	(void)pthread_mutex_destroy(&worker->lock); /* nobody holds it */
}
