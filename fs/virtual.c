#include "fs/virtual.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fs/change.h"
#include "fs/inject.h"
#include "fs/srvr.h"
#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/zk/code.h"

enum { LINE_SIZE_MAX = 4096, STATUS_SIZE_MAX = 64 << 10 };

/* An open file: for status its text, once printed; for events what has not been read of it. */
struct handle {
	struct list link; /* in virtual->handles */
	struct fs *fs;
	bool is_stream;
	struct buf text;
	uint64_t lost_count; /* lines that found no room */
	struct list waiting; /* reads that wait for a line, or for the mode */
	struct fuse_pollhandle *poll;
};

struct waiting_read {
	struct list link;
	struct handle *handle;
	struct request *request;
	size_t size;
	off_t offset; /* status only */
};

struct virtual
{
	struct fs *fs;
	struct list handles;
	struct srvr *srvr;
};

static struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

static void wake_poll(struct handle *handle)
{
	struct fuse_pollhandle *poll = handle->poll;

	handle->poll = NULL;
	if (!poll)
		return;
	/*
	 * The one notification that the loop may send: it wakes those who poll and
	 * takes no lock that a caller of ours could hold. It fails for a file that
	 * nobody has open any more.
	 */
	(void)fuse_lowlevel_notify_poll(poll);
	fuse_pollhandle_destroy(poll);
}

static void handle_free(struct handle *handle)
{
	ASSERT(list_is_empty(&handle->waiting));
	list_remove(&handle->link);
	if (handle->poll)
		fuse_pollhandle_destroy(handle->poll);
	buf_release(&handle->text);
	free(handle);
}

/* ---- reads that wait ---- */

static void waiting_free(struct waiting_read *waiting)
{
	struct request *request = waiting->request;

	list_remove(&waiting->link);
	request->on_withdraw = NULL;
	free(waiting);
	request_drop(request);
}

static void on_withdraw(struct request *request, int error)
{
	waiting_free(request->data);
}

static void await(struct handle *handle, struct request *request, size_t size, off_t offset)
{
	struct waiting_read *waiting = mem_alloc(sizeof(*waiting));

	*waiting = (struct waiting_read){
		.handle = handle, .request = request, .size = size, .offset = offset};
	list_init(&waiting->link);
	list_append(&handle->waiting, &waiting->link);
	request_hold(request);
	request->data = waiting;
	request->on_withdraw = on_withdraw;
}

/* ---- status ---- */

static const char *watch_text(const struct fs *fs)
{
	if (fs->znodes.by_node)
		return "nodes";
	return fs->znodes.watched ? "tree" : "none";
}

static void print_status(const struct fs *fs, struct buf *buf)
{
	const struct zk_client *session = client_session(fs->client);
	const char *off_reason = inject_off_reason(fs);

	buf_printf(buf, "source %s\n", fs->options->source);
	buf_printf(buf, "root %s\n", fs->root_path);
	buf_printf(buf, "session 0x%" PRIx64 "\n", (uint64_t)zk_client_session_id(session));
	buf_printf(buf, "state %s\n", zk_client_state_name(zk_client_state(session)));
	buf_printf(buf, "server %s\n", client_server(fs->client));
	buf_printf(buf, "mode %s\n", srvr_mode(fs->virtual->srvr));
	buf_printf(buf, "timeout_ms %" PRId64 "\n", zk_client_timeout_ms(session));
	buf_printf(buf, "last_heard_ms %" PRId64 "\n",
		   loop_now_ms(fs->loop) - zk_client_last_heard(session));
	buf_printf(buf, "zxid 0x%" PRIx64 "\n", (uint64_t)zk_client_last_zxid(session));
	buf_printf(buf, "pending %zu\n", zk_client_pending(session));
	buf_printf(buf, "watch %s\n", watch_text(fs));
	buf_printf(buf, "inotify %s%s\n", off_reason ? "off: " : "on",
		   off_reason ? off_reason : "");
	buf_printf(buf, "inodes %zu\n", fs->nodes.by_id.count);
	buf_printf(buf, "cached_znodes %zu\n", fs->znodes.by_path.count);
	buf_printf(buf, "cached_bytes %zu\n", fs->znodes.size);
}

static void give_status(const struct handle *handle, struct request *request, size_t size,
			off_t offset)
{
	size_t begin = (size_t)offset < handle->text.size ? (size_t)offset : handle->text.size;
	size_t left = handle->text.size - begin;

	request_reply_data(request, handle->text.data + begin, left < size ? left : size);
}

static void read_status(struct request *request, struct handle *handle, size_t size, off_t offset)
{
	if (handle->text.size == 0 && srvr_is_asking(handle->fs->virtual->srvr)) {
		await(handle, request, size, offset);
		return;
	}
	if (handle->text.size == 0)
		print_status(handle->fs, &handle->text);
	give_status(handle, request, size, offset);
}

static void serve_status(struct handle *handle)
{
	struct list *at = list_first(&handle->waiting);

	if (at && handle->text.size == 0)
		print_status(handle->fs, &handle->text);
	for (; at; at = list_first(&handle->waiting)) {
		struct waiting_read *waiting = list_item(at, struct waiting_read, link);

		give_status(handle, waiting->request, waiting->size, waiting->offset);
		waiting_free(waiting);
	}
}

/* The mode is known, or is not going to be. */
static void on_mode(void *data)
{
	struct virtual *virtual = data;

	list_for_each (&virtual->handles, at) {
		struct handle *handle = list_item(at, struct handle, link);

		if (!handle->is_stream)
			serve_status(handle);
	}
}

void virtual_connected(struct fs *fs)
{
	srvr_ask(fs->virtual->srvr, client_peer_host(fs->client), client_peer_port(fs->client));
}

void virtual_disconnected(struct fs *fs)
{
	srvr_forget(fs->virtual->srvr);
	on_mode(fs->virtual);
}

static void ask_again(struct fs *fs)
{
	struct srvr *srvr = fs->virtual->srvr;

	if (fs->session_live && !srvr_is_asking(srvr) &&
	    srvr_age_ms(srvr) > VIRTUAL_MODE_AGE_MAX_MS)
		virtual_connected(fs);
}

/* ---- events ---- */

static const char *event_name(enum zk_event_type type)
{
	switch (type) {
	case ZK_EVENT_NODE_CREATED:
		return "CREATED";
	case ZK_EVENT_NODE_DELETED:
		return "DELETED";
	case ZK_EVENT_NODE_DATA_CHANGED:
		return "CHANGED";
	case ZK_EVENT_NODE_CHILDREN_CHANGED: /* the child's own event tells more */
	case ZK_EVENT_NONE:
		break;
	}
	return NULL;
}

static void add_lost(struct handle *handle)
{
	if (handle->lost_count == 0)
		return;
	buf_printf(&handle->text, "- LOST %" PRIu64 "\n", handle->lost_count);
	handle->lost_count = 0;
}

static void add_line(struct handle *handle, const char *line, size_t size)
{
	/* The line that tells of a loss needs room, too. */
	if (handle->lost_count > 0 ||
	    handle->text.size + size > VIRTUAL_QUEUE_SIZE_MAX - LINE_SIZE_MAX) {
		handle->lost_count++;
		return;
	}
	buf_append(&handle->text, line, size);
}

static void give(struct handle *handle, struct request *request, size_t size)
{
	size_t given = handle->text.size < size ? handle->text.size : size;

	request_reply_data(request, handle->text.data, given);
	buf_consume(&handle->text, given);
	if (handle->text.size == 0)
		add_lost(handle);
}

static void serve(struct handle *handle)
{
	for (struct list *at; handle->text.size > 0 && (at = list_first(&handle->waiting));) {
		struct waiting_read *waiting = list_item(at, struct waiting_read, link);

		give(handle, waiting->request, waiting->size);
		waiting_free(waiting);
	}
	if (handle->text.size > 0)
		wake_poll(handle);
}

/* Below a chroot, what the mount shows has no chroot in its path. */
static struct bytes path_in_mount(const struct fs *fs, struct bytes path)
{
	size_t root_size = strcmp(fs->root_path, "/") == 0 ? 0 : strlen(fs->root_path);

	if ((size_t)path.size <= root_size)
		return bytes_of_text("/");
	return bytes_of((const char *)path.data + root_size, (size_t)path.size - root_size);
}

static void on_event(void *data, enum zk_event_type type, struct bytes path, zxid_t zxid)
{
	struct virtual *virtual = data;
	const char *name = event_name(type);
	struct bytes shown = path_in_mount(virtual->fs, path);
	struct buf line;

	if (!name || list_is_empty(&virtual->handles))
		return;
	buf_init(&line, VIRTUAL_QUEUE_SIZE_MAX);
	if (zxid > 0)
		buf_printf(&line, "0x%" PRIx64 " %s ", (uint64_t)zxid, name);
	else
		buf_printf(&line, "- %s ", name);
	for (int32_t i = 0; i < shown.size; i++) {
		char byte = ((const char *)shown.data)[i];

		buf_append(&line, byte == '\n' ? "?" : &byte, 1);
	}
	buf_append(&line, "\n", 1);
	list_for_each (&virtual->handles, at) {
		struct handle *handle = list_item(at, struct handle, link);

		if (!handle->is_stream)
			continue;
		add_line(handle, (const char *)line.data, line.size);
		serve(handle);
	}
	buf_release(&line);
}

static void read_events(struct request *request, struct handle *handle,
			const struct fuse_file_info *fi, size_t size)
{
	if (handle->text.size > 0) {
		give(handle, request, size);
		return;
	}
	if (fi->flags & O_NONBLOCK) {
		request_reply_error(request, EAGAIN);
		return;
	}
	await(handle, request, size, 0);
}

/* ---- both ---- */

void virtual_open(struct request *request, struct node *node, struct fuse_file_info *fi)
{
	struct fs *fs = request->fs;
	struct handle *handle;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		request_reply_error(request, EACCES);
		return;
	}
	handle = mem_zalloc(sizeof(*handle));
	handle->fs = fs;
	handle->is_stream = node->kind == NODE_EVENTS;
	list_init(&handle->waiting);
	list_init(&handle->link);
	list_append(&fs->virtual->handles, &handle->link);
	buf_init(&handle->text, handle->is_stream ? VIRTUAL_QUEUE_SIZE_MAX : STATUS_SIZE_MAX);
	if (!handle->is_stream)
		ask_again(fs);

	fi->fh = (uintptr_t)handle;
	fi->direct_io = 1;
	fi->nonseekable = handle->is_stream;
	if (!request_reply_open(request, fi))
		handle_free(handle);
}

void virtual_read(struct request *request, struct node *node, struct fuse_file_info *fi,
		  size_t size, off_t offset)
{
	if (node->kind == NODE_EVENTS)
		read_events(request, handle_of(fi), fi, size);
	else
		read_status(request, handle_of(fi), size, offset);
}

void virtual_release(struct request *request, struct fuse_file_info *fi)
{
	handle_free(handle_of(fi));
	request_reply_error(request, 0);
}

unsigned virtual_poll(struct node *node, struct fuse_file_info *fi, struct fuse_pollhandle *poll)
{
	struct handle *handle = handle_of(fi);

	if (node->kind != NODE_EVENTS || handle->text.size > 0) {
		if (poll)
			fuse_pollhandle_destroy(poll);
		return POLLIN | POLLRDNORM;
	}
	if (poll) {
		if (handle->poll)
			fuse_pollhandle_destroy(handle->poll);
		handle->poll = poll;
	}
	return 0;
}

struct virtual *virtual_new(struct fs *fs)
{
	struct virtual *virtual = mem_zalloc(sizeof(*virtual));

	virtual->fs = fs;
	list_init(&virtual->handles);
	virtual->srvr = srvr_new(fs->loop, on_mode, virtual);
	change_observe(fs, on_event, virtual);
	return virtual;
}

/* What was not released goes with the mount; nobody waits any more (request_fail_all). */
void virtual_free(struct virtual *virtual)
{
	if (!virtual)
		return;
	for (struct list *at; (at = list_first(&virtual->handles));)
		handle_free(list_item(at, struct handle, link));
	srvr_free(virtual->srvr);
	free(virtual);
}
