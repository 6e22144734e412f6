#include "t/unit/cluster-store.h"

#include <stdlib.h>

#include "replica/tree/replay.h"
#include "replica/tree/snapshot.h"
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

void cluster_store_stream(const struct tree *tree, struct buf *buf)
{
	struct snapshot_writer writer;
	const struct tree_session *session = NULL;
	const struct znode *znode = NULL;
	struct buf path;

	buf_init(&path, INT32_MAX);
	snapshot_writer_init(&writer);
	while ((znode = tree_walk_next(tree, znode))) {
		struct tree_row row = tree_copy_row(znode, &path);

		snapshot_writer_note_acls(&writer, &row.acls);
	}
	snapshot_writer_begin(&writer, buf, (int32_t)tree_session_count(tree));
	while ((session = tree_next_session(tree, session)))
		if (session->open)
			snapshot_writer_session(&writer, buf, session->id, session->timeout_ms);
	while (snapshot_writer_acls(&writer, buf))
		;
	while ((znode = tree_walk_next(tree, znode))) {
		struct tree_row row = tree_copy_row(znode, &path);

		snapshot_writer_row(&writer, buf, &row);
	}
	snapshot_writer_end(&writer, buf);
	snapshot_writer_release(&writer);
	buf_release(&path);
}
