/*
 * Opening what is there, and creating what isn't.
 *
 *	open     settle what this process has uncommitted, then ask at once for
 *	         the permission to write and for the value, then answer
 *	create   plain: the file is unborn until its first commit (handle.h);
 *	         O_EXCL, a mode directory, a parent that may refuse: made at open
 */
#include "fs/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fs/access.h"
#include "fs/change.h"
#include "fs/commit.h"
#include "fs/inject.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

struct opening {
	struct fs *fs;
	struct request *request; /* held */
	struct node *node;       /* held; NULL while it is being created */
	struct join *join;
	struct value *value;
	pid_t thread;
	int flags;
	/* Of a create: */
	struct node *dir; /* held; NULL: a plain open */
	char *shown;
	char *path;
	struct create_mode mode;
	bool is_data;
	bool is_mknod;
	struct fuse_file_info fi; /* the handler's own is gone when we answer */
};

static struct opening *opening_new(struct request *request, struct node *node,
				   const struct fuse_file_info *fi)
{
	struct opening *opening = mem_zalloc(sizeof(*opening));

	request_hold(request);
	opening->fs = request->fs;
	opening->request = request;
	opening->thread = fuse_req_ctx(request->fuse)->pid;
	opening->node = node;
	if (node)
		node_hold(node);
	if (fi) {
		opening->fi = *fi;
		opening->flags = fi->flags;
	}
	return opening;
}

static void opening_free(struct opening *opening)
{
	struct fs *fs = opening->fs;

	if (opening->node)
		node_drop(fs, opening->node);
	if (opening->dir)
		node_drop(fs, opening->dir);
	value_drop(opening->value);
	free(opening->shown);
	free(opening->path);
	request_drop(opening->request);
	free(opening);
}

static void refuse(struct opening *opening, int error)
{
	request_reply_error(opening->request, error);
	opening_free(opening);
}

static bool is_writing(const struct opening *opening)
{
	return (opening->flags & O_ACCMODE) != O_RDONLY || (opening->flags & O_TRUNC);
}

/* ---- answering ---- */

static pid_t opener_of(const struct opening *opening)
{
	if ((opening->flags & O_ACCMODE) == O_RDONLY)
		return 0;
	return process_of_thread(opening->thread).group;
}

/* The kernel didn't take it: its caller is gone, and what it opened was not used. */
static void untake(struct handle *handle)
{
	struct file *file = handle->file;

	file_hold(file);
	content_discard(&handle->content);
	if (file->unborn)
		file_stillborn(file);
	handle_release(handle);
	file_drop(file);
}

static void answer(struct opening *opening, int flags)
{
	struct file *file = file_of(opening->fs, opening->node);
	struct handle *handle = handle_new(file, flags, opener_of(opening));
	bool taken;

	if (opening->value && content_is_clean(&handle->content))
		content_take(&handle->content, opening->value);
	handle_changed(handle);
	handle->live_checked = true;
	handle->hidden = opening->dir && opening->dir->kind == NODE_MODE;
	opening->fi.fh = (uintptr_t)handle;
	opening->fi.direct_io = 1;
	if (opening->dir)
		taken = request_reply_create(opening->request, opening->node, &opening->fi);
	else
		taken = request_reply_open(opening->request, &opening->fi);
	if (!taken)
		untake(handle);
	else if (handle->hidden)
		inject_reveal(opening->fs, opening->dir, opening->shown, opening->node);
	opening_free(opening);
}

/* ---- what is there ---- */

static void begin_create(struct opening *opening);

/* A create found a node that turned out to be nothing: it creates after all. */
static bool creates_after_all(struct opening *opening, int error)
{
	if (!opening->dir || (error != ENOENT && error != ESTALE))
		return false;
	node_detach(opening->fs, opening->node);
	node_drop(opening->fs, opening->node);
	opening->node = NULL;
	value_drop(opening->value);
	opening->value = NULL;
	begin_create(opening);
	return true;
}

static void on_opened(void *data, int error)
{
	struct opening *opening = data;

	if (!error)
		answer(opening, opening->flags);
	else if (!creates_after_all(opening, error))
		refuse(opening, error);
}

/* Is it still what the node stands for? ESTALE makes the kernel look the name up again. */
static int check_identity(const struct node *node, const struct znode *znode)
{
	bool is_null = (znode->known & ZNODE_DATA) && znode->value->is_null;

	if (node->kind == NODE_DATA)
		return is_null ? ENOENT : 0;
	if (node->czxid && node->czxid != znode->stat.czxid)
		return ESTALE;
	return is_null ? ESTALE : 0;
}

static void on_value(void *data, int32_t code, int error, struct znode *znode)
{
	struct opening *opening = data;

	if (code == ZK_OK)
		error = check_identity(opening->node, znode);
	if (code == ZK_OK && !error && (znode->known & ZNODE_DATA))
		opening->value = value_hold(znode->value);
	join_done(opening->join, error);
}

static void on_settled(void *data, int error)
{
	struct opening *opening = data;
	struct node *node = opening->node;
	struct bytes path = bytes_of_text(node->path);
	bool needs_value = !(opening->flags & O_TRUNC) || node->kind == NODE_DATA;

	(void)error; /* it sticks to the file, and fsync reports it */
	if (!node->attached || (node->file && node->file->gone)) {
		on_opened(opening, ESTALE);
		return;
	}
	opening->join = join_begin(on_opened, opening);
	if (is_writing(opening)) {
		join_wait(opening->join);
		access_check_write(opening->fs, path, join_done, opening->join);
	}
	join_wait(opening->join);
	znode_get(opening->fs, path, needs_value ? ZNODE_STAT | ZNODE_DATA : ZNODE_STAT, on_value,
		  opening);
	join_end(opening->join);
}

static void open_existing(struct opening *opening)
{
	struct file *file = opening->node->file;

	if (!file)
		on_settled(opening, 0);
	else
		file_settle_of(file, file->unborn ? 0 : opening->thread, on_settled, opening);
}

void file_open(struct request *request, struct node *node, struct fuse_file_info *fi)
{
	struct opening *opening = opening_new(request, node, fi);

	if (is_writing(opening) && request->fs->options->read_only)
		refuse(opening, EROFS);
	else
		open_existing(opening);
}

/* ---- what is not there: made later ---- */

static int32_t create_flags(const struct fs *fs, const struct create_mode *mode)
{
	bool ephemeral = mode->ephemeral ||
			 (fs->options->ephemeral && !mode->container && mode->ttl_ms == 0);

	if (mode->container)
		return ZK_CONTAINER;
	if (mode->ttl_ms > 0)
		return mode->sequential ? ZK_PERSISTENT_SEQUENTIAL_WITH_TTL
					: ZK_PERSISTENT_WITH_TTL;
	if (ephemeral)
		return mode->sequential ? ZK_EPHEMERAL_SEQUENTIAL : ZK_EPHEMERAL;
	return mode->sequential ? ZK_PERSISTENT_SEQUENTIAL : ZK_PERSISTENT;
}

static void create_unborn(struct opening *opening)
{
	struct fs *fs = opening->fs;
	struct file *file;

	opening->node = node_get(fs, opening->is_data ? NODE_DATA : NODE_FILE,
				 bytes_of_text(opening->path), NULL, 0);
	node_hold(opening->node);
	file = file_of(fs, opening->node);
	file->unborn = true;
	file->dir = opening->dir;
	node_hold(file->dir);
	file->shown = mem_strdup(opening->shown);
	file->create_flags = create_flags(fs, &opening->mode);
	list_append(&file->dir->unborn, &file->unborn_link);
	answer(opening, opening->flags);
}

/* ---- what is not there: made now ---- */

/* What was made is opened as what it is; a truncation of it would be one write more. */
static void answer_made(struct opening *opening)
{
	if (!opening->is_mknod) {
		answer(opening, opening->flags & ~O_TRUNC);
		return;
	}
	request_reply_entry(opening->request, opening->node);
	if (opening->dir->kind == NODE_MODE)
		inject_reveal(opening->fs, opening->dir, opening->shown, opening->node);
	opening_free(opening);
}

static void made(struct opening *opening, struct bytes path, const struct zk_stat *stat)
{
	struct fs *fs = opening->fs;

	opening->value = value_new(bytes_of("", 0), stat);
	if (opening->is_data)
		znode_set(fs, path, opening->value, stat);
	else
		znode_created(fs, path, bytes_of("", 0), stat);
	opening->node =
		node_get(fs, opening->is_data ? NODE_DATA : NODE_FILE, path, NULL, stat->czxid);
	node_hold(opening->node);
	if (opening->is_data)
		access_learn(fs, path, ZK_PERM_WRITE);
	else
		access_learn_created(fs, path);
}

static bool is_done(const struct zk_reply *reply)
{
	return reply->outcome == ZK_OUTCOME_RESOLVED ||
	       (reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_OK);
}

/* The name is there. Is it ours to open? In .ephemeral it must belong to this session. */
static void on_other(void *data, int32_t code, int error, struct znode *znode)
{
	struct opening *opening = data;
	struct fs *fs = opening->fs;

	if (code != ZK_OK) {
		refuse(opening, error);
	} else if (znode_is_shown_as_dir(znode)) {
		refuse(opening, opening->mode.ephemeral ? EEXIST : EISDIR);
	} else if (opening->mode.ephemeral &&
		   znode->stat.ephemeral_owner !=
			   zk_client_session_id(client_session(fs->client))) {
		refuse(opening, EEXIST);
	} else {
		opening->node = node_get(fs, NODE_FILE, bytes_of_text(opening->path), NULL,
					 znode->stat.czxid);
		node_hold(opening->node);
		open_existing(opening);
	}
}

static bool may_be_other_s(const struct opening *opening)
{
	const struct create_mode *mode = &opening->mode;

	return !(opening->flags & O_EXCL) && !opening->is_mknod && !mode->sequential &&
	       !mode->container && mode->ttl_ms == 0;
}

static void take_created(struct opening *opening, const struct zk_reply *reply)
{
	struct zk_create2_response created = {.path = bytes_of_text(opening->path)};
	struct jute_reader body = reply->body;
	int error = 0;

	if (reply->outcome == ZK_OUTCOME_REPLIED) {
		zk_create2_response_read(&body, &created);
		error = body.error ? EIO : 0;
	} else if (reply->has_stat) {
		created.stat = reply->stat;
	} else {
		error = EIO; /* it is there, and a lookup will find it */
	}
	if (!error)
		made(opening, created.path, &created.stat);
	change_own_end_as(opening->fs, ZK_EVENT_NODE_CREATED, bytes_of_text(opening->path),
			  bytes_is_null(created.path) ? bytes_of_text(opening->path) : created.path,
			  0);
	if (error)
		refuse(opening, error);
	else
		answer_made(opening);
}

static void on_created(struct request *request, const struct zk_reply *reply, void *data)
{
	struct opening *opening = data;
	struct fs *fs = opening->fs;
	struct bytes path = bytes_of_text(opening->path);

	(void)request; /* it is opening->request */
	if (is_done(reply)) {
		take_created(opening, reply);
		return;
	}
	change_own_end(fs, ZK_EVENT_NODE_CREATED, path, false);
	if (reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_NODEEXISTS &&
	    may_be_other_s(opening))
		znode_get_shown(fs, path, on_other, opening);
	else
		refuse(opening, request_errno(reply));
}

static void create_now(struct opening *opening)
{
	struct fs *fs = opening->fs;
	struct bytes path = bytes_of_text(opening->path);
	struct zk_request request;

	zk_request_create(&request, path, bytes_of("", 0), &fs->files->acls,
			  create_flags(fs, &opening->mode), opening->mode.ttl_ms);
	request.session_bound = true;
	if (request.intent == ZK_INTENT_CREATE_EXCLUSIVE && may_be_other_s(opening))
		request.intent = ZK_INTENT_CREATE;
	change_own_begin(fs, ZK_EVENT_NODE_CREATED, path);
	request_submit(opening->request, &request, on_created, opening);
}

/* ---- D/.data made now: null data becomes empty ---- */

static void make_data_now(struct opening *opening);

static void on_data_set(struct request *request, const struct zk_reply *reply, void *data)
{
	struct opening *opening = data;
	struct fs *fs = opening->fs;
	struct bytes path = bytes_of_text(opening->path);
	struct jute_reader body = reply->body;
	struct zk_stat stat = reply->stat;
	bool has_stat = reply->has_stat;

	(void)request; /* it is opening->request */
	if (reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_OK) {
		zk_stat_read(&body, &stat);
		has_stat = !body.error;
	}
	if (is_done(reply) && has_stat) {
		made(opening, path, &stat);
		change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, path, true);
		answer_made(opening);
		return;
	}
	znode_forget(fs, path, ZNODE_STAT | ZNODE_DATA);
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, path, is_done(reply));
	if (reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_BADVERSION)
		make_data_now(opening); /* it has changed: look again */
	else
		refuse(opening, is_done(reply) ? EIO : request_errno(reply));
}

static void on_dir_value(void *data, int32_t code, int error, struct znode *znode)
{
	struct opening *opening = data;
	struct fs *fs = opening->fs;
	struct bytes path = bytes_of_text(opening->path);
	struct zk_request request;

	if (code != ZK_OK) {
		refuse(opening, error);
	} else if (znode->value->is_null) {
		zk_request_set_data(&request, path, bytes_of("", 0), znode->stat.version);
		request.session_bound = true;
		change_own_begin(fs, ZK_EVENT_NODE_DATA_CHANGED, path);
		request_submit(opening->request, &request, on_data_set, opening);
	} else if (opening->flags & O_EXCL || opening->is_mknod) {
		refuse(opening, EEXIST);
	} else {
		opening->node = node_get(fs, NODE_DATA, path, NULL, znode->stat.czxid);
		node_hold(opening->node);
		open_existing(opening);
	}
}

static void make_data_now(struct opening *opening)
{
	znode_get(opening->fs, bytes_of_text(opening->path), ZNODE_STAT | ZNODE_DATA, on_dir_value,
		  opening);
}

/* ---- now or later? ---- */

static void make_now(struct opening *opening)
{
	if (opening->is_data)
		make_data_now(opening);
	else
		create_now(opening);
}

static void on_may_create(void *data, int error)
{
	struct opening *opening = data;

	if (!error)
		create_unborn(opening);
	else if (error == EACCES)
		make_now(opening); /* so that a refusal is seen at open */
	else
		refuse(opening, error);
}

static bool is_plain(const struct create_mode *mode)
{
	return !mode->ephemeral && !mode->sequential && !mode->container && mode->ttl_ms == 0;
}

/* An ephemeral can have no children: that is seen at open, too. */
static bool parent_is_ephemeral(const struct opening *opening)
{
	const struct znode *znode = opening->dir->znode;

	return znode && znode->stat.ephemeral_owner != 0;
}

static void begin_create(struct opening *opening)
{
	struct fs *fs = opening->fs;
	struct bytes dir_path = bytes_of_text(opening->dir->path);

	if (opening->is_mknod || (opening->flags & O_EXCL) || !is_plain(&opening->mode) ||
	    parent_is_ephemeral(opening))
		make_now(opening);
	else if (opening->is_data)
		access_check_write(fs, dir_path, on_may_create, opening);
	else
		access_check_create(fs, dir_path, on_may_create, opening);
}

void file_create(struct request *request, struct node *dir, const char *shown_name,
		 struct bytes path, const struct create_mode *mode, struct fuse_file_info *fi)
{
	struct fs *fs = request->fs;
	struct opening *opening = opening_new(request, NULL, fi);

	opening->dir = dir;
	node_hold(dir);
	opening->shown = mem_strdup(shown_name);
	opening->path = bytes_dup(path);
	if (mode)
		opening->mode = *mode;
	/* A znode of that name would be shown escaped (fs/name.h). */
	opening->is_data = strcmp(shown_name, ".data") == 0;
	opening->is_mknod = !fi;
	if (fs->options->read_only) {
		refuse(opening, EROFS);
		return;
	}
	/* In .ephemeral, what lookup didn't find is not ours: the server says EEXIST. */
	if (may_be_other_s(opening) && !opening->mode.ephemeral)
		opening->node =
			node_of_key(fs, opening->is_data ? NODE_DATA : NODE_FILE, path, NULL);
	if (!opening->node) {
		begin_create(opening);
		return;
	}
	node_hold(opening->node);
	open_existing(opening);
}
