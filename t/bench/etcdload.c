/*
 * etcdload: put a load of one kind on an etcd cluster, as zkload does on
 * ZooKeeper servers, through etcd's JSON gateway (/v3/kv/put, /v3/kv/range).
 *
 *	etcdload HOST:PORT[,HOST:PORT...] KIND SIZE IN_FLIGHT SECONDS
 *
 * KIND is set (of IN_FLIGHT keys, at most 1,024), create (a new key each), get
 * or mixed (ten gets to one set). IN_FLIGHT connections each have one request
 * outstanding, because HTTP/1.1 answers one after the other. The gateway costs
 * etcd something that gRPC would not: the figures are for orientation.
 *
 * Prints zkload's line: ops_per_s p50_us p99_us max_us longest_gap_ms count
 * errors.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/io/conn.h"
#include "src/io/loop.h"
#include "src/zk/client_servers.h"
#include "t/bench/tool.h"

enum {
	KEYS_MAX = 1024,
	CONNECT_TIMEOUT_MS = 10000,
	WARM_UP_MS = 1000,
	OUTPUT_SIZE_MAX = 4 << 20,
	LATENCIES_MAX = 50 << 20,
};

enum kind { KIND_SET, KIND_CREATE, KIND_GET, KIND_MIXED };

struct load;

struct session {
	struct load *load;
	struct conn *conn;
	uint64_t sent_us;
	bool is_write;
};

struct load {
	struct loop loop;
	struct zk_servers servers;
	enum kind kind;
	unsigned in_flight;
	unsigned keys;
	uint64_t seconds;
	char *value; /* in base64 */
	struct session *sessions;
	uint64_t counter;
	bool measuring;
	bool is_filling; /* the keys are made first */
	uint64_t begin_us;
	uint64_t last_write_us;
	uint64_t longest_gap_us;
	uint32_t *latencies_us;
	size_t count;
	uint64_t errors;
	uv_timer_t timer;
};

static char *base64(const void *data, size_t size)
{
	char *text = mem_alloc(size * 4 / 3 + 5);

	(void)EVP_EncodeBlock((unsigned char *)text, data, (int)size);
	return text;
}

static void send_next(struct session *session)
{
	struct load *load = session->load;
	uint64_t number = load->counter++;
	bool is_new = load->kind == KIND_CREATE && !load->is_filling;
	char key[64];
	char *encoded;
	char *body;

	session->is_write = load->is_filling || load->kind == KIND_SET || is_new ||
			    (load->kind == KIND_MIXED && number % 11 == 0);
	snprintf(key, sizeof(key), "%s%" PRIu64, is_new ? "new/" : "k/",
		 is_new ? number : number % load->keys);
	encoded = base64(key, strlen(key));
	body = session->is_write
		       ? mem_printf("{\"key\":\"%s\",\"value\":\"%s\"}", encoded, load->value)
		       : mem_printf("{\"key\":\"%s\"}", encoded);
	buf_printf(conn_output(session->conn),
		   "POST /v3/kv/%s HTTP/1.1\r\nHost: etcd\r\nContent-Length: %zu\r\n\r\n%s",
		   session->is_write ? "put" : "range", strlen(body), body);
	session->sent_us = clock_us();
	free(encoded);
	free(body);
}

static void count_reply(struct session *session, bool is_good)
{
	struct load *load = session->load;
	uint64_t now_us = clock_us();

	if (load->is_filling && load->counter >= load->keys) {
		load->is_filling = false;
		load->counter = 0;
	}
	if (!load->measuring || load->count == LATENCIES_MAX)
		return;
	load->errors += !is_good;
	load->latencies_us[load->count++] = (uint32_t)(now_us - session->sent_us);
	if (!session->is_write)
		return;
	if (load->last_write_us && now_us - load->last_write_us > load->longest_gap_us)
		load->longest_gap_us = now_us - load->last_write_us;
	load->last_write_us = now_us;
}

/* One reply: its headers, and as many bytes as Content-Length says. */
static size_t on_bytes(struct conn *conn, struct bytes bytes, void *data)
{
	struct session *session = data;
	char *text = bytes_dup(bytes);
	char *end = strstr(text, "\r\n\r\n");
	char *length = strstr(text, "Content-Length: ");
	size_t size;
	bool is_good = strncmp(text, "HTTP/1.1 200", 12) == 0;

	if (end && (!length || length > end))
		die("etcd sent a reply without a Content-Length");
	size = end ? (size_t)(end - text) + 4 + strtoul(length + 16, NULL, 10) : 0;
	free(text);
	if (!end || size > bytes_size(bytes))
		return 0;
	count_reply(session, is_good);
	send_next(session);
	return size;
}

static void on_connected(struct conn *conn, void *data)
{
	send_next(data);
}

static void on_closed(struct conn *conn, int error, void *data)
{
	fprintf(stderr, "etcdload: the connection was lost: %s\n", strerror(-error));
	exit(1);
}

static void on_end(uv_timer_t *timer)
{
	struct load *load = timer->data;

	loop_stop(&load->loop);
}

static void on_measure(uv_timer_t *timer)
{
	struct load *load = timer->data;

	load->measuring = true;
	load->begin_us = clock_us();
	uv_timer_start(timer, on_end, load->seconds * 1000, 0);
}

static void connect_all(struct load *load)
{
	static const struct conn_callbacks callbacks = {
		.on_connected = on_connected,
		.on_bytes = on_bytes,
		.on_closed = on_closed,
	};
	const struct conn_options options = {
		.frame_size_max = OUTPUT_SIZE_MAX,
		.output_size_max = OUTPUT_SIZE_MAX,
		.callbacks = &callbacks,
	};

	load->sessions = mem_zalloc(load->in_flight * sizeof(*load->sessions));
	for (unsigned i = 0; i < load->in_flight; i++) {
		const struct zk_server *server = &load->servers.servers[i % load->servers.count];

		load->sessions[i].load = load;
		load->sessions[i].conn =
			conn_connect(&load->loop, server->host, server->port, CONNECT_TIMEOUT_MS,
				     &options, &load->sessions[i]);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a;
	uint32_t right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static void print_result(struct load *load)
{
	double seconds = (double)(clock_us() - load->begin_us) / 1e6;

	if (load->count == 0)
		die("no request was answered");
	qsort(load->latencies_us, load->count, sizeof(*load->latencies_us), compare);
	printf("ops_per_s %.0f p50_us %u p99_us %u max_us %u longest_gap_ms %" PRIu64
	       " count %zu errors %" PRIu64 "\n",
	       (double)load->count / seconds, load->latencies_us[load->count / 2],
	       load->latencies_us[load->count * 99 / 100], load->latencies_us[load->count - 1],
	       load->longest_gap_us / 1000, load->count, load->errors);
}

static unsigned long parse_number(const char *text, unsigned long max)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*end || number == 0 || number > max)
		die("SIZE, IN_FLIGHT and SECONDS are positive numbers");
	return number;
}

static enum kind parse_kind(const char *text)
{
	static const char *const names[] = {"set", "create", "get", "mixed"};

	for (int i = 0; i < 4; i++)
		if (strcmp(text, names[i]) == 0)
			return (enum kind)i;
	die("KIND is set, create, get or mixed");
}

int main(int argc, char **argv)
{
	static struct load load;
	unsigned long size;
	char *error;
	char *value;

	if (argc != 6)
		die("usage: etcdload HOST:PORT[,...] set|create|get|mixed SIZE IN_FLIGHT SECONDS");
	if (zk_servers_parse(argv[1], &load.servers, &error) != 0)
		die(error);
	load.kind = parse_kind(argv[2]);
	size = parse_number(argv[3], 1 << 20);
	load.in_flight = (unsigned)parse_number(argv[4], 65536);
	load.seconds = parse_number(argv[5], 3600);
	load.keys = load.in_flight < KEYS_MAX ? load.in_flight : KEYS_MAX;
	load.is_filling = true;
	load.latencies_us = mem_alloc(LATENCIES_MAX * sizeof(*load.latencies_us));
	value = mem_alloc(size);
	memset(value, 'z', size);
	load.value = base64(value, size);
	free(value);
	ASSERT(loop_init(&load.loop) == 0);
	connect_all(&load);
	uv_timer_init(&load.loop.uv, &load.timer);
	load.timer.data = &load;
	uv_timer_start(&load.timer, on_measure, WARM_UP_MS, 0);
	loop_run(&load.loop);
	print_result(&load);
	return load.errors > 0;
}
