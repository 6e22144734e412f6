#ifndef T_UNIT_REPLICA_CLUSTER_H
#define T_UNIT_REPLICA_CLUSTER_H

#include "replica/server/replica.h"
#include "src/base/list.h"
#include "src/base/prng.h"
#include "t/unit/cluster-store.h"
#include "t/unit/fake-driver.h"

/*
 * Whole replicas in memory: byte streams between them, disks that are durable when their turn
 * comes, virtual time. What is on its way arrives in an order that a seed decides. The trees of
 * all that are at one zxid are compared after every step.
 *
 * Clients are those of fake-driver.h, on the driver of a node.
 */
enum { CLUSTER_NODE_COUNT = 3 };

struct cluster_node {
	struct fake_driver driver; /* replica is NULL while it is down */
	struct cluster *cluster;
	int64_t sid;
	bool is_empty;
	bool may_bootstrap;
	uint32_t accepted_epoch;
	uint32_t current_epoch;
	zxid_t committed;
	struct cluster_store store;
	struct cluster_store staged;
	bool is_staged;
	struct list writes; /* struct cluster_write */
	bool is_disk_stuck; /* nothing becomes durable */
	bool is_listening;
	bool is_reloading;
	int64_t connecting;                     /* sid; 0: none */
	struct blob *notes[CLUSTER_NODE_COUNT]; /* the last notification for each */
	bool is_serving;
	bool is_leading;
	uint32_t epoch;
	size_t snapshot_count; /* received */
	size_t reload_count;
	struct buf said; /* the sentences for its operator */
};

struct cluster {
	struct cluster_node nodes[CLUSTER_NODE_COUNT]; /* sid = index + 1 */
	struct list links;
	zab_link_t last_link;
	struct prng prng;
	msec_t now_ms;
	size_t history_count_max; /* of those that start from now on */
};

void cluster_init(struct cluster *cluster, uint64_t seed);
void cluster_release(struct cluster *cluster);
struct cluster_node *cluster_node(struct cluster *cluster, int64_t sid);
struct fake_driver *cluster_driver(struct cluster *cluster, int64_t sid);

void cluster_start(struct cluster *cluster, int64_t sid);
/* What was not durable is lost. */
void cluster_stop(struct cluster *cluster, int64_t sid);
/* A new disk; it is down. */
void cluster_wipe(struct cluster *cluster, int64_t sid);
/* The tree's database catches up. */
void cluster_write_tree(struct cluster *cluster, int64_t sid);
/* Bytes for sid, as if the one at the other end of its link had sent them. */
void cluster_inject(struct cluster *cluster, int64_t sid, struct bytes bytes);
/* Every link of it ends. */
void cluster_cut(struct cluster *cluster, int64_t sid);

/* One thing happens, without time. False: there is none. */
bool cluster_step(struct cluster *cluster);
/* Until nothing happens without time. */
void cluster_settle(struct cluster *cluster);
void cluster_advance(struct cluster *cluster, msec_t by_ms);
/* Until count of them serve, one as leader; its sid. Fails the test if that doesn't come. */
int64_t cluster_await(struct cluster *cluster, size_t count);
/* Whether all that serve have the same tree. */
bool cluster_agrees(struct cluster *cluster);

/* A new session, or (session_id) the old one, over connection id. 0: refused. */
session_id_t cluster_connect(struct cluster *cluster, int64_t sid, connection_id_t id,
			     session_id_t session_id);
/* The code of the answer to the request that was just sent. */
int32_t cluster_code(struct cluster *cluster, int64_t sid, connection_id_t id);

#endif
