#ifndef TREE_CHANGES_H
#define TREE_CHANGES_H

#include <stddef.h>
#include <stdint.h>

#include "replica/tree/tree.h"

/*
 * What a write-out has to do: one slot for each znode and session that changed
 * since the last one, in the order of their first change. A znode or session
 * knows its slot (its dirty is the index plus one), so a further change costs
 * nothing. What the store has and the tree has no more leaves a slot with its
 * name; what the store never had leaves none.
 *
 * Invariants:
 *  1. live is the number of slots that aren't SLOT_NONE; the last slot is not SLOT_NONE
 *  2. slots of one path are in the order of what happened to it
 */
enum change_slot_type {
	SLOT_NONE,
	SLOT_ZNODE,
	SLOT_ZNODE_DELETED,
	SLOT_SESSION,
	SLOT_SESSION_DELETED,
};

struct change_slot {
	union {
		struct znode *znode;
		char *path; /* owned */
		struct tree_session *session;
		session_id_t session_id;
	};
	uint32_t size; /* what it counts for in changes.size */
	uint32_t type;
	zxid_t czxid; /* of a znode that is gone */
};

struct changes {
	struct change_slot *slots;
	size_t count;
	size_t capacity;
	size_t live;
	uint64_t size;
};

void changes_init(struct changes *changes);
void changes_release(struct changes *changes);

/* After each change; before a znode's or session's memory is released. */
void changes_note_znode(struct changes *changes, struct znode *znode);
void changes_note_znode_deleted(struct changes *changes, struct znode *znode);
void changes_note_session(struct changes *changes, struct tree_session *session);
void changes_note_session_deleted(struct changes *changes, struct tree_session *session);

/* Everything noted is in the store now, or nobody's business. */
void changes_clear(struct changes *changes);

#endif
