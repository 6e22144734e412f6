/* The tree's side of the store on disk: what to write out, what was loaded; and the proof that it
 * is whole. */
#include <errno.h>

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

static void show_znode(const struct znode *znode, struct tree_change *change)
{
	*change = (struct tree_change){
		.type = TREE_ZNODE_PUT,
		.is_new = !znode->stored,
		.row = {.path = znode_path(znode),
			.data = znode_data(znode),
			.acls = acl_list_acls(znode->acls),
			.stat = znode->stat},
		.data = znode->data,
	};
}

static void show_slot(const struct change_slot *slot, struct tree_change *change)
{
	*change = (struct tree_change){0};
	switch (slot->type) {
	case SLOT_ZNODE:
		show_znode(slot->znode, change);
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
		show_slot(&tree->changes.slots[at], &change);
		visit(data, &change);
	}
	changes_clear(&tree->changes);
}

/* Marks the znode as what the store has; its slot, if it is a system znode's first, goes. */
static void set_stored(struct tree *tree, struct znode *znode)
{
	if (znode->dirty)
		changes_note_znode_deleted(&tree->changes, znode);
	znode->stored = 1;
}

int tree_load_row(struct tree *tree, const struct tree_row *row)
{
	struct znode *znode = tree_find_mutable(tree, row->path);
	struct znode *parent;

	if (znode && (znode->stored || (znode == tree->root && row->stat.ephemeral_owner != 0)))
		return -EBADMSG;
	if (znode) {
		tree_replace(tree, znode, row);
		set_stored(tree, znode);
		return 0;
	}
	if (!zk_path_is_valid(row->path))
		return -EBADMSG;
	parent = tree_find_mutable(tree, zk_path_parent(row->path));
	if (!parent || parent->stat.czxid > row->stat.czxid)
		return -EBADMSG;
	set_stored(tree, tree_link(tree, parent, row));
	return 0;
}

void tree_reserve(struct tree *tree, size_t count)
{
	znode_index_reserve(&tree->index, count);
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

static void check_session_has(const struct tree *tree, const struct znode *znode)
{
	const struct tree_session *session = tree_find_session(tree, znode->stat.ephemeral_owner);
	struct map_entry *entry;

	ASSERT(session);
	entry = map_find(&session->ephemerals, znode_path(znode));
	ASSERT(entry);
	ASSERT(map_item(entry, struct tree_ephemeral, entry)->znode == znode);
}

static void check_znode(const struct tree *tree, const struct znode *znode, struct sums *sums)
{
	uint32_t child_count = 0;

	ASSERT(tree_find(tree, znode_path(znode)) == znode);
	ASSERT((znode->parent == NULL) == (znode == tree->root));
	ASSERT(!znode->parent || znode->parent->stat.czxid <= znode->stat.czxid);
	list_for_each (&znode->children, at) {
		ASSERT(list_item(at, struct znode, sibling)->parent == znode);
		child_count++;
	}
	ASSERT(child_count == znode->child_count);
	ASSERT(znode->content_crc == znode_content_crc(znode_path(znode), znode_data(znode)));
	ASSERT(znode->digest == znode_digest(znode->content_crc, &znode->stat));
	if (znode->dirty)
		ASSERT(tree->changes.slots[znode->dirty - 1].znode == znode);
	else
		ASSERT(znode->stored);
	if (znode_kind_of(znode->stat.ephemeral_owner, tree->extended_types) == ZNODE_EPHEMERAL) {
		check_session_has(tree, znode);
		sums->ephemerals++;
	}
	if (znode_is_digested(znode_path(znode)))
		sums->digest += znode->digest;
	sums->data_size += znode->path_size + bytes_size(znode_data(znode));
	sums->znodes++;
}

static void check_session(const struct tree *tree, const struct tree_session *session,
			  struct sums *sums)
{
	size_t size = 0;

	map_for_each (&session->ephemerals, at)
		size += sizeof(int32_t) +
			map_item(at, struct tree_ephemeral, entry)->znode->path_size;
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

	for (const struct znode *at = tree_walk_next(tree, NULL); at; at = tree_walk_next(tree, at))
		check_znode(tree, at, &sums);
	map_for_each (&tree->sessions, at)
		check_session(tree, map_item(at, struct tree_session, entry), &sums);
	check_changes(&tree->changes);
	ASSERT(sums.znodes == tree->index.count);
	ASSERT(sums.digest == tree->digest);
	ASSERT(sums.data_size == tree->data_size);
	ASSERT(sums.ephemerals == tree->ephemeral_count);
	ASSERT(sums.session_ephemerals == tree->ephemeral_count);
	ASSERT(sums.open_sessions == tree->open_session_count);
}
