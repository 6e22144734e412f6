/* The election connections of those that are in no configuration, and of those that say nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replica/io/initiation.h"
#include "src/base/endian.h"
#include "t/unit/cmocka.h"
#include "t/unit/peers-fixture.h"
#include "t/unit/raw-socket.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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

	return cmocka_run_group_tests_name("peers strangers", tests, NULL, NULL);
}
