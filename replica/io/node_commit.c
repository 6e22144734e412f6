#include "replica/io/node_impl.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "replica/io/gather.h"

/* The turn is all that is needed: node_commit sees that it is time. */
static void on_gather_due(uv_poll_t *gather, int status, int events)
{
	struct node *node = gather->data;
	uint64_t count;

	(void)!read(node->gather_fd, &count, sizeof(count)); /* that it is over is all it says */
	node->gather_due_us = INT64_MAX;
}

int node_open_gather(struct node *node)
{
	int error;

	node->gather_due_us = INT64_MAX;
	node->gather_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (node->gather_fd < 0)
		return -errno;
	error = uv_poll_init(&node->loop->uv, &node->gather, node->gather_fd);
	if (error < 0) {
		(void)close(node->gather_fd);
		return error;
	}
	node->gather.data = node;
	(void)uv_idle_init(&node->loop->uv, &node->look); /* always 0 */
	node->look.data = node;
	(void)uv_poll_start(&node->gather, UV_READABLE,
			    on_gather_due); /* fails while closing only */
	return 0;
}

void node_close_gather(struct node *node, uv_close_cb on_closed)
{
	(void)uv_poll_stop(&node->gather); /* always 0 */
	(void)close(node->gather_fd);
	uv_close((uv_handle_t *)&node->gather, on_closed);
	uv_close((uv_handle_t *)&node->look, on_closed);
}

static void set_gather_timer(struct node *node)
{
	int64_t due_us = store_gather_due_us(node->store);
	struct itimerspec at = {.it_value = {0}};

	if (due_us == node->gather_due_us)
		return;
	node->gather_due_us = due_us;
	if (due_us != INT64_MAX) {
		at.it_value.tv_sec = due_us / 1000000;
		at.it_value.tv_nsec = due_us % 1000000 * 1000;
	}
	(void)timerfd_settime(node->gather_fd, TFD_TIMER_ABSTIME, &at, NULL); /* at is valid */
}

/*
 * How many transactions may be committed on this thread: if nobody waits for anything but that.
 * A leader has to send what it proposes first, and a learner to take what comes next.
 */
static size_t count_to_commit_here(const struct node *node)
{
	if (!config_is_ensemble(node->config))
		return node->request_count == node->append_count ? GATHER_GROUP_MAX : 0;
	return node->leader_link != ZAB_LINK_NONE && node->request_count <= node->append_count ? 1
											       : 0;
}

/* The turn after a commit on this thread, once the sockets were looked into. */
static void on_looked(uv_idle_t *look)
{
	struct node *node = look->data;

	(void)uv_idle_stop(look); /* always 0 */
	store_poll(node->store);
}

void node_commit(struct node *node)
{
	/*
	 * What waits in the sockets was in flight, too, and belongs to the group that
	 * the next commit waits for. So it is read before this one is told; with an idle
	 * handle a turn doesn't block.
	 */
	if (store_commit(node->store, count_to_commit_here(node)))
		(void)uv_idle_start(&node->look, on_looked); /* its callback is no NULL */
	set_gather_timer(node);
}
