#ifndef T_SIM_WHOLE_CLIENT_H
#define T_SIM_WHOLE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/map.h"
#include "src/zk/client.h"
#include "t/sim/sim-net.h"
#include "t/sim/whole-check.h"

/*
 * A client of whole replicas: the session machine of zk/client.h, a node of the
 * network with one connection. It asks for writes and reads, several at once, leaves watches,
 * moves to another server for no reason, sleeps until its session may be gone, closes it, or dies
 * without a word and is another from then on.
 *
 * What it must see, on the wire:
 *  - replies in the order of the requests, with zxids that never go back, not over connections
 *    either; a write's is the one of its transaction
 * and in what it is told:
 *  - a read is what the model has at its zxid, Stat for Stat; so it has the own writes
 *  - a sync shows what anybody was told of before it was asked for, but for the epoch of a
 *    leader that has been left
 *  - the event of a watch comes before the read that shows the change
 *  - what was resolved after a loss was done, and what timed out was not, nor is it ever
 *  - of two creates of one ephemeral no more are told as done than were
 */
enum { WHOLE_SENT_MAX = 2048 };

struct whole_client {
	struct sim_world *world;
	struct sim_net *net;
	struct whole_check *check;
	struct prng chance;
	int64_t node;
	int server_count;
	msec_t timeout_ms;
	int64_t think_us_max;
	bool is_awake;   /* it never sleeps any more */
	bool is_stopped; /* it asks for nothing more */
	struct sim_timer think;

	/* A life. */
	struct zk_client *client; /* NULL: none */
	struct sim_timer tick;
	bool is_asleep;      /* its machine: the connection has ended, and it does not know */
	bool is_closing;     /* it has asked for its end */
	bool is_over;        /* and has it */
	struct list refused; /* struct asked: it was told that they had no effect */
	struct map made;     /* struct made: how many ephemerals it was told to have created */
	struct list asked;   /* struct asked: without their final reply */
	struct map watched;
	zxid_t seen;
	bool has_prepared;

	/* A connection. */
	uint64_t link; /* 0: none */
	struct buf input;
	bool is_greeted; /* the connect request was answered */
	bool has_sent;   /* it was sent */
	session_id_t session_id;
	struct {
		int32_t xid;
		int32_t opcode;
	} sent[WHOLE_SENT_MAX];
	size_t sent_first;
	size_t sent_count;

	struct {
		uint64_t writes, reads, events, lives, moves, unknown, resolved, refused;
	} counts;
	int64_t last_write_us;
	uint64_t token;
};

void whole_client_init(struct whole_client *client, struct sim_world *world, struct sim_net *net,
		       struct whole_check *check, int64_t node, int server_count, msec_t timeout_ms,
		       uint64_t seed);
void whole_client_release(struct whole_client *client);

/* It never sleeps any more. */
void whole_client_awake(struct whole_client *client);
/* It asks for nothing more, keeps its session, and never moves by itself. */
void whole_client_stop(struct whole_client *client);
/* It is connected, and nothing is asked. */
bool whole_client_is_idle(const struct whole_client *client);
/* At the end of the history. */
void whole_client_check_refused(struct whole_client *client);
/* Read everything that it watches, so that what it should have been told shows. */
void whole_client_read_all(struct whole_client *client);

#endif
