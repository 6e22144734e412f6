/* Connect requests: sessions that begin, and those that come back
 * (ZooKeeperServer.processConnectRequest). */
#include <string.h>

#include "replica/server/server_impl.h"
#include "src/base/assert.h"
#include "src/zk/record.h"

struct connection *establish_find(const struct server *server, session_id_t session_id)
{
	struct map_entry *entry =
		map_find(&server->by_session, bytes_of(&session_id, sizeof(session_id)));

	return entry ? map_item(entry, struct connection, by_session) : NULL;
}

void establish_set_session(struct server *server, struct connection *connection,
			   session_id_t session_id)
{
	if (connection->session_id != 0)
		map_remove(&server->by_session, &connection->by_session);
	connection->session_id = session_id;
	connection->stats.session_id = session_id;
	if (session_id != 0)
		map_insert(&server->by_session, &connection->by_session,
			   bytes_of(&connection->session_id, sizeof(connection->session_id)));
}

static void respond(struct server *server, struct connection *connection, bool is_valid)
{
	uint8_t password[ZK_PASSWORD_SIZE] = {0};
	struct zk_connect_response response = {
		.timeout_ms = is_valid ? connection->timeout_ms : 0,
		.session_id = is_valid ? connection->session_id : 0,
		.password = bytes_of(password, sizeof(password)),
		.has_read_only = connection->has_read_only,
	};

	if (is_valid)
		session_password(connection->session_id, password);
	zk_connect_response_write(reply_begin_bare(server, connection), &response);
	reply_end(server, connection);
}

static void welcome(struct server *server, struct connection *connection)
{
	connection->state = CONNECTION_ESTABLISHED;
	connection->stats.timeout_ms = connection->timeout_ms;
	respond(server, connection, true);
	reply_count(server, connection, 0, ZK_OP_CREATE_SESSION, server->now_ms);
	if (server->role == SERVER_LEARNER)
		forward_touch(server, connection);
	server_resume(server, connection, PAUSE_CONNECT);
}

/* "Not valid" is an answer, too: the client begins a new session. */
static void turn_away(struct server *server, struct connection *connection)
{
	respond(server, connection, false);
	if (connection->state != CONNECTION_CLOSED)
		server_close_connection(server, connection);
}

void establish_finish(struct server *server, session_id_t session_id, bool is_valid)
{
	struct connection *connection = establish_find(server, session_id);

	if (!connection || connection->state != CONNECTION_ESTABLISHING)
		return;
	if (is_valid)
		welcome(server, connection);
	else
		server_close_connection(server, connection);
}

void establish_revalidated(struct server *server, session_id_t session_id, bool is_valid)
{
	struct connection *connection = establish_find(server, session_id);

	if (!connection || connection->state != CONNECTION_REVALIDATING)
		return;
	connection->is_valid = is_valid || server->mutation == SERVER_MUTATION_REVALIDATE_ALWAYS;
	if (connection->is_valid)
		intake_drain(server, connection);
	else
		turn_away(server, connection);
}

void establish_resume(struct server *server, struct connection *connection)
{
	struct queued *sync = connection_first(connection);

	ASSERT(connection->state == CONNECTION_REVALIDATING && sync);
	if (!connection->is_valid || sync->kind != QUEUED_ZXID ||
	    sync->zxid > server_applied(server))
		return;
	connection_dequeue(connection, sync);
	server->outstanding--;
	welcome(server, connection);
}

/* The tracker of a learner knows no sessions, the tree those of all. */
static session_id_t next_session_id(struct server *server)
{
	session_id_t id;

	do
		id = session_tracker_next_id(&server->tracker);
	while (tree_find_session(server->tree, id));
	return id;
}

static void begin_session(struct server *server, struct connection *connection)
{
	session_id_t id = next_session_id(server);

	connection->state = CONNECTION_ESTABLISHING;
	establish_set_session(server, connection, id);
	server_pause(server, connection, PAUSE_CONNECT);
	if (server->role == SERVER_LEARNER)
		forward_create_session(server, connection);
	else
		proposal_create_session(server, id, connection->timeout_ms, SESSION_OWNER_SELF);
}

static bool is_password(session_id_t session_id, struct bytes password)
{
	uint8_t expected[ZK_PASSWORD_SIZE];

	session_password(session_id, expected);
	return bytes_equal(password, bytes_of(expected, sizeof(expected)));
}

static void revalidate(struct server *server, struct connection *connection,
		       session_id_t session_id)
{
	connection->state = CONNECTION_REVALIDATING;
	establish_set_session(server, connection, session_id);
	server_pause(server, connection, PAUSE_CONNECT);
	forward_revalidate(server, connection);
}

static void take_over(struct server *server, struct connection *connection, session_id_t session_id)
{
	session_set_owner(&server->tracker, session_id, SESSION_OWNER_SELF);
	establish_set_session(server, connection, session_id);
	welcome(server, connection);
}

static void resume_session(struct server *server, struct connection *connection,
			   const struct zk_connect_request *request)
{
	struct connection *earlier = establish_find(server, request->session_id);

	/* Before the password is looked at, as Java has it. */
	if (earlier)
		server_close_connection(server, earlier);
	if (!is_password(request->session_id, request->password))
		turn_away(server, connection);
	else if (server->role == SERVER_LEARNER)
		revalidate(server, connection, request->session_id);
	else if (session_touch(&server->tracker, request->session_id, connection->timeout_ms,
			       server->now_ms))
		take_over(server, connection, request->session_id);
	else
		turn_away(server, connection);
}

static int32_t clamp_timeout(const struct server *server, int32_t timeout_ms)
{
	if (timeout_ms < server->config.timeout_min_ms)
		return server->config.timeout_min_ms;
	if (timeout_ms > server->config.timeout_max_ms)
		return server->config.timeout_max_ms;
	return timeout_ms;
}

/*
 * A client that has seen more than we have must not see time go back: it tries another server.
 * Of an epoch nothing is seen before its first transaction, but Java's leader shows its zxid.
 */
void establish_connect(struct server *server, struct connection *connection, struct bytes frame)
{
	struct zk_connect_request request;
	struct jute_reader reader;

	jute_reader_init(&reader, frame.data, bytes_size(frame), bytes_size(frame));
	zk_connect_request_read(&reader, &request);
	if (server->mutation == SERVER_MUTATION_ACCEPT_AHEAD)
		request.last_zxid_seen = 0;
	if (reader.error || request.last_zxid_seen > server_applied(server)) {
		server_close_connection(server, connection);
		return;
	}
	list_remove(&connection->unestablished);
	connection->has_read_only = request.has_read_only;
	connection->timeout_ms = clamp_timeout(server, request.timeout_ms);
	if (request.session_id == 0)
		begin_session(server, connection);
	else
		resume_session(server, connection, &request);
}
