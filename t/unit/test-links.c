/*
 * The links of the quorum port over real loopback sockets. What they carry is
 * replaced: a step takes STEP_SIZE bytes. The server under test is number 1 of
 * 1 and 2.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replica/io/peers_links.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"
#include "t/unit/raw-socket.h"

enum { DEADLINE_MS = 10000, STEP_SIZE = 3, OUTPUT_SIZE_MAX = 8 << 20 };

struct fixture {
	struct loop loop;
	struct quorum_server servers[2];
	struct peers_links_options options;
	struct peers_places places;
	struct peers_links *links;
	uint16_t port;
	uint16_t leader_port;
	bool is_feeding; /* feed_streams is called at each turn */

	zab_link_t accepted; /* the last */
	zab_link_t connected;
	size_t connected_count;
	zab_link_t closed;
	size_t closed_count;
	struct buf seen; /* each step, and '|' behind it */
	bool pauses;     /* after each step */
	bool ends;
	struct buf stream; /* what wants_chunk gives, CHUNK_SIZE at once */
	size_t chunk_count;
};

enum { CHUNK_SIZE = 128 << 10 };

static void note_accepted(zab_link_t link, void *data)
{
	((struct fixture *)data)->accepted = link;
}

static void note_connected(zab_link_t link, void *data)
{
	struct fixture *f = data;

	f->connected = link;
	f->connected_count++;
}

static size_t note_bytes(zab_link_t link, struct bytes bytes, void *data)
{
	struct fixture *f = data;

	if (bytes_size(bytes) < STEP_SIZE)
		return 0;
	buf_append(&f->seen, bytes.data, STEP_SIZE);
	buf_append(&f->seen, "|", 1);
	if (f->pauses)
		peers_links_set_paused(f->links, link, true);
	if (f->ends)
		peers_links_end(f->links, link);
	return STEP_SIZE;
}

static void note_closed(zab_link_t link, void *data)
{
	struct fixture *f = data;

	assert_false(peers_links_has(f->links, link));
	f->closed = link;
	f->closed_count++;
}

static bool give_chunk(zab_link_t link, void *data)
{
	struct fixture *f = data;
	size_t size = f->stream.size < CHUNK_SIZE ? f->stream.size : CHUNK_SIZE;

	f->chunk_count++;
	if (size == 0) {
		peers_links_end_stream(f->links, link);
		return true;
	}
	peers_links_chunk(f->links, link, bytes_of(f->stream.data, size));
	buf_consume(&f->stream, size);
	return true;
}

static void turn(struct fixture *f, uint64_t begin_ms)
{
	if (uv_hrtime() / 1000000 - begin_ms > DEADLINE_MS)
		fail_msg("the condition did not come true in time");
	loop_turn(&f->loop, false);
	if (f->is_feeding)
		peers_links_feed_streams(f->links);
	peers_links_check(f->links);
}

#define turn_until(f, condition)                                                                   \
	do {                                                                                       \
		uint64_t begin_ms_ = uv_hrtime() / 1000000;                                        \
		while (!(condition))                                                               \
			turn(f, begin_ms_);                                                        \
	} while (0)

static const struct peers_links_events events = {
	.accepted = note_accepted,
	.connected = note_connected,
	.bytes = note_bytes,
	.closed = note_closed,
	.wants_chunk = give_chunk,
};

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(loop_init(&f->loop), 0);
	buf_init(&f->seen, 1 << 20);
	buf_init(&f->stream, 64 << 20);
	f->port = raw_free_port();
	f->leader_port = raw_free_port();
	for (int i = 0; i < 2; i++) {
		f->servers[i] = (struct quorum_server){.id = i + 1, .address_count = 1};
		f->servers[i].addresses[0].host = mem_strdup("127.0.0.1");
		f->servers[i].addresses[0].quorum_port = i == 0 ? f->port : f->leader_port;
	}
	peers_places_find(&f->places, &f->servers[0], false);
	f->options = (struct peers_links_options){
		.servers = f->servers,
		.server_count = 2,
		.places = &f->places,
		.input_size_max = 1 << 20,
		.output_size_max = OUTPUT_SIZE_MAX,
		.first_timeout_ms = 60000,
		.connect_timeout_ms = 5000,
	};
	f->links = peers_links_new(&f->loop, &f->options, &events, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	peers_links_free(f->links);
	assert_int_equal(loop_release(&f->loop), 0);
	for (int i = 0; i < 2; i++)
		quorum_server_release(&f->servers[i]);
	buf_release(&f->seen);
	buf_release(&f->stream);
	free(f);
	return 0;
}

static bool saw(struct fixture *f, const char *text)
{
	return bytes_equal_text(buf_bytes(&f->seen), text);
}

/* A learner: its end; the number of ours is in f->accepted. */
static int accept_one(struct fixture *f)
{
	zab_link_t before = f->accepted;
	int fd = raw_connect(f->port);

	turn_until(f, f->accepted != before);
	return fd;
}

/* Read what there is into buf; false once the stream has ended. */
static bool reads(int fd, struct buf *buf)
{
	char part[65536];
	ssize_t size = recv(fd, part, sizeof(part), 0);

	if (size > 0)
		buf_append(buf, part, (size_t)size);
	return size > 0 || (size < 0 && errno == EAGAIN);
}

static bool has_ended(int fd)
{
	char byte;
	ssize_t size = recv(fd, &byte, 1, 0);

	return size == 0 || (size < 0 && errno != EAGAIN);
}

static void links_are_accepted_only_while_it_listens(void **state)
{
	struct fixture *f = *state;
	int fd, other;

	peers_links_listen(f->links);
	fd = accept_one(f);
	assert_true(peers_links_has(f->links, f->accepted));
	peers_links_unlisten(f->links);
	loop_turn(&f->loop, false);
	/* The port is free again, and the link stays. */
	other = raw_listen(f->port);
	close(other);
	assert_true(peers_links_has(f->links, f->accepted));
	close(fd);
	turn_until(f, f->closed == f->accepted);
}

static void a_port_that_is_taken_is_told_before_and_awaited_later(void **state)
{
	struct fixture *f = *state;
	int taken = raw_listen(f->port);
	char *sentence = NULL;

	assert_int_equal(peers_links_try_to_listen(f->links, &sentence), -EADDRINUSE);
	assert_non_null(strstr(sentence, "can't listen for peers on 127.0.0.1 port"));
	free(sentence);
	peers_links_listen(f->links);
	close(taken);
	/* Once it is free a learner gets in. */
	for (;;) {
		int fd = raw_socket();
		struct sockaddr_in to = {.sin_family = AF_INET,
					 .sin_port = htons(f->port),
					 .sin_addr = {htonl(INADDR_LOOPBACK)}};
		bool is_in = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;

		loop_turn(&f->loop, false);
		if (is_in)
			turn_until(f, f->accepted != 0);
		close(fd);
		if (is_in)
			break;
	}
}

static void bytes_are_handed_out_step_by_step(void **state)
{
	struct fixture *f = *state;
	int fd;

	peers_links_listen(f->links);
	fd = accept_one(f);
	raw_send(fd, "abcdefg", 7);
	turn_until(f, saw(f, "abc|def|"));
	raw_send(fd, "hi", 2);
	turn_until(f, saw(f, "abc|def|ghi|"));
	close(fd);
}

static void a_paused_link_is_read_again_later(void **state)
{
	struct fixture *f = *state;
	int fd;

	peers_links_listen(f->links);
	fd = accept_one(f);
	f->pauses = true;
	raw_send(fd, "abcdef", 6);
	turn_until(f, saw(f, "abc|"));
	for (int i = 0; i < 10; i++)
		loop_turn(&f->loop, false);
	assert_true(saw(f, "abc|"));
	peers_links_set_paused(f->links, f->accepted, false);
	turn_until(f, saw(f, "abc|def|"));
	close(fd);
}

static void a_link_may_be_ended_within_its_bytes(void **state)
{
	struct fixture *f = *state;
	int fd;

	peers_links_listen(f->links);
	fd = accept_one(f);
	f->ends = true;
	raw_send(fd, "abcdef", 6);
	turn_until(f, has_ended(fd));
	assert_true(saw(f, "abc|"));
	assert_int_equal(f->closed_count, 0);
	peers_links_send(f->links, f->accepted, bytes_of_text("late"));
	close(fd);
}

static void what_was_sent_before_an_end_arrives(void **state)
{
	struct fixture *f = *state;
	struct buf got;
	int fd;

	peers_links_listen(f->links);
	fd = accept_one(f);
	peers_links_send(f->links, f->accepted, bytes_of_text("last words"));
	peers_links_end(f->links, f->accepted);
	buf_init(&got, 4096);
	turn_until(f, !reads(fd, &got));
	assert_true(bytes_equal_text(buf_bytes(&got), "last words"));
	buf_release(&got);
	close(fd);
}

static void connecting_goes_on_until_the_leader_listens(void **state)
{
	struct fixture *f = *state;
	struct buf got;
	int listener, fd = -1;

	peers_links_connect(f->links, 2, loop_now_ms(&f->loop) + 60000);
	for (int i = 0; i < 3; i++)
		loop_turn(&f->loop, true);
	listener = raw_listen(f->leader_port);
	turn_until(f, f->connected != ZAB_LINK_NONE);
	assert_int_equal(f->connected_count, 1);
	fd = accept(listener, NULL, NULL);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	peers_links_send(f->links, f->connected, bytes_of_text("FOLLOWERINFO"));
	buf_init(&got, 4096);
	turn_until(f, (reads(fd, &got), got.size == 12));
	buf_release(&got);
	close(fd);
	turn_until(f, f->closed == f->connected);
	close(listener);
}

static void connecting_ends_at_its_deadline(void **state)
{
	struct fixture *f = *state;

	peers_links_connect(f->links, 2, loop_now_ms(&f->loop) + 250);
	turn_until(f, f->connected_count == 1);
	assert_int_equal(f->connected, ZAB_LINK_NONE);
}

static void connecting_can_be_taken_back(void **state)
{
	struct fixture *f = *state;
	int listener = raw_listen(f->leader_port);

	peers_links_connect(f->links, 2, loop_now_ms(&f->loop) + 60000);
	peers_links_disconnect(f->links);
	for (int i = 0; i < 10; i++)
		loop_turn(&f->loop, false);
	assert_int_equal(f->connected_count, 0);
	close(listener);
}

static void a_learner_that_does_not_read_is_closed_and_stalls_no_other(void **state)
{
	struct fixture *f = *state;
	char *packet = mem_zalloc(1 << 20);
	zab_link_t slow, good;
	struct buf got;
	int slow_fd, good_fd;

	peers_links_listen(f->links);
	slow_fd = accept_one(f);
	slow = f->accepted;
	good_fd = accept_one(f);
	good = f->accepted;
	buf_init(&got, 256 << 20);
	for (size_t sent = 1; peers_links_has(f->links, slow); sent++) {
		assert_true(sent < 64);
		peers_links_send(f->links, slow, bytes_of(packet, 1 << 20));
		peers_links_send(f->links, good, bytes_of(packet, 1 << 20));
		turn_until(f, (reads(good_fd, &got), got.size == sent << 20));
	}
	turn_until(f, f->closed == slow);
	assert_true(peers_links_has(f->links, good));
	buf_release(&got);
	free(packet);
	close(slow_fd);
	close(good_fd);
}

static void put_packet(struct buf *buf, uint32_t type)
{
	uint8_t packet[ZAB_PACKET_SIZE_MIN] = {0};

	endian_put_u32(packet, type);
	buf_append(buf, packet, sizeof(packet));
}

static void nothing_comes_between_the_chunks_of_a_stream(void **state)
{
	enum { STREAM_SIZE = 20 << 20 };
	struct fixture *f = *state;
	struct buf got, packets, ping;
	int fd;

	buf_init(&packets, 4096);
	buf_init(&ping, 4096);
	put_packet(&packets, ZAB_NEWLEADER);
	put_packet(&ping, ZAB_PING);
	memset(buf_extend(&f->stream, STREAM_SIZE), 's', STREAM_SIZE);
	peers_links_listen(f->links);
	fd = accept_one(f);
	peers_links_send(f->links, f->accepted, bytes_of_text("SNAP"));
	peers_links_begin_stream(f->links, f->accepted);
	f->is_feeding = true;
	/* The peer does not read yet: no more is on the link than its share. */
	peers_links_send(f->links, f->accepted, buf_bytes(&packets));
	peers_links_send(f->links, f->accepted, buf_bytes(&ping));
	for (int i = 0; i < 200; i++)
		turn(f, uv_hrtime() / 1000000);
	assert_true(f->stream.size > STREAM_SIZE / 4);
	assert_true(f->chunk_count < STREAM_SIZE / CHUNK_SIZE);

	buf_init(&got, 64 << 20);
	turn_until(f, (reads(fd, &got), got.size >= 4 + STREAM_SIZE + packets.size));
	assert_int_equal(got.size, 4 + STREAM_SIZE + packets.size);
	assert_memory_equal(got.data, "SNAP", 4);
	for (size_t i = 4; i < 4 + STREAM_SIZE; i++)
		assert_int_equal(got.data[i], 's');
	assert_memory_equal(got.data + 4 + STREAM_SIZE, packets.data, packets.size);
	/* Behind it everything goes at once again. */
	peers_links_send(f->links, f->accepted, buf_bytes(&ping));
	buf_reset(&got);
	turn_until(f, (reads(fd, &got), got.size == ping.size));
	buf_release(&got);
	buf_release(&packets);
	buf_release(&ping);
	close(fd);
}

static void a_stream_that_leaves_at_once_waits_for_no_event(void **state)
{
	struct fixture *f = *state;
	int fd;

	memset(buf_extend(&f->stream, CHUNK_SIZE / 2), 's', CHUNK_SIZE / 2);
	peers_links_listen(f->links);
	fd = accept_one(f);
	peers_links_begin_stream(f->links, f->accepted);
	peers_links_feed_streams(f->links);
	/* The one chunk, and the end. */
	assert_int_equal(f->chunk_count, 2);
	close(fd);
}

static void a_stream_ends_with_its_link(void **state)
{
	struct fixture *f = *state;
	int fd;

	memset(buf_extend(&f->stream, 20 << 20), 's', 20 << 20);
	peers_links_listen(f->links);
	fd = accept_one(f);
	peers_links_begin_stream(f->links, f->accepted);
	f->is_feeding = true;
	turn_until(f, f->chunk_count > 3);
	close(fd);
	turn_until(f, f->closed == f->accepted);
}

static void with_first_timeout(struct fixture *f, msec_t timeout_ms)
{
	peers_links_free(f->links);
	f->options.first_timeout_ms = timeout_ms;
	f->links = peers_links_new(&f->loop, &f->options, &events, f);
}

static void a_stream_that_does_not_move_ends(void **state)
{
	struct fixture *f = *state;
	struct buf got;
	int fd;

	with_first_timeout(f, 200);
	memset(buf_extend(&f->stream, 20 << 20), 's', 20 << 20);
	peers_links_listen(f->links);
	fd = accept_one(f);
	raw_send(fd, "abc", 3);
	turn_until(f, saw(f, "abc|"));
	peers_links_begin_stream(f->links, f->accepted);
	f->is_feeding = true;
	turn_until(f, f->closed == f->accepted);
	buf_init(&got, 64 << 20);
	turn_until(f, !reads(fd, &got));
	assert_true(got.size < 20 << 20);
	buf_release(&got);
	close(fd);
}

static void who_says_nothing_is_closed_in_time(void **state)
{
	struct fixture *f = *state;
	int silent, good;

	with_first_timeout(f, 100);
	peers_links_listen(f->links);
	good = accept_one(f);
	raw_send(good, "abc", 3);
	silent = accept_one(f);
	raw_send(silent, "ab", 2);
	turn_until(f, f->closed == f->accepted);
	assert_int_equal(peers_links_count(f->links), 1);
	close(good);
	close(silent);
}

static void a_flood_of_silent_links_keeps_no_learner_out(void **state)
{
	enum { FLOOD = 3 * PEERS_LINKS_FRESH_MAX };
	struct fixture *f = *state;
	int flood[FLOOD];
	int fd;

	peers_links_listen(f->links);
	for (int i = 0; i < FLOOD; i++) {
		flood[i] = raw_connect(f->port);
		loop_turn(&f->loop, false);
	}
	turn_until(f, f->closed_count == FLOOD - PEERS_LINKS_FRESH_MAX);
	fd = accept_one(f);
	raw_send(fd, "abc", 3);
	turn_until(f, saw(f, "abc|"));
	for (int i = 0; i < FLOOD; i++)
		close(flood[i]);
	turn_until(f, peers_links_count(f->links) == 1);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(links_are_accepted_only_while_it_listens),
		TEST(a_port_that_is_taken_is_told_before_and_awaited_later),
		TEST(bytes_are_handed_out_step_by_step),
		TEST(a_paused_link_is_read_again_later),
		TEST(a_link_may_be_ended_within_its_bytes),
		TEST(what_was_sent_before_an_end_arrives),
		TEST(connecting_goes_on_until_the_leader_listens),
		TEST(connecting_ends_at_its_deadline),
		TEST(connecting_can_be_taken_back),
		TEST(a_learner_that_does_not_read_is_closed_and_stalls_no_other),
		TEST(nothing_comes_between_the_chunks_of_a_stream),
		TEST(a_stream_that_leaves_at_once_waits_for_no_event),
		TEST(a_stream_ends_with_its_link),
		TEST(a_stream_that_does_not_move_ends),
		TEST(who_says_nothing_is_closed_in_time),
		TEST(a_flood_of_silent_links_keeps_no_learner_out),
	};

	return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
