#include "replica/server/server_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

struct connection *connection_new(connection_id_t id, const char *address, msec_t now_ms)
{
	struct connection *connection = mem_zalloc(sizeof(*connection));

	connection->id = id;
	list_init(&connection->unestablished);
	list_init(&connection->outgoing);
	list_init(&connection->queue);
	list_init(&connection->held);
	auth_init(&connection->auth, bytes_of_text(address));
	watcher_init(&connection->watcher);
	buf_init(&connection->out, CONNECTION_OUTPUT_SIZE_MAX);
	connection->stats.connection = id;
	connection->stats.opened_ms = now_ms;
	return connection;
}

void connection_free(struct connection *connection)
{
	ASSERT(!list_is_linked(&connection->unestablished));
	ASSERT(!list_is_linked(&connection->outgoing));
	ASSERT(list_is_empty(&connection->watcher.watches));
	while (connection->queue_count > 0)
		connection_dequeue(connection, connection_first(connection));
	list_for_each_safe (&connection->held, at)
		free(list_item(at, struct held, link));
	auth_release(&connection->auth);
	buf_release(&connection->out);
	free(connection);
}

struct queued *connection_enqueue(struct connection *connection, int32_t xid, int32_t opcode,
				  msec_t received_ms, struct bytes body)
{
	struct queued *queued = mem_alloc(sizeof(*queued) + bytes_size(body));

	memset(queued, 0, sizeof(*queued));
	list_init(&queued->sync);
	queued->connection = connection;
	queued->xid = xid;
	queued->opcode = opcode;
	queued->received_ms = received_ms;
	queued->body_size = (uint32_t)bytes_size(body);
	if (queued->body_size > 0)
		memcpy(queued->body, body.data, queued->body_size);
	list_append(&connection->queue, &queued->link);
	connection->queue_count++;
	return queued;
}

struct queued *connection_first(const struct connection *connection)
{
	struct list *first = list_first(&connection->queue);

	return first ? list_item(first, struct queued, link) : NULL;
}

void connection_dequeue(struct connection *connection, struct queued *queued)
{
	list_remove(&queued->link);
	list_remove(&queued->sync);
	if (queued->asked)
		queued->asked->queued = NULL;
	connection->queue_count--;
	free(queued);
}

int connection_hold(struct connection *connection, struct bytes frame, msec_t now_ms)
{
	size_t size = sizeof(struct held) + bytes_size(frame);
	struct held *held;

	if (connection->held_size + size > CONNECTION_HELD_SIZE_MAX)
		return -ENOBUFS;
	held = mem_alloc(size);
	held->received_ms = now_ms;
	held->size = (uint32_t)bytes_size(frame);
	if (held->size > 0)
		memcpy(held->bytes, frame.data, held->size);
	list_append(&connection->held, &held->link);
	connection->held_size += size;
	return 0;
}

void connection_unhold(struct connection *connection, struct held *held)
{
	list_remove(&held->link);
	connection->held_size -= sizeof(*held) + held->size;
}

struct held *connection_first_held(const struct connection *connection)
{
	struct list *first = list_first(&connection->held);

	return first ? list_item(first, struct held, link) : NULL;
}

void connection_check(const struct connection *connection)
{
	size_t count = 0;

	list_for_each (&connection->queue, at)
		count++;
	ASSERT(count == connection->queue_count);
	ASSERT(list_is_linked(&connection->unestablished) == (connection->state == CONNECTION_NEW));
	if (connection->state == CONNECTION_CLOSED)
		ASSERT(count == 0 && connection->watcher.watch_count == 0);
	if (connection->state == CONNECTION_NEW)
		ASSERT(connection->session_id == 0);
	/* A read never waits at the head: there is nothing to wait for. */
	if (count > 0)
		ASSERT(connection_first(connection)->kind != QUEUED_READ &&
		       connection_first(connection)->kind != QUEUED_FAILED);
}
