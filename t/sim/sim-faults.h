#ifndef T_SIM_FAULTS_H
#define T_SIM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "t/sim/sim-disk.h"
#include "t/sim/sim-net.h"

/*
 * The nemesis: it breaks what can break, several things at once, as the seed
 * says, and repairs each after a while. Half of what it does it does to the leader.
 *
 *  - a process crashes: at once, or between two actions; a word of it is heard or not
 *  - all voters crash at one moment (the power fails)
 *  - a partition in two halves; a server cut off; one direction of one path cut
 *  - a link breaks
 *  - a disk is slow; a disk is full
 *  - a process pauses
 *  - a disk is lost, of one voter, when all others have something (lessons R18)
 */
enum { SIM_FAULTS_MAX = 6 };

/* The processes that it breaks, with their disks: 1 to count. */
struct sim_hosts {
	struct sim_world *world;
	struct sim_net *net;
	int count;
	int voter_count;
	int client_count; /* nodes of the network that a partition concerns, too */
	void *data;
	bool (*is_up)(void *data, int64_t sid);
	void (*start)(void *data, int64_t sid);
	void (*crash)(void *data, int64_t sid, bool is_silent);
	/* When so many actions more are performed; 0: it is taken back. */
	void (*crash_later)(void *data, int64_t sid, uint64_t actions);
	void (*pause)(void *data, int64_t sid, int64_t until_us);
	void (*wipe)(void *data, int64_t sid);
	struct sim_disk *(*disk)(void *data, int64_t sid);
	int64_t (*leader)(void *data); /* 0: there is none */
};

struct sim_fault {
	struct sim_faults *faults;
	bool is_active;
	int type;
	int64_t sid;
	int cuts[SIM_NET_NODES_MAX][SIM_NET_NODES_MAX];
	struct sim_timer repair;
};

struct sim_faults {
	struct sim_hosts hosts;
	struct prng chance;
	struct sim_timer next;
	int64_t pace_us_max;
	bool was_wiped;
	struct sim_fault active[SIM_FAULTS_MAX];
};

void sim_faults_init(struct sim_faults *faults, const struct sim_hosts *hosts, uint64_t seed);
/* No fault from here on; everything is repaired, and every process runs. */
void sim_faults_stop(struct sim_faults *faults);
void sim_faults_release(struct sim_faults *faults);

#endif
