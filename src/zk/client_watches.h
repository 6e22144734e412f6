#ifndef ZK_CLIENT_WATCHES_H
#define ZK_CLIENT_WATCHES_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/base/map.h"
#include "src/zk/zxid.h"

/*
 * Which watches the server holds for this session, so that they can be set
 * again on a new connection (Java's ZKWatchManager, without its callbacks).
 *
 *	DATA        getData, and exists that found the node
 *	EXIST       exists that did not
 *	CHILD       getChildren
 *	PERSISTENT, RECURSIVE   addWatch; an event does not use these up
 */
enum zk_watch_table {
	ZK_WATCHES_DATA,
	ZK_WATCHES_EXIST,
	ZK_WATCHES_CHILD,
	ZK_WATCHES_PERSISTENT,
	ZK_WATCHES_RECURSIVE,
	ZK_WATCHES_TABLES,
};

struct zk_watches {
	struct map tables[ZK_WATCHES_TABLES];
	size_t count;
};

void zk_watches_init(struct zk_watches *watches);
void zk_watches_release(struct zk_watches *watches);

/* One that is there already stays as it is. */
void zk_watches_add(struct zk_watches *watches, enum zk_watch_table table, struct bytes path);
void zk_watches_remove(struct zk_watches *watches, enum zk_watch_table table, struct bytes path);

/* What the reply of an answered request says about watches: it registered or removed some. */
void zk_watches_note_reply(struct zk_watches *watches, int32_t opcode, struct bytes record,
			   int32_t code);
/* Would it register one if it succeeded? */
bool zk_watches_request_sets(int32_t opcode, struct bytes record);

/* An event uses up the one-shot watches that it belongs to. */
void zk_watches_note_event(struct zk_watches *watches, int32_t type, struct bytes path);

/* The path of some watch of that table, NULL if there is none: for who empties it. */
struct bytes zk_watches_first(const struct zk_watches *watches, enum zk_watch_table table);

/*
 * The next batch of setWatches records, a little over batch_size of paths
 * each, as the Java client splits them. *at begins as {0}. Returns the opcode
 * (setWatches2 for a batch that holds persistent ones, setWatches otherwise,
 * which servers before 3.6 know too), or 0 when there is none left. Watches
 * must not change between the calls.
 */
struct zk_watches_cursor {
	enum zk_watch_table table;
	const struct map_entry *entry;
	bool begun;
};
enum { ZK_WATCHES_BATCH_SIZE = 128 << 10 };
int32_t zk_watches_encode(const struct zk_watches *watches, struct zk_watches_cursor *at,
			  size_t batch_size, zxid_t relative_zxid, struct buf *buf);

#endif
