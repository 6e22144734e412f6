#include "fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/commit.h"
#include "fs/handle.h"
#include "fs/inject.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"

/* An operation on a handle that waits for the server; both are held. */
struct operation {
	struct request *request;
	struct handle *handle;
	void (*run)(struct operation *operation, int error);
	size_t offset;
	size_t size;
	void *data; /* WRITE: a copy, owned */
	bool attr;  /* answered with attributes */
};

static struct operation *operation_new(struct request *request, struct handle *handle)
{
	struct operation *operation = mem_zalloc(sizeof(*operation));

	request_hold(request);
	handle_hold(handle);
	operation->request = request;
	operation->handle = handle;
	return operation;
}

static void operation_free(struct operation *operation)
{
	handle_drop(operation->handle);
	request_drop(operation->request);
	free(operation->data);
	free(operation);
}

/* ---- having the newest version ---- */

static bool can_refresh(const struct handle *handle)
{
	const struct file *file = handle->file;

	return !file->unborn && !file->gone && !file->unlinked;
}

static void on_newest(void *data, int32_t code, int error, struct znode *znode)
{
	struct operation *operation = data;
	struct handle *handle = operation->handle;
	const struct node *node = handle->file->node;
	bool is_other = code == ZK_OK && node->czxid && znode->stat.czxid != node->czxid;

	/* What was removed elsewhere is read on as it was. */
	if (code == ZK_NONODE || is_other || !can_refresh(handle))
		error = handle->content.base ? 0 : ESTALE;
	else if (code == ZK_OK && content_is_clean(&handle->content))
		content_take(&handle->content, znode->value);
	operation->run(operation, error);
}

static void take_newest(struct operation *operation)
{
	const struct file *file = operation->handle->file;

	znode_get(file->fs, bytes_of_text(file->node->path), ZNODE_STAT | ZNODE_DATA, on_newest,
		  operation);
}

/* ---- READ ---- */

static void answer_read(struct request *request, struct handle *handle, size_t offset, size_t size)
{
	struct buf scratch;
	struct bytes bytes;

	buf_init(&scratch, size);
	bytes = content_read(&handle->content, offset, size, &scratch);
	request_reply_data(request, bytes.data, bytes_size(bytes));
	buf_release(&scratch);
}

static void run_read(struct operation *operation, int error)
{
	if (error)
		request_reply_error(operation->request, error);
	else
		answer_read(operation->request, operation->handle, operation->offset,
			    operation->size);
	operation_free(operation);
}

static bool wants_newest(const struct handle *handle, size_t offset)
{
	return can_refresh(handle) && content_wants_newest(&handle->content, offset);
}

void file_read(struct request *request, struct fuse_file_info *fi, size_t size, off_t offset)
{
	struct handle *handle = handle_of(fi);
	struct operation *operation;

	if (handle->lost) {
		request_reply_error(request, EIO);
		return;
	}
	if (!wants_newest(handle, (size_t)offset)) {
		answer_read(request, handle, (size_t)offset, size);
		return;
	}
	operation = operation_new(request, handle);
	operation->run = run_read;
	operation->offset = (size_t)offset;
	operation->size = size;
	take_newest(operation);
}

/* ---- committing, and answering then ---- */

static void answer_committed(struct operation *operation, int error)
{
	struct request *request = operation->request;

	if (error)
		request_reply_error(request, error);
	else if (operation->attr)
		request_reply_attr(request, operation->handle->file->node);
	else if (operation->size > 0)
		request_reply_write(request, operation->size);
	else
		request_reply_error(request, 0);
	operation_free(operation);
}

static void on_committed(void *data, int error)
{
	struct operation *operation = data;

	/* It is told here; the file remembers it for fsync. */
	if (error)
		operation->handle->error = 0;
	operation->run(operation, error);
}

static void commit_then(struct operation *operation,
			void (*run)(struct operation *operation, int error))
{
	operation->run = run;
	handle_commit(operation->handle, on_committed, operation);
}

/* ---- WRITE ---- */

static void touch(struct handle *handle)
{
	list_remove(&handle->link);
	list_prepend(&handle->file->handles, &handle->link);
	handle_changed(handle);
}

/* What can be refused before anything is taken. */
static int check_writable(const struct handle *handle, size_t size)
{
	const struct file *file = handle->file;

	if (handle->lost)
		return EIO;
	if (file->gone)
		return ESTALE;
	if (file->fs->files->dirty_size + size > FILES_DIRTY_SIZE_MAX)
		return ENOSPC;
	return 0;
}

/* -EAGAIN: what was appended goes first. */
static int edit(struct handle *handle, struct bytes bytes, size_t offset)
{
	if (handle->content.append)
		return content_append(&handle->content, bytes);
	return content_write(&handle->content, offset, bytes);
}

static void on_appended_committed(struct operation *operation, int error);

/* Takes the operation. */
static void write_now(struct operation *operation)
{
	struct handle *handle = operation->handle;
	int error = check_writable(handle, operation->size);

	if (!error)
		error = -edit(handle, bytes_of(operation->data, operation->size),
			      operation->offset);
	if (error == EAGAIN) {
		commit_then(operation, on_appended_committed);
		return;
	}
	touch(handle);
	if (!error && handle->content.synchronous)
		commit_then(operation, answer_committed);
	else
		answer_committed(operation, error);
}

static void on_appended_committed(struct operation *operation, int error)
{
	if (error)
		answer_committed(operation, error);
	else
		write_now(operation);
}

static void on_live(void *data, int32_t code, int error, struct znode *znode)
{
	struct operation *operation = data;

	(void)znode; /* that the server answered is enough */
	if (code == ZK_OK || code == ZK_NONODE || code == ZK_NOAUTH) {
		operation->handle->live_checked = true;
		write_now(operation);
	} else {
		answer_committed(operation, error);
	}
}

/* The first write is refused where no server takes it: later ones may be all that is heard. */
static bool must_wait_for_session(struct handle *handle)
{
	if (handle->file->fs->session_live)
		return false;
	return !handle->content.written && !handle->lost;
}

void file_write(struct request *request, struct fuse_file_info *fi, const void *data, size_t size,
		off_t offset)
{
	struct handle *handle = handle_of(fi);
	struct fs *fs = request->fs;
	struct operation *operation;
	int error;

	/* fcntl(F_SETFL) may have changed it. */
	handle->content.append = fi->flags & O_APPEND;
	if (!must_wait_for_session(handle) && !handle->content.synchronous) {
		error = check_writable(handle, size);
		if (!error)
			error = -edit(handle, bytes_of(data, size), (size_t)offset);
		if (error != EAGAIN) {
			touch(handle);
			if (error)
				request_reply_error(request, error);
			else
				request_reply_write(request, size);
			return;
		}
	}
	operation = operation_new(request, handle);
	operation->offset = (size_t)offset;
	operation->size = size;
	operation->data = mem_dup(data, size);
	if (must_wait_for_session(handle))
		znode_get(fs, bytes_of_text(handle->file->node->path), ZNODE_STAT, on_live,
			  operation);
	else
		write_now(operation);
}

/* ---- FLUSH, FSYNC, RELEASE ---- */

static void run_flush(struct operation *operation, int error)
{
	struct handle *handle = operation->handle;

	if (!error)
		error = handle->error;
	handle->error = 0;
	answer_committed(operation, error);
}

/* It may have been written to, and flushed by another process, while it was being moved. */
static void on_revealed(void *data)
{
	struct operation *operation = data;

	operation->handle->hidden = false;
	if (operation->handle->content.written)
		commit_then(operation, run_flush);
	else
		run_flush(operation, 0);
}

static bool flush_commits(const struct request *request, const struct handle *handle)
{
	bool has_work = handle->content.written || handle_is_committing(handle);

	return has_work && opener_flush_commits(handle->opener, fuse_req_ctx(request->fuse)->pid);
}

void file_flush(struct request *request, struct fuse_file_info *fi)
{
	struct handle *handle = handle_of(fi);

	if (handle->hidden) {
		struct operation *operation = operation_new(request, handle);

		inject_when_revealed(request->fs, handle->file->node, on_revealed, operation);
	} else if (flush_commits(request, handle)) {
		commit_then(operation_new(request, handle), run_flush);
	} else {
		request_reply_error(request, handle->error);
		handle->error = 0;
	}
}

static void on_server_synced(struct request *request, const struct zk_reply *reply, void *data)
{
	struct operation *operation = data;

	(void)request; /* it is operation->request */
	answer_committed(operation, request_errno(reply));
}

/* ZooKeeper's sync: what is read afterwards is as new as the leader was. */
static void sync_server(struct operation *operation)
{
	struct zk_request request;

	zk_request_sync(&request, bytes_of_text(operation->handle->file->node->path));
	request_submit(operation->request, &request, on_server_synced, operation);
}

static void run_fsync(void *data, int error)
{
	struct operation *operation = data;
	struct file *file = operation->handle->file;
	int sticky = file_take_error(file);

	operation->handle->error = 0;
	if (!error)
		error = sticky;
	if (error || file->unlinked)
		answer_committed(operation, error);
	else
		sync_server(operation);
}

/*
 * A writer's own bytes, and what others have under way already: a commit of what
 * they have half written would show it. Who only reads (sync(1) does) asks for
 * the whole file, whoever writes it.
 */
static void wait_for_file(struct operation *operation)
{
	struct handle *handle = operation->handle;
	struct file *file = handle->file;
	struct join *join;

	if (!handle->writable) {
		file_settle_of(file, 0, run_fsync, operation);
		return;
	}
	join = join_begin(run_fsync, operation);
	if (file->committing && file->committing != handle) {
		join_wait(join);
		handle_await(file->committing, join_done, join);
	}
	join_wait(join);
	handle_commit(handle, join_done, join);
	join_end(join);
}

void file_fsync(struct request *request, struct fuse_file_info *fi)
{
	struct handle *handle = handle_of(fi);

	if (handle->lost)
		request_reply_error(request, EIO);
	else
		wait_for_file(operation_new(request, handle));
}

void file_release(struct request *request, struct fuse_file_info *fi)
{
	/* Nobody hears the answer, so nobody waits for it. */
	request_reply_error(request, 0);
	handle_release(handle_of(fi));
}

/* ---- sizes and ranges ---- */

static void run_lseek(struct operation *operation, int error)
{
	off_t size = (off_t)content_size(&operation->handle->content);
	off_t offset = (off_t)operation->offset;

	/* A value is one piece of data, and the hole is behind it. */
	if (!error && offset >= size)
		error = ENXIO;
	if (error)
		request_reply_error(operation->request, error);
	else
		request_reply_offset(operation->request, operation->attr ? size : offset);
	operation_free(operation);
}

void file_lseek(struct request *request, struct fuse_file_info *fi, off_t offset, int whence)
{
	struct operation *operation;

	if (whence != SEEK_DATA && whence != SEEK_HOLE) {
		request_reply_error(request, EINVAL);
		return;
	}
	if (offset < 0) {
		request_reply_error(request, ENXIO);
		return;
	}
	operation = operation_new(request, handle_of(fi));
	operation->run = run_lseek;
	operation->offset = (size_t)offset;
	operation->attr = whence == SEEK_HOLE;
	if (!operation->handle->content.base && wants_newest(operation->handle, 0))
		take_newest(operation);
	else
		run_lseek(operation, 0);
}

static void resize_now(struct operation *operation, int error);

/* Takes the operation: size is the new size, or what it has to reach (offset 1: fallocate). */
static void resize(struct operation *operation)
{
	struct handle *handle = operation->handle;
	struct content *content = &handle->content;
	int error = check_writable(handle, 0);

	if (!error)
		error = operation->attr ? -content_truncate(content, operation->size)
					: -content_extend(content, operation->size);
	if (error == EAGAIN) {
		commit_then(operation, resize_now);
		return;
	}
	touch(handle);
	operation->size = 0; /* it is not what the answer says */
	if (!error && content->synchronous)
		commit_then(operation, answer_committed);
	else
		answer_committed(operation, error);
}

static void resize_now(struct operation *operation, int error)
{
	if (error)
		answer_committed(operation, error);
	else
		resize(operation);
}

void file_fallocate(struct request *request, struct fuse_file_info *fi, int mode, off_t offset,
		    off_t size)
{
	struct operation *operation;

	if (mode != 0) {
		request_reply_error(request, EOPNOTSUPP);
		return;
	}
	operation = operation_new(request, handle_of(fi));
	operation->size = (size_t)offset + (size_t)size;
	resize(operation);
}

/* ---- truncate by path: a handle of its own, committed at once ---- */

static void on_truncated(struct operation *operation, int error)
{
	handle_release(operation->handle);
	answer_committed(operation, error);
}

struct truncation {
	struct request *request; /* held */
	struct node *node;       /* held */
	size_t size;
};

static void on_settled(void *data, int error)
{
	struct truncation truncation = *(struct truncation *)data;
	struct request *request = truncation.request;
	struct node *node = truncation.node;
	struct fs *fs = request->fs;
	struct operation *operation;
	struct handle *handle;

	free(data);
	if (!error && !node->attached)
		error = ESTALE;
	if (error) {
		request_reply_error(request, error);
	} else {
		handle = handle_new(file_of(fs, node), O_WRONLY, 0);
		operation = operation_new(request, handle);
		operation->attr = true;
		error = -content_truncate(&handle->content, truncation.size);
		handle_changed(handle);
		if (error)
			on_truncated(operation, error);
		else
			commit_then(operation, on_truncated);
	}
	node_drop(fs, node);
	request_drop(request);
}

void file_truncate(struct request *request, struct node *node, struct fuse_file_info *fi,
		   off_t size)
{
	struct operation *operation;
	struct truncation *truncation;

	if (request->fs->options->read_only) {
		request_reply_error(request, EROFS);
		return;
	}
	if (fi) {
		operation = operation_new(request, handle_of(fi));
		operation->attr = true;
		operation->size = (size_t)size;
		resize(operation);
		return;
	}
	truncation = mem_alloc(sizeof(*truncation));
	*truncation = (struct truncation){.request = request, .node = node, .size = (size_t)size};
	request_hold(request);
	node_hold(node);
	file_settle(request->fs, node, on_settled, truncation);
}

/* ---- copy_file_range ---- */

struct copying {
	struct handle *out; /* held */
	size_t out_offset;
};

static void run_copy(struct operation *operation, int error)
{
	struct copying *copying = operation->data;
	struct handle *out = copying->out;
	size_t out_offset = copying->out_offset;
	struct buf scratch;
	struct bytes bytes;
	struct operation *writing;

	if (error) {
		request_reply_error(operation->request, error);
	} else {
		buf_init(&scratch, operation->size);
		bytes = content_read(&operation->handle->content, operation->offset,
				     operation->size, &scratch);
		writing = operation_new(operation->request, out);
		writing->offset = out_offset;
		writing->size = bytes_size(bytes);
		writing->data = mem_dup(bytes.data, bytes_size(bytes));
		buf_release(&scratch);
		if (writing->size > 0) {
			write_now(writing);
		} else {
			request_reply_write(writing->request, 0);
			operation_free(writing);
		}
	}
	operation_free(operation);
	handle_drop(out);
}

void file_copy_range(struct request *request, struct fuse_file_info *in, off_t in_offset,
		     struct fuse_file_info *out, off_t out_offset, size_t size)
{
	struct handle *handle = handle_of(in);
	struct operation *operation;
	struct copying *copying;
	size_t available;

	if (handle->lost) {
		request_reply_error(request, EIO);
		return;
	}
	operation = operation_new(request, handle);
	copying = mem_alloc(sizeof(*copying));
	*copying = (struct copying){.out = handle_of(out), .out_offset = (size_t)out_offset};
	handle_hold(copying->out);
	operation->run = run_copy;
	operation->offset = (size_t)in_offset;
	/* Callers ask for far more than there is: what is copied fits in a value. */
	available = request->fs->options->jute_maxbuffer;
	operation->size = size < available ? size : available;
	operation->data = copying;
	if (wants_newest(handle, (size_t)in_offset))
		take_newest(operation);
	else
		run_copy(operation, 0);
}

/* ---- a granted lock ---- */

struct refreshing {
	struct handle *handle; /* held */
	file_then_fn then;
	void *data;
};

static void on_refreshed(void *data, int32_t code, int error, struct znode *znode)
{
	struct refreshing refreshing = *(struct refreshing *)data;
	struct content *content = &refreshing.handle->content;

	free(data);
	if (code == ZK_OK && can_refresh(refreshing.handle) && content_is_clean(content))
		content_take(content, znode->value);
	refreshing.then(refreshing.data, error);
	handle_drop(refreshing.handle);
}

void file_refresh(struct fs *fs, struct fuse_file_info *fi, file_then_fn then, void *data)
{
	struct handle *handle = handle_of(fi);
	struct refreshing *refreshing;

	if (!can_refresh(handle) || !content_is_clean(&handle->content)) {
		then(data, 0);
		return;
	}
	refreshing = mem_alloc(sizeof(*refreshing));
	*refreshing = (struct refreshing){.handle = handle, .then = then, .data = data};
	handle_hold(handle);
	znode_get(fs, bytes_of_text(handle->file->node->path), ZNODE_STAT | ZNODE_DATA,
		  on_refreshed, refreshing);
}
