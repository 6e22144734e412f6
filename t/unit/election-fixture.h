#ifndef T_UNIT_ELECTION_FIXTURE_H
#define T_UNIT_ELECTION_FIXTURE_H

#include "replica/zab/election.h"
#include "t/unit/cmocka.h"

/*
 * One election, and what it sent. Whatever is said to it, election_check holds
 * behind it, and what was sent before is forgotten.
 */
#define THREE "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"
#define FIVE  THREE "server.4=d:1:2\nserver.5=e:1:2\n"

enum { SENT_MAX = 64 };

struct sent {
	int64_t sid;
	enum zab_state state;
	struct zab_vote vote;
	int64_t round;
};

struct fixture {
	struct election election;
	struct members members;
	struct sent sent[SENT_MAX];
	size_t sent_count;
	msec_t now_ms;
};

void set_up(struct fixture *fixture, const char *text, int64_t myid);
void tear_down(struct fixture *fixture);

struct zab_vote vote_of(int64_t leader, zxid_t zxid, int64_t peer_epoch);

/* It looks, with this vote for itself. */
void start(struct fixture *fixture, zxid_t zxid, int64_t peer_epoch);

/* What a peer says: all of it; with the own configuration; and as 3.4 does, in 40 bytes. */
void say_all(struct fixture *fixture, int64_t sid, const struct notification *notification);
void say(struct fixture *fixture, int64_t sid, enum zab_state state, struct zab_vote vote,
	 int64_t round);
void say_in_version_0(struct fixture *fixture, int64_t sid, enum zab_state state,
		      struct zab_vote vote, int64_t round);

void reach(struct fixture *fixture, int64_t sid, enum election_reach value);
void advance(struct fixture *fixture, msec_t ms);

/* The leader that was found; 0: none yet. */
int64_t leader(const struct fixture *fixture);

void assert_sent(const struct fixture *fixture, size_t index, int64_t sid, enum zab_state state,
		 struct zab_vote vote, int64_t round);
/* LOOKING, to all of the others. */
void assert_broadcast(const struct fixture *fixture, struct zab_vote vote, int64_t round);
#define SILENCE(fixture) assert_int_equal((fixture)->sent_count, 0)

#endif
