#include "fs/node.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/file.h"
#include "fs/fs.h"
#include "fs/name.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/base/siphash.h"
#include "src/zk/path.h"

/* What cp(1) and others take as the best size of a piece (DESIGN.md 3). */
enum { BLOCK_SIZE = 1 << 20, STAT_BLOCK_SIZE = 512 };

enum { NODEID_FIRST = FUSE_ROOT_ID + 1 };

/* ---- the table ---- */

/* A file and a directory of one path have one key: they exclude each other. */
static char *make_key(enum node_kind kind, struct bytes path, const struct create_mode *mode)
{
	char mode_text[64];

	switch (kind) {
	case NODE_FILE:
	case NODE_DIR:
		return mem_printf("z%.*s", path.size, (const char *)path.data);
	case NODE_DATA:
		return mem_printf("d%.*s", path.size, (const char *)path.data);
	case NODE_MODE:
		name_mode_format(mode, mode_text);
		return mem_printf("m%s:%.*s", mode_text, path.size, (const char *)path.data);
	case NODE_ZKFS:
		return mem_strdup(".zkfs");
	case NODE_STATUS:
		return mem_strdup(".zkfs/status");
	case NODE_EVENTS:
		return mem_strdup(".zkfs/events");
	}
	ASSERT(!"a kind of node");
	return NULL;
}

static bool stands_for_znode(const struct node *node)
{
	return node->kind == NODE_FILE || node->kind == NODE_DIR || node->kind == NODE_DATA;
}

static struct node *find_key(const struct fs *fs, const char *key)
{
	struct map_entry *found = map_find(&fs->nodes.by_key, bytes_of_text(key));

	return found ? map_item(found, struct node, by_key) : NULL;
}

static void node_release(struct node *node)
{
	free(node->path);
	free(node->key);
	free(node);
}

/* Under its path, which is set. */
static void attach(struct fs *fs, struct node *node)
{
	struct bytes path = bytes_of_text(node->path);

	node->key = make_key(node->kind, path, &node->mode);
	node->attached = true;
	if (stands_for_znode(node))
		node->znode = znode_use(fs, path);
	map_insert(&fs->nodes.by_key, &node->by_key, bytes_of_text(node->key));
}

static void detach(struct fs *fs, struct node *node)
{
	if (!node->attached)
		return;
	node->attached = false;
	map_remove(&fs->nodes.by_key, &node->by_key);
	if (node->znode)
		znode_unuse(fs, node->znode);
	node->znode = NULL;
}

void node_detach(struct fs *fs, struct node *node)
{
	ASSERT(!node_is_root(node));
	detach(fs, node);
}

static struct node *make_detached(struct fs *fs, uint64_t nodeid, enum node_kind kind,
				  struct bytes path, const struct create_mode *mode, zxid_t czxid)
{
	struct node *node = mem_zalloc(sizeof(*node));

	node->nodeid = nodeid;
	node->kind = kind;
	if (mode)
		node->mode = *mode;
	node->czxid = czxid;
	/* A file that isn't made yet has no czxid; ZooKeeper's own znodes never have one. */
	if (czxid == 0 && kind == NODE_FILE && !zk_path_is_system(path))
		node->ino = node_ino(kind, path, (zxid_t)nodeid);
	else
		node->ino = node_ino(kind, path, czxid);
	list_init(&node->unborn);
	list_init(&node->inject_link);
	node->path = bytes_dup(path);
	map_insert(&fs->nodes.by_id, &node->by_id, bytes_of(&node->nodeid, sizeof(node->nodeid)));
	return node;
}

static struct node *make_node(struct fs *fs, uint64_t nodeid, enum node_kind kind,
			      struct bytes path, const struct create_mode *mode, zxid_t czxid)
{
	struct node *node = make_detached(fs, nodeid, kind, path, mode, czxid);

	attach(fs, node);
	return node;
}

struct node *node_new_detached(struct fs *fs, enum node_kind kind, struct bytes path)
{
	return make_detached(fs, fs->nodes.nodeid_next++, kind, path, NULL, 0);
}

void node_table_init(struct fs *fs)
{
	map_init(&fs->nodes.by_id);
	map_init(&fs->nodes.by_key);
	fs->nodes.nodeid_next = NODEID_FIRST;
	node_hold(make_node(fs, FUSE_ROOT_ID, NODE_DIR, bytes_of_text(fs->root_path), NULL, 0));
}

void node_table_release(struct fs *fs)
{
	map_for_each (&fs->nodes.by_id, at) {
		struct node *node = map_item(at, struct node, by_id);

		detach(fs, node);
		map_remove(&fs->nodes.by_id, &node->by_id);
		node_release(node);
	}
	map_release(&fs->nodes.by_key);
	map_release(&fs->nodes.by_id);
}

struct node *node_find(const struct fs *fs, uint64_t nodeid)
{
	struct map_entry *found = map_find(&fs->nodes.by_id, bytes_of(&nodeid, sizeof(nodeid)));

	return found ? map_item(found, struct node, by_id) : NULL;
}

struct node *node_of_key(const struct fs *fs, enum node_kind kind, struct bytes path,
			 const struct create_mode *mode)
{
	char *key = make_key(kind, path, mode);
	struct node *node = find_key(fs, key);

	free(key);
	return node && node->kind == kind ? node : NULL;
}

struct node *node_of_path(const struct fs *fs, struct bytes path)
{
	char *key = make_key(NODE_DIR, path, NULL);
	struct node *node = find_key(fs, key);

	free(key);
	return node;
}

struct node *node_of_path_live(const struct fs *fs, struct bytes path)
{
	struct node *node = node_of_path(fs, path);

	return node && node_is_live(node) ? node : NULL;
}

/* Is it another thing than what is there now? One that isn't made yet (czxid 0) is taken as it is.
 */
static bool contradicts(const struct node *node, enum node_kind kind, zxid_t czxid)
{
	if (node_is_root(node))
		return false;
	return node->kind != kind || (node->czxid && czxid && node->czxid != czxid);
}

struct node *node_get(struct fs *fs, enum node_kind kind, struct bytes path,
		      const struct create_mode *mode, zxid_t czxid)
{
	char *key = make_key(kind, path, mode);
	struct node *node = find_key(fs, key);

	free(key);
	if (node && contradicts(node, kind, czxid)) {
		node_detach(fs, node);
		node = NULL;
	}
	if (!node)
		return make_node(fs, fs->nodes.nodeid_next++, kind, path, mode, czxid);
	if (node->czxid == 0 && !file_is_unborn(node))
		node->czxid = czxid;
	return node;
}

void node_move(struct fs *fs, struct node *node, struct bytes path, zxid_t czxid)
{
	char *key = make_key(node->kind, path, &node->mode);
	char *new_path = bytes_dup(path); /* path may be the node's own */
	struct node *other = find_key(fs, key);

	free(key);
	if (other && other != node)
		node_detach(fs, other);
	node_detach(fs, node);
	free(node->path);
	free(node->key);
	if (node->kind == NODE_FILE || node->kind == NODE_DIR)
		node->czxid = czxid;
	node->path = new_path;
	attach(fs, node);
}

/* ---- references ---- */

static void free_unreferenced(struct fs *fs, struct node *node)
{
	if (node->lookup_count > 0 || node->hold_count > 0)
		return;
	ASSERT(!node->file && list_is_empty(&node->unborn) && !list_is_linked(&node->inject_link));
	node_detach(fs, node);
	map_remove(&fs->nodes.by_id, &node->by_id);
	node_release(node);
}

void node_hold(struct node *node)
{
	node->hold_count++;
}

void node_drop(struct fs *fs, struct node *node)
{
	ASSERT(node->hold_count > 0);
	node->hold_count--;
	free_unreferenced(fs, node);
}

void node_forget(struct fs *fs, struct node *node, uint64_t lookup_count)
{
	/* The kernel counts references to the root that nobody gave it. */
	ASSERT(node_is_root(node) || lookup_count <= node->lookup_count);
	if (node_is_root(node))
		return;
	node->lookup_count -= lookup_count;
	free_unreferenced(fs, node);
}

/* ---- what it is ---- */

bool node_is_dir(const struct node *node)
{
	return node->kind == NODE_DIR || node->kind == NODE_MODE || node->kind == NODE_ZKFS;
}

bool node_is_root(const struct node *node)
{
	return node->nodeid == FUSE_ROOT_ID;
}

bool node_is_live(const struct node *node)
{
	return node->lookup_count > 0 || node_is_root(node);
}

/*
 * A multi creates many znodes with one czxid, and a path is created again and
 * again: the two together name one thing.
 */
uint64_t node_ino(enum node_kind kind, struct bytes path, zxid_t czxid)
{
	/* As of a file and a directory of one path one alone exists, they needn't differ. */
	uint64_t key[2] = {kind == NODE_DIR ? NODE_FILE : kind, (uint64_t)czxid};
	uint64_t ino;

	if (kind == NODE_DATA || kind == NODE_MODE)
		key[1] = 0;
	ino = siphash(key, path.data, bytes_size(path));
	/* 0 reads as "no entry", 1 is the root's, and the last is libfuse's "unknown". */
	return ino > FUSE_ROOT_ID && ino != 0xffffffff ? ino : ~ino;
}

static void set_times(struct stat *stat, const struct zk_stat *zk_stat)
{
	stat->st_mtim = (struct timespec){.tv_sec = zk_stat->mtime / 1000,
					  .tv_nsec = zk_stat->mtime % 1000 * 1000000};
	stat->st_ctim = (struct timespec){.tv_sec = zk_stat->ctime / 1000,
					  .tv_nsec = zk_stat->ctime % 1000 * 1000000};
	stat->st_atim = stat->st_mtim;
}

static mode_t mode_of(const struct fs *fs, const struct node *node, const struct zk_stat *zk_stat)
{
	switch (node->kind) {
	case NODE_FILE:
		return S_IFREG | fs->options->file_mode | (zk_stat->ephemeral_owner ? S_ISVTX : 0);
	case NODE_DATA:
		return S_IFREG | fs->options->file_mode;
	case NODE_DIR:
	case NODE_MODE:
		return S_IFDIR | fs->options->dir_mode;
	case NODE_ZKFS:
		return S_IFDIR | (fs->options->dir_mode & 0555);
	case NODE_STATUS:
	case NODE_EVENTS:
		return S_IFREG | (fs->options->file_mode & 0444);
	}
	return 0;
}

static void set_size(const struct node *node, const struct zk_stat *zk_stat, struct stat *stat)
{
	uint64_t size = 0;

	if (node->kind == NODE_FILE || node->kind == NODE_DATA) {
		size = (uint64_t)zk_stat->data_length;
		/* Leaves size alone where all is committed. */
		(void)file_uncommitted_size(node, &size);
	}
	stat->st_size = (off_t)size;
	stat->st_blocks = (blkcnt_t)((size + STAT_BLOCK_SIZE - 1) / STAT_BLOCK_SIZE);
}

void node_stat(struct fs *fs, struct node *node, struct stat *ret_stat)
{
	if (node->znode && (node->znode->known & ZNODE_STAT))
		node->stat = node->znode->stat;
	*ret_stat = (struct stat){
		.st_ino = node_is_root(node) ? FUSE_ROOT_ID : node->ino,
		.st_mode = mode_of(fs, node, &node->stat),
		.st_nlink = node->attached,
		.st_uid = fs->options->uid,
		.st_gid = fs->options->gid,
		.st_blksize = BLOCK_SIZE,
	};
	set_times(ret_stat, &node->stat);
	set_size(node, &node->stat, ret_stat);
}

double node_cache_timeout(const struct fs *fs, const struct node *node)
{
	uint64_t size;

	if (!node->znode || !(node->znode->known & ZNODE_STAT) ||
	    file_uncommitted_size(node, &size))
		return 0;
	return (double)znode_fresh_ms(fs, node->znode) / 1000;
}

void node_entry(struct fs *fs, struct node *node, struct fuse_entry_param *ret_entry)
{
	memset(ret_entry, 0, sizeof(*ret_entry));
	ret_entry->ino = node->nodeid;
	node_stat(fs, node, &ret_entry->attr);
	ret_entry->attr_timeout = node_cache_timeout(fs, node);
	ret_entry->entry_timeout = ret_entry->attr_timeout;
}
