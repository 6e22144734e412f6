/*
 * rename(2) of a directory with all that is below it, as one multi: a create
 * of each znode at its new path, parents first, then a delete of each at its
 * old one, children first. Each delete names the version that was copied, and
 * is refused for a znode that has got a child, so whatever is changed meanwhile
 * makes the whole fail, and it begins anew.
 *
 * A tree that doesn't fit in one request is EXDEV: mv(1) copies then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/change.h"
#include "fs/file.h"
#include "fs/name.h"
#include "fs/namespace.h"
#include "fs/subtree.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

enum { RENAME_TREE_TRIES_MAX = 5 };

struct renaming {
	struct request *request;
	struct fs *fs;
	char *from;
	char *to;
	bool no_replace;
	bool replaces; /* an empty directory is there, of this version */
	int32_t target_version;
	struct subtree *subtree;
	int tries;
};

static void look_at_target(struct renaming *renaming);

static void finish(struct renaming *renaming, int error)
{
	struct request *request = renaming->request;

	request_reply_error(request, error);
	subtree_free(renaming->subtree);
	free(renaming->from);
	free(renaming->to);
	free(renaming);
	request_drop(request);
}

/* Where a path within the source will be; the caller frees it. */
static char *new_path(const struct renaming *renaming, const char *path)
{
	ASSERT(zk_path_is_within(bytes_of_text(path), bytes_of_text(renaming->from)));
	return mem_printf("%s%s", renaming->to, path + strlen(renaming->from));
}

/* ---- own changes ---- */

static void begin_own(struct renaming *renaming)
{
	struct fs *fs = renaming->fs;

	if (renaming->replaces)
		change_own_begin(fs, ZK_EVENT_NODE_DELETED, bytes_of_text(renaming->to));
	list_for_each (&renaming->subtree->items, at) {
		struct subtree_item *item = list_item(at, struct subtree_item, link);
		char *path = new_path(renaming, item->path);

		change_own_begin(fs, ZK_EVENT_NODE_CREATED, bytes_of_text(path));
		change_own_begin(fs, ZK_EVENT_NODE_DELETED, bytes_of_text(item->path));
		free(path);
	}
}

/* czxid: of what was created, if it was. */
static void end_own(struct renaming *renaming, bool succeeded, zxid_t czxid)
{
	struct fs *fs = renaming->fs;

	if (renaming->replaces)
		change_own_end(fs, ZK_EVENT_NODE_DELETED, bytes_of_text(renaming->to), succeeded);
	list_for_each (&renaming->subtree->items, at) {
		struct subtree_item *item = list_item(at, struct subtree_item, link);
		char *path = new_path(renaming, item->path);

		if (succeeded)
			change_own_end_as(fs, ZK_EVENT_NODE_CREATED, bytes_of_text(path),
					  bytes_of_text(path), czxid);
		else
			change_own_end(fs, ZK_EVENT_NODE_CREATED, bytes_of_text(path), false);
		change_own_end(fs, ZK_EVENT_NODE_DELETED, bytes_of_text(item->path), succeeded);
		free(path);
	}
}

static void forget_all(struct renaming *renaming)
{
	struct fs *fs = renaming->fs;
	const unsigned all = ZNODE_STAT | ZNODE_DATA | ZNODE_CHILDREN;

	znode_forget(fs, zk_path_parent(bytes_of_text(renaming->to)), ZNODE_STAT | ZNODE_CHILDREN);
	list_for_each (&renaming->subtree->items, at) {
		struct subtree_item *item = list_item(at, struct subtree_item, link);
		char *path = new_path(renaming, item->path);

		znode_deleted(fs, bytes_of_text(item->path));
		znode_forget(fs, bytes_of_text(path), all);
		free(path);
	}
}

/* ---- when it is done ---- */

static void move_nodes(struct renaming *renaming, zxid_t czxid)
{
	struct fs *fs = renaming->fs;
	struct bytes from = bytes_of_text(renaming->from);

	namespace_unlinked(fs, node_of_path(fs, bytes_of_text(renaming->to)));
	map_for_each (&fs->nodes.by_id, at) {
		struct node *node = map_item(at, struct node, by_id);
		char *path;

		if (!node->attached || !zk_path_is_within(bytes_of_text(node->path), from))
			continue;
		path = new_path(renaming, node->path);
		node_move(fs, node, bytes_of_text(path), czxid);
		free(path);
	}
}

/*
 * One txn has created all of them: they have one czxid. The nodes are moved
 * before an event of a later change can come, as in rename.c.
 */
static void renamed(struct renaming *renaming, const struct zk_reply *reply)
{
	zxid_t czxid = reply->outcome == ZK_OUTCOME_REPLIED ? reply->zxid : reply->stat.czxid;

	forget_all(renaming);
	move_nodes(renaming, czxid);
	end_own(renaming, true, czxid);
	finish(renaming, 0);
}

/* Something was changed between the reading and the multi. */
static bool is_changed(int32_t code)
{
	return code == ZK_BADVERSION || code == ZK_NOTEMPTY || code == ZK_NONODE ||
	       code == ZK_NODEEXISTS;
}

static void on_multi(struct request *request, const struct zk_reply *reply, void *data)
{
	struct renaming *renaming = data;
	int error = request_errno(reply);
	int32_t code = reply->code;
	size_t at = 0;

	if (!error && reply->outcome == ZK_OUTCOME_REPLIED) {
		code = zk_multi_reply_error(reply->body, &at);
		error = zk_code_errno(code);
	}
	if (!error) {
		renamed(renaming, reply);
		return;
	}
	end_own(renaming, false, 0);
	if (reply->outcome != ZK_OUTCOME_REPLIED || !is_changed(code) ||
	    ++renaming->tries >= RENAME_TREE_TRIES_MAX) {
		finish(renaming, error);
		return;
	}
	list_for_each (&renaming->subtree->items, link)
		znode_forget(renaming->fs,
			     bytes_of_text(list_item(link, struct subtree_item, link)->path),
			     ZNODE_STAT | ZNODE_DATA | ZNODE_CHILDREN);
	znode_forget(renaming->fs, bytes_of_text(renaming->to),
		     ZNODE_STAT | ZNODE_DATA | ZNODE_CHILDREN);
	subtree_free(renaming->subtree);
	renaming->subtree = NULL;
	look_at_target(renaming);
}

/* ---- the multi ---- */

static void add_creates(struct renaming *renaming, struct zk_request *zk_request)
{
	list_for_each (&renaming->subtree->items, at) {
		struct subtree_item *item = list_item(at, struct subtree_item, link);
		char *path = new_path(renaming, item->path);

		zk_request_multi_create(zk_request, bytes_of_text(path), value_data(item->value),
					&item->acls,
					item->stat.ephemeral_owner ? ZK_EPHEMERAL : ZK_PERSISTENT);
		free(path);
	}
}

/* The last one is the source itself, as ZK_INTENT_RENAME wants it. */
static void add_deletes(struct renaming *renaming, struct zk_request *zk_request)
{
	struct list *items = &renaming->subtree->items;

	for (struct list *at = items->prev; at != items; at = at->prev) {
		struct subtree_item *item = list_item(at, struct subtree_item, link);

		zk_request_multi_delete(zk_request, bytes_of_text(item->path), item->stat.version);
	}
}

static void on_subtree(void *data, int error, struct subtree *subtree)
{
	struct renaming *renaming = data;
	struct zk_request zk_request;

	renaming->subtree = subtree;
	if (error) {
		finish(renaming, error);
		return;
	}
	zk_request_multi_begin(&zk_request);
	if (renaming->replaces)
		zk_request_multi_delete(&zk_request, bytes_of_text(renaming->to),
					renaming->target_version);
	add_creates(renaming, &zk_request);
	add_deletes(renaming, &zk_request);
	zk_request_multi_end(&zk_request);
	if (zk_request_size(&zk_request) > renaming->fs->options->jute_maxbuffer) {
		zk_request_release(&zk_request);
		finish(renaming, EXDEV);
		return;
	}
	zk_request.intent = ZK_INTENT_RENAME;
	begin_own(renaming);
	request_submit(renaming->request, &zk_request, on_multi, renaming);
}

/* ---- the target ---- */

static int check_target(struct renaming *renaming, struct znode *znode)
{
	const struct node *node;

	if (renaming->no_replace)
		return EEXIST;
	node = namespace_node(renaming->fs, znode);
	if (!node_is_dir(node))
		return ENOTDIR;
	if (znode->stat.num_children > 0 || znode->stat.data_length > 0 || file_unborn_first(node))
		return ENOTEMPTY;
	renaming->replaces = true;
	renaming->target_version = znode->stat.version;
	return 0;
}

static void on_target(void *data, int32_t code, int error, struct znode *znode)
{
	struct renaming *renaming = data;
	struct fs *fs = renaming->fs;

	renaming->replaces = false;
	if (code == ZK_NONODE)
		error = 0;
	else if (!error)
		error = check_target(renaming, znode);
	if (error)
		finish(renaming, error);
	else
		subtree_read(renaming->request, bytes_of_text(renaming->from),
			     fs->options->jute_maxbuffer, on_subtree, renaming);
}

static void look_at_target(struct renaming *renaming)
{
	znode_get_shown(renaming->fs, bytes_of_text(renaming->to), on_target, renaming);
}

void namespace_rename_tree(struct request *request, struct bytes from, struct bytes to,
			   bool no_replace)
{
	struct renaming *renaming = mem_zalloc(sizeof(*renaming));

	renaming->request = request;
	renaming->fs = request->fs;
	renaming->from = bytes_dup(from);
	renaming->to = bytes_dup(to);
	renaming->no_replace = no_replace;
	request_hold(request);
	look_at_target(renaming);
}
