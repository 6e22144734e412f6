#ifndef TREE_APPLY_H
#define TREE_APPLY_H

#include <stddef.h>
#include <stdint.h>

#include "replica/tree/tree.h"
#include "replica/tree/txn.h"
#include "replica/tree/watch.h"
#include "src/zk/opcode.h"

/*
 * A committed transaction meets the tree (DataTree.processTxn): znodes and
 * sessions change, watches fire, and what the client is to be told comes back.
 * Transactions are applied in zxid order, each once.
 */

/* What became of an operation: of the transaction, or of each part of a multi. */
struct apply_outcome {
	int32_t type; /* enum zk_opcode; ZK_OP_ERROR for a part of a multi that failed */
	enum zk_code err;
	struct bytes
		path; /* of the znode; into the transaction's bytes; null where there is none */
	struct zk_stat stat; /* behind the operation; for those whose answer has one */
};

/*
 * A watch fired. acls are those that decide whether the watcher may be told
 * (spec/client-protocol.md 11.3); path and acls are valid during the call.
 */
typedef void apply_event_fn(void *data, struct watcher *watcher, zxid_t zxid,
			    enum zk_event_type type, struct bytes path, const struct zk_acls *acls);

struct apply {
	struct tree *tree;
	struct watches *watches;
	apply_event_fn *event;
	void *data;
	/* Of the last transaction: one, or as many as the multi has parts. */
	struct apply_outcome *outcomes;
	size_t outcome_count;
	size_t outcome_capacity;
};

/* watches may be NULL, with event: nobody watches during recovery. */
void apply_init(struct apply *apply, struct tree *tree, struct watches *watches,
		apply_event_fn *event, void *data);
void apply_release(struct apply *apply);

/* The transaction's zxid must be above the tree's; it is the tree's afterwards. */
void apply_txn(struct apply *apply, const struct txn *txn);

#endif
