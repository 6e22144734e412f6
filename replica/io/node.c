#include "replica/io/node_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "replica/io/data_dir.h"
#include "src/base/assert.h"
#include "src/base/log.h"
#include "src/base/mem.h"

enum {
	/* The loop was held up if it does what was due by such a part of a tick too late. */
	LATE_SHARE = 4,
	LATE_TURNS = 3,
};

msec_t node_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (msec_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- actions ---- */

/* Nothing that was not durable has been answered, so going on is the only mistake left. */
void node_fail(struct node *node, const char *area, const char *sentence)
{
	if (node->state == NODE_FAILED)
		return;
	log_error(area, "%s", sentence);
	node->state = NODE_FAILED;
	loop_stop(node->loop);
}

bool node_is_over(const struct node *node)
{
	return node->state == NODE_FAILED || node->state == NODE_STOPPED;
}

static void log_text(int level, const char *text)
{
	if (level >= 3)
		log_error("zab", "%s", text);
	else if (level == 2)
		log_warn("zab", "%s", text);
	else if (level == 1)
		log_info("zab", "%s", text);
	else
		log_debug("zab", "%s", text);
}

/* What an operator is to know of it, the core says. */
static void perform_role(struct node *node, const struct zab_action *action)
{
	log_debug("node", "%s%s", zab_state_name(action->state),
		  action->is_serving ? ", serving" : "");
	node->proposals = (struct fourletter_proposals){-1, -1, -1};
	node->role_ms = loop_now_ms(node->loop);
	if (action->is_serving)
		data_dir_forget_bootstrap(node->config->data_dir);
}

static bool perform_rest(struct node *node, const struct zab_action *action)
{
	if (action->type == ZAB_LOG)
		log_text(action->level, action->text);
	else if (action->type == ZAB_FATAL)
		node_fail(node, "zab", action->text);
	else
		return node_perform_peer(node, action);
	return true;
}

static void perform(struct node *node, const struct replica_action *action)
{
	bool is_done;

	if (action->type == REPLICA_CLIENT)
		node_perform_client(node, &action->client);
	else if (action->type == REPLICA_ROLE)
		perform_role(node, &action->zab);
	else if (!node_perform_store(node, action)) {
		is_done = perform_rest(node, &action->zab);
		ASSERT(is_done);
	}
}

/* False if no connection was closed since the last call. */
static bool report_closed(struct node *node)
{
	struct list *first = list_first(&node->closing);
	struct client *client;
	connection_id_t id;

	if (!first)
		return false;
	client = list_item(first, struct client, closing);
	id = client->id;
	clients_remove(&node->clients, client);
	replica_client_closed(node->replica, id);
	return true;
}

void node_pump(struct node *node)
{
	struct replica_action action;

	do {
		while (node->state != NODE_FAILED && replica_take_action(node->replica, &action))
			perform(node, &action);
	} while (report_closed(node));
}

/*
 * A process that was stopped, or waited for its disk, finds that sessions' time is over while
 * their clients' pings wait in the sockets. So these are looked at first, and in some turns
 * more, for who has to connect anew: with no intake nothing expires.
 */
static void note_lateness(struct node *node)
{
	msec_t late_ms = loop_now_ms(node->loop) - node->due_ms;

	if (late_ms <= node->config->tick_time_ms / LATE_SHARE || node->late_turns > 0)
		return;
	node->late_turns = LATE_TURNS;
	node_update_intake(node);
}

/* What a turn appends goes to the log together, at its end. */
void node_enter(struct node *node)
{
	if (node->ticked)
		return;
	node->ticked = true;
	store_cork(node->store);
	note_lateness(node);
	replica_tick(node->replica, loop_now_ms(node->loop), node_wall_ms());
	node_pump(node);
}

/* ---- turns ---- */

static msec_t min_ms(msec_t a, msec_t b)
{
	return a < b ? a : b;
}

static void on_timer(uv_timer_t *timer)
{
	struct node *node = timer->data;

	/* The hook of this turn does what is due; between two timers the sockets are looked at. */
	node->timer_ms = 0;
	if (node->late_turns > 0)
		node->late_turns--;
}

static void set_timer(struct node *node)
{
	struct client *nascent = clients_first_nascent(&node->clients);
	msec_t now_ms = loop_now_ms(node->loop);
	msec_t due_ms = replica_next_tick_ms(node->replica);

	if (nascent)
		due_ms = min_ms(due_ms, nascent->opened_ms + node->config->sessionless_timeout_ms);
	due_ms = min_ms(due_ms, node_writeout_due_ms(node));
	due_ms = min_ms(due_ms, node_intake_due_ms(node));
	if (node->late_turns > 0)
		due_ms = now_ms;
	node->due_ms = due_ms;
	if (due_ms == node->timer_ms)
		return;
	node->timer_ms = due_ms;
	if (due_ms == INT64_MAX)
		(void)uv_timer_stop(&node->timer); /* never fails */
	else
		(void)uv_timer_start(&node->timer, on_timer,
				     due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}

/* Is all that was begun on disk? What is left of a snapshot's stream is void. */
static bool is_all_written(struct node *node)
{
	struct tree *tree = replica_tree(node->replica);

	if (node->staging == NODE_STAGING_ROWS)
		return true;
	if (store_queue_size(node->store) > 0 || node->staging != NODE_STAGING_NOTHING)
		return false;
	return !tree || (!store_is_writing_tree(node->store) && tree_zxid(tree) == node->written);
}

static void finish_stop(struct node *node)
{
	if (!is_all_written(node))
		return;
	node->state = NODE_STOPPED;
	loop_stop(node->loop);
}

static void run_turn(struct loop_hook *hook)
{
	struct node *node = list_item(hook, struct node, hook);

	if (node_is_over(node))
		return;
	node_enter(node);
	node_drop_sessionless(node);
	clients_unclog(&node->clients);
	node_update_intake(node);
	node_reload_if_wanted(node);
	node_update_peers(node);
	node_write_tree(node);
	if (node->state == NODE_STOPPING)
		finish_stop(node);
	set_timer(node);
	node->ticked = false;
	node_commit(node);
}

int node_refuse(char **ret_error, int error, char *sentence)
{
	*ret_error = sentence;
	return error;
}

/* ---- life cycle ---- */

static int start(struct node *node, char **ret_error)
{
	int error = node_open_store(node, ret_error);

	if (error == 0)
		error = node_listen(node, ret_error);
	if (error == 0)
		error = node_open_peers(node, ret_error);
	if (error < 0)
		return error;
	node->started_ms = loop_now_ms(node->loop);
	store_start(node->store);
	replica_start(node->replica, node->started_ms, node_wall_ms());
	node_pump(node);
	return node->state == NODE_FAILED
		       ? node_refuse(ret_error, -EIO, mem_strdup("it can't go on"))
		       : 0;
}

static struct node *new_node(struct loop *loop, const struct config *config)
{
	struct node *node = mem_zalloc(sizeof(*node));

	node->loop = loop;
	node->config = config;
	node->intake = true;
	node->due_ms = INT64_MAX;
	node->data_path = data_dir_databases(config->data_dir);
	node->log_path = data_dir_databases(config->data_log_dir);
	list_init(&node->closing);
	list_init(&node->streams);
	node->proposals = (struct fourletter_proposals){-1, -1, -1};
	clients_init(&node->clients, config->max_client_cnxns, config->max_cnxns);
	fourletter_init(&node->fourletter, config->fourletter_whitelist);
	return node;
}

/* The store's workers have done something. */
static void on_news(uv_poll_t *news, int status, int events)
{
	struct node *node = news->data;
	eventfd_t count;

	(void)!eventfd_read(node->news_fd, &count); /* that it is not zero is all it says */
	store_poll(node->store);
}

/* The node's memory holds its handles, so it goes with the last of them. */
static void on_handle_closed(uv_handle_t *handle)
{
	struct node *node = handle->data;

	if (--node->handle_count == 0)
		free(node);
}

static int open_handles(struct node *node)
{
	int error;

	node->news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (node->news_fd < 0)
		return -errno;
	error = uv_poll_init(&node->loop->uv, &node->news, node->news_fd);
	if (error < 0) {
		(void)close(node->news_fd);
		return error;
	}
	node->news.data = node;
	node->handle_count = 1;
	error = node_open_gather(node);
	if (error < 0) {
		(void)close(node->news_fd);
		return error;
	}
	/* These fail for a handle that is closing only. */
	(void)uv_poll_start(&node->news, UV_READABLE, on_news);
	(void)uv_timer_init(&node->loop->uv, &node->timer);
	node->timer.data = node;
	node->handle_count = 4;
	loop_hook_add(node->loop, &node->hook, run_turn);
	return 0;
}

static void release(struct node *node)
{
	node_close_clients(node);
	listener_close(node->listener);
	node_close_peers(node);
	if (node->store && node->replica)
		data_dir_remove_address(node->data_path);
	store_close(node->store);
	replica_free(node->replica);
	clients_release(&node->clients);
	free(node->data_path);
	free(node->log_path);
	free(node->address);
	loop_hook_remove(&node->hook);
	(void)uv_poll_stop(&node->news); /* always 0 */
	(void)close(node->news_fd);
	uv_close((uv_handle_t *)&node->news, on_handle_closed);
	node_close_gather(node, on_handle_closed);
	uv_close((uv_handle_t *)&node->timer, on_handle_closed);
}

int node_open(struct loop *loop, const struct config *config, struct node **ret_node,
	      char **ret_error)
{
	struct node *node = new_node(loop, config);
	int error = open_handles(node);

	if (error < 0) {
		*ret_error = mem_printf("no event loop: %s", strerror(-error));
		free(node->data_path);
		free(node->log_path);
		if (node->handle_count > 0)
			uv_close((uv_handle_t *)&node->news, on_handle_closed);
		else
			free(node);
		return error;
	}
	error = start(node, ret_error);
	if (error < 0) {
		release(node);
		return error;
	}
	log_info("node", "serves clients at %s; its last transaction is 0x%" PRIx64, node->address,
		 (uint64_t)store_state(node->store)->logged_zxid);
	*ret_node = node;
	return 0;
}

void node_stop(struct node *node)
{
	if (node->state != NODE_SERVING)
		return;
	log_info("node", "stops");
	node->state = NODE_STOPPING;
	listener_close(node->listener);
	node->listener = NULL;
	node_close_peers(node);
}

int node_close(struct node *node)
{
	int error = node->state == NODE_FAILED ? -EIO : 0;

	release(node);
	return error;
}

const char *node_address(const struct node *node)
{
	return node->address;
}
