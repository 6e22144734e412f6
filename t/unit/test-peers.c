/* The election connections: the initiation, and which connection of two servers is kept. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replica/io/initiation.h"
#include "src/base/endian.h"
#include "src/io/address.h"
#include "t/unit/cmocka.h"
#include "t/unit/peers-fixture.h"
#include "t/unit/raw-socket.h"

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
	};

	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
