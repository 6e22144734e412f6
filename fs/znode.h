#ifndef FS_ZNODE_H
#define FS_ZNODE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/bytes.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/zk/jute.h"
#include "src/zk/record.h"

struct announced;
struct fs;
struct zk_reply;

/*
 * What this mount knows of the ensemble's znodes. An entry's parts (Stat, data,
 * children) are each either known to be true, or not known:
 *
 *  - A reply makes a part true: ZooKeeper sends the event of every earlier
 *    change before a reply that shows it (client-protocol.md 11.4).
 *  - A watch event makes it unknown, as does the loss of the connection, or
 *    a third of the session timeout without a byte from the server.
 *  - What no watch covers (no READ permission; before the watch is set) is
 *    never kept beyond the callbacks of the reply that brought it.
 *
 * So a read that is answered from here is never older than DESIGN.md section 4
 * allows. Memory is bounded: values and child lists are dropped, least recently
 * used first, beyond ZNODE_CACHE_SIZE_MAX bytes; entries that no node uses
 * beyond ZNODE_COUNT_MAX.
 */
enum { ZNODE_CACHE_SIZE_MAX = 64 << 20, ZNODE_COUNT_MAX = 200000 };

/*
 * Longer lists of children aren't fetched only to see whether all of them wait
 * for a lock: that many contenders make a directory.
 */
enum { ZNODE_CONTENDERS_MAX = 10000 };

/* A value is immutable and shared: the cache and open handles hold references. */
struct value {
	unsigned reference_count;
	zxid_t czxid; /* the znode that it belongs to */
	zxid_t mzxid;
	int32_t version;
	bool is_null;
	size_t size;
	uint8_t data[];
};

struct value *value_new(struct bytes data, const struct zk_stat *stat);
struct value *value_hold(struct value *value);
void value_drop(struct value *value);               /* NULL is fine */
struct bytes value_data(const struct value *value); /* null if it is */

enum {
	ZNODE_STAT = 1,     /* exists, and its Stat */
	ZNODE_DATA = 2,     /* the value too */
	ZNODE_CHILDREN = 4, /* the names of its children too */
};

/*
 * The one-shot watches that the server holds for us on a znode: without a
 * recursive watch, every question sets one. A data watch tells of its value
 * and its end, a child watch of the names below it and its end; what is known
 * of a znode is covered while both are armed.
 */
enum {
	ZNODE_DATA_WATCH = 1,
	ZNODE_CHILD_WATCH = 2,
	ZNODE_BOTH_WATCHES = ZNODE_DATA_WATCH | ZNODE_CHILD_WATCH,
	/* Watches asked for ahead of anybody's question, at a time. */
	ZNODE_ARMING_MAX = 512,
};

/*
 * What isn't known any more stays until memory is needed: a Stat that a later
 * reply brings tells by its zxids whether the old value and list still hold.
 */
struct znode {
	struct map_entry by_path;
	struct list lru;
	char *path;     /* owned */
	unsigned known; /* ZNODE_* that are true now */
	unsigned asked; /* questions in flight */
	bool exists;    /* meaningful while ZNODE_STAT is known */
	bool readable;  /* data and children may be read, as far as is known */
	struct zk_stat stat;
	struct value *value;          /* of stat.mzxid while ZNODE_DATA is known; or NULL */
	struct jute_strings children; /* while ZNODE_CHILDREN is known */
	void *children_memory;
	zxid_t children_pzxid; /* the Stat that the list came with */
	int32_t children_cversion;
	msec_t checked_ms; /* loop time of the last reply about it */
	struct list waiting;
	unsigned use_count;          /* nodes that stand for it */
	unsigned armed;              /* ZNODE_*_WATCH that the server holds */
	struct list arming;          /* in cache->to_arm: to be asked about so that they are */
	struct announced *announced; /* owned; what change-nodes.c has told of it, or NULL */
};

/* A reply has said what a znode is now; parts 0: that it doesn't exist. */
typedef void (*znode_seen_fn)(struct fs *fs, struct znode *znode, unsigned parts);

struct znode_cache {
	struct map by_path;
	struct list lru;
	size_t size;
	bool watched; /* the recursive watch is set: events cover all that is readable */
	bool by_node; /* there is none: one-shot watches cover what was asked about */
	struct list to_arm;
	size_t arming_count;   /* questions in flight for to_arm */
	znode_seen_fn on_seen; /* by_node: called for every such reply, before who asked */
};

void znode_cache_init(struct znode_cache *cache);
void znode_cache_release(struct znode_cache *cache);

/*
 * Bring the wanted parts of a znode. then runs once: at once, before this
 * returns, where they are known to be true; else when the server has answered.
 *
 *   code ZK_OK      the parts are in znode until then returns
 *   code ZK_NONODE  it doesn't exist (znode may be NULL)
 *   other           error is what to answer; znode may be NULL
 *
 * Equal questions in flight are asked once.
 */
typedef void (*znode_then_fn)(void *data, int32_t code, int error, struct znode *znode);
void znode_get(struct fs *fs, struct bytes path, unsigned want, znode_then_fn then, void *data);

/* The same for ZNODE_STAT and whatever else znode_is_shown_as_dir needs. */
void znode_get_shown(struct fs *fs, struct bytes path, znode_then_fn then, void *data);

/* What is known without asking: NULL, or an entry whose `known` tells. */
struct znode *znode_peek(const struct fs *fs, struct bytes path);

/* A node stands for it: the entry is kept. Each use is ended by one unuse. */
struct znode *znode_use(struct fs *fs, struct bytes path);
void znode_unuse(struct fs *fs, struct znode *znode);

/* Own changes: what a reply to our own write says is true from now on. */
void znode_created(struct fs *fs, struct bytes path, struct bytes data, const struct zk_stat *stat);
void znode_set(struct fs *fs, struct bytes path, struct value *value, const struct zk_stat *stat);
/* The same from the reply to a setData of data; where that has no Stat, nothing is known. */
void znode_set_replied(struct fs *fs, struct bytes path, struct bytes data,
		       const struct zk_reply *reply);
void znode_deleted(struct fs *fs, struct bytes path);

/* A watch event, or doubt: the parts are not known any more, and never the Stat. */
void znode_forget(struct fs *fs, struct bytes path, unsigned parts);
/* Our own setACL: whether it may still be read is to be asked; an old value no longer tells. */
void znode_doubt(struct fs *fs, struct bytes path);
/* The connection is lost, or another session began. */
void znode_forget_all(struct fs *fs);

/*
 * by_node: an event has used up these watches; nothing is known of it any more.
 */
void znode_disarm(struct fs *fs, struct bytes path, unsigned watches);
/* by_node: ask what it is now, so that its watches are armed again; on_seen is told. */
void znode_arm(struct fs *fs, struct bytes path);

/* The kernel begins to hold a node of it: by_node, its watches are armed from now on. */
void znode_held(struct fs *fs, const struct znode *znode);

/* May what is known be used now: connected, watched, and heard from lately? */
bool znode_is_fresh(const struct fs *fs, const struct znode *znode);

/*
 * How many milliseconds it may still be used without a byte from the server: a
 * third of the session timeout since the last one. 0: not at all.
 */
msec_t znode_fresh_ms(const struct fs *fs, const struct znode *znode);

/*
 * A directory or a file? From ZNODE_STAT, ZNODE_CHILDREN where there are any,
 * and ZNODE_DATA where there is no length: null or empty. Lock contenders
 * (fs/name.h) don't make a directory. What can't be read is shown as a file
 * unless it has children.
 */
bool znode_is_shown_as_dir(const struct znode *znode);

#endif
