#include "fs/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/access.h"
#include "fs/change.h"
#include "src/base/assert.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

struct waiter {
	struct list link;
	file_then_fn then;
	void *data;
};

static void start_next(struct file *file);
static void time_out_queue(struct file *file);
static void proceed(struct handle *handle);

/* ---- who waits ---- */

static void add_waiter(struct list *list, file_then_fn then, void *data)
{
	struct waiter *waiter = mem_alloc(sizeof(*waiter));

	*waiter = (struct waiter){.then = then, .data = data};
	list_append(list, &waiter->link);
}

static void wake(struct list *list, int error)
{
	for (struct list *at; (at = list_first(list));) {
		struct waiter waiter = *list_item(at, struct waiter, link);

		list_remove(at);
		free(list_item(at, struct waiter, link));
		if (waiter.then)
			waiter.then(waiter.data, error);
	}
}

bool handle_is_committing(const struct handle *handle)
{
	return list_is_linked(&handle->queued) || handle->file->committing == handle;
}

static void enqueue(struct handle *handle)
{
	struct file *file = handle->file;

	ASSERT(!handle_is_committing(handle));
	list_append(&file->queue, &handle->queued);
	if (file->committing && file->committing->late)
		time_out_queue(file);
	else
		start_next(file);
}

void handle_commit(struct handle *handle, file_then_fn then, void *data)
{
	bool frozen = handle->file->committing == handle;

	if (frozen && handle->late) {
		if (then)
			then(data, ETIMEDOUT);
		return;
	}
	if (!handle_is_uncommitted(handle) && !handle_is_committing(handle)) {
		if (then)
			then(data, 0);
		return;
	}
	if (frozen && !draft_is_empty(&handle->content.draft)) {
		add_waiter(&handle->waiting_next, then, data);
		return;
	}
	add_waiter(&handle->waiting, then, data);
	if (!handle_is_committing(handle))
		enqueue(handle);
}

void handle_await(struct handle *handle, file_then_fn then, void *data)
{
	if (handle->file->committing != handle)
		then(data, 0);
	else if (handle->late)
		then(data, ETIMEDOUT);
	else
		add_waiter(&handle->waiting, then, data);
}

/* ---- how it ends ---- */

/* The content has been told; the next commit may begin, and those who wait hear of this one. */
static void finish(struct handle *handle, int error)
{
	struct file *file = handle->file;
	struct list done;

	ASSERT(file->committing == handle && !handle->sent_path);
	list_init(&done);
	list_splice(&done, &handle->waiting);
	if (error)
		list_splice(&done, &handle->waiting_next);
	buf_release(&handle->sent);
	handle->late = false;
	file->committing = NULL;
	file_hold(file);
	handle_hold(handle);
	handle_changed(handle);
	if (!list_is_empty(&handle->waiting_next)) {
		list_splice(&handle->waiting, &handle->waiting_next);
		list_append(&file->queue, &handle->queued);
	}
	start_next(file);
	wake(&done, error);
	handle_drop(handle);
	file_drop(file);
}

static void succeed(struct handle *handle, struct value *committed)
{
	content_commit_done(&handle->content, committed);
	finish(handle, 0);
}

/* All that is uncommitted of it goes. What is left to say of an unlinked file is nothing. */
static int lose(struct handle *handle, int error)
{
	struct file *file = handle->file;

	if (file->unborn)
		file_stillborn(file);
	if (file->unlinked) {
		content_discard(&handle->content);
		return 0;
	}
	log_warn("file", "%s: what was written to it is lost: %s", file->node->path,
		 strerror(error));
	content_commit_failed(&handle->content, error);
	file_set_error(file, error);
	handle->error = error;
	return error;
}

static void fail(struct handle *handle, int error)
{
	finish(handle, lose(handle, error));
}

/*
 * The commit under way is late: no server has been found for the timeout. What
 * was not sent is dropped; what was, stays under way.
 */
static void time_out_queue(struct file *file)
{
	file_hold(file);
	for (struct list *at; file->committing && (at = list_first(&file->queue));) {
		struct handle *handle = list_item(at, struct handle, queued);

		list_remove(at);
		handle_hold(handle);
		wake(&handle->waiting, lose(handle, ETIMEDOUT));
		handle_drop(handle);
	}
	file_drop(file);
}

/* ---- sending ---- */

static void on_reply(const struct zk_reply *reply, void *data);

static enum zk_event_type own_change(const struct handle *handle)
{
	return handle->sent_create ? ZK_EVENT_NODE_CREATED : ZK_EVENT_NODE_DATA_CHANGED;
}

static void submit(struct handle *handle, struct zk_request *request)
{
	struct file *file = handle->file;
	struct fs *fs = file->fs;
	uint64_t id;
	int error;

	/* Of another session it would be another client's write: handles end with theirs. */
	request->session_bound = true;
	handle->sent_path = mem_strdup(file->node->path);
	change_own_begin(fs, own_change(handle), bytes_of_text(handle->sent_path));
	error = client_submit(fs->client, request, on_reply, handle, &id);
	if (!error)
		return;
	change_own_end(fs, own_change(handle), bytes_of_text(handle->sent_path), false);
	free(handle->sent_path);
	handle->sent_path = NULL;
	if (error == -EAGAIN)
		handle_retry_later(handle);
	else
		fail(handle, error == -ESHUTDOWN ? EIO : -error);
}

static void send_create(struct handle *handle)
{
	struct file *file = handle->file;
	struct zk_request request;
	int error = content_commit_value(&handle->content, NULL, &handle->sent);

	if (error) {
		fail(handle, -error);
		return;
	}
	zk_request_create(&request, bytes_of_text(file->node->path), buf_bytes(&handle->sent),
			  &file->fs->files->acls, file->create_flags, 0);
	if (request.intent == ZK_INTENT_CREATE_EXCLUSIVE)
		request.intent = handle->content.rule == COMMIT_WHOLE ? ZK_INTENT_CREATE_TRUNCATE
								      : ZK_INTENT_CREATE;
	handle->sent_create = true;
	submit(handle, &request);
}

static void send_set(struct handle *handle, const struct value *newest, int32_t version)
{
	struct zk_request request;
	int error = content_commit_value(&handle->content, newest, &handle->sent);

	if (error) {
		fail(handle, -error);
		return;
	}
	zk_request_set_data(&request, bytes_of_text(handle->file->node->path),
			    buf_bytes(&handle->sent), version);
	if (handle->content.rule == COMMIT_APPEND)
		request.intent = ZK_INTENT_APPEND;
	handle->sent_create = false;
	handle->sent_version = version;
	submit(handle, &request);
}

/* ---- what it is laid over ---- */

static bool same_bytes(const struct value *a, const struct value *b)
{
	return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* Was the file renamed after the base was read? Then its znode and version are others'. */
static bool base_has_moved(const struct handle *handle)
{
	const struct value *base = handle->content.base;
	const struct node *node = handle->file->node;

	return node->czxid != 0 && base->czxid != node->czxid;
}

static void lay_over(struct handle *handle, const struct value *newest)
{
	switch (handle->content.rule) {
	case COMMIT_WHOLE:
		send_set(handle, NULL, -1);
		return;
	case COMMIT_COMPARE:
		/* It was renamed: the same bytes are what was read. */
		if (same_bytes(newest, handle->content.base))
			send_set(handle, NULL, newest->version);
		else
			fail(handle, ESTALE);
		return;
	case COMMIT_OVER:
	case COMMIT_APPEND:
		send_set(handle, newest, newest->version);
		return;
	}
}

static void on_newest(void *data, int32_t code, int error, struct znode *znode)
{
	struct handle *handle = data;
	struct file *file = handle->file;
	struct node *node = file->node;
	bool moved = strcmp(handle->sent_path, node->path) != 0;

	free(handle->sent_path);
	handle->sent_path = NULL;
	if (file->unlinked || file->gone || handle->lost || moved) {
		proceed(handle);
	} else if (code == ZK_NONODE && file->unborn && node->kind == NODE_FILE) {
		send_create(handle); /* there for a moment only */
	} else if (code == ZK_NONODE) {
		file->gone = true;
		fail(handle, ESTALE);
	} else if (code != ZK_OK) {
		fail(handle, error);
	} else if (file->unborn && node->kind == NODE_FILE && znode_is_shown_as_dir(znode)) {
		fail(handle, EISDIR);
	} else if (!file->unborn && node->czxid && znode->stat.czxid != node->czxid) {
		file->gone = true;
		fail(handle, ESTALE);
	} else {
		if (file->unborn)
			file_born(file, znode->stat.czxid);
		lay_over(handle, znode->value);
	}
}

static void get_newest(struct handle *handle)
{
	struct file *file = handle->file;
	/* Whether what came into being meanwhile is a file, its children tell. */
	bool may_be_dir = file->unborn && file->node->kind == NODE_FILE;
	unsigned want = ZNODE_STAT | ZNODE_DATA | (may_be_dir ? ZNODE_CHILDREN : 0u);

	handle->sent_path = mem_strdup(file->node->path);
	znode_get(file->fs, bytes_of_text(file->node->path), want, on_newest, handle);
}

/* What is frozen goes out, as the file is now. */
static void proceed(struct handle *handle)
{
	struct file *file = handle->file;

	if (file->unlinked || handle->lost)
		fail(handle, EIO);
	else if (file->gone)
		fail(handle, ESTALE);
	else if (file->unborn && file->node->kind == NODE_FILE)
		send_create(handle);
	else if (file->unborn)
		get_newest(handle); /* D/.data: D may have got data meanwhile */
	else if (handle->content.rule == COMMIT_WHOLE)
		send_set(handle, NULL, -1);
	else if (handle->content.rule == COMMIT_COMPARE && !base_has_moved(handle))
		send_set(handle, NULL, handle->content.base->version);
	else
		get_newest(handle);
}

static void start_next(struct file *file)
{
	struct list *first = list_first(&file->queue);
	struct handle *handle;

	if (file->committing || !first)
		return;
	handle = list_item(first, struct handle, queued);
	list_remove(&handle->queued);
	file->committing = handle;
	if (!handle_is_uncommitted(handle)) {
		finish(handle, 0); /* born by another commit meanwhile */
		return;
	}
	content_commit_begin(&handle->content);
	handle_changed(handle);
	proceed(handle);
}

void handle_commit_retry(struct handle *handle)
{
	ASSERT(handle->file->committing == handle && !handle->sent_path);
	proceed(handle);
}

/* ---- outcomes ---- */

/* Its Stat, if what the server has now is what we sent. */
static bool stat_of_reply(const struct handle *handle, const struct zk_reply *reply,
			  struct zk_stat *ret_stat)
{
	struct jute_reader body = reply->body;
	struct zk_create2_response created;

	if (reply->outcome == ZK_OUTCOME_RESOLVED) {
		/* An append may be resolved by a newer value that begins with ours. */
		int32_t version = handle->sent_create ? 0 : handle->sent_version + 1;

		if (!reply->has_stat || reply->stat.version != version)
			return false;
		*ret_stat = reply->stat;
		return true;
	}
	if (!handle->sent_create) {
		zk_stat_read(&body, ret_stat);
		return !body.error;
	}
	zk_create2_response_read(&body, &created);
	if (!body.error)
		*ret_stat = created.stat;
	return !body.error;
}

/* It was unlinked while its birth was under way. */
static void delete_again(struct fs *fs, const char *path)
{
	struct zk_request request;
	uint64_t id;

	zk_request_delete(&request, bytes_of_text(path), 0);
	request.session_bound = true;
	znode_deleted(fs, bytes_of_text(path));
	/* Whoever else deletes it: it is gone. */
	if (client_submit(fs->client, &request, NULL, NULL, &id) != 0)
		log_warn("file", "%s: it was unlinked while it was being created, and stays", path);
}

static void take_success(struct handle *handle, const struct zk_reply *reply, const char *path)
{
	struct file *file = handle->file;
	struct fs *fs = file->fs;
	struct bytes path_bytes = bytes_of_text(path);
	struct value *value = NULL;
	struct zk_stat stat;

	if (stat_of_reply(handle, reply, &stat)) {
		value = value_new(buf_bytes(&handle->sent), &stat);
		if (handle->sent_create)
			znode_created(fs, path_bytes, buf_bytes(&handle->sent), &stat);
		else
			znode_set(fs, path_bytes, value, &stat);
	} else {
		znode_forget(fs, path_bytes, ZNODE_STAT | ZNODE_DATA);
	}
	if (handle->sent_create) {
		access_learn_created(fs, path_bytes);
		access_learn(fs, zk_path_parent(path_bytes), ZK_PERM_CREATE);
	} else {
		access_learn(fs, path_bytes, ZK_PERM_WRITE);
	}
	change_own_end(fs, own_change(handle), path_bytes, true);
	if (file->unborn)
		file_born(file, value ? value->czxid : reply->zxid);
	if (file->unlinked && handle->sent_create)
		delete_again(fs, path);
	succeed(handle, value);
	value_drop(value);
}

static int outcome_errno(const struct handle *handle, const struct zk_reply *reply)
{
	if (reply->outcome == ZK_OUTCOME_UNKNOWN)
		log_error("file", "%s: the connection was lost; outcome unknown",
			  handle->file->node->path);
	/* For a handle, a file that isn't there is one that is there no more. */
	if (reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_NONODE &&
	    !handle->sent_create)
		return ESTALE;
	return request_errno(reply);
}

static void take_failure(struct handle *handle, const struct zk_reply *reply, const char *path)
{
	struct file *file = handle->file;
	struct fs *fs = file->fs;
	int32_t code = reply->outcome == ZK_OUTCOME_REPLIED ? reply->code : ZK_OK;
	bool moved = strcmp(path, file->node->path) != 0;

	znode_forget(fs, bytes_of_text(path), ZNODE_STAT | ZNODE_DATA);
	change_own_end(fs, own_change(handle), bytes_of_text(path), false);
	if (code == ZK_NONODE && moved) {
		proceed(handle); /* a rename was faster */
	} else if (code == ZK_NODEEXISTS && handle->sent_create) {
		get_newest(handle);
	} else if (code == ZK_BADVERSION &&
		   (handle->content.rule == COMMIT_OVER || handle->content.rule == COMMIT_APPEND)) {
		get_newest(handle); /* somebody was faster: on top of theirs, then */
	} else {
		if (code == ZK_NONODE && !handle->sent_create)
			file->gone = true;
		fail(handle, outcome_errno(handle, reply));
	}
}

/* The waits end, the commit doesn't. */
static void take_late(struct handle *handle)
{
	handle_hold(handle);
	handle->late = true;
	wake(&handle->waiting, ETIMEDOUT);
	wake(&handle->waiting_next, ETIMEDOUT);
	time_out_queue(handle->file);
	handle_drop(handle);
}

static void on_reply(const struct zk_reply *reply, void *data)
{
	struct handle *handle = data;
	char *path = handle->sent_path;

	if (reply->outcome == ZK_OUTCOME_LATE) {
		take_late(handle);
		return;
	}
	handle->sent_path = NULL;
	if (reply->outcome == ZK_OUTCOME_RESOLVED ||
	    (reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_OK))
		take_success(handle, reply, path);
	else
		take_failure(handle, reply, path);
	free(path);
}
