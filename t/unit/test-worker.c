#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"
#include "src/io/worker.h"
#include "t/unit/cmocka.h"

enum { DEADLINE_MS = 10000, JOBS_MAX = 1000 };

struct fixture {
	struct loop loop;
	struct worker worker;
	int next_run; /* the worker's thread */
	int next_done;
	pthread_t loop_thread;
	pthread_mutex_t gate; /* held by the test while jobs shall wait */
};

struct numbered_job {
	struct worker_job job;
	struct fixture *fixture;
	int number;
};

static struct numbered_job *numbered(struct worker_job *job)
{
	return list_item(job, struct numbered_job, job);
}

static void run_in_order(struct worker_job *job)
{
	struct fixture *f = numbered(job)->fixture;

	/* cmocka's assertions belong to the main thread: a wrong order shows in next_run. */
	if (!pthread_equal(pthread_self(), f->loop_thread) && f->next_run == numbered(job)->number)
		f->next_run++;
}

static void wait_at_gate(struct worker_job *job)
{
	struct fixture *f = numbered(job)->fixture;

	(void)pthread_mutex_lock(&f->gate); /* a default mutex of the test's own */
	(void)pthread_mutex_unlock(&f->gate);
	run_in_order(job);
}

static void done_in_order(struct worker_job *job)
{
	struct fixture *f = numbered(job)->fixture;

	assert_true(pthread_equal(pthread_self(), f->loop_thread));
	assert_int_equal(numbered(job)->number, f->next_done);
	f->next_done++;
}

static void turn_until_done(struct fixture *f, int count)
{
	uint64_t begin_ms = uv_hrtime() / 1000000;

	while (f->next_done < count) {
		if (uv_hrtime() / 1000000 - begin_ms > DEADLINE_MS)
			fail_msg("%d of %d jobs were done in time", f->next_done, count);
		loop_turn(&f->loop, false);
	}
}

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	*state = f;
	f->loop_thread = pthread_self();
	return pthread_mutex_init(&f->gate, NULL) || loop_init(&f->loop) ||
	       worker_start(&f->worker, &f->loop, "a-name-longer-than-15", JOBS_MAX);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_release(&f->loop), 0);
	(void)pthread_mutex_destroy(&f->gate);
	free(f);
	return 0;
}

static struct numbered_job *make_jobs(struct fixture *f, int count,
				      void (*run)(struct worker_job *job))
{
	struct numbered_job *jobs = mem_zalloc((size_t)count * sizeof(*jobs));

	for (int i = 0; i < count; i++)
		jobs[i] = (struct numbered_job){
			.job = {.run = run, .done = done_in_order}, .fixture = f, .number = i};
	return jobs;
}

static void jobs_and_completions_keep_their_order(void **state)
{
	struct fixture *f = *state;
	struct numbered_job *jobs = make_jobs(f, 10000, run_in_order);

	for (int i = 0; i < 10000; i++)
		while (worker_submit(&f->worker, &jobs[i].job) == -EAGAIN)
			turn_until_done(f, f->next_done + 1);
	turn_until_done(f, 10000);
	assert_int_equal(worker_depth(&f->worker), 0);
	worker_stop(&f->worker);
	assert_int_equal(f->next_run, 10000);
	free(jobs);
}

static void queue_refuses_beyond_its_maximum(void **state)
{
	struct fixture *f = *state;
	struct numbered_job *jobs = make_jobs(f, JOBS_MAX + 1, wait_at_gate);

	(void)pthread_mutex_lock(&f->gate);
	for (int i = 0; i < JOBS_MAX; i++)
		assert_int_equal(worker_submit(&f->worker, &jobs[i].job), 0);
	assert_int_equal(worker_submit(&f->worker, &jobs[JOBS_MAX].job), -EAGAIN);
	assert_int_equal(worker_depth(&f->worker), JOBS_MAX);
	(void)pthread_mutex_unlock(&f->gate);
	turn_until_done(f, JOBS_MAX);
	assert_int_equal(worker_submit(&f->worker, &jobs[JOBS_MAX].job), 0);
	turn_until_done(f, JOBS_MAX + 1);
	worker_stop(&f->worker);
	free(jobs);
}

static void stop_runs_and_delivers_what_was_submitted(void **state)
{
	struct fixture *f = *state;
	struct numbered_job *jobs = make_jobs(f, 100, run_in_order);

	for (int i = 0; i < 100; i++)
		assert_int_equal(worker_submit(&f->worker, &jobs[i].job), 0);
	worker_stop(&f->worker);
	assert_int_equal(f->next_run, 100);
	assert_int_equal(f->next_done, 100);
	free(jobs);
}

static void resubmit_when_done(struct worker_job *job)
{
	struct fixture *f = numbered(job)->fixture;

	done_in_order(job);
	numbered(job)->number++;
	if (numbered(job)->number < 50)
		assert_int_equal(worker_submit(&f->worker, job), 0);
}

static void a_completion_may_submit_its_job_again(void **state)
{
	struct fixture *f = *state;
	struct numbered_job job = {.job = {.run = run_in_order, .done = resubmit_when_done},
				   .fixture = f};

	assert_int_equal(worker_submit(&f->worker, &job.job), 0);
	turn_until_done(f, 50);
	worker_stop(&f->worker);
	assert_int_equal(f->next_run, 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jobs_and_completions_keep_their_order),
		TEST(queue_refuses_beyond_its_maximum),
		TEST(stop_runs_and_delivers_what_was_submitted),
		TEST(a_completion_may_submit_its_job_again),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
