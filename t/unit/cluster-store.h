#ifndef T_UNIT_CLUSTER_STORE_H
#define T_UNIT_CLUSTER_STORE_H

#include <stddef.h>

#include "replica/tree/tree.h"
#include "src/base/blob.h"
#include "src/base/buf.h"
#include "src/zk/zxid.h"

/* What a replica of replica-cluster.h has on its disk. */
struct cluster_entry {
	zxid_t zxid;
	struct blob *txn;
};

/* A generation: the tree at its base or later, and the log behind the base. */
struct cluster_store {
	struct tree *tree; /* NULL: empty */
	zxid_t base;
	struct cluster_entry *log;
	size_t log_count;
};

void cluster_store_clear(struct cluster_store *store);
void cluster_store_append(struct cluster_store *store, zxid_t zxid, struct blob *txn);
/* Drop what is above zxid. */
void cluster_store_cut(struct cluster_store *store, zxid_t zxid);
/* What a driver loads: the tree, with the log up to zxid applied. */
struct tree *cluster_store_load(const struct cluster_store *store, zxid_t zxid);
/* The stream behind SNAP. */
void cluster_store_stream(const struct tree *tree, struct buf *buf);

#endif
