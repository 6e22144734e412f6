#include "fs/namespace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/change.h"
#include "fs/file.h"
#include "fs/inval.h"
#include "fs/name.h"
#include "fs/place.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

/* How often rmdir begins anew when the directory's data is changed meanwhile. */
enum { RMDIR_TRIES_MAX = 5 };

/* The ACL option is a line of text. */
enum { ACL_SIZE_MAX = 64 << 10 };

/*
 * One operation on a name. It holds its request and its directory, for an
 * interrupted caller is answered, and may be gone, before the work has ended.
 */
struct op {
	struct request *request;
	struct fs *fs;
	struct node *dir;
	char *shown;
	char *path; /* the znode's, once the place is known */
	bool has_mode;
	struct create_mode mode;
	mode_t file_type; /* mknod */
	struct fuse_file_info fi;
	int tries;
};

static struct op *op_begin(struct request *request, struct node *dir, const char *shown)
{
	struct op *op = mem_zalloc(sizeof(*op));

	op->request = request;
	op->fs = request->fs;
	op->dir = dir;
	op->shown = mem_strdup(shown);
	request_hold(request);
	node_hold(dir);
	return op;
}

static void op_end(struct op *op)
{
	node_drop(op->fs, op->dir);
	request_drop(op->request);
	free(op->shown);
	free(op->path);
	free(op);
}

static void op_fail(struct op *op, int error)
{
	request_reply_error(op->request, error);
	op_end(op);
}

static void op_entry(struct op *op, struct node *node)
{
	request_reply_entry(op->request, node);
	op_end(op);
}

static void op_take_place(struct op *op, const struct place *place)
{
	op->path = mem_strdup(place->path);
	op->has_mode = place->has_mode;
	op->mode = place->mode;
}

static struct bytes op_path(const struct op *op)
{
	return bytes_of_text(op->path);
}

/* ---- nodes of znodes ---- */

struct node *namespace_node(struct fs *fs, const struct znode *znode)
{
	struct bytes path = bytes_of_text(znode->path);
	struct node *node = node_of_path(fs, path);
	bool is_same = node && node->czxid == znode->stat.czxid;
	enum node_kind kind;

	/* What was made anew elsewhere is not what the open handles stand for. */
	if (node && node->czxid && !is_same && !node_is_root(node))
		file_gone(fs, node);
	/* What was shown as a directory stays one: rm -r must be able to finish with rmdir. */
	if (place_is_root(fs, path) || (is_same && node->kind == NODE_DIR))
		kind = NODE_DIR;
	else
		kind = znode_is_shown_as_dir(znode) ? NODE_DIR : NODE_FILE;
	return node_get(fs, kind, path, NULL, znode->stat.czxid);
}

void namespace_retyped(struct fs *fs, struct bytes path)
{
	struct node *node = node_of_path(fs, path);
	struct node *parent;
	char shown[NAME_SIZE_MAX + 1];

	if (!node || node_is_root(node))
		return;
	node_detach(fs, node);
	parent = node_of_path_live(fs, zk_path_parent(path));
	if (!parent)
		return;
	place_shown_name(fs, path, shown);
	inval_entry(fs, parent->nodeid, shown);
}

struct zk_acls namespace_acls(const struct fs *fs, struct buf *buf)
{
	struct zk_acls acls = zk_acls_open();

	buf_init(buf, ACL_SIZE_MAX);
	/* The option was parsed when the command line was read. */
	ASSERT(zk_acls_parse(fs->options->acl, buf, &acls) == 0);
	return acls;
}

/* ---- lookup ---- */

static struct node *unborn_node(const struct fs *fs, enum node_kind kind, struct bytes path)
{
	struct node *node = node_of_key(fs, kind, path, NULL);

	return node && file_is_unborn(node) ? node : NULL;
}

/*
 * Below a mode directory, names are there to be created. Two are found: what
 * this session owns already, and a directory that is to hold another one
 * (mkdir -p D/.container/a/b).
 */
static bool is_found_by_mode(const struct op *op, const struct znode *znode)
{
	session_id_t session_id = zk_client_session_id(client_session(op->fs->client));

	if (op->mode.sequential)
		return false;
	if (op->mode.ephemeral)
		return znode->stat.ephemeral_owner == session_id;
	return op->mode.container && znode_is_shown_as_dir(znode);
}

static void on_lookup_znode(void *data, int32_t code, int error, struct znode *znode)
{
	struct op *op = data;
	struct node *unborn = unborn_node(op->fs, NODE_FILE, op_path(op));

	if (unborn && error)
		op_entry(op, unborn);
	else if (error)
		op_fail(op, error);
	else if (op->has_mode && !is_found_by_mode(op, znode))
		op_fail(op, ENOENT);
	else
		op_entry(op, namespace_node(op->fs, znode));
}

static void on_lookup_data(void *data, int32_t code, int error, struct znode *znode)
{
	struct op *op = data;
	struct node *unborn = unborn_node(op->fs, NODE_DATA, op_path(op));

	if (unborn)
		op_entry(op, unborn);
	else if (error)
		op_fail(op, error);
	else if (znode->stat.data_length == 0 && (znode->known & ZNODE_DATA) &&
		 znode->value->is_null)
		op_fail(op, ENOENT);
	else
		op_entry(op, node_get(op->fs, NODE_DATA, op_path(op), NULL, 0));
}

static void lookup_znode(struct op *op)
{
	struct node *unborn = unborn_node(op->fs, NODE_FILE, op_path(op));

	if (unborn && !op->has_mode)
		op_entry(op, unborn);
	else if (op->has_mode && !op->mode.ephemeral && !op->mode.container)
		op_fail(op, ENOENT);
	else
		znode_get_shown(op->fs, op_path(op), on_lookup_znode, op);
}

static void on_lookup_place(void *data, int error, const struct place *place)
{
	struct op *op = data;
	struct fs *fs = op->fs;

	if (error) {
		op_fail(op, error == EINVAL ? ENOENT : error);
		return;
	}
	switch (place->kind) {
	case PLACE_ZNODE:
		op_take_place(op, place);
		lookup_znode(op);
		return;
	case PLACE_DATA:
		op_take_place(op, place);
		znode_get(fs, op_path(op), ZNODE_DATA, on_lookup_data, op);
		return;
	case PLACE_MODE:
		op_entry(op, node_get(fs, NODE_MODE, bytes_of_text(place->path), &place->mode, 0));
		return;
	case PLACE_ZKFS:
		op_entry(op, node_get(fs, NODE_ZKFS, bytes_of_text(fs->root_path), NULL, 0));
		return;
	case PLACE_STATUS:
		op_entry(op, node_get(fs, NODE_STATUS, bytes_of_text(fs->root_path), NULL, 0));
		return;
	case PLACE_EVENTS:
		op_entry(op, node_get(fs, NODE_EVENTS, bytes_of_text(fs->root_path), NULL, 0));
		return;
	}
}

void namespace_lookup(struct request *request, struct node *dir, const char *shown)
{
	place_find(request->fs, dir, shown, on_lookup_place, op_begin(request, dir, shown));
}

/* ---- making ---- */

/* Can a znode of that path be made? The server would say the same after a round trip. */
static int check_new_path(const struct place *place)
{
	if (place->kind != PLACE_ZNODE)
		return place->kind == PLACE_DATA ? 0 : EPERM;
	return zk_path_name_is_valid(zk_path_name(bytes_of_text(place->path))) ? 0 : EINVAL;
}

static void on_create_place(void *data, int error, const struct place *place)
{
	struct op *op = data;
	struct create_mode mode = {0};

	if (op->dir->kind == NODE_ZKFS)
		error = EPERM;
	if (!error)
		error = check_new_path(place);
	if (!error && place->has_mode)
		mode = place->mode;
	/* A container is made to hold children. */
	if (!error && mode.container)
		error = EPERM;
	if (error) {
		op_fail(op, error);
		return;
	}
	file_create(op->request, op->dir, op->shown, bytes_of_text(place->path), &mode,
		    op->file_type ? NULL : &op->fi);
	op_end(op);
}

void namespace_create(struct request *request, struct node *dir, const char *shown,
		      struct fuse_file_info *fi)
{
	struct op *op = op_begin(request, dir, shown);

	op->fi = *fi;
	place_find(request->fs, dir, shown, on_create_place, op);
}

void namespace_mknod(struct request *request, struct node *dir, const char *shown, mode_t mode)
{
	struct op *op;

	if (!S_ISREG(mode)) {
		request_reply_error(request, EPERM);
		return;
	}
	op = op_begin(request, dir, shown);
	op->file_type = S_IFREG;
	place_find(request->fs, dir, shown, on_create_place, op);
}

static void on_made_dir(struct request *request, const struct zk_reply *reply, void *data)
{
	struct op *op = data;
	struct fs *fs = op->fs;
	struct zk_create2_response created = {0};
	struct jute_reader body = reply->body;
	int error = request_errno(reply);
	struct node *node;

	if (!error) {
		zk_create2_response_read(&body, &created);
		error = body.error ? EIO : 0;
	}
	if (error) {
		change_own_end(fs, ZK_EVENT_NODE_CREATED, op_path(op), false);
		op_fail(op, error);
		return;
	}
	znode_created(fs, created.path, BYTES_NULL, &created.stat);
	node = node_get(fs, NODE_DIR, created.path, NULL, created.stat.czxid);
	node_hold(node);
	change_own_end_as(fs, ZK_EVENT_NODE_CREATED, op_path(op), created.path, 0);
	request_reply_entry(request, node);
	node_drop(fs, node);
	op_end(op);
}

static void make_dir(struct op *op)
{
	struct zk_request zk_request;
	struct zk_acls acls;
	struct buf buf;

	acls = namespace_acls(op->fs, &buf);
	zk_request_create(&zk_request, op_path(op), BYTES_NULL, &acls, name_mode_flags(&op->mode),
			  op->mode.ttl_ms);
	buf_release(&buf);
	change_own_begin(op->fs, ZK_EVENT_NODE_CREATED, op_path(op));
	request_submit(op->request, &zk_request, on_made_dir, op);
}

static void on_mkdir_place(void *data, int error, const struct place *place)
{
	struct op *op = data;

	if (op->dir->kind == NODE_ZKFS)
		error = EPERM;
	if (!error)
		error = check_new_path(place);
	/* An ephemeral can't have children; .data is no znode of its own. */
	if (!error && (place->kind == PLACE_DATA || (place->has_mode && place->mode.ephemeral)))
		error = EPERM;
	if (error) {
		op_fail(op, error);
		return;
	}
	op_take_place(op, place);
	if (!op->has_mode)
		op->mode = (struct create_mode){0};
	make_dir(op);
}

void namespace_mkdir(struct request *request, struct node *dir, const char *shown)
{
	place_find(request->fs, dir, shown, on_mkdir_place, op_begin(request, dir, shown));
}

/* ---- removing ---- */

void namespace_unlinked(struct fs *fs, struct node *node)
{
	if (!node)
		return;
	node_hold(node);
	file_unlinked(fs, node);
	node_detach(fs, node);
	node_drop(fs, node);
}

/* The znode is gone by our own doing. */
static void removed(struct fs *fs, struct bytes path)
{
	znode_deleted(fs, path);
	namespace_unlinked(fs, node_of_key(fs, NODE_DATA, path, NULL));
	namespace_unlinked(fs, node_of_path(fs, path));
}

static void on_unlinked(struct request *request, const struct zk_reply *reply, void *data)
{
	struct op *op = data;
	int error = request_errno(reply);

	if (!error)
		removed(op->fs, op_path(op));
	change_own_end(op->fs, ZK_EVENT_NODE_DELETED, op_path(op), !error);
	op_fail(op, error);
}

static void unlink_znode(struct op *op)
{
	struct node *node = node_of_path(op->fs, op_path(op));
	struct zk_request zk_request;

	if (node && file_is_unborn(node)) {
		namespace_unlinked(op->fs, node);
		op_fail(op, 0);
		return;
	}
	if (node && node_is_dir(node)) {
		op_fail(op, EISDIR);
		return;
	}
	zk_request_delete(&zk_request, op_path(op), -1);
	change_own_begin(op->fs, ZK_EVENT_NODE_DELETED, op_path(op));
	request_submit(op->request, &zk_request, on_unlinked, op);
}

static void on_data_removed(struct request *request, const struct zk_reply *reply, void *data)
{
	struct op *op = data;
	struct fs *fs = op->fs;
	int error = request_errno(reply);

	if (!error) {
		znode_set_replied(fs, op_path(op), BYTES_NULL, reply);
		namespace_unlinked(fs, node_of_key(fs, NODE_DATA, op_path(op), NULL));
	}
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, op_path(op), !error);
	op_fail(op, error);
}

static void unlink_data(struct op *op)
{
	struct node *unborn = unborn_node(op->fs, NODE_DATA, op_path(op));
	struct zk_request zk_request;

	if (unborn) {
		namespace_unlinked(op->fs, unborn);
		op_fail(op, 0);
		return;
	}
	zk_request_set_data(&zk_request, op_path(op), BYTES_NULL, -1);
	change_own_begin(op->fs, ZK_EVENT_NODE_DATA_CHANGED, op_path(op));
	request_submit(op->request, &zk_request, on_data_removed, op);
}

static void on_unlink_place(void *data, int error, const struct place *place)
{
	struct op *op = data;

	if (!error && place->kind != PLACE_ZNODE && place->kind != PLACE_DATA)
		error = EPERM;
	if (error) {
		op_fail(op, error == EINVAL ? ENOENT : error);
		return;
	}
	op_take_place(op, place);
	if (place->kind == PLACE_DATA)
		unlink_data(op);
	else
		unlink_znode(op);
}

void namespace_unlink(struct request *request, struct node *dir, const char *shown)
{
	place_find(request->fs, dir, shown, on_unlink_place, op_begin(request, dir, shown));
}

static void on_rmdir_stat(void *data, int32_t code, int error, struct znode *znode);

static void on_rmdir_done(struct request *request, const struct zk_reply *reply, void *data)
{
	struct op *op = data;
	int error = request_errno(reply);

	if (!error)
		removed(op->fs, op_path(op));
	change_own_end(op->fs, ZK_EVENT_NODE_DELETED, op_path(op), !error);
	if (reply->code == ZK_BADVERSION && ++op->tries < RMDIR_TRIES_MAX) {
		znode_forget(op->fs, op_path(op), ZNODE_STAT | ZNODE_DATA);
		znode_get(op->fs, op_path(op), ZNODE_STAT, on_rmdir_stat, op);
		return;
	}
	op_fail(op, error);
}

/* The version makes sure that no data is lost which wasn't there when it was looked for. */
static void on_rmdir_stat(void *data, int32_t code, int error, struct znode *znode)
{
	struct op *op = data;
	struct zk_request zk_request;

	if (!error && znode->stat.data_length > 0)
		error = ENOTEMPTY;
	if (error) {
		op_fail(op, error);
		return;
	}
	zk_request_delete(&zk_request, op_path(op), znode->stat.version);
	change_own_begin(op->fs, ZK_EVENT_NODE_DELETED, op_path(op));
	request_submit(op->request, &zk_request, on_rmdir_done, op);
}

static void on_rmdir_settled(void *data, int error)
{
	struct op *op = data;

	if (error)
		op_fail(op, error);
	else
		znode_get(op->fs, op_path(op), ZNODE_STAT, on_rmdir_stat, op);
}

static void on_rmdir_place(void *data, int error, const struct place *place)
{
	struct op *op = data;
	struct node *node;

	if (!error && place->kind != PLACE_ZNODE)
		error = EPERM;
	if (error) {
		op_fail(op, error == EINVAL ? ENOENT : error);
		return;
	}
	op_take_place(op, place);
	node = node_of_path(op->fs, op_path(op));
	if (node && !node_is_dir(node))
		op_fail(op, ENOTDIR);
	else if (node)
		/* What was created in it and isn't on the server yet: it is, from here on. */
		file_settle_dir(op->fs, node, on_rmdir_settled, op);
	else
		on_rmdir_settled(op, 0);
}

void namespace_rmdir(struct request *request, struct node *dir, const char *shown)
{
	place_find(request->fs, dir, shown, on_rmdir_place, op_begin(request, dir, shown));
}
