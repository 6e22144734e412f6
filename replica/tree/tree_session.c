/* The tree's sessions, and the ephemerals of each. */
#include <stdlib.h>
#include <string.h>

#include "replica/tree/tree_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

/* A path in a closeSession: its length, its bytes. */
static size_t listed_size(const struct znode *znode)
{
	return sizeof(int32_t) + znode_path_size(znode);
}

static struct tree_session *find_mutable(const struct tree *tree, session_id_t id)
{
	struct map_entry *entry = map_find(&tree->sessions, bytes_of(&id, sizeof(id)));

	return entry ? map_item(entry, struct tree_session, entry) : NULL;
}

static struct tree_session *find_or_add(struct tree *tree, session_id_t id)
{
	struct tree_session *session = find_mutable(tree, id);

	if (session)
		return session;
	session = mem_zalloc(sizeof(*session));
	session->id = id;
	map_init(&session->ephemerals);
	map_insert(&tree->sessions, &session->entry, bytes_of(&session->id, sizeof(session->id)));
	return session;
}

static void drop_if_unused(struct tree *tree, struct tree_session *session)
{
	if (session->open || session->ephemerals.count > 0)
		return;
	ASSERT(!session->dirty);
	map_remove(&tree->sessions, &session->entry);
	map_release(&session->ephemerals);
	free(session);
}

void tree_open_session(struct tree *tree, session_id_t id, int32_t timeout_ms)
{
	struct tree_session *session = find_or_add(tree, id);

	if (!session->open)
		tree->open_session_count++;
	session->open = true;
	session->timeout_ms = timeout_ms;
	changes_note_session(&tree->changes, session);
}

void tree_close_session(struct tree *tree, session_id_t id)
{
	struct tree_session *session = find_mutable(tree, id);

	if (!session || !session->open)
		return;
	session->open = false;
	tree->open_session_count--;
	changes_note_session_deleted(&tree->changes, session);
	drop_if_unused(tree, session);
}

void tree_set_session_stored(struct tree *tree, session_id_t id)
{
	struct tree_session *session = find_mutable(tree, id);

	if (session->dirty)
		changes_note_session_deleted(&tree->changes, session);
	session->stored = true;
}

const struct tree_session *tree_find_session(const struct tree *tree, session_id_t id)
{
	return find_mutable(tree, id);
}

const struct tree_session *tree_next_session(const struct tree *tree,
					     const struct tree_session *session)
{
	struct map_entry *entry =
		session ? map_next(&tree->sessions, &session->entry) : map_first(&tree->sessions);

	return entry ? map_item(entry, struct tree_session, entry) : NULL;
}

size_t tree_session_count(const struct tree *tree)
{
	return tree->open_session_count;
}

void tree_session_add_ephemeral(struct tree *tree, struct znode *znode)
{
	struct tree_session *session = find_or_add(tree, znode_stored_stat(znode).ephemeral_owner);
	struct bytes path = znode_path(znode, &tree->path);
	struct tree_ephemeral *ephemeral = mem_alloc(sizeof(*ephemeral) + bytes_size(path));

	ephemeral->znode = znode;
	memcpy(ephemeral->path, path.data, bytes_size(path));
	map_insert(&session->ephemerals, &ephemeral->entry,
		   bytes_of(ephemeral->path, bytes_size(path)));
	session->ephemeral_size += listed_size(znode);
}

void tree_session_remove_ephemeral(struct tree *tree, struct znode *znode)
{
	struct tree_session *session = find_mutable(tree, znode_stored_stat(znode).ephemeral_owner);
	struct map_entry *entry;

	ASSERT(session);
	entry = map_find(&session->ephemerals, znode_path(znode, &tree->path));
	ASSERT(entry);
	map_remove(&session->ephemerals, entry);
	free(map_item(entry, struct tree_ephemeral, entry));
	session->ephemeral_size -= listed_size(znode);
	drop_if_unused(tree, session);
}

void tree_release_sessions(struct tree *tree)
{
	map_for_each (&tree->sessions, at) {
		struct tree_session *session = map_item(at, struct tree_session, entry);

		session->open = false;
		session->dirty = 0;
		drop_if_unused(tree, session);
	}
	map_release(&tree->sessions);
}
