#include "t/unit/client-fixture.h"

#include <stdlib.h>

#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

/* ---- the user ---- */

static struct world *the_world; /* callbacks of replies get only their tag */

static void note_reply(const struct zk_reply *reply, void *data)
{
	struct world *w = the_world;

	assert_true(w->note_count < NOTES_MAX);
	w->notes[w->note_count++] = (struct note){
		.outcome = reply->outcome,
		.code = reply->code,
		.zxid = reply->zxid,
		.sent = reply->sent,
		.has_stat = reply->has_stat,
		.stat = reply->stat,
		.body_size = jute_left(&reply->body),
		.tag = (uintptr_t)data,
	};
	if (w->abandon_in_callback)
		zk_client_abandon(w->client, w->abandon_in_callback);
}

static void note_state(enum zk_client_state state, bool new_session, void *data)
{
	struct world *w = data;

	w->state = state;
	w->new_session = new_session;
	w->state_changes++;
}

static void note_event(const struct zk_client_event *event, void *data)
{
	struct world *w = data;

	w->event_type = event->type;
	free(w->event_path);
	w->event_path = bytes_dup(event->path);
	w->event_zxid = event->zxid;
	w->event_count++;
}

int try_submit(struct world *w, struct zk_request *request, uint64_t tag, uint64_t *ret_id)
{
	return zk_client_submit(w->client, request, w->now_ms, note_reply, (void *)(uintptr_t)tag,
				ret_id);
}

uint64_t submit(struct world *w, struct zk_request *request, uint64_t tag)
{
	uint64_t id;

	assert_int_equal(try_submit(w, request, tag, &id), 0);
	return id;
}

uint64_t submit_get(struct world *w, const char *path, bool watch, uint64_t tag)
{
	struct zk_request request;

	zk_request_get_data(&request, text(path), watch);
	return submit(w, &request, tag);
}

uint64_t submit_set(struct world *w, const char *path, int32_t version, uint64_t tag)
{
	struct zk_request request;

	zk_request_set_data(&request, text(path), text("ours"), version);
	return submit(w, &request, tag);
}

uint64_t submit_create(struct world *w, const char *path, int32_t flags, uint64_t tag)
{
	struct zk_request request;
	struct zk_acls acls = zk_acls_open();

	zk_request_create(&request, text(path), text("ours"), &acls, flags, 0);
	return submit(w, &request, tag);
}

/* ---- the owner ---- */

void pump(struct world *w)
{
	struct zk_client_action action;

	while (zk_client_next_action(w->client, w->now_ms, &action)) {
		switch (action.type) {
		case ZK_CLIENT_CONNECT:
			assert_false(w->is_connecting || w->is_connected);
			w->is_connecting = true;
			w->server = action.server;
			w->connects++;
			break;
		case ZK_CLIENT_SEND:
			assert_true(w->is_connected);
			buf_append(&w->wire, action.bytes.data, bytes_size(action.bytes));
			break;
		case ZK_CLIENT_DISCONNECT:
			assert_true(w->is_connecting || w->is_connected);
			w->is_connecting = false;
			w->is_connected = false;
			w->disconnects++;
			buf_reset(&w->wire);
			break;
		}
	}
	zk_client_check(w->client);
}

void advance(struct world *w, msec_t by_ms)
{
	msec_t end_ms = w->now_ms + by_ms;
	msec_t deadline_ms;

	while ((deadline_ms = zk_client_deadline(w->client)) <= end_ms) {
		if (deadline_ms > w->now_ms)
			w->now_ms = deadline_ms;
		zk_client_tick(w->client, w->now_ms);
		pump(w);
		if (zk_client_deadline(w->client) == deadline_ms)
			fail_msg("the deadline does not move on");
	}
	w->now_ms = end_ms;
	zk_client_tick(w->client, w->now_ms);
	pump(w);
}

/* ---- the server ---- */

void take_frame(struct world *w)
{
	size_t size;

	assert_true(w->wire.size >= 4);
	size = endian_get_u32(w->wire.data);
	assert_true(w->wire.size >= 4 + size);
	buf_reset(&w->frame);
	buf_append(&w->frame, w->wire.data + 4, size);
	buf_consume(&w->wire, 4 + size);
	jute_reader_init(&w->record, w->frame.data, w->frame.size, w->frame.size);
}

void take(struct world *w, int32_t opcode)
{
	take_frame(w);
	zk_request_header_read(&w->record, &w->header);
	assert_int_equal(w->header.opcode, opcode);
}

struct bytes taken_path(struct world *w)
{
	return jute_read_ustring(&w->record);
}

bool nothing_is_sent(const struct world *w)
{
	return w->wire.size == 0;
}

static int receive(struct world *w, const struct buf *frame)
{
	int err = zk_client_received(w->client, buf_bytes(frame), w->now_ms);

	pump(w);
	return err;
}

int answer_xid(struct world *w, int32_t xid, zxid_t zxid, int32_t err, const struct buf *body)
{
	struct zk_reply_header header = {.xid = xid, .zxid = zxid, .err = err};
	struct buf frame;
	int received;

	buf_init(&frame, 1 << 20);
	zk_reply_header_write(&frame, &header);
	if (body)
		buf_append(&frame, body->data, body->size);
	received = receive(w, &frame);
	buf_release(&frame);
	return received;
}

void answer(struct world *w, zxid_t zxid, int32_t err)
{
	assert_int_equal(answer_xid(w, w->header.xid, zxid, err, NULL), 0);
}

void answer_data(struct world *w, zxid_t zxid, struct bytes data, const struct zk_stat *stat)
{
	struct zk_get_data_response response = {.data = data, .stat = *stat};
	struct buf body;

	buf_init(&body, 1 << 20);
	zk_get_data_response_write(&body, &response);
	assert_int_equal(answer_xid(w, w->header.xid, zxid, ZK_OK, &body), 0);
	buf_release(&body);
}

void answer_stat(struct world *w, zxid_t zxid, const struct zk_stat *stat)
{
	struct buf body;

	buf_init(&body, 1 << 20);
	zk_stat_write(&body, stat);
	assert_int_equal(answer_xid(w, w->header.xid, zxid, ZK_OK, &body), 0);
	buf_release(&body);
}

void send_event(struct world *w, int32_t type, const char *path, zxid_t zxid)
{
	struct zk_watcher_event record = {
		.type = type, .state = ZK_STATE_SYNC_CONNECTED, .path = text(path)};
	struct buf body;

	buf_init(&body, 1 << 20);
	zk_watcher_event_write(&body, &record);
	assert_int_equal(answer_xid(w, ZK_XID_NOTIFICATION, zxid, ZK_OK, &body), 0);
	buf_release(&body);
}

int answer_handshake(struct world *w, session_id_t session_id, int32_t timeout_ms)
{
	struct zk_connect_response response = {
		.timeout_ms = timeout_ms,
		.session_id = session_id,
		.password = text("sixteen bytes pw"),
		.has_read_only = true,
	};
	struct buf frame;
	int err;

	buf_init(&frame, 1 << 10);
	zk_connect_response_write(&frame, &response);
	err = receive(w, &frame);
	buf_release(&frame);
	return err;
}

struct zk_connect_request take_handshake(struct world *w)
{
	struct zk_connect_request request;

	take_frame(w);
	zk_connect_request_read(&w->record, &request);
	assert_false(w->record.error);
	assert_true(request.has_read_only);
	assert_int_equal(request.password.size, ZK_PASSWORD_SIZE);
	return request;
}

/* ---- both together ---- */

void accept_connection(struct world *w)
{
	while (!w->is_connecting) {
		msec_t deadline_ms = zk_client_deadline(w->client);

		assert_true(deadline_ms < INT64_MAX);
		advance(w, deadline_ms > w->now_ms ? deadline_ms - w->now_ms : 0);
	}
	w->is_connecting = false;
	w->is_connected = true;
	zk_client_connected(w->client, w->now_ms);
	pump(w);
}

void establish(struct world *w, session_id_t session_id)
{
	accept_connection(w);
	(void)take_handshake(w);
	assert_int_equal(answer_handshake(w, session_id, TIMEOUT_MS), 0);
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
}

void lose(struct world *w)
{
	assert_true(w->is_connected);
	w->is_connected = false;
	buf_reset(&w->wire);
	zk_client_disconnected(w->client, w->now_ms);
	pump(w);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
}

void come_back(struct world *w)
{
	establish(w, SESSION);
	assert_false(w->new_session);
	take(w, ZK_OP_SYNC);
	answer(w, BASE + 50, ZK_OK);
}

void expire(struct world *w)
{
	accept_connection(w);
	(void)take_handshake(w);
	assert_int_equal(answer_handshake(w, 0, 0), 0);
	assert_int_equal(w->state, ZK_CLIENT_EXPIRED);
}

struct world *begin(const struct zk_client_options *options)
{
	static const struct zk_client_options defaults = {
		.server_count = 3, .timeout_ms = TIMEOUT_MS, .seed = 1};
	struct world *w = mem_zalloc(sizeof(*w));
	struct zk_client_callbacks callbacks = {
		.on_state = note_state, .on_event = note_event, .data = w};

	the_world = w;
	w->now_ms = 1000000;
	buf_init(&w->wire, 64 << 20);
	buf_init(&w->frame, 64 << 20);
	w->client = zk_client_new(options ? options : &defaults, &callbacks, w->now_ms);
	pump(w);
	return w;
}

struct world *begin_established(const struct zk_client_options *options)
{
	struct world *w = begin(options);

	establish(w, SESSION);
	submit_get(w, "/seen", false, 0);
	pump(w);
	take(w, ZK_OP_GET_DATA);
	answer(w, BASE, ZK_NONODE);
	w->note_count = 0;
	return w;
}

void finish(struct world *w)
{
	zk_client_free(w->client);
	buf_release(&w->wire);
	buf_release(&w->frame);
	free(w->event_path);
	free(w);
}

/* ---- a write whose answer was lost ---- */

void build_write(struct zk_request *request, enum zk_intent intent)
{
	struct zk_acls acls = zk_acls_open();
	int32_t flags = intent == ZK_INTENT_CREATE_EPHEMERAL ? ZK_EPHEMERAL : ZK_PERSISTENT;

	switch (intent) {
	case ZK_INTENT_SET:
	case ZK_INTENT_APPEND:
		zk_request_set_data(request, text("/n"), text("ours"), EXPECTED);
		break;
	case ZK_INTENT_AGAIN:
		zk_request_set_data(request, text("/n"), text("ours"), -1);
		break;
	case ZK_INTENT_DELETE:
		zk_request_delete(request, text("/n"), -1);
		break;
	case ZK_INTENT_RENAME:
		zk_request_multi_begin(request);
		zk_request_multi_check(request, text("/from"), EXPECTED);
		zk_request_multi_create(request, text("/to"), text("ours"), &acls, ZK_PERSISTENT);
		zk_request_multi_create(request, text("/to/x"), text("x"), &acls, ZK_PERSISTENT);
		zk_request_multi_delete(request, text("/from/x"), -1);
		zk_request_multi_delete(request, text("/from"), -1);
		zk_request_multi_end(request);
		break;
	case ZK_INTENT_NONE:
		zk_request_create(request, text("/n"), text("ours"), &acls,
				  ZK_PERSISTENT_SEQUENTIAL, 0);
		break;
	default:
		zk_request_create(request, text("/n"), text("ours"), &acls, flags, 0);
		break;
	}
	request->intent = intent;
}

void show_node(struct world *w, const struct node *node)
{
	struct zk_stat stat = {
		.czxid = node->czxid,
		.mzxid = node->mzxid ? node->mzxid : node->czxid,
		.version = node->version,
		.ephemeral_owner = node->owner,
	};

	if (!node->present)
		answer(w, BASE + 50, ZK_NONODE);
	else if (w->header.opcode == ZK_OP_GET_DATA)
		answer_data(w, BASE + 50, node->data ? text(node->data) : BYTES_NULL, &stat);
	else
		answer_stat(w, BASE + 50, &stat);
}

void take_probe(struct world *w, const char *path)
{
	take_frame(w);
	zk_request_header_read(&w->record, &w->header);
	assert_true(w->header.opcode == ZK_OP_EXISTS || w->header.opcode == ZK_OP_GET_DATA);
	assert_true(bytes_equal_text(taken_path(w), path));
	assert_false(jute_read_boolean(&w->record)); /* it leaves no watch behind */
	assert_true(nothing_is_sent(w));
}
