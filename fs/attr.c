#include "fs/attr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "fs/change.h"
#include "fs/file.h"
#include "fs/name.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

/* How long a silent server keeps who asks for the root's attributes, or for df. */
enum { PATIENCE_MS = 1000 };

/* One question about a node; the node is held, for its caller may be gone. */
struct query {
	struct request *request;
	struct node *node;
	struct value *value; /* touch */
};

static struct query *query_begin(struct request *request, struct node *node)
{
	struct query *query = mem_zalloc(sizeof(*query));

	query->request = request;
	query->node = node;
	request_hold(request);
	node_hold(node);
	return query;
}

static void query_end(struct query *query)
{
	struct request *request = query->request;

	node_drop(request->fs, query->node);
	value_drop(query->value);
	request_drop(request);
	free(query);
}

static void query_fail(struct query *query, int error)
{
	request_reply_error(query->request, error);
	query_end(query);
}

static bool has_znode(const struct node *node)
{
	return node->kind == NODE_FILE || node->kind == NODE_DIR || node->kind == NODE_DATA;
}

/* ---- getattr ---- */

static bool is_same_znode(const struct node *node, const struct znode *znode)
{
	return node->czxid == 0 || node->czxid == znode->stat.czxid;
}

static void on_stat(void *data, int32_t code, int error, struct znode *znode)
{
	struct query *query = data;
	struct node *node = query->node;

	/*
	 * What was deleted, or made anew, is no longer this inode. With ESTALE the
	 * kernel looks the path up once more; who has it open sees it as it was.
	 */
	if (code == ZK_NONODE || (!error && !is_same_znode(node, znode)))
		error = node->file ? 0 : ESTALE;
	if (error)
		request_reply_error(query->request, error);
	else
		request_reply_attr(query->request, node);
	query_end(query);
}

static void give_as_known(struct request *request, int error)
{
	struct query *query = request->data;

	request_reply_attr(request, query->node);
}

/*
 * The kernel asks for the root's mode on the way to everything below it, so .zkfs/status could not
 * be read just when no server answers. What the server knows of a root is its times alone; who asks
 * meanwhile gets those that were known last, and the kernel keeps none.
 */
static void get_root(struct request *request, struct node *root)
{
	struct query *query;

	if (!request->fs->session_live) {
		request_reply_attr(request, root);
		return;
	}
	query = query_begin(request, root);
	request->data = query;
	request->on_withdraw = give_as_known;
	request_wait_at_most(request, PATIENCE_MS);
	znode_get(request->fs, bytes_of_text(root->path), ZNODE_STAT, on_stat, query);
}

void attr_get(struct request *request, struct node *node)
{
	if (node_is_root(node)) {
		get_root(request, node);
		return;
	}
	if (!has_znode(node) || file_is_unborn(node) || (!node->attached && node->file)) {
		request_reply_attr(request, node);
		return;
	}
	if (!node->attached) {
		request_reply_error(request, ESTALE);
		return;
	}
	znode_get(request->fs, bytes_of_text(node->path), ZNODE_STAT, on_stat,
		  query_begin(request, node));
}

/* ---- setattr ---- */

static void on_settled(void *data, int error)
{
	struct query *query = data;

	if (error) {
		query_fail(query, error);
		return;
	}
	attr_get(query->request, query->node);
	query_end(query);
}

static void on_touched(struct request *request, const struct zk_reply *reply, void *data)
{
	struct query *query = data;
	struct fs *fs = request->fs;
	struct bytes path = bytes_of_text(query->node->path);
	int error = request_errno(reply);

	if (!error)
		znode_set_replied(fs, path, value_data(query->value), reply);
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, path, !error);
	/* Somebody else has just set it: it has been touched. */
	if (reply->code == ZK_BADVERSION)
		znode_forget(fs, path, ZNODE_STAT | ZNODE_DATA);
	on_settled(query, reply->code == ZK_BADVERSION ? 0 : error);
}

static void on_touch_value(void *data, int32_t code, int error, struct znode *znode)
{
	struct query *query = data;
	struct zk_request zk_request;
	struct bytes path;

	if (!error && !is_same_znode(query->node, znode))
		error = ESTALE;
	if (error) {
		query_fail(query, error);
		return;
	}
	path = bytes_of_text(query->node->path);
	query->value = value_hold(znode->value);
	zk_request_set_data(&zk_request, path, value_data(query->value), znode->stat.version);
	change_own_begin(query->request->fs, ZK_EVENT_NODE_DATA_CHANGED, path);
	request_submit(query->request, &zk_request, on_touched, query);
}

/* A file with bytes to commit is touched by that. */
static void touch(struct request *request, struct node *node)
{
	uint64_t size;

	if (file_is_unborn(node) || file_uncommitted_size(node, &size))
		file_settle(request->fs, node, on_settled, query_begin(request, node));
	else
		znode_get(request->fs, bytes_of_text(node->path), ZNODE_DATA, on_touch_value,
			  query_begin(request, node));
}

void attr_set(struct request *request, struct node *node, const struct stat *attr, int to_set,
	      struct fuse_file_info *fi)
{
	if (!has_znode(node)) {
		request_reply_error(request, EPERM);
		return;
	}
	if (to_set & FUSE_SET_ATTR_SIZE) {
		file_truncate(request, node, fi, attr->st_size);
		return;
	}
	if (!node->attached && !node->file) {
		request_reply_error(request, ESTALE);
		return;
	}
	if ((to_set & FUSE_SET_ATTR_MTIME_NOW) && node->attached)
		touch(request, node);
	else if (file_is_unborn(node))
		file_settle(request->fs, node, on_settled, query_begin(request, node));
	else
		attr_get(request, node);
}

/* ---- statfs ---- */

enum {
	STATFS_BLOCK_SIZE = 4096,
	/* Where no quota says more: a tebibyte, and a million znodes more than there are. */
	STATFS_BLOCKS = 1 << 28,
	STATFS_FILES_LEFT = 1000000,
	QUOTA_TEXT_SIZE_MAX = 1000,
};

/* QuotaNode's text: "count=5,bytes=100=;byteHardLimit=-1;countHardLimit=-1"; -1 is none. */
struct quota {
	int64_t count;
	int64_t bytes;
	int64_t count_hard;
	int64_t bytes_hard;
};

struct statfs_query {
	struct request *request;
	char *path;  /* whose quota is looked for: of the node, then upward */
	char *limit; /* the znode that is being read */
	struct quota limits;
};

static int64_t quota_number(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static bool quota_parse(const struct value *value, struct quota *ret_quota)
{
	char text[QUOTA_TEXT_SIZE_MAX + 1];

	if (value->size > QUOTA_TEXT_SIZE_MAX)
		return false;
	memcpy(text, value->data, value->size);
	text[value->size] = '\0';
	*ret_quota = (struct quota){
		.count = quota_number(text, "count="),
		.bytes = quota_number(text, "bytes="),
		.count_hard = quota_number(text, "countHardLimit="),
		.bytes_hard = quota_number(text, "byteHardLimit="),
	};
	return true;
}

static struct statvfs statfs_base(void)
{
	return (struct statvfs){
		.f_bsize = STATFS_BLOCK_SIZE,
		.f_frsize = STATFS_BLOCK_SIZE,
		.f_blocks = STATFS_BLOCKS,
		.f_bfree = STATFS_BLOCKS,
		.f_bavail = STATFS_BLOCKS,
		.f_files = STATFS_FILES_LEFT,
		.f_ffree = STATFS_FILES_LEFT,
		.f_favail = STATFS_FILES_LEFT,
		.f_namemax = NAME_SIZE_MAX,
	};
}

static void statfs_end(struct statfs_query *query, const struct statvfs *statfs)
{
	request_reply_statfs(query->request, statfs);
	request_drop(query->request);
	free(query->path);
	free(query->limit);
	free(query);
}

static void on_count(struct request *request, const struct zk_reply *reply, void *data)
{
	struct statvfs statfs = statfs_base();
	struct jute_reader body = reply->body;
	int32_t count = request_errno(reply) ? 0 : jute_read_int(&body);

	/* A server before 3.6 doesn't tell; the mount is shown all the same. */
	if (count > 0 && !body.error)
		statfs.f_files += (fsfilcnt_t)count;
	statfs_end(data, &statfs);
}

static void count_all(struct statfs_query *query)
{
	const struct fs *fs = query->request->fs;
	struct zk_request zk_request;
	struct zk_path_record record = {.path = bytes_of_text(fs->root_path)};

	zk_request_init(&zk_request, ZK_OP_GET_ALL_CHILDREN_NUMBER, ZK_INTENT_AGAIN);
	zk_path_record_write(&zk_request.frame, &record);
	request_submit(query->request, &zk_request, on_count, query);
}

static int64_t left_of(int64_t limit, int64_t used)
{
	return limit > used ? limit - used : 0;
}

static void on_quota_stats(void *data, int32_t code, int error, struct znode *znode)
{
	struct statfs_query *query = data;
	const struct quota *limits = &query->limits;
	struct statvfs statfs = statfs_base();
	int64_t count = limits->count_hard >= 0 ? limits->count_hard : limits->count;
	int64_t bytes = limits->bytes_hard >= 0 ? limits->bytes_hard : limits->bytes;
	struct quota used;

	if (!error && quota_parse(znode->value, &used)) {
		if (bytes >= 0) {
			statfs.f_blocks = (fsblkcnt_t)bytes / STATFS_BLOCK_SIZE;
			statfs.f_bfree = (fsblkcnt_t)left_of(bytes, used.bytes) / STATFS_BLOCK_SIZE;
			statfs.f_bavail = statfs.f_bfree;
		}
		if (count >= 0) {
			statfs.f_files = (fsfilcnt_t)count;
			statfs.f_ffree = (fsfilcnt_t)left_of(count, used.count);
			statfs.f_favail = statfs.f_ffree;
		}
	}
	statfs_end(query, &statfs);
}

static void look_for_quota(struct statfs_query *query);

static void on_quota_limits(void *data, int32_t code, int error, struct znode *znode)
{
	struct statfs_query *query = data;
	struct bytes parent = zk_path_parent(bytes_of_text(query->path));
	char *path;

	if (!error && quota_parse(znode->value, &query->limits)) {
		free(query->limit);
		query->limit = mem_printf("/zookeeper/quota%s/zookeeper_stats", query->path);
		znode_get(query->request->fs, bytes_of_text(query->limit), ZNODE_DATA,
			  on_quota_stats, query);
		return;
	}
	path = bytes_dup(parent);
	free(query->path);
	query->path = path;
	look_for_quota(query);
}

/* The nearest one above applies; one on "/" is ignored (DataTree). */
static void look_for_quota(struct statfs_query *query)
{
	if (strcmp(query->path, "/") == 0) {
		count_all(query);
		return;
	}
	free(query->limit);
	query->limit = mem_printf("/zookeeper/quota%s/zookeeper_limits", query->path);
	znode_get(query->request->fs, bytes_of_text(query->limit), ZNODE_DATA, on_quota_limits,
		  query);
}

static void give_base(struct request *request, int error)
{
	struct statvfs statfs = statfs_base();

	request_reply_statfs(request, &statfs);
}

void attr_statfs(struct request *request, struct node *node)
{
	struct statfs_query *query;

	/* Who looks at all mounts of a machine shall not hang on this one. */
	if (!request->fs->session_live) {
		give_base(request, 0);
		return;
	}
	request->on_withdraw = give_base;
	request_wait_at_most(request, PATIENCE_MS);
	query = mem_zalloc(sizeof(*query));
	query->request = request;
	query->path = mem_strdup(node->path);
	request_hold(request);
	look_for_quota(query);
}
