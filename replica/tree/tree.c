#include "replica/tree/tree.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "replica/tree/tree_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

struct bytes tree_stored_path(struct bytes path)
{
	return bytes_equal_text(path, "/") ? bytes_of("", 0) : path;
}

struct znode *tree_find_mutable(const struct tree *tree, struct bytes path)
{
	if (bytes_is_null(path))
		return NULL;
	path = tree_stored_path(path);
	return znode_index_find(&tree->index, path.data, bytes_size(path));
}

const struct znode *tree_find(const struct tree *tree, struct bytes path)
{
	return tree_find_mutable(tree, path);
}

struct znode *tree_find_parent(const struct tree *tree, struct bytes path)
{
	const char *slash = memrchr(path.data, '/', bytes_size(path));

	if (!slash)
		return NULL;
	return znode_index_find(&tree->index, path.data, (size_t)(slash - (const char *)path.data));
}

/* ---- the sums over all znodes ---- */

static void add_to_sums(struct tree *tree, struct znode *znode)
{
	struct znode_stat stat = znode_stored_stat(znode);

	znode->digest = znode_digest(znode->content_crc, &stat);
	if (znode->digested)
		tree->digest += znode->digest;
	tree->data_size += znode_path_size(znode) + znode->data_size;
}

static void take_from_sums(struct tree *tree, const struct znode *znode)
{
	if (znode->digested)
		tree->digest -= znode->digest;
	tree->data_size -= znode_path_size(znode) + znode->data_size;
}

/* Between begin_change and end_change a linked znode's data and Stat may be written. */
static void begin_change(struct tree *tree, const struct znode *znode)
{
	take_from_sums(tree, znode);
}

static void end_change(struct tree *tree, struct znode *znode)
{
	add_to_sums(tree, znode);
	changes_note_znode(&tree->changes, znode);
}

/* ---- linking ---- */

static bool is_ephemeral(const struct tree *tree, const struct znode *znode)
{
	session_id_t owner = znode_stored_stat(znode).ephemeral_owner;

	return znode_kind_of(owner, tree->extended_types) == ZNODE_EPHEMERAL;
}

/* Everything but the data, which is there. */
static void fill(struct tree *tree, struct znode *znode, const struct tree_row *row)
{
	znode->acls = acl_cache_get(&tree->acls, &row->acls);
	znode_set_stat(znode, &row->stat);
	if (is_ephemeral(tree, znode)) {
		tree_session_add_ephemeral(tree, znode);
		tree->ephemeral_count++;
	}
	add_to_sums(tree, znode);
}

static void empty(struct tree *tree, struct znode *znode)
{
	take_from_sums(tree, znode);
	if (is_ephemeral(tree, znode)) {
		tree_session_remove_ephemeral(tree, znode);
		tree->ephemeral_count--;
	}
	acl_cache_put(&tree->acls, znode->acls);
}

struct znode *tree_link(struct tree *tree, struct znode *parent, const struct tree_row *row)
{
	struct bytes path = tree_stored_path(row->path);
	struct znode *znode = znode_new(parent, path, row->data, row->stat.czxid, row->stat.ctime);

	znode_index_prepare(&tree->index, znode, path);
	if (parent)
		znode_add_child(znode);
	fill(tree, znode, row);
	znode_index_insert(&tree->index, znode);
	return znode;
}

void tree_replace(struct tree *tree, struct znode *znode, const struct tree_row *row)
{
	empty(tree, znode);
	znode_set_data(znode, row->path, row->data);
	fill(tree, znode, row);
}

static void unlink_leaf(struct tree *tree, struct znode *znode)
{
	ASSERT(znode_child_count(znode) == 0);
	changes_note_znode_deleted(&tree->changes, znode);
	empty(tree, znode);
	znode_index_remove(&tree->index, znode);
	if (tree->loaded == znode)
		tree->loaded = NULL;
	if (znode->parent)
		znode_remove_child(znode);
	znode_free(znode);
}

/*
 * A delete finds children only in the replay over a snapshot that was taken
 * while transactions went on: they were created again below a later znode of
 * that path, and their creates follow.
 */
static void unlink_subtree(struct tree *tree, struct znode *top)
{
	struct znode *at = top;

	for (;;) {
		struct znode *parent = at->parent;

		if (znode_child_count(at) > 0) {
			at = list_item(at->rest->children.next, struct znode, sibling);
			continue;
		}
		if (at == top)
			break;
		unlink_leaf(tree, at);
		at = parent;
	}
	unlink_leaf(tree, top);
}

/* ---- life ---- */

static void add_system_znode(struct tree *tree, const char *path, struct zk_acls acls,
			     int32_t aversion)
{
	struct tree_row row = {
		.path = bytes_of_text(path),
		.data = bytes_of("", 0),
		.acls = acls,
		.stat = {.aversion = aversion},
	};
	struct znode *parent = path[1] == '\0' ? NULL : tree_find_parent(tree, row.path);

	changes_note_znode(&tree->changes, tree_link(tree, parent, &row));
}

struct tree *tree_new(bool extended_types)
{
	struct tree *tree = mem_zalloc(sizeof(*tree));

	znode_index_init(&tree->index);
	acl_cache_init(&tree->acls);
	map_init(&tree->sessions);
	changes_init(&tree->changes);
	buf_init(&tree->loaded_path, INT32_MAX);
	buf_init(&tree->path, INT32_MAX);
	tree->extended_types = extended_types;
	add_system_znode(tree, "/", zk_acls_open(), 0);
	tree->root = tree_find_mutable(tree, bytes_of("/", 1));
	add_system_znode(tree, "/zookeeper", zk_acls_open(), 0);
	add_system_znode(tree, "/zookeeper/quota", zk_acls_open(), 0);
	/* Java sets config's ACL after it made the znode, and counts from -1 to say so. */
	add_system_znode(tree, TREE_CONFIG_PATH, zk_acls_read_only(), -1);
	return tree;
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	changes_release(&tree->changes);
	unlink_subtree(tree, tree->root);
	changes_release(&tree->changes);
	tree_release_sessions(tree);
	ASSERT(tree->index.count == 0);
	znode_index_release(&tree->index);
	acl_cache_release(&tree->acls);
	buf_release(&tree->loaded_path);
	buf_release(&tree->path);
	free(tree);
}

/* ---- reading ---- */

zxid_t tree_zxid(const struct tree *tree)
{
	return tree->zxid;
}

void tree_set_zxid(struct tree *tree, zxid_t zxid)
{
	tree->zxid = zxid;
}

uint64_t tree_digest(const struct tree *tree)
{
	return tree->digest;
}

bool tree_extended_types(const struct tree *tree)
{
	return tree->extended_types;
}

size_t tree_znode_count(const struct tree *tree)
{
	return tree->index.count;
}

size_t tree_ephemeral_count(const struct tree *tree)
{
	return tree->ephemeral_count;
}

uint64_t tree_data_size(const struct tree *tree)
{
	return tree->data_size;
}

/* The znode behind this one and its subtree, within top's subtree; NULL at the end. */
static const struct znode *next_beside(const struct znode *znode, const struct znode *top)
{
	for (; znode != top; znode = znode->parent) {
		const struct znode *next = znode_next_child(znode->parent, znode);

		if (next)
			return next;
	}
	return NULL;
}

static const struct znode *next_within(const struct znode *znode, const struct znode *top)
{
	const struct znode *child = znode_next_child(znode, NULL);

	return child ? child : next_beside(znode, top);
}

const struct znode *tree_walk_next(const struct tree *tree, const struct znode *znode)
{
	return znode ? next_within(znode, tree->root) : tree->root;
}

size_t tree_descendant_count(const struct tree *tree, const struct znode *znode)
{
	size_t count = 0;

	if (znode == tree->root)
		return tree->index.count - 1;
	for (const struct znode *at = next_within(znode, znode); at; at = next_within(at, znode))
		count++;
	return count;
}

/* ---- changes ---- */

static void raise_parent(struct tree *tree, struct znode *parent, int32_t cversion, zxid_t zxid)
{
	struct znode_rest *rest = znode_get_rest(parent);

	if (cversion <= rest->cversion)
		return;
	begin_change(tree, parent);
	rest->cversion = cversion;
	rest->pzxid = zxid;
	end_change(tree, parent);
}

void tree_raise_parent(struct tree *tree, struct bytes path, int32_t cversion, zxid_t zxid)
{
	struct znode *parent = tree_find_parent(tree, path);

	if (parent)
		raise_parent(tree, parent, cversion, zxid);
}

/* The addition wraps, as Java's does. */
static int32_t plus_one(int32_t number)
{
	return (int32_t)((uint32_t)number + 1);
}

static void create_below(struct tree *tree, struct znode *parent, const struct tree_create *create)
{
	struct tree_row row = {
		.path = create->path,
		.data = create->data,
		.acls = create->acls,
		.stat = {.czxid = create->zxid,
			 .mzxid = create->zxid,
			 .pzxid = create->zxid,
			 .ctime = create->time_ms,
			 .mtime = create->time_ms,
			 .ephemeral_owner = create->ephemeral_owner},
	};

	changes_note_znode(&tree->changes, tree_link(tree, parent, &row));
}

enum zk_code tree_create(struct tree *tree, const struct tree_create *create)
{
	struct znode *parent = tree_find_parent(tree, create->path);
	struct znode *existing = tree_find_mutable(tree, create->path);
	int32_t cversion = create->parent_cversion;

	/*
	 * A parent from the future, in the replay over a snapshot that was taken while
	 * transactions went on: what is created below the one before it goes before it comes.
	 */
	if (!existing && (!parent || parent->czxid > create->zxid))
		return ZK_NONODE;
	if (existing) {
		acl_cache_put(&tree->acls, existing->acls);
		existing->acls = acl_cache_get(&tree->acls, &create->acls);
		changes_note_znode(&tree->changes, existing);
		return ZK_NODEEXISTS;
	}
	if (cversion == -1)
		cversion = plus_one(znode_stored_stat(parent).cversion);
	raise_parent(tree, parent, cversion, create->zxid);
	create_below(tree, parent, create);
	return ZK_OK;
}

enum zk_code tree_delete(struct tree *tree, struct bytes path, zxid_t zxid)
{
	struct znode *parent = tree_find_parent(tree, path);
	struct znode *znode = tree_find_mutable(tree, path);

	if (parent && znode_stored_stat(parent).pzxid < zxid) {
		begin_change(tree, parent);
		znode_get_rest(parent)->pzxid = zxid;
		end_change(tree, parent);
	}
	if (!znode || znode == tree->root)
		return ZK_NONODE;
	unlink_subtree(tree, znode);
	return ZK_OK;
}

enum zk_code tree_set_data(struct tree *tree, struct bytes path, struct bytes data, int32_t version,
			   zxid_t zxid, msec_t time_ms)
{
	struct znode *znode = tree_find_mutable(tree, path);
	struct znode_rest *rest;

	if (!znode)
		return ZK_NONODE;
	rest = znode_get_rest(znode);
	begin_change(tree, znode);
	znode_set_data(znode, path, data);
	rest->mzxid = zxid;
	rest->mtime = time_ms;
	rest->version = version;
	end_change(tree, znode);
	return ZK_OK;
}

enum zk_code tree_set_acls(struct tree *tree, struct bytes path, const struct zk_acls *acls,
			   int32_t aversion)
{
	struct znode *znode = tree_find_mutable(tree, path);
	struct acl_list *list;

	if (!znode)
		return ZK_NONODE;
	list = acl_cache_get(&tree->acls, acls);
	begin_change(tree, znode);
	acl_cache_put(&tree->acls, znode->acls);
	znode->acls = list;
	znode_get_rest(znode)->aversion = aversion;
	end_change(tree, znode);
	return ZK_OK;
}

struct acl_list *tree_get_acls(struct tree *tree, const struct zk_acls *acls)
{
	return acl_cache_get(&tree->acls, acls);
}

void tree_put_acls(struct tree *tree, struct acl_list *list)
{
	acl_cache_put(&tree->acls, list);
}
