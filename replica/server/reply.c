#include "replica/server/server_impl.h"
#include "src/base/assert.h"
#include "src/base/endian.h"

enum { FRAME_LENGTH_SIZE = 4 };

struct buf *reply_begin_bare(struct server *server, struct connection *connection)
{
	const struct server_action send = {.type = SERVER_SEND, .connection = connection->id};
	struct buf *out = &connection->out;

	ASSERT(connection->state != CONNECTION_CLOSED);
	if (!list_is_linked(&connection->outgoing)) {
		list_append(&server->outgoing, &connection->outgoing);
		server_emit(server, &send);
	}
	if (!out->error)
		connection->frame_at = out->size;
	(void)buf_extend(out, FRAME_LENGTH_SIZE); /* NULL is the sticky error, seen at the end */
	return out;
}

struct buf *reply_begin_at(struct server *server, struct connection *connection, int32_t xid,
			   zxid_t zxid, enum zk_code err)
{
	const struct zk_reply_header header = {.xid = xid, .zxid = zxid, .err = err};
	struct buf *out = reply_begin_bare(server, connection);

	zk_reply_header_write(out, &header);
	return out;
}

struct buf *reply_begin(struct server *server, struct connection *connection, int32_t xid,
			enum zk_code err)
{
	return reply_begin_at(server, connection, xid, tree_zxid(server->tree), err);
}

void reply_end(struct server *server, struct connection *connection)
{
	struct buf *out = &connection->out;
	size_t size = out->size - connection->frame_at - FRAME_LENGTH_SIZE;

	if (out->error) {
		server_close_connection(server, connection);
		return;
	}
	endian_put_u32(out->data + connection->frame_at, (uint32_t)size);
	connection->stats.packets_sent++;
	server->stats.packets_sent++;
}

void reply_cancel(struct server *server, struct connection *connection)
{
	if (!connection->out.error)
		buf_truncate(&connection->out, connection->frame_at);
}

void reply_code(struct server *server, struct connection *connection, int32_t xid, enum zk_code err)
{
	(void)reply_begin(server, connection, xid, err); /* there is no more to write */
	reply_end(server, connection);
}

void reply_count(struct server *server, struct connection *connection, int32_t xid, int32_t opcode,
		 msec_t received_ms)
{
	struct server_connection_stats *own = &connection->stats;
	struct server_stats *all = &server->stats;
	msec_t latency_ms = server->now_ms - received_ms;

	if (all->latency_count == 0 || latency_ms < all->latency_min_ms)
		all->latency_min_ms = latency_ms;
	if (latency_ms > all->latency_max_ms)
		all->latency_max_ms = latency_ms;
	all->latency_sum_ms += (uint64_t)latency_ms;
	all->latency_count++;
	if (own->latency_count == 0 || latency_ms < own->latency_min_ms)
		own->latency_min_ms = latency_ms;
	if (latency_ms > own->latency_max_ms)
		own->latency_max_ms = latency_ms;
	own->latency_sum_ms += (uint64_t)latency_ms;
	own->latency_count++;
	own->last_latency_ms = latency_ms;
	own->last_reply_ms = server->now_ms;
	own->last_xid = xid;
	own->last_opcode = opcode;
	own->last_zxid = tree_zxid(server->tree);
}
