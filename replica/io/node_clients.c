#include "replica/io/node_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "replica/io/data_dir.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/zk/client_servers.h"

enum {
	/* A four-letter word's answer. */
	ANSWER_SIZE_MAX = 64 << 20,
	REFUSED_LOG_INTERVAL_MS = 1000,
	/* Names of ZK_SERVERS_MAX servers: no more than a client takes. */
	ADDRESSES_SIZE_MAX = 32 << 10,
};

/* ---- ends ---- */

void node_close_client(struct node *node, struct client *client)
{
	conn_close_after_flush(client->conn);
	client->conn = NULL;
	list_append(&node->closing, &client->closing);
}

/* An action may still name a connection that is just ending. */
void node_perform_client(struct node *node, const struct server_action *action)
{
	struct client *client = clients_find(&node->clients, action->connection);

	if (!client || !client->conn)
		return;
	if (action->type == SERVER_SEND) {
		conn_write(client->conn, action->bytes);
		clients_check_output(&node->clients, client);
	} else if (action->type == SERVER_CLOSE) {
		node_close_client(node, client);
	} else {
		clients_set_paused(&node->clients, client, action->type == SERVER_PAUSE);
	}
}

void node_close_clients(struct node *node)
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

/*
 * ---- events ----
 *
 * node_enter may end any client: at the end of a role, or of a session. So who
 * has called it looks whether the client is still there.
 */

static void on_frame(struct conn *conn, struct bytes frame, void *data)
{
	struct client *client = data;
	struct node *node = client->node;
	connection_id_t id = client->id;

	if (node->state != NODE_SERVING)
		return;
	node_enter(node);
	if (!clients_find(&node->clients, id))
		return;
	node->request_count++;
	replica_client_frame(node->replica, id, frame);
	node_pump(node);
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
	client->conn = NULL;
	list_append(&node->closing, &client->closing);
	node_enter(node);
	node_pump(node);
}

static bool on_word(struct conn *conn, const char word[4], void *data)
{
	struct client *client = data;
	struct node *node = client->node;
	connection_id_t id = client->id;
	struct fourletter_view view = {
		.config = node->config,
		.clients = &node->clients,
		.replica = node->replica,
		.proposals = &node->proposals,
		.data_dir = node->data_path,
		.log_dir = node->log_path,
		.client_port = node->client_port,
		.word_count = &node->word_count,
		.started_ms = node->started_ms,
		.role_ms = node->role_ms,
		.now_ms = loop_now_ms(node->loop),
		.wall_ms = node_wall_ms(),
	};
	struct buf answer;

	if (!fourletter_is_word(word))
		return false;
	node_enter(node);
	if (!clients_find(&node->clients, id))
		return true;
	client->said_word = true;
	node->word_count++;
	buf_init(&answer, ANSWER_SIZE_MAX);
	fourletter_answer(&node->fourletter, word, &view, &answer);
	conn_write(conn, buf_bytes(&answer));
	buf_release(&answer);
	node_close_client(node, client);
	node_pump(node);
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

	node_enter(node);
	client = clients_add(&node->clients, conn, loop_now_ms(node->loop), node_wall_ms(), &why);
	if (!client) {
		log_refused(node, conn, why);
		conn_close(conn);
		return;
	}
	client->node = node;
	conn_set_data(conn, client);
	replica_client_opened(node->replica, client->id, conn_peer_host(conn));
	node_pump(node);
}

static bool has_session(const struct node *node, const struct client *client)
{
	struct server *server = replica_server(node->replica);
	struct server_connection_stats stats;

	return server && server_get_connection_stats(server, client->id, &stats) &&
	       stats.session_id != 0;
}

/* zookeeper.nio.sessionlessCnxnTimeout: who connects and asks for no session may not stay. */
void node_drop_sessionless(struct node *node)
{
	msec_t before_ms = loop_now_ms(node->loop) - node->config->sessionless_timeout_ms;
	struct client *client;

	while ((client = clients_first_nascent(&node->clients)) && client->opened_ms <= before_ms) {
		list_remove(&client->nascent);
		if (has_session(node, client))
			continue;
		log_debug("client", "%s: asked for no session; closed", conn_peer(client->conn));
		node_close_client(node, client);
		node_pump(node);
	}
}

/* ---- listening ---- */

static char *make_address(const struct config *config, int port)
{
	const char *host = config->client_port_address;

	if (!host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		host = "127.0.0.1";
	return mem_printf(strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

static void append_address(struct buf *text, const struct config *config,
			   const struct quorum_server *server)
{
	const char *host = server->client_host;

	if (!host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		host = server->addresses[0].host;
	buf_printf(text, strchr(host, ':') ? ",[%s]:%d" : ",%s:%d", host,
		   server->client_host ? server->client_port : config->client_port);
}

char *node_addresses(const struct node *node)
{
	const struct config *config = node->config;
	size_t count = 1;
	struct buf text;
	char *addresses;

	buf_init(&text, ADDRESSES_SIZE_MAX);
	buf_append_text(&text, node->address);
	for (size_t i = 0; config_is_ensemble(config) && i < config->server_count; i++)
		if (config->servers[i].id != config->myid && ++count <= ZK_SERVERS_MAX)
			append_address(&text, config, &config->servers[i]);
	addresses = bytes_dup(buf_bytes(&text));
	buf_release(&text);
	return addresses;
}

int node_listen(struct node *node, char **ret_error)
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
		return node_refuse(ret_error, error,
				   mem_printf("can't listen on %s port %d: %s",
					      config->client_port_address
						      ? config->client_port_address
						      : "any address,",
					      config->client_port, strerror(-error)));
	node->client_port = listener_port(node->listener);
	node->address = make_address(config, node->client_port);
	error = data_dir_write_address(node->data_path, node->address);
	if (error < 0)
		return node_refuse(ret_error, error,
				   mem_printf("%s: can't be written to: %s", node->data_path,
					      strerror(-error)));
	return 0;
}
