#ifndef FS_NODE_H
#define FS_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/bytes.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

struct fs;
struct znode;
struct file;
struct fuse_entry_param;
struct stat;

/*
 * The inodes that the kernel holds of this mount. A node lives from the reply
 * that first names it until the kernel has forgotten it as often as it was
 * told (FORGET), and while we hold it ourselves.
 *
 *  1. Nodeids come from a counter and are never used twice; 1 is the root.
 *  2. At most one attached node stands for a (path, kind of thing); lookup of
 *     a name gives that node, or a new one.
 *  3. A node never changes its type (file or directory): the kernel makes an
 *     inode that does bad for good. What became the other type gets a new
 *     node; the old one is detached.
 *  4. A detached node no longer has a name: its znode is gone, was created
 *     anew (another czxid), or is shown as another type. Operations by it are
 *     ENOENT or ESTALE, but for open handles and for rmdir of what was shown
 *     as a directory.
 */
enum node_kind {
	NODE_FILE,   /* a znode shown as a regular file */
	NODE_DIR,    /* a znode shown as a directory */
	NODE_DATA,   /* D/.data, the data of directory D */
	NODE_MODE,   /* D/.ephemeral, D/.sequential, ... : how to create below D */
	NODE_ZKFS,   /* .zkfs, in the root only */
	NODE_STATUS, /* .zkfs/status */
	NODE_EVENTS, /* .zkfs/events */
};

/* How a name below a mode directory is created; all false for plain names. */
struct create_mode {
	bool ephemeral;
	bool sequential;
	bool container;
	int64_t ttl_ms; /* 0: none */
};

struct node {
	struct map_entry by_id;
	struct map_entry by_key; /* in the table only while attached */
	uint64_t nodeid;
	uint64_t lookup_count; /* references the kernel holds */
	unsigned hold_count;   /* references we hold */
	enum node_kind kind;
	struct create_mode mode; /* NODE_MODE */
	char *path;              /* the znode's; NODE_DATA and NODE_MODE: of D; owned */
	char *key;               /* what by_key finds it by; owned */
	uint64_t ino;
	zxid_t czxid; /* of the znode that it stands for; 0 while a new file is not made yet */
	bool attached;
	struct znode *znode; /* what is known of path (fs/znode.h), kept while attached */
	struct zk_stat stat; /* as last shown, for handles of what has no znode any more */
	struct file *file;   /* NODE_FILE and NODE_DATA with handles or sticky state; it holds the
				node; else NULL */
	unsigned locked_dir; /* unanswered requests whose caller holds this directory's lock */
	unsigned locked_inode;
	struct list unborn;      /* NODE_DIR: files created here that are not on the server yet
				    (fs/file.h) */
	struct list inject_link; /* owned by fs/inject.c */
	void *inject_queue;      /* owned by fs/inject.c */
};

struct node_table {
	struct map by_id;
	struct map by_key;
	uint64_t nodeid_next;
};

/* Makes the root: nodeid 1, a directory for fs->root_path. */
void node_table_init(struct fs *fs);
/* At the end of the mount: all nodes, whoever still refers to them. */
void node_table_release(struct fs *fs);

/* NULL for a nodeid that is not ours: a bug of the kernel's or of ours; answer ESTALE. */
struct node *node_find(const struct fs *fs, uint64_t nodeid);

/* The attached node of a znode path as a file or directory (whichever is there), or NULL. */
struct node *node_of_path(const struct fs *fs, struct bytes path);
/* The same, if it is live (node_is_live). */
struct node *node_of_path_live(const struct fs *fs, struct bytes path);
/* The attached node of the given kind for a path (mode: NODE_MODE only), or NULL. */
struct node *node_of_key(const struct fs *fs, enum node_kind kind, struct bytes path,
			 const struct create_mode *mode);

/*
 * The attached node of that kind for path, made if need be. An attached node
 * that contradicts (other type, other czxid) is detached first. czxid is 0 for
 * kinds that have no znode of their own, and for a file that is not made yet.
 * A new node has no references: who doesn't hold it names it in a reply before
 * anything else can happen (request_reply_entry frees it if nobody takes it).
 */
struct node *node_get(struct fs *fs, enum node_kind kind, struct bytes path,
		      const struct create_mode *mode, zxid_t czxid);

/*
 * One that has no name from the beginning: it stands for what was at path and
 * is gone, beside whatever is attached there now. No references, as above.
 */
struct node *node_new_detached(struct fs *fs, enum node_kind kind, struct bytes path);

void node_hold(struct node *node);
void node_drop(struct fs *fs, struct node *node);
void node_forget(struct fs *fs, struct node *node, uint64_t lookup_count);

/* Take its name from it. The node stays until forgotten. Idempotent. */
void node_detach(struct fs *fs, struct node *node);

/* It was renamed through this mount: the node stands for path from now on. */
void node_move(struct fs *fs, struct node *node, struct bytes path, zxid_t czxid);

bool node_is_dir(const struct node *node);
bool node_is_root(const struct node *node);

/* The st_ino of what has no node yet: a directory's stream and stat must agree. */
uint64_t node_ino(enum node_kind kind, struct bytes path, zxid_t czxid);

/* Has the kernel a reference: could an inotify watch or a cached name be on it? */
bool node_is_live(const struct node *node);

/*
 * Attributes and lifetimes from what znode.h and file.h know of it now; the
 * timeouts are 0 where that isn't known to be true (see fs_cache_timeout).
 */
void node_stat(struct fs *fs, struct node *node, struct stat *ret_stat);
void node_entry(struct fs *fs, struct node *node, struct fuse_entry_param *ret_entry);

/*
 * How many seconds the kernel may keep a name or attributes: what is left of a
 * third of the session timeout since the last byte heard; 0 while watches
 * don't hold the cache true.
 */
double node_cache_timeout(const struct fs *fs, const struct node *node);

#endif
