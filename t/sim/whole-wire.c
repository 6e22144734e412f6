/* A simulated client's connection: what the machine wants, what comes, and what must be true of
 * the frames. */
#include <inttypes.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "t/sim/whole-client-impl.h"

enum { CONNECT_US_MAX = 150 * 1000, LENGTH_SIZE = 4 };

msec_t whole_client_now_ms(const struct whole_client *client)
{
	return client->world->now_us / 1000;
}

/* ---- frames that go ---- */

static bool is_write(int32_t opcode)
{
	switch (opcode) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_DELETE:
	case ZK_OP_SET_DATA:
	case ZK_OP_SET_ACL:
	case ZK_OP_MULTI:
	case ZK_OP_CLOSE_SESSION:
		return true;
	default:
		return false;
	}
}

static void note_sent(struct whole_client *client, const uint8_t *frame)
{
	int32_t xid = (int32_t)endian_get_u32(frame);
	int32_t opcode = (int32_t)endian_get_u32(frame + 4);
	size_t at = (client->sent_first + client->sent_count) % WHOLE_SENT_MAX;

	sim_trace(client->world, client->node, zk_opcode_name(opcode), xid, 0, 0);
	if (xid == ZK_XID_PING || xid == ZK_XID_AUTH)
		return;
	ASSERT(client->sent_count < WHOLE_SENT_MAX);
	client->sent[at].xid = xid;
	client->sent[at].opcode = opcode;
	client->sent_count++;
	if (is_write(opcode))
		whole_check_sent(client->check, client->session_id, client->link, xid);
}

static void send_frames(struct whole_client *client, struct bytes bytes)
{
	const uint8_t *at = bytes.data;
	size_t left = bytes_size(bytes);

	while (left > 0) {
		size_t size = LENGTH_SIZE + endian_get_u32(at);

		ASSERT(size <= left);
		if (client->has_sent)
			note_sent(client, at + LENGTH_SIZE);
		client->has_sent = true;
		at += size;
		left -= size;
	}
	sim_trace_bytes(client->world, bytes);
	sim_net_send(client->net, client->link, bytes);
}

/* ---- actions ---- */

void whole_client_hang_up(struct whole_client *client)
{
	if (client->link)
		sim_net_close(client->net, client->link);
	else
		sim_net_disconnect(client->net, client->node);
	client->link = 0;
}

static void perform(struct whole_client *client, const struct zk_client_action *action)
{
	switch (action->type) {
	case ZK_CLIENT_CONNECT:
		sim_trace(client->world, client->node, "connect", (int64_t)action->server + 1, 0,
			  0);
		sim_net_connect(client->net, client->node, (int64_t)action->server + 1,
				client->world->now_us + CONNECT_US_MAX);
		break;
	case ZK_CLIENT_SEND:
		ASSERT(client->link);
		send_frames(client, action->bytes);
		break;
	case ZK_CLIENT_DISCONNECT:
		sim_trace(client->world, client->node, "disconnect", 0, 0, 0);
		whole_client_hang_up(client);
		break;
	}
}

void whole_client_pump(struct whole_client *client)
{
	struct zk_client_action action;
	msec_t due_ms;

	while (zk_client_next_action(client->client, whole_client_now_ms(client), &action))
		perform(client, &action);
	due_ms = zk_client_deadline(client->client);
	if (due_ms == INT64_MAX)
		sim_timer_stop(client->world, &client->tick);
	else
		sim_timer_set(client->world, &client->tick,
			      due_ms * 1000 > client->world->now_us ? due_ms * 1000
								    : client->world->now_us + 100);
}

/* ---- frames that come ---- */

static void note_greeting(struct whole_client *client, struct bytes frame)
{
	struct zk_connect_response response;
	struct jute_reader reader;

	client->is_greeted = true;
	jute_reader_init(&reader, frame.data, bytes_size(frame), bytes_size(frame));
	zk_connect_response_read(&reader, &response);
	if (reader.error || response.timeout_ms <= 0)
		return;
	sim_trace(client->world, client->node, "session", response.session_id, response.timeout_ms,
		  0);
	client->session_id = response.session_id;
}

static void note_reply(struct whole_client *client, const struct zk_reply_header *header)
{
	int32_t xid = client->sent_count > 0 ? client->sent[client->sent_first].xid : 0;
	int32_t opcode = client->sent[client->sent_first].opcode;

	if (header->xid != xid || xid == 0) {
		sim_fail(client->world,
			 "client %" PRId64 ": request %d is answered, but %d is next", client->node,
			 header->xid, xid);
		return;
	}
	client->sent_first = (client->sent_first + 1) % WHOLE_SENT_MAX;
	client->sent_count--;
	if (!is_write(opcode))
		return;
	whole_check_answered(client->check, client->session_id, xid, opcode, header->zxid,
			     header->err);
	client->counts.writes += header->err == ZK_OK;
	if (header->err == ZK_OK)
		client->last_write_us = client->world->now_us;
}

static void note_frame(struct whole_client *client, struct bytes frame)
{
	struct zk_reply_header header;
	struct jute_reader reader;

	jute_reader_init(&reader, frame.data, bytes_size(frame), bytes_size(frame));
	zk_reply_header_read(&reader, &header);
	if (reader.error || header.xid == ZK_XID_NOTIFICATION || header.xid == ZK_XID_AUTH)
		return;
	sim_trace(client->world, client->node, "reply", header.xid, header.zxid, header.err);
	if (header.zxid > 0 && header.zxid < client->seen)
		sim_fail(client->world,
			 "client %" PRId64 " is answered at 0x%" PRIx64 " after 0x%" PRIx64,
			 client->node, header.zxid, client->seen);
	if (header.zxid > client->seen)
		client->seen = header.zxid;
	if (header.xid != ZK_XID_PING)
		note_reply(client, &header);
}

static void take_frame(struct whole_client *client, struct bytes frame)
{
	uint64_t link = client->link;

	if (client->is_greeted)
		note_frame(client, frame);
	else
		note_greeting(client, frame);
	if (zk_client_received(client->client, frame, whole_client_now_ms(client)))
		sim_fail(client->world, "client %" PRId64 " does not understand a frame",
			 client->node);
	ASSERT(client->link == link);
}

static void on_bytes(void *data, uint64_t link, struct bytes bytes)
{
	struct whole_client *client = data;

	if (link != client->link)
		return;
	buf_append(&client->input, bytes.data, bytes_size(bytes));
	while (client->link == link && client->input.size >= LENGTH_SIZE &&
	       !client->world->has_failed) {
		size_t size = endian_get_u32(client->input.data);

		if (client->input.size < LENGTH_SIZE + size)
			break;
		take_frame(client, bytes_of(client->input.data + LENGTH_SIZE, size));
		buf_consume(&client->input, LENGTH_SIZE + size);
		whole_client_pump(client);
	}
}

static void on_stream(void *data, uint64_t link, struct blob *stream)
{
	on_bytes(data, link, blob_bytes(stream));
}

static void on_connected(void *data, uint64_t link)
{
	struct whole_client *client = data;

	client->link = link;
	client->is_greeted = false;
	client->has_sent = false;
	client->sent_first = client->sent_count = 0;
	buf_reset(&client->input);
	if (link)
		zk_client_connected(client->client, whole_client_now_ms(client));
	else
		zk_client_failed(client->client, whole_client_now_ms(client));
	whole_client_pump(client);
}

static void on_closed(void *data, uint64_t link)
{
	struct whole_client *client = data;

	if (link != client->link)
		return;
	sim_trace(client->world, client->node, "closed", (int64_t)link, 0, 0);
	client->link = 0;
	zk_client_disconnected(client->client, whole_client_now_ms(client));
	whole_client_pump(client);
}

static void on_nothing(void *data, uint64_t link)
{
	(void)data;
	(void)link;
}

static void on_notification(void *data, int64_t from, struct bytes bytes)
{
	(void)data;
	(void)from;
	(void)bytes;
}

static void on_reachable(void *data, int64_t sid, bool is_reachable)
{
	(void)data;
	(void)sid;
	(void)is_reachable;
}

struct sim_endpoint whole_client_endpoint(struct whole_client *client)
{
	return (struct sim_endpoint){
		.data = client,
		.notification = on_notification,
		.reachable = on_reachable,
		.accepted = on_nothing,
		.connected = on_connected,
		.closed = on_closed,
		.packet = on_bytes,
		.stream = on_stream,
	};
}
