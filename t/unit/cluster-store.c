#include "t/unit/cluster-store.h"

#include <stdlib.h>

#include "replica/tree/replay.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"
#include "t/unit/tree-copy.h"

void cluster_store_clear(struct cluster_store *store)
{
	for (size_t at = 0; at < store->log_count; at++)
		blob_unref(store->log[at].txn);
	free(store->log);
	if (store->tree)
		tree_free(store->tree);
	*store = (struct cluster_store){0};
}

void cluster_store_append(struct cluster_store *store, zxid_t zxid, struct blob *txn)
{
	zxid_t last = store->log_count > 0 ? store->log[store->log_count - 1].zxid : store->base;

	assert_true(zxid > last);
	store->log = mem_realloc(store->log, (store->log_count + 1) * sizeof(*store->log));
	store->log[store->log_count++] = (struct cluster_entry){zxid, blob_ref(txn)};
}

void cluster_store_cut(struct cluster_store *store, zxid_t zxid)
{
	while (store->log_count > 0 && store->log[store->log_count - 1].zxid > zxid)
		blob_unref(store->log[--store->log_count].txn);
}

struct tree *cluster_store_load(const struct cluster_store *store, zxid_t zxid)
{
	struct tree *tree = tree_copy(store->tree, false);
	zxid_t from = tree_zxid(tree);
	struct replay replay;

	replay_init(&replay, tree);
	for (size_t at = 0; at < store->log_count; at++) {
		const struct cluster_entry *entry = &store->log[at];

		if (entry->zxid > from && entry->zxid <= zxid)
			assert_int_equal(replay_txn(&replay, entry->zxid, blob_bytes(entry->txn)),
					 0);
	}
	replay_release(&replay);
	return tree;
}
