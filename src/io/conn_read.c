/*
 * What comes in: bytes are read into the buffer that all connections of the
 * loop share, or, behind the beginning of a frame, to where that lies; whole
 * frames are handed out in place.
 */
#include "src/io/conn_private.h"

#include <errno.h>

#include "src/base/assert.h"
#include "src/base/endian.h"

void conn_stop_reading(struct conn *conn)
{
	if (conn->reading)
		(void)uv_read_stop((uv_stream_t *)&conn->tcp); /* always 0 */
	conn->reading = false;
}

static bool may_deliver(const struct conn *conn)
{
	return conn->state == CONN_OPEN && !conn->paused && !conn->error;
}

static void deliver_word(struct conn *conn, const uint8_t *data, size_t size)
{
	if (size < CONN_LENGTH_SIZE)
		return;
	conn->expects_word = false;
	conn->deaf = conn->options.callbacks->on_word(conn, (const char *)data, conn->data);
}

static size_t deliver_frames(struct conn *conn, const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (may_deliver(conn) && size - at >= CONN_LENGTH_SIZE) {
		uint32_t length = endian_get_u32(data + at);

		/* A negative length is a large one here. */
		if (length > conn->options.frame_size_max) {
			conn_fail_later(conn, -EMSGSIZE);
			return at;
		}
		if (size - at - CONN_LENGTH_SIZE < length)
			break;
		conn->options.callbacks->on_frame(
			conn, bytes_of(data + at + CONN_LENGTH_SIZE, length), conn->data);
		at += CONN_LENGTH_SIZE + length;
	}
	return at;
}

static size_t deliver_bytes(struct conn *conn, const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (may_deliver(conn) && at < size) {
		size_t used = conn->options.callbacks->on_bytes(
			conn, bytes_of(data + at, size - at), conn->data);

		ASSERT(used <= size - at);
		at += used;
		if (used == 0)
			break;
	}
	if (may_deliver(conn) && size - at > conn->options.frame_size_max + CONN_LENGTH_SIZE)
		conn_fail_later(conn, -EMSGSIZE);
	return at;
}

/* Hand out what is whole; how many bytes of data that was. */
static size_t deliver(struct conn *conn, const uint8_t *data, size_t size)
{
	if (conn->expects_word)
		deliver_word(conn, data, size);
	if (conn->expects_word)
		return 0;
	if (conn->deaf)
		return size;
	if (conn->options.callbacks->on_frame)
		return deliver_frames(conn, data, size);
	return deliver_bytes(conn, data, size);
}

static void deliver_input(struct conn *conn)
{
	size_t used = deliver(conn, conn->input.data, conn->input.size);

	buf_consume(&conn->input, used);
	/* Thousands of idle connections keep no memory for reading. */
	if (conn->input.size == 0)
		buf_release(&conn->input);
}

/* How much the frame at the front of input still lacks, or a good guess. */
static size_t input_missing(const struct conn *conn)
{
	size_t whole;

	if (!conn->options.callbacks->on_frame || conn->input.size < CONN_LENGTH_SIZE)
		return LOOP_READ_BUFFER_SIZE;
	whole = CONN_LENGTH_SIZE + (size_t)endian_get_u32(conn->input.data);
	return whole > conn->input.size ? whole - conn->input.size : LOOP_READ_BUFFER_SIZE;
}

/* The rest of a frame is read straight to where its beginning lies. */
static void on_alloc(uv_handle_t *handle, size_t suggested_size, uv_buf_t *ret_buf)
{
	struct conn *conn = handle->data;
	size_t size = conn->input.size;
	size_t want;
	void *at;

	if (size == 0 || conn->state != CONN_OPEN) {
		*ret_buf = uv_buf_init(conn->loop->read_buffer, LOOP_READ_BUFFER_SIZE);
		return;
	}
	want = input_missing(conn);
	if (want > conn->input.size_max - size)
		want = conn->input.size_max - size;
	at = buf_extend(&conn->input, want);
	ASSERT(at && want > 0);
	buf_truncate(&conn->input, size);
	*ret_buf = uv_buf_init(at, (unsigned)want);
}

static void take_read(struct conn *conn, const uint8_t *data, size_t size)
{
	size_t used;

	if (conn->input.size > 0) {
		ASSERT(data == conn->input.data + conn->input.size);
		(void)buf_extend(&conn->input, size); /* on_alloc has made the room */
		deliver_input(conn);
		return;
	}
	used = deliver(conn, data, size);
	if (conn->state == CONN_OPEN && !conn->error)
		buf_append(&conn->input, data + used, size - used);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct conn *conn = stream->data;

	if (size == 0)
		return;
	if (size < 0) {
		conn_fail(conn, size == UV_EOF ? -ECONNRESET : (int)size);
		return;
	}
	/* A lingering peer's bytes are taken from the kernel so that close sends no reset. */
	if (conn->state == CONN_OPEN && !conn->error)
		take_read(conn, (const uint8_t *)buf->base, (size_t)size);
}

void conn_start_reading(struct conn *conn)
{
	int err;

	if (conn->reading || conn->error)
		return;
	err = uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
	if (err)
		conn_fail_later(conn, err);
	else
		conn->reading = true;
}

void conn_pause(struct conn *conn)
{
	conn->paused = true;
	if (conn->state == CONN_OPEN)
		conn_stop_reading(conn);
}

/* What was read already comes first, out of the flush; then the socket is read again. */
void conn_resume(struct conn *conn)
{
	if (!conn->paused)
		return;
	conn->paused = false;
	if (conn->state == CONN_OPEN)
		loop_flush_add(conn->loop, &conn->flush);
}

bool conn_is_paused(const struct conn *conn)
{
	return conn->paused;
}

void conn_go_on_reading(struct conn *conn)
{
	if (conn->paused || conn->reading || conn->error)
		return;
	if (conn->input.size > 0) {
		deliver_input(conn);
		loop_again(conn->loop); /* hooks have run for this turn, and there is work anew */
	}
	if (may_deliver(conn))
		conn_start_reading(conn);
}
