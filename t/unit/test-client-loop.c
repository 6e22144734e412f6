/*
 * src/client over a real loop and real sockets, against a server of a few
 * lines: it answers the handshake, and each request with NONODE if it is told to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/client/client.h"
#include "src/io/conn.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"

enum { DEADLINE_MS = 20000, TIMEOUT_MS = 1000 };

struct fixture {
	struct loop loop;
	struct listener *listener;
	uint16_t port;
	struct conn *conn; /* the server's end */
	unsigned accepted;
	unsigned requests;
	bool is_deaf; /* reads nothing behind the handshake */
	bool has_session;

	struct client *client;
	enum zk_client_state state;
	unsigned replies;
	int32_t code;
	enum zk_outcome outcome;
};

/* ---- the server ---- */

static void answer_handshake(struct fixture *f, struct conn *conn)
{
	struct zk_connect_response response = {
		.timeout_ms = TIMEOUT_MS,
		.session_id = 7,
		.password = bytes_of_text("sixteen bytes pw"),
		.has_read_only = true,
	};
	size_t begin = conn_frame_begin(conn);

	zk_connect_response_write(conn_output(conn), &response);
	conn_frame_end(conn, begin);
	if (f->is_deaf)
		conn_pause(conn);
}

static void on_frame(struct conn *conn, struct bytes frame, void *data)
{
	struct fixture *f = data;
	struct zk_reply_header reply = {.zxid = 1, .err = ZK_NONODE};
	struct zk_request_header request;
	struct jute_reader reader;
	size_t begin;

	if (!f->has_session) {
		f->has_session = true;
		answer_handshake(f, conn);
		return;
	}
	jute_reader_init(&reader, frame.data, bytes_size(frame), bytes_size(frame));
	zk_request_header_read(&reader, &request);
	f->requests++;
	reply.xid = request.xid;
	if (request.opcode == ZK_OP_SYNC)
		reply.err = ZK_OK; /* as every server: a client takes another for a breach */
	begin = conn_frame_begin(conn);
	zk_reply_header_write(conn_output(conn), &reply);
	conn_frame_end(conn, begin);
}

static void on_closed(struct conn *conn, int error, void *data)
{
	((struct fixture *)data)->conn = NULL;
}

static const struct conn_callbacks server_callbacks = {
	.on_frame = on_frame,
	.on_closed = on_closed,
};

static void on_accept(struct listener *listener, struct conn *conn, void *data)
{
	struct fixture *f = data;

	conn_close(f->conn);
	f->conn = conn;
	f->has_session = false;
	f->accepted++;
}

static void listen_on(struct fixture *f, uint16_t port)
{
	static const struct conn_options options = {
		.frame_size_max = 2 << 20,
		.output_size_max = 1 << 20,
		.callbacks = &server_callbacks,
	};

	assert_int_equal(listener_open(&f->loop, "127.0.0.1", port, 16, &options, on_accept, f,
				       &f->listener),
			 0);
	f->port = listener_port(f->listener);
}

/* ---- the user ---- */

static void note_state(enum zk_client_state state, bool new_session, void *data)
{
	((struct fixture *)data)->state = state;
}

static void note_event(const struct zk_client_event *event, void *data)
{
}

static void note_reply(const struct zk_reply *reply, void *data)
{
	struct fixture *f = data;

	f->replies++;
	f->code = reply->code;
	f->outcome = reply->outcome;
}

static void open_client(struct fixture *f)
{
	const struct client_options options = {.timeout_ms = TIMEOUT_MS};
	const struct zk_client_callbacks callbacks = {
		.on_state = note_state, .on_event = note_event, .data = f};
	char *text = mem_printf("127.0.0.1:%u", f->port);
	struct zk_servers servers;
	char *error;

	assert_int_equal(zk_servers_parse(text, &servers, &error), 0);
	f->client = client_new(&f->loop, &servers, &options, &callbacks);
	zk_servers_release(&servers);
	free(text);
}

static void submit_get(struct fixture *f)
{
	struct zk_request request;

	zk_request_get_data(&request, bytes_of_text("/a"), false);
	assert_int_equal(client_submit(f->client, &request, note_reply, f, NULL), 0);
}

#define turn_until(f, condition)                                                                   \
	do {                                                                                       \
		uint64_t begin_ms_ = uv_hrtime() / 1000000;                                        \
		while (!(condition)) {                                                             \
			if (uv_hrtime() / 1000000 - begin_ms_ > DEADLINE_MS)                       \
				fail_msg("in vain: %s", #condition);                               \
			loop_turn(&(f)->loop, true);                                               \
		}                                                                                  \
	} while (0)

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	*state = f;
	return loop_init(&f->loop);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	client_free(f->client);
	conn_close(f->conn);
	listener_close(f->listener);
	assert_int_equal(loop_release(&f->loop), 0);
	free(f);
	return 0;
}

/* ---- claims ---- */

static void requests_are_answered_and_the_session_is_closed(void **state)
{
	struct fixture *f = *state;

	listen_on(f, 0);
	open_client(f);
	for (int i = 0; i < 3000; i++)
		submit_get(f);
	turn_until(f, f->replies == 3000);
	assert_int_equal(f->code, ZK_NONODE);
	assert_int_equal(f->state, ZK_CLIENT_CONNECTED);
	assert_int_equal(zk_client_session_id(client_session(f->client)), 7);
	client_close(f->client);
	turn_until(f, f->state == ZK_CLIENT_CLOSED);
	assert_int_equal(f->requests, 3001);
}

static void a_server_that_comes_later_is_found(void **state)
{
	struct fixture *f = *state;
	const char *address;
	uint16_t port;

	listen_on(f, 0);
	port = f->port;
	listener_close(f->listener);
	f->listener = NULL;
	open_client(f);
	submit_get(f);
	turn_until(f, *client_last_error(f->client));
	address = client_server(f->client);
	assert_int_equal(strncmp(client_last_error(f->client), address, strlen(address)), 0);
	listen_on(f, port);
	turn_until(f, f->replies == 1);
	assert_int_equal(f->outcome, ZK_OUTCOME_REPLIED);
}

static void connection_that_the_server_ends_is_made_anew(void **state)
{
	struct fixture *f = *state;

	listen_on(f, 0);
	open_client(f);
	turn_until(f, f->state == ZK_CLIENT_CONNECTED);
	conn_close(f->conn);
	f->conn = NULL;
	turn_until(f, f->state == ZK_CLIENT_DISCONNECTED);
	submit_get(f);
	turn_until(f, f->replies == 1);
	assert_int_equal(f->accepted, 2);
}

static void idle_session_is_kept_by_pings(void **state)
{
	struct fixture *f = *state;

	listen_on(f, 0);
	open_client(f);
	turn_until(f, f->requests >= 8);
	assert_int_equal(f->accepted, 1);
	assert_int_equal(f->state, ZK_CLIENT_CONNECTED);
}

/* Its socket is full: that must hold back requests, not the end of the connection. */
static void server_that_reads_nothing_is_left(void **state)
{
	struct fixture *f = *state;
	char *data = mem_zalloc(1 << 20);
	struct zk_request request;

	f->is_deaf = true;
	listen_on(f, 0);
	open_client(f);
	turn_until(f, f->state == ZK_CLIENT_CONNECTED);
	for (int i = 0; i < 30; i++) {
		zk_request_set_data(&request, bytes_of_text("/a"), bytes_of(data, 1000000), -1);
		assert_int_equal(client_submit(f->client, &request, note_reply, f, NULL), 0);
	}
	turn_until(f, f->accepted == 2);
	f->is_deaf = false;
	turn_until(f, f->replies >= 30);
	free(data);
}

static void server_of_another_protocol_is_told(void **state)
{
	struct fixture *f = *state;

	listen_on(f, 0);
	open_client(f);
	turn_until(f, f->conn);
	conn_write(f->conn, bytes_of("\0\0\0\4HTTP", 8));
	turn_until(f, strstr(client_last_error(f->client), "not the ZooKeeper protocol"));
	turn_until(f, f->state == ZK_CLIENT_CONNECTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_are_answered_and_the_session_is_closed),
		TEST(a_server_that_comes_later_is_found),
		TEST(connection_that_the_server_ends_is_made_anew),
		TEST(idle_session_is_kept_by_pings),
		TEST(server_that_reads_nothing_is_left),
		TEST(server_of_another_protocol_is_told),
	};

	return cmocka_run_group_tests_name("client-loop", tests, NULL, NULL);
}
