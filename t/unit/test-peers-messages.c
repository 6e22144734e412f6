/* The election connections: messages, and what is told of who can be reached. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replica/io/initiation.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/io/address.h"
#include "t/unit/cmocka.h"
#include "t/unit/peers-fixture.h"
#include "t/unit/raw-socket.h"

/* ---- messages ---- */

static void a_newer_message_replaces_one_that_waits(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	sends(f, 1, "first");
	sends(f, 1, "second");
	turn_until(f, f->reach == ELECTION_UNREACHABLE);
	sends(f, 1, "third");
	peer_listens(f, 1);
	fd = peer_accepts(f, f->listeners[at(1)]);
	peer_sees_initiation(f, fd);
	peer_sees_frame(f, fd, "third");
	close(fd);
}

static void a_peer_that_does_not_read_holds_one_message(void **state)
{
	enum { MESSAGE_SIZE = 400000, MESSAGE_COUNT = 100 };
	struct fixture *f = *state;
	char *message = mem_alloc(MESSAGE_SIZE);
	struct buf got;
	int fd;

	start(f);
	fd = peer_connects(f);
	peer_initiates(fd, 9, 1);
	turn_until(f, peers_election_is_connected(f->peers, 9));
	for (int i = 0; i < MESSAGE_COUNT; i++) {
		memset(message, 'a' + i % 26, MESSAGE_SIZE);
		peers_election_send(f->peers, 9, bytes_of(message, MESSAGE_SIZE));
		loop_turn(&f->loop, false);
	}
	sends(f, 9, "newest");
	/* Far fewer than were sent come, and the last of them is the last. */
	buf_init(&got, (size_t)MESSAGE_SIZE * MESSAGE_COUNT);
	turn_until(f, (peer_reads(fd, &got),
		       got.size >= 6 && memcmp(got.data + got.size - 6, "newest", 6) == 0));
	assert_true(got.size < (size_t)MESSAGE_SIZE * MESSAGE_COUNT / 2);
	assert_true(peers_election_is_connected(f->peers, 9));
	buf_release(&got);
	free(message);
	close(fd);
}

static void an_initiation_and_frames_arrive_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	struct buf buf;
	int fd;

	start(f);
	buf_init(&buf, 4096);
	put_initiation(&buf, -65535, 9, "127.0.0.1:1|[::1]:2");
	put_frame(&buf, "one");
	put_frame(&buf, "two");
	fd = peer_connects(f);
	for (size_t i = 0; i < buf.size; i++) {
		raw_send(fd, buf.data + i, 1);
		loop_turn(&f->loop, false);
	}
	turn_until(f, f->frame_count == 2);
	assert_true(saw(f, "9:one|9:two|"));
	buf_release(&buf);
	close(fd);
}

static void frames_of_one_read_all_arrive(void **state)
{
	struct fixture *f = *state;
	struct buf buf;
	int fd;

	start(f);
	buf_init(&buf, 4096);
	put_initiation(&buf, -65536, 9, "127.0.0.1:1");
	put_frame(&buf, "one");
	put_frame(&buf, "two");
	fd = peer_connects(f);
	raw_send(fd, buf.data, buf.size);
	turn_until(f, f->frame_count == 2);
	assert_true(saw(f, "9:one|9:two|"));
	buf_release(&buf);
	close(fd);
}

static void expect_length_to_end_it(struct fixture *f, uint32_t length)
{
	uint8_t bytes[4];
	int fd = peer_connects(f);

	peer_initiates(fd, 9, 1);
	turn_until(f, peers_election_is_connected(f->peers, 9));
	endian_put_u32(bytes, length);
	raw_send(fd, bytes, sizeof(bytes));
	peer_sees_the_end(f, fd);
	assert_false(peers_election_is_connected(f->peers, 9));
}

static void a_frame_of_a_wrong_length_ends_the_connection(void **state)
{
	struct fixture *f = *state;

	start(f);
	expect_length_to_end_it(f, 0);
	expect_length_to_end_it(f, PEERS_FRAME_SIZE_MAX + 1);
	expect_length_to_end_it(f, UINT32_MAX);
	assert_int_equal(f->frame_count, 0);
}

static void the_largest_frame_arrives(void **state)
{
	struct fixture *f = *state;
	char *text = mem_zalloc(PEERS_FRAME_SIZE_MAX + 1);
	struct buf buf;
	size_t sent = 0;
	int fd;

	start(f);
	memset(text, 'x', PEERS_FRAME_SIZE_MAX);
	buf_init(&buf, 2 * PEERS_FRAME_SIZE_MAX);
	put_initiation(&buf, -65536, 9, "127.0.0.1:1");
	put_frame(&buf, text);
	fd = peer_connects(f);
	while (sent < buf.size) {
		ssize_t size = send(fd, buf.data + sent, buf.size - sent, MSG_NOSIGNAL);

		sent += size > 0 ? (size_t)size : 0;
		loop_turn(&f->loop, false);
	}
	turn_until(f, f->frame_count == 1);
	assert_int_equal(f->seen.size, PEERS_FRAME_SIZE_MAX + strlen("9:|"));
	buf_release(&buf);
	free(text);
	close(fd);
}

/* ---- who can be reached ---- */

static void what_the_socket_says_is_told_once(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	sends(f, 1, "vote");
	turn_until(f, f->reach == ELECTION_UNREACHABLE);
	assert_int_equal(f->reach_sid, 1);
	/* Some rounds of dialing later that is no news. */
	peer_listens(f, 1);
	fd = peer_accepts(f, f->listeners[at(1)]);
	turn_until(f, f->reach == ELECTION_REACHABLE);
	assert_int_equal(f->reach_count, 2);
	close(fd);
	turn_until(f, f->reach == ELECTION_UNREACHABLE);
	assert_int_equal(f->reach_count, 3);
}

/* A listener whose queue is full: who connects there waits as for a dead host. */
static int listen_and_be_dead(struct fixture *f, int64_t sid, int fillers[ACCEPTED_MAX])
{
	uint16_t port = (uint16_t)f->servers[at(sid)].addresses[0].election_port;
	struct sockaddr_storage address;
	int fd = raw_socket();

	raw_bind(fd, port);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(address_parse("127.0.0.1", port, &address), 0);
	for (int i = 0; i < ACCEPTED_MAX; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fillers[i], (struct sockaddr *)&address, sizeof(struct sockaddr_in));
	}
	return fd;
}

static void a_dead_server_delays_no_other(void **state)
{
	struct fixture *f = *state;
	int fillers[ACCEPTED_MAX];
	int dead = listen_and_be_dead(f, 7, fillers);
	uint64_t begin_ms;
	int fd;

	peer_listens(f, 1);
	start(f);
	begin_ms = uv_hrtime() / 1000000;
	sends(f, 7, "vote");
	sends(f, 1, "vote");
	fd = peer_accepts(f, f->listeners[at(1)]);
	peer_sees_initiation(f, fd);
	peer_sees_frame(f, fd, "vote");
	assert_true(uv_hrtime() / 1000000 - begin_ms < PEERS_CONNECT_TIMEOUT_MS);
	for (int i = 0; i < ACCEPTED_MAX; i++)
		close(fillers[i]);
	close(dead);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_newer_message_replaces_one_that_waits),
		TEST(a_peer_that_does_not_read_holds_one_message),
		TEST(an_initiation_and_frames_arrive_byte_by_byte),
		TEST(frames_of_one_read_all_arrive),
		TEST(a_frame_of_a_wrong_length_ends_the_connection),
		TEST(the_largest_frame_arrives),
		TEST(what_the_socket_says_is_told_once),
		TEST(a_dead_server_delays_no_other),
	};

	return cmocka_run_group_tests_name("peers messages", tests, NULL, NULL);
}
