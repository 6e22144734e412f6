#ifndef TREE_REPLAY_H
#define TREE_REPLAY_H

#include <stdint.h>

#include "replica/tree/apply.h"
#include "replica/tree/tree.h"
#include "src/base/bytes.h"
#include "src/zk/zxid.h"

/*
 * Committed transactions meet a tree that nobody watches: those of the own log
 * when a replica starts, and those that a learner is sent before it serves.
 */
struct replay {
	struct apply apply;
	/* Transactions whose digest wasn't the tree's behind them. A Java leader is wrong about
	 * some (a create with the container flag), so they are only counted. */
	uint64_t digest_mismatches;
};

/* The tree must outlive it. */
void replay_init(struct replay *replay, struct tree *tree);
void replay_release(struct replay *replay); /* takes a zeroed one */

/* 0, or -EBADMSG: it does not decode, is not of that zxid, or the tree is there already. */
int replay_txn(struct replay *replay, zxid_t zxid, struct bytes txn);

#endif
