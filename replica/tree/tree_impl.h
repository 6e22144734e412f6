#ifndef TREE_TREE_IMPL_H
#define TREE_TREE_IMPL_H

#include "replica/tree/changes.h"
#include "replica/tree/tree.h"
#include "replica/tree/znode_index.h"
#include "src/base/buf.h"

/* What tree.c, tree_session.c and tree_store.c share, and nobody else includes. */
struct tree {
	struct znode_index index;
	struct acl_cache acls;
	struct map sessions; /* struct tree_session */
	struct changes changes;
	struct znode *root;
	/* The last row's znode, by tree_load_row or tree_load_next, or NULL; and its stored path.
	 */
	struct znode *loaded;
	struct buf loaded_path;
	struct buf path; /* for znode_path, for a moment */
	zxid_t zxid;
	uint64_t digest;
	uint64_t data_size;
	size_t ephemeral_count;
	size_t open_session_count;
	bool extended_types;
};

/* What a new tree has. */
enum { TREE_SYSTEM_ZNODES = 4 };

/* "/" is stored as "". */
struct bytes tree_stored_path(struct bytes path);
struct znode *tree_find_mutable(const struct tree *tree, struct bytes path);

/* The znode above path, whether or not path is there; NULL for none. */
struct znode *tree_find_parent(const struct tree *tree, struct bytes path);

/* Put a new znode below parent (NULL for the root) into index, list, sums and session. */
struct znode *tree_link(struct tree *tree, struct znode *parent, const struct tree_row *row);

/* Give a znode that is linked already everything that row says. */
void tree_replace(struct tree *tree, struct znode *znode, const struct tree_row *row);

/* The session's ephemerals: a session that isn't open comes to exist for them, and goes with the
 * last. */
void tree_session_add_ephemeral(struct tree *tree, struct znode *znode);
void tree_session_remove_ephemeral(struct tree *tree, struct znode *znode);
/* What is known of the session is what the store has. */
void tree_set_session_stored(struct tree *tree, session_id_t id);
void tree_release_sessions(struct tree *tree);

#endif
