#include "replica/tree/replay.h"

#include <errno.h>

#include "replica/tree/txn.h"

void replay_init(struct replay *replay, struct tree *tree)
{
	*replay = (struct replay){0};
	apply_init(&replay->apply, tree, NULL, NULL, NULL);
}

void replay_release(struct replay *replay)
{
	apply_release(&replay->apply);
}

static void compare_digest(struct replay *replay, const struct txn *txn, uint64_t tree_digest)
{
	if (txn_confirms_digest(txn, tree_digest))
		replay->is_settled = true;
	else if (!txn_contradicts_digest(txn, tree_digest))
		return;
	else if (replay->is_settled)
		replay->mismatches++;
	else
		replay->unsettled++;
}

int replay_txn(struct replay *replay, zxid_t zxid, struct bytes bytes)
{
	struct tree *tree = replay->apply.tree;
	struct txn txn;
	int error = txn_decode(bytes, &txn);

	if (error)
		return error;
	if (txn.header.zxid != zxid || zxid <= tree_zxid(tree))
		return -EBADMSG;
	apply_txn(&replay->apply, &txn);
	compare_digest(replay, &txn, tree_digest(tree));
	return 0;
}

size_t replay_mismatches(const struct replay *replay)
{
	return replay->is_settled ? replay->mismatches : replay->unsettled;
}
