#include "fs/compare.h"

#include <stdlib.h>
#include <string.h>

#include "fs/file.h"
#include "fs/fs.h"
#include "src/base/assert.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/client/client.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

/* What is asked about one path; waits in compare->waiting until its turn. */
struct item {
	struct list link;
	struct compare *compare;
	unsigned round;
	char *path;
	bool is_name; /* only a name in a live directory; else the kernel holds a node of it */
	bool is_dir;
	zxid_t czxid;             /* of the node */
	struct jute_strings list; /* of the directory's children, as known before */
	void *list_memory;
};

struct deleted {
	struct map_entry by_path;
	char path[];
};

/* What own writes made of a path while a comparison was under way. zxid 0: not known. */
struct own {
	struct map_entry by_path;
	bool is_gone;
	bool is_made; /* it is a znode of our own, czxid */
	zxid_t czxid;
	zxid_t mzxid;
	char path[];
};

/* The events that were told of a path on this connection, while a comparison was under way. */
struct told {
	struct map_entry by_path;
	unsigned types; /* 1 << enum zk_event_type */
	char path[];
};

struct compare {
	struct fs *fs;
	compare_difference_fn on_difference;
	void *data;
	zxid_t seen_zxid;
	unsigned round; /* answers of an interrupted round are ignored */
	bool complete;  /* the last round came to its end */
	struct list waiting;
	struct list asked;
	size_t in_flight; /* items in asked */
	struct map deleted;
	struct map own;
	struct map told;
};

static void ask_next(struct compare *compare);

static struct item *item_new(struct compare *compare, const char *path)
{
	struct item *item = mem_zalloc(sizeof(*item));

	list_init(&item->link);
	item->compare = compare;
	item->round = compare->round;
	item->path = mem_strdup(path);
	item->list = JUTE_STRINGS_NULL;
	return item;
}

static void item_free(struct item *item)
{
	list_remove(&item->link);
	free(item->path);
	free(item->list_memory);
	free(item);
}

/* An answer has come: the item is done with, and another may be asked about. */
static void item_done(struct item *item)
{
	struct compare *compare = item->compare;

	item_free(item);
	compare->in_flight--;
	ask_next(compare);
}

static void tell(struct compare *compare, enum zk_event_type type, const char *path)
{
	compare->on_difference(compare->data, type, bytes_of_text(path));
}

/* ---- own writes ---- */

static struct own *own_find(const struct compare *compare, struct bytes path)
{
	struct map_entry *entry = map_find(&compare->own, path);

	return entry ? map_item(entry, struct own, by_path) : NULL;
}

static void forget_own(struct compare *compare, struct map_entry *entry)
{
	map_remove(&compare->own, entry);
	free(map_item(entry, struct own, by_path));
}

static void forget_all_own(struct compare *compare)
{
	map_for_each (&compare->own, at)
		forget_own(compare, at);
}

static struct own *own_get(struct compare *compare, struct bytes path)
{
	struct own *own = own_find(compare, path);

	if (own)
		return own;
	if (compare->own.count >= COMPARE_OWN_MAX)
		forget_own(compare, map_first(&compare->own));
	own = mem_zalloc(sizeof(*own) + bytes_size(path) + 1);
	memcpy(own->path, path.data, bytes_size(path));
	map_insert(&compare->own, &own->by_path, bytes_of_text(own->path));
	return own;
}

void compare_own(struct compare *compare, enum zk_event_type kind, struct bytes path,
		 const struct zk_stat *stat)
{
	struct own *own;

	if (compare->complete)
		return;
	own = own_get(compare, path);
	if (kind != ZK_EVENT_NODE_DATA_CHANGED) {
		own->is_gone = kind == ZK_EVENT_NODE_DELETED;
		own->is_made = kind == ZK_EVENT_NODE_CREATED;
		own->czxid = stat ? stat->czxid : 0;
	}
	own->mzxid = stat ? stat->mzxid : 0;
}

static bool is_gone_by_us(const struct compare *compare, struct bytes path)
{
	const struct own *own = own_find(compare, path);

	return own && own->is_gone;
}

static bool is_made_by_us(const struct compare *compare, struct bytes path,
			  const struct zk_stat *stat)
{
	const struct own *own = own_find(compare, path);

	return own && own->is_made && (own->czxid == 0 || own->czxid == stat->czxid);
}

static bool is_changed_by_us(const struct compare *compare, struct bytes path,
			     const struct zk_stat *stat)
{
	const struct own *own = own_find(compare, path);

	return own && !own->is_gone && (own->mzxid == 0 || own->mzxid == stat->mzxid);
}

/* ---- events meanwhile ---- */

static struct told *told_find(const struct compare *compare, struct bytes path)
{
	struct map_entry *entry = map_find(&compare->told, path);

	return entry ? map_item(entry, struct told, by_path) : NULL;
}

static void forget_told(struct compare *compare, struct map_entry *entry)
{
	map_remove(&compare->told, entry);
	free(map_item(entry, struct told, by_path));
}

static void forget_all_told(struct compare *compare)
{
	map_for_each (&compare->told, at)
		forget_told(compare, at);
}

void compare_told(struct compare *compare, enum zk_event_type type, struct bytes path)
{
	struct told *told = told_find(compare, path);

	if (compare->complete)
		return;
	if (!told) {
		if (compare->told.count >= COMPARE_TOLD_MAX)
			forget_told(compare, map_first(&compare->told));
		told = mem_zalloc(sizeof(*told) + bytes_size(path) + 1);
		memcpy(told->path, path.data, bytes_size(path));
		map_insert(&compare->told, &told->by_path, bytes_of_text(told->path));
	}
	told->types |= 1u << type;
}

static bool has_event(const struct compare *compare, enum zk_event_type type, struct bytes path)
{
	const struct told *told = told_find(compare, path);

	return told && (told->types & 1u << type);
}

/* ---- the names of a directory ---- */

static bool was_told(const struct compare *compare, const char *path)
{
	return map_find(&compare->deleted, bytes_of_text(path)) != NULL;
}

/* The names of a list, to be looked up; they point into it. */
struct name_set {
	struct map names;
	struct name {
		struct map_entry entry;
	} * memory;
};

static void name_set_init(struct name_set *set, const struct jute_strings *list)
{
	struct bytes name;
	size_t count = 0;

	map_init(&set->names);
	set->memory = mem_zalloc((list->count > 0 ? (size_t)list->count : 0) * sizeof(struct name));
	for (size_t at = 0; jute_strings_next(list, &at, &name);)
		if (!map_find(&set->names, name))
			map_insert(&set->names, &set->memory[count++].entry, name);
}

static void name_set_release(struct name_set *set)
{
	map_release(&set->names);
	free(set->memory);
}

static void compare_lists(struct item *item, const struct jute_strings *now)
{
	struct compare *compare = item->compare;
	struct name_set before_set, now_set;
	struct bytes name;

	name_set_init(&before_set, &item->list);
	name_set_init(&now_set, now);
	for (size_t at = 0; jute_strings_next(&item->list, &at, &name);) {
		char *path = zk_path_join(bytes_of_text(item->path), name);

		/* A live node's own comparison tells of its end. */
		if (!map_find(&now_set.names, name) && !was_told(compare, path) &&
		    !is_gone_by_us(compare, bytes_of_text(path)) &&
		    !node_of_path(compare->fs, bytes_of_text(path)))
			tell(compare, ZK_EVENT_NODE_DELETED, path);
		free(path);
	}
	for (size_t at = 0; jute_strings_next(now, &at, &name);) {
		char *path = zk_path_join(bytes_of_text(item->path), name);

		if (!map_find(&before_set.names, name) &&
		    !node_of_path(compare->fs, bytes_of_text(path))) {
			struct item *child = item_new(compare, path);

			child->is_name = true;
			list_append(&compare->waiting, &child->link);
		}
		free(path);
	}
	name_set_release(&before_set);
	name_set_release(&now_set);
}

static void on_list(void *data, int32_t code, int error, struct znode *znode)
{
	struct item *item = data;

	if (item->round == item->compare->round && code == ZK_OK &&
	    znode->stat.pzxid > item->compare->seen_zxid)
		compare_lists(item, &znode->children);
	item_done(item);
}

/* ---- one path ---- */

static void compare_name(const struct item *item, int32_t code, const struct znode *znode)
{
	const struct compare *compare = item->compare;
	struct bytes path = bytes_of_text(item->path);

	if (code == ZK_OK && znode->stat.czxid > compare->seen_zxid &&
	    !is_made_by_us(compare, path, &znode->stat) &&
	    !has_event(compare, ZK_EVENT_NODE_CREATED, path))
		tell(item->compare, ZK_EVENT_NODE_CREATED, item->path);
}

/* What the kernel held is gone. True if nobody has told yet. */
static bool compare_node_gone(const struct item *item)
{
	struct bytes path = bytes_of_text(item->path);

	if (is_gone_by_us(item->compare, path) ||
	    has_event(item->compare, ZK_EVENT_NODE_DELETED, path))
		return false;
	tell(item->compare, ZK_EVENT_NODE_DELETED, item->path);
	return true;
}

static bool is_changed(const struct item *item, const struct zk_stat *stat)
{
	const struct compare *compare = item->compare;
	struct bytes path = bytes_of_text(item->path);

	return stat->mzxid > compare->seen_zxid && !is_changed_by_us(compare, path, stat) &&
	       !has_event(compare, ZK_EVENT_NODE_DATA_CHANGED, path);
}

static void compare_node(const struct item *item, const struct znode *znode)
{
	struct compare *compare = item->compare;
	struct bytes path = bytes_of_text(item->path);
	const struct zk_stat *stat = &znode->stat;

	if (item->czxid && stat->czxid != item->czxid && !is_made_by_us(compare, path, stat)) {
		/* Behind a missed end, what is there is told last. */
		if (compare_node_gone(item) || !has_event(compare, ZK_EVENT_NODE_CREATED, path))
			tell(compare, ZK_EVENT_NODE_CREATED, item->path);
	} else if (is_changed(item, stat) || (!item->is_dir && znode_is_shown_as_dir(znode))) {
		tell(compare, ZK_EVENT_NODE_DATA_CHANGED, item->path);
	}
}

static void on_znode(void *data, int32_t code, int error, struct znode *znode)
{
	struct item *item = data;
	struct compare *compare = item->compare;

	if (item->round != compare->round) {
		item_done(item);
		return;
	}
	if (item->is_name)
		compare_name(item, code, znode);
	else if (code == ZK_NONODE)
		(void)compare_node_gone(item);
	else if (code == ZK_OK)
		compare_node(item, znode);
	if (item->is_dir && code == ZK_OK)
		znode_get(compare->fs, bytes_of_text(item->path), ZNODE_STAT | ZNODE_CHILDREN,
			  on_list, item);
	else
		item_done(item);
}

static void ask_next(struct compare *compare)
{
	while (compare->in_flight < COMPARE_FLIGHT_MAX && !list_is_empty(&compare->waiting)) {
		struct item *item = list_item(list_first(&compare->waiting), struct item, link);

		list_remove(&item->link);
		list_append(&compare->asked, &item->link);
		compare->in_flight++;
		if (item->is_name)
			znode_get(compare->fs, bytes_of_text(item->path), ZNODE_STAT, on_znode,
				  item);
		else
			znode_get_shown(compare->fs, bytes_of_text(item->path), on_znode, item);
	}
	if (compare->in_flight == 0) {
		compare->complete = true;
		forget_all_own(compare);
		forget_all_told(compare);
	}
}

/* ---- a round ---- */

static bool is_compared(const struct node *node)
{
	return node->attached && node_is_live(node) &&
	       (node->kind == NODE_FILE || node->kind == NODE_DIR) && !file_is_unborn(node);
}

static void keep_list(struct item *item, const struct znode *znode)
{
	if (!znode || !znode->children_memory)
		return;
	item->list = znode->children;
	item->list_memory =
		mem_dup(znode->children.encoded.data, bytes_size(znode->children.encoded));
	item->list.encoded.data = item->list_memory;
}

static void drop(struct list *items)
{
	list_for_each_safe (items, at)
		item_free(list_item(at, struct item, link));
}

void compare_interrupted(struct compare *compare)
{
	drop(&compare->waiting);
	compare->round++;
	forget_all_told(compare);
	if (compare->complete)
		compare->seen_zxid = zk_client_last_zxid(client_session(compare->fs->client));
}

void compare_begin(struct compare *compare)
{
	struct fs *fs = compare->fs;

	compare->complete = false;
	for (struct map_entry *at = map_first(&fs->nodes.by_id); at;
	     at = map_next(&fs->nodes.by_id, at)) {
		const struct node *node = map_item(at, struct node, by_id);
		struct item *item;

		if (!is_compared(node))
			continue;
		item = item_new(compare, node->path);
		item->czxid = node->czxid;
		item->is_dir = node->kind == NODE_DIR;
		if (item->is_dir)
			keep_list(item, znode_peek(fs, bytes_of_text(node->path)));
		list_append(&compare->waiting, &item->link);
	}
	ask_next(compare);
}

static void forget_deleted(struct compare *compare, struct map_entry *entry)
{
	map_remove(&compare->deleted, entry);
	free(map_item(entry, struct deleted, by_path));
}

void compare_deleted(struct compare *compare, struct bytes path)
{
	struct map_entry *known = map_find(&compare->deleted, path);
	struct deleted *deleted;

	if (known)
		forget_deleted(compare, known);
	if (compare->deleted.count >= COMPARE_DELETED_MAX)
		forget_deleted(compare, map_first(&compare->deleted));
	deleted = mem_zalloc(sizeof(*deleted) + (size_t)path.size + 1);
	memcpy(deleted->path, path.data, (size_t)path.size);
	map_insert(&compare->deleted, &deleted->by_path, bytes_of_text(deleted->path));
}

struct compare *compare_new(struct fs *fs, compare_difference_fn on_difference, void *data)
{
	struct compare *compare = mem_zalloc(sizeof(*compare));

	compare->fs = fs;
	compare->on_difference = on_difference;
	compare->data = data;
	compare->complete = true;
	list_init(&compare->waiting);
	list_init(&compare->asked);
	map_init(&compare->deleted);
	map_init(&compare->own);
	map_init(&compare->told);
	return compare;
}

void compare_free(struct compare *compare)
{
	if (!compare)
		return;
	drop(&compare->waiting);
	drop(&compare->asked); /* nobody answers them any more */
	map_for_each (&compare->deleted, at)
		forget_deleted(compare, at);
	map_release(&compare->deleted);
	forget_all_own(compare);
	map_release(&compare->own);
	forget_all_told(compare);
	map_release(&compare->told);
	free(compare);
}
