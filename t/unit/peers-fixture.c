#include "t/unit/peers-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/endian.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"
#include "t/unit/raw-socket.h"

static const int64_t sids[MEMBER_COUNT] = {1, MYID, 7, 9};

void turn(struct fixture *f, uint64_t begin_ms)
{
	if (uv_hrtime() / 1000000 - begin_ms > DEADLINE_MS)
		fail_msg("the condition did not come true in time");
	loop_turn(&f->loop, false);
	if (f->peers)
		peers_election_check(f->peers);
}

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

int at(int64_t sid)
{
	int i = 0;

	while (i < MEMBER_COUNT - 1 && sids[i] != sid)
		i++;
	assert_int_equal(sids[i], sid);
	return i;
}

void peer_listens(struct fixture *f, int64_t sid)
{
	f->listeners[at(sid)] =
		raw_listen((uint16_t)f->servers[at(sid)].addresses[0].election_port);
}

void start(struct fixture *f)
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

int peers_setup(void **state)
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

int peers_teardown(void **state)
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

void sends(struct fixture *f, int64_t sid, const char *text)
{
	peers_election_send(f->peers, sid, bytes_of_text(text));
}

bool saw(struct fixture *f, const char *text)
{
	return bytes_equal_text(buf_bytes(&f->seen), text);
}

/* ---- a peer, by hand ---- */

int peer_accepts(struct fixture *f, int listener)
{
	int fd = -1;

	turn_until(f, (fd = accept(listener, NULL, NULL)) >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

int peer_connects(struct fixture *f)
{
	return raw_connect(f->port);
}

void put_u64(struct buf *buf, uint64_t number)
{
	uint8_t bytes[8];

	endian_put_u64(bytes, number);
	buf_append(buf, bytes, 8);
}

void put_u32(struct buf *buf, uint32_t number)
{
	uint8_t bytes[4];

	endian_put_u32(bytes, number);
	buf_append(buf, bytes, 4);
}

void put_initiation(struct buf *buf, int64_t version, int64_t sid, const char *addresses)
{
	put_u64(buf, (uint64_t)version);
	put_u64(buf, (uint64_t)sid);
	put_u32(buf, (uint32_t)strlen(addresses));
	buf_append_text(buf, addresses);
}

void put_frame(struct buf *buf, const char *text)
{
	put_u32(buf, (uint32_t)strlen(text));
	buf_append_text(buf, text);
}

void peer_initiates(int fd, int64_t sid, uint16_t port)
{
	struct buf buf;
	char address[64];

	buf_init(&buf, 4096);
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	put_initiation(&buf, -65536, sid, address);
	raw_send(fd, buf.data, buf.size);
	buf_release(&buf);
}

void peer_sends_frame(int fd, const char *text)
{
	struct buf buf;

	buf_init(&buf, 1 << 20);
	put_frame(&buf, text);
	raw_send(fd, buf.data, buf.size);
	buf_release(&buf);
}

bool peer_reads(int fd, struct buf *buf)
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

static void peer_sees(struct fixture *f, int fd, const struct buf *expected)
{
	uint8_t *got = mem_alloc(expected->size);
	size_t size = 0;

	turn_until(f, (size += peer_takes(fd, got + size, expected->size - size),
		       size == expected->size));
	assert_memory_equal(got, expected->data, size);
	free(got);
}

void peer_sees_frame(struct fixture *f, int fd, const char *text)
{
	struct buf expected;

	buf_init(&expected, 1 << 20);
	put_frame(&expected, text);
	peer_sees(f, fd, &expected);
	buf_release(&expected);
}

void peer_sees_initiation(struct fixture *f, int fd)
{
	struct buf expected;
	char address[64];

	buf_init(&expected, 4096);
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", f->port);
	put_initiation(&expected, -65536, MYID, address);
	peer_sees(f, fd, &expected);
	buf_release(&expected);
}

void peer_sees_the_end(struct fixture *f, int fd)
{
	struct buf got;

	buf_init(&got, 1 << 20);
	turn_until(f, !peer_reads(fd, &got));
	assert_int_equal(got.size, 0);
	buf_release(&got);
	close(fd);
}
