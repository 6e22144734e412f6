#include "replica/io/store_work.h"

/* When a commit begins, and on which thread. All on the loop thread. */

enum {
	/* The loop waits for a disk only if a commit mostly takes less than this. */
	HERE_COMMIT_US_MAX = 1000,
};

void store_wake_to_commit(struct store *store)
{
	store->wanted = 0;
	store->gather_due_us = INT64_MAX;
	store_wake(store, STORE_LOG_WORKER);
}

void store_cork(struct store *store)
{
	ASSERT(!store->is_corked);
	store->is_corked = true;
}

/*
 * With the mutex held: say how many the next commit should have. It has to begin
 * by itself if they don't come; as long as a commit is under way, its end comes first.
 */
static void set_wanted(struct store *store)
{
	const struct store_job *open = store_open_job(store);
	size_t waiting = open ? open->batch.count : 0;
	int64_t now_us = store_now_us();

	if (store->gather_due_us <= now_us && waiting < store->wanted)
		gather_missed(&store->gather);
	store->wanted = gather_wanted(&store->gather, waiting, now_us);
	store->gather_due_us = INT64_MAX;
	if (0 < waiting && waiting < store->wanted && waiting == store->gather.in_flight)
		store->gather_due_us = store->gather.until_us;
}

static void uncork(struct store *store, bool *ret_can_begin)
{
	ASSERT(store->is_corked);
	store->is_corked = false;
	store_lock(store);
	if (store->gathers)
		set_wanted(store);
	*ret_can_begin = store_has_job(store);
	store_unlock(store);
}

static void wake_worker(struct store *store)
{
	bool stops_waiting;

	store_lock(store);
	stops_waiting = store_stops_waiting(store, STORE_LOG_WORKER);
	store_unlock(store);
	if (stops_waiting)
		store_post(store, STORE_LOG_WORKER);
}

void store_uncork(struct store *store)
{
	bool can_begin;

	uncork(store, &can_begin);
	if (can_begin)
		wake_worker(store);
}

bool store_commit(struct store *store, size_t count_max)
{
	bool can_begin;

	uncork(store, &can_begin);
	if (!can_begin)
		return false;
	if (store->gather.commit_us < HERE_COMMIT_US_MAX && store->gather.in_flight <= count_max &&
	    store_work_here(store))
		return true;
	wake_worker(store);
	return false;
}

int64_t store_gather_due_us(const struct store *store)
{
	return store->gather_due_us;
}
