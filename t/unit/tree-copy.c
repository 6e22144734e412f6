#include "t/unit/tree-copy.h"

#include "src/base/assert.h"

struct tree_row tree_copy_row(const struct znode *znode, struct buf *path)
{
	return (struct tree_row){.path = znode_path(znode, path),
				 .data = znode_data(znode),
				 .acls = acl_list_acls(znode->acls),
				 .stat = znode_stored_stat(znode)};
}

static void copy_sessions(struct tree *copy, const struct tree *tree)
{
	const struct tree_session *session = NULL;

	while ((session = tree_next_session(tree, session))) {
		int error = session->open
				    ? tree_load_session(copy, session->id, session->timeout_ms)
				    : 0;

		ASSERT(!error);
	}
}

struct tree *tree_copy(const struct tree *tree, bool extended_types)
{
	struct tree *copy = tree_new(extended_types);
	const struct znode *znode = NULL;
	struct buf path;

	if (!tree)
		return copy;
	buf_init(&path, INT32_MAX);
	copy_sessions(copy, tree);
	while ((znode = tree_walk_next(tree, znode))) {
		struct tree_row row = tree_copy_row(znode, &path);
		int error = tree_load_row(copy, &row);

		ASSERT(!error);
	}
	buf_release(&path);
	tree_set_zxid(copy, tree_zxid(tree));
	return copy;
}
