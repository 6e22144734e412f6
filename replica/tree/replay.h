#ifndef TREE_REPLAY_H
#define TREE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "replica/tree/apply.h"
#include "replica/tree/tree.h"
#include "src/base/bytes.h"
#include "src/zk/zxid.h"

/*
 * Committed transactions meet a tree that nobody watches: those of the own log
 * when a replica starts, and those that a learner is sent before it serves.
 *
 * Most carry the digest that their leader's tree had behind them. A snapshot that a Java leader
 * sends under load holds part of what follows it, so that the tree agrees with none of the next
 * transactions, up to the last of which it holds something: LearnerHandler.run queues NEWLEADER
 * behind the snapshot, and Leader.tryToCommit the COMMIT before the leader applies, so that all
 * of these come before UPTODATE. No transaction brings back what follows it. So mismatches before
 * the first that agrees are the snapshot's, if there is one, and all behind it are none.
 */
struct replay {
	struct apply apply;
	bool is_settled;   /* one has agreed */
	size_t unsettled;  /* that did not, before */
	size_t mismatches; /* behind it */
};

/* The tree must outlive it. */
void replay_init(struct replay *replay, struct tree *tree);
void replay_release(struct replay *replay); /* takes a zeroed one */

/* 0, or -EBADMSG: it does not decode, is not of that zxid, or the tree is there already. */
int replay_txn(struct replay *replay, zxid_t zxid, struct bytes txn);

/*
 * At the end: the transactions whose digest wasn't the tree's behind them, but for what is the
 * snapshot's. A Java leader is wrong about some (a create with the container flag), so they are
 * only counted.
 */
size_t replay_mismatches(const struct replay *replay);

#endif
