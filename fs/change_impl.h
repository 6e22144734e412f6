#ifndef FS_CHANGE_IMPL_H
#define FS_CHANGE_IMPL_H

#include "fs/change.h"
#include "fs/node.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/zk/record.h"

/*
 * Between the parts of fs/change.h alone:
 *   change.c        events, own writes and what waits for their ends, a lost connection
 *   change-raise.c  what a change means for the kernel and for those who watch
 *   change-nodes.c  what one-shot watches tell
 */
struct compare;

struct change {
	struct fs *fs;
	struct map own;        /* struct own, by path */
	struct list observers; /* struct observer */
	struct compare *compare;
};

/*
 * A path with own writes in flight: the events about it that came meanwhile
 * wait here, in order, until it is known which of them are our own; so do the
 * differences that a comparison (fs/compare.h) has found. By node it is only
 * noted that an answer differs from what has been told.
 */
struct own {
	struct map_entry by_path;
	char *path;
	unsigned in_flight;
	struct list held; /* struct held_event, as they came */
	bool differs;
};

/* NULL where none is in flight. */
struct own *change_own_find(const struct change *change, struct bytes path);

/* What is known of path since an own write of it, or NULL. */
const struct zk_stat *change_known_stat(const struct fs *fs, struct bytes path);

void change_tell_observers(struct fs *fs, enum zk_event_type type, struct bytes path, zxid_t zxid);

/* ---- change-raise.c ---- */

/* node: what was at path when the event, or the difference, came; or NULL. */
void change_raise(struct fs *fs, enum zk_event_type type, struct bytes path, struct node *node);

/* ---- change-nodes.c ---- */

void change_nodes_event(struct fs *fs, enum zk_event_type type, struct bytes path);

/* An own write has become a txn; stat as for compare_own. */
void change_nodes_own(struct fs *fs, enum zk_event_type kind, struct bytes path,
		      const struct zk_stat *stat);

/*
 * Compare path, and its name, anew: as if events had come, but for what an own
 * reply has just told.
 */
void change_nodes_look_again(struct fs *fs, struct bytes path);

#endif
