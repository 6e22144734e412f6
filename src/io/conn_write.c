/*
 * What goes out: appends go to `output`, which is offered to the kernel once a
 * turn. What the kernel doesn't take becomes `writing`, which libuv writes when
 * there is room, and a new `output` collects what comes behind it.
 */
#include "src/io/conn_private.h"

#include <errno.h>

#include "src/base/assert.h"
#include "src/base/endian.h"

enum {
	/* A buffer that a burst made larger than this is given back when it is empty. */
	KEPT_CAPACITY_MAX = 64 << 10,
};

size_t conn_output_size(const struct conn *conn)
{
	return conn->output.size + conn->writing.size - conn->writing_at;
}

struct buf *conn_output(struct conn *conn)
{
	if (conn->state != CONN_CLOSED)
		loop_flush_add(conn->loop, &conn->flush);
	return &conn->output;
}

void conn_write(struct conn *conn, struct bytes bytes)
{
	buf_append(conn_output(conn), bytes.data, bytes_size(bytes));
}

size_t conn_frame_begin(struct conn *conn)
{
	size_t begin = conn_output(conn)->size;

	(void)buf_extend(&conn->output, CONN_LENGTH_SIZE); /* its error sticks, and ends the conn */
	return begin;
}

void conn_frame_end(struct conn *conn, size_t begin)
{
	if (conn->output.error)
		return;
	ASSERT(conn->output.size >= begin + CONN_LENGTH_SIZE);
	endian_put_u32(conn->output.data + begin,
		       (uint32_t)(conn->output.size - begin - CONN_LENGTH_SIZE));
}

static void empty_output(struct buf *output)
{
	if (output->capacity > KEPT_CAPACITY_MAX)
		buf_release(output);
	else
		buf_reset(output);
}

static void on_written(uv_write_t *write, int status)
{
	struct conn *conn = write->data;

	empty_output(&conn->writing);
	conn->writing_at = 0;
	if (conn->state == CONN_CLOSED)
		return;
	if (status) {
		conn_fail(conn, status);
		return;
	}
	conn_settle(conn);
}

/* The kernel is full: libuv writes the rest when there is room, we collect what comes behind. */
static int write_rest(struct conn *conn, size_t taken)
{
	struct buf empty = conn->writing;
	uv_buf_t rest;

	conn->writing = conn->output;
	conn->writing_at = taken;
	conn->output = empty;
	rest = uv_buf_init((char *)conn->writing.data + taken,
			   (unsigned)(conn->writing.size - taken));
	conn->write.data = conn;
	return uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &rest, 1, on_written);
}

/* 0 or what ends the connection. */
static int write_output(struct conn *conn)
{
	uv_buf_t all = uv_buf_init((char *)conn->output.data, (unsigned)conn->output.size);
	int taken;

	if (conn->output.error || conn_output_size(conn) > conn->options.output_size_max)
		return -ENOBUFS;
	if (conn->output.size == 0 || conn->writing.size > 0)
		return 0;
	taken = uv_try_write((uv_stream_t *)&conn->tcp, &all, 1);
	if (taken == UV_EAGAIN)
		taken = 0;
	if (taken < 0)
		return taken;
	if ((size_t)taken < conn->output.size)
		return write_rest(conn, (size_t)taken);
	empty_output(&conn->output);
	return 0;
}

/* The owner may have seen it and stopped, even if the kernel takes all of it at once. */
static void note_crowd(struct conn *conn)
{
	if (conn_output_size(conn) > conn->options.output_size_max / 2)
		conn->crowded = true;
}

static void tell_drained(struct conn *conn)
{
	if (!conn->crowded || conn_output_size(conn) >= conn->options.output_size_max / 4)
		return;
	conn->crowded = false;
	if (conn->options.callbacks->on_drained && conn->state == CONN_OPEN) {
		conn->options.callbacks->on_drained(conn, conn->data);
		loop_again(conn->loop);
	}
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
	/* The peer's end of stream, or the timer, closes it; with an error there is no peer. */
	struct conn *conn = shutdown->data;

	if (status && conn->state != CONN_CLOSED)
		conn_destroy(conn);
}

static void finish_lingering(struct conn *conn)
{
	if (conn_output_size(conn) > 0 || conn->shutdown.data)
		return;
	conn->shutdown.data = conn;
	if (uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp, on_shutdown))
		conn_destroy(conn);
}

/* Write what there is, and whatever follows from how that went. */
void conn_settle(struct conn *conn)
{
	int err;

	note_crowd(conn);
	err = conn->error ? conn->error : write_output(conn);
	if (err) {
		conn_fail(conn, err);
		return;
	}
	tell_drained(conn);
	if (conn->state == CONN_LINGERING)
		finish_lingering(conn);
}

void conn_flush(struct conn *conn)
{
	int err;

	if (conn->state != CONN_OPEN || conn->error)
		return;
	note_crowd(conn);
	err = write_output(conn);
	if (err)
		conn_fail_later(conn, err);
	else
		loop_flush_add(conn->loop, &conn->flush); /* on_drained may be due */
}
