/*
 * The client session against a server that is written down in each test: the
 * test takes the frames that the session sends, one by one, and answers them.
 * Time is a number.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/zk/client.h"
#include "src/zk/client_servers.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"
#include "t/unit/cmocka.h"

enum {
	TIMEOUT_MS = 6000,
	SESSION = 0x1234,
	BASE = 100, /* the last zxid that the session has seen when a test begins */
	NOTES_MAX = 64,
};

struct note {
	enum zk_outcome outcome;
	int32_t code;
	zxid_t zxid;
	bool sent;
	bool has_stat;
	struct zk_stat stat;
	size_t body_size;
	uint64_t tag;
};

struct world {
	struct zk_client *client;
	msec_t now_ms;

	/* what the session has asked for */
	bool is_connecting;
	bool is_connected;
	size_t server;
	unsigned connects;
	unsigned disconnects;
	struct buf wire; /* sent, and not yet taken by the test */

	/* the frame taken last */
	struct buf frame;
	struct zk_request_header header;
	struct jute_reader record;

	/* what the user was told */
	struct note notes[NOTES_MAX];
	size_t note_count;
	enum zk_client_state state;
	bool new_session;
	unsigned state_changes;
	int32_t event_type;
	char *event_path;
	zxid_t event_zxid;
	unsigned event_count;
	uint64_t abandon_in_callback;
};

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

static int try_submit(struct world *w, struct zk_request *request, uint64_t tag, uint64_t *ret_id)
{
	return zk_client_submit(w->client, request, w->now_ms, note_reply, (void *)(uintptr_t)tag,
				ret_id);
}

static uint64_t submit(struct world *w, struct zk_request *request, uint64_t tag)
{
	uint64_t id;

	assert_int_equal(try_submit(w, request, tag, &id), 0);
	return id;
}

static struct bytes text(const char *value)
{
	return bytes_of_text(value);
}

static uint64_t submit_get(struct world *w, const char *path, bool watch, uint64_t tag)
{
	struct zk_request request;

	zk_request_get_data(&request, text(path), watch);
	return submit(w, &request, tag);
}

static uint64_t submit_set(struct world *w, const char *path, int32_t version, uint64_t tag)
{
	struct zk_request request;

	zk_request_set_data(&request, text(path), text("ours"), version);
	return submit(w, &request, tag);
}

static uint64_t submit_create(struct world *w, const char *path, int32_t flags, uint64_t tag)
{
	struct zk_request request;
	struct zk_acls acls = zk_acls_open();

	zk_request_create(&request, text(path), text("ours"), &acls, flags, 0);
	return submit(w, &request, tag);
}

/* ---- the owner ---- */

static void pump(struct world *w)
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

/* Ticks at each deadline on the way. */
static void advance(struct world *w, msec_t by_ms)
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

/* Take the next frame the session has sent; the record's cursor stands behind its header. */
static void take_frame(struct world *w)
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

static void take(struct world *w, int32_t opcode)
{
	take_frame(w);
	zk_request_header_read(&w->record, &w->header);
	assert_int_equal(w->header.opcode, opcode);
}

static struct bytes taken_path(struct world *w)
{
	return jute_read_ustring(&w->record);
}

static bool nothing_is_sent(const struct world *w)
{
	return w->wire.size == 0;
}

static int receive(struct world *w, const struct buf *frame)
{
	int err = zk_client_received(w->client, buf_bytes(frame), w->now_ms);

	pump(w);
	return err;
}

static int answer_xid(struct world *w, int32_t xid, zxid_t zxid, int32_t err,
		      const struct buf *body)
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

/* To the request taken last. */
static void answer(struct world *w, zxid_t zxid, int32_t err)
{
	assert_int_equal(answer_xid(w, w->header.xid, zxid, err, NULL), 0);
}

static void answer_data(struct world *w, zxid_t zxid, struct bytes data, const struct zk_stat *stat)
{
	struct zk_get_data_response response = {.data = data, .stat = *stat};
	struct buf body;

	buf_init(&body, 1 << 20);
	zk_get_data_response_write(&body, &response);
	assert_int_equal(answer_xid(w, w->header.xid, zxid, ZK_OK, &body), 0);
	buf_release(&body);
}

static void answer_stat(struct world *w, zxid_t zxid, const struct zk_stat *stat)
{
	struct buf body;

	buf_init(&body, 1 << 20);
	zk_stat_write(&body, stat);
	assert_int_equal(answer_xid(w, w->header.xid, zxid, ZK_OK, &body), 0);
	buf_release(&body);
}

static void send_event(struct world *w, int32_t type, const char *path, zxid_t zxid)
{
	struct zk_watcher_event record = {
		.type = type, .state = ZK_STATE_SYNC_CONNECTED, .path = text(path)};
	struct buf body;

	buf_init(&body, 1 << 20);
	zk_watcher_event_write(&body, &record);
	assert_int_equal(answer_xid(w, ZK_XID_NOTIFICATION, zxid, ZK_OK, &body), 0);
	buf_release(&body);
}

static int answer_handshake(struct world *w, session_id_t session_id, int32_t timeout_ms)
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

static struct zk_connect_request take_handshake(struct world *w)
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

static void accept_connection(struct world *w)
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

static void establish(struct world *w, session_id_t session_id)
{
	accept_connection(w);
	(void)take_handshake(w);
	assert_int_equal(answer_handshake(w, session_id, TIMEOUT_MS), 0);
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
}

static void lose(struct world *w)
{
	assert_true(w->is_connected);
	w->is_connected = false;
	buf_reset(&w->wire);
	zk_client_disconnected(w->client, w->now_ms);
	pump(w);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
}

/* The same session on a new connection, its sync answered. */
static void come_back(struct world *w)
{
	establish(w, SESSION);
	assert_false(w->new_session);
	take(w, ZK_OP_SYNC);
	answer(w, BASE + 50, ZK_OK);
}

static struct world *begin(const struct zk_client_options *options)
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

/* A session that has seen BASE. */
static struct world *begin_established(const struct zk_client_options *options)
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

static void end(struct world *w)
{
	zk_client_free(w->client);
	buf_release(&w->wire);
	buf_release(&w->frame);
	free(w->event_path);
	free(w);
}

/* ---- connect strings ---- */

static void connect_string_has_servers_and_chroot(void **state)
{
	struct zk_servers servers;
	char *error;

	assert_int_equal(zk_servers_parse("a:1, b ,[::1]:65535,[fe80::2]/app/x", &servers, &error),
			 0);
	assert_int_equal(servers.count, 4);
	assert_string_equal(servers.servers[0].host, "a");
	assert_int_equal(servers.servers[0].port, 1);
	assert_string_equal(servers.servers[1].host, "b");
	assert_int_equal(servers.servers[1].port, 2181);
	assert_string_equal(servers.servers[2].host, "::1");
	assert_int_equal(servers.servers[2].port, 65535);
	assert_string_equal(servers.servers[3].host, "fe80::2");
	assert_string_equal(servers.chroot, "/app/x");
	zk_servers_release(&servers);
	assert_int_equal(zk_servers_parse("h/", &servers, &error), 0);
	assert_string_equal(servers.chroot, "");
	zk_servers_release(&servers);
}

static void bad_connect_strings_are_explained(void **state)
{
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
		{"", "'': there is no server"},
		{" , ", "' , ': there is no server"},
		{"/a", "'': there is no server"},
		{"a:", "'a:': the port is not a number from 1 to 65535"},
		{"a:0", "'a:0': the port is not a number from 1 to 65535"},
		{"b,a:65536", "'a:65536': the port is not a number from 1 to 65535"},
		{"a:1x", "'a:1x': the port is not a number from 1 to 65535"},
		{"a:99999999999999999999", NULL},
		{":2181", "':2181': there is no host"},
		{"::1", "'::1': an IPv6 address needs brackets"},
		{"fe80::1", "'fe80::1': an IPv6 address needs brackets"},
		{"[::1", "'[::1': the bracket is not closed"},
		{"[::1]2181", "'[::1]2181': behind the bracket a port was expected"},
		{"[]:1", "'[]:1': there is no host"},
		{"a/b//c", "'a/b//c': the chroot is not a valid path"},
		{"a/b/", "'a/b/': the chroot is not a valid path"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct zk_servers servers;
		char *error = NULL;

		assert_int_equal(zk_servers_parse(cases[i].text, &servers, &error), -EINVAL);
		if (cases[i].error)
			assert_string_equal(error, cases[i].error);
		free(error);
	}
}

static void too_many_servers_are_refused(void **state)
{
	struct buf list;
	struct zk_servers servers;
	char *error;

	buf_init(&list, 1 << 16);
	for (int i = 0; i < ZK_SERVERS_MAX; i++)
		buf_printf(&list, "host%d,", i);
	buf_append(&list, "", 1);
	assert_int_equal(zk_servers_parse((char *)list.data, &servers, &error), 0);
	assert_int_equal(servers.count, ZK_SERVERS_MAX);
	zk_servers_release(&servers);
	buf_truncate(&list, list.size - 1);
	buf_append(&list, "more", 5);
	assert_int_equal(zk_servers_parse((char *)list.data, &servers, &error), -EINVAL);
	free(error);
	buf_release(&list);
}

/* ---- the session ---- */

static void first_handshake_asks_for_a_new_session(void **state)
{
	struct world *w = begin(NULL);
	struct zk_connect_request request;

	accept_connection(w);
	request = take_handshake(w);
	assert_int_equal(request.session_id, 0);
	assert_int_equal(request.timeout_ms, TIMEOUT_MS);
	assert_int_equal(request.last_zxid_seen, 0);
	assert_int_equal(answer_handshake(w, SESSION, 4000), 0);
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
	assert_true(w->new_session);
	assert_int_equal(zk_client_session_id(w->client), SESSION);
	assert_int_equal(zk_client_timeout_ms(w->client), 4000);
	assert_true(nothing_is_sent(w));
	end(w);
}

static void reconnect_offers_the_session_and_what_it_has_seen(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_connect_request request;

	lose(w);
	accept_connection(w);
	request = take_handshake(w);
	assert_int_equal(request.session_id, SESSION);
	assert_int_equal(request.last_zxid_seen, BASE);
	assert_memory_equal(request.password.data, "sixteen bytes pw", ZK_PASSWORD_SIZE);
	assert_int_equal(answer_handshake(w, SESSION, TIMEOUT_MS), 0);
	assert_false(w->new_session);
	assert_true(nothing_is_sent(w));
	end(w);
}

static void all_servers_are_tried_in_turn_with_growing_delays(void **state)
{
	struct world *w = begin(NULL);
	bool seen[3] = {false};
	msec_t begin_ms = w->now_ms;

	for (int i = 0; i < 3; i++) {
		assert_true(w->is_connecting);
		seen[w->server] = true;
		w->is_connecting = false;
		zk_client_failed(w->client, w->now_ms);
		pump(w);
		if (i < 2)
			advance(w, 20);
	}
	assert_true(seen[0] && seen[1] && seen[2]);
	/* From the second round on they are real delays, and bounded ones. */
	for (int i = 0; i < 30; i++) {
		begin_ms = w->now_ms;
		while (!w->is_connecting)
			advance(w, 1);
		assert_true(w->now_ms - begin_ms >= 24);
		assert_true(w->now_ms - begin_ms <= 1001);
		w->is_connecting = false;
		zk_client_failed(w->client, w->now_ms);
		pump(w);
	}
	assert_true(w->now_ms - begin_ms >= 500);
	end(w);
}

static void the_nearest_server_is_tried_before_all_others(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct zk_client_options options = {.server_count = 5,
						    .timeout_ms = TIMEOUT_MS,
						    .seed = seed,
						    .begins_with_first = true};
		struct world *w = begin(&options);

		assert_true(w->is_connecting);
		assert_int_equal(w->server, 0);
		end(w);
	}
}

static void silent_server_is_left_for_the_next(void **state)
{
	struct world *w = begin(NULL);
	size_t first = w->server;

	advance(w, TIMEOUT_MS / 3 + 20);
	assert_int_equal(w->disconnects, 1);
	assert_true(w->is_connecting);
	assert_int_not_equal(w->server, first);
	/* And one that accepts, but doesn't answer the handshake. */
	accept_connection(w);
	(void)take_handshake(w);
	advance(w, TIMEOUT_MS / 3 + 20);
	assert_int_equal(w->disconnects, 2);
	end(w);
}

/* One that hangs must leave time for others, also where it is the only address. */
static void a_try_that_hangs_leaves_patience_for_more(void **state)
{
	const struct zk_client_options options = {.server_count = 1, .timeout_ms = TIMEOUT_MS};
	struct world *w = begin(&options);

	submit_get(w, "/a", false, 1);
	accept_connection(w);
	(void)take_handshake(w);
	advance(w, TIMEOUT_MS / 3 + 50);
	assert_int_equal(w->disconnects, 1);
	establish(w, SESSION);
	take(w, ZK_OP_GET_DATA);
	assert_int_equal(w->note_count, 0);
	end(w);
}

static void pings_keep_an_idle_session(void **state)
{
	struct world *w = begin_established(NULL);
	msec_t heard_ms = w->now_ms;

	for (int i = 0; i < 100; i++) {
		advance(w, TIMEOUT_MS / 6 + 1);
		assert_true(w->now_ms - heard_ms <= TIMEOUT_MS / 3);
		take(w, ZK_OP_PING);
		assert_int_equal(w->header.xid, ZK_XID_PING);
		assert_true(nothing_is_sent(w));
		answer(w, BASE, ZK_OK);
		heard_ms = w->now_ms;
		assert_int_equal(zk_client_last_heard(w->client), heard_ms);
	}
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
	end(w);
}

/* A stream of events must not make the server believe that we are gone. */
static void pings_are_sent_also_while_only_listening(void **state)
{
	struct world *w = begin_established(NULL);

	for (int i = 0; i < 10; i++) {
		advance(w, TIMEOUT_MS / 30);
		send_event(w, ZK_EVENT_NODE_CREATED, "/x", 1);
	}
	take(w, ZK_OP_PING);
	end(w);
}

static void silence_of_two_thirds_ends_the_connection(void **state)
{
	struct world *w = begin_established(NULL);

	advance(w, TIMEOUT_MS * 2 / 3 - 1);
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
	advance(w, 1);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	assert_int_equal(w->disconnects, 1);
	end(w);
}

static void auth_goes_out_first_on_every_connection(void **state)
{
	struct world *w = begin(NULL);
	struct zk_auth_packet packet;

	assert_int_equal(zk_client_add_auth(w->client, text("digest"), text("u:p")), 0);
	submit_get(w, "/a", true, 1);
	for (int i = 0; i < 2; i++) {
		establish(w, SESSION);
		take(w, ZK_OP_AUTH);
		assert_int_equal(w->header.xid, ZK_XID_AUTH);
		zk_auth_packet_read(&w->record, &packet);
		assert_true(bytes_equal_text(packet.scheme, "digest"));
		assert_true(bytes_equal_text(packet.auth, "u:p"));
		answer(w, 0, ZK_OK);
		if (i == 0)
			lose(w);
	}
	end(w);
}

static void refused_auth_ends_the_session_for_good(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	submit_get(w, "/a", false, 1);
	assert_int_equal(zk_client_add_auth(w->client, text("digest"), text("u:p")), 0);
	pump(w);
	take(w, ZK_OP_AUTH);
	answer(w, 0, ZK_AUTHFAILED);
	assert_int_equal(w->state, ZK_CLIENT_AUTH_FAILED);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_CLOSED);
	assert_int_equal(w->notes[0].code, ZK_AUTHFAILED);
	assert_int_equal(zk_client_deadline(w->client), INT64_MAX);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 2, NULL), -EIO);
	end(w);
}

static void close_answers_everything_then_ends_the_session(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	submit_set(w, "/a", -1, 1);
	zk_client_close(w->client, w->now_ms);
	pump(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(nothing_is_sent(w));
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 2, NULL), -ESHUTDOWN);
	answer(w, BASE + 1, ZK_OK);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_REPLIED);
	take(w, ZK_OP_CLOSE_SESSION);
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
	answer(w, BASE + 2, ZK_OK);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	assert_int_equal(w->disconnects, 1);
	assert_int_equal(zk_client_deadline(w->client), INT64_MAX);
	end(w);
}

static void close_without_a_connection_ends_at_once(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", -1, 1);
	pump(w);
	lose(w);
	submit_get(w, "/b", false, 2);
	zk_client_close(w->client, w->now_ms);
	pump(w);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_CLOSED);
	assert_true(w->notes[0].sent);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_CLOSED);
	assert_false(w->notes[1].sent);
	end(w);
}

static void loss_while_closing_ends_it(void **state)
{
	struct world *w = begin_established(NULL);

	zk_client_close(w->client, w->now_ms);
	pump(w);
	take(w, ZK_OP_CLOSE_SESSION);
	w->is_connected = false;
	zk_client_disconnected(w->client, w->now_ms);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	end(w);
}

static void close_in_callback(const struct zk_reply *reply, void *data)
{
	struct world *w = data;

	zk_client_close(w->client, w->now_ms);
}

static void close_within_a_callback_comes_with_the_next_tick(void **state)
{
	const struct zk_client_options options = {.server_count = 1, .timeout_ms = TIMEOUT_MS};
	struct world *w = begin(&options);
	struct zk_request request;

	zk_request_sync(&request, text("/"));
	assert_int_equal(
		zk_client_submit(w->client, &request, w->now_ms, close_in_callback, w, NULL), 0);
	advance(w, TIMEOUT_MS);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	end(w);
}

/* ---- requests ---- */

static void replies_come_in_order_with_code_zxid_and_body(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_stat stat = {.version = 3};
	int32_t first_xid;

	submit_get(w, "/a", false, 1);
	submit_set(w, "/b", 7, 2);
	pump(w);
	take(w, ZK_OP_GET_DATA);
	first_xid = w->header.xid;
	assert_true(bytes_equal_text(taken_path(w), "/a"));
	answer_data(w, BASE + 1, text("value"), &stat);
	take(w, ZK_OP_SET_DATA);
	assert_int_equal(w->header.xid, first_xid + 1);
	answer(w, BASE + 2, ZK_BADVERSION);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[0].tag, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_REPLIED);
	assert_int_equal(w->notes[0].code, ZK_OK);
	assert_int_equal(w->notes[0].zxid, BASE + 1);
	assert_int_equal(w->notes[0].body_size, 4 + 5 + ZK_STAT_SIZE);
	assert_int_equal(w->notes[1].code, ZK_BADVERSION);
	assert_int_equal(zk_client_last_zxid(w->client), BASE + 2);
	assert_int_equal(zk_client_pending(w->client), 0);
	end(w);
}

static void requests_wait_for_the_first_connection(void **state)
{
	struct world *w = begin(NULL);

	submit_get(w, "/a", false, 1);
	pump(w);
	assert_true(nothing_is_sent(w));
	establish(w, SESSION);
	take(w, ZK_OP_GET_DATA);
	answer(w, 1, ZK_NONODE);
	assert_int_equal(w->notes[0].code, ZK_NONODE);
	end(w);
}

static void too_large_a_request_is_never_sent(void **state)
{
	const struct zk_client_options options = {
		.server_count = 1, .timeout_ms = TIMEOUT_MS, .frame_size_max = 1000};
	struct world *w = begin(&options);
	struct zk_request request;
	char data[1000] = {0};
	size_t overhead;

	zk_request_set_data(&request, text("/a"), bytes_of(data, 0), -1);
	overhead = zk_request_size(&request);
	zk_request_release(&request);
	establish(w, SESSION);
	zk_request_set_data(&request, text("/a"), bytes_of(data, 1000 - overhead + 1), -1);
	assert_int_equal(try_submit(w, &request, 1, NULL), -EFBIG);
	zk_request_set_data(&request, text("/a"), bytes_of(data, 1000 - overhead), -1);
	assert_int_equal(try_submit(w, &request, 1, NULL), 0);
	pump(w);
	assert_int_equal(endian_get_u32(w->wire.data), 1000);
	end(w);
}

static void number_of_requests_is_bounded(void **state)
{
	struct world *w = begin(NULL);
	struct zk_request request;

	for (int i = 0; i < ZK_CLIENT_REQUESTS_MAX; i++)
		submit_get(w, "/a", false, 1);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 1, NULL), -EAGAIN);
	assert_int_equal(zk_client_pending(w->client), ZK_CLIENT_REQUESTS_MAX);
	end(w);
}

static void bytes_of_requests_are_bounded(void **state)
{
	struct world *w = begin(NULL);
	char *data = mem_zalloc(1 << 19);
	struct zk_request request;
	int accepted = 0;

	for (;; accepted++) {
		zk_request_set_data(&request, text("/a"), bytes_of(data, 1 << 19), -1);
		if (try_submit(w, &request, 1, NULL))
			break;
	}
	assert_int_equal(accepted, (ZK_CLIENT_BYTES_MAX >> 19) - 1);
	zk_request_set_data(&request, text("/a"), bytes_of(data, 1 << 19), -1);
	assert_int_equal(try_submit(w, &request, 1, NULL), -EAGAIN);
	free(data);
	end(w);
}

static void no_more_than_a_window_is_in_flight(void **state)
{
	struct world *w = begin_established(NULL);

	for (int i = 0; i < ZK_CLIENT_FLIGHT_MAX + 10; i++)
		submit_get(w, "/a", false, 1);
	pump(w);
	for (int i = 0; i < ZK_CLIENT_FLIGHT_MAX; i++)
		take(w, ZK_OP_GET_DATA);
	assert_true(nothing_is_sent(w));
	assert_int_equal(zk_client_pending(w->client), ZK_CLIENT_FLIGHT_MAX + 10);
	end(w);
}

static void abandoned_request_goes_on_without_its_caller(void **state)
{
	struct world *w = begin_established(NULL);
	uint64_t set = submit_set(w, "/a", -1, 1);
	uint64_t sent_set = submit_set(w, "/b", -1, 2);
	uint64_t get;

	zk_client_abandon(w->client, set);
	pump(w);
	zk_client_abandon(w->client, sent_set);
	get = submit_get(w, "/c", false, 3);
	zk_client_abandon(w->client, get);
	zk_client_abandon(w->client, 12345);
	submit_get(w, "/d", false, 4);
	pump(w);
	take(w, ZK_OP_SET_DATA);
	answer(w, BASE + 1, ZK_OK);
	take(w, ZK_OP_SET_DATA);
	answer(w, BASE + 2, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/d"));
	answer(w, BASE + 2, ZK_NONODE);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].tag, 4);
	zk_client_abandon(w->client, set);
	end(w);
}

static void callback_may_abandon_another_request(void **state)
{
	const struct zk_client_options options = {.server_count = 1, .timeout_ms = TIMEOUT_MS};
	struct world *w = begin(&options);

	submit_get(w, "/a", false, 1);
	w->abandon_in_callback = submit_get(w, "/b", false, 2);
	submit_get(w, "/c", false, 3);
	advance(w, TIMEOUT_MS);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[1].tag, 3);
	end(w);
}

/* ---- malformed servers ---- */

static void reply_to_another_xid_is_a_loss(void **state)
{
	struct world *w = begin_established(NULL);

	submit_get(w, "/a", false, 1);
	pump(w);
	take(w, ZK_OP_GET_DATA);
	assert_int_equal(answer_xid(w, w->header.xid + 1, 1, ZK_OK, NULL), -EBADMSG);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	assert_int_equal(w->disconnects, 1);
	assert_int_equal(w->note_count, 0);
	come_back(w);
	take(w, ZK_OP_GET_DATA);
	end(w);
}

static void reply_that_nobody_asked_for_is_a_loss(void **state)
{
	struct world *w = begin_established(NULL);

	assert_int_equal(answer_xid(w, 1, 1, ZK_OK, NULL), -EBADMSG);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	end(w);
}

static void cut_frames_are_a_loss(void **state)
{
	static const uint8_t header[15] = {0};
	static const uint8_t event[20] = {0xff, 0xff, 0xff, 0xff};
	struct world *w = begin_established(NULL);

	assert_int_equal(zk_client_received(w->client, bytes_of(header, 15), w->now_ms), -EBADMSG);
	pump(w);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	establish(w, SESSION);
	assert_int_equal(zk_client_received(w->client, bytes_of(event, 20), w->now_ms), -EBADMSG);
	pump(w);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	establish(w, SESSION);
	assert_int_equal(zk_client_received(w->client, bytes_of("", 0), w->now_ms), -EBADMSG);
	pump(w);
	/* What came in the same read behind it is of no interest. */
	assert_int_equal(zk_client_received(w->client, bytes_of(event, 20), w->now_ms), 0);
	end(w);
}

static void cut_handshake_is_another_try(void **state)
{
	struct world *w = begin(NULL);

	accept_connection(w);
	(void)take_handshake(w);
	assert_int_equal(zk_client_received(w->client, bytes_of("\0\0\0\0", 4), w->now_ms),
			 -EBADMSG);
	pump(w);
	assert_int_equal(w->disconnects, 1);
	assert_int_equal(w->state_changes, 0);
	establish(w, SESSION);
	end(w);
}

/* A read-only server refuses the session with a bare reply frame. */
static void frame_of_a_read_only_server_is_another_try(void **state)
{
	struct world *w = begin(NULL);

	accept_connection(w);
	(void)take_handshake(w);
	assert_int_equal(answer_xid(w, 0, 0, ZK_NOTREADONLY, NULL), -EBADMSG);
	assert_int_equal(w->disconnects, 1);
	end(w);
}

static void probe_answer_that_does_not_decode_leaves_it_unknown(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", 4, 1);
	pump(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_GET_DATA);
	answer(w, BASE + 50, ZK_OK);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_UNKNOWN);
	end(w);
}

/* ---- the table of unknown outcomes ---- */

enum fate { FATE_AGAIN, FATE_DONE, FATE_EXISTS, FATE_UNKNOWN };

struct node {
	bool present;
	zxid_t czxid;
	zxid_t mzxid;
	int32_t version;
	session_id_t owner;
	const char *data; /* NULL: null */
};

struct row {
	const char *name;
	enum zk_intent intent;
	struct node node;   /* what the server shows at the path; of a rename, the source */
	struct node target; /* of a rename */
	enum fate fate;
	int32_t code;
};

enum { OLD = BASE - 10, NEW = BASE + 10, EXPECTED = 4 };

/* The request that a row is about, with "ours" as its data. */
static void build(struct zk_request *request, enum zk_intent intent)
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

static void show(struct world *w, const struct node *node)
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

static void take_probe(struct world *w, const char *path)
{
	take_frame(w);
	zk_request_header_read(&w->record, &w->header);
	assert_true(w->header.opcode == ZK_OP_EXISTS || w->header.opcode == ZK_OP_GET_DATA);
	assert_true(bytes_equal_text(taken_path(w), path));
	assert_false(jute_read_boolean(&w->record)); /* it leaves no watch behind */
	assert_true(nothing_is_sent(w));
}

static void check_fate(struct world *w, const struct row *row, int32_t opcode)
{
	const struct note *note = &w->notes[0];

	if (row->fate == FATE_AGAIN) {
		assert_int_equal(w->note_count, 0);
		take(w, opcode);
		answer(w, BASE + 60, ZK_OK);
		assert_int_equal(note->outcome, ZK_OUTCOME_REPLIED);
		assert_int_equal(note->zxid, BASE + 60);
	} else {
		assert_true(nothing_is_sent(w));
	}
	assert_int_equal(w->note_count, 1);
	if (row->fate == FATE_DONE) {
		assert_int_equal(note->outcome, ZK_OUTCOME_RESOLVED);
		assert_int_equal(note->code, ZK_OK);
	} else if (row->fate == FATE_EXISTS) {
		assert_int_equal(note->outcome, ZK_OUTCOME_REPLIED);
		assert_int_equal(note->code, ZK_NODEEXISTS);
		assert_true(note->has_stat);
	} else if (row->fate == FATE_UNKNOWN) {
		assert_int_equal(note->outcome, ZK_OUTCOME_UNKNOWN);
		assert_int_equal(note->code, row->code);
	}
	assert_true(note->sent);
}

static void play(const struct row *row)
{
	struct world *w = begin_established(NULL);
	bool renames = row->intent == ZK_INTENT_RENAME;
	struct zk_request request;
	int32_t opcode;

	build(&request, row->intent);
	opcode = request.opcode;
	submit(w, &request, 1);
	pump(w);
	take(w, opcode);
	lose(w);
	come_back(w);
	take_probe(w, renames ? "/from" : "/n");
	show(w, &row->node);
	if (renames && !row->node.present) {
		take_probe(w, "/to");
		show(w, &row->target);
	}
	check_fate(w, row, opcode);
	assert_int_equal(zk_client_pending(w->client), 0);
	end(w);
}

static void rows_are_played(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("# %s\n", rows[i].name);
		play(&rows[i]);
	}
}

#define PLAY(rows) rows_are_played(rows, sizeof(rows) / sizeof(rows[0]))

static void versioned_set_is_judged_by_version_and_bytes(void **state)
{
	static const struct row rows[] = {
		{"unchanged",
		 ZK_INTENT_SET,
		 {true, OLD, OLD, EXPECTED, 0, "old"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"one more, our bytes",
		 ZK_INTENT_SET,
		 {true, OLD, NEW, EXPECTED + 1, 0, "ours"},
		 {0},
		 FATE_DONE,
		 0},
		{"one more, other bytes",
		 ZK_INTENT_SET,
		 {true, OLD, NEW, EXPECTED + 1, 0, "theirs"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"one more, null",
		 ZK_INTENT_SET,
		 {true, OLD, NEW, EXPECTED + 1, 0, NULL},
		 {0},
		 FATE_AGAIN,
		 0},
		{"two more",
		 ZK_INTENT_SET,
		 {true, OLD, NEW, EXPECTED + 2, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_BADVERSION},
		{"older",
		 ZK_INTENT_SET,
		 {true, OLD, OLD, EXPECTED - 1, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_BADVERSION},
		{"gone", ZK_INTENT_SET, {false}, {0}, FATE_UNKNOWN, ZK_NONODE},
		{"made anew",
		 ZK_INTENT_SET,
		 {true, NEW, NEW, EXPECTED, 0, "x"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_BADVERSION},
	};

	PLAY(rows);
}

static void append_is_judged_by_how_the_value_begins(void **state)
{
	static const struct row rows[] = {
		{"unchanged",
		 ZK_INTENT_APPEND,
		 {true, OLD, OLD, EXPECTED, 0, "ou"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"ours",
		 ZK_INTENT_APPEND,
		 {true, OLD, NEW, EXPECTED + 1, 0, "ours"},
		 {0},
		 FATE_DONE,
		 0},
		{"ours and more",
		 ZK_INTENT_APPEND,
		 {true, OLD, NEW, EXPECTED + 3, 0, "ours and theirs"},
		 {0},
		 FATE_DONE,
		 0},
		{"theirs instead",
		 ZK_INTENT_APPEND,
		 {true, OLD, NEW, EXPECTED + 1, 0, "outs"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"theirs and more",
		 ZK_INTENT_APPEND,
		 {true, OLD, NEW, EXPECTED + 2, 0, "out"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_BADVERSION},
		{"gone", ZK_INTENT_APPEND, {false}, {0}, FATE_UNKNOWN, ZK_NONODE},
	};

	PLAY(rows);
}

static void create_is_judged_by_age_version_and_bytes(void **state)
{
	static const struct row rows[] = {
		{"absent", ZK_INTENT_CREATE, {false}, {0}, FATE_AGAIN, 0},
		{"ours", ZK_INTENT_CREATE, {true, NEW, NEW, 0, 0, "ours"}, {0}, FATE_DONE, 0},
		{"old", ZK_INTENT_CREATE, {true, OLD, OLD, 0, 0, "ours"}, {0}, FATE_AGAIN, 0},
		{"changed",
		 ZK_INTENT_CREATE,
		 {true, NEW, NEW, 1, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"theirs",
		 ZK_INTENT_CREATE,
		 {true, NEW, NEW, 0, 0, "theirs"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"absent, O_TRUNC", ZK_INTENT_CREATE_TRUNCATE, {false}, {0}, FATE_AGAIN, 0},
		{"ours, O_TRUNC",
		 ZK_INTENT_CREATE_TRUNCATE,
		 {true, NEW, NEW, 0, 0, "ours"},
		 {0},
		 FATE_DONE,
		 0},
		{"theirs, O_TRUNC",
		 ZK_INTENT_CREATE_TRUNCATE,
		 {true, NEW, NEW, 0, 0, "theirs"},
		 {0},
		 FATE_EXISTS,
		 0},
	};

	PLAY(rows);
}

static void exclusive_create_is_sent_again_only_if_surely_not_done(void **state)
{
	static const struct row rows[] = {
		{"absent", ZK_INTENT_CREATE_EXCLUSIVE, {false}, {0}, FATE_AGAIN, 0},
		{"old",
		 ZK_INTENT_CREATE_EXCLUSIVE,
		 {true, OLD, OLD, 0, 0, "ours"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"new",
		 ZK_INTENT_CREATE_EXCLUSIVE,
		 {true, NEW, NEW, 0, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
	};

	PLAY(rows);
}

static void ephemeral_create_is_judged_by_its_owner(void **state)
{
	static const struct row rows[] = {
		{"absent", ZK_INTENT_CREATE_EPHEMERAL, {false}, {0}, FATE_AGAIN, 0},
		{"ours",
		 ZK_INTENT_CREATE_EPHEMERAL,
		 {true, NEW, NEW, 0, SESSION, NULL},
		 {0},
		 FATE_DONE,
		 0},
		{"theirs",
		 ZK_INTENT_CREATE_EPHEMERAL,
		 {true, NEW, NEW, 0, SESSION + 1, NULL},
		 {0},
		 FATE_AGAIN,
		 0},
		{"ours before",
		 ZK_INTENT_CREATE_EPHEMERAL,
		 {true, OLD, OLD, 0, SESSION, NULL},
		 {0},
		 FATE_AGAIN,
		 0},
	};

	PLAY(rows);
}

static void delete_is_done_when_it_is_gone(void **state)
{
	static const struct row rows[] = {
		{"gone", ZK_INTENT_DELETE, {false}, {0}, FATE_DONE, 0},
		{"still there", ZK_INTENT_DELETE, {true, OLD, NEW, 9, 0, "x"}, {0}, FATE_AGAIN, 0},
		{"made anew",
		 ZK_INTENT_DELETE,
		 {true, NEW, NEW, 0, 0, "x"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
	};

	PLAY(rows);
}

static void rename_is_judged_by_source_and_target(void **state)
{
	static const struct row rows[] = {
		{"source there",
		 ZK_INTENT_RENAME,
		 {true, OLD, OLD, 0, 0, "ours"},
		 {0},
		 FATE_AGAIN,
		 0},
		{"another source",
		 ZK_INTENT_RENAME,
		 {true, NEW, NEW, 0, 0, "ours"},
		 {0},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"moved", ZK_INTENT_RENAME, {false}, {true, NEW, NEW, 0, 0, "ours"}, FATE_DONE, 0},
		{"replaced",
		 ZK_INTENT_RENAME,
		 {false},
		 {true, OLD, NEW, 5, 0, "ours"},
		 FATE_DONE,
		 0},
		{"target old",
		 ZK_INTENT_RENAME,
		 {false},
		 {true, OLD, OLD, 0, 0, "ours"},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"target theirs",
		 ZK_INTENT_RENAME,
		 {false},
		 {true, NEW, NEW, 0, 0, "x"},
		 FATE_UNKNOWN,
		 ZK_NODEEXISTS},
		{"both gone", ZK_INTENT_RENAME, {false}, {false}, FATE_UNKNOWN, ZK_NONODE},
	};

	PLAY(rows);
}

static void unconditional_set_and_reads_are_sent_again(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", -1, 1);
	submit_get(w, "/b", false, 2);
	pump(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	take(w, ZK_OP_GET_DATA);
	assert_int_equal(w->note_count, 0);
	end(w);
}

static void nothing_tells_of_a_sequential_create_or_other_multi(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	submit_create(w, "/a-", ZK_PERSISTENT_SEQUENTIAL, 1);
	zk_request_multi_begin(&request);
	zk_request_multi_check(&request, text("/a"), 0);
	zk_request_multi_end(&request);
	submit(w, &request, 2);
	/* A wrong intent is no way to have it sent twice. */
	build(&request, ZK_INTENT_NONE);
	request.intent = ZK_INTENT_CREATE;
	submit(w, &request, 3);
	pump(w);
	lose(w);
	assert_int_equal(w->note_count, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(w->notes[i].outcome, ZK_OUTCOME_UNKNOWN);
		assert_int_equal(w->notes[i].code, ZK_CONNECTIONLOSS);
	}
	end(w);
}

static void nothing_is_judged_where_the_sync_failed(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/n", EXPECTED, 1);
	pump(w);
	lose(w);
	establish(w, SESSION);
	take(w, ZK_OP_SYNC);
	assert_int_equal(answer_xid(w, w->header.xid, 0, ZK_THROTTLEDOP, NULL), -EBADMSG);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	assert_int_equal(w->note_count, 0);
	come_back(w);
	take_probe(w, "/n");
	end(w);
}

static void unreadable_state_leaves_it_unknown(void **state)
{
	struct world *w = begin_established(NULL);

	submit_create(w, "/n", ZK_PERSISTENT, 1);
	pump(w);
	lose(w);
	come_back(w);
	take_probe(w, "/n");
	answer(w, BASE + 50, ZK_NOAUTH);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_UNKNOWN);
	assert_int_equal(w->notes[0].code, ZK_NOAUTH);
	end(w);
}

/* ---- order and repeated losses ---- */

static void judging_keeps_the_order_of_requests(void **state)
{
	struct world *w = begin_established(NULL);
	const struct node ours = {true, NEW, NEW, EXPECTED + 1, 0, "ours"};

	submit_create(w, "/n", ZK_PERSISTENT, 1);
	submit_get(w, "/n", false, 2);
	submit_set(w, "/n", EXPECTED, 3);
	pump(w);
	lose(w);
	submit_get(w, "/late", false, 4);
	come_back(w);
	take_probe(w, "/n");
	show(w, &(struct node){.present = false});
	/* Sent again, the read behind it; the set is looked at when both are answered. */
	take(w, ZK_OP_CREATE2);
	answer(w, NEW, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	assert_true(nothing_is_sent(w));
	answer(w, NEW, ZK_NONODE);
	take_probe(w, "/n");
	show(w, &ours);
	take(w, ZK_OP_GET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/late"));
	answer(w, BASE + 60, ZK_NONODE);
	assert_int_equal(w->note_count, 4);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(w->notes[i].tag, i + 1);
	end(w);
}

static void second_loss_keeps_the_order_of_requests(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", -1, 1);
	submit_set(w, "/b", 3, 2);
	pump(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(nothing_is_sent(w));
	lose(w);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/a"));
	answer(w, BASE + 51, ZK_OK);
	take_probe(w, "/b");
	end(w);
}

/* The first is sent again, and makes it: the second must not take that for its own. */
static void a_request_that_was_sent_again_is_no_proof_for_the_next_one(void **state)
{
	const struct node made = {true, BASE + 60, BASE + 60, 0, SESSION, "ours"};
	struct world *w = begin_established(NULL);
	struct zk_request request;

	build(&request, ZK_INTENT_CREATE_EPHEMERAL);
	submit(w, &request, 1);
	build(&request, ZK_INTENT_CREATE_EPHEMERAL);
	submit(w, &request, 2);
	pump(w);
	lose(w);
	come_back(w);
	take_probe(w, "/n");
	show(w, &(struct node){false, 0, 0, 0, 0, NULL});
	take(w, ZK_OP_CREATE2);
	answer(w, BASE + 60, ZK_OK);
	take_probe(w, "/n");
	show(w, &made);
	take(w, ZK_OP_CREATE2);
	answer(w, BASE + 61, ZK_NODEEXISTS);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_REPLIED);
	assert_int_equal(w->notes[1].code, ZK_NODEEXISTS);
	end(w);
}

/* ... nor one that was answered before the loss. */
static void a_request_that_was_answered_is_no_proof_for_the_next_one(void **state)
{
	const struct node made = {true, BASE + 30, BASE + 30, 0, SESSION, "ours"};
	struct world *w = begin_established(NULL);
	struct zk_request request;

	build(&request, ZK_INTENT_CREATE_EPHEMERAL);
	submit(w, &request, 1);
	build(&request, ZK_INTENT_CREATE_EPHEMERAL);
	submit(w, &request, 2);
	pump(w);
	take(w, ZK_OP_CREATE2);
	answer(w, BASE + 30, ZK_OK);
	lose(w);
	come_back(w);
	take_probe(w, "/n");
	show(w, &made);
	take(w, ZK_OP_CREATE2);
	end(w);
}

/* What came behind a request that was done was done later still. */
static void a_resolved_request_makes_the_next_ones_base_newer(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	build(&request, ZK_INTENT_CREATE);
	submit(w, &request, 1);
	zk_request_delete(&request, text("/n"), -1);
	submit(w, &request, 2);
	pump(w);
	lose(w);
	come_back(w);
	take_probe(w, "/n");
	show(w, &(struct node){true, NEW, NEW, 0, 0, "ours"});
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_RESOLVED);
	take_probe(w, "/n");
	show(w, &(struct node){true, NEW, NEW, 0, 0, "ours"});
	take(w, ZK_OP_DELETE);
	end(w);
}

static void after_two_losses_a_request_is_sent_alone(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", -1, 1);
	submit_set(w, "/b", -1, 2);
	pump(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	take(w, ZK_OP_SET_DATA);
	lose(w);
	submit_get(w, "/c", false, 3);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/a"));
	assert_true(nothing_is_sent(w));
	answer(w, BASE + 51, ZK_OK);
	take(w, ZK_OP_SET_DATA);
	assert_true(nothing_is_sent(w));
	answer(w, BASE + 52, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	assert_int_equal(w->note_count, 2);
	end(w);
}

/* The one that kills connections hits its limit; those that were only near it go on. */
static void third_loss_makes_it_unknown_and_frees_the_rest(void **state)
{
	struct world *w = begin_established(NULL);

	submit_get(w, "/poison", false, 1);
	submit_set(w, "/b", -1, 2);
	pump(w);
	lose(w);
	come_back(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_GET_DATA);
	assert_true(nothing_is_sent(w));
	lose(w);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].tag, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_UNKNOWN);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	answer(w, BASE + 51, ZK_OK);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_REPLIED);
	end(w);
}

static void losses_while_being_judged_count(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", 1, 1);
	pump(w);
	lose(w);
	for (int i = 0; i < 2; i++) {
		come_back(w);
		take_probe(w, "/a");
		lose(w);
	}
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_UNKNOWN);
	end(w);
}

static void loss_of_a_request_sent_again_is_judged_again(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", EXPECTED, 1);
	pump(w);
	lose(w);
	come_back(w);
	take_probe(w, "/a");
	show(w, &(struct node){true, OLD, OLD, EXPECTED, 0, "old"});
	take(w, ZK_OP_SET_DATA);
	lose(w);
	come_back(w);
	take_probe(w, "/a");
	show(w, &(struct node){true, OLD, NEW, EXPECTED + 1, 0, "ours"});
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_RESOLVED);
	assert_int_equal(w->notes[0].stat.version, EXPECTED + 1);
	end(w);
}

static void requests_not_yet_sent_are_never_in_doubt(void **state)
{
	struct world *w = begin_established(NULL);

	lose(w);
	submit_create(w, "/a-", ZK_PERSISTENT_SEQUENTIAL, 1);
	establish(w, SESSION);
	take(w, ZK_OP_CREATE2);
	answer(w, BASE + 1, ZK_OK);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_REPLIED);
	end(w);
}

/* ---- soft and hard ---- */

static void soft_requests_end_together_when_no_server_is_found(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	submit_set(w, "/sent", -1, 1);
	submit_get(w, "/sent", false, 2);
	pump(w);
	lose(w);
	advance(w, TIMEOUT_MS / 2);
	submit_set(w, "/waiting", -1, 3);
	advance(w, TIMEOUT_MS / 2 - 1);
	assert_int_equal(w->note_count, 0);
	advance(w, 1);
	assert_int_equal(w->note_count, 3);
	assert_int_equal(w->notes[0].tag, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_LATE);
	assert_int_equal(w->notes[1].tag, 2);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_TIMED_OUT);
	assert_int_equal(w->notes[2].tag, 3);
	assert_int_equal(w->notes[2].outcome, ZK_OUTCOME_TIMED_OUT);
	assert_false(w->notes[2].sent);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 4, NULL), -ETIMEDOUT);
	/* The late one is told its outcome after all; the dropped ones are not sent. */
	w->is_connecting = false;
	zk_client_failed(w->client, w->now_ms);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/sent"));
	answer(w, BASE + 51, ZK_OK);
	assert_true(nothing_is_sent(w));
	assert_int_equal(w->note_count, 4);
	assert_int_equal(w->notes[3].tag, 1);
	assert_int_equal(w->notes[3].outcome, ZK_OUTCOME_REPLIED);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 5, NULL), 0);
	end(w);
}

static void late_is_told_once_a_disconnection(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", 1, 1);
	pump(w);
	lose(w);
	advance(w, TIMEOUT_MS * 5);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_LATE);
	end(w);
}

static void soft_timeout_holds_for_the_first_connection(void **state)
{
	struct world *w = begin(NULL);

	submit_get(w, "/a", false, 1);
	advance(w, TIMEOUT_MS);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_TIMED_OUT);
	end(w);
}

static void hard_requests_wait_on(void **state)
{
	const struct zk_client_options options = {
		.server_count = 1, .timeout_ms = TIMEOUT_MS, .hard = true};
	struct world *w = begin_established(&options);

	submit_set(w, "/sent", -1, 1);
	pump(w);
	lose(w);
	submit_get(w, "/waiting", false, 2);
	advance(w, TIMEOUT_MS * 100);
	submit_get(w, "/later", false, 3);
	assert_int_equal(w->note_count, 0);
	w->is_connecting = false;
	zk_client_failed(w->client, w->now_ms);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	take(w, ZK_OP_GET_DATA);
	take(w, ZK_OP_GET_DATA);
	end(w);
}

/* ---- expiry ---- */

static void expire(struct world *w)
{
	accept_connection(w);
	(void)take_handshake(w);
	assert_int_equal(answer_handshake(w, 0, 0), 0);
	assert_int_equal(w->state, ZK_CLIENT_EXPIRED);
}

static void expiry_ends_writes_in_flight_and_recovers(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;
	struct zk_connect_request handshake;

	submit_set(w, "/sent", -1, 1);
	submit_get(w, "/sent", false, 2);
	pump(w);
	lose(w);
	submit_set(w, "/waiting", -1, 3);
	zk_request_set_data(&request, text("/bound"), text("x"), -1);
	request.session_bound = true;
	submit(w, &request, 4);
	expire(w);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[0].tag, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_EXPIRED);
	assert_true(w->notes[0].sent);
	assert_int_equal(w->notes[1].tag, 4);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_EXPIRED);
	assert_false(w->notes[1].sent);
	accept_connection(w);
	handshake = take_handshake(w);
	assert_int_equal(handshake.session_id, 0);
	assert_int_equal(handshake.last_zxid_seen, BASE);
	assert_int_equal(answer_handshake(w, SESSION + 1, TIMEOUT_MS), 0);
	assert_true(w->new_session);
	take(w, ZK_OP_SYNC);
	answer(w, BASE + 50, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	take(w, ZK_OP_SET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/waiting"));
	end(w);
}

static void expiry_with_fail_ends_everything(void **state)
{
	const struct zk_client_options options = {
		.server_count = 1, .timeout_ms = TIMEOUT_MS, .onexpire = ZK_ONEXPIRE_FAIL};
	struct world *w = begin_established(&options);
	struct zk_request request;

	submit_set(w, "/sent", -1, 1);
	pump(w);
	lose(w);
	submit_get(w, "/waiting", false, 2);
	expire(w);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_EXPIRED);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_EXPIRED);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 3, NULL), -EIO);
	assert_int_equal(zk_client_deadline(w->client), INT64_MAX);
	assert_false(w->is_connecting || w->is_connected);
	zk_client_close(w->client, w->now_ms);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	end(w);
}

/* ---- watches ---- */

static void read_list(struct world *w, const char *expected)
{
	struct jute_strings strings = jute_read_strings(&w->record);
	struct buf joined;
	struct bytes path;

	assert_false(w->record.error);
	buf_init(&joined, 1 << 20);
	for (size_t at = 0; jute_strings_next(&strings, &at, &path);)
		buf_printf(&joined, "%.*s,", path.size, (const char *)path.data);
	assert_true(bytes_equal_text(buf_bytes(&joined), expected));
	buf_release(&joined);
}

static void add_watches(struct world *w)
{
	struct zk_stat stat = {0};
	struct zk_request request;

	submit_get(w, "/data", true, 1);
	submit_get(w, "/gone", true, 1);
	submit_get(w, "/unwatched", false, 1);
	zk_request_exists(&request, text("/exists"), true);
	submit(w, &request, 1);
	zk_request_exists(&request, text("/missing"), true);
	submit(w, &request, 1);
	zk_request_get_children2(&request, text("/dir"), true);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_GET_DATA);
	answer_data(w, BASE, BYTES_NULL, &stat);
	take(w, ZK_OP_GET_DATA);
	answer(w, BASE, ZK_NONODE);
	take(w, ZK_OP_GET_DATA);
	answer_data(w, BASE, BYTES_NULL, &stat);
	take(w, ZK_OP_EXISTS);
	answer_stat(w, BASE, &stat);
	take(w, ZK_OP_EXISTS);
	answer(w, BASE, ZK_NONODE);
	take(w, ZK_OP_GET_CHILDREN2);
	answer(w, BASE, ZK_OK);
}

static void add_persistent_watches(struct world *w)
{
	struct zk_request request;

	zk_request_add_watch(&request, text("/persistent"), ZK_WATCH_PERSISTENT);
	submit(w, &request, 1);
	zk_request_add_watch(&request, text("/"), ZK_WATCH_PERSISTENT_RECURSIVE);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_ADD_WATCH);
	answer(w, BASE, ZK_OK);
	take(w, ZK_OP_ADD_WATCH);
	answer(w, BASE, ZK_OK);
}

static void watches_are_set_again_before_other_requests(void **state)
{
	struct world *w = begin_established(NULL);

	add_watches(w);
	assert_int_equal(zk_client_watch_count(w->client), 4);
	lose(w);
	submit_get(w, "/a", false, 1);
	establish(w, SESSION);
	take(w, ZK_OP_SET_WATCHES);
	assert_int_equal(w->header.xid, ZK_XID_SET_WATCHES);
	assert_int_equal(jute_read_long(&w->record), BASE);
	read_list(w, "/data,/exists,");
	read_list(w, "/missing,");
	read_list(w, "/dir,");
	assert_int_equal(jute_left(&w->record), 0);
	answer(w, BASE + 1, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	end(w);
}

static void persistent_watches_take_set_watches2(void **state)
{
	struct world *w = begin_established(NULL);

	add_watches(w);
	add_persistent_watches(w);
	lose(w);
	establish(w, SESSION);
	take(w, ZK_OP_SET_WATCHES2);
	(void)jute_read_long(&w->record);
	read_list(w, "/data,/exists,");
	read_list(w, "/missing,");
	read_list(w, "/dir,");
	read_list(w, "/persistent,");
	read_list(w, "/,");
	end(w);
}

static void events_use_up_one_shot_watches(void **state)
{
	struct world *w = begin_established(NULL);

	add_watches(w);
	add_persistent_watches(w);
	send_event(w, ZK_EVENT_NODE_DATA_CHANGED, "/data", BASE + 1);
	assert_int_equal(w->event_type, ZK_EVENT_NODE_DATA_CHANGED);
	assert_string_equal(w->event_path, "/data");
	assert_int_equal(w->event_zxid, BASE + 1);
	/* 3.9: it is handed on, but it is no state of the session's. */
	assert_int_equal(zk_client_last_zxid(w->client), BASE);
	send_event(w, ZK_EVENT_NODE_CREATED, "/missing", -1);
	send_event(w, ZK_EVENT_NODE_CHILDREN_CHANGED, "/dir", -1);
	send_event(w, ZK_EVENT_NODE_DELETED, "/exists", -1);
	send_event(w, ZK_EVENT_NODE_DELETED, "/persistent", -1);
	assert_int_equal(zk_client_watch_count(w->client), 2);
	assert_int_equal(w->event_count, 5);
	end(w);
}

static void removed_watches_are_not_set_again(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	add_watches(w);
	zk_request_remove_watches(&request, text("/data"), ZK_WATCHER_DATA);
	submit(w, &request, 1);
	zk_request_remove_watches(&request, text("/dir"), ZK_WATCHER_ANY);
	submit(w, &request, 1);
	zk_request_remove_watches(&request, text("/exists"), ZK_WATCHER_DATA);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_REMOVE_WATCHES);
	answer(w, BASE, ZK_OK);
	take(w, ZK_OP_REMOVE_WATCHES);
	answer(w, BASE, ZK_OK);
	take(w, ZK_OP_REMOVE_WATCHES);
	answer(w, BASE, ZK_NOWATCHER);
	assert_int_equal(zk_client_watch_count(w->client), 2);
	end(w);
}

static void watches_go_over_to_a_new_session(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	zk_request_add_watch(&request, text("/"), ZK_WATCH_PERSISTENT_RECURSIVE);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_ADD_WATCH);
	answer(w, BASE, ZK_OK);
	lose(w);
	expire(w);
	establish(w, SESSION + 1);
	take(w, ZK_OP_SET_WATCHES2);
	end(w);
}

static void many_watches_are_set_in_batches(void **state)
{
	struct world *w = begin_established(NULL);
	char *path = mem_alloc(1001);
	struct zk_stat stat = {0};
	size_t paths = 0;
	size_t batches = 0;

	memset(path, 'x', 1000);
	path[0] = '/';
	path[1000] = '\0';
	for (int i = 0; i < 300; i++) {
		(void)memcpy(path + 1, (char[]){'a' + i / 26, 'a' + i % 26}, 2);
		submit_get(w, path, true, 1);
		pump(w);
		take(w, ZK_OP_GET_DATA);
		answer_data(w, BASE, BYTES_NULL, &stat);
		w->note_count = 0;
	}
	lose(w);
	establish(w, SESSION);
	while (!nothing_is_sent(w)) {
		struct jute_strings strings;

		take(w, ZK_OP_SET_WATCHES);
		assert_true(w->frame.size <= (128 << 10) + 2000);
		(void)jute_read_long(&w->record);
		strings = jute_read_strings(&w->record);
		paths += (size_t)strings.count;
		batches++;
		assert_int_equal(answer_xid(w, ZK_XID_SET_WATCHES, BASE, ZK_OK, NULL), 0);
	}
	assert_int_equal(paths, 300);
	assert_int_equal(batches, 3);
	free(path);
	end(w);
}

static void server_before_add_watch_says_so(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	zk_request_add_watch(&request, text("/"), ZK_WATCH_PERSISTENT_RECURSIVE);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_ADD_WATCH);
	answer(w, -1, ZK_UNIMPLEMENTED);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_REPLIED);
	assert_int_equal(w->notes[0].code, ZK_UNIMPLEMENTED);
	assert_int_equal(zk_client_last_zxid(w->client), BASE);
	lose(w);
	establish(w, SESSION);
	assert_true(nothing_is_sent(w));
	end(w);
}

/* An ensemble of several versions: the next server may be older than the last. */
static void older_server_after_a_move_ends_persistent_watches(void **state)
{
	struct world *w = begin_established(NULL);

	add_watches(w);
	add_persistent_watches(w);
	lose(w);
	establish(w, SESSION);
	take(w, ZK_OP_SET_WATCHES2);
	answer(w, -1, ZK_UNIMPLEMENTED);
	assert_int_equal(w->event_count, 2);
	assert_int_equal(w->event_type, ZK_EVENT_PERSISTENT_WATCH_REMOVED);
	assert_string_equal(w->event_path, "/");
	lose(w);
	establish(w, SESSION);
	take(w, ZK_OP_SET_WATCHES);
	end(w);
}

/* ---- multi ---- */

static void multi_reply_names_the_operation_that_failed(void **state)
{
	static const uint8_t failed[] = "\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0"
					"\xff\xff\xff\xff\0\xff\xff\xff\x9b\xff\xff\xff\x9b"
					"\xff\xff\xff\xff\0\xff\xff\xff\xfe\xff\xff\xff\xfe"
					"\xff\xff\xff\xff\1\xff\xff\xff\xff";
	static const uint8_t done[] = "\0\0\0\2\0\0\0\0\0\xff\xff\xff\xff\1\xff\xff\xff\xff";
	struct jute_reader reader;
	size_t at = 77;

	jute_reader_init(&reader, failed, sizeof(failed) - 1, sizeof(failed));
	assert_int_equal(zk_multi_reply_error(reader, &at), ZK_NONODE);
	assert_int_equal(at, 1);
	at = 77;
	jute_reader_init(&reader, done, sizeof(done) - 1, sizeof(done));
	assert_int_equal(zk_multi_reply_error(reader, &at), ZK_OK);
	assert_int_equal(at, 77);
	for (size_t cut = 0; cut < 9; cut++) {
		jute_reader_init(&reader, done, cut, sizeof(done));
		assert_int_equal(zk_multi_reply_error(reader, &at), ZK_MARSHALLINGERROR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_string_has_servers_and_chroot),
		cmocka_unit_test(bad_connect_strings_are_explained),
		cmocka_unit_test(too_many_servers_are_refused),
		cmocka_unit_test(first_handshake_asks_for_a_new_session),
		cmocka_unit_test(reconnect_offers_the_session_and_what_it_has_seen),
		cmocka_unit_test(all_servers_are_tried_in_turn_with_growing_delays),
		cmocka_unit_test(the_nearest_server_is_tried_before_all_others),
		cmocka_unit_test(silent_server_is_left_for_the_next),
		cmocka_unit_test(a_try_that_hangs_leaves_patience_for_more),
		cmocka_unit_test(pings_keep_an_idle_session),
		cmocka_unit_test(pings_are_sent_also_while_only_listening),
		cmocka_unit_test(silence_of_two_thirds_ends_the_connection),
		cmocka_unit_test(auth_goes_out_first_on_every_connection),
		cmocka_unit_test(refused_auth_ends_the_session_for_good),
		cmocka_unit_test(close_answers_everything_then_ends_the_session),
		cmocka_unit_test(close_without_a_connection_ends_at_once),
		cmocka_unit_test(loss_while_closing_ends_it),
		cmocka_unit_test(close_within_a_callback_comes_with_the_next_tick),
		cmocka_unit_test(replies_come_in_order_with_code_zxid_and_body),
		cmocka_unit_test(requests_wait_for_the_first_connection),
		cmocka_unit_test(too_large_a_request_is_never_sent),
		cmocka_unit_test(number_of_requests_is_bounded),
		cmocka_unit_test(bytes_of_requests_are_bounded),
		cmocka_unit_test(no_more_than_a_window_is_in_flight),
		cmocka_unit_test(abandoned_request_goes_on_without_its_caller),
		cmocka_unit_test(callback_may_abandon_another_request),
		cmocka_unit_test(reply_to_another_xid_is_a_loss),
		cmocka_unit_test(reply_that_nobody_asked_for_is_a_loss),
		cmocka_unit_test(cut_frames_are_a_loss),
		cmocka_unit_test(cut_handshake_is_another_try),
		cmocka_unit_test(frame_of_a_read_only_server_is_another_try),
		cmocka_unit_test(probe_answer_that_does_not_decode_leaves_it_unknown),
		cmocka_unit_test(versioned_set_is_judged_by_version_and_bytes),
		cmocka_unit_test(append_is_judged_by_how_the_value_begins),
		cmocka_unit_test(create_is_judged_by_age_version_and_bytes),
		cmocka_unit_test(exclusive_create_is_sent_again_only_if_surely_not_done),
		cmocka_unit_test(ephemeral_create_is_judged_by_its_owner),
		cmocka_unit_test(delete_is_done_when_it_is_gone),
		cmocka_unit_test(rename_is_judged_by_source_and_target),
		cmocka_unit_test(unconditional_set_and_reads_are_sent_again),
		cmocka_unit_test(nothing_tells_of_a_sequential_create_or_other_multi),
		cmocka_unit_test(nothing_is_judged_where_the_sync_failed),
		cmocka_unit_test(unreadable_state_leaves_it_unknown),
		cmocka_unit_test(judging_keeps_the_order_of_requests),
		cmocka_unit_test(second_loss_keeps_the_order_of_requests),
		cmocka_unit_test(a_request_that_was_sent_again_is_no_proof_for_the_next_one),
		cmocka_unit_test(a_request_that_was_answered_is_no_proof_for_the_next_one),
		cmocka_unit_test(a_resolved_request_makes_the_next_ones_base_newer),
		cmocka_unit_test(after_two_losses_a_request_is_sent_alone),
		cmocka_unit_test(third_loss_makes_it_unknown_and_frees_the_rest),
		cmocka_unit_test(losses_while_being_judged_count),
		cmocka_unit_test(loss_of_a_request_sent_again_is_judged_again),
		cmocka_unit_test(requests_not_yet_sent_are_never_in_doubt),
		cmocka_unit_test(soft_requests_end_together_when_no_server_is_found),
		cmocka_unit_test(late_is_told_once_a_disconnection),
		cmocka_unit_test(soft_timeout_holds_for_the_first_connection),
		cmocka_unit_test(hard_requests_wait_on),
		cmocka_unit_test(expiry_ends_writes_in_flight_and_recovers),
		cmocka_unit_test(expiry_with_fail_ends_everything),
		cmocka_unit_test(watches_are_set_again_before_other_requests),
		cmocka_unit_test(persistent_watches_take_set_watches2),
		cmocka_unit_test(events_use_up_one_shot_watches),
		cmocka_unit_test(removed_watches_are_not_set_again),
		cmocka_unit_test(watches_go_over_to_a_new_session),
		cmocka_unit_test(many_watches_are_set_in_batches),
		cmocka_unit_test(server_before_add_watch_says_so),
		cmocka_unit_test(older_server_after_a_move_ends_persistent_watches),
		cmocka_unit_test(multi_reply_names_the_operation_that_failed),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
