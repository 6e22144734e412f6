#include "src/client/client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/io/conn.h"
#include "src/zk/opcode.h"

enum {
	/* Beyond it no more requests are handed to the connection: they wait in the session. */
	OUTPUT_PAUSE_SIZE = 1 << 20,
	/* Only a bound: the session itself gives up a try earlier. */
	CONNECT_TIMEOUT_MS = 600000,
};

struct client {
	struct loop *loop;
	struct loop_hook hook;
	uv_timer_t timer; /* to the session's deadline */
	struct zk_client *session;
	struct zk_servers servers;
	struct conn *conn; /* NULL: none */
	size_t output_size_max;
	char *server;
	char *last_error;
};

/* ---- what happens on the connection ---- */

static void note_error(struct client *client, const char *what)
{
	free(client->last_error);
	client->last_error = mem_printf("%s: %s", client->server, what);
}

static void on_connected(struct conn *conn, void *data)
{
	struct client *client = data;

	zk_client_connected(client->session, loop_now_ms(client->loop));
}

static void on_frame(struct conn *conn, struct bytes frame, void *data)
{
	struct client *client = data;

	if (zk_client_received(client->session, frame, loop_now_ms(client->loop)))
		note_error(client, "what the server sent is not the ZooKeeper protocol");
}

static void on_closed(struct conn *conn, int error, void *data)
{
	struct client *client = data;

	client->conn = NULL;
	note_error(client, strerror(-error));
	zk_client_disconnected(client->session, loop_now_ms(client->loop));
}

static const struct conn_callbacks conn_callbacks = {
	.on_connected = on_connected,
	.on_frame = on_frame,
	.on_closed = on_closed,
};

/* ---- what the session wants ---- */

static void connect_to(struct client *client, const struct zk_server *server)
{
	const struct conn_options options = {
		.frame_size_max = CLIENT_REPLY_SIZE_MAX,
		.output_size_max = client->output_size_max,
		.callbacks = &conn_callbacks,
	};

	ASSERT(!client->conn);
	free(client->server);
	client->server = mem_printf(strchr(server->host, ':') ? "[%s]:%u" : "%s:%u", server->host,
				    server->port);
	client->conn = conn_connect(client->loop, server->host, server->port, CONNECT_TIMEOUT_MS,
				    &options, client);
}

static void perform(struct client *client, const struct zk_client_action *action)
{
	switch (action->type) {
	case ZK_CLIENT_CONNECT:
		connect_to(client, &client->servers.servers[action->server]);
		return;
	case ZK_CLIENT_SEND:
		conn_write(client->conn, action->bytes);
		return;
	case ZK_CLIENT_DISCONNECT:
		conn_close(client->conn);
		client->conn = NULL;
		return;
	}
}

/* A full output holds back requests, not the end of a connection that is stuck. */
static bool may_pull(const struct client *client)
{
	return zk_client_state(client->session) != ZK_CLIENT_CONNECTED ||
	       conn_output_size(client->conn) <= OUTPUT_PAUSE_SIZE;
}

static void on_timer(uv_timer_t *timer)
{
	/* Nothing to do but to wake the loop: its hook pumps. */
}

static void arm_timer(struct client *client, msec_t deadline_ms, msec_t now_ms)
{
	int err;

	if (deadline_ms == INT64_MAX) {
		(void)uv_timer_stop(&client->timer); /* always 0 */
		return;
	}
	err = uv_timer_start(&client->timer, on_timer,
			     deadline_ms > now_ms ? (uint64_t)(deadline_ms - now_ms) : 1, 0);
	ASSERT(!err);
}

/* Before the loop blocks: one pull for all that happened in this turn. */
static void pump(struct loop_hook *hook)
{
	struct client *client = list_item(hook, struct client, hook);
	msec_t now_ms = loop_now_ms(client->loop);
	struct zk_client_action action;

	if (zk_client_deadline(client->session) <= now_ms)
		zk_client_tick(client->session, now_ms);
	while (may_pull(client) && zk_client_next_action(client->session, now_ms, &action))
		perform(client, &action);
	arm_timer(client, zk_client_deadline(client->session), now_ms);
}

/* ---- life ---- */

static uint64_t random_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return uv_hrtime(); /* only spreads clients over servers */
	return seed;
}

static void copy_servers(struct zk_servers *to, const struct zk_servers *from)
{
	*to = *from;
	for (size_t i = 0; i < from->count; i++)
		to->servers[i].host = mem_strdup(from->servers[i].host);
	to->chroot = mem_strdup(from->chroot);
}

struct client *client_new(struct loop *loop, const struct zk_servers *servers,
			  const struct client_options *options,
			  const struct zk_client_callbacks *callbacks)
{
	struct client *client = mem_zalloc(sizeof(*client));
	struct zk_client_options session_options = {
		.server_count = servers->count,
		.timeout_ms =
			options->timeout_ms ? options->timeout_ms : ZK_CLIENT_TIMEOUT_DEFAULT_MS,
		.frame_size_max = options->frame_size_max,
		.seed = options->seed ? options->seed : random_seed(),
		.begins_with_first = options->begins_with_first,
		.onexpire = options->onexpire,
		.hard = options->hard,
	};
	int err;

	client->loop = loop;
	client->server = mem_strdup("");
	client->last_error = mem_strdup("");
	copy_servers(&client->servers, servers);
	client->session = zk_client_new(&session_options, callbacks, loop_now_ms(loop));
	/* One more frame fits wherever pulling stops. */
	client->output_size_max =
		OUTPUT_PAUSE_SIZE + 2 * zk_client_frame_size_max(client->session) + 4096;
	err = uv_timer_init(&loop->uv, &client->timer);
	ASSERT(!err);
	client->timer.data = client;
	loop_hook_add(loop, &client->hook, pump);
	arm_timer(client, loop_now_ms(loop), loop_now_ms(loop));
	return client;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void client_free(struct client *client)
{
	if (!client)
		return;
	conn_close(client->conn);
	loop_hook_remove(&client->hook);
	zk_client_free(client->session);
	zk_servers_release(&client->servers);
	free(client->server);
	free(client->last_error);
	uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}

/* ---- the session's operations, with the loop's time ---- */

int client_submit(struct client *client, struct zk_request *request, zk_client_on_reply *on_reply,
		  void *data, uint64_t *ret_id)
{
	return zk_client_submit(client->session, request, loop_now_ms(client->loop), on_reply, data,
				ret_id);
}

void client_abandon(struct client *client, uint64_t id)
{
	zk_client_abandon(client->session, id);
}

int client_add_auth(struct client *client, struct bytes scheme, struct bytes auth)
{
	return zk_client_add_auth(client->session, scheme, auth);
}

void client_close(struct client *client)
{
	zk_client_close(client->session, loop_now_ms(client->loop));
}

const struct zk_client *client_session(const struct client *client)
{
	return client->session;
}

const char *client_server(const struct client *client)
{
	return client->server;
}

const char *client_last_error(const struct client *client)
{
	return client->last_error;
}

const char *client_peer_host(const struct client *client)
{
	return client->conn ? conn_peer_host(client->conn) : "";
}

uint16_t client_peer_port(const struct client *client)
{
	return client->conn ? conn_peer_port(client->conn) : 0;
}
