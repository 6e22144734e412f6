#ifndef T_UNIT_ZAB_CLUSTER_H
#define T_UNIT_ZAB_CLUSTER_H

#include "replica/zab/zab.h"
#include "src/base/list.h"

/*
 * An ensemble of consensus cores in memory: FIFO links, a disk that becomes
 * durable when it is told, virtual time. A transaction is a short text, and the
 * application is the list of those that were delivered.
 *
 * cluster_run goes on until nothing moves any more without time; then a condition is
 * looked at, and time goes to the next tick. A crash loses what is not durable.
 */
enum { CLUSTER_NODES_MAX = 5, CLUSTER_TXNS_MAX = 256 };

struct cluster_txn {
	zxid_t zxid;
	zxid_t committed; /* stored with it */
	struct blob *txn;
};

struct cluster_txns {
	struct cluster_txn items[CLUSTER_TXNS_MAX];
	size_t count;
};

/* What is durable; txns are all since the base, whatever the tree is at. */
struct cluster_disk {
	bool is_empty;
	uint32_t accepted_epoch;
	uint32_t current_epoch;
	zxid_t base;
	zxid_t tree;
	zxid_t committed;
	struct cluster_txns base_tree; /* what the snapshot at base holds */
	struct cluster_txns log;
	/* A generation that is received. */
	bool is_staged;
	zxid_t staged_base;
	struct cluster_txns staged_tree;
	struct cluster_txns staged_log;
};

struct cluster_node {
	struct cluster *cluster;
	struct zab *zab; /* NULL while it is down */
	struct zab_config config;
	struct cluster_disk disk;
	struct list writes;          /* struct cluster_write, in order */
	struct cluster_txns applied; /* the application: its tree */
	zxid_t applied_zxid;
	bool is_disk_held; /* writes wait for cluster_sync */
	bool is_listening;
	int64_t connecting; /* sid; -1: none */
	enum zab_state state;
	bool is_serving;
	uint32_t epoch;
	size_t warnings;
	size_t snapshots_received;
	size_t received[20]; /* packets that came in, by type */
	char fatal[512];
	struct blob *notes[CLUSTER_NODES_MAX]; /* one slot a sid */
};

struct cluster {
	struct cluster_node nodes[CLUSTER_NODES_MAX]; /* sid = index + 1 */
	size_t count;
	struct list links;
	zab_link_t last_link;
	msec_t now_ms;
	bool is_logged; /* print ZAB_LOG */
};

/* The last observer_count of them are observers. All are down. */
void cluster_init(struct cluster *cluster, size_t count, size_t observer_count);
void cluster_release(struct cluster *cluster);
struct cluster_node *cluster_node(struct cluster *cluster, int64_t sid);

void cluster_start(struct cluster *cluster, int64_t sid);
void cluster_crash(struct cluster *cluster, int64_t sid);
/* Make the first count writes durable (SIZE_MAX: all), and report them. */
void cluster_sync(struct cluster *cluster, int64_t sid, size_t count);
/* The tree's database catches up. */
void cluster_write_tree(struct cluster *cluster, int64_t sid);
/* Break the link between them. */
void cluster_cut(struct cluster *cluster, int64_t a, int64_t b);

/* Until nothing moves without time. */
void cluster_settle(struct cluster *cluster);
typedef bool cluster_condition(struct cluster *cluster, const void *data);
/* Within limit_ms of virtual time; whether it came true. */
bool cluster_run(struct cluster *cluster, msec_t limit_ms, cluster_condition *condition,
		 const void *data);
/* A serving leader that count servers, it included, follow and serve; its sid, or 0. */
int64_t cluster_leader(struct cluster *cluster, size_t count);
/* Run until then; ends the test if it doesn't come. */
int64_t cluster_await(struct cluster *cluster, size_t count);

/* The leader proposes texts "N"; returns the zxid. */
zxid_t cluster_propose(struct cluster *cluster, int64_t sid, const char *text);
/* "a b c": what its application has. */
const char *cluster_applied(struct cluster *cluster, int64_t sid);

#endif
