#ifndef T_SIM_CLIENT_H
#define T_SIM_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "t/sim/sim-replica.h"

/*
 * A client: one session, attached to one replica at a time, moving to another
 * when it is dropped, when an answer takes too long, and sometimes for no reason. It
 * asks for writes, several at once, and reads; and it knows what it must see:
 *
 *  - answers come in the order of the requests, at zxids that grow
 *  - what is acknowledged is in the history
 *  - reads never go back: not in zxid, not in a register's version; and they show its own writes
 *  - its sequence numbers grow
 *
 * It refuses a replica that is behind what it has seen, as ZooKeeper's servers refuse such a
 * client.
 */
enum { SIM_OUTSTANDING_MAX = 4 };

struct sim_client {
	struct sim_world *world;
	struct sim_check *check;
	struct sim_replica *replicas; /* to choose from */
	size_t replica_count;
	struct prng chance;
	int64_t session;
	struct sim_timer timer;
	int64_t think_us_max;
	bool is_stopped;

	struct sim_replica *attached; /* NULL: to none */
	uint32_t attachment;
	int32_t next_cxid;
	struct sim_request outstanding[SIM_OUTSTANDING_MAX]; /* the oldest first */
	size_t outstanding_count;
	int64_t oldest_us;
	bool is_closing;

	zxid_t seen;
	int64_t last_number;
	int64_t versions[SIM_KEYS_MAX];  /* seen in a read */
	zxid_t own_writes[SIM_KEYS_MAX]; /* acknowledged */
	uint64_t acknowledged;
	int64_t last_answer_us;
};

void sim_client_init(struct sim_client *client, struct sim_world *world, struct sim_check *check,
		     struct sim_replica *replicas, size_t replica_count, int64_t session,
		     uint64_t seed);
void sim_client_release(struct sim_client *client);

/* It asks for nothing more, and waits for its last answers. */
void sim_client_stop(struct sim_client *client);

#endif
