/*
 * A connection's life: from its first handle to the last one that is closed.
 * conn_read.c is what comes in, conn_write.c what goes out; connect.c and
 * listener.c are the two ways to get one.
 */
#include "src/io/conn_private.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

/* ---- life ---- */

/* Everything that a turn has left to do for it. */
static void flush_at_end_of_turn(struct loop_flush *flush)
{
	struct conn *conn = list_item(flush, struct conn, flush);

	if (conn->error) {
		loop_again(conn->loop);
		conn_fail(conn, conn->error);
		return;
	}
	if (conn->state == CONN_OPEN)
		conn_go_on_reading(conn);
	if (conn->state == CONN_OPEN || conn->state == CONN_LINGERING)
		conn_settle(conn);
}

/* The loop ends while it lingers: the kernel is offered the output once more. */
static void end_lingering(struct loop_orphan *orphan)
{
	struct conn *conn = list_item(orphan, struct conn, orphan);

	conn_settle(conn);
	conn_close(conn);
}

/* A read adds at most one read buffer to a frame that is not whole yet. */
static size_t input_size_max(const struct conn_options *options)
{
	return options->frame_size_max + CONN_LENGTH_SIZE + LOOP_READ_BUFFER_SIZE;
}

struct conn *conn_new(struct loop *loop, enum conn_state state, const struct conn_options *options,
		      void *data)
{
	struct conn *conn = mem_zalloc(sizeof(*conn));

	ASSERT(!options->callbacks->on_frame != !options->callbacks->on_bytes);
	ASSERT(options->callbacks->on_closed);
	ASSERT(options->frame_size_max <= INT32_MAX);
	conn->loop = loop;
	conn->state = state;
	conn->options = *options;
	conn->data = data;
	loop_flush_init(&conn->flush, flush_at_end_of_turn);
	loop_orphan_init(&conn->orphan, end_lingering);
	buf_init(&conn->input, input_size_max(options));
	buf_init(&conn->output, options->output_size_max);
	buf_init(&conn->writing, options->output_size_max);
	return conn;
}

void conn_drop_use(struct conn *conn)
{
	ASSERT(conn->uses > 0);
	if (--conn->uses > 0)
		return;
	ASSERT(conn->state == CONN_CLOSED);
	buf_release(&conn->input);
	buf_release(&conn->output);
	buf_release(&conn->writing);
	free(conn);
}

void conn_closed_handle(uv_handle_t *handle)
{
	conn_drop_use(handle->data);
}

void conn_init_tcp(struct conn *conn)
{
	int err = uv_tcp_init(&conn->loop->uv, &conn->tcp);

	ASSERT(!err); /* opens no socket yet */
	conn->tcp.data = conn;
	conn->uses++;
}

void conn_start_timer(struct conn *conn, uint64_t after_ms, uv_timer_cb on_timer)
{
	int err;

	if (!conn->has_timer) {
		err = uv_timer_init(&conn->loop->uv, &conn->timer);
		ASSERT(!err);
		conn->timer.data = conn;
		conn->has_timer = true;
		conn->uses++;
	}
	err = uv_timer_start(&conn->timer, on_timer, after_ms, 0);
	ASSERT(!err);
}

/* The last step of every life. */
void conn_destroy(struct conn *conn)
{
	ASSERT(conn->state != CONN_CLOSED);
	conn_cancel_connecting(conn);
	conn->state = CONN_CLOSED;
	loop_flush_remove(&conn->flush);
	loop_orphan_remove(&conn->orphan);
	if (conn->has_timer)
		uv_close((uv_handle_t *)&conn->timer, conn_closed_handle);
	/* One that connect.c is closing, to try the next address, is on its way already. */
	if (!uv_is_closing((uv_handle_t *)&conn->tcp))
		uv_close((uv_handle_t *)&conn->tcp, conn_closed_handle);
}

void conn_fail(struct conn *conn, int error)
{
	bool told = conn->state == CONN_LINGERING;

	if (conn->state == CONN_CLOSED)
		return;
	ASSERT(error < 0);
	conn_destroy(conn);
	if (!told)
		conn->options.callbacks->on_closed(conn, error, conn->data);
}

void conn_fail_later(struct conn *conn, int error)
{
	if (!conn->error)
		conn->error = error;
	conn_stop_reading(conn);
	loop_flush_add(conn->loop, &conn->flush);
}

void conn_close(struct conn *conn)
{
	if (conn && conn->state != CONN_CLOSED)
		conn_destroy(conn);
}

static void on_linger_timer(uv_timer_t *timer)
{
	conn_destroy(timer->data);
}

void conn_close_after_flush(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	if (conn->state != CONN_OPEN || conn->error) {
		conn_destroy(conn);
		return;
	}
	conn->state = CONN_LINGERING;
	loop_orphan_add(conn->loop, &conn->orphan);
	conn_start_reading(conn);
	conn_start_timer(conn, CONN_LINGER_MS, on_linger_timer);
	loop_flush_add(conn->loop, &conn->flush);
}

void conn_set_data(struct conn *conn, void *data)
{
	conn->data = data;
}

void *conn_data(const struct conn *conn)
{
	return conn->data;
}

/* ---- an open connection, and its ends ---- */

static void read_addresses(struct conn *conn)
{
	struct sockaddr_storage address;
	int size = sizeof(address);

	memset(&address, 0, sizeof(address));
	/* A peer that is gone again has no address: the texts stay empty. */
	if (!uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &size)) {
		address_text((struct sockaddr *)&address, conn->peer);
		address_host((struct sockaddr *)&address, conn->peer_host);
		conn->peer_port = address_port((struct sockaddr *)&address);
	}
	size = sizeof(address);
	if (!uv_tcp_getsockname(&conn->tcp, (struct sockaddr *)&address, &size)) {
		address_host((struct sockaddr *)&address, conn->local_host);
		conn->local_port = address_port((struct sockaddr *)&address);
	}
}

void conn_open(struct conn *conn)
{
	conn->state = CONN_OPEN;
	read_addresses(conn);
	(void)uv_tcp_nodelay(&conn->tcp, 1); /* fails only where the next read fails too */
	if (!conn->paused)
		conn_start_reading(conn);
	loop_flush_add(conn->loop, &conn->flush);
}

const char *conn_peer(const struct conn *conn)
{
	return conn->peer;
}

const char *conn_peer_host(const struct conn *conn)
{
	return conn->peer_host;
}

uint16_t conn_peer_port(const struct conn *conn)
{
	return conn->peer_port;
}

const char *conn_local_host(const struct conn *conn)
{
	return conn->local_host;
}

uint16_t conn_local_port(const struct conn *conn)
{
	return conn->local_port;
}
