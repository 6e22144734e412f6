#include "src/io/conn_private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"

enum {
	LENGTH_SIZE = 4,
	/* A buffer that a burst made larger than this is given back when it is empty. */
	KEPT_CAPACITY_MAX = 64 << 10,
};

/* ---- life ---- */

static void flush_at_end_of_turn(struct loop_flush *flush);

/* A read adds at most one read buffer to a frame that is not whole yet. */
static size_t input_size_max(const struct conn_options *options)
{
	return options->frame_size_max + LENGTH_SIZE + LOOP_READ_BUFFER_SIZE;
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
static void destroy(struct conn *conn)
{
	ASSERT(conn->state != CONN_CLOSED);
	conn_cancel_connecting(conn);
	conn->state = CONN_CLOSED;
	loop_flush_remove(&conn->flush);
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
	destroy(conn);
	if (!told)
		conn->options.callbacks->on_closed(conn, error, conn->data);
}

static void stop_reading(struct conn *conn)
{
	if (conn->reading)
		(void)uv_read_stop((uv_stream_t *)&conn->tcp); /* always 0 */
	conn->reading = false;
}

void conn_fail_later(struct conn *conn, int error)
{
	if (!conn->error)
		conn->error = error;
	stop_reading(conn);
	loop_flush_add(conn->loop, &conn->flush);
}

void conn_close(struct conn *conn)
{
	if (conn && conn->state != CONN_CLOSED)
		destroy(conn);
}

void conn_set_data(struct conn *conn, void *data)
{
	conn->data = data;
}

void *conn_data(const struct conn *conn)
{
	return conn->data;
}

/* ---- input ---- */

static bool may_deliver(const struct conn *conn)
{
	return conn->state == CONN_OPEN && !conn->paused && !conn->error;
}

static void deliver_word(struct conn *conn, const uint8_t *data, size_t size)
{
	if (size < LENGTH_SIZE)
		return;
	conn->expects_word = false;
	conn->deaf = conn->options.callbacks->on_word(conn, (const char *)data, conn->data);
}

static size_t deliver_frames(struct conn *conn, const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (may_deliver(conn) && size - at >= LENGTH_SIZE) {
		uint32_t length = endian_get_u32(data + at);

		/* A negative length is a large one here. */
		if (length > conn->options.frame_size_max) {
			conn_fail_later(conn, -EMSGSIZE);
			return at;
		}
		if (size - at - LENGTH_SIZE < length)
			break;
		conn->options.callbacks->on_frame(conn, bytes_of(data + at + LENGTH_SIZE, length),
						  conn->data);
		at += LENGTH_SIZE + length;
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
	if (may_deliver(conn) && size - at > conn->options.frame_size_max + LENGTH_SIZE)
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

	if (!conn->options.callbacks->on_frame || conn->input.size < LENGTH_SIZE)
		return LOOP_READ_BUFFER_SIZE;
	whole = LENGTH_SIZE + (size_t)endian_get_u32(conn->input.data);
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

static void start_reading(struct conn *conn)
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
		stop_reading(conn);
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

static void go_on_reading(struct conn *conn)
{
	if (conn->paused || conn->reading || conn->error)
		return;
	if (conn->input.size > 0) {
		deliver_input(conn);
		loop_again(conn->loop); /* hooks have run for this turn, and there is work anew */
	}
	if (may_deliver(conn))
		start_reading(conn);
}

/* ---- output ---- */

static void settle(struct conn *conn);

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

	(void)buf_extend(&conn->output, LENGTH_SIZE); /* its error sticks, and ends the conn */
	return begin;
}

void conn_frame_end(struct conn *conn, size_t begin)
{
	if (conn->output.error)
		return;
	ASSERT(conn->output.size >= begin + LENGTH_SIZE);
	endian_put_u32(conn->output.data + begin,
		       (uint32_t)(conn->output.size - begin - LENGTH_SIZE));
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
	settle(conn);
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

static void watch_crowd(struct conn *conn)
{
	size_t size = conn_output_size(conn);

	if (size > conn->options.output_size_max / 2)
		conn->crowded = true;
	if (!conn->crowded || size >= conn->options.output_size_max / 4)
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
		destroy(conn);
}

static void finish_lingering(struct conn *conn)
{
	if (conn_output_size(conn) > 0 || conn->shutdown.data)
		return;
	conn->shutdown.data = conn;
	if (uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp, on_shutdown))
		destroy(conn);
}

/* Write what there is, and whatever follows from how that went. */
static void settle(struct conn *conn)
{
	int err = conn->error ? conn->error : write_output(conn);

	if (err) {
		conn_fail(conn, err);
		return;
	}
	watch_crowd(conn);
	if (conn->state == CONN_LINGERING)
		finish_lingering(conn);
}

static void flush_at_end_of_turn(struct loop_flush *flush)
{
	struct conn *conn = list_item(flush, struct conn, flush);

	if (conn->error) {
		loop_again(conn->loop);
		conn_fail(conn, conn->error);
		return;
	}
	if (conn->state == CONN_OPEN)
		go_on_reading(conn);
	if (conn->state == CONN_OPEN || conn->state == CONN_LINGERING)
		settle(conn);
}

void conn_flush(struct conn *conn)
{
	int err;

	if (conn->state != CONN_OPEN || conn->error)
		return;
	err = write_output(conn);
	if (err)
		conn_fail_later(conn, err);
}

static void on_linger_timer(uv_timer_t *timer)
{
	destroy(timer->data);
}

void conn_close_after_flush(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	if (conn->state != CONN_OPEN || conn->error) {
		destroy(conn);
		return;
	}
	conn->state = CONN_LINGERING;
	start_reading(conn);
	conn_start_timer(conn, CONN_LINGER_MS, on_linger_timer);
	loop_flush_add(conn->loop, &conn->flush);
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
		start_reading(conn);
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
