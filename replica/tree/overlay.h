#ifndef TREE_OVERLAY_H
#define TREE_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/tree/session.h"
#include "replica/tree/tree.h"
#include "src/base/list.h"
#include "src/base/map.h"

/*
 * The tree as it will be once everything proposed is applied: the tree itself,
 * and over it one entry for each znode that a proposal changes (the outstanding
 * changes of PrepRequestProcessor). What is decided here is decided as if each
 * transaction had been applied before the next is made.
 *
 * Java is less exact in two places, and we don't follow it: a later request is
 * checked against the ACL of an earlier setACL, not the one before it, and a
 * parent has lost the ephemerals of a closeSession. Both are what its clients
 * see of a Java server, too, when they send the requests one by one.
 *
 * Invariants:
 *  1. an entry is newer than the tree in what it says: its zxid is above the tree's, or it
 *     waits for an older one to go first
 *  2. digest is the tree digest behind the last proposal
 *  3. a tracked session's ephemeral_size counts the ephemerals that are here, and its
 *     proposed_ephemerals are the entries that are ephemerals of it
 */
struct overlay_znode {
	struct znode_stat stat;
	int32_t child_count;
	uint32_t content_crc;
	uint32_t digest;       /* set by overlay_put */
	struct acl_list *acls; /* borrowed: valid until the next change of the overlay */
};

struct overlay {
	struct tree *tree;
	struct session_tracker *tracker;
	struct map entries;
	struct list by_zxid;
	uint64_t digest;
	/* What to undo: the states before each change since overlay_begin. */
	struct overlay_undo *undos;
	size_t undo_count;
	size_t undo_capacity;
};

void overlay_init(struct overlay *overlay, struct tree *tree, struct session_tracker *tracker);
void overlay_release(struct overlay *overlay);

/* False if it isn't there. */
bool overlay_look(const struct overlay *overlay, struct bytes path,
		  struct overlay_znode *ret_znode);

/* The znode is created, or becomes this, by the proposal zxid; or goes. */
void overlay_put(struct overlay *overlay, zxid_t zxid, struct bytes path,
		 const struct overlay_znode *znode);
void overlay_delete(struct overlay *overlay, zxid_t zxid, struct bytes path);

/* From overlay_begin on, changes can be taken back. */
void overlay_begin(struct overlay *overlay);
void overlay_rollback(struct overlay *overlay);

/* The tree is at zxid now. */
void overlay_applied(struct overlay *overlay, zxid_t zxid);

/* Every ephemeral of the session, first those in the tree; the visitor must not change the overlay.
 */
typedef void overlay_path_fn(void *data, struct bytes path);
void overlay_visit_ephemerals(const struct overlay *overlay, session_id_t session_id,
			      overlay_path_fn *visit, void *data);

#endif
