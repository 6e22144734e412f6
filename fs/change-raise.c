#include <stdlib.h>

#include "fs/change_impl.h"
#include "fs/compare.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/inject.h"
#include "fs/inval.h"
#include "fs/name.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

static struct node *live_dir(struct fs *fs, struct bytes path)
{
	struct node *node = node_of_path_live(fs, path);

	return node && node_is_dir(node) ? node : NULL;
}

static bool is_root(const struct fs *fs, struct bytes path)
{
	return bytes_equal_text(path, fs->root_path);
}

/*
 * Its type has changed: for the kernel that is another inode under the same
 * name, and for those who watch, a DELETE and a CREATE.
 */
static void retype(struct fs *fs, struct node *node)
{
	struct bytes path = bytes_of_text(node->path);
	struct node *dir = is_root(fs, path) ? NULL : live_dir(fs, zk_path_parent(path));

	if (!dir)
		return;
	node_hold(node);
	inject_deleted(fs, dir, path, node, node_is_dir(node));
	node_detach(fs, node);
	inject_created(fs, dir, path);
	/* Who looks before the events are raised asks for its attributes, and is sent to the new
	 * one. */
	inval_inode(fs, node->nodeid);
	node_drop(fs, node);
}

static void take_created(struct fs *fs, struct bytes path)
{
	struct node *parent;

	if (is_root(fs, path) || name_is_contender(zk_path_name(path)))
		return;
	parent = node_of_path_live(fs, zk_path_parent(path));
	if (!parent)
		return;
	inval_inode(fs, parent->nodeid);
	if (node_is_dir(parent))
		inject_created(fs, parent, path);
	else
		retype(fs, parent);
}

/* D/.data goes with D, but not with the D that was made after it. */
static void detach_with_parts(struct fs *fs, struct node *node)
{
	struct node *data = NULL;

	if (node->attached)
		data = node_of_key(fs, NODE_DATA, bytes_of_text(node->path), NULL);
	if (data) {
		file_gone(fs, data);
		node_detach(fs, data);
	}
	file_gone(fs, node);
	node_detach(fs, node);
}

/* node: what was at path until then, or NULL. */
static void take_deleted(struct fs *fs, struct bytes path, struct node *node)
{
	struct node *parent = is_root(fs, path) ? NULL : live_dir(fs, zk_path_parent(path));
	struct node *newer = node_of_path(fs, path);

	if (name_is_contender(zk_path_name(path)))
		return;
	compare_deleted(fs->change->compare, path);
	if (node)
		node_hold(node);
	if (parent) {
		inval_inode(fs, parent->nodeid);
		inject_deleted(fs, parent, path, node, node && node_is_dir(node));
		/* An own create was faster: what is shown last is that it is there. */
		if (newer && newer != node)
			inject_created(fs, parent, path);
	}
	if (node) {
		inval_inode(fs, node->nodeid);
		detach_with_parts(fs, node);
		node_drop(fs, node);
	}
}

/* The value tells what is to be raised: null shows a file as a directory, and hides D/.data. */
struct changed_value {
	struct fs *fs;
	struct node *node; /* held */
};

static void take_file_value(struct fs *fs, struct node *node, const struct znode *znode)
{
	if (znode_is_shown_as_dir(znode))
		retype(fs, node);
	else
		inject_modified(fs, node);
}

static void take_dir_value(struct fs *fs, struct node *dir, const struct znode *znode)
{
	struct bytes path = bytes_of_text(dir->path);
	struct node *data = node_of_key(fs, NODE_DATA, path, NULL);

	if (!znode->value->is_null) {
		data = data ? data : node_get(fs, NODE_DATA, path, NULL, 0);
		node_hold(data);
		inval_inode(fs, data->nodeid);
		inject_modified(fs, data);
		node_drop(fs, data);
	} else if (data) {
		file_gone(fs, data);
		node_detach(fs, data);
		inval_entry(fs, dir->nodeid, ".data");
	}
}

static void on_value(void *data, int32_t code, int error, struct znode *znode)
{
	struct changed_value *changed = data;
	struct node *node = changed->node;

	if (code == ZK_OK && node->attached && node_is_live(node)) {
		if (node_is_dir(node))
			take_dir_value(changed->fs, node, znode);
		else
			take_file_value(changed->fs, node, znode);
	}
	node_drop(changed->fs, node);
	free(changed);
}

static void take_data_changed(struct fs *fs, struct bytes path)
{
	struct node *node = node_of_path_live(fs, path);
	struct changed_value *changed;

	if (!node)
		return;
	inval_inode(fs, node->nodeid);
	changed = mem_zalloc(sizeof(*changed));
	changed->fs = fs;
	changed->node = node;
	node_hold(node);
	/* Of a directory it matters whether the value is null; of a file, what it is shown as now.
	 */
	if (node_is_dir(node))
		znode_get(fs, path, ZNODE_STAT | ZNODE_DATA, on_value, changed);
	else
		znode_get_shown(fs, path, on_value, changed);
}

void change_raise(struct fs *fs, enum zk_event_type type, struct bytes path, struct node *node)
{
	switch (type) {
	case ZK_EVENT_NODE_CREATED:
		take_created(fs, path);
		break;
	case ZK_EVENT_NODE_DELETED:
		take_deleted(fs, path, node);
		break;
	case ZK_EVENT_NODE_DATA_CHANGED:
		take_data_changed(fs, path);
		break;
	default:
		break;
	}
}
