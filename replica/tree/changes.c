#include "replica/tree/changes.h"

#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

enum {
	CAPACITY_MIN = 64,
	/* What a row takes besides its path and data. */
	ROW_SIZE = 128,
};

void changes_init(struct changes *changes)
{
	*changes = (struct changes){0};
}

void changes_release(struct changes *changes)
{
	changes_clear(changes);
}

static uint32_t *dirty_of(struct change_slot *slot)
{
	return slot->type == SLOT_ZNODE ? &slot->znode->dirty : &slot->session->dirty;
}

/* Close the gaps that short-lived znodes left, so that churn between two write-outs is bounded. */
static void compact(struct changes *changes)
{
	size_t count = 0;

	for (size_t at = 0; at < changes->count; at++) {
		struct change_slot *slot = &changes->slots[count];

		if (changes->slots[at].type == SLOT_NONE)
			continue;
		*slot = changes->slots[at];
		count++;
		if (slot->type == SLOT_ZNODE || slot->type == SLOT_SESSION)
			*dirty_of(slot) = (uint32_t)count;
	}
	changes->count = count;
	ASSERT(count == changes->live);
}

static struct change_slot *add_slot(struct changes *changes, uint32_t *ret_dirty)
{
	if (changes->count == changes->capacity && changes->live <= changes->count / 2)
		compact(changes);
	if (changes->count == changes->capacity) {
		changes->capacity = changes->capacity ? changes->capacity * 2 : CAPACITY_MIN;
		changes->slots =
			mem_realloc(changes->slots, changes->capacity * sizeof(*changes->slots));
	}
	ASSERT(changes->count < UINT32_MAX);
	changes->slots[changes->count] = (struct change_slot){.type = SLOT_NONE};
	changes->live++;
	changes->count++;
	if (ret_dirty)
		*ret_dirty = (uint32_t)changes->count;
	return &changes->slots[changes->count - 1];
}

static void set_size(struct changes *changes, struct change_slot *slot, uint32_t size)
{
	changes->size += size;
	changes->size -= slot->size;
	slot->size = size;
}

static void drop_slot(struct changes *changes, struct change_slot *slot)
{
	set_size(changes, slot, 0);
	slot->type = SLOT_NONE;
	changes->live--;
	while (changes->count > 0 && changes->slots[changes->count - 1].type == SLOT_NONE)
		changes->count--;
}

void changes_note_znode(struct changes *changes, struct znode *znode)
{
	struct change_slot *slot;

	if (znode->dirty) {
		slot = &changes->slots[znode->dirty - 1];
		ASSERT(slot->type == SLOT_ZNODE && slot->znode == znode);
	} else {
		slot = add_slot(changes, &znode->dirty);
		slot->type = SLOT_ZNODE;
		slot->znode = znode;
	}
	set_size(changes, slot, ROW_SIZE + (uint32_t)znode_path_size(znode) + znode->data_size);
}

static char *dup_path(const struct znode *znode)
{
	struct buf buf;
	char *path;

	buf_init(&buf, INT32_MAX);
	path = bytes_dup(znode_path(znode, &buf));
	buf_release(&buf);
	return path;
}

void changes_note_znode_deleted(struct changes *changes, struct znode *znode)
{
	struct change_slot *slot = znode->dirty ? &changes->slots[znode->dirty - 1] : NULL;

	if (znode->stored) {
		if (!slot)
			slot = add_slot(changes, NULL);
		slot->type = SLOT_ZNODE_DELETED;
		slot->path = dup_path(znode);
		slot->czxid = znode->czxid;
		set_size(changes, slot, ROW_SIZE + (uint32_t)znode_path_size(znode));
	} else if (slot) {
		drop_slot(changes, slot);
	}
	znode->dirty = 0;
	znode->stored = false;
}

void changes_note_session(struct changes *changes, struct tree_session *session)
{
	struct change_slot *slot;

	if (session->dirty)
		return;
	slot = add_slot(changes, &session->dirty);
	slot->type = SLOT_SESSION;
	slot->session = session;
	set_size(changes, slot, ROW_SIZE);
}

void changes_note_session_deleted(struct changes *changes, struct tree_session *session)
{
	struct change_slot *slot = session->dirty ? &changes->slots[session->dirty - 1] : NULL;

	if (session->stored) {
		if (!slot)
			slot = add_slot(changes, NULL);
		slot->type = SLOT_SESSION_DELETED;
		slot->session_id = session->id;
		set_size(changes, slot, ROW_SIZE);
	} else if (slot) {
		drop_slot(changes, slot);
	}
	session->dirty = 0;
	session->stored = false;
}

void changes_clear(struct changes *changes)
{
	for (size_t at = 0; at < changes->count; at++) {
		struct change_slot *slot = &changes->slots[at];

		if (slot->type == SLOT_ZNODE_DELETED)
			free(slot->path);
		if (slot->type == SLOT_ZNODE || slot->type == SLOT_SESSION)
			*dirty_of(slot) = 0;
		if (slot->type == SLOT_ZNODE)
			slot->znode->stored = true;
		if (slot->type == SLOT_SESSION)
			slot->session->stored = true;
	}
	/* A burst's slots would stay for good. */
	free(changes->slots);
	changes_init(changes);
}
