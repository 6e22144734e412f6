#ifndef T_UNIT_PEERS_FIXTURE_H
#define T_UNIT_PEERS_FIXTURE_H

#include "replica/io/peers_election.h"
#include "src/base/buf.h"

/*
 * The election connections over real loopback sockets. The peers are plain
 * descriptors, so that each test says byte by byte what is on the wire. The
 * server under test is number 5 of 1, 5, 7 and 9.
 */
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

/* *state is a struct fixture whose server has not started. */
int peers_setup(void **state);
int peers_teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, peers_setup, peers_teardown)

/* One turn of the loop; the test fails if it began too long ago. */
void turn(struct fixture *f, uint64_t begin_ms);
#define turn_until(f, condition)                                                                   \
	do {                                                                                       \
		uint64_t begin_ms_ = uv_hrtime() / 1000000;                                        \
		while (!(condition))                                                               \
			turn(f, begin_ms_);                                                        \
	} while (0)

/* ---- the server under test ---- */

/* The index of that server. */
int at(int64_t sid);
/* From now on that peer can be dialed: see listeners. */
void peer_listens(struct fixture *f, int64_t sid);
void start(struct fixture *f);
void sends(struct fixture *f, int64_t sid, const char *text);
/* What it was told until now is this: see seen. */
bool saw(struct fixture *f, const char *text);

/* ---- a peer, by hand ---- */

int peer_accepts(struct fixture *f, int listener);
int peer_connects(struct fixture *f);
void put_u64(struct buf *buf, uint64_t number);
void put_u32(struct buf *buf, uint32_t number);
void put_initiation(struct buf *buf, int64_t version, int64_t sid, const char *addresses);
void put_frame(struct buf *buf, const char *text);

void peer_initiates(int fd, int64_t sid, uint16_t port);
void peer_sends_frame(int fd, const char *text);
/* Read what there is into buf; false once the stream has ended. */
bool peer_reads(int fd, struct buf *buf);
/* The next bytes; what comes behind them stays. */
void peer_sees_frame(struct fixture *f, int fd, const char *text);
void peer_sees_initiation(struct fixture *f, int fd);
/* Nothing more, and it is closed. */
void peer_sees_the_end(struct fixture *f, int fd);

#endif
