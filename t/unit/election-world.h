#ifndef T_UNIT_ELECTION_WORLD_H
#define T_UNIT_ELECTION_WORLD_H

#include "replica/zab/election.h"
#include "src/base/prng.h"
#include "t/unit/apache-election.h"
#include "t/unit/cmocka.h"

/*
 * Whole ensembles in virtual time: 3 or 5 voters, of this kind or Apache's,
 * whose messages take any time and any order between connections; servers
 * crash, come back, lose their connections. What a role does after the election
 * is a sketch: a leader waits for a quorum of followers and then raises the
 * epoch; whoever waits in vain looks again.
 *
 * No follower that knows more than a new leader counts for it, as in
 * discovery: an election that prefers such a leader does not settle.
 */
enum {
	SERVERS_MAX = 5,
	STEP_MS = 5,
	IN_FLIGHT_MAX = 4096,
	MESSAGE_SIZE_MAX = 512,
	LEADER_WAIT_MS = 2000,  /* initLimit */
	LOST_QUORUM_MS = 300,   /* syncLimit */
	FOLLOWER_WAIT_MS = 700, /* five tries to connect */
};

struct message {
	int64_t from, to;
	msec_t due_ms;
	size_t size;
	uint8_t bytes[MESSAGE_SIZE_MAX];
};

struct server {
	struct world *world;
	int64_t sid;
	bool is_apache;
	bool is_up;
	bool is_looking;
	msec_t look_at_ms; /* it looks again then; 0: it doesn't */
	struct election election;
	struct apache_election apache;

	/* Its disk. */
	zxid_t zxid;
	int64_t epoch;
	bool is_empty;

	/* Its role. */
	int64_t leader;
	bool is_established;
	msec_t role_ms; /* since when it has it, or its quorum */
};

struct world {
	struct prng prng;
	int64_t count;
	struct members members;
	struct server servers[SERVERS_MAX + 1];
	bool is_connected[SERVERS_MAX + 1][SERVERS_MAX + 1];
	msec_t connect_at_ms[SERVERS_MAX + 1][SERVERS_MAX + 1]; /* 0: not to be */
	msec_t last_due_ms[SERVERS_MAX + 1][SERVERS_MAX + 1];
	struct message last[SERVERS_MAX + 1][SERVERS_MAX + 1]; /* size 0: none */
	struct message *in_flight;
	size_t in_flight_count;
	msec_t delay_ms_max;
	msec_t now_ms;
	uint64_t sent_count;
};

#define for_each_server(world, it)                                                                 \
	for (struct server *it = (world)->servers + 1; it <= (world)->servers + (world)->count;    \
	     it++)

/* Nobody is up. */
void world_init(struct world *world, uint64_t seed, int64_t count);
void world_release(struct world *world);

/* Histories as a crash leaves them. */
void choose_disks(struct world *world);
/* The server that the vote of its disk makes leader. */
const struct server *best(struct world *world);

void boot(struct server *server);
void boot_all(struct world *world);
void crash(struct server *server);
struct server *random_server(struct world *world);

void cause_fault(struct world *world);
/* A quorum is up again; one server may stay away. */
void end_faults(struct world *world);

void run_for(struct world *world, msec_t ms);
bool is_leading(const struct server *server);
/* All that are up follow one leader of an established epoch. */
bool is_settled(struct world *world);
/* How long it took; fails beyond limit_ms. */
msec_t run_until_settled(struct world *world, msec_t limit_ms);

#endif
