/*
 * The election connections over real loopback sockets. The peers are plain
 * descriptors, so that each test says byte by byte what is on the wire. The
 * server under test is number 5 of 1, 5, 7 and 9.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replica/io/initiation.h"
#include "replica/io/peers_election.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/io/address.h"
#include "t/unit/cmocka.h"
#include "t/unit/raw-socket.h"

enum { DEADLINE_MS = 10000, MYID = 5, MEMBER_COUNT = 4, ACCEPTED_MAX = 8 };

struct fixture {
	struct loop loop;
	struct quorum_server servers[MEMBER_COUNT];
	int listeners[MEMBER_COUNT]; /* the peers' own; -1: nobody listens */
	uint16_t port;               /* where the server under test listens */
	msec_t initiation_timeout_ms;
	struct peers_election *peers;

	struct buf seen; /* "sid:frame|" */
	size_t frame_count;
	int64_t reach_sid;
	enum election_reach reach;
	size_t reach_count;
};

static const int64_t sids[MEMBER_COUNT] = {1, MYID, 7, 9};

static void turn(struct fixture *f, uint64_t begin_ms)
{
	if (uv_hrtime() / 1000000 - begin_ms > DEADLINE_MS)
		fail_msg("the condition did not come true in time");
	loop_turn(&f->loop, false);
	if (f->peers)
		peers_election_check(f->peers);
}

#define turn_until(f, condition)                                                                   \
	do {                                                                                       \
		uint64_t begin_ms_ = uv_hrtime() / 1000000;                                        \
		while (!(condition))                                                               \
			turn(f, begin_ms_);                                                        \
	} while (0)

/* ---- the server under test ---- */

static void note_notification(int64_t sid, struct bytes frame, void *data)
{
	struct fixture *f = data;

	buf_printf(&f->seen, "%lld:", (long long)sid);
	buf_append(&f->seen, frame.data, bytes_size(frame));
	buf_append(&f->seen, "|", 1);
	f->frame_count++;
}

static void note_reach(int64_t sid, enum election_reach reach, void *data)
{
	struct fixture *f = data;

	f->reach_sid = sid;
	f->reach = reach;
	f->reach_count++;
}

static int at(int64_t sid)
{
	int i = 0;

	while (i < MEMBER_COUNT - 1 && sids[i] != sid)
		i++;
	assert_int_equal(sids[i], sid);
	return i;
}

static void peer_listens(struct fixture *f, int64_t sid)
{
	f->listeners[at(sid)] =
		raw_listen((uint16_t)f->servers[at(sid)].addresses[0].election_port);
}

static void start(struct fixture *f)
{
	static const struct peers_election_events events = {
		.notification = note_notification,
		.reach = note_reach,
	};
	struct peers_places places;
	struct peers_election_options options = {
		.servers = f->servers,
		.server_count = MEMBER_COUNT,
		.myid = MYID,
		.places = &places,
		.initiation_timeout_ms = f->initiation_timeout_ms,
	};
	char *error = NULL;

	peers_places_find(&places, &f->servers[at(MYID)], false);
	assert_int_equal(peers_election_open(&f->loop, &options, &events, f, &f->peers, &error), 0);
}

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	log_set_level(LOG_LEVEL_ERROR);
	buf_init(&f->seen, 64 << 20);
	f->initiation_timeout_ms = 60000;
	for (int i = 0; i < MEMBER_COUNT; i++) {
		f->listeners[i] = -1;
		f->servers[i] = (struct quorum_server){.id = sids[i], .address_count = 1};
		f->servers[i].addresses[0].host = mem_strdup("127.0.0.1");
		f->servers[i].addresses[0].election_port = raw_free_port();
	}
	f->port = (uint16_t)f->servers[at(MYID)].addresses[0].election_port;
	*state = f;
	return loop_init(&f->loop);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	peers_election_close(f->peers);
	for (int i = 0; i < MEMBER_COUNT; i++) {
		if (f->listeners[i] >= 0)
			close(f->listeners[i]);
		quorum_server_release(&f->servers[i]);
	}
	assert_int_equal(loop_release(&f->loop), 0);
	buf_release(&f->seen);
	free(f);
	return 0;
}

static void sends(struct fixture *f, int64_t sid, const char *text)
{
	peers_election_send(f->peers, sid, bytes_of_text(text));
}

static bool saw(struct fixture *f, const char *text)
{
	return bytes_equal_text(buf_bytes(&f->seen), text);
}

/* ---- a peer, by hand ---- */

static int peer_accepts(struct fixture *f, int listener)
{
	int fd = -1;

	turn_until(f, (fd = accept(listener, NULL, NULL)) >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static int peer_connects(struct fixture *f)
{
	return raw_connect(f->port);
}

static void put_u64(struct buf *buf, uint64_t number)
{
	uint8_t bytes[8];

	endian_put_u64(bytes, number);
	buf_append(buf, bytes, 8);
}

static void put_u32(struct buf *buf, uint32_t number)
{
	uint8_t bytes[4];

	endian_put_u32(bytes, number);
	buf_append(buf, bytes, 4);
}

static void put_initiation(struct buf *buf, int64_t version, int64_t sid, const char *addresses)
{
	put_u64(buf, (uint64_t)version);
	put_u64(buf, (uint64_t)sid);
	put_u32(buf, (uint32_t)strlen(addresses));
	buf_append_text(buf, addresses);
}

static void put_frame(struct buf *buf, const char *text)
{
	put_u32(buf, (uint32_t)strlen(text));
	buf_append_text(buf, text);
}

static void peer_initiates(int fd, int64_t sid, uint16_t port)
{
	struct buf buf;
	char address[64];

	buf_init(&buf, 4096);
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	put_initiation(&buf, -65536, sid, address);
	raw_send(fd, buf.data, buf.size);
	buf_release(&buf);
}

static void peer_sends_frame(int fd, const char *text)
{
	struct buf buf;

	buf_init(&buf, 1 << 20);
	put_frame(&buf, text);
	raw_send(fd, buf.data, buf.size);
	buf_release(&buf);
}

/* Read what there is into buf; false once the stream has ended. */
static bool peer_reads(int fd, struct buf *buf)
{
	char part[65536];
	ssize_t size = recv(fd, part, sizeof(part), 0);

	if (size > 0)
		buf_append(buf, part, (size_t)size);
	return size > 0 || (size < 0 && errno == EAGAIN);
}

static size_t peer_takes(int fd, uint8_t *at, size_t size_max)
{
	ssize_t size = recv(fd, at, size_max, 0);

	return size > 0 ? (size_t)size : 0;
}

/* The next bytes; what comes behind them stays. */
static void peer_sees(struct fixture *f, int fd, const struct buf *expected)
{
	uint8_t *got = mem_alloc(expected->size);
	size_t size = 0;

	turn_until(f, (size += peer_takes(fd, got + size, expected->size - size),
		       size == expected->size));
	assert_memory_equal(got, expected->data, size);
	free(got);
}

static void peer_sees_frame(struct fixture *f, int fd, const char *text)
{
	struct buf expected;

	buf_init(&expected, 1 << 20);
	put_frame(&expected, text);
	peer_sees(f, fd, &expected);
	buf_release(&expected);
}

static void peer_sees_initiation(struct fixture *f, int fd)
{
	struct buf expected;
	char address[64];

	buf_init(&expected, 4096);
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", f->port);
	put_initiation(&expected, -65536, MYID, address);
	peer_sees(f, fd, &expected);
	buf_release(&expected);
}

static void peer_sees_the_end(struct fixture *f, int fd)
{
	struct buf got;

	buf_init(&got, 1 << 20);
	turn_until(f, !peer_reads(fd, &got));
	assert_int_equal(got.size, 0);
	buf_release(&got);
	close(fd);
}

/* ---- the initiation ---- */

static void the_captured_initiation_is_read_and_written(void **state)
{
	static const uint8_t captured[] = "\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"
					  "\x00\x01\x00\x00\x00\x0f"
					  "127.0.0.1:30311";
	struct quorum_server self = {.id = 1, .address_count = 1};
	struct initiation initiation;
	struct buf buf;

	self.addresses[0] = (struct quorum_address){.host = "127.0.0.1", .election_port = 30311};
	buf_init(&buf, 4096);
	initiation_write(&buf, &self, false);
	assert_true(bytes_equal(buf_bytes(&buf), bytes_of(captured, sizeof(captured) - 1)));
	assert_int_equal(initiation_read(buf_bytes(&buf), &initiation), buf.size);
	assert_int_equal(initiation.sid, 1);
	assert_int_equal(initiation.address_count, 1);
	assert_string_equal(initiation.addresses[0].host, "127.0.0.1");
	assert_int_equal(initiation.addresses[0].port, 30311);
	for (size_t size = 0; size < buf.size; size++)
		assert_int_equal(initiation_read(bytes_of(buf.data, size), &initiation), 0);
	buf_release(&buf);
}

static void several_addresses_and_brackets_are_read_back(void **state)
{
	struct quorum_server self = {.id = 3, .address_count = 3};
	struct initiation initiation;
	struct buf buf;

	self.addresses[0] = (struct quorum_address){.host = "zk-3.example", .election_port = 3888};
	self.addresses[1] = (struct quorum_address){.host = "::1", .election_port = 3889};
	self.addresses[2] = (struct quorum_address){.host = "0.0.0.0", .election_port = 3890};
	buf_init(&buf, 4096);
	initiation_write(&buf, &self, true);
	assert_int_equal(endian_get_u64(buf.data), UINT64_C(0xffffffffffff0001));
	assert_int_equal(initiation_read(buf_bytes(&buf), &initiation), buf.size);
	/* A wildcard is nowhere to call back to. */
	assert_int_equal(initiation.address_count, 2);
	assert_string_equal(initiation.addresses[0].host, "zk-3.example");
	assert_string_equal(initiation.addresses[1].host, "::1");
	assert_int_equal(initiation.addresses[1].port, 3889);
	buf_release(&buf);
}

static void a_server_of_3_4_says_its_number_alone(void **state)
{
	struct initiation initiation;
	struct buf buf;

	buf_init(&buf, 64);
	put_u64(&buf, 3);
	buf_append_text(&buf, "what follows");
	assert_int_equal(initiation_read(buf_bytes(&buf), &initiation), 8);
	assert_int_equal(initiation.sid, 3);
	assert_int_equal(initiation.address_count, 0);
	buf_release(&buf);
}

static void expect_malformed(int64_t version, int64_t sid, const char *addresses)
{
	struct initiation initiation;
	struct buf buf;

	buf_init(&buf, 8192);
	put_initiation(&buf, version, sid, addresses);
	assert_int_equal(initiation_read(buf_bytes(&buf), &initiation), -EBADMSG);
	buf_release(&buf);
}

static void malformed_initiations_are_none(void **state)
{
	char long_text[INITIATION_TEXT_SIZE_MAX + 2];
	struct initiation initiation;
	struct buf buf;

	expect_malformed(-65537, 1, "a:1");
	expect_malformed(-65534, 1, "a:1");
	expect_malformed(-1, 1, "a:1");
	expect_malformed(-65536, -1, "a:1");
	expect_malformed(-65536, 1, "");
	expect_malformed(-65536, 1, "a");
	expect_malformed(-65536, 1, ":1");
	expect_malformed(-65536, 1, "a:");
	expect_malformed(-65536, 1, "a:0");
	expect_malformed(-65536, 1, "a:65536");
	expect_malformed(-65536, 1, "a:-1");
	expect_malformed(-65536, 1, "a:1|");
	expect_malformed(-65536, 1, "[::1:1");
	expect_malformed(-65536, 1, "[]:1");
	expect_malformed(-65536, 1, "a b:1");
	expect_malformed(-65536, 1, "a\n:1");
	memset(long_text, 'a', sizeof(long_text));
	memcpy(long_text + sizeof(long_text) - 3, ":1", 3);
	expect_malformed(-65536, 1, long_text);

	/* The length is judged as soon as it is there; a zero byte is no text. */
	buf_init(&buf, 64);
	put_u64(&buf, (uint64_t)-65536);
	put_u64(&buf, 1);
	put_u32(&buf, UINT32_MAX);
	assert_int_equal(initiation_read(buf_bytes(&buf), &initiation), -EBADMSG);
	buf_truncate(&buf, 16);
	put_u32(&buf, 4);
	buf_append(&buf, "a\0:1", 4);
	assert_int_equal(initiation_read(buf_bytes(&buf), &initiation), -EBADMSG);
	buf_release(&buf);
}

/* ---- which connection is kept ---- */

static void to_a_smaller_server_the_own_connection_is_kept(void **state)
{
	struct fixture *f = *state;
	int fd;

	peer_listens(f, 1);
	start(f);
	sends(f, 1, "vote");
	fd = peer_accepts(f, f->listeners[at(1)]);
	peer_sees_initiation(f, fd);
	peer_sees_frame(f, fd, "vote");
	peer_sends_frame(fd, "answer");
	turn_until(f, f->frame_count == 1);
	assert_true(saw(f, "1:answer|"));
	assert_true(peers_election_is_connected(f->peers, 1));
	close(fd);
}

static void to_a_larger_server_it_says_who_it_is_and_is_called_back(void **state)
{
	struct fixture *f = *state;
	int fd;

	peer_listens(f, 9);
	start(f);
	sends(f, 9, "vote");
	fd = peer_accepts(f, f->listeners[at(9)]);
	peer_sees_initiation(f, fd);
	peer_sees_the_end(f, fd);
	assert_false(peers_election_is_connected(f->peers, 9));

	fd = peer_connects(f);
	peer_initiates(fd, 9, 1);
	peer_sees_frame(f, fd, "vote");
	assert_true(peers_election_is_connected(f->peers, 9));
	close(fd);
}

static void a_larger_server_that_does_not_call_back_is_dialed_again(void **state)
{
	struct fixture *f = *state;

	peer_listens(f, 9);
	start(f);
	sends(f, 9, "vote");
	for (int i = 0; i < 3; i++) {
		int fd = peer_accepts(f, f->listeners[at(9)]);

		peer_sees_initiation(f, fd);
		peer_sees_the_end(f, fd);
	}
}

static void a_smaller_server_is_called_back_where_it_said(void **state)
{
	struct fixture *f = *state;
	int elsewhere = raw_listen(0);
	int fd;

	peer_listens(f, 1);
	start(f);
	fd = peer_connects(f);
	peer_initiates(fd, 1, raw_port(elsewhere));
	peer_sees_the_end(f, fd);
	fd = peer_accepts(f, elsewhere);
	peer_sees_initiation(f, fd);
	turn_until(f, peers_election_is_connected(f->peers, 1));
	peer_sends_frame(fd, "hello");
	turn_until(f, saw(f, "1:hello|"));
	assert_true(accept(f->listeners[at(1)], NULL, NULL) < 0);
	close(fd);
	close(elsewhere);
}

static void without_an_address_it_is_called_back_where_it_is_configured(void **state)
{
	struct fixture *f = *state;
	uint8_t sid[8];
	int fd;

	peer_listens(f, 1);
	start(f);
	fd = peer_connects(f);
	endian_put_u64(sid, 1);
	raw_send(fd, sid, sizeof(sid));
	peer_sees_the_end(f, fd);
	fd = peer_accepts(f, f->listeners[at(1)]);
	peer_sees_initiation(f, fd);
	close(fd);
}

static void an_address_that_refuses_is_followed_by_the_configured_one(void **state)
{
	struct fixture *f = *state;
	int fd;

	peer_listens(f, 1);
	start(f);
	fd = peer_connects(f);
	peer_initiates(fd, 1, raw_free_port());
	peer_sees_the_end(f, fd);
	fd = peer_accepts(f, f->listeners[at(1)]);
	peer_sees_initiation(f, fd);
	close(fd);
}

static void a_smaller_servers_call_ends_the_older_connection(void **state)
{
	struct fixture *f = *state;
	int older, call, newer;

	peer_listens(f, 1);
	start(f);
	sends(f, 1, "vote");
	older = peer_accepts(f, f->listeners[at(1)]);
	peer_sees_initiation(f, older);
	peer_sees_frame(f, older, "vote");
	call = peer_connects(f);
	peer_initiates(call, 1, (uint16_t)f->servers[at(1)].addresses[0].election_port);
	peer_sees_the_end(f, call);
	peer_sees_the_end(f, older);
	newer = peer_accepts(f, f->listeners[at(1)]);
	peer_sees_initiation(f, newer);
	/* It may have lost the last message with the connection. */
	peer_sees_frame(f, newer, "vote");
	close(newer);
}

static void a_larger_servers_newer_connection_replaces_the_older(void **state)
{
	struct fixture *f = *state;
	int older, newer;

	start(f);
	older = peer_connects(f);
	peer_initiates(older, 9, 1);
	turn_until(f, peers_election_is_connected(f->peers, 9));
	sends(f, 9, "vote");
	peer_sees_frame(f, older, "vote");
	newer = peer_connects(f);
	peer_initiates(newer, 9, 1);
	peer_sees_the_end(f, older);
	peer_sees_frame(f, newer, "vote");
	assert_true(peers_election_is_connected(f->peers, 9));
	close(newer);
}

static void the_own_number_from_outside_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = peer_connects(f);
	peer_initiates(fd, MYID, 1);
	peer_sees_the_end(f, fd);
	assert_int_equal(peers_election_stranger_count(f->peers), 0);
}

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

/* ---- strangers ---- */

static void a_larger_stranger_is_heard_and_answered_and_forgotten(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = peer_connects(f);
	peer_initiates(fd, 77, 1);
	peer_sends_frame(fd, "who leads");
	turn_until(f, saw(f, "77:who leads|"));
	sends(f, 77, "nine");
	peer_sees_frame(f, fd, "nine");
	assert_int_equal(peers_election_stranger_count(f->peers), 1);
	assert_int_equal(f->reach_count, 0);
	close(fd);
	turn_until(f, peers_election_stranger_count(f->peers) == 0);
	sends(f, 77, "to nobody");
}

static void a_smaller_stranger_is_called_back_where_it_said(void **state)
{
	struct fixture *f = *state;
	int elsewhere = raw_listen(0);
	int fd;

	start(f);
	fd = peer_connects(f);
	peer_initiates(fd, 3, raw_port(elsewhere));
	peer_sees_the_end(f, fd);
	fd = peer_accepts(f, elsewhere);
	peer_sees_initiation(f, fd);
	turn_until(f, peers_election_is_connected(f->peers, 3));
	close(fd);
	close(elsewhere);
	turn_until(f, peers_election_stranger_count(f->peers) == 0);
}

static void a_smaller_stranger_that_can_not_be_called_is_forgotten(void **state)
{
	struct fixture *f = *state;
	uint8_t sid[8];
	int fd;

	start(f);
	fd = peer_connects(f);
	peer_initiates(fd, 3, raw_free_port());
	peer_sees_the_end(f, fd);
	turn_until(f, peers_election_stranger_count(f->peers) == 0);
	fd = peer_connects(f);
	endian_put_u64(sid, 3);
	raw_send(fd, sid, sizeof(sid));
	peer_sees_the_end(f, fd);
	assert_int_equal(peers_election_stranger_count(f->peers), 0);
}

static void observers_without_a_number_get_one_each(void **state)
{
	struct fixture *f = *state;
	int places[2] = {raw_listen(0), raw_listen(0)};
	int fds[2];

	start(f);
	for (int i = 0; i < 2; i++) {
		int fd = peer_connects(f);

		peer_initiates(fd, INITIATION_ANONYMOUS, raw_port(places[i]));
		peer_sees_the_end(f, fd);
		fds[i] = peer_accepts(f, places[i]);
		peer_sees_initiation(f, fds[i]);
	}
	assert_int_equal(peers_election_stranger_count(f->peers), 2);
	peer_sends_frame(fds[1], "b");
	turn_until(f, saw(f, "-2:b|"));
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(places[i]);
	}
}

static void what_is_no_initiation_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	for (int i = 0; i < 3; i++) {
		fd = peer_connects(f);
		raw_send(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
		peer_sees_the_end(f, fd);
	}
	assert_int_equal(peers_election_half_open_count(f->peers), 0);
	fd = peer_connects(f);
	peer_initiates(fd, 9, 1);
	turn_until(f, peers_election_is_connected(f->peers, 9));
	close(fd);
}

static void who_says_nothing_is_closed_in_time(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->initiation_timeout_ms = 50;
	start(f);
	fd = peer_connects(f);
	raw_send(fd, "\xff\xff\xff\xff", 4);
	peer_sees_the_end(f, fd);
	assert_int_equal(peers_election_half_open_count(f->peers), 0);
}

static void a_flood_of_silent_strangers_keeps_no_server_out(void **state)
{
	enum { FLOOD = 3 * PEERS_HALF_OPEN_MAX };
	struct fixture *f = *state;
	int flood[FLOOD];
	int fd;

	start(f);
	for (int i = 0; i < FLOOD; i++) {
		flood[i] = peer_connects(f);
		loop_turn(&f->loop, false);
	}
	turn_until(f, peers_election_half_open_count(f->peers) == PEERS_HALF_OPEN_MAX);
	fd = peer_connects(f);
	peer_initiates(fd, 9, 1);
	turn_until(f, peers_election_is_connected(f->peers, 9));
	for (int i = 0; i < FLOOD; i++)
		close(flood[i]);
	turn_until(f, peers_election_half_open_count(f->peers) == 0);
	close(fd);
}

static void strangers_beyond_their_maximum_are_refused(void **state)
{
	enum { FLOOD = PEERS_STRANGERS_MAX + 8 };
	struct fixture *f = *state;
	int flood[FLOOD];
	int fd;

	start(f);
	for (int i = 0; i < FLOOD; i++) {
		flood[i] = peer_connects(f);
		peer_initiates(flood[i], 100 + i, 1);
		turn_until(f, peers_election_is_connected(f->peers, 100 + i) ||
				      i >= PEERS_STRANGERS_MAX);
	}
	peer_sees_the_end(f, flood[FLOOD - 1]);
	assert_int_equal(peers_election_stranger_count(f->peers), PEERS_STRANGERS_MAX);
	/* Members are not kept out by them. */
	fd = peer_connects(f);
	peer_initiates(fd, 9, 1);
	turn_until(f, peers_election_is_connected(f->peers, 9));
	for (int i = 0; i < FLOOD - 1; i++)
		close(flood[i]);
	turn_until(f, peers_election_stranger_count(f->peers) == 0);
	close(fd);
}

static void a_port_that_is_taken_is_told(void **state)
{
	struct fixture *f = *state;
	static const struct peers_election_events events = {0};
	int taken = raw_listen(f->port);
	struct peers_places places;
	struct peers_election_options options = {.servers = f->servers,
						 .server_count = MEMBER_COUNT,
						 .myid = MYID,
						 .places = &places};
	char *error = NULL;

	peers_places_find(&places, &f->servers[at(MYID)], false);
	assert_int_equal(peers_election_open(&f->loop, &options, &events, f, &f->peers, &error),
			 -EADDRINUSE);
	assert_non_null(strstr(error, "can't listen for peers on 127.0.0.1 port"));
	free(error);
	close(taken);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_captured_initiation_is_read_and_written),
		cmocka_unit_test(several_addresses_and_brackets_are_read_back),
		cmocka_unit_test(a_server_of_3_4_says_its_number_alone),
		cmocka_unit_test(malformed_initiations_are_none),
		TEST(to_a_smaller_server_the_own_connection_is_kept),
		TEST(to_a_larger_server_it_says_who_it_is_and_is_called_back),
		TEST(a_larger_server_that_does_not_call_back_is_dialed_again),
		TEST(a_smaller_server_is_called_back_where_it_said),
		TEST(without_an_address_it_is_called_back_where_it_is_configured),
		TEST(an_address_that_refuses_is_followed_by_the_configured_one),
		TEST(a_smaller_servers_call_ends_the_older_connection),
		TEST(a_larger_servers_newer_connection_replaces_the_older),
		TEST(the_own_number_from_outside_is_refused),
		TEST(a_newer_message_replaces_one_that_waits),
		TEST(a_peer_that_does_not_read_holds_one_message),
		TEST(an_initiation_and_frames_arrive_byte_by_byte),
		TEST(frames_of_one_read_all_arrive),
		TEST(a_frame_of_a_wrong_length_ends_the_connection),
		TEST(the_largest_frame_arrives),
		TEST(what_the_socket_says_is_told_once),
		TEST(a_dead_server_delays_no_other),
		TEST(a_larger_stranger_is_heard_and_answered_and_forgotten),
		TEST(a_smaller_stranger_is_called_back_where_it_said),
		TEST(a_smaller_stranger_that_can_not_be_called_is_forgotten),
		TEST(observers_without_a_number_get_one_each),
		TEST(what_is_no_initiation_ends_the_connection),
		TEST(who_says_nothing_is_closed_in_time),
		TEST(a_flood_of_silent_strangers_keeps_no_server_out),
		TEST(strangers_beyond_their_maximum_are_refused),
		TEST(a_port_that_is_taken_is_told),
	};

	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
