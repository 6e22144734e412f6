#ifndef T_SIM_REPLICA_H
#define T_SIM_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/zab/zab.h"
#include "t/sim/sim-app.h"
#include "t/sim/sim-check.h"
#include "t/sim/sim-clock.h"
#include "t/sim/sim-disk.h"
#include "t/sim/sim-net.h"

/*
 * A replica: the consensus core (zab.h) with everything that its driver and its
 * server do, in the small. It performs the core's actions on the simulated disk
 * and network, applies what is delivered to an app, and has the checker look at
 * everything that it does.
 *
 * A process has a clock of its own, which starts anywhere and drifts. It ends at
 * a crash: at once, or when it has performed so many actions more, between two of
 * them. The disk stays.
 *
 * A client is attached to a replica by its session. What it asks for is forwarded
 * to the leader, and answered when it is delivered here. The callbacks of a client come from
 * inside events: they must not call back.
 */
struct sim_customer {
	void *data;
	void (*answered)(void *data, const struct sim_request *request, struct sim_result result,
			 zxid_t zxid);
	void (*dropped)(void *data);
};

enum { SIM_LINKS_MAX = 64 };

struct sim_replica {
	struct sim_world *world;
	struct sim_net *net;
	struct sim_check *check; /* NULL: nothing is checked */
	int64_t sid;
	bool is_observer;
	struct zab_config config; /* its members belong to the caller */
	enum zab_mutation mutation;
	struct prng chance;
	struct sim_disk disk;
	bool was_wiped;

	/* A process. */
	struct zab *zab; /* NULL: it is down */
	struct sim_app *app;
	struct sim_clock clock;
	int64_t paused_until_us;
	uint64_t actions_left; /* it crashes when they are done; 0: it does not */
	int64_t survivors;     /* of what its disk was asked for, at a crash; -1: by chance */
	struct sim_timer wake;
	struct sim_timer write_tree;

	enum zab_state state;
	uint32_t epoch;
	bool is_serving;
	bool is_leading;               /* it listens */
	bool is_uptodate;              /* its leader has said so */
	uint32_t votes[SIM_NODES_MAX]; /* heard ever: sim_check_elected */
	struct sim_heard heard[SIM_NODES_MAX];
	struct {
		uint64_t number; /* 0: free */
		struct sim_talk talk;
	} links[SIM_LINKS_MAX];
	uint64_t receiving;       /* the link on which a snapshot comes; 0: none */
	struct sim_timer receive; /* ... and it does not come */
	struct list snapshots;    /* that it sends */
	struct list requests;     /* to be proposed */
	struct {
		bool is_attached;
		uint32_t attachment;
		struct sim_customer customer;
	} customers[SIM_SESSIONS_MAX];

	/* How often: for who looks whether a run has met it. */
	struct {
		unsigned snapshots, truncations, crashes, leaderships, diffs;
	} counts;
};

/* config is copied; config->members must outlive it. */
void sim_replica_init(struct sim_replica *replica, struct sim_world *world, struct sim_net *net,
		      struct sim_check *check, const struct zab_config *config, uint64_t seed);
void sim_replica_release(struct sim_replica *replica);

void sim_replica_start(struct sim_replica *replica);
/* Of what the disk was asked for some survives. Silent: the network says nothing for seconds. */
void sim_replica_crash(struct sim_replica *replica, bool is_silent);
/* It is down: a new disk. */
void sim_replica_wipe(struct sim_replica *replica);
void sim_replica_pause(struct sim_replica *replica, int64_t until_us);
bool sim_replica_is_up(const struct sim_replica *replica);
bool sim_replica_is_paused(const struct sim_replica *replica);

/* False: it doesn't serve. None of the three while it pauses. */
bool sim_replica_attach(struct sim_replica *replica, int64_t session, uint32_t attachment,
			struct sim_customer customer);
void sim_replica_detach(struct sim_replica *replica, int64_t session);
void sim_replica_ask(struct sim_replica *replica, const struct sim_request *request);

#endif
