#include "replica/io/node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "replica/io/clients.h"
#include "replica/io/data_dir.h"
#include "replica/io/fourletter.h"
#include "replica/io/recovery.h"
#include "replica/io/store.h"
#include "replica/server/server.h"
#include "src/base/assert.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/io/conn.h"

enum {
	/* How long a change waits for the tree's database, if it is not one of very many. */
	WRITEOUT_INTERVAL_MS = 500,
	/* Changes that are worth a write-out of their own. */
	WRITEOUT_COUNT = 20000,
	WRITEOUT_SIZE = 16 << 20,
	/* Log bytes that wait for the disk at which new transactions have to wait, too. */
	APPEND_QUEUE_SIZE = 64 << 20,
	/* A four-letter word's answer. */
	ANSWER_SIZE_MAX = 64 << 20,
	REFUSED_LOG_INTERVAL_MS = 1000,
};

enum node_state { NODE_SERVING, NODE_STOPPING, NODE_STOPPED, NODE_FAILED };

struct node {
	struct loop *loop;
	const struct config *config;
	struct store *store;
	struct server *server;
	struct listener *listener;
	struct clients clients;
	struct fourletter fourletter;

	struct loop_hook hook;
	uv_timer_t timer;
	uv_async_t async; /* the store has something to tell */
	int handle_count;

	enum node_state state;
	bool ticked; /* server_tick was called in this turn */
	bool intake;
	msec_t timer_ms;   /* what the timer is set to */
	msec_t changed_ms; /* since when the tree is ahead of its database; 0: it is not */
	msec_t started_ms;
	msec_t refused_ms;   /* when a refused connection was last logged */
	zxid_t committed;    /* told to the server */
	zxid_t written;      /* the tree's, in the last write-out */
	struct list closing; /* clients whose end the server is not told yet */
	uint64_t word_count;
	int client_port;
	char *address;   /* where clients of this machine reach it */
	char *data_path; /* the databases' directory */
	char *log_path;
};

static msec_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (msec_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- actions ---- */

/* The server is told when all actions of this event have been performed. */
static void close_client(struct node *node, struct client *client)
{
	conn_close_after_flush(client->conn);
	client->conn = NULL;
	list_append(&node->closing, &client->closing);
}

/* Nothing that was not durable has been answered, so going on is the only mistake left. */
static void fail(struct node *node, const char *sentence)
{
	if (node->state == NODE_FAILED)
		return;
	log_error("store", "%s", sentence);
	node->state = NODE_FAILED;
	loop_stop(node->loop);
}

static void append(struct node *node, const struct server_action *action)
{
	char sentence[128];
	int error =
		store_append(node->store, action->zxid, blob_bytes(action->txn), node->committed);

	if (error == 0)
		return;
	(void)snprintf(sentence, sizeof(sentence),
		       "transaction 0x%" PRIx64 " can't be appended to the log: %s",
		       (uint64_t)action->zxid, strerror(-error));
	fail(node, sentence);
}

/* An action may still name a connection that is just ending. */
static void perform(struct node *node, const struct server_action *action)
{
	struct client *client;

	if (action->type == SERVER_APPEND) {
		append(node, action);
		return;
	}
	client = clients_find(&node->clients, action->connection);
	if (!client || !client->conn)
		return;
	if (action->type == SERVER_SEND) {
		conn_write(client->conn, action->bytes);
		clients_check_output(&node->clients, client);
	} else if (action->type == SERVER_CLOSE) {
		close_client(node, client);
	} else {
		clients_set_paused(&node->clients, client, action->type == SERVER_PAUSE);
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
	server_connection_closed(node->server, id);
	return true;
}

/* Call it after every event: what the server wants comes out in its order. */
static void pump(struct node *node)
{
	struct server_action action;

	do {
		while (node->state != NODE_FAILED && server_take_action(node->server, &action))
			perform(node, &action);
	} while (report_closed(node));
}

/*
 * Call it before every event: the first one of a turn finds the time told. What
 * a turn appends goes to the log together, at its end.
 */
static void enter(struct node *node)
{
	if (node->ticked)
		return;
	node->ticked = true;
	store_cork(node->store);
	server_tick(node->server, loop_now_ms(node->loop), wall_ms());
	pump(node);
}

/* ---- clients ---- */

static void on_frame(struct conn *conn, struct bytes frame, void *data)
{
	struct client *client = data;
	struct node *node = client->node;

	if (node->state != NODE_SERVING)
		return;
	enter(node);
	server_frame(node->server, client->id, frame);
	pump(node);
}

static void on_closed(struct conn *conn, int error, void *data)
{
	struct client *client = data;
	struct node *node = client->node;

	if (error == -EMSGSIZE)
		log_warn("client",
			 "%s: sent a frame of more than %d bytes (jute.maxbuffer); closed",
			 conn_peer(conn), node->config->jute_maxbuffer_size);
	else if (error == -ENOBUFS)
		log_warn("client", "%s: did not read %d bytes of replies; closed", conn_peer(conn),
			 CLIENTS_OUTPUT_SIZE_MAX);
	else
		log_debug("client", "%s: closed: %s", conn_peer(conn), strerror(-error));
	enter(node);
	client->conn = NULL;
	list_append(&node->closing, &client->closing);
	pump(node);
}

static bool on_word(struct conn *conn, const char word[4], void *data)
{
	struct client *client = data;
	struct node *node = client->node;
	struct fourletter_view view = {
		.config = node->config,
		.clients = &node->clients,
		.server = node->server,
		.data_dir = node->data_path,
		.log_dir = node->log_path,
		.client_port = node->client_port,
		.word_count = &node->word_count,
		.started_ms = node->started_ms,
		.now_ms = loop_now_ms(node->loop),
		.wall_ms = wall_ms(),
	};
	struct buf answer;

	if (!fourletter_is_word(word))
		return false;
	enter(node);
	client->said_word = true;
	node->word_count++;
	buf_init(&answer, ANSWER_SIZE_MAX);
	fourletter_answer(&node->fourletter, word, &view, &answer);
	conn_write(conn, buf_bytes(&answer));
	buf_release(&answer);
	close_client(node, client);
	pump(node);
	return true;
}

static const struct conn_callbacks client_callbacks = {
	.on_frame = on_frame,
	.on_word = on_word,
	.on_closed = on_closed,
};

/* A flood of connections shall not be a flood of lines. */
static void log_refused(struct node *node, struct conn *conn, const char *why)
{
	msec_t now_ms = loop_now_ms(node->loop);

	if (node->refused_ms != 0 && now_ms - node->refused_ms < REFUSED_LOG_INTERVAL_MS)
		return;
	node->refused_ms = now_ms;
	log_warn("client", "%s: refused: %s", conn_peer(conn), why);
}

static void on_accept(struct listener *listener, struct conn *conn, void *data)
{
	struct node *node = data;
	struct client *client;
	const char *why;

	enter(node);
	client = clients_add(&node->clients, conn, loop_now_ms(node->loop), wall_ms(), &why);
	if (!client) {
		log_refused(node, conn, why);
		conn_close(conn);
		return;
	}
	client->node = node;
	conn_set_data(conn, client);
	server_connection_opened(node->server, client->id, conn_peer_host(conn));
	pump(node);
}

static bool has_session(const struct node *node, const struct client *client)
{
	struct server_connection_stats stats;

	return server_get_connection_stats(node->server, client->id, &stats) &&
	       stats.session_id != 0;
}

/* zookeeper.nio.sessionlessCnxnTimeout: who connects and asks for no session may not stay. */
static void drop_sessionless(struct node *node)
{
	msec_t before_ms = loop_now_ms(node->loop) - node->config->sessionless_timeout_ms;
	struct client *client;

	while ((client = clients_first_nascent(&node->clients)) && client->opened_ms <= before_ms) {
		list_remove(&client->nascent);
		if (has_session(node, client))
			continue;
		log_debug("client", "%s: asked for no session; closed", conn_peer(client->conn));
		close_client(node, client);
		pump(node);
	}
}

/* ---- the store ---- */

static void on_log_durable(zxid_t zxid, void *data)
{
	struct node *node = data;

	if (node->state == NODE_FAILED)
		return;
	enter(node);
	node->committed = zxid;
	server_committed(node->server, zxid);
	pump(node);
}

static void on_tree_durable(zxid_t zxid, void *data)
{
	log_debug("store", "the tree's database is at zxid 0x%" PRIx64, (uint64_t)zxid);
}

/* A standalone has no epochs to store. */
static void on_epochs_durable(void *data)
{
}

static void on_store_failed(const char *sentence, void *data)
{
	fail(data, sentence);
}

/* On a worker's thread. */
static void on_store_notify(void *data)
{
	struct node *node = data;

	(void)uv_async_send(&node->async); /* can't fail while the handle is open */
}

static void on_async(uv_async_t *async)
{
	struct node *node = async->data;

	store_poll(node->store);
}

/* New transactions wait while the disk is behind: restarts stay short, and memory bounded. */
static void update_intake(struct node *node)
{
	struct store_lag lag = store_lag(node->store);
	bool intake = node->state == NODE_SERVING && lag.count < STORE_LAG_COUNT_MAX &&
		      lag.size < STORE_LAG_SIZE_MAX &&
		      store_queue_size(node->store) < APPEND_QUEUE_SIZE;

	if (intake == node->intake)
		return;
	node->intake = intake;
	server_set_intake(node->server, intake);
	pump(node);
}

static bool is_writeout_due(const struct node *node, const struct tree *tree)
{
	return node->state != NODE_SERVING ||
	       loop_now_ms(node->loop) - node->changed_ms >= WRITEOUT_INTERVAL_MS ||
	       tree_change_count(tree) >= WRITEOUT_COUNT || tree_change_size(tree) >= WRITEOUT_SIZE;
}

static void write_tree(struct node *node, struct tree *tree)
{
	struct store_writeout *writeout = store_writeout_new(tree_zxid(tree), tree_digest(tree));

	tree_take_changes(tree, store_writeout_add, writeout);
	node->written = tree_zxid(tree);
	node->changed_ms = 0;
	store_write_tree(node->store, writeout);
}

/* The tree is behind its log on disk, but what was applied is in the log: it may be written. */
static void write_tree_if_due(struct node *node)
{
	struct tree *tree = server_tree(node->server);

	if (tree_zxid(tree) == node->written)
		return;
	if (node->changed_ms == 0)
		node->changed_ms = loop_now_ms(node->loop);
	if (store_can_write_tree(node->store) && is_writeout_due(node, tree))
		write_tree(node, tree);
}

/* ---- turns ---- */

static msec_t min_ms(msec_t a, msec_t b)
{
	return a < b ? a : b;
}

static void on_timer(uv_timer_t *timer)
{
	struct node *node = timer->data;

	/* The hook of this turn does what is due. */
	node->timer_ms = 0;
}

static void set_timer(struct node *node)
{
	struct client *nascent = clients_first_nascent(&node->clients);
	msec_t now_ms = loop_now_ms(node->loop);
	msec_t due_ms = server_next_tick_ms(node->server);

	if (nascent)
		due_ms = min_ms(due_ms, nascent->opened_ms + node->config->sessionless_timeout_ms);
	if (node->changed_ms != 0 && store_can_write_tree(node->store))
		due_ms = min_ms(due_ms, node->changed_ms + WRITEOUT_INTERVAL_MS);
	if (due_ms == node->timer_ms)
		return;
	node->timer_ms = due_ms;
	if (due_ms == INT64_MAX)
		(void)uv_timer_stop(&node->timer); /* never fails */
	else
		(void)uv_timer_start(&node->timer, on_timer,
				     due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}

static void close_all_clients(struct node *node)
{
	struct client *client;

	while ((client = clients_first(&node->clients))) {
		if (client->conn) {
			conn_flush(client->conn);
			conn_close(client->conn);
		}
		clients_remove(&node->clients, client);
	}
}

/* Stopping: is all that was begun on disk? */
static void finish_stop(struct node *node)
{
	if (store_queue_size(node->store) > 0 || !store_can_write_tree(node->store) ||
	    tree_zxid(server_tree(node->server)) != node->written)
		return;
	node->state = NODE_STOPPED;
	loop_stop(node->loop);
}

static void run_turn(struct loop_hook *hook)
{
	struct node *node = list_item(hook, struct node, hook);

	if (node->state == NODE_FAILED || node->state == NODE_STOPPED)
		return;
	enter(node);
	drop_sessionless(node);
	clients_unclog(&node->clients);
	update_intake(node);
	write_tree_if_due(node);
	if (node->state == NODE_STOPPING)
		finish_stop(node);
	set_timer(node);
	node->ticked = false;
	store_uncork(node->store);
}

/* ---- life cycle ---- */

static char *make_address(const struct config *config, int port)
{
	const char *host = config->client_port_address;

	if (!host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		host = "127.0.0.1";
	return mem_printf(strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

static int refuse(char **ret_error, int error, char *sentence)
{
	*ret_error = sentence;
	return error;
}

static int make_directories(struct node *node, char **ret_error)
{
	const struct config *config = node->config;
	int error = data_dir_make(config->data_dir);

	if (error < 0)
		return refuse(ret_error, error,
			      mem_printf("%s: dataDir: %s can't be made: %s", config->file,
					 config->data_dir, strerror(-error)));
	error = data_dir_make(config->data_log_dir);
	if (error < 0)
		return refuse(ret_error, error,
			      mem_printf("%s: dataLogDir: %s can't be made: %s", config->file,
					 config->data_log_dir, strerror(-error)));
	return 0;
}

/* The sentence of a refusal; of a directory that is in use, with the address that serves it. */
static int refuse_store(struct node *node, char **ret_error, int error,
			const struct store_refusal *refusal)
{
	char *address = error == -EBUSY ? data_dir_read_address(node->data_path) : NULL;

	if (address)
		*ret_error = mem_printf("%s; it serves at %s", refusal->text, address);
	else
		*ret_error = mem_strdup(refusal->text);
	free(address);
	return error;
}

static int open_store(struct node *node, char **ret_error)
{
	static const struct store_events events = {
		.notify = on_store_notify,
		.log_durable = on_log_durable,
		.epochs_durable = on_epochs_durable,
		.tree_durable = on_tree_durable,
		.failed = on_store_failed,
	};
	struct store_options options = {
		.data_dir = node->config->data_dir,
		.log_dir = node->config->data_log_dir,
		.myid = STORE_MYID_NONE,
	};
	struct store_refusal refusal = {0};
	int error = make_directories(node, ret_error);

	if (error < 0)
		return error;
	error = store_open(&options, &events, node, &node->store, &refusal);
	if (error < 0)
		return refuse_store(node, ret_error, error, &refusal);
	data_dir_remove_address(node->data_path);
	error = recovery_run(node->store, node->config, &node->server, &refusal);
	if (error < 0)
		return refuse_store(node, ret_error, error, &refusal);
	node->written = store_state(node->store)->tree_zxid;
	node->committed = store_state(node->store)->logged_zxid;
	return 0;
}

static int listen_for_clients(struct node *node, char **ret_error)
{
	const struct config *config = node->config;
	struct conn_options options = {
		.frame_size_max = (size_t)config->jute_maxbuffer_size,
		.output_size_max = CLIENTS_OUTPUT_SIZE_MAX,
		.callbacks = &client_callbacks,
	};
	int backlog = config->listen_backlog > 0 ? config->listen_backlog : SOMAXCONN;
	int error = listener_open(node->loop, config->client_port_address,
				  (uint16_t)config->client_port, backlog, &options, on_accept, node,
				  &node->listener);

	if (error < 0)
		return refuse(ret_error, error,
			      mem_printf("can't listen on %s port %d: %s",
					 config->client_port_address ? config->client_port_address
								     : "any address,",
					 config->client_port, strerror(-error)));
	node->client_port = listener_port(node->listener);
	node->address = make_address(config, node->client_port);
	error = data_dir_write_address(node->data_path, node->address);
	if (error < 0)
		return refuse(ret_error, error,
			      mem_printf("%s: can't be written to: %s", node->data_path,
					 strerror(-error)));
	return 0;
}

static int start(struct node *node, char **ret_error)
{
	int error = open_store(node, ret_error);

	if (error < 0)
		return error;
	node->started_ms = loop_now_ms(node->loop);
	store_start(node->store);
	server_start(node->server, node->started_ms, wall_ms());
	pump(node);
	return listen_for_clients(node, ret_error);
}

static struct node *new_node(struct loop *loop, const struct config *config)
{
	struct node *node = mem_zalloc(sizeof(*node));

	node->loop = loop;
	node->config = config;
	node->intake = true;
	node->data_path = data_dir_databases(config->data_dir);
	node->log_path = data_dir_databases(config->data_log_dir);
	list_init(&node->closing);
	clients_init(&node->clients, config->max_client_cnxns, config->max_cnxns);
	fourletter_init(&node->fourletter, config->fourletter_whitelist);
	return node;
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
	int error = uv_async_init(&node->loop->uv, &node->async, on_async);

	if (error < 0)
		return error;
	(void)uv_timer_init(&node->loop->uv, &node->timer); /* never fails */
	node->async.data = node;
	node->timer.data = node;
	node->handle_count = 2;
	loop_hook_add(node->loop, &node->hook, run_turn);
	return 0;
}

static void release(struct node *node)
{
	close_all_clients(node);
	listener_close(node->listener);
	if (node->store && node->server)
		data_dir_remove_address(node->data_path);
	store_close(node->store);
	server_free(node->server);
	clients_release(&node->clients);
	free(node->data_path);
	free(node->log_path);
	free(node->address);
	loop_hook_remove(&node->hook);
	uv_close((uv_handle_t *)&node->async, on_handle_closed);
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
		free(node);
		return error;
	}
	error = start(node, ret_error);
	if (error < 0) {
		release(node);
		return error;
	}
	log_info("node", "serves clients at %s; its last transaction is 0x%" PRIx64, node->address,
		 (uint64_t)tree_zxid(server_tree(node->server)));
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
