#ifndef T_SIM_WHOLE_HOST_H
#define T_SIM_WHOLE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/server/replica.h"
#include "t/sim/sim-clock.h"
#include "t/sim/sim-disk.h"
#include "t/sim/sim-net.h"
#include "t/sim/whole-check.h"
#include "t/sim/whole-rows.h"

/*
 * A machine with a whole replica (server/replica.h): it performs the replica's
 * actions on the simulated disk and network as the node (replica/io) does on real ones, and has
 * the checker look at the tree after each.
 *
 * Bytes come in pieces: a packet, a piece of a snapshot's stream, a client's frames. A process
 * ends at a crash: at once, or when it has performed so many actions more. The disk stays.
 */
struct whole_host {
	struct sim_world *world;
	struct sim_net *net;
	struct whole_check *check;
	int64_t sid;
	struct replica_config config; /* its members belong to the caller */
	enum server_mutation mutation;
	size_t pending_max; /* what waits for the disk, beyond which no transactions are made */
	struct prng chance;
	struct sim_disk disk;
	msec_t wall_skew_ms;

	/* A process. */
	struct replica *replica; /* NULL: it is down */
	struct sim_clock clock;
	int64_t paused_until_us;
	uint64_t actions_left; /* it crashes when they are done; 0: it does not */
	struct whole_rows tables[2];
	struct whole_rows *rows;   /* what is on the disk, or being written to it */
	struct whole_rows *staged; /* of a snapshot that streams in */
	bool is_staging;
	bool wants_reload;
	uint64_t receiving; /* the link on which a snapshot comes; 0: none */
	zxid_t seen;        /* of the tree, as the checker knows it */
	enum zab_state state;
	uint32_t epoch;
	bool is_serving;
	bool is_listening;
	struct list links;   /* struct whole_link */
	struct list streams; /* snapshots that it sends */
	struct sim_timer wake;
	struct sim_timer write_tree;
	struct sim_timer receive; /* the stream does not go on */
	struct sim_timer reload;

	struct {
		unsigned snapshots, installs, reloads, truncations, crashes, leaderships, expiries;
	} counts;
};

/* config is copied; its members must outlive it. */
void whole_host_init(struct whole_host *host, struct sim_world *world, struct sim_net *net,
		     struct whole_check *check, const struct replica_config *config, uint64_t seed);
void whole_host_release(struct whole_host *host);

void whole_host_start(struct whole_host *host);
/* Of what the disk was asked for some survives. Silent: the network says nothing for seconds. */
void whole_host_crash(struct whole_host *host, bool is_silent);
/* It is down: a new disk. */
void whole_host_wipe(struct whole_host *host);
void whole_host_pause(struct whole_host *host, int64_t until_us);
bool whole_host_is_up(const struct whole_host *host);
/* It serves as the leader of that epoch, or as a learner in it. */
bool whole_host_leads(const struct whole_host *host);

#endif
