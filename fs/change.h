#ifndef FS_CHANGE_H
#define FS_CHANGE_H

#include <stdbool.h>

#include "src/base/bytes.h"
#include "src/zk/opcode.h"
#include "src/zk/zxid.h"

struct fs;

/*
 * What others change. A watch event is taken in three steps: the cache forgets
 * what is no longer true (znode.h), the kernel is told to forget it too
 * (inval.h), and the inotify event that a local change would have raised is
 * raised by doing the change through the mount (inject.h).
 *
 * Events of own changes must raise nothing: the kernel has raised them already.
 * An event's txn is told apart without knowing its zxid (3.8 doesn't send it):
 * ZooKeeper sends the event of a txn right before the writer's own reply to it.
 * So events about a path with an own write in flight are held back, and when
 * that succeeds, the last one of its kind is its own. So are the differences
 * that a comparison after a lost connection finds (fs/compare.h).
 *
 * That is with a recursive watch. By node, that is with one-shot watches on
 * what the kernel holds, an event makes us ask again, and what the answers show
 * is compared with what has been told (fs/announced.h). What differs while an
 * own write is in flight is asked about again when that has ended.
 */
struct change *change_new(struct fs *fs);
void change_free(struct change *change);

/* From the client: a watch event. zxid is -1 where the server doesn't tell. */
void change_event(struct fs *fs, enum zk_event_type type, struct bytes path, zxid_t zxid);

/*
 * There is no recursive watch, or none any more: from now on one-shot watches
 * on what the kernel holds tell of changes.
 */
void change_by_node(struct fs *fs);

/*
 * Around each own write of path: kind is CREATED, DELETED or DATA_CHANGED. Begin
 * before it is submitted, end in its continuation, after the cache was told;
 * succeeded says whether this write became a txn. A rename is two of them.
 */
void change_own_begin(struct fs *fs, enum zk_event_type kind, struct bytes path);
void change_own_end(struct fs *fs, enum zk_event_type kind, struct bytes path, bool succeeded);
/*
 * The end of one that has succeeded, begun as path; real_path is another one for
 * a sequential create. zxid is the txn's, for a reply without a Stat that the
 * cache could have been told; else 0.
 */
void change_own_end_as(struct fs *fs, enum zk_event_type kind, struct bytes path,
		       struct bytes real_path, zxid_t zxid);

/*
 * The connection came back, or another session began: all that the kernel
 * holds is compared with the server, and every difference is raised.
 */
void change_compare_all(struct fs *fs);
/* The connection is lost: nothing cached may be used any more. */
void change_disconnected(struct fs *fs);

/* .zkfs/events wants to see every event below the root, own changes too; as long as fs lives. */
typedef void (*change_observer_fn)(void *data, enum zk_event_type type, struct bytes path,
				   zxid_t zxid);
void change_observe(struct fs *fs, change_observer_fn observe, void *data);

#endif
