#include "fs/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fs/access.h"
#include "fs/commit.h"
#include "fs/inval.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"

/* ---- all files of the mount ---- */

/* Commit what has been idle long enough, and what is to be tried again. */
static void on_idle(uv_timer_t *timer)
{
	struct files *files = timer->data;
	msec_t now_ms = loop_now_ms(files->fs->loop);
	struct heap_entry *first;

	while ((first = heap_first(&files->idle)) && first->key <= now_ms) {
		struct handle *handle = list_item(first, struct handle, idle);

		heap_remove(&files->idle, first);
		if (handle->retry) {
			handle->retry = false;
			handle_commit_retry(handle);
		} else {
			handle_commit(handle, NULL, NULL);
		}
	}
	if (first)
		/* Fails for a closing timer alone. */
		(void)uv_timer_start(timer, on_idle, (uint64_t)(first->key - now_ms), 0);
}

struct files *files_new(struct fs *fs)
{
	struct files *files = mem_zalloc(sizeof(*files));

	files->fs = fs;
	list_init(&files->all);
	list_init(&files->failed);
	heap_init(&files->idle);
	map_init(&files->access);
	buf_init(&files->acl_memory, ZK_JUTE_MAXBUFFER_DEFAULT);
	/* The options were checked when they were read. */
	ASSERT(zk_acls_parse(fs->options->acl, &files->acl_memory, &files->acls) == 0);
	(void)uv_timer_init(&fs->loop->uv, &files->timer); /* never fails */
	files->timer.data = files;
	return files;
}

static void on_timer_closed(uv_handle_t *timer)
{
	free(timer->data);
}

static void handle_free(struct handle *handle);
static void file_free(struct file *file);

void files_free(struct files *files)
{
	if (!files)
		return;
	for (struct list *at; (at = list_first(&files->all));) {
		struct file *file = list_item(at, struct file, link);

		for (struct list *link; (link = list_first(&file->handles));)
			handle_free(list_item(link, struct handle, link));
		file_free(file);
	}
	heap_release(&files->idle);
	access_release(&files->access);
	buf_release(&files->acl_memory);
	files->fs->files = NULL;
	uv_close((uv_handle_t *)&files->timer, on_timer_closed);
}

static void idle_at(struct handle *handle, msec_t when_ms)
{
	struct files *files = handle->file->fs->files;
	msec_t now_ms = loop_now_ms(files->fs->loop);

	heap_update(&files->idle, &handle->idle, when_ms);
	if (heap_first(&files->idle) == &handle->idle)
		(void)uv_timer_start(&files->timer, on_idle, (uint64_t)(when_ms - now_ms), 0);
}

void handle_retry_later(struct handle *handle)
{
	handle->retry = true;
	idle_at(handle, loop_now_ms(handle->file->fs->loop) + FILE_RETRY_MS);
}

/* ---- a file ---- */

struct file *file_of(struct fs *fs, struct node *node)
{
	struct file *file = node->file;

	if (file)
		return file;
	file = mem_zalloc(sizeof(*file));
	file->fs = fs;
	file->node = node;
	list_init(&file->failed_link);
	list_init(&file->handles);
	list_init(&file->queue);
	list_init(&file->unborn_link);
	list_append(&fs->files->all, &file->link);
	node_hold(node);
	node->file = file;
	return file;
}

static void leave_dir(struct file *file)
{
	list_remove(&file->unborn_link);
	free(file->shown);
	file->shown = NULL;
	node_drop(file->fs, file->dir);
	file->dir = NULL;
	file->unborn = false;
}

static void unlist_failed(struct file *file)
{
	if (!list_is_linked(&file->failed_link))
		return;
	list_remove(&file->failed_link);
	file->fs->files->failed_count--;
}

static void file_free(struct file *file)
{
	ASSERT(list_is_empty(&file->handles));
	if (file->unborn)
		leave_dir(file);
	unlist_failed(file);
	list_remove(&file->link);
	file->node->file = NULL;
	node_drop(file->fs, file->node);
	free(file);
}

/* It stays for its error alone. */
static void keep_failed(struct file *file)
{
	struct files *files = file->fs->files;

	if (list_is_linked(&file->failed_link))
		return;
	list_append(&files->failed, &file->failed_link);
	if (++files->failed_count > FILES_FAILED_MAX)
		file_free(list_item(list_first(&files->failed), struct file, failed_link));
}

static void free_unneeded(struct file *file)
{
	if (file->use_count > 0 || !list_is_empty(&file->handles))
		return;
	ASSERT(!file->unborn && !file->committing);
	if (file->error && file->node->attached)
		keep_failed(file);
	else
		file_free(file);
}

void file_hold(struct file *file)
{
	file->use_count++;
	unlist_failed(file);
}

void file_drop(struct file *file)
{
	ASSERT(file->use_count > 0);
	file->use_count--;
	free_unneeded(file);
}

void file_set_error(struct file *file, int error)
{
	file->error = error;
}

int file_take_error(struct file *file)
{
	int error = file->error;

	file->error = 0;
	return error;
}

size_t file_size_max(const struct fs *fs, const char *path)
{
	/* create2: header, path, data, ACL, flags. setData takes less. */
	size_t overhead =
		8 + (4 + strlen(path)) + 4 + (4 + bytes_size(fs->files->acls.encoded)) + 4;

	return fs->options->jute_maxbuffer > overhead ? fs->options->jute_maxbuffer - overhead : 0;
}

/* ---- unborn files ---- */

bool file_is_unborn(const struct node *node)
{
	return node->file && node->file->unborn;
}

static struct node *unborn_at(const struct node *dir, const struct list *link)
{
	return link == &dir->unborn ? NULL : list_item(link, struct file, unborn_link)->node;
}

struct node *file_unborn_first(const struct node *dir)
{
	return unborn_at(dir, dir->unborn.next);
}

struct node *file_unborn_next(const struct node *dir, const struct node *node)
{
	return unborn_at(dir, node->file->unborn_link.next);
}

void file_born(struct file *file, zxid_t czxid)
{
	ASSERT(file->unborn);
	file->node->czxid = czxid;
	/* Its times and counts have changed only now. */
	inval_inode(file->fs, file->dir->nodeid);
	leave_dir(file);
}

void file_stillborn(struct file *file)
{
	ASSERT(file->unborn);
	file->gone = true;
	inval_entry(file->fs, file->dir->nodeid, file->shown);
	leave_dir(file);
	node_detach(file->fs, file->node);
}

/* ---- a handle ---- */

struct handle *handle_new(struct file *file, int open_flags, pid_t opener)
{
	struct handle *handle = mem_zalloc(sizeof(*handle));

	if (file->fs->options->sync)
		open_flags |= O_SYNC;
	unlist_failed(file);
	handle->file = file;
	handle->opener = opener;
	handle->writable = (open_flags & O_ACCMODE) != O_RDONLY;
	content_init(&handle->content, open_flags,
		     handle->writable ? file_size_max(file->fs, file->node->path) : 0);
	heap_entry_init(&handle->idle);
	list_init(&handle->queued);
	list_init(&handle->waiting);
	list_init(&handle->waiting_next);
	buf_init(&handle->sent, SIZE_MAX);
	list_prepend(&file->handles, &handle->link);
	return handle;
}

struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

static void handle_free(struct handle *handle)
{
	struct file *file = handle->file;
	struct files *files = file->fs->files;

	if (file->committing == handle)
		file->committing = NULL; /* at the end of the mount alone */
	heap_remove(&files->idle, &handle->idle);
	files->dirty_size -= handle->accounted;
	list_remove(&handle->queued);
	list_remove(&handle->link);
	content_release(&handle->content);
	buf_release(&handle->sent);
	free(handle->sent_path);
	free(handle);
}

bool handle_is_uncommitted(const struct handle *handle)
{
	/* An unborn file has the handle that made it alone, be it to read: open(2) allows that. */
	return handle->file->unborn || !content_is_clean(&handle->content);
}

static void free_unneeded_handle(struct handle *handle)
{
	struct file *file = handle->file;

	if (!handle->released || handle->use_count > 0 || handle_is_committing(handle) ||
	    handle_is_uncommitted(handle))
		return;
	handle_free(handle);
	free_unneeded(file);
}

void handle_hold(struct handle *handle)
{
	handle->use_count++;
}

void handle_drop(struct handle *handle)
{
	ASSERT(handle->use_count > 0);
	handle->use_count--;
	free_unneeded_handle(handle);
}

static void update_idle(struct handle *handle)
{
	struct fs *fs = handle->file->fs;
	msec_t idle_ms = fs->options->commit_ms;

	if (handle->content.append && (idle_ms == 0 || idle_ms > FILE_APPEND_IDLE_MS))
		idle_ms = FILE_APPEND_IDLE_MS;
	if (handle->retry)
		return;
	if (handle->content.written && idle_ms > 0)
		idle_at(handle, loop_now_ms(fs->loop) + idle_ms);
	else
		heap_remove(&fs->files->idle, &handle->idle);
}

void handle_changed(struct handle *handle)
{
	struct file *file = handle->file;
	size_t memory = content_memory(&handle->content);

	file->fs->files->dirty_size += memory - handle->accounted;
	handle->accounted = memory;
	update_idle(handle);
}

void handle_release(struct handle *handle)
{
	handle->released = true;
	handle_hold(handle);
	handle_commit(handle, NULL, NULL);
	handle_drop(handle);
}

/* ---- waiting for several things ---- */

struct join {
	unsigned pending;
	int error;
	file_then_fn then;
	void *data;
};

struct join *join_begin(file_then_fn then, void *data)
{
	struct join *join = mem_alloc(sizeof(*join));

	*join = (struct join){.pending = 1, .then = then, .data = data};
	return join;
}

void join_wait(struct join *join)
{
	join->pending++;
}

void join_done(void *data, int error)
{
	struct join *join = data;
	struct join done;

	ASSERT(join->pending > 0);
	if (!join->error)
		join->error = error;
	if (--join->pending > 0)
		return;
	done = *join;
	free(join);
	if (done.then)
		done.then(done.data, done.error);
}

void join_end(struct join *join)
{
	join_done(join, 0);
}

/* ---- settling ---- */

static bool is_meant(const struct handle *handle, pid_t thread)
{
	if (!handle_is_uncommitted(handle) && !handle_is_committing(handle))
		return false;
	return thread == 0 || opener_is_process_of(handle->opener, thread);
}

/* Those that are meant, held; NULL and 0 where there is none. */
static struct handle **collect(struct file *file, pid_t thread, size_t *ret_count)
{
	struct handle **handles = NULL;
	size_t count = 0;

	list_for_each (&file->handles, at) {
		struct handle *handle = list_item(at, struct handle, link);

		if (!is_meant(handle, thread))
			continue;
		handles = mem_realloc(handles, (count + 1) * sizeof(*handles));
		handles[count++] = handle;
		handle_hold(handle);
	}
	*ret_count = count;
	return handles;
}

/* A commit can fail at once, and free its handle: all of them stay until all have begun. */
void file_settle_of(struct file *file, pid_t thread, file_then_fn then, void *data)
{
	size_t count;
	struct handle **handles = collect(file, thread, &count);
	struct join *join;

	if (count == 0) {
		if (then)
			then(data, 0);
		return;
	}
	join = join_begin(then, data);
	for (size_t i = 0; i < count; i++) {
		join_wait(join);
		handle_commit(handles[i], join_done, join);
	}
	for (size_t i = 0; i < count; i++)
		handle_drop(handles[i]);
	free(handles);
	join_end(join);
}

void file_settle(struct fs *fs, struct node *node, file_then_fn then, void *data)
{
	(void)fs;
	if (node->file)
		file_settle_of(node->file, 0, then, data);
	else
		then(data, 0);
}

void file_settle_dir(struct fs *fs, struct node *dir, file_then_fn then, void *data)
{
	struct join *join = join_begin(then, data);

	list_for_each_safe (&dir->unborn, at) {
		join_wait(join);
		file_settle(fs, list_item(at, struct file, unborn_link)->node, join_done, join);
	}
	join_end(join);
}

/* Held, all of them: an error that is kept may push another file out of the list. */
static struct file **collect_files(struct files *files, size_t *ret_count)
{
	struct file **all = NULL;
	size_t count = 0;

	list_for_each (&files->all, at) {
		all = mem_realloc(all, (count + 1) * sizeof(struct file *));
		all[count++] = list_item(at, struct file, link);
	}
	for (size_t i = 0; i < count; i++)
		file_hold(all[i]);
	*ret_count = count;
	return all;
}

void file_commit_all(struct fs *fs, file_then_fn then, void *data)
{
	struct join *join = join_begin(then, data);
	size_t count;
	struct file **all = collect_files(fs->files, &count);

	for (size_t i = 0; i < count; i++) {
		join_wait(join);
		file_settle_of(all[i], 0, join_done, join);
	}
	for (size_t i = 0; i < count; i++)
		file_drop(all[i]);
	free(all);
	join_end(join);
}

/* ---- what the namespace and the session tell ---- */

bool file_uncommitted_size(const struct node *node, uint64_t *ret_size)
{
	if (!node->file)
		return false;
	list_for_each (&node->file->handles, at) {
		struct handle *handle = list_item(at, struct handle, link);

		if (!handle_is_uncommitted(handle))
			continue;
		*ret_size = content_size(&handle->content);
		return true;
	}
	return false;
}

void file_unlinked(struct fs *fs, struct node *node)
{
	struct file *file = node->file;

	(void)fs;
	if (!file)
		return;
	file_hold(file);
	file->unlinked = true;
	file->error = 0;
	/* While its birth is under way, its outcome decides. */
	if (file->unborn && !file->committing)
		leave_dir(file);
	/* These discard. */
	file_settle_of(file, 0, NULL, NULL);
	file_drop(file);
}

/* Frees nothing: the caller goes on with a node that the file may be the last to hold. */
void file_gone(struct fs *fs, struct node *node)
{
	(void)fs;
	if (node->file && !node->file->unborn)
		node->file->gone = true;
}

void file_session_lost(struct fs *fs)
{
	list_for_each (&fs->files->all, at) {
		struct file *file = list_item(at, struct file, link);

		list_for_each (&file->handles, link)
			list_item(link, struct handle, link)->lost = true;
	}
	/* What is uncommitted fails now, and its file remembers it. */
	file_commit_all(fs, NULL, NULL);
}
