#include "replica/tree/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

struct overlay_entry {
	struct map_entry entry;
	struct list by_zxid;
	struct list by_owner; /* an ephemeral that exists: on its session's proposed_ephemerals */
	zxid_t zxid;
	bool exists;
	struct overlay_znode znode; /* with a reference of its own to the ACL */
	uint32_t path_size;
	char path[];
};

struct overlay_undo {
	struct overlay_entry *entry;
	bool was_added; /* the change brought the entry itself */
	zxid_t zxid;
	bool exists;
	struct overlay_znode znode;
};

enum { UNDO_CAPACITY_MIN = 8 };

void overlay_init(struct overlay *overlay, struct tree *tree, struct session_tracker *tracker)
{
	*overlay = (struct overlay){.tree = tree, .tracker = tracker, .digest = tree_digest(tree)};
	map_init(&overlay->entries);
	list_init(&overlay->by_zxid);
}

static void put_acls(struct overlay *overlay, bool exists, const struct overlay_znode *znode)
{
	if (exists)
		tree_put_acls(overlay->tree, znode->acls);
}

static void free_entry(struct overlay *overlay, struct overlay_entry *entry)
{
	put_acls(overlay, entry->exists, &entry->znode);
	map_remove(&overlay->entries, &entry->entry);
	list_remove(&entry->by_zxid);
	list_remove(&entry->by_owner);
	free(entry);
}

static void forget_undos(struct overlay *overlay)
{
	for (size_t at = 0; at < overlay->undo_count; at++)
		put_acls(overlay, overlay->undos[at].exists, &overlay->undos[at].znode);
	overlay->undo_count = 0;
}

void overlay_release(struct overlay *overlay)
{
	forget_undos(overlay);
	list_for_each_safe (&overlay->by_zxid, at)
		free_entry(overlay, list_item(at, struct overlay_entry, by_zxid));
	map_release(&overlay->entries);
	free(overlay->undos);
}

/* ---- looking ---- */

static struct overlay_entry *find_entry(const struct overlay *overlay, struct bytes path)
{
	struct map_entry *entry = map_find(&overlay->entries, path);

	return entry ? map_item(entry, struct overlay_entry, entry) : NULL;
}

static bool look_into_tree(const struct overlay *overlay, struct bytes path,
			   struct overlay_znode *ret_znode)
{
	const struct znode *znode = tree_find(overlay->tree, path);

	if (!znode)
		return false;
	*ret_znode = (struct overlay_znode){
		.stat = znode_stored_stat(znode),
		.child_count = (int32_t)znode_child_count(znode),
		.content_crc = znode->content_crc,
		.digest = znode->digest,
		.acls = znode->acls,
	};
	return true;
}

/* The root has two names. */
static struct bytes one_name(struct bytes path)
{
	return bytes_size(path) == 0 ? bytes_of("/", 1) : path;
}

bool overlay_look(const struct overlay *overlay, struct bytes path, struct overlay_znode *ret_znode)
{
	struct overlay_entry *entry = find_entry(overlay, one_name(path));

	if (!entry)
		return look_into_tree(overlay, path, ret_znode);
	if (entry->exists)
		*ret_znode = entry->znode;
	return entry->exists;
}

/* ---- changing ---- */

static bool is_ephemeral(const struct overlay *overlay, const struct overlay_znode *znode)
{
	return znode_kind_of(znode->stat.ephemeral_owner, tree_extended_types(overlay->tree)) ==
	       ZNODE_EPHEMERAL;
}

/* Its session gains an ephemeral, and what that takes in a closeSession; or loses it, if sign is
 * -1. */
static void count_ephemeral(struct overlay *overlay, struct overlay_entry *entry, int sign)
{
	struct session *session = session_find(overlay->tracker, entry->znode.stat.ephemeral_owner);
	size_t size = sizeof(int32_t) + entry->path_size;

	if (!session)
		return;
	list_remove(&entry->by_owner);
	if (sign < 0) {
		session->ephemeral_size -= size;
		return;
	}
	session->ephemeral_size += size;
	list_append(&session->proposed_ephemerals, &entry->by_owner);
}

static void count(struct overlay *overlay, struct overlay_entry *entry, int sign)
{
	if (!entry->exists)
		return;
	if (is_ephemeral(overlay, &entry->znode))
		count_ephemeral(overlay, entry, sign);
	if (!znode_is_digested(bytes_of(entry->path, entry->path_size)))
		return;
	if (sign < 0)
		overlay->digest -= entry->znode.digest;
	else
		overlay->digest += entry->znode.digest;
}

static void move_to(struct overlay *overlay, struct overlay_entry *entry, bool exists,
		    const struct overlay_znode *znode)
{
	count(overlay, entry, -1);
	entry->exists = exists;
	if (exists)
		entry->znode = *znode;
	count(overlay, entry, 1);
}

static struct overlay_entry *add_entry(struct overlay *overlay, struct bytes path)
{
	struct overlay_entry *entry = mem_alloc(sizeof(*entry) + bytes_size(path));

	memset(entry, 0, sizeof(*entry));
	entry->path_size = (uint32_t)bytes_size(path);
	memcpy(entry->path, path.data, entry->path_size);
	list_init(&entry->by_zxid);
	list_init(&entry->by_owner);
	map_insert(&overlay->entries, &entry->entry, bytes_of(entry->path, entry->path_size));
	entry->exists = look_into_tree(overlay, path, &entry->znode);
	if (entry->exists)
		acl_list_ref(entry->znode.acls);
	return entry;
}

/* The undo takes over the reference of the state that it remembers. */
static void remember(struct overlay *overlay, struct overlay_entry *entry, bool was_added)
{
	if (overlay->undo_count == overlay->undo_capacity) {
		overlay->undo_capacity =
			overlay->undo_capacity ? overlay->undo_capacity * 2 : UNDO_CAPACITY_MIN;
		overlay->undos = mem_realloc(overlay->undos,
					     overlay->undo_capacity * sizeof(*overlay->undos));
	}
	overlay->undos[overlay->undo_count++] = (struct overlay_undo){.entry = entry,
								      .was_added = was_added,
								      .zxid = entry->zxid,
								      .exists = entry->exists,
								      .znode = entry->znode};
}

static void change(struct overlay *overlay, zxid_t zxid, struct bytes path, bool exists,
		   const struct overlay_znode *znode)
{
	struct overlay_entry *entry = find_entry(overlay, one_name(path));
	bool is_new = !entry;

	if (is_new)
		entry = add_entry(overlay, one_name(path));
	if (exists)
		acl_list_ref(znode->acls);
	remember(overlay, entry, is_new);
	move_to(overlay, entry, exists, znode);
	entry->zxid = zxid;
	list_remove(&entry->by_zxid);
	list_append(&overlay->by_zxid, &entry->by_zxid);
}

void overlay_put(struct overlay *overlay, zxid_t zxid, struct bytes path,
		 const struct overlay_znode *znode)
{
	struct overlay_znode put = *znode;

	put.digest = znode_digest(znode->content_crc, &znode->stat);
	change(overlay, zxid, path, true, &put);
}

void overlay_delete(struct overlay *overlay, zxid_t zxid, struct bytes path)
{
	change(overlay, zxid, path, false, NULL);
}

void overlay_begin(struct overlay *overlay)
{
	forget_undos(overlay);
}

static void undo(struct overlay *overlay, const struct overlay_undo *last)
{
	struct overlay_entry *entry = last->entry;

	put_acls(overlay, entry->exists, &entry->znode);
	move_to(overlay, entry, last->exists, &last->znode);
	entry->zxid = last->zxid;
	/* An older entry keeps its new place: it goes a little later than it could. */
	if (last->was_added)
		free_entry(overlay, entry);
}

void overlay_rollback(struct overlay *overlay)
{
	while (overlay->undo_count > 0)
		undo(overlay, &overlay->undos[--overlay->undo_count]);
}

void overlay_applied(struct overlay *overlay, zxid_t zxid)
{
	struct list *first;

	forget_undos(overlay);
	while ((first = list_first(&overlay->by_zxid))) {
		struct overlay_entry *entry = list_item(first, struct overlay_entry, by_zxid);

		if (entry->zxid > zxid)
			return;
		free_entry(overlay, entry);
	}
}

/* ---- ephemerals ---- */

static void visit_applied(const struct overlay *overlay, const struct tree_session *session,
			  overlay_path_fn *visit, void *data)
{
	struct overlay_znode znode;

	map_for_each (&session->ephemerals, at) {
		struct bytes path = map_entry_key(at);

		if (overlay_look(overlay, path, &znode) &&
		    znode.stat.ephemeral_owner == session->id)
			visit(data, path);
	}
}

static bool tree_owns(const struct tree_session *session, struct bytes path)
{
	return session && map_find(&session->ephemerals, path) != NULL;
}

void overlay_visit_ephemerals(const struct overlay *overlay, session_id_t session_id,
			      overlay_path_fn *visit, void *data)
{
	const struct tree_session *applied = tree_find_session(overlay->tree, session_id);
	const struct session *session = session_find(overlay->tracker, session_id);

	if (applied)
		visit_applied(overlay, applied, visit, data);
	if (!session)
		return;
	list_for_each (&session->proposed_ephemerals, at) {
		struct overlay_entry *entry = list_item(at, struct overlay_entry, by_owner);
		struct bytes path = map_entry_key(&entry->entry);

		if (!tree_owns(applied, path))
			visit(data, path);
	}
}
