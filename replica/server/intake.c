/* Frames come in: what each one is, whether it waits, and the order of answers. */
#include <stdlib.h>

#include "replica/server/server_impl.h"
#include "src/base/assert.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"

static bool is_write(int32_t opcode)
{
	switch (opcode) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
	case ZK_OP_DELETE:
	case ZK_OP_DELETE_CONTAINER:
	case ZK_OP_SET_DATA:
	case ZK_OP_SET_ACL:
	case ZK_OP_MULTI:
	case ZK_OP_RECONFIG:
	case ZK_OP_CLOSE_SESSION:
		return true;
	default:
		return false;
	}
}

/* ---- requests that concern the connection alone: answered at once, before what waits ---- */

static void take_auth(struct server *server, struct connection *connection, int32_t xid,
		      struct bytes body)
{
	struct zk_auth_packet packet;
	struct jute_reader reader;
	enum zk_code code;

	jute_reader_init(&reader, body.data, bytes_size(body), bytes_size(body));
	zk_auth_packet_read(&reader, &packet);
	if (reader.error) {
		server_close_connection(server, connection);
		return;
	}
	code = auth_add(&connection->auth, packet.scheme, packet.auth, server->config.super_digest);
	(void)reply_begin_at(server, connection, xid, 0, code); /* the header is all */
	reply_end(server, connection);
	if (code != ZK_OK && connection->state != CONNECTION_CLOSED)
		server_close_connection(server, connection);
}

/* Nothing is configured for SASL; Java then answers with a null token, and goes on. */
static void take_sasl(struct server *server, struct connection *connection, int32_t xid,
		      struct bytes body)
{
	const struct zk_sasl_token none = {.token = BYTES_NULL};
	struct zk_sasl_token token;
	struct jute_reader reader;

	jute_reader_init(&reader, body.data, bytes_size(body), bytes_size(body));
	zk_sasl_token_read(&reader, &token);
	if (reader.error) {
		server_close_connection(server, connection);
		return;
	}
	zk_sasl_token_write(reply_begin_at(server, connection, xid, 0, ZK_OK), &none);
	reply_end(server, connection);
}

/* ---- the queue ---- */

static struct bytes body_of(const struct queued *queued)
{
	return bytes_of(queued->body, queued->body_size);
}

static bool answer_first(struct server *server, struct connection *connection,
			 const struct queued *queued)
{
	switch (queued->kind) {
	case QUEUED_READ:
		break;
	case QUEUED_ZXID:
		if (queued->zxid > server_applied(server))
			return false;
		break;
	case QUEUED_FAILED:
		reply_code(server, connection, queued->xid, queued->err);
		reply_count(server, connection, queued->xid, queued->opcode, queued->received_ms);
		return true;
	default:
		return false;
	}
	read_execute(server, connection, queued->xid, queued->opcode, body_of(queued),
		     queued->received_ms);
	return true;
}

static bool is_throttled(const struct server *server, const struct connection *connection)
{
	return server->outstanding > server->config.outstanding_limit &&
	       connection->queue_count > 0;
}

void intake_drain(struct server *server, struct connection *connection)
{
	struct queued *first;

	if (connection->state == CONNECTION_REVALIDATING)
		establish_resume(server, connection);
	while (connection->state == CONNECTION_ESTABLISHED &&
	       (first = connection_first(connection)) && answer_first(server, connection, first)) {
		/* An answer that ends the connection takes the queue with it. */
		if (connection->state == CONNECTION_CLOSED)
			return;
		connection_dequeue(connection, first);
		server->outstanding--;
	}
	if (connection->state == CONNECTION_ESTABLISHED && !is_throttled(server, connection))
		server_resume(server, connection, PAUSE_THROTTLE);
}

static void take_read(struct server *server, struct connection *connection, int32_t xid,
		      int32_t opcode, struct bytes body, msec_t received_ms)
{
	struct queued *queued;

	if (connection->queue_count == 0 || server->mutation == SERVER_MUTATION_READ_OVERTAKES) {
		read_execute(server, connection, xid, opcode, body, received_ms);
		return;
	}
	queued = connection_enqueue(connection, xid, opcode, received_ms, body);
	queued->kind = QUEUED_READ;
	server->outstanding++;
}

/* sync is answered when everything proposed before it, by whomever, is applied. */
static void take_sync(struct server *server, struct connection *connection, int32_t xid,
		      struct bytes body, msec_t received_ms)
{
	struct queued *queued;

	if (server->mutation == SERVER_MUTATION_SYNC_AT_ONCE) {
		take_read(server, connection, xid, ZK_OP_SYNC, body, received_ms);
		return;
	}
	if (server->role == SERVER_LEARNER) {
		forward_sync(server, connection, xid, body, received_ms);
		return;
	}
	if (connection->queue_count == 0 && list_is_empty(&server->proposals)) {
		read_execute(server, connection, xid, ZK_OP_SYNC, body, received_ms);
		return;
	}
	queued = connection_enqueue(connection, xid, ZK_OP_SYNC, received_ms, body);
	queued->kind = QUEUED_ZXID;
	queued->zxid = server->proposed;
	server->outstanding++;
	list_append(&server->syncs, &queued->sync);
}

static void take_request(struct server *server, struct connection *connection,
			 const struct zk_request_header *header, struct bytes body,
			 msec_t received_ms)
{
	if (header->opcode == ZK_OP_AUTH)
		take_auth(server, connection, header->xid, body);
	else if (header->opcode == ZK_OP_SASL)
		take_sasl(server, connection, header->xid, body);
	else if (header->opcode == ZK_OP_SYNC)
		take_sync(server, connection, header->xid, body, received_ms);
	else if (is_write(header->opcode) && server->role == SERVER_LEARNER)
		forward_write(server, connection, header->xid, header->opcode, body, received_ms);
	else if (is_write(header->opcode))
		proposal_submit(server, connection, header->xid, header->opcode, body, received_ms);
	else
		take_read(server, connection, header->xid, header->opcode, body, received_ms);
	if (connection->state == CONNECTION_ESTABLISHED && is_throttled(server, connection))
		server_pause(server, connection, PAUSE_THROTTLE);
}

/* ---- frames ---- */

static bool read_header(struct bytes frame, struct zk_request_header *ret_header,
			struct bytes *ret_body)
{
	struct jute_reader reader;

	jute_reader_init(&reader, frame.data, bytes_size(frame), bytes_size(frame));
	zk_request_header_read(&reader, ret_header);
	*ret_body = bytes_of(reader.at, jute_left(&reader));
	return !reader.error;
}

static void take_frame(struct server *server, struct connection *connection, struct bytes frame,
		       msec_t received_ms)
{
	struct zk_request_header header;
	struct bytes body;

	if (connection->state == CONNECTION_NEW) {
		establish_connect(server, connection, frame);
		return;
	}
	if (!read_header(frame, &header, &body)) {
		server_close_connection(server, connection);
		return;
	}
	/* The session is being closed: Java drops what comes after, and so the answer's all it
	 * gets. */
	if (!server_touch(server, connection))
		return;
	take_request(server, connection, &header, body, received_ms);
}

/* Would looking at it now make a transaction that may not be made? */
static bool waits_for_intake(const struct server *server, const struct connection *connection,
			     struct bytes frame)
{
	struct zk_request_header header;
	struct bytes body;

	if (server->intake)
		return false;
	return connection->state == CONNECTION_NEW ||
	       (read_header(frame, &header, &body) && is_write(header.opcode));
}

static bool must_hold(struct server *server, struct connection *connection, struct bytes frame)
{
	if (connection->state == CONNECTION_ESTABLISHING ||
	    connection->state == CONNECTION_REVALIDATING)
		return true;
	if (!waits_for_intake(server, connection, frame))
		return false;
	server_pause(server, connection, PAUSE_INTAKE);
	return true;
}

static void hold(struct server *server, struct connection *connection, struct bytes frame,
		 msec_t received_ms)
{
	/* It is alive, however long we let it wait; one without a session, or closing, is not. */
	(void)server_touch(server, connection);
	if (connection_hold(connection, frame, received_ms))
		server_close_connection(server, connection);
}

void intake_frame(struct server *server, struct connection *connection, struct bytes frame,
		  msec_t received_ms)
{
	if (connection->state == CONNECTION_CLOSED)
		return;
	connection->stats.packets_received++;
	server->stats.packets_received++;
	if (!list_is_empty(&connection->held) || must_hold(server, connection, frame))
		hold(server, connection, frame, received_ms);
	else
		take_frame(server, connection, frame, received_ms);
}

void intake_held(struct server *server, struct connection *connection)
{
	struct held *held;

	while (connection->state != CONNECTION_CLOSED &&
	       (held = connection_first_held(connection))) {
		struct bytes frame = bytes_of(held->bytes, held->size);

		if (must_hold(server, connection, frame))
			return;
		connection_unhold(connection, held);
		take_frame(server, connection, frame, held->received_ms);
		free(held);
	}
}
