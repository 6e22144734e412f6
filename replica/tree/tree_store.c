/* The tree's side of the store on disk: what to write out, what was loaded; and the proof that it
 * is whole. */
#include <errno.h>
#include <string.h>

#include "replica/tree/tree_impl.h"
#include "src/base/assert.h"
#include "src/zk/path.h"

size_t tree_change_count(const struct tree *tree)
{
	return tree->changes.live;
}

uint64_t tree_change_size(const struct tree *tree)
{
	return tree->changes.size;
}

static void show_znode(const struct znode *znode, struct buf *path, struct tree_change *change)
{
	*change = (struct tree_change){
		.type = TREE_ZNODE_PUT,
		.is_new = !znode->stored,
		.row = {.path = znode_path(znode, path),
			.data = znode_data(znode),
			.acls = acl_list_acls(znode->acls),
			.stat = znode_stored_stat(znode)},
		.blob = znode_blob(znode),
	};
}

static void show_slot(const struct change_slot *slot, struct buf *path, struct tree_change *change)
{
	*change = (struct tree_change){0};
	switch (slot->type) {
	case SLOT_ZNODE:
		show_znode(slot->znode, path, change);
		break;
	case SLOT_ZNODE_DELETED:
		change->type = TREE_ZNODE_DELETED;
		change->row.path = bytes_of_text(slot->path);
		change->row.stat.czxid = slot->czxid;
		break;
	case SLOT_SESSION:
		change->type = TREE_SESSION_PUT;
		change->session_id = slot->session->id;
		change->timeout_ms = slot->session->timeout_ms;
		break;
	default:
		ASSERT(slot->type == SLOT_SESSION_DELETED);
		change->type = TREE_SESSION_DELETED;
		change->session_id = slot->session_id;
	}
}

void tree_take_changes(struct tree *tree, tree_change_fn *visit, void *data)
{
	struct tree_change change;

	for (size_t at = 0; at < tree->changes.count; at++) {
		if (tree->changes.slots[at].type == SLOT_NONE)
			continue;
		show_slot(&tree->changes.slots[at], &tree->path, &change);
		visit(data, &change);
	}
	changes_clear(&tree->changes);
}

/* Marks the znode as what the store has; its slot, if it is a system znode's first, goes. */
static void set_stored(struct tree *tree, struct znode *znode)
{
	if (znode->dirty)
		changes_note_znode_deleted(&tree->changes, znode);
	znode->stored = true;
}

static bool is_beside(const struct tree *tree, const char *path, size_t above)
{
	const struct buf *last = &tree->loaded_path;

	if (!tree->loaded || !tree->loaded->parent || last->size <= above ||
	    last->size - above - 1 != tree->loaded->name_size)
		return false;
	return memcmp(last->data, path, above) == 0;
}

/* The parent that a row of that path is to have; NULL if it isn't there, or the path not valid. */
static struct znode *find_place(const struct tree *tree, struct bytes path)
{
	const char *text = path.data;
	const char *slash = bytes_size(path) > 0 ? memrchr(text, '/', bytes_size(path)) : NULL;
	size_t above = slash ? (size_t)(slash - text) : 0;

	/* With the parent's path all of it is valid. */
	if (!slash || !zk_path_name_is_valid(bytes_of(slash + 1, bytes_size(path) - above - 1)))
		return NULL;
	/* Mostly it is the last row's. */
	return is_beside(tree, text, above) ? tree->loaded->parent : tree_find_parent(tree, path);
}

static void set_loaded(struct tree *tree, struct znode *znode, struct bytes path)
{
	path = tree_stored_path(path);
	set_stored(tree, znode);
	tree->loaded = znode;
	buf_reset(&tree->loaded_path);
	buf_append(&tree->loaded_path, path.data, bytes_size(path));
}

static int load_new(struct tree *tree, const struct tree_row *row)
{
	struct znode *parent = find_place(tree, row->path);

	if (!parent || parent->czxid > row->stat.czxid)
		return -EBADMSG;
	set_loaded(tree, tree_link(tree, parent, row), row->path);
	return 0;
}

int tree_load_row(struct tree *tree, const struct tree_row *row)
{
	struct znode *znode = tree_find_mutable(tree, row->path);

	if (!znode)
		return load_new(tree, row);
	/* A system znode: nobody can create one. */
	if (znode->stored || row->stat.czxid != znode->czxid ||
	    (znode == tree->root && row->stat.ephemeral_owner != 0))
		return -EBADMSG;
	tree_replace(tree, znode, row);
	set_loaded(tree, znode, row->path);
	return 0;
}

void tree_begin_load(struct tree *tree, size_t count)
{
	ASSERT(tree->index.count == TREE_SYSTEM_ZNODES);
	znode_index_reserve(&tree->index, count);
}

/* Does the row come behind the last in the order of the store's key? */
static bool ascends(const struct tree *tree, const struct tree_row *row)
{
	if (!tree->loaded || tree->loaded->czxid != row->stat.czxid)
		return !tree->loaded || tree->loaded->czxid < row->stat.czxid;
	return bytes_compare(buf_bytes(&tree->loaded_path), tree_stored_path(row->path)) < 0;
}

int tree_load_next(struct tree *tree, const struct tree_row *row)
{
	int error;

	if (!ascends(tree, row))
		return -EBADMSG;
	/* The system znodes, of which "/" is the first row, are there already. */
	if (!tree->loaded || zk_path_is_system(row->path))
		return tree_load_row(tree, row);
	error = load_new(tree, row);
	return error || !znode_index_has_twin(tree->loaded) ? error : -EBADMSG;
}

int tree_load_session(struct tree *tree, session_id_t id, int32_t timeout_ms)
{
	const struct tree_session *session = tree_find_session(tree, id);

	if (session && session->open)
		return -EBADMSG;
	tree_open_session(tree, id, timeout_ms);
	tree_set_session_stored(tree, id);
	return 0;
}

/* ---- tree_check ---- */

struct sums {
	uint64_t digest;
	uint64_t data_size;
	size_t znodes;
	size_t ephemerals;
	size_t session_ephemerals;
	size_t open_sessions;
};

static void check_session_has(const struct tree *tree, const struct znode *znode, struct bytes path)
{
	const struct tree_session *session =
		tree_find_session(tree, znode_stored_stat(znode).ephemeral_owner);
	struct map_entry *entry;

	ASSERT(session);
	entry = map_find(&session->ephemerals, path);
	ASSERT(entry);
	ASSERT(map_item(entry, struct tree_ephemeral, entry)->znode == znode);
}

static void check_znode(const struct tree *tree, const struct znode *znode, struct bytes path,
			struct sums *sums)
{
	struct znode_stat stat = znode_stored_stat(znode);
	const struct znode *child = NULL;
	uint32_t child_count = 0;

	ASSERT(tree_find(tree, path) == znode);
	ASSERT((znode->parent == NULL) == (znode == tree->root));
	ASSERT(!znode->parent || znode->parent->czxid <= znode->czxid);
	while ((child = znode_next_child(znode, child))) {
		ASSERT(child->parent == znode);
		child_count++;
	}
	ASSERT(child_count == znode_child_count(znode));
	ASSERT(znode->content_crc == znode_content_crc(path, znode_data(znode)));
	ASSERT(znode->data_size == bytes_size(znode_data(znode)));
	if (znode->dirty)
		ASSERT(tree->changes.slots[znode->dirty - 1].znode == znode);
	else
		ASSERT(znode->stored);
	if (znode_kind_of(znode_stored_stat(znode).ephemeral_owner, tree->extended_types) ==
	    ZNODE_EPHEMERAL) {
		check_session_has(tree, znode, path);
		sums->ephemerals++;
	}
	ASSERT(znode->digest == znode_digest(znode->content_crc, &stat));
	ASSERT(znode->digested == znode_is_digested(path));
	if (znode->digested)
		sums->digest += znode->digest;
	sums->data_size += znode_path_size(znode) + bytes_size(znode_data(znode));
	sums->znodes++;
}

static void check_session(const struct tree *tree, const struct tree_session *session,
			  struct sums *sums)
{
	size_t size = 0;

	map_for_each (&session->ephemerals, at)
		size += sizeof(int32_t) +
			znode_path_size(map_item(at, struct tree_ephemeral, entry)->znode);
	ASSERT(size == session->ephemeral_size);
	ASSERT(session->open || session->ephemerals.count > 0);
	if (session->dirty)
		ASSERT(tree->changes.slots[session->dirty - 1].session == session);
	else
		ASSERT(session->stored || !session->open);
	sums->session_ephemerals += session->ephemerals.count;
	sums->open_sessions += session->open;
}

static void check_changes(const struct changes *changes)
{
	uint64_t size = 0;
	size_t live = 0;

	for (size_t at = 0; at < changes->count; at++) {
		const struct change_slot *slot = &changes->slots[at];

		size += slot->size;
		live += slot->type != SLOT_NONE;
		if (slot->type == SLOT_ZNODE)
			ASSERT(slot->znode->dirty == at + 1);
		if (slot->type == SLOT_SESSION)
			ASSERT(slot->session->dirty == at + 1);
	}
	ASSERT(size == changes->size);
	ASSERT(live == changes->live);
}

void tree_check(const struct tree *tree)
{
	struct sums sums = {0};
	struct buf path;

	buf_init(&path, INT32_MAX);
	for (const struct znode *at = tree_walk_next(tree, NULL); at; at = tree_walk_next(tree, at))
		check_znode(tree, at, znode_path(at, &path), &sums);
	map_for_each (&tree->sessions, at)
		check_session(tree, map_item(at, struct tree_session, entry), &sums);
	check_changes(&tree->changes);
	buf_release(&path);
	ASSERT(sums.znodes == tree->index.count);
	ASSERT(sums.digest == tree->digest);
	ASSERT(sums.data_size == tree->data_size);
	ASSERT(sums.ephemerals == tree->ephemeral_count);
	ASSERT(sums.session_ephemerals == tree->ephemeral_count);
	ASSERT(sums.open_sessions == tree->open_session_count);
}
