/*
 * The notifier's requests. They change nothing: each is answered as the command
 * that it performs wants it, and any other by what is known.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/command.h"
#include "fs/inject.h"
#include "fs/name.h"
#include "fs/znode.h"
#include "src/zk/path.h"

/* What fi->fh is in handles that the notifier opened. */
static const char notifier_handle;

static bool is_notifier(const struct fs *fs, fuse_req_t fuse)
{
	const struct notifier *notifier = inject_notifier(fs);

	return notifier && notifier->pid > 0 && fuse_req_ctx(fuse)->pid == notifier->pid;
}

static struct command *command_for(const struct fs *fs, const struct node *dir, const char *shown)
{
	struct command *command = inject_current(fs);

	if (!command || command->queue->dir != dir || strcmp(command->shown, shown) != 0)
		return NULL;
	return command;
}

static void answer_error(struct fs *fs, fuse_req_t fuse, int error)
{
	request_reply_error(request_begin(fs, fuse), error);
}

static void answer_entry(struct fs *fs, fuse_req_t fuse, struct node *node)
{
	request_reply_entry(request_begin(fs, fuse), node);
}

/* A directory on the way, or a name that the kernel looks at besides: only what is known. */
static struct node *known_child(struct fs *fs, struct node *dir, const char *shown)
{
	bool in_root = strcmp(dir->path, fs->root_path) == 0;
	struct create_mode mode, composed;
	struct node *node = NULL;
	char *name = NULL;
	char *path;

	switch (name_parse(shown, in_root, &name, &mode)) {
	case NAME_ZNODE:
		path = zk_path_join(bytes_of_text(dir->path), bytes_of_text(name));
		node = node_of_path(fs, bytes_of_text(path));
		free(path);
		break;
	case NAME_MODE:
		if (dir->kind == NODE_DIR)
			node = node_of_key(fs, NODE_MODE, bytes_of_text(dir->path), &mode);
		else if (dir->kind == NODE_MODE && name_mode_compose(&dir->mode, &mode, &composed))
			node = node_of_key(fs, NODE_MODE, bytes_of_text(dir->path), &composed);
		break;
	case NAME_DATA:
		node = node_of_key(fs, NODE_DATA, bytes_of_text(dir->path), NULL);
		break;
	case NAME_ZKFS:
		node = node_get(fs, NODE_ZKFS, bytes_of_text(fs->root_path), NULL, 0);
		break;
	default:
		break;
	}
	free(name);
	return node;
}

/*
 * The znode is gone: its node is what the kernel had, or a stand-in to delete.
 * What stands at that path now was made later, and must not be deleted for it.
 */
static struct node *tombstone(struct fs *fs, struct command *command)
{
	if (!command->node) {
		command->node = node_new_detached(fs, command->is_dir ? NODE_DIR : NODE_FILE,
						  bytes_of_text(command->path));
		node_hold(command->node);
	}
	return command->node;
}

bool inject_takes_lookup(struct fs *fs, fuse_req_t fuse, struct node *dir, const char *shown)
{
	const struct command *current = inject_current(fs);
	struct command *command;
	struct node *node;

	if (!is_notifier(fs, fuse))
		return false;
	command = command_for(fs, dir, shown);
	if (!command)
		node = known_child(fs, dir, shown);
	else if (command->kind == COMMAND_DELETED)
		node = tombstone(fs, command);
	else
		node = command->node;
	/* What a REVEAL would name is not there yet, whatever is known of it by its path. */
	if (!command && current && current->kind == COMMAND_REVEAL && node == current->node)
		node = NULL;
	if (node)
		answer_entry(fs, fuse, node);
	else
		answer_error(fs, fuse, ENOENT);
	return true;
}

static bool answer_attr(struct fs *fs, fuse_req_t fuse, struct node *node)
{
	if (!is_notifier(fs, fuse))
		return false;
	request_reply_attr(request_begin(fs, fuse), node);
	return true;
}

bool inject_takes_getattr(struct fs *fs, fuse_req_t fuse, struct node *node)
{
	return answer_attr(fs, fuse, node);
}

bool inject_takes_setattr(struct fs *fs, fuse_req_t fuse, struct node *node)
{
	return answer_attr(fs, fuse, node);
}

/* The node of what was created, and is gone again: its DELETED comes later. */
static struct node *short_lived(struct fs *fs, struct command *command, enum node_kind kind)
{
	struct command *deleted = command->pair;

	if (deleted->node && deleted->node->kind == kind)
		return deleted->node;
	if (deleted->node)
		node_drop(fs, deleted->node);
	deleted->node = node_new_detached(fs, kind, bytes_of_text(command->path));
	node_hold(deleted->node);
	deleted->is_dir = kind == NODE_DIR;
	return deleted->node;
}

static struct node *created_node(struct fs *fs, struct command *command, enum node_kind kind)
{
	struct bytes path = bytes_of_text(command->path);
	const struct znode *znode = znode_peek(fs, path);
	bool is_known = znode && (znode->known & ZNODE_STAT) && znode->exists;

	if (command->pair)
		return short_lived(fs, command, kind);
	return node_get(fs, kind, path, NULL, is_known ? znode->stat.czxid : 0);
}

bool inject_takes_mknod(struct fs *fs, fuse_req_t fuse, struct node *dir, const char *shown,
			mode_t mode)
{
	struct command *command;

	if (!is_notifier(fs, fuse))
		return false;
	command = command_for(fs, dir, shown);
	if (!command || command->kind != COMMAND_CREATED || command->node) {
		answer_error(fs, fuse, EEXIST);
		return true;
	}
	command->node = created_node(fs, command, S_ISDIR(mode) ? NODE_DIR : NODE_FILE);
	node_hold(command->node);
	answer_entry(fs, fuse, command->node);
	return true;
}

bool inject_takes_remove(struct fs *fs, fuse_req_t fuse, struct node *dir, const char *shown)
{
	struct command *command;

	if (!is_notifier(fs, fuse))
		return false;
	command = command_for(fs, dir, shown);
	answer_error(fs, fuse, command && command->kind == COMMAND_DELETED ? 0 : ENOENT);
	return true;
}

bool inject_takes_rename(struct fs *fs, fuse_req_t fuse, struct node *dir, const char *shown,
			 struct node *to_dir, const char *to_shown)
{
	struct command *command;

	if (!is_notifier(fs, fuse))
		return false;
	command = command_for(fs, dir, shown);
	answer_error(fs, fuse, command && command->kind == COMMAND_REVEAL ? 0 : ENOENT);
	return true;
}

bool inject_takes_open(struct fs *fs, fuse_req_t fuse, struct node *node, struct fuse_file_info *fi)
{
	if (!is_notifier(fs, fuse))
		return false;
	fi->fh = (uintptr_t)&notifier_handle;
	fi->direct_io = 1;
	fi->noflush = 1;
	request_reply_open(request_begin(fs, fuse), fi);
	return true;
}

bool inject_takes_handle(struct fs *fs, fuse_req_t fuse, struct fuse_file_info *fi)
{
	if (!fi || fi->fh != (uintptr_t)&notifier_handle)
		return false;
	answer_error(fs, fuse, 0);
	return true;
}
