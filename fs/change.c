#include "fs/change.h"

#include <stdlib.h>
#include <string.h>

#include "fs/announced.h"
#include "fs/compare.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/inject.h"
#include "fs/inval.h"
#include "fs/name.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

/*
 * A path with own writes in flight: the events about it that came meanwhile
 * wait here, in order, until it is known which of them are our own; so do the
 * differences that a comparison (fs/compare.h) has found. By node it is only
 * noted that an answer differs from what has been told.
 */
struct own {
	struct map_entry by_path;
	char *path;
	unsigned in_flight;
	struct list held;
	bool differs;
};

struct held_event {
	struct list link;
	enum zk_event_type type;
	bool is_difference;
	char *path;        /* the own write's, or that with a sequence behind it */
	struct node *node; /* what was at path when the event came; held; or NULL */
};

struct observer {
	struct list link;
	change_observer_fn observe;
	void *data;
};

struct change {
	struct fs *fs;
	struct map own;
	struct list observers;
	struct compare *compare;
};

/* ---- what an event means for the kernel ---- */

static struct node *live_node(struct fs *fs, struct bytes path)
{
	struct node *node = node_of_path(fs, path);

	return node && node_is_live(node) ? node : NULL;
}

static struct node *live_dir(struct fs *fs, struct bytes path)
{
	struct node *node = live_node(fs, path);

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
	parent = live_node(fs, zk_path_parent(path));
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
	struct node *node = live_node(fs, path);
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

/* node: what was at path when the event, or the difference, came. */
static void take(struct fs *fs, enum zk_event_type type, struct bytes path, struct node *node)
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

static void take_event(struct fs *fs, enum zk_event_type type, struct bytes path, struct node *node)
{
	compare_told(fs->change->compare, type, path);
	take(fs, type, path, node);
}

/* ---- what it means for the cache ---- */

static void forget(struct fs *fs, enum zk_event_type type, struct bytes path)
{
	switch (type) {
	case ZK_EVENT_NODE_CREATED:
	case ZK_EVENT_NODE_DELETED:
		znode_forget(fs, path, ZNODE_STAT | ZNODE_DATA | ZNODE_CHILDREN);
		if (!bytes_equal_text(path, "/"))
			znode_forget(fs, zk_path_parent(path), ZNODE_STAT | ZNODE_CHILDREN);
		break;
	case ZK_EVENT_NODE_DATA_CHANGED:
		znode_forget(fs, path, ZNODE_STAT | ZNODE_DATA);
		break;
	case ZK_EVENT_NODE_CHILDREN_CHANGED:
		znode_forget(fs, path, ZNODE_STAT | ZNODE_CHILDREN);
		break;
	default:
		break;
	}
}

/* ---- own writes ---- */

static void announce_own(struct fs *fs, enum zk_event_type kind, struct bytes path,
			 const struct zk_stat *stat);
static void look_again(struct fs *fs, struct bytes path);

static struct own *own_find(const struct change *change, struct bytes path)
{
	struct map_entry *entry = map_find(&change->own, path);

	return entry ? map_item(entry, struct own, by_path) : NULL;
}

void change_own_begin(struct fs *fs, enum zk_event_type kind, struct bytes path)
{
	struct own *own = own_find(fs->change, path);

	if (!own) {
		own = mem_zalloc(sizeof(*own));
		own->path = bytes_dup(path);
		list_init(&own->held);
		map_insert(&fs->change->own, &own->by_path, bytes_of_text(own->path));
	}
	own->in_flight++;
}

static void held_free(struct fs *fs, struct held_event *held)
{
	list_remove(&held->link);
	if (held->node)
		node_drop(fs, held->node);
	free(held->path);
	free(held);
}

static bool is_held(const struct held_event *held, enum zk_event_type type, struct bytes path)
{
	return held->type == type && bytes_equal_text(path, held->path);
}

/* Its event was sent right before the reply: it is the last one of its kind. */
static void drop_own_event(struct fs *fs, struct own *own, enum zk_event_type kind,
			   struct bytes path)
{
	for (struct list *at = own->held.prev; at != &own->held; at = at->prev) {
		struct held_event *held = list_item(at, struct held_event, link);

		if (held->is_difference || !is_held(held, kind, path))
			continue;
		held_free(fs, held);
		return;
	}
}

/* A difference may be the own write itself; what was missed before coalesces with it. */
static void drop_differences(struct fs *fs, struct own *own, enum zk_event_type kind,
			     struct bytes path)
{
	list_for_each_safe (&own->held, at) {
		struct held_event *held = list_item(at, struct held_event, link);

		if (held->is_difference && is_held(held, kind, path))
			held_free(fs, held);
	}
}

/* What was there when the event came, unless an own rename has moved it away since. */
static struct node *held_node(const struct held_event *held)
{
	return held->node && strcmp(held->node->path, held->path) == 0 ? held->node : NULL;
}

static void own_end(struct fs *fs, struct own *own)
{
	ASSERT(own->in_flight > 0);
	if (--own->in_flight > 0)
		return;
	map_remove(&fs->change->own, &own->by_path);
	for (struct list *at; (at = list_first(&own->held));) {
		struct held_event *held = list_item(at, struct held_event, link);

		if (held->is_difference)
			take(fs, held->type, bytes_of_text(held->path), held_node(held));
		else
			take_event(fs, held->type, bytes_of_text(held->path), held_node(held));
		held_free(fs, held);
	}
	if (own->differs)
		look_again(fs, bytes_of_text(own->path));
	free(own->path);
	free(own);
}

/* What is known of it since an own write of it. */
static const struct zk_stat *known_stat(const struct fs *fs, struct bytes path)
{
	const struct znode *znode = znode_peek(fs, path);

	return znode && (znode->known & ZNODE_STAT) && znode->exists ? &znode->stat : NULL;
}

/* zxid: the txn's, for where the cache knows nothing of it; or 0. */
static void own_succeeded(struct fs *fs, struct own *own, enum zk_event_type kind,
			  struct bytes path, zxid_t zxid)
{
	const struct zk_stat as_written = {.czxid = zxid, .mzxid = zxid};
	const struct zk_stat *stat = known_stat(fs, path);

	if (!stat && zxid)
		stat = &as_written;
	if (kind != ZK_EVENT_NODE_DATA_CHANGED)
		inject_own(fs, path, kind == ZK_EVENT_NODE_CREATED);
	compare_own(fs->change->compare, kind, path, stat);
	drop_differences(fs, own, kind, path);
	if (fs->znodes.by_node)
		announce_own(fs, kind, path, stat);
	else
		drop_own_event(fs, own, kind, path);
}

void change_own_end(struct fs *fs, enum zk_event_type kind, struct bytes path, bool succeeded)
{
	struct own *own = own_find(fs->change, path);

	ASSERT(own);
	if (succeeded)
		own_succeeded(fs, own, kind, path, 0);
	own_end(fs, own);
}

void change_own_end_as(struct fs *fs, enum zk_event_type kind, struct bytes path,
		       struct bytes real_path, zxid_t zxid)
{
	struct own *own = own_find(fs->change, path);

	ASSERT(own);
	own_succeeded(fs, own, kind, real_path, zxid);
	own_end(fs, own);
}

static struct held_event *held_new(struct fs *fs, enum zk_event_type type, struct bytes path)
{
	struct held_event *held = mem_zalloc(sizeof(*held));

	list_init(&held->link);
	held->type = type;
	held->path = bytes_dup(path);
	held->node = node_of_path(fs, path);
	if (held->node)
		node_hold(held->node);
	return held;
}

static void hold_event(struct fs *fs, struct own *own, enum zk_event_type type, struct bytes path)
{
	struct held_event *held = held_new(fs, type, path);

	list_append(&own->held, &held->link);
}

/* What the same event tells, it needn't tell again. */
static void hold_difference(struct fs *fs, struct own *own, enum zk_event_type type,
			    struct bytes path)
{
	struct held_event *difference;

	list_for_each (&own->held, at)
		if (is_held(list_item(at, struct held_event, link), type, path))
			return;
	difference = held_new(fs, type, path);
	difference->is_difference = true;
	/* An end without an event came before the watch, and so before all events. */
	if (type == ZK_EVENT_NODE_DELETED)
		list_prepend(&own->held, &difference->link);
	else
		list_append(&own->held, &difference->link);
}

/*
 * The own write that an event may be the end of. That of a sequential create
 * names what was asked for and a sequence: "%010d", of a counter that wraps.
 */
static struct own *own_of_event(const struct change *change, enum zk_event_type type,
				struct bytes path)
{
	enum { SEQUENCE_SIZE = 10, SEQUENCE_SIZE_MAX = 11 };
	struct own *own = own_find(change, path);

	if (own || type != ZK_EVENT_NODE_CREATED || change->own.count == 0)
		return own;
	for (int32_t size = SEQUENCE_SIZE; !own && size <= SEQUENCE_SIZE_MAX; size++) {
		if (path.size > size)
			own = own_find(change, bytes_of(path.data, (size_t)(path.size - size)));
	}
	return own;
}

static void tell_observers(struct fs *fs, enum zk_event_type type, struct bytes path, zxid_t zxid)
{
	list_for_each_safe (&fs->change->observers, at) {
		struct observer *observer = list_item(at, struct observer, link);

		observer->observe(observer->data, type, path, zxid);
	}
}

/* ---- without a recursive watch ---- */

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
	tell_observers(fs, type, path, -1);
	take(fs, type, path, node_of_path(fs, path));
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
	struct own *own = own_find(fs->change, path);

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
	bool is_live = live_node(fs, path) != NULL;

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

static void take_one_shot(struct fs *fs, enum zk_event_type type, struct bytes path)
{
	const struct node *node = live_node(fs, path);

	znode_disarm(fs, path, watches_used_up(type));
	if (!node)
		return; /* who comes to hold it asks first (znode_held) */
	inval_inode(fs, node->nodeid);
	znode_arm(fs, path);
}

/*
 * Compare path, and its name, anew: as if events had come, but for what an own
 * reply has just told.
 */
static void look_again(struct fs *fs, struct bytes path)
{
	if (known_stat(fs, path))
		on_seen(fs, znode_peek(fs, path), ZNODE_STAT);
	else
		take_one_shot(fs, ZK_EVENT_NODE_DATA_CHANGED, path);
	if (!bytes_equal_text(path, "/"))
		take_one_shot(fs, ZK_EVENT_NODE_CHILDREN_CHANGED, zk_path_parent(path));
}

/* An own write has become a txn; stat as for compare_own. */
static void announce_own(struct fs *fs, enum zk_event_type kind, struct bytes path,
			 const struct zk_stat *stat)
{
	struct announced *parent = announced_of_parent(fs, path);
	struct znode *znode = znode_peek(fs, path);

	tell_observers(fs, kind, path, -1);
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

/* ---- events ---- */

void change_event(struct fs *fs, enum zk_event_type type, struct bytes path, zxid_t zxid)
{
	struct own *own;

	if (bytes_is_null(path) || !zk_path_is_within(path, bytes_of_text(fs->root_path)))
		return;
	if (fs->znodes.by_node) {
		take_one_shot(fs, type, path);
		return;
	}
	forget(fs, type, path);
	tell_observers(fs, type, path, zxid);
	own = own_of_event(fs->change, type, path);
	if (own)
		hold_event(fs, own, type, path);
	else
		take_event(fs, type, path, node_of_path(fs, path));
}

/* ---- the connection was away ---- */

void change_disconnected(struct fs *fs)
{
	compare_interrupted(fs->change->compare);
	/* Takes no lock, and so reaches all at once; names end by their lifetimes. */
	for (struct map_entry *at = map_first(&fs->nodes.by_id); at;
	     at = map_next(&fs->nodes.by_id, at)) {
		struct node *node = map_item(at, struct node, by_id);

		if (node_is_live(node))
			inval_inode(fs, node->nodeid);
	}
}

void change_compare_all(struct fs *fs)
{
	compare_begin(fs->change->compare);
	inject_resume(fs);
}

static void on_difference(void *data, enum zk_event_type type, struct bytes path)
{
	struct fs *fs = data;
	struct own *own = own_find(fs->change, path);

	/* By node, the answers themselves have told (on_seen). */
	if (fs->znodes.by_node)
		return;
	if (own)
		hold_difference(fs, own, type, path);
	else
		take(fs, type, path, node_of_path(fs, path));
}

/* ---- observers and life ---- */

void change_observe(struct fs *fs, change_observer_fn observe, void *data)
{
	struct observer *observer = mem_zalloc(sizeof(*observer));

	observer->observe = observe;
	observer->data = data;
	list_append(&fs->change->observers, &observer->link);
}

struct change *change_new(struct fs *fs)
{
	struct change *change = mem_zalloc(sizeof(*change));

	change->fs = fs;
	map_init(&change->own);
	list_init(&change->observers);
	change->compare = compare_new(fs, on_difference, fs);
	return change;
}

void change_free(struct change *change)
{
	struct map_entry *entry;

	if (!change)
		return;
	while ((entry = map_first(&change->own))) {
		struct own *own = map_item(entry, struct own, by_path);

		map_remove(&change->own, &own->by_path);
		list_for_each_safe (&own->held, at)
			held_free(change->fs, list_item(at, struct held_event, link));
		free(own->path);
		free(own);
	}
	list_for_each_safe (&change->observers, at)
		free(list_item(at, struct observer, link));
	map_release(&change->own);
	compare_free(change->compare);
	free(change);
}
