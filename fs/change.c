#include "fs/change_impl.h"

#include <stdlib.h>
#include <string.h>

#include "fs/compare.h"
#include "fs/fs.h"
#include "fs/inject.h"
#include "fs/inval.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/path.h"

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

struct own *change_own_find(const struct change *change, struct bytes path)
{
	struct map_entry *entry = map_find(&change->own, path);

	return entry ? map_item(entry, struct own, by_path) : NULL;
}

void change_own_begin(struct fs *fs, enum zk_event_type kind, struct bytes path)
{
	struct own *own = change_own_find(fs->change, path);

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

static void take_event(struct fs *fs, enum zk_event_type type, struct bytes path, struct node *node)
{
	compare_told(fs->change->compare, type, path);
	change_raise(fs, type, path, node);
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
			change_raise(fs, held->type, bytes_of_text(held->path), held_node(held));
		else
			take_event(fs, held->type, bytes_of_text(held->path), held_node(held));
		held_free(fs, held);
	}
	if (own->differs)
		change_nodes_look_again(fs, bytes_of_text(own->path));
	free(own->path);
	free(own);
}

const struct zk_stat *change_known_stat(const struct fs *fs, struct bytes path)
{
	const struct znode *znode = znode_peek(fs, path);

	return znode && (znode->known & ZNODE_STAT) && znode->exists ? &znode->stat : NULL;
}

/* zxid: the txn's, for where the cache knows nothing of it; or 0. */
static void own_succeeded(struct fs *fs, struct own *own, enum zk_event_type kind,
			  struct bytes path, zxid_t zxid)
{
	const struct zk_stat as_written = {.czxid = zxid, .mzxid = zxid};
	const struct zk_stat *stat = change_known_stat(fs, path);

	if (!stat && zxid)
		stat = &as_written;
	if (kind != ZK_EVENT_NODE_DATA_CHANGED)
		inject_own(fs, path, kind == ZK_EVENT_NODE_CREATED);
	compare_own(fs->change->compare, kind, path, stat);
	drop_differences(fs, own, kind, path);
	if (fs->znodes.by_node)
		change_nodes_own(fs, kind, path, stat);
	else
		drop_own_event(fs, own, kind, path);
}

void change_own_end(struct fs *fs, enum zk_event_type kind, struct bytes path, bool succeeded)
{
	struct own *own = change_own_find(fs->change, path);

	ASSERT(own);
	if (succeeded)
		own_succeeded(fs, own, kind, path, 0);
	own_end(fs, own);
}

void change_own_end_as(struct fs *fs, enum zk_event_type kind, struct bytes path,
		       struct bytes real_path, zxid_t zxid)
{
	struct own *own = change_own_find(fs->change, path);

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
	struct own *own = change_own_find(change, path);

	if (own || type != ZK_EVENT_NODE_CREATED || change->own.count == 0)
		return own;
	for (int32_t size = SEQUENCE_SIZE; !own && size <= SEQUENCE_SIZE_MAX; size++) {
		if (path.size > size)
			own = change_own_find(change,
					      bytes_of(path.data, (size_t)(path.size - size)));
	}
	return own;
}

void change_tell_observers(struct fs *fs, enum zk_event_type type, struct bytes path, zxid_t zxid)
{
	list_for_each_safe (&fs->change->observers, at) {
		struct observer *observer = list_item(at, struct observer, link);

		observer->observe(observer->data, type, path, zxid);
	}
}

/* ---- events ---- */

void change_event(struct fs *fs, enum zk_event_type type, struct bytes path, zxid_t zxid)
{
	struct own *own;

	if (bytes_is_null(path) || !zk_path_is_within(path, bytes_of_text(fs->root_path)))
		return;
	if (fs->znodes.by_node) {
		change_nodes_event(fs, type, path);
		return;
	}
	forget(fs, type, path);
	change_tell_observers(fs, type, path, zxid);
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
	struct own *own = change_own_find(fs->change, path);

	/* By node, the answers themselves have told (on_seen). */
	if (fs->znodes.by_node)
		return;
	if (own)
		hold_difference(fs, own, type, path);
	else
		change_raise(fs, type, path, node_of_path(fs, path));
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
