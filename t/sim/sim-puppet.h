#ifndef T_SIM_PUPPET_H
#define T_SIM_PUPPET_H

#include <stdbool.h>
#include <stdint.h>

#include "src/zk/zxid.h"
#include "t/sim/sim-net.h"
#include "t/sim/sim-world.h"

/*
 * A server that does what a scenario says, where a replica would sit: it votes,
 * and as a leader it goes through the handshake with one learner and then sends
 * what it is told. So a scenario shows a replica what no correct leader sends, or
 * what Apache's sends and ours does not.
 */
enum sim_puppet_sync { SIM_PUPPET_DIFF, SIM_PUPPET_TRUNC, SIM_PUPPET_SNAP };

struct sim_puppet {
	struct sim_world *world;
	struct sim_net *net;
	int64_t sid;
	const char *config; /* of its notifications and NEWLEADER */

	/* Its vote, told at once to who asks. */
	int64_t leader;
	zxid_t vote_zxid;
	int64_t round;
	uint32_t epoch; /* and what it offers, as a leader */

	/* As a leader: how the next learner is synchronized, and the zxid of it. */
	enum sim_puppet_sync sync;
	zxid_t sync_zxid;
	struct blob *stream; /* of a SNAP; the scenario's */
	bool is_mute;        /* it says nothing more after ACKEPOCH */

	uint64_t link; /* of its learner; 0: none */
	zxid_t ackepoch_zxid;
	bool has_ackepoch;
	bool has_newleader_ack;
	unsigned learners; /* that came */
	unsigned losses;   /* of links, by the other side */
	zxid_t acked;      /* the last ACK of a transaction */
};

void sim_puppet_init(struct sim_puppet *puppet, struct sim_world *world, struct sim_net *net,
		     int64_t sid, const char *config);
/* Its vote: FOLLOWING, or LEADING where leader is itself; it listens then. */
void sim_puppet_vote(struct sim_puppet *puppet, int64_t leader, uint32_t epoch, zxid_t zxid,
		     int64_t round);
void sim_puppet_tell(struct sim_puppet *puppet, int64_t to);
void sim_puppet_send(struct sim_puppet *puppet, int type, zxid_t zxid, struct bytes data);
/* Its process ends its link to the learner. */
void sim_puppet_hang_up(struct sim_puppet *puppet);

#endif
