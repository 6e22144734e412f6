/*
 * zkmany: many sessions at once.
 *
 *	zkmany HOST:PORT[,HOST:PORT...] connect COUNT
 *	zkmany HOST:PORT[,HOST:PORT...] watch COUNT
 *
 * COUNT sessions connect in one moment, spread over the servers; what failed is
 * tried again. With `watch`, each then watches one znode, and another session
 * sets that once.
 *
 * Prints one line of "name value" pairs: connect_ms (until the last session was
 * established) retries; with watch also first_ms, p50_ms and last_ms, from the
 * sending of the setData to those notifications.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/io/conn.h"
#include "src/io/loop.h"
#include "src/zk/client_servers.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"
#include "t/bench/tool.h"

enum {
	COUNT_MAX = 100000,
	FRAME_SIZE_MAX = 1 << 20,
	CONNECT_TIMEOUT_MS = 30000,
	RETRY_MS = 50,
	RUN_MS_MAX = 120000,
	XID_CREATE = 1,
	XID_WATCH = 2,
	XID_SET = 3,
	XID_EVENT = -1,
};

struct many;

/* The last one is the writer. */
struct session {
	struct many *many;
	struct conn *conn; /* NULL: to be tried again */
	unsigned index;
	bool established;
	bool is_ready; /* the writer: its znode is there; another: it watches */
};

struct many {
	struct loop loop;
	struct zk_servers servers;
	bool watches;
	struct session *sessions;
	unsigned count; /* without the writer */
	unsigned established;
	unsigned ready;
	unsigned retries;
	uint64_t begin_us;
	uint64_t connected_us;
	uint64_t set_us;
	double *notified_ms;
	unsigned notified;
	char path[64];
	uv_timer_t retry;
	uv_timer_t end;
};

/* ---- requests ---- */

static void send_create(struct session *session)
{
	struct buf *output = conn_output(session->conn);
	struct zk_create_request create = {
		.path = bytes_of_text(session->many->path),
		.data = bytes_of("", 0),
		.acls = zk_acls_open(),
	};
	size_t begin = begin_frame(output, XID_CREATE, ZK_OP_CREATE);

	zk_create_request_write(output, &create);
	end_frame(output, begin);
}

static void send_watch(struct session *session)
{
	struct buf *output = conn_output(session->conn);
	struct zk_path_watch_request get = {.path = bytes_of_text(session->many->path),
					    .watch = true};
	size_t begin = begin_frame(output, XID_WATCH, ZK_OP_EXISTS);

	zk_path_watch_request_write(output, &get);
	end_frame(output, begin);
}

static void send_set(struct session *session)
{
	struct buf *output = conn_output(session->conn);
	struct zk_set_data_request set = {
		.path = bytes_of_text(session->many->path),
		.data = bytes_of("changed", 7),
		.version = -1,
	};
	size_t begin = begin_frame(output, XID_SET, ZK_OP_SET_DATA);

	zk_set_data_request_write(output, &set);
	end_frame(output, begin);
	session->many->set_us = clock_us();
}

/* ---- sessions ---- */

static void note_established(struct session *session)
{
	struct many *many = session->many;

	session->established = true;
	if (session->index == many->count) {
		send_create(session);
		return;
	}
	if (++many->established < many->count)
		return;
	many->connected_us = clock_us();
	if (!many->watches)
		loop_stop(&many->loop);
}

static void note_ready(struct session *session)
{
	struct many *many = session->many;

	session->is_ready = true;
	/* The znode is there: all may watch it. Later ones do when they are established. */
	if (session->index == many->count) {
		for (unsigned i = 0; i < many->count; i++)
			if (many->sessions[i].established)
				send_watch(&many->sessions[i]);
		return;
	}
	if (++many->ready == many->count)
		send_set(&many->sessions[many->count]);
}

static void note_event(struct many *many)
{
	many->notified_ms[many->notified++] = (double)(clock_us() - many->set_us) / 1e3;
	if (many->notified == many->count)
		loop_stop(&many->loop);
}

static void on_frame(struct conn *conn, struct bytes frame, void *data)
{
	struct session *session = data;
	struct many *many = session->many;
	struct zk_reply_header header;
	struct jute_reader reader;

	if (!session->established) {
		note_established(session);
		if (many->watches && session->index < many->count &&
		    many->sessions[many->count].is_ready)
			send_watch(session);
		return;
	}
	jute_reader_init(&reader, frame.data, (size_t)frame.size, (size_t)frame.size);
	zk_reply_header_read(&reader, &header);
	if (header.xid == XID_EVENT && many->set_us == 0) {
		/* A follower that had not heard of the znode has now: it watches anew. */
		many->ready--;
		send_watch(session);
	} else if (header.xid == XID_EVENT)
		note_event(many);
	else if (header.xid == XID_CREATE || header.xid == XID_WATCH)
		note_ready(session);
}

static void on_connected(struct conn *conn, void *data)
{
	send_connect(conn_output(conn));
}

/* A server that is overrun closes; what a client does then is to come back. */
static void on_closed(struct conn *conn, int error, void *data)
{
	struct session *session = data;

	if (session->established)
		die("an established session's connection was lost");
	session->conn = NULL;
	session->many->retries++;
}

static void begin_session(struct session *session)
{
	static const struct conn_callbacks callbacks = {
		.on_connected = on_connected,
		.on_frame = on_frame,
		.on_closed = on_closed,
	};
	const struct conn_options options = {
		.frame_size_max = FRAME_SIZE_MAX,
		.output_size_max = FRAME_SIZE_MAX,
		.callbacks = &callbacks,
	};
	struct many *many = session->many;
	const struct zk_server *server =
		&many->servers.servers[session->index % many->servers.count];

	session->conn = conn_connect(&many->loop, server->host, server->port, CONNECT_TIMEOUT_MS,
				     &options, session);
}

static void on_retry(uv_timer_t *timer)
{
	struct many *many = timer->data;

	for (unsigned i = 0; i < many->count + many->watches; i++)
		if (!many->sessions[i].conn)
			begin_session(&many->sessions[i]);
}

static void on_end(uv_timer_t *timer)
{
	die("not all sessions were established and notified in time");
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return (left > right) - (left < right);
}

static void print_result(struct many *many)
{
	printf("connect_ms %.1f retries %u", (double)(many->connected_us - many->begin_us) / 1e3,
	       many->retries);
	if (many->watches) {
		qsort(many->notified_ms, many->count, sizeof(*many->notified_ms), compare);
		printf(" first_ms %.2f p50_ms %.2f last_ms %.2f", many->notified_ms[0],
		       many->notified_ms[many->count / 2], many->notified_ms[many->count - 1]);
	}
	printf("\n");
}

static void allow_files(unsigned count)
{
	struct rlimit limit = {.rlim_cur = count + 100, .rlim_max = count + 100};
	struct rlimit present;

	if (getrlimit(RLIMIT_NOFILE, &present) == 0 && present.rlim_cur >= limit.rlim_cur)
		return;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("so many files can't be open: ulimit -n");
}

static void parse(struct many *many, char **argv)
{
	char *error;
	char *end;

	if (zk_servers_parse(argv[1], &many->servers, &error) != 0)
		die(error);
	many->watches = strcmp(argv[2], "watch") == 0;
	if (!many->watches && strcmp(argv[2], "connect") != 0)
		die("what to do is connect or watch");
	many->count = (unsigned)strtoul(argv[3], &end, 10);
	if (*end || many->count == 0 || many->count > COUNT_MAX)
		die("COUNT is a number from 1 to 100000");
}

int main(int argc, char **argv)
{
	static struct many many;

	if (argc != 4)
		die("usage: zkmany HOST:PORT[,...] connect|watch COUNT");
	parse(&many, argv);
	allow_files(many.count);
	snprintf(many.path, sizeof(many.path), "/zkmany-%d", (int)getpid());
	many.sessions = mem_zalloc((many.count + 1) * sizeof(*many.sessions));
	many.notified_ms = mem_zalloc(many.count * sizeof(*many.notified_ms));
	ASSERT(loop_init(&many.loop) == 0);
	uv_timer_init(&many.loop.uv, &many.retry);
	uv_timer_init(&many.loop.uv, &many.end);
	many.retry.data = many.end.data = &many;
	many.begin_us = clock_us();
	for (unsigned i = 0; i <= many.count; i++)
		many.sessions[i] = (struct session){.many = &many, .index = i};
	on_retry(&many.retry);
	uv_timer_start(&many.retry, on_retry, RETRY_MS, RETRY_MS);
	uv_timer_start(&many.end, on_end, RUN_MS_MAX, 0);
	loop_run(&many.loop);
	print_result(&many);
	return 0;
}
