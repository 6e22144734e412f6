#include <stdlib.h>

#include "fs/announced.h"
#include "fs/change_impl.h"
#include "fs/fs.h"
#include "fs/inval.h"
#include "src/zk/path.h"

/*
 * An event of a one-shot watch says no more than that there is something new:
 * the znode is asked, which arms the watch again, and the answer is compared
 * with what has been told. The same holds for any other answer about what the
 * kernel holds. Own changes are told where they end: as replies come in the
 * order of the questions, an answer shows what own writes before it did, and
 * nothing of those after it.
 */
static struct announced *announced_of(struct fs *fs, struct bytes path)
{
	struct znode *znode = znode_peek(fs, path);

	return znode ? znode->announced : NULL;
}

static struct announced *announced_of_parent(struct fs *fs, struct bytes path)
{
	return bytes_equal_text(path, "/") ? NULL : announced_of(fs, zk_path_parent(path));
}

static void forget_announced(struct znode *znode)
{
	if (!znode)
		return;
	announced_free(znode->announced);
	znode->announced = NULL;
}

static void tell(struct fs *fs, enum zk_event_type type, struct bytes path)
{
	change_tell_observers(fs, type, path, -1);
	change_raise(fs, type, path, node_of_path(fs, path));
}

static void tell_deleted(struct fs *fs, struct bytes path)
{
	struct announced *parent = announced_of_parent(fs, path);

	if (parent)
		announced_remove(parent, zk_path_name(path));
	forget_announced(znode_peek(fs, path));
	tell(fs, ZK_EVENT_NODE_DELETED, path);
}

static void tell_created(struct fs *fs, struct bytes path)
{
	struct announced *parent = announced_of_parent(fs, path);

	if (parent)
		announced_add(parent, zk_path_name(path));
	tell(fs, ZK_EVENT_NODE_CREATED, path);
}

/*
 * Path differs from what has been told. Is an own write of it in flight? Then
 * its end decides: after a lost connection, the difference may be that write.
 */
static bool is_left_to_own(struct fs *fs, struct bytes path)
{
	struct own *own = change_own_find(fs->change, path);

	if (own)
		own->differs = true;
	return own != NULL;
}

struct listing {
	struct fs *fs;
	const char *path; /* of the directory */
};

static bool tell_name(void *data, struct bytes name, bool is_there)
{
	const struct listing *listing = data;
	char *path = zk_path_join(bytes_of_text(listing->path), name);
	bool is_left = is_left_to_own(listing->fs, bytes_of_text(path));

	if (!is_left && is_there)
		tell_created(listing->fs, bytes_of_text(path));
	else if (!is_left)
		tell_deleted(listing->fs, bytes_of_text(path));
	free(path);
	return !is_left;
}

static void see_live(struct fs *fs, struct znode *znode, unsigned parts)
{
	struct bytes path = bytes_of_text(znode->path);
	struct listing listing = {.fs = fs, .path = znode->path};
	struct announced *announced = znode->announced;

	if (announced->czxid != znode->stat.czxid) {
		if (is_left_to_own(fs, path))
			return;
		tell_deleted(fs, path);
		tell_created(fs, path);
		return;
	}
	if (announced->mzxid != znode->stat.mzxid && !is_left_to_own(fs, path)) {
		bool is_own = announced->mzxid == 0;

		announced->mzxid = znode->stat.mzxid;
		if (!is_own)
			tell(fs, ZK_EVENT_NODE_DATA_CHANGED, path);
	}
	if (parts & ZNODE_CHILDREN)
		announced_compare(announced, &znode->children, tell_name, &listing);
}

/*
 * What nobody holds has been told to nobody: the first one to hold it begins
 * with what was seen last. A list that was seen holds until an event comes.
 */
static void see_unheld(struct znode *znode, unsigned parts)
{
	if (znode->announced &&
	    ((parts & ZNODE_CHILDREN) || znode->announced->czxid != znode->stat.czxid))
		forget_announced(znode);
	if (!znode->announced)
		znode->announced = announced_new(&znode->stat);
	znode->announced->mzxid = znode->stat.mzxid;
	if (parts & ZNODE_CHILDREN)
		announced_compare(znode->announced, &znode->children, NULL, NULL);
}

static void on_seen(struct fs *fs, struct znode *znode, unsigned parts)
{
	struct bytes path = bytes_of_text(znode->path);
	bool is_live = node_of_path_live(fs, path) != NULL;

	if (parts != 0 && (!is_live || !znode->announced))
		see_unheld(znode, parts);
	else if (parts != 0)
		see_live(fs, znode, parts);
	/* Its end by an own write has been announced, though a rename may still be at it. */
	else if (is_live && znode->announced && !is_left_to_own(fs, path))
		tell_deleted(fs, path);
}

static unsigned watches_used_up(enum zk_event_type type)
{
	switch (type) {
	case ZK_EVENT_NODE_CHILDREN_CHANGED:
		return ZNODE_CHILD_WATCH;
	case ZK_EVENT_NODE_DELETED:
		return ZNODE_BOTH_WATCHES;
	default:
		return ZNODE_DATA_WATCH;
	}
}

void change_nodes_event(struct fs *fs, enum zk_event_type type, struct bytes path)
{
	const struct node *node = node_of_path_live(fs, path);

	znode_disarm(fs, path, watches_used_up(type));
	if (!node)
		return; /* who comes to hold it asks first (znode_held) */
	inval_inode(fs, node->nodeid);
	znode_arm(fs, path);
}

void change_nodes_look_again(struct fs *fs, struct bytes path)
{
	if (change_known_stat(fs, path))
		on_seen(fs, znode_peek(fs, path), ZNODE_STAT);
	else
		change_nodes_event(fs, ZK_EVENT_NODE_DATA_CHANGED, path);
	if (!bytes_equal_text(path, "/"))
		change_nodes_event(fs, ZK_EVENT_NODE_CHILDREN_CHANGED, zk_path_parent(path));
}

void change_nodes_own(struct fs *fs, enum zk_event_type kind, struct bytes path,
		      const struct zk_stat *stat)
{
	struct announced *parent = announced_of_parent(fs, path);
	struct znode *znode = znode_peek(fs, path);

	change_tell_observers(fs, kind, path, -1);
	if (kind == ZK_EVENT_NODE_DATA_CHANGED) {
		if (znode && znode->announced)
			znode->announced->mzxid = stat ? stat->mzxid : 0;
		return;
	}
	forget_announced(znode);
	if (kind == ZK_EVENT_NODE_DELETED) {
		if (parent)
			announced_remove(parent, zk_path_name(path));
		return;
	}
	if (parent)
		announced_add(parent, zk_path_name(path));
	if (znode && stat) {
		znode->announced = announced_new(stat);
		znode->announced->has_names = true; /* none yet */
	}
	znode_arm(fs, path);
}

void change_by_node(struct fs *fs)
{
	fs->znodes.watched = false;
	fs->znodes.by_node = true;
	fs->znodes.on_seen = on_seen;
	znode_forget_all(fs);
	change_compare_all(fs);
}
