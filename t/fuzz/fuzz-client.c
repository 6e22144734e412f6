#include "t/fuzz/fuzz.h"

#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/zk/client.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

/*
 * A client session whose user, network and server do what the input says, a
 * letter a step (see `steps` below); a letter that is none, or that can't
 * happen now, is passed over. Claims: the session's own invariants hold after
 * every step; each request that was taken gets exactly one final reply (an
 * abandoned one none); nothing that a server says breaks it.
 */
enum { REQUESTS_MAX = 512, FLIGHT_MAX = 2048, STEPS_MAX = 4096, TIMEOUT_MS = 6000 };

struct request {
	uint64_t id;
	unsigned finals;
	bool late;
	bool abandoned;
};

struct session {
	struct zk_client *client;
	msec_t now_ms;
	bool is_connecting;
	bool is_connected;
	bool is_closed;

	const uint8_t *at;
	const uint8_t *end;

	struct request requests[REQUESTS_MAX];
	size_t request_count;
	int32_t flight[FLIGHT_MAX]; /* xids sent on this connection and not answered */
	size_t flight_begin;
	size_t flight_end;
};

static uint8_t next_byte(struct session *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

/* ---- the user ---- */

static void on_reply(const struct zk_reply *reply, void *data)
{
	struct request *request = data;

	ASSERT(!request->abandoned && request->finals == 0);
	if (reply->outcome == ZK_OUTCOME_LATE) {
		ASSERT(!request->late);
		request->late = true;
		return;
	}
	request->finals++;
}

static void on_state(enum zk_client_state state, bool new_session, void *data)
{
	struct session *s = data;

	ASSERT(!s->is_closed);
	s->is_closed = state == ZK_CLIENT_CLOSED;
}

static void on_event(const struct zk_client_event *event, void *data)
{
	ASSERT(!((struct session *)data)->is_closed);
}

static void build(uint8_t kind, struct zk_request *request)
{
	struct bytes path = bytes_of_text("/n");
	struct bytes data = bytes_of_text("ours");
	struct zk_acls acls = zk_acls_open();

	switch (kind) {
	case '0':
		zk_request_get_data(request, path, true);
		break;
	case '1':
		zk_request_get_children2(request, path, true);
		break;
	case '2':
		zk_request_add_watch(request, path, ZK_WATCH_PERSISTENT_RECURSIVE);
		break;
	case '3':
		zk_request_set_data(request, path, data, -1);
		break;
	case '4':
	case '5':
		zk_request_set_data(request, path, data, 1);
		request->intent = kind == '4' ? ZK_INTENT_SET : ZK_INTENT_APPEND;
		break;
	case '6':
		zk_request_create(request, path, data, &acls, ZK_EPHEMERAL, 0);
		break;
	case '7':
		zk_request_create(request, path, data, &acls, ZK_PERSISTENT, 0);
		request->intent = ZK_INTENT_CREATE_TRUNCATE;
		break;
	case '8':
		zk_request_delete(request, path, -1);
		break;
	default:
		zk_request_multi_begin(request);
		zk_request_multi_create(request, path, data, &acls, ZK_PERSISTENT);
		zk_request_multi_delete(request, bytes_of_text("/from"), -1);
		zk_request_multi_end(request);
		request->intent = ZK_INTENT_RENAME;
		break;
	}
}

static void submit(struct session *s, uint8_t kind)
{
	struct request *request = &s->requests[s->request_count];
	struct zk_request built;

	if (s->request_count == REQUESTS_MAX)
		return;
	build(kind, &built);
	built.session_bound = s->request_count % 2;
	if (!zk_client_submit(s->client, &built, s->now_ms, on_reply, request, &request->id))
		s->request_count++;
}

static void abandon(struct session *s, uint8_t which)
{
	struct request *request;

	if (s->request_count == 0)
		return;
	request = &s->requests[which % s->request_count];
	if (request->finals == 0)
		request->abandoned = true;
	zk_client_abandon(s->client, request->id);
}

/* ---- the network ---- */

static void note_sent(struct session *s, struct bytes frame)
{
	const uint8_t *at = frame.data;
	int32_t xid = (int32_t)endian_get_u32(at + 4);
	int32_t opcode = (int32_t)endian_get_u32(at + 8);

	ASSERT(endian_get_u32(at) == bytes_size(frame) - 4);
	if (opcode == ZK_OP_PING || opcode == ZK_OP_AUTH)
		return;
	ASSERT(s->flight_end < FLIGHT_MAX);
	s->flight[s->flight_end++] = xid;
}

static void disconnect(struct session *s)
{
	s->is_connecting = false;
	s->is_connected = false;
	s->flight_begin = 0;
	s->flight_end = 0;
}

static void pump(struct session *s)
{
	struct zk_client_action action;

	while (zk_client_next_action(s->client, s->now_ms, &action)) {
		if (action.type == ZK_CLIENT_CONNECT) {
			ASSERT(!s->is_connecting && !s->is_connected && !s->is_closed);
			s->is_connecting = true;
		} else if (action.type == ZK_CLIENT_SEND) {
			ASSERT(s->is_connected);
			/* The first of a connection is no request: it begins with version 0. */
			if (zk_client_state(s->client) == ZK_CLIENT_CONNECTED)
				note_sent(s, action.bytes);
		} else {
			ASSERT(s->is_connecting || s->is_connected);
			disconnect(s);
		}
	}
	zk_client_check(s->client);
}

static void connected(struct session *s)
{
	if (!s->is_connecting)
		return;
	s->is_connecting = false;
	s->is_connected = true;
	zk_client_connected(s->client, s->now_ms);
}

static void lost(struct session *s)
{
	if (!s->is_connecting && !s->is_connected)
		return;
	disconnect(s);
	zk_client_disconnected(s->client, s->now_ms);
}

static void advance(struct session *s, msec_t by_ms)
{
	s->now_ms += by_ms;
	zk_client_tick(s->client, s->now_ms);
}

/* ---- the server ---- */

static void receive(struct session *s, const struct buf *frame)
{
	ASSERT(!frame->error);
	if (s->is_connected)
		(void)zk_client_received(s->client, buf_bytes(frame), s->now_ms); /* as it likes */
}

static void handshake(struct session *s, session_id_t session_id, int32_t timeout_ms)
{
	struct zk_connect_response response = {
		.timeout_ms = timeout_ms,
		.session_id = session_id,
		.password = bytes_of_text("sixteen bytes pw"),
	};
	struct buf frame;

	buf_init(&frame, FUZZ_SIZE_MAX);
	zk_connect_response_write(&frame, &response);
	receive(s, &frame);
	buf_release(&frame);
}

static void append_body(struct session *s, uint8_t kind, struct buf *frame)
{
	struct zk_get_data_response response = {
		.data = bytes_of_text("ours"),
		.stat = {.czxid = next_byte(s), .mzxid = next_byte(s), .version = kind % 4},
	};

	if (kind % 2)
		zk_get_data_response_write(frame, &response);
	else
		zk_stat_write(frame, &response.stat);
}

static void reply_with(struct session *s, int32_t xid, int32_t err, uint8_t kind)
{
	struct zk_reply_header header = {.xid = xid, .zxid = next_byte(s), .err = err};
	struct buf frame;

	buf_init(&frame, FUZZ_SIZE_MAX);
	zk_reply_header_write(&frame, &header);
	if (err == ZK_OK)
		append_body(s, kind, &frame);
	receive(s, &frame);
	buf_release(&frame);
}

static void reply(struct session *s, int32_t err)
{
	if (s->flight_begin == s->flight_end)
		return;
	reply_with(s, s->flight[s->flight_begin++], err, next_byte(s));
}

static void event(struct session *s, int32_t type)
{
	struct zk_reply_header header = {.xid = ZK_XID_NOTIFICATION, .zxid = -1};
	struct zk_watcher_event record = {.type = type, .path = bytes_of_text("/n")};
	struct buf frame;

	buf_init(&frame, FUZZ_SIZE_MAX);
	zk_reply_header_write(&frame, &header);
	zk_watcher_event_write(&frame, &record);
	receive(s, &frame);
	buf_release(&frame);
}

static void raw_frame(struct session *s, size_t size)
{
	struct buf frame;

	if (size > (size_t)(s->end - s->at))
		size = (size_t)(s->end - s->at);
	buf_init(&frame, FUZZ_SIZE_MAX);
	buf_append(&frame, s->at, size);
	s->at += size;
	receive(s, &frame);
	buf_release(&frame);
}

/* ---- the script ---- */

static void run_step(struct session *s, uint8_t step)
{
	switch (step) {
	case '0' ... '9':
		submit(s, step);
		break;
	case 'a':
		abandon(s, next_byte(s));
		break;
	case 'c':
		connected(s);
		break;
	case 'e':
		event(s, next_byte(s) % 6);
		break;
	case 'h':
		handshake(s, 1, TIMEOUT_MS);
		break;
	case 'l':
		lost(s);
		break;
	case 'n':
		reply(s, ZK_NONODE);
		break;
	case 'o':
		reply(s, ZK_OK);
		break;
	case 'p':
		reply_with(s, ZK_XID_PING, ZK_OK, 0);
		break;
	case 'q':
		zk_client_close(s->client, s->now_ms);
		break;
	case 's':
		(void)zk_client_add_auth(s->client, bytes_of_text("digest"), bytes_of_text("u:p"));
		break; /* refused when there are too many */
	case 't':
		advance(s, 16 * (msec_t)next_byte(s));
		break;
	case 'u':
		reply(s, ZK_UNIMPLEMENTED);
		break;
	case 'w':
		raw_frame(s, next_byte(s));
		break;
	case 'x':
		handshake(s, 0, 0);
		break;
	case 'y':
		reply_with(s, ZK_XID_AUTH, ZK_AUTHFAILED, 0);
		break;
	default:
		break;
	}
}

static void end(struct session *s)
{
	zk_client_close(s->client, s->now_ms);
	pump(s);
	lost(s);
	advance(s, 0);
	pump(s);
	ASSERT(s->is_closed);
	ASSERT(zk_client_pending(s->client) == 0);
	for (size_t i = 0; i < s->request_count; i++)
		ASSERT(s->requests[i].finals == 1 || s->requests[i].abandoned);
	zk_client_free(s->client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct session session;
	struct session *s = &session;
	struct zk_client_callbacks callbacks = {
		.on_state = on_state, .on_event = on_event, .data = s};
	struct zk_client_options options = {.server_count = 2, .timeout_ms = TIMEOUT_MS};

	if (size > STEPS_MAX)
		return 0;
	session = (struct session){.at = data, .end = data + size};
	options.hard = next_byte(s) & 1;
	options.onexpire = next_byte(s) & 1 ? ZK_ONEXPIRE_FAIL : ZK_ONEXPIRE_RECOVER;
	s->client = zk_client_new(&options, &callbacks, s->now_ms);
	pump(s);
	while (s->at < s->end) {
		run_step(s, next_byte(s));
		pump(s);
	}
	end(s);
	return 0;
}
