#include "fs/srvr.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/io/conn.h"

static const char unknown[] = "unknown";

struct srvr {
	struct loop *loop;
	srvr_on_answer *on_answer;
	void *data;
	struct conn *conn; /* NULL: nothing is being asked */
	uv_timer_t deadline;
	const char *heard; /* on conn; NULL: nothing yet */
	const char *mode;
	bool has_answer;
	msec_t answered_ms;
};

/* ---- the answer ---- */

static void stop_asking(struct srvr *srvr)
{
	conn_close(srvr->conn);
	srvr->conn = NULL;
	(void)uv_timer_stop(&srvr->deadline); /* always 0 */
}

static void end_asking(struct srvr *srvr)
{
	stop_asking(srvr);
	srvr->mode = srvr->heard ? srvr->heard : unknown;
	srvr->has_answer = true;
	srvr->answered_ms = loop_now_ms(srvr->loop);
	srvr->on_answer(srvr->data);
}

/* What getState of ZooKeeperServer and its subclasses says. */
static const char *known_mode(struct bytes text)
{
	static const char *const modes[] = {"leader", "follower", "observer", "standalone",
					    "read-only"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (bytes_equal_text(text, modes[i]))
			return modes[i];
	return unknown;
}

/* What stands between "\nMode: " and the end of that line; false if that isn't all there. */
static bool find_mode(struct bytes answer, struct bytes *ret_text)
{
	static const char key[] = "\nMode: ";
	const char *end = (const char *)answer.data + answer.size;
	const char *begin = memmem(answer.data, (size_t)answer.size, key, sizeof(key) - 1);
	const char *line_end;

	if (!begin)
		return false;
	begin += sizeof(key) - 1;
	line_end = memchr(begin, '\n', (size_t)(end - begin));
	if (!line_end)
		return false;
	*ret_text = bytes_of(begin, (size_t)(line_end - begin));
	return true;
}

/* ---- the connection ---- */

static void on_connected(struct conn *conn, void *data)
{
	conn_write(conn, bytes_of_text("srvr"));
}

/* All is held back until the line is there, and dropped from then on. */
static size_t on_bytes(struct conn *conn, struct bytes bytes, void *data)
{
	struct srvr *srvr = data;
	struct bytes text;

	if (!srvr->heard) {
		if (!find_mode(bytes, &text))
			return 0;
		srvr->heard = known_mode(text);
	}
	return (size_t)bytes.size;
}

/* The server closes it behind its answer. */
static void on_closed(struct conn *conn, int error, void *data)
{
	struct srvr *srvr = data;

	srvr->conn = NULL;
	end_asking(srvr);
}

static void on_deadline(uv_timer_t *timer)
{
	end_asking(timer->data);
}

void srvr_ask(struct srvr *srvr, const char *host, uint16_t port)
{
	static const struct conn_callbacks callbacks = {
		.on_connected = on_connected,
		.on_bytes = on_bytes,
		.on_closed = on_closed,
	};
	static const struct conn_options options = {
		.frame_size_max = SRVR_ANSWER_SIZE_MAX,
		.output_size_max = SRVR_ANSWER_SIZE_MAX,
		.callbacks = &callbacks,
	};
	int err;

	stop_asking(srvr);
	srvr->heard = NULL;
	srvr->conn = conn_connect(srvr->loop, host, port, SRVR_DEADLINE_MS, &options, srvr);
	err = uv_timer_start(&srvr->deadline, on_deadline, SRVR_DEADLINE_MS, 0);
	ASSERT(!err);
}

bool srvr_is_asking(const struct srvr *srvr)
{
	return srvr->conn;
}

void srvr_forget(struct srvr *srvr)
{
	stop_asking(srvr);
	srvr->mode = unknown;
	srvr->has_answer = false;
}

const char *srvr_mode(const struct srvr *srvr)
{
	return srvr->mode;
}

msec_t srvr_age_ms(const struct srvr *srvr)
{
	return srvr->has_answer ? loop_now_ms(srvr->loop) - srvr->answered_ms : INT64_MAX;
}

/* ---- life ---- */

struct srvr *srvr_new(struct loop *loop, srvr_on_answer *on_answer, void *data)
{
	struct srvr *srvr = mem_zalloc(sizeof(*srvr));
	int err = uv_timer_init(&loop->uv, &srvr->deadline);

	ASSERT(!err);
	srvr->loop = loop;
	srvr->on_answer = on_answer;
	srvr->data = data;
	srvr->mode = unknown;
	srvr->deadline.data = srvr;
	return srvr;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void srvr_free(struct srvr *srvr)
{
	if (!srvr)
		return;
	stop_asking(srvr);
	uv_close((uv_handle_t *)&srvr->deadline, on_timer_closed);
}
