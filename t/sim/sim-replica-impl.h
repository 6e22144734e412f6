#ifndef T_SIM_REPLICA_IMPL_H
#define T_SIM_REPLICA_IMPL_H

/* Only for sim-replica.c, sim-driver.c and sim-events.c. */
#include "t/sim/sim-replica.h"

/* A request that waits to be proposed. */
struct sim_waiting {
	struct list link;
	struct blob *request;
};

/*
 * A turn: tick, then the event, then everything that it asks for. The event is
 * skipped where the process crashed at the tick:
 *
 *	if (sim_turn_begin(replica)) {
 *		zab_event(replica->zab, ...);
 *		sim_turn_end(replica);
 *	}
 */
bool sim_turn_begin(struct sim_replica *replica);
void sim_turn_end(struct sim_replica *replica);

/* ---- sim-events.c ---- */

struct sim_endpoint sim_endpoint_of(struct sim_replica *replica);
struct sim_disk_user sim_disk_user_of(struct sim_replica *replica);

/* ---- sim-driver.c ---- */

/* All actions of the core. The process may be gone afterwards. */
void sim_perform_all(struct sim_replica *replica);
/* What was said on a link that is open here; NULL: it is not. */
struct sim_talk *sim_talk_of(struct sim_replica *replica, uint64_t link);
void sim_talk_begin(struct sim_replica *replica, uint64_t link);
void sim_talk_end(struct sim_replica *replica, uint64_t link);
/* One whole packet; false: it is none, and the run has failed. */
bool sim_read_packet(struct sim_replica *replica, struct bytes bytes,
		     struct zab_packet *ret_packet);
void sim_receive_init(struct sim_replica *replica);
void sim_snapshots_cancel(struct sim_replica *replica, uint64_t link); /* 0: all */

/* ---- sim-replica.c ---- */

bool sim_is_paused(struct sim_replica *replica, struct sim_timer *timer);
int64_t sim_world_us(const struct sim_replica *replica, msec_t local_ms);
void sim_apply(struct sim_replica *replica, zxid_t zxid, struct blob *txn);
void sim_drop_customers(struct sim_replica *replica);
void sim_queue_request(struct sim_replica *replica, struct bytes request);

#endif
