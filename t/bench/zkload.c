/*
 * zkload: put a load of one kind on a ZooKeeper server, and say how it bore it.
 *
 *	zkload HOST:PORT[,HOST:PORT...] KIND SIZE IN_FLIGHT SECONDS|COUNTx
 *
 * KIND is set, create, get or mixed (ten gets to one set). IN_FLIGHT requests
 * are kept outstanding, spread over at most CONNECTIONS_MAX connections; each
 * reply is followed by the next request at once. The first second warms up and
 * is not counted; with COUNTx ("100000x") it ends after so many replies, warm-up
 * or not, so that two servers can be given the same work. It speaks the wire protocol itself and
 *encodes a request by copying a template, so that it costs little beside the server.
 *
 * Prints one line of "name value" pairs: ops_per_s p50_us p99_us max_us
 * longest_gap_ms (between two replies to writes) count errors.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/io/conn.h"
#include "src/io/loop.h"
#include "src/zk/client_servers.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"
#include "t/bench/tool.h"

enum {
	CONNECTIONS_MAX = 32,
	NODE_COUNT_MAX = 1024,
	WARM_UP_MS = 1000,
	SETUP_TIMEOUT_MS = 30000,
	FRAME_SIZE_MAX = 4 << 20,
	OUTPUT_SIZE_MAX = 64 << 20,
	XID_AT = 4, /* in a frame, behind its length */
};

enum kind { KIND_SET, KIND_CREATE, KIND_GET, KIND_MIXED };

/*
 * Latencies in buckets of 1/16 of a power of two, in microseconds: two
 * significant digits, whatever the range.
 */
enum { BUCKETS_PER_POWER = 16, BUCKET_COUNT = 40 * BUCKETS_PER_POWER };

struct histogram {
	uint64_t buckets[BUCKET_COUNT];
	uint64_t count;
	uint64_t max_us;
};

struct load;

/* Replies come in the order of requests: what was sent when is a ring. */
struct flight {
	uint64_t sent_us;
	bool is_write;
};

struct session {
	struct load *load;
	struct conn *conn;
	unsigned index;
	bool established;
	unsigned setup_left;
	unsigned window;
	struct flight *flights;
	unsigned first;
	unsigned count;
	int32_t xid;
	uint64_t sequence;
};

struct load {
	struct loop loop;
	struct zk_servers servers;
	enum kind kind;
	size_t size;
	unsigned in_flight;
	uint64_t seconds;
	uint64_t reply_max; /* 0: by time */
	uint64_t replies;
	struct session sessions[CONNECTIONS_MAX];
	unsigned session_count;
	unsigned ready_count;
	struct buf set_frames[NODE_COUNT_MAX];
	struct buf get_frames[NODE_COUNT_MAX];
	unsigned node_count;
	uint8_t *value;
	char run[32];
	bool running;
	bool measuring;
	uint64_t now_us;
	uint64_t begin_us;
	uint64_t last_write_us;
	uint64_t longest_gap_us;
	uint64_t errors;
	uint64_t counter;
	struct histogram histogram;
	uv_timer_t timer;
	struct loop_hook end_of_turn;
};

/* ---- histogram ---- */

static unsigned bucket_of(uint64_t us)
{
	unsigned power;

	if (us < BUCKETS_PER_POWER)
		return (unsigned)us;
	power = 63 - (unsigned)__builtin_clzll(us);
	return (power - 3) * BUCKETS_PER_POWER + (unsigned)((us >> (power - 4)) & 15);
}

static uint64_t bucket_us(unsigned bucket)
{
	unsigned power = bucket / BUCKETS_PER_POWER + 3;

	if (bucket < BUCKETS_PER_POWER)
		return bucket;
	return ((uint64_t)(BUCKETS_PER_POWER + bucket % BUCKETS_PER_POWER)) << (power - 4);
}

static void histogram_add(struct histogram *histogram, uint64_t us)
{
	histogram->buckets[bucket_of(us)]++;
	histogram->count++;
	if (us > histogram->max_us)
		histogram->max_us = us;
}

static uint64_t histogram_at(const struct histogram *histogram, double part)
{
	uint64_t rank = (uint64_t)((double)histogram->count * part);
	uint64_t seen = 0;

	for (unsigned i = 0; i < BUCKET_COUNT; i++) {
		seen += histogram->buckets[i];
		if (seen > rank)
			return bucket_us(i);
	}
	return histogram->max_us;
}

/* ---- requests ---- */

static void append_create(struct buf *buf, int32_t xid, const char *path, struct bytes data)
{
	struct zk_create_request create = {
		.path = bytes_of_text(path),
		.data = data,
		.acls = zk_acls_open(),
	};
	size_t begin = begin_frame(buf, xid, ZK_OP_CREATE);

	zk_create_request_write(buf, &create);
	end_frame(buf, begin);
}

static void make_templates(struct load *load)
{
	for (unsigned i = 0; i < load->node_count; i++) {
		char *path = mem_printf("/zkload/%s/n%u", load->run, i);
		struct zk_set_data_request set = {
			.path = bytes_of_text(path),
			.data = bytes_of(load->value, load->size),
			.version = -1,
		};
		struct zk_path_watch_request get = {.path = bytes_of_text(path)};
		size_t begin;

		buf_init(&load->set_frames[i], FRAME_SIZE_MAX);
		begin = begin_frame(&load->set_frames[i], 0, ZK_OP_SET_DATA);
		zk_set_data_request_write(&load->set_frames[i], &set);
		end_frame(&load->set_frames[i], begin);
		buf_init(&load->get_frames[i], FRAME_SIZE_MAX);
		begin = begin_frame(&load->get_frames[i], 0, ZK_OP_GET_DATA);
		zk_path_watch_request_write(&load->get_frames[i], &get);
		end_frame(&load->get_frames[i], begin);
		free(path);
	}
}

static void send_template(struct session *session, const struct buf *frame)
{
	struct buf *output = conn_output(session->conn);
	uint8_t *at = buf_extend(output, frame->size);

	ASSERT(at);
	memcpy(at, frame->data, frame->size);
	endian_put_u32(at + XID_AT, (uint32_t)++session->xid);
}

static void send_create(struct session *session)
{
	struct load *load = session->load;
	char path[128];

	snprintf(path, sizeof(path), "/zkload/%s/s%u/%" PRIu64, load->run, session->index,
		 session->sequence++);
	append_create(conn_output(session->conn), ++session->xid, path,
		      bytes_of(load->value, load->size));
}

static void send_next(struct session *session)
{
	struct load *load = session->load;
	unsigned node = (unsigned)(load->counter++ % load->node_count);
	bool is_write = load->kind != KIND_GET;
	struct flight *flight =
		&session->flights[(session->first + session->count++) % session->window];

	if (load->kind == KIND_MIXED)
		is_write = load->counter % 11 == 0;
	*flight = (struct flight){.sent_us = load->now_us, .is_write = is_write};
	if (load->kind == KIND_CREATE)
		send_create(session);
	else
		send_template(session,
			      is_write ? &load->set_frames[node] : &load->get_frames[node]);
}

/* ---- replies ---- */

static void count_reply(struct load *load, const struct flight *flight, int32_t err)
{
	if (!load->measuring)
		return;
	if (err != ZK_OK)
		load->errors++;
	histogram_add(&load->histogram, load->now_us - flight->sent_us);
	if (!flight->is_write)
		return;
	if (load->last_write_us && load->now_us - load->last_write_us > load->longest_gap_us)
		load->longest_gap_us = load->now_us - load->last_write_us;
	load->last_write_us = load->now_us;
}

static void start_all(struct load *load)
{
	load->running = true;
	load->now_us = clock_us();
	if (load->reply_max) {
		load->measuring = true;
		load->begin_us = load->now_us;
	}
	for (unsigned i = 0; i < load->session_count; i++)
		while (load->sessions[i].count < load->sessions[i].window)
			send_next(&load->sessions[i]);
}

/*
 * The first session makes the znodes that all use; each its own directory for
 * creates. What exists already is fine.
 */
static void send_setup(struct session *session)
{
	struct load *load = session->load;
	struct buf *output = conn_output(session->conn);
	char path[128];

	append_create(output, ++session->xid, "/zkload", bytes_of("", 0));
	snprintf(path, sizeof(path), "/zkload/%s", load->run);
	append_create(output, ++session->xid, path, bytes_of("", 0));
	snprintf(path, sizeof(path), "/zkload/%s/s%u", load->run, session->index);
	append_create(output, ++session->xid, path, bytes_of("", 0));
	session->setup_left = 3;
	if (session->index > 0 || load->kind == KIND_CREATE)
		return;
	for (unsigned i = 0; i < load->node_count; i++) {
		snprintf(path, sizeof(path), "/zkload/%s/n%u", load->run, i);
		append_create(output, ++session->xid, path, bytes_of(load->value, load->size));
		session->setup_left++;
	}
}

static void on_frame(struct conn *conn, struct bytes frame, void *data)
{
	struct session *session = data;
	struct load *load = session->load;
	struct jute_reader reader;
	struct zk_reply_header header;

	if (!session->established) {
		session->established = true;
		send_setup(session);
		return;
	}
	jute_reader_init(&reader, frame.data, (size_t)frame.size, (size_t)frame.size);
	zk_reply_header_read(&reader, &header);
	if (reader.error)
		die("the server sent a reply that does not decode");
	if (session->setup_left > 0) {
		if (--session->setup_left == 0 && ++load->ready_count == load->session_count)
			start_all(load);
		return;
	}
	if (load->now_us == 0)
		load->now_us = clock_us();
	if (++load->replies == load->reply_max)
		loop_stop(&load->loop);
	count_reply(load, &session->flights[session->first], header.err);
	session->first = (session->first + 1) % session->window;
	session->count--;
	send_next(session);
}

static void on_connected(struct conn *conn, void *data)
{
	send_connect(conn_output(conn));
}

static void on_closed(struct conn *conn, int error, void *data)
{
	fprintf(stderr, "zkload: the connection was lost: %s\n", strerror(-error));
	exit(1);
}

/* One look at the clock a turn is enough, and cheap. */
static void forget_time(struct loop_hook *hook)
{
	list_item(hook, struct load, end_of_turn)->now_us = 0;
}

/* ---- the run ---- */

static void on_end(uv_timer_t *timer)
{
	struct load *load = timer->data;

	loop_stop(&load->loop);
}

static void on_measure(uv_timer_t *timer)
{
	struct load *load = timer->data;

	if (!load->running)
		die("the server did not let all sessions begin in time");
	load->measuring = true;
	load->begin_us = clock_us();
	uv_timer_start(timer, on_end, load->seconds * 1000, 0);
}

static void on_wait_for_start(uv_timer_t *timer)
{
	struct load *load = timer->data;
	static unsigned waited_ms;

	if (load->running && load->reply_max)
		uv_timer_stop(timer);
	else if (load->running)
		uv_timer_start(timer, on_measure, WARM_UP_MS, 0);
	else if ((waited_ms += 10) > SETUP_TIMEOUT_MS)
		die("the server did not let all sessions begin in time");
	else
		uv_timer_start(timer, on_wait_for_start, 10, 0);
}

static void connect_all(struct load *load)
{
	static const struct conn_callbacks callbacks = {
		.on_connected = on_connected,
		.on_frame = on_frame,
		.on_closed = on_closed,
	};
	struct conn_options options = {
		.frame_size_max = FRAME_SIZE_MAX,
		.output_size_max = OUTPUT_SIZE_MAX,
		.callbacks = &callbacks,
	};

	load->session_count = load->in_flight < CONNECTIONS_MAX ? load->in_flight : CONNECTIONS_MAX;
	for (unsigned i = 0; i < load->session_count; i++) {
		const struct zk_server *server = &load->servers.servers[i % load->servers.count];
		struct session *session = &load->sessions[i];

		session->load = load;
		session->index = i;
		session->window = load->in_flight / load->session_count +
				  (i < load->in_flight % load->session_count);
		session->flights = mem_zalloc(session->window * sizeof(*session->flights));
		session->conn = conn_connect(&load->loop, server->host, server->port, 10000,
					     &options, session);
	}
}

static void print_result(const struct load *load)
{
	double seconds = (double)(clock_us() - load->begin_us) / 1e6;

	printf("ops_per_s %.0f p50_us %" PRIu64 " p99_us %" PRIu64 " max_us %" PRIu64
	       " longest_gap_ms %" PRIu64 " count %" PRIu64 " errors %" PRIu64 "\n",
	       (double)load->histogram.count / seconds, histogram_at(&load->histogram, 0.5),
	       histogram_at(&load->histogram, 0.99), load->histogram.max_us,
	       load->longest_gap_us / 1000, load->histogram.count, load->errors);
}

static enum kind parse_kind(const char *text)
{
	static const char *const names[] = {"set", "create", "get", "mixed"};

	for (int i = 0; i < 4; i++)
		if (strcmp(text, names[i]) == 0)
			return (enum kind)i;
	die("KIND is set, create, get or mixed");
}

static unsigned long parse_number(const char *text, unsigned long max)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*end || number == 0 || number > max)
		die("SIZE, IN_FLIGHT and SECONDS are positive numbers");
	return number;
}

static void parse_end(struct load *load, char *text)
{
	char *count = strchr(text, 'x');

	if (count)
		*count = '\0';
	if (count)
		load->reply_max = parse_number(text, 1000000000);
	else
		load->seconds = parse_number(text, 3600);
}

int main(int argc, char **argv)
{
	static struct load load;
	char *error;

	if (argc != 6)
		die("usage: zkload HOST:PORT[,...] set|create|get|mixed SIZE IN_FLIGHT "
		    "SECONDS|COUNTx");
	if (zk_servers_parse(argv[1], &load.servers, &error) != 0)
		die(error);
	load.kind = parse_kind(argv[2]);
	load.size = parse_number(argv[3], 1 << 20);
	load.in_flight = (unsigned)parse_number(argv[4], 65536);
	parse_end(&load, argv[5]);
	load.node_count = load.in_flight < NODE_COUNT_MAX ? load.in_flight : NODE_COUNT_MAX;
	load.value = mem_alloc(load.size);
	memset(load.value, 'z', load.size);
	snprintf(load.run, sizeof(load.run), "%d", (int)getpid());
	make_templates(&load);
	ASSERT(loop_init(&load.loop) == 0);
	loop_hook_add(&load.loop, &load.end_of_turn, forget_time);
	connect_all(&load);
	uv_timer_init(&load.loop.uv, &load.timer);
	load.timer.data = &load;
	uv_timer_start(&load.timer, on_wait_for_start, 10, 0);
	loop_run(&load.loop);
	print_result(&load);
	return load.errors > 0;
}
