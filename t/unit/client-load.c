/*
 * client-load SERVERS ROOT: works below ROOT, which it creates, until SIGTERM, and
 * knows at every moment what each of its requests must have done: no write is
 * lost, none is done twice, whatever happens to the connection. Run by
 * t/t2100-client-session.sh, which sees to it that enough happens.
 *
 *	the appender	ROOT/log gets a line "1", "2", ... by versioned sets
 *	LANES lanes	create ROOT/N, set it, delete it, again and again
 *
 * Prints "ready", a line "done COUNT RESOLVED" now and then (writes answered, and those of them
 * that were resolved after a loss), and at the end "exact" or what is wrong. Exits 0 only if exact.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/client/client.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

enum { LANES = 16, TELL_EVERY = 50 };

enum step { STEP_CREATE, STEP_SET, STEP_DELETE, STEP_IDLE };

struct lane {
	struct load *load;
	char *path;
	enum step step;
};

struct load {
	struct loop loop;
	struct client *client;
	uv_signal_t signal;
	bool stopping;
	const char *wrong; /* NULL: nothing yet */

	struct lane lanes[LANES];
	size_t busy; /* lanes and the appender */

	const char *root;
	char *log_path;
	struct buf log;
	unsigned lines;
	int32_t version;

	unsigned answered;
	unsigned resolved;
	unsigned last_told;
};

static void go_wrong(struct load *load, const char *what, const struct zk_reply *reply)
{
	if (load->wrong)
		return;
	load->wrong = what;
	printf("wrong: %s: outcome %d, %s\n", what, (int)reply->outcome, zk_code_name(reply->code));
	loop_stop(&load->loop);
}

/* Every write here can only have been done, exactly once. */
static bool is_done(struct load *load, const char *what, const struct zk_reply *reply)
{
	if (reply->code != ZK_OK ||
	    (reply->outcome != ZK_OUTCOME_REPLIED && reply->outcome != ZK_OUTCOME_RESOLVED)) {
		go_wrong(load, what, reply);
		return false;
	}
	load->answered++;
	if (reply->outcome == ZK_OUTCOME_RESOLVED)
		load->resolved++;
	if (load->answered - load->last_told >= TELL_EVERY) {
		load->last_told = load->answered;
		printf("done %u %u\n", load->answered, load->resolved);
		(void)fflush(stdout); /* who reads it waits for the line */
	}
	return true;
}

static void submit(struct load *load, struct zk_request *request, zk_client_on_reply *on_reply,
		   void *data)
{
	int err = client_submit(load->client, request, on_reply, data, NULL);

	ASSERT(!err);
}

/* ---- at the end ---- */

static void on_log_read(const struct zk_reply *reply, void *data)
{
	struct load *load = data;
	struct jute_reader body = reply->body;
	struct zk_get_data_response response;

	if (reply->code != ZK_OK) {
		go_wrong(load, "reading the log", reply);
		return;
	}
	zk_get_data_response_read(&body, &response);
	if (!bytes_equal(response.data, buf_bytes(&load->log)))
		go_wrong(load, "the log is not what was appended", reply);
}

static void on_children_read(const struct zk_reply *reply, void *data)
{
	struct load *load = data;
	struct jute_reader body = reply->body;
	struct zk_get_children2_response response;

	zk_get_children2_response_read(&body, &response);
	if (body.error || response.children.count != 1)
		go_wrong(load, "not all lanes are clean", reply);
	client_close(load->client);
}

static void verify(struct load *load)
{
	struct zk_request request;

	zk_request_get_data(&request, bytes_of_text(load->log_path), false);
	submit(load, &request, on_log_read, load);
	zk_request_get_children2(&request, bytes_of_text(load->root), false);
	submit(load, &request, on_children_read, load);
}

static void go_idle(struct load *load)
{
	if (--load->busy == 0 && !load->wrong)
		verify(load);
}

/* ---- work ---- */

static void on_lane_reply(const struct zk_reply *reply, void *data);

static void send_step(struct lane *lane)
{
	struct bytes path = bytes_of_text(lane->path);
	struct zk_acls acls = zk_acls_open();
	struct zk_request request;

	switch (lane->step) {
	case STEP_CREATE:
		zk_request_create(&request, path, bytes_of_text("made"), &acls, ZK_PERSISTENT, 0);
		request.intent = ZK_INTENT_CREATE;
		break;
	case STEP_SET:
		zk_request_set_data(&request, path, bytes_of_text("set"), 0);
		break;
	default:
		zk_request_delete(&request, path, 1);
		break;
	}
	submit(lane->load, &request, on_lane_reply, lane);
}

static void on_lane_reply(const struct zk_reply *reply, void *data)
{
	struct lane *lane = data;

	if (!is_done(lane->load, lane->path, reply))
		return;
	lane->step++;
	if (lane->step == STEP_IDLE && lane->load->stopping) {
		go_idle(lane->load);
		return;
	}
	if (lane->step == STEP_IDLE)
		lane->step = STEP_CREATE;
	send_step(lane);
}

static void on_appended(const struct zk_reply *reply, void *data);

static void append_line(struct load *load)
{
	struct zk_request request;

	/* It is sent whole each time; kept short, so that speed is not what is tested. */
	if (load->log.size > 4096)
		buf_reset(&load->log);
	buf_printf(&load->log, "%u\n", ++load->lines);
	zk_request_set_data(&request, bytes_of_text(load->log_path), buf_bytes(&load->log),
			    load->version);
	request.intent = ZK_INTENT_APPEND;
	submit(load, &request, on_appended, load);
}

static void on_appended(const struct zk_reply *reply, void *data)
{
	struct load *load = data;

	if (!is_done(load, "append", reply))
		return;
	load->version++;
	if (load->stopping)
		go_idle(load);
	else
		append_line(load);
}

static void on_log_made(const struct zk_reply *reply, void *data)
{
	struct load *load = data;

	if (!is_done(load, load->log_path, reply))
		return;
	printf("ready\n");
	(void)fflush(stdout);
	load->busy = LANES + 1;
	append_line(load);
	for (size_t i = 0; i < LANES; i++)
		send_step(&load->lanes[i]);
}

static void on_directory_made(const struct zk_reply *reply, void *data)
{
	struct load *load = data;
	struct zk_acls acls = zk_acls_open();
	struct zk_request request;

	if (!is_done(load, load->root, reply))
		return;
	zk_request_create(&request, bytes_of_text(load->log_path), bytes_of_text(""), &acls,
			  ZK_PERSISTENT, 0);
	submit(load, &request, on_log_made, load);
}

static void begin(struct load *load)
{
	struct zk_acls acls = zk_acls_open();
	struct zk_request request;

	load->log_path = mem_printf("%s/log", load->root);
	for (size_t i = 0; i < LANES; i++) {
		load->lanes[i].load = load;
		load->lanes[i].path = mem_printf("%s/%zu", load->root, i);
	}
	zk_request_create(&request, bytes_of_text(load->root), BYTES_NULL, &acls, ZK_PERSISTENT, 0);
	submit(load, &request, on_directory_made, load);
}

/* ---- the session ---- */

static void on_state(enum zk_client_state state, bool new_session, void *data)
{
	struct load *load = data;

	fprintf(stderr, "%s%s: %s\n", zk_client_state_name(state), new_session ? " anew" : "",
		load->client ? client_last_error(load->client) : "");
	if (state == ZK_CLIENT_CLOSED)
		loop_stop(&load->loop);
}

static void on_event(const struct zk_client_event *event, void *data)
{
}

static void on_signal(uv_signal_t *handle, int number)
{
	((struct load *)handle->data)->stopping = true;
}

static int run(struct load *load, const struct zk_servers *servers)
{
	const struct client_options options = {.hard = true};
	const struct zk_client_callbacks callbacks = {
		.on_state = on_state, .on_event = on_event, .data = load};
	int err = loop_init(&load->loop);

	ASSERT(!err);
	err = uv_signal_init(&load->loop.uv, &load->signal);
	ASSERT(!err);
	load->signal.data = load;
	err = uv_signal_start(&load->signal, on_signal, SIGTERM);
	ASSERT(!err);
	buf_init(&load->log, 1 << 20);
	load->client = client_new(&load->loop, servers, &options, &callbacks);
	begin(load);
	loop_run(&load->loop);
	client_free(load->client);
	uv_close((uv_handle_t *)&load->signal, NULL);
	err = loop_release(&load->loop);
	ASSERT(!err);
	buf_release(&load->log);
	free(load->log_path);
	for (size_t i = 0; i < LANES; i++)
		free(load->lanes[i].path);
	if (load->wrong)
		return 1;
	printf("done %u %u\nexact\n", load->answered, load->resolved);
	return 0;
}

int main(int argc, char **argv)
{
	struct load load = {.root = NULL};
	struct zk_servers servers;
	char *error;
	int status;

	if (argc != 3) {
		fprintf(stderr, "usage: client-load SERVERS ROOT\n");
		return 2;
	}
	if (zk_servers_parse(argv[1], &servers, &error)) {
		fprintf(stderr, "%s\n", error);
		free(error);
		return 2;
	}
	load.root = argv[2];
	status = run(&load, &servers);
	zk_servers_release(&servers);
	return status;
}
