/*
 * The framed connection over real loopback sockets. The peer of a conn is a
 * plain descriptor, so that each test says byte by byte what is on the wire.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/io/address.h"
#include "src/io/conn.h"
#include "t/unit/cmocka.h"

enum { DEADLINE_MS = 10000, FRAME_SIZE_MAX = 4096, OUTPUT_SIZE_MAX = 1 << 20 };

struct fixture {
	struct loop loop;
	struct listener *listener;
	struct conn *conn; /* the accepted one; NULL once it is gone */
	int peer;          /* the other end of it */

	struct buf seen; /* each frame, and '|' behind it */
	size_t frame_count;
	size_t pause_after; /* frames */
	bool close_at_frame;
	char word[5];
	bool word_is_known;
	size_t use_at_most; /* on_bytes */
	int closed_with;
	bool is_closed;
	bool is_connected;
	size_t drained;
};

static void note_frame(struct conn *conn, struct bytes frame, void *data)
{
	struct fixture *f = data;

	buf_append(&f->seen, frame.data, bytes_size(frame));
	buf_append(&f->seen, "|", 1);
	f->frame_count++;
	if (f->frame_count == f->pause_after)
		conn_pause(conn);
	if (f->close_at_frame) {
		conn_close(conn);
		f->conn = NULL;
	}
}

static size_t note_bytes(struct conn *conn, struct bytes bytes, void *data)
{
	struct fixture *f = data;
	size_t used = bytes_size(bytes) < f->use_at_most ? bytes_size(bytes) : f->use_at_most;

	buf_append(&f->seen, bytes.data, used);
	return used;
}

static bool note_word(struct conn *conn, const char word[4], void *data)
{
	struct fixture *f = data;

	memcpy(f->word, word, 4);
	if (!f->word_is_known)
		return false;
	conn_write(conn, bytes_of_text("imok"));
	conn_close_after_flush(conn);
	f->conn = NULL;
	return true;
}

static void note_drained(struct conn *conn, void *data)
{
	((struct fixture *)data)->drained++;
}

static void note_closed(struct conn *conn, int error, void *data)
{
	struct fixture *f = data;

	assert_false(f->is_closed);
	f->is_closed = true;
	f->closed_with = error;
	f->conn = NULL;
}

static void note_connected(struct conn *conn, void *data)
{
	((struct fixture *)data)->is_connected = true;
}

static const struct conn_callbacks frame_callbacks = {
	.on_connected = note_connected,
	.on_frame = note_frame,
	.on_word = note_word,
	.on_drained = note_drained,
	.on_closed = note_closed,
};

static const struct conn_callbacks byte_callbacks = {
	.on_bytes = note_bytes,
	.on_closed = note_closed,
};

static const struct conn_options frame_options = {
	.frame_size_max = FRAME_SIZE_MAX,
	.output_size_max = OUTPUT_SIZE_MAX,
	.callbacks = &frame_callbacks,
};

static const struct conn_options byte_options = {
	.frame_size_max = FRAME_SIZE_MAX,
	.output_size_max = OUTPUT_SIZE_MAX,
	.callbacks = &byte_callbacks,
};

static void accept_conn(struct listener *listener, struct conn *conn, void *data)
{
	struct fixture *f = data;

	assert_null(f->conn);
	f->conn = conn;
}

/* One turn of the loop that doesn't hang for ever; fails the test when time is up. */
static void turn(struct fixture *f, uint64_t begin_ms)
{
	if (uv_hrtime() / 1000000 - begin_ms > DEADLINE_MS)
		fail_msg("the condition did not come true in time");
	loop_turn(&f->loop, false);
}

#define turn_until(f, condition)                                                                   \
	do {                                                                                       \
		uint64_t begin_ms_ = uv_hrtime() / 1000000;                                        \
		while (!(condition))                                                               \
			turn(f, begin_ms_);                                                        \
	} while (0)

static int connect_peer(uint16_t port)
{
	struct sockaddr_storage address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(address_parse("127.0.0.1", port, &address), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void listen_with(struct fixture *f, const struct conn_options *options)
{
	assert_int_equal(
		listener_open(&f->loop, "127.0.0.1", 0, 16, options, accept_conn, f, &f->listener),
		0);
}

static void open_pair(struct fixture *f, const struct conn_options *options)
{
	listen_with(f, options);
	f->peer = connect_peer(listener_port(f->listener));
	turn_until(f, f->conn);
}

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	f->peer = -1;
	buf_init(&f->seen, 64 << 20);
	*state = f;
	return loop_init(&f->loop);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	conn_close(f->conn);
	listener_close(f->listener);
	if (f->peer >= 0)
		close(f->peer);
	assert_int_equal(loop_release(&f->loop), 0);
	buf_release(&f->seen);
	free(f);
	return 0;
}

static void peer_sends(struct fixture *f, const void *data, size_t size)
{
	assert_int_equal(send(f->peer, data, size, 0), size);
}

static void append_frame(struct buf *buf, const char *text)
{
	endian_put_u32(buf_extend(buf, 4), (uint32_t)strlen(text));
	buf_append_text(buf, text);
}

static bool saw(struct fixture *f, const char *text)
{
	return bytes_equal_text(buf_bytes(&f->seen), text);
}

/* Read what there is into buf; false once the stream has ended. */
static bool peer_reads(struct fixture *f, struct buf *buf)
{
	char part[65536];
	ssize_t size = recv(f->peer, part, sizeof(part), 0);

	if (size > 0)
		buf_append(buf, part, (size_t)size);
	return size > 0 || (size < 0 && errno == EAGAIN);
}

static void frames_split_at_every_byte_arrive_whole(void **state)
{
	struct fixture *f = *state;
	struct buf wire;

	buf_init(&wire, 4096);
	append_frame(&wire, "first");
	append_frame(&wire, "");
	append_frame(&wire, "third one");
	open_pair(f, &frame_options);
	for (size_t cut = 0; cut <= wire.size; cut++) {
		buf_reset(&f->seen);
		f->frame_count = 0;
		peer_sends(f, wire.data, cut);
		for (int i = 0; i < 3; i++)
			loop_turn(&f->loop, false);
		peer_sends(f, wire.data + cut, wire.size - cut);
		turn_until(f, f->frame_count == 3);
		assert_true(saw(f, "first||third one|"));
	}
	buf_release(&wire);
}

static void frames_byte_by_byte_arrive_whole(void **state)
{
	struct fixture *f = *state;
	struct buf wire;

	buf_init(&wire, 4096);
	append_frame(&wire, "abc");
	append_frame(&wire, "defgh");
	open_pair(f, &frame_options);
	for (size_t i = 0; i < wire.size; i++) {
		peer_sends(f, wire.data + i, 1);
		loop_turn(&f->loop, false);
	}
	turn_until(f, f->frame_count == 2);
	assert_true(saw(f, "abc|defgh|"));
	buf_release(&wire);
}

static void many_frames_of_one_read_come_in_order(void **state)
{
	struct fixture *f = *state;
	struct buf wire;
	struct buf expected;
	char text[32];

	buf_init(&wire, 1 << 20);
	buf_init(&expected, 1 << 20);
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(text, sizeof(text), "frame %d", i);
		append_frame(&wire, text);
		buf_printf(&expected, "%s|", text);
	}
	open_pair(f, &frame_options);
	peer_sends(f, wire.data, wire.size);
	turn_until(f, f->frame_count == 5000);
	assert_true(bytes_equal(buf_bytes(&f->seen), buf_bytes(&expected)));
	buf_release(&wire);
	buf_release(&expected);
}

static void largest_frame_is_taken_and_one_byte_more_ends_it(void **state)
{
	struct fixture *f = *state;
	char *frame = mem_zalloc(4 + FRAME_SIZE_MAX);

	open_pair(f, &frame_options);
	endian_put_u32((uint8_t *)frame, FRAME_SIZE_MAX);
	peer_sends(f, frame, 4 + FRAME_SIZE_MAX);
	turn_until(f, f->frame_count == 1);
	assert_int_equal(f->seen.size, FRAME_SIZE_MAX + 1);
	endian_put_u32((uint8_t *)frame, FRAME_SIZE_MAX + 1);
	peer_sends(f, frame, 4);
	turn_until(f, f->is_closed);
	assert_int_equal(f->closed_with, -EMSGSIZE);
	free(frame);
}

static void negative_length_ends_it(void **state)
{
	struct fixture *f = *state;

	open_pair(f, &frame_options);
	peer_sends(f, "\xff\xff\xff\xff", 4);
	turn_until(f, f->is_closed);
	assert_int_equal(f->closed_with, -EMSGSIZE);
	assert_int_equal(f->frame_count, 0);
}

static void frame_before_a_bad_length_is_handled(void **state)
{
	struct fixture *f = *state;

	open_pair(f, &frame_options);
	peer_sends(f, "\0\0\0\1x\x7f\0\0\0", 9);
	turn_until(f, f->is_closed);
	assert_true(saw(f, "x|"));
}

static void pause_holds_frames_back_until_resume(void **state)
{
	struct fixture *f = *state;
	struct buf wire;

	buf_init(&wire, 4096);
	append_frame(&wire, "a");
	append_frame(&wire, "b");
	append_frame(&wire, "c");
	f->pause_after = 1;
	open_pair(f, &frame_options);
	peer_sends(f, wire.data, wire.size - 1);
	turn_until(f, f->frame_count == 1);
	for (int i = 0; i < 5; i++)
		loop_turn(&f->loop, false);
	assert_int_equal(f->frame_count, 1);
	assert_true(conn_is_paused(f->conn));
	f->pause_after = 2;
	conn_resume(f->conn);
	turn_until(f, f->frame_count == 2);
	conn_resume(f->conn);
	peer_sends(f, wire.data + wire.size - 1, 1);
	turn_until(f, f->frame_count == 3);
	assert_true(saw(f, "a|b|c|"));
	buf_release(&wire);
}

static void end_of_stream_is_reset_by_peer(void **state)
{
	struct fixture *f = *state;

	open_pair(f, &frame_options);
	peer_sends(f, "\0\0\0\2x", 5);
	close(f->peer);
	f->peer = -1;
	turn_until(f, f->is_closed);
	assert_int_equal(f->closed_with, -ECONNRESET);
	assert_int_equal(f->frame_count, 0);
}

static void owner_may_close_within_a_frame(void **state)
{
	struct fixture *f = *state;
	char byte;

	f->close_at_frame = true;
	open_pair(f, &frame_options);
	peer_sends(f, "\0\0\0\1x\0\0\0\1y", 10);
	turn_until(f, recv(f->peer, &byte, 1, 0) == 0 || errno == ECONNRESET);
	assert_int_equal(f->frame_count, 1);
	assert_false(f->is_closed);
}

static void first_word_is_shown_to_the_owner(void **state)
{
	struct fixture *f = *state;
	struct buf answer;

	buf_init(&answer, 4096);
	f->word_is_known = true;
	open_pair(f, &frame_options);
	peer_sends(f, "ru", 2);
	loop_turn(&f->loop, false);
	peer_sends(f, "ok\n", 3);
	turn_until(f, !peer_reads(f, &answer));
	assert_string_equal(f->word, "ruok");
	assert_true(bytes_equal_text(buf_bytes(&answer), "imok"));
	assert_int_equal(f->frame_count, 0);
	assert_false(f->is_closed);
	buf_release(&answer);
}

static void word_that_is_none_is_a_length(void **state)
{
	struct fixture *f = *state;

	open_pair(f, &frame_options);
	peer_sends(f, "\0\0\0\3abc", 7);
	turn_until(f, f->frame_count == 1);
	assert_true(saw(f, "abc|"));
}

static void appends_of_a_turn_arrive_in_order(void **state)
{
	struct fixture *f = *state;
	struct buf got;
	size_t begin;

	buf_init(&got, 4096);
	open_pair(f, &frame_options);
	conn_write(f->conn, bytes_of_text("one "));
	begin = conn_frame_begin(f->conn);
	buf_append_text(conn_output(f->conn), "two");
	conn_frame_end(f->conn, begin);
	assert_int_equal(conn_output_size(f->conn), 11);
	turn_until(f, peer_reads(f, &got) && got.size >= 11);
	assert_memory_equal(got.data, "one \0\0\0\3two", 11);
	assert_int_equal(conn_output_size(f->conn), 0);
	buf_release(&got);
}

/* More than the kernel takes at once, to a peer that reads late. */
static void large_output_arrives_whole_and_drains(void **state)
{
	struct fixture *f = *state;
	struct conn_options options = frame_options;
	size_t total = 32 << 20;
	size_t appended = 0;
	struct buf got;
	uint32_t word;

	options.output_size_max = total + 4;
	buf_init(&got, total + 4);
	open_pair(f, &options);
	for (; appended < total; appended += 4)
		endian_put_u32(buf_extend(conn_output(f->conn), 4), (uint32_t)appended);
	loop_turn(&f->loop, false);
	assert_true(conn_output_size(f->conn) > 0);
	conn_write(f->conn, bytes_of_text("tail"));
	turn_until(f, peer_reads(f, &got) && got.size == total + 4);
	for (size_t at = 0; at < total; at += 4) {
		word = endian_get_u32(got.data + at);
		assert_int_equal(word, at);
	}
	assert_memory_equal(got.data + total, "tail", 4);
	turn_until(f, f->drained == 1);
	assert_int_equal(conn_output_size(f->conn), 0);
	buf_release(&got);
}

/* Who has stopped because of it must hear of it, however fast it went. */
static void drained_is_told_also_when_the_kernel_took_all_at_once(void **state)
{
	struct fixture *f = *state;
	struct conn_options options = frame_options;
	char data[600] = {0};

	options.output_size_max = 1000;
	open_pair(f, &options);
	conn_write(f->conn, bytes_of(data, 500));
	loop_turn(&f->loop, false);
	assert_int_equal(f->drained, 0);
	conn_write(f->conn, bytes_of(data, 501));
	loop_turn(&f->loop, false);
	assert_int_equal(f->drained, 1);
	conn_write(f->conn, bytes_of(data, 600));
	conn_flush(f->conn);
	assert_int_equal(conn_output_size(f->conn), 0);
	assert_int_equal(f->drained, 1);
	loop_turn(&f->loop, false);
	assert_int_equal(f->drained, 2);
}

static void output_beyond_its_maximum_ends_it(void **state)
{
	struct fixture *f = *state;
	char *block = mem_zalloc(OUTPUT_SIZE_MAX);

	open_pair(f, &frame_options);
	conn_write(f->conn, bytes_of(block, OUTPUT_SIZE_MAX));
	conn_write(f->conn, bytes_of_text("x"));
	assert_false(f->is_closed);
	turn_until(f, f->is_closed);
	assert_int_equal(f->closed_with, -ENOBUFS);
	free(block);
}

/* The bound counts what libuv still has to write as well as what was appended since. */
static void output_bound_holds_while_a_write_is_on_its_way(void **state)
{
	struct fixture *f = *state;
	char *block = mem_zalloc(OUTPUT_SIZE_MAX / 2);
	int turns = 0;

	open_pair(f, &frame_options);
	while (!f->is_closed && turns++ < 1000) {
		conn_write(f->conn, bytes_of(block, OUTPUT_SIZE_MAX / 2));
		loop_turn(&f->loop, false);
	}
	assert_true(f->is_closed);
	assert_int_equal(f->closed_with, -ENOBUFS);
	free(block);
}

static void close_after_flush_sends_all_then_the_end(void **state)
{
	struct fixture *f = *state;
	size_t size = OUTPUT_SIZE_MAX;
	char *block = mem_zalloc(size);
	struct buf got;

	buf_init(&got, size);
	open_pair(f, &frame_options);
	conn_write(f->conn, bytes_of(block, size));
	conn_close_after_flush(f->conn);
	f->conn = NULL;
	turn_until(f, !peer_reads(f, &got));
	assert_int_equal(got.size, size);
	assert_false(f->is_closed);
	buf_release(&got);
	free(block);
}

/* "bye" is all that the peer, which stays, is left with. */
static void end_loop_while_it_lingers(struct fixture *f, bool is_sent)
{
	struct buf got;

	buf_init(&got, FRAME_SIZE_MAX);
	open_pair(f, &frame_options);
	conn_write(f->conn, bytes_of_text("bye"));
	conn_close_after_flush(f->conn);
	f->conn = NULL;
	if (is_sent)
		turn_until(f, !peer_reads(f, &got));
	listener_close(f->listener);
	f->listener = NULL;
	assert_int_equal(loop_release(&f->loop), 0);
	while (peer_reads(f, &got))
		;
	assert_true(bytes_equal_text(buf_bytes(&got), "bye"));
	buf_release(&got);
	assert_int_equal(loop_init(&f->loop), 0); /* for the teardown */
}

static void end_of_the_loop_sends_what_lingers(void **state)
{
	end_loop_while_it_lingers(*state, false);
}

static void end_of_the_loop_does_not_wait_for_the_peer(void **state)
{
	end_loop_while_it_lingers(*state, true);
}

static void plain_bytes_are_shown_until_used_up(void **state)
{
	struct fixture *f = *state;

	f->use_at_most = 2;
	open_pair(f, &byte_options);
	peer_sends(f, "abcde", 5);
	turn_until(f, f->seen.size == 5);
	assert_true(saw(f, "abcde"));
}

static void plain_bytes_held_back_beyond_the_maximum_end_it(void **state)
{
	struct fixture *f = *state;
	char block[FRAME_SIZE_MAX + 5];

	memset(block, 'x', sizeof(block));
	open_pair(f, &byte_options);
	peer_sends(f, block, sizeof(block) - 1);
	for (int i = 0; i < 5; i++)
		loop_turn(&f->loop, false);
	assert_false(f->is_closed);
	peer_sends(f, block, 1);
	turn_until(f, f->is_closed);
	assert_int_equal(f->closed_with, -EMSGSIZE);
}

static void addresses_read_as_java_prints_them(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_storage address;
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(address_parse("::1", 2181, &address), 0);
	address_text((struct sockaddr *)&address, text);
	assert_string_equal(text, "/[0:0:0:0:0:0:0:1]:2181");
	assert_int_equal(address_parse("fe80::12:ab", 2181, &address), 0);
	address_host((struct sockaddr *)&address, text);
	assert_string_equal(text, "fe80:0:0:0:0:0:12:ab");
	assert_int_equal(address_parse("::ffff:10.1.2.3", 7, &address), 0);
	address_text((struct sockaddr *)&address, text);
	assert_string_equal(text, "/10.1.2.3:7");
	assert_int_equal(address_parse("localhost", 7, &address), -EINVAL);

	open_pair(f, &frame_options);
	assert_string_equal(conn_peer_host(f->conn), "127.0.0.1");
	assert_true(!strncmp(conn_peer(f->conn), "/127.0.0.1:", 11));
	assert_int_equal(conn_local_port(f->conn), listener_port(f->listener));
}

static void connect_by_name_exchanges_frames(void **state)
{
	struct fixture *f = *state;
	struct fixture client = {.peer = -1};
	struct conn *conn;

	buf_init(&client.seen, 4096);
	listen_with(f, &frame_options);
	conn = conn_connect(&f->loop, "localhost", listener_port(f->listener), DEADLINE_MS,
			    &frame_options, &client);
	conn_write(conn, bytes_of("\0\0\0\2hi", 6));
	turn_until(f, f->frame_count == 1);
	assert_true(client.is_connected);
	assert_true(saw(f, "hi|"));
	conn_write(f->conn, bytes_of("\0\0\0\2ho", 6));
	turn_until(f, client.frame_count == 1);
	conn_close(conn);
	turn_until(f, f->is_closed);
	buf_release(&client.seen);
}

static void connect_to_nobody_is_refused(void **state)
{
	struct fixture *f = *state;
	uint16_t port;

	listen_with(f, &frame_options);
	port = listener_port(f->listener);
	listener_close(f->listener);
	f->listener = NULL;
	loop_turn(&f->loop, false);
	f->conn = conn_connect(&f->loop, "127.0.0.1", port, DEADLINE_MS, &frame_options, f);
	assert_false(f->is_closed);
	turn_until(f, f->is_closed);
	assert_int_equal(f->closed_with, -ECONNREFUSED);
}

static void unknown_name_is_told(void **state)
{
	struct fixture *f = *state;

	f->conn = conn_connect(&f->loop, "no-such-host.invalid", 1, DEADLINE_MS, &frame_options, f);
	turn_until(f, f->is_closed);
	assert_int_equal(f->closed_with, -EHOSTUNREACH);
}

static void connecting_ends_in_time(void **state)
{
	struct fixture *f = *state;

	f->conn = conn_connect(&f->loop, "localhost", 1, 0, &frame_options, f);
	turn_until(f, f->is_closed);
	assert_int_equal(f->closed_with, -ETIMEDOUT);
}

static void close_while_resolving_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct conn *conn = conn_connect(&f->loop, "localhost", 1, DEADLINE_MS, &frame_options, f);

	conn_close(conn);
	loop_turn(&f->loop, false);
	assert_false(f->is_closed);
}

static void port_in_use_is_told(void **state)
{
	struct fixture *f = *state;
	struct listener *second;

	listen_with(f, &frame_options);
	assert_int_equal(listener_open(&f->loop, "127.0.0.1", listener_port(f->listener), 16,
				       &frame_options, accept_conn, f, &second),
			 -EADDRINUSE);
}

static void all_addresses_serve_both_families(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		listener_open(&f->loop, NULL, 0, 16, &frame_options, accept_conn, f, &f->listener),
		0);
	f->peer = connect_peer(listener_port(f->listener));
	turn_until(f, f->conn);
	assert_string_equal(conn_peer_host(f->conn), "127.0.0.1");
}

struct counting_hook {
	struct loop_hook hook;
	struct loop *loop;
	int runs;
	int again_until;
};

static void count_run(struct loop_hook *hook)
{
	struct counting_hook *counting = list_item(hook, struct counting_hook, hook);

	if (++counting->runs < counting->again_until)
		loop_again(counting->loop);
}

static void hooks_run_before_the_loop_blocks(void **state)
{
	struct fixture *f = *state;
	struct counting_hook first = {.loop = &f->loop};
	struct counting_hook second = {.loop = &f->loop, .again_until = 3};

	listen_with(f, &frame_options);
	loop_hook_add(&f->loop, &first.hook, count_run);
	loop_hook_add(&f->loop, &second.hook, count_run);
	loop_turn(&f->loop, false);
	assert_int_equal(first.runs, 3);
	assert_int_equal(second.runs, 3);
	loop_hook_remove(&first.hook);
	loop_turn(&f->loop, false);
	assert_int_equal(first.runs, 3);
	assert_int_equal(second.runs, 4);
	loop_hook_remove(&second.hook);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_split_at_every_byte_arrive_whole),
		TEST(frames_byte_by_byte_arrive_whole),
		TEST(many_frames_of_one_read_come_in_order),
		TEST(largest_frame_is_taken_and_one_byte_more_ends_it),
		TEST(negative_length_ends_it),
		TEST(frame_before_a_bad_length_is_handled),
		TEST(pause_holds_frames_back_until_resume),
		TEST(end_of_stream_is_reset_by_peer),
		TEST(owner_may_close_within_a_frame),
		TEST(first_word_is_shown_to_the_owner),
		TEST(word_that_is_none_is_a_length),
		TEST(appends_of_a_turn_arrive_in_order),
		TEST(large_output_arrives_whole_and_drains),
		TEST(drained_is_told_also_when_the_kernel_took_all_at_once),
		TEST(output_beyond_its_maximum_ends_it),
		TEST(output_bound_holds_while_a_write_is_on_its_way),
		TEST(close_after_flush_sends_all_then_the_end),
		TEST(end_of_the_loop_sends_what_lingers),
		TEST(end_of_the_loop_does_not_wait_for_the_peer),
		TEST(plain_bytes_are_shown_until_used_up),
		TEST(plain_bytes_held_back_beyond_the_maximum_end_it),
		TEST(addresses_read_as_java_prints_them),
		TEST(connect_by_name_exchanges_frames),
		TEST(connect_to_nobody_is_refused),
		TEST(unknown_name_is_told),
		TEST(connecting_ends_in_time),
		TEST(close_while_resolving_leaves_nothing),
		TEST(port_in_use_is_told),
		TEST(all_addresses_serve_both_families),
		TEST(hooks_run_before_the_loop_blocks),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
