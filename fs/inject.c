#include "fs/inject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/command.h"
#include "fs/inval.h"
#include "fs/name.h"
#include "fs/overflow.h"
#include "fs/znode.h"
#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/heap.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/io/loop.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

/* A FLUSH that waits until its file is shown where it is. */
struct waiter {
	struct list link;
	struct node *node;
	void (*then)(void *data);
	void *data;
};

struct inject {
	struct fs *fs;
	struct notifier *notifier;
	const char *off_reason;
	struct map queues;
	struct map births;
	struct heap order;
	struct list waiters;
	struct command *current;
	uint64_t sequence;
	size_t count;
	size_t count_max;
	struct overflow *overflow;
	uv_poll_t poll;
	uv_timer_t pass_over;
	bool has_poll;
	bool attached;                   /* the first answer has come, which is ATTACH's */
	void (*on_attached)(void *data); /* NULL once it has run */
	void *on_attached_data;
	unsigned handle_count;
};

/* ---- names ---- */

/* The path of a directory as the notifier names it: shown names, relative to the root. */
static char *shown_path(const struct fs *fs, const struct node *dir)
{
	struct bytes path = bytes_of_text(dir->path);
	size_t root_size = strcmp(fs->root_path, "/") == 0 ? 0 : strlen(fs->root_path);
	const char *at = dir->path + root_size;
	struct buf text;
	char *result;

	ASSERT((size_t)path.size >= root_size);
	buf_init(&text, 4 * (NAME_SIZE_MAX + 1) * 4096UL);
	for (bool first = true; *at; first = false) {
		char shown[NAME_SIZE_MAX + 1];
		size_t size;

		at += *at == '/';
		size = strcspn(at, "/");
		if (size == 0)
			break;
		name_show(bytes_of(at, size), first, shown);
		buf_printf(&text, "%s%s", first ? "" : "/", shown);
		at += size;
	}
	if (dir->kind == NODE_MODE) {
		char mode[64];

		name_mode_format(&dir->mode, mode);
		buf_printf(&text, "%s%s", text.size ? "/" : "", mode);
	}
	result = mem_dup(buf_bytes(&text).data, text.size);
	buf_release(&text);
	return result;
}

static char *shown_name(const struct fs *fs, struct bytes path)
{
	char shown[NAME_SIZE_MAX + 1];

	name_show(zk_path_name(path), bytes_equal_text(zk_path_parent(path), fs->root_path), shown);
	return mem_strdup(shown);
}

/* ---- queues ---- */

static struct queue *queue_get(struct inject *inject, struct node *dir)
{
	struct bytes key = bytes_of(&dir->nodeid, sizeof(dir->nodeid));
	struct map_entry *entry = map_find(&inject->queues, key);
	struct queue *queue;

	if (entry)
		return map_item(entry, struct queue, by_nodeid);
	queue = mem_zalloc(sizeof(*queue));
	queue->dir = dir;
	node_hold(dir);
	list_init(&queue->commands);
	heap_entry_init(&queue->order);
	list_init(&queue->looked_at);
	map_insert(&inject->queues, &queue->by_nodeid, key);
	return queue;
}

static void queue_free(struct inject *inject, struct queue *queue)
{
	heap_remove(&inject->order, &queue->order);
	map_remove(&inject->queues, &queue->by_nodeid);
	node_drop(inject->fs, queue->dir);
	free(queue);
}

/* Put it where its first command belongs; without one it goes. */
static void queue_settle(struct inject *inject, struct queue *queue)
{
	struct list *first = list_first(&queue->commands);

	if (!first)
		queue_free(inject, queue);
	else
		heap_update(&inject->order, &queue->order,
			    (int64_t)list_item(first, struct command, link)->sequence);
}

static void end_birth(struct inject *inject, struct command *command)
{
	if (command->is_birth)
		map_remove(&inject->births, &command->by_path);
	command->is_birth = false;
}

static void command_free(struct inject *inject, struct command *command)
{
	list_remove(&command->link);
	end_birth(inject, command);
	if (command->pair)
		command->pair->pair = NULL;
	if (command->node) {
		if (command->kind == COMMAND_MODIFIED)
			command->node->inject_queue = NULL;
		node_drop(inject->fs, command->node);
	}
	free(command->path);
	free(command->shown);
	free(command);
	inject->count--;
}

/* NULL where nothing is injected. */
static struct command *command_new(struct fs *fs, enum command_kind kind, struct node *dir,
				   struct bytes path, struct node *node)
{
	struct inject *inject = fs->inject;
	struct command *command;

	if (inject->off_reason)
		return NULL;
	command = mem_zalloc(sizeof(*command));
	list_init(&command->link);
	command->kind = kind;
	command->sequence = ++inject->sequence;
	command->path = bytes_dup(path);
	command->node = node;
	if (node)
		node_hold(node);
	command->queue = queue_get(inject, dir);
	inject->count++;
	return command;
}

static void command_queue(struct inject *inject, struct command *command)
{
	list_append(&command->queue->commands, &command->link);
	queue_settle(inject, command->queue);
	inject_pump(inject->fs);
}

/*
 * Is it left out, because there is too much already? Then a comparison tells.
 * By node, events are differences of lists themselves, and bounded by those.
 */
static bool leaves_out(struct inject *inject, struct node *dir)
{
	if (inject->off_reason)
		return true;
	if (inject->fs->znodes.by_node)
		return false;
	if (inject->count >= inject->count_max)
		overflow_begin(inject->overflow, dir);
	return overflow_is_marked(inject->overflow, dir);
}

static void leave_out(struct inject *inject, struct node *dir, struct bytes path, bool is_there)
{
	overflow_left_out(inject->overflow, dir, zk_path_name(path), is_there);
	overflow_pump(inject->overflow);
}

static void queue_created(struct fs *fs, struct node *dir, struct bytes path)
{
	struct command *command = command_new(fs, COMMAND_CREATED, dir, path, NULL);

	if (!command)
		return;
	command->shown = shown_name(fs, path);
	if (!map_find(&fs->inject->births, path)) {
		map_insert(&fs->inject->births, &command->by_path, bytes_of_text(command->path));
		command->is_birth = true;
	}
	command_queue(fs->inject, command);
}

void inject_created(struct fs *fs, struct node *dir, struct bytes path)
{
	if (leaves_out(fs->inject, dir))
		leave_out(fs->inject, dir, path, true);
	else
		queue_created(fs, dir, path);
}

/* What is deleted hasn't been shown yet: it will be, and go. */
static void meet_birth(struct inject *inject, struct command *deleted)
{
	struct map_entry *entry = map_find(&inject->births, bytes_of_text(deleted->path));
	struct command *created;

	if (!entry)
		return;
	created = map_item(entry, struct command, by_path);
	end_birth(inject, created);
	created->pair = deleted;
	deleted->pair = created;
}

static void queue_deleted(struct fs *fs, struct node *dir, struct bytes path, struct node *node,
			  bool was_dir)
{
	struct command *command = command_new(fs, COMMAND_DELETED, dir, path, node);

	if (!command)
		return;
	command->shown = shown_name(fs, path);
	command->is_dir = was_dir;
	meet_birth(fs->inject, command);
	command_queue(fs->inject, command);
}

void inject_deleted(struct fs *fs, struct node *dir, struct bytes path, struct node *node,
		    bool was_dir)
{
	struct overflow *overflow = fs->inject->overflow;
	bool is_left_out = leaves_out(fs->inject, dir);

	if (!is_left_out) {
		queue_deleted(fs, dir, path, node, was_dir);
	} else if (node && !fs->inject->off_reason) {
		/* Who watches the thing itself must hear of it: there are no more than inodes. */
		if (!overflow_knows(overflow, dir, zk_path_name(path)))
			queue_created(fs, dir, path);
		overflow_told(overflow, dir, zk_path_name(path), false);
		queue_deleted(fs, dir, path, node, was_dir);
	} else {
		char *shown = shown_name(fs, path);

		leave_out(fs->inject, dir, path, false);
		inval_entry(fs, dir->nodeid, shown);
		free(shown);
	}
}

void inject_own(struct fs *fs, struct bytes path, bool is_there)
{
	const struct node *dir = NULL;

	if (!bytes_equal_text(path, "/"))
		dir = node_of_path(fs, zk_path_parent(path));
	if (dir)
		overflow_told(fs->inject->overflow, dir, zk_path_name(path), is_there);
}

static bool raise_difference(void *data, struct node *dir, struct bytes path, bool is_there)
{
	struct inject *inject = data;

	if (inject->off_reason)
		return true;
	if (inject->count >= inject->count_max)
		return false;
	if (is_there)
		queue_created(inject->fs, dir, path);
	else
		queue_deleted(inject->fs, dir, path, NULL, false);
	return true;
}

static bool is_drained(void *data, const struct node *dir)
{
	const struct inject *inject = data;

	return inject->count <= inject->count_max / 2 && !inject_is_behind(inject->fs, dir);
}

void inject_modified(struct fs *fs, struct node *node)
{
	struct node *dir;
	struct command *command;

	/* Values of one inode coalesce: the one that waits will show the newest. */
	if (node->inject_queue)
		return;
	dir = node_of_path(fs, node->kind == NODE_DATA ? bytes_of_text(node->path)
						       : zk_path_parent(bytes_of_text(node->path)));
	if (!dir || !node_is_dir(dir))
		return;
	command = command_new(fs, COMMAND_MODIFIED, dir, bytes_of_text(node->path), node);
	if (!command)
		return;
	node->inject_queue = command;
	command->shown = node->kind == NODE_DATA ? mem_strdup(".data")
						 : shown_name(fs, bytes_of_text(node->path));
	command_queue(fs->inject, command);
}

void inject_reveal(struct fs *fs, struct node *mode_dir, const char *shown, struct node *node)
{
	struct command *command =
		command_new(fs, COMMAND_REVEAL, mode_dir, bytes_of_text(node->path), node);

	if (!command)
		return;
	command->shown = mem_strdup(shown);
	/* Somebody's close(2) waits for it: before everything else. */
	command->sequence = 0;
	list_prepend(&command->queue->commands, &command->link);
	queue_settle(fs->inject, command->queue);
	inject_pump(fs);
}

bool inject_is_behind(const struct fs *fs, const struct node *dir)
{
	struct bytes key = bytes_of(&dir->nodeid, sizeof(dir->nodeid));

	return fs->inject && map_find(&fs->inject->queues, key);
}

/* ---- waiting for a file to be shown where it is ---- */

static bool is_being_revealed(const struct inject *inject, const struct node *node)
{
	const struct command *current = inject->current;

	if (current && current->kind == COMMAND_REVEAL && current->node == node)
		return true;
	for (struct map_entry *at = map_first(&inject->queues); at;
	     at = map_next(&inject->queues, at)) {
		struct queue *queue = map_item(at, struct queue, by_nodeid);

		list_for_each (&queue->commands, link) {
			struct command *command = list_item(link, struct command, link);

			if (command->kind != COMMAND_REVEAL)
				break; /* reveals stand in front */
			if (command->node == node)
				return true;
		}
	}
	return false;
}

void inject_when_revealed(struct fs *fs, struct node *node, void (*then)(void *data), void *data)
{
	struct waiter *waiter;

	if (!is_being_revealed(fs->inject, node)) {
		then(data);
		return;
	}
	waiter = mem_zalloc(sizeof(*waiter));
	list_init(&waiter->link);
	waiter->node = node;
	waiter->then = then;
	waiter->data = data;
	list_append(&fs->inject->waiters, &waiter->link);
}

/* node NULL: all of them. */
static void run_waiters(struct inject *inject, const struct node *node)
{
	struct list ready;

	list_init(&ready);
	list_for_each_safe (&inject->waiters, at) {
		struct waiter *waiter = list_item(at, struct waiter, link);

		if (node && waiter->node != node)
			continue;
		list_remove(at);
		list_append(&ready, at);
	}
	while (!list_is_empty(&ready)) {
		struct waiter *waiter = list_item(list_first(&ready), struct waiter, link);

		list_remove(&waiter->link);
		waiter->then(waiter->data);
		free(waiter);
	}
}

/* ---- off ---- */

static void drop_all(struct inject *inject)
{
	struct map_entry *entry;

	while ((entry = map_first(&inject->queues))) {
		struct queue *queue = map_item(entry, struct queue, by_nodeid);

		list_for_each_safe (&queue->commands, at)
			command_free(inject, list_item(at, struct command, link));
		queue_free(inject, queue);
	}
	run_waiters(inject, NULL);
}

static void attach_is_over(struct inject *inject)
{
	void (*then)(void *data) = inject->on_attached;

	inject->on_attached = NULL;
	if (then)
		then(inject->on_attached_data);
}

/* For good. Nobody may wait for it any more. */
static void turn_off(struct inject *inject, const char *reason)
{
	if (inject->off_reason)
		return;
	inject->off_reason = reason;
	if (inject->has_poll)
		uv_poll_stop(&inject->poll);
	if (inject->current) {
		/* It is on no queue's list while it is performed, but its queue may be empty. */
		list_prepend(&inject->current->queue->commands, &inject->current->link);
		inject->current = NULL;
	}
	drop_all(inject);
	if (!inject->fs->closing)
		log_warn("inotify", "changes of others raise no inotify events any more: %s",
			 reason);
	attach_is_over(inject);
}

const char *inject_off_reason(const struct fs *fs)
{
	return fs->inject->off_reason;
}

const struct notifier *inject_notifier(const struct fs *fs)
{
	return fs->inject->notifier;
}

struct command *inject_current(const struct fs *fs)
{
	return fs->inject->current;
}

/* ---- performing ---- */

static void command_done(struct inject *inject, struct command *command)
{
	struct queue *queue = command->queue;
	struct node *revealed = command->kind == COMMAND_REVEAL ? command->node : NULL;

	inject->current = NULL;
	if (revealed)
		run_waiters(inject, revealed);
	command_free(inject, command);
	queue_settle(inject, queue);
	overflow_pump(inject->overflow);
}

static enum notifier_op op_of(const struct command *command)
{
	switch (command->kind) {
	case COMMAND_CREATED:
		return command->is_dir ? NOTIFIER_MKDIR : NOTIFIER_MKNOD;
	case COMMAND_DELETED:
		return command->is_dir ? NOTIFIER_RMDIR : NOTIFIER_UNLINK;
	case COMMAND_MODIFIED:
		return NOTIFIER_MODIFY;
	case COMMAND_REVEAL:
		return NOTIFIER_RENAME;
	}
	ASSERT(!"a kind that is in the list");
	return NOTIFIER_MODIFY;
}

/* Where a file that was created in a mode directory really is; NULL for other commands. */
static struct node *reveal_dir(const struct fs *fs, const struct command *command)
{
	if (command->kind != COMMAND_REVEAL)
		return NULL;
	return node_of_path(fs, zk_path_parent(bytes_of_text(command->path)));
}

static void perform(struct inject *inject, struct command *command)
{
	struct fs *fs = inject->fs;
	struct node *to_dir = reveal_dir(fs, command);
	char *dir = shown_path(fs, command->queue->dir);
	char *to_path = to_dir ? shown_path(fs, to_dir) : NULL;
	char *to_name = to_dir ? shown_name(fs, bytes_of_text(command->path)) : NULL;
	struct notifier_command packet = {
		.op = op_of(command),
		.has_data = command->has_data,
		.dir = dir,
		.name = command->shown,
		.to_dir = to_path,
		.to_name = to_name,
	};
	int err = command->kind == COMMAND_REVEAL && !to_dir
			  ? -ENAMETOOLONG
			  : notifier_send(inject->notifier, &packet);

	free(dir);
	free(to_path);
	free(to_name);
	if (err == -ENAMETOOLONG)
		command_done(inject, command);
	else if (err)
		turn_off(inject, "the notifier process is gone; mount again to have them back");
}

static void on_znode(void *data, int32_t code, int error, struct znode *znode)
{
	struct fs *fs = data;
	struct command *command = fs->inject->current;

	if (!command)
		return; /* turned off meanwhile */
	if (code == ZK_OK) {
		command->is_dir = znode_is_shown_as_dir(znode);
		command->has_data = znode->stat.data_length > 0;
	}
	perform(fs->inject, command);
	inject_pump(fs);
}

/* Must the znode be asked what it is now? Not for what is known to be gone again. */
static bool needs_asking(const struct command *command)
{
	if (command->kind == COMMAND_CREATED)
		return !command->pair || !command->pair->node;
	return command->kind == COMMAND_MODIFIED;
}

static void start(struct inject *inject, struct command *command)
{
	struct fs *fs = inject->fs;

	inject->current = command;
	list_remove(&command->link);
	if (command->kind == COMMAND_MODIFIED) {
		/* What is changed from here on needs another one. */
		command->node->inject_queue = NULL;
		if (!command->node->attached) {
			command_done(inject, command);
			return;
		}
	}
	if (needs_asking(command)) {
		znode_get_shown(fs, bytes_of_text(command->path), on_znode, fs);
		return;
	}
	if (command->kind == COMMAND_CREATED) {
		command->is_dir = command->pair->is_dir;
		command->has_data = command->pair->node->stat.data_length > 0;
	}
	perform(inject, command);
}

/* ---- whose turn it is ---- */

static bool renames_are_unanswered(const struct fs *fs)
{
	list_for_each (&fs->requests, at)
		if (list_item(at, struct request, link)->renames_between_dirs)
			return true;
	return false;
}

static bool is_locked(const struct inject *inject, const struct queue *queue)
{
	const struct command *command =
		list_item(list_first(&queue->commands), struct command, link);

	if (queue->dir->locked_dir > 0)
		return true;
	if (command->kind == COMMAND_REVEAL)
		return renames_are_unanswered(inject->fs);
	return command->node && command->node->locked_inode > 0;
}

/* True where it may be served: not locked, or passed over for long enough. */
static bool may_serve(struct inject *inject, struct queue *queue)
{
	msec_t now_ms = loop_now_ms(inject->fs->loop);

	if (!is_locked(inject, queue)) {
		queue->passed_over_ms = 0;
		return true;
	}
	if (queue->passed_over_ms == 0)
		queue->passed_over_ms = now_ms;
	return inject->fs->session_live && now_ms - queue->passed_over_ms >= INJECT_PASS_OVER_MS;
}

static void on_pass_over(uv_timer_t *timer)
{
	const struct inject *inject = timer->data;

	inject_pump(inject->fs);
}

/* The oldest that may be served; those passed over stay where they are. */
static struct queue *choose(struct inject *inject)
{
	struct queue *chosen = NULL;
	struct heap_entry *first;
	struct list looked_at;
	bool passed_over;

	list_init(&looked_at);
	while (!chosen && (first = heap_first(&inject->order))) {
		struct queue *queue = list_item(first, struct queue, order);

		heap_remove(&inject->order, first);
		list_append(&looked_at, &queue->looked_at);
		if (may_serve(inject, queue))
			chosen = queue;
	}
	passed_over = !list_is_empty(&looked_at);
	list_for_each_safe (&looked_at, at) {
		list_remove(at);
		queue_settle(inject, list_item(at, struct queue, looked_at));
	}
	if (!chosen && passed_over)
		uv_timer_start(&inject->pass_over, on_pass_over, INJECT_PASS_OVER_MS / 4, 0);
	return chosen;
}

void inject_pump(struct fs *fs)
{
	struct inject *inject = fs->inject;

	while (inject && inject->attached && !inject->off_reason && !inject->current) {
		struct queue *queue = choose(inject);

		if (!queue)
			return;
		start(inject, list_item(list_first(&queue->commands), struct command, link));
	}
}

void inject_resume(struct fs *fs)
{
	overflow_pump(fs->inject->overflow);
	inject_pump(fs);
}

static void on_notifier(uv_poll_t *poll, int status, int events)
{
	struct inject *inject = poll->data;
	int result = 0;
	int err = notifier_receive(inject->notifier, &result);

	if (err == -EAGAIN)
		return;
	if (err) {
		turn_off(inject, "the notifier process is gone; mount again to have them back");
		return;
	}
	if (result == -ENODEV) {
		turn_off(inject, "the mount is no longer at its directory");
		return;
	}
	if (!inject->attached && result < 0) {
		turn_off(inject, "the notifier process can't see the mount");
		return;
	}
	/* Else ENOENT, EEXIST and the like: the state moved on. */
	inject->attached = true;
	attach_is_over(inject);
	if (inject->current)
		command_done(inject, inject->current);
	inject_pump(inject->fs);
}

/* ---- life ---- */

struct inject *inject_new(struct fs *fs)
{
	struct inject *inject = mem_zalloc(sizeof(*inject));

	inject->fs = fs;
	inject->off_reason = fs->options->inotify ? NULL : "the mount option noinotify";
	map_init(&inject->queues);
	map_init(&inject->births);
	inject->count_max = INJECT_COUNT_MAX;
	inject->overflow = overflow_new(fs, raise_difference, is_drained, inject);
	heap_init(&inject->order);
	list_init(&inject->waiters);
	uv_timer_init(&fs->loop->uv, &inject->pass_over);
	inject->pass_over.data = inject;
	inject->handle_count = 1;
	return inject;
}

void inject_attach(struct fs *fs, struct notifier *notifier, const char *dir,
		   void (*then)(void *data), void *data)
{
	struct inject *inject = fs->inject;
	struct notifier_command attach = {.op = NOTIFIER_ATTACH, .dir = dir};

	inject->on_attached = then;
	inject->on_attached_data = data;
	if (inject->off_reason) {
		attach_is_over(inject);
		return;
	}
	inject->notifier = notifier;
	if (notifier->fd < 0 || notifier_send(notifier, &attach) != 0 ||
	    uv_poll_init(&fs->loop->uv, &inject->poll, notifier->fd) != 0) {
		turn_off(inject, "the notifier process could not be started");
		return;
	}
	inject->has_poll = true;
	inject->handle_count++;
	inject->poll.data = inject;
	uv_poll_start(&inject->poll, UV_READABLE, on_notifier);
}

/* libuv reads a handle until its close callback: the struct goes with its last one. */
static void on_closed(uv_handle_t *handle)
{
	struct inject *inject = handle->data;

	if (--inject->handle_count == 0)
		free(inject);
}

void inject_free(struct inject *inject)
{
	if (!inject)
		return;
	turn_off(inject, "the mount has ended");
	overflow_free(inject->overflow);
	heap_release(&inject->order);
	map_release(&inject->queues);
	map_release(&inject->births);
	inject->fs->inject = NULL;
	if (inject->has_poll)
		uv_close((uv_handle_t *)&inject->poll, on_closed);
	uv_close((uv_handle_t *)&inject->pass_over, on_closed);
}
