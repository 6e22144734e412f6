/*
 * rename(2) of a file, as one multi:
 *
 *	target        operations
 *	------        ----------
 *	absent        create target with the value and the ACL, delete source
 *	a file        set target to the value, delete source
 *	.data of D    set D to the value, delete source
 *	in a mode     create as the mode says, delete source
 *
 * The delete names the version of the value that was read. Whoever is faster
 * makes the whole fail, and it begins anew with what is there then:
 *
 *	find both places -> settle the source -> read the source -> look at the target
 *	     -> read the ACL (absent only) -> multi
 *
 * A directory goes to rename-tree.c. What doesn't go this way is EXDEV: mv(1)
 * copies then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/change.h"
#include "fs/file.h"
#include "fs/inval.h"
#include "fs/name.h"
#include "fs/namespace.h"
#include "fs/place.h"
#include "fs/subtree.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

enum { RENAME_TRIES_MAX = 5 };

enum target {
	TARGET_ABSENT,
	TARGET_FILE,
	TARGET_DATA,
	TARGET_MODE,
};

struct renaming {
	struct request *request;
	struct fs *fs;
	struct node *to_dir; /* held */
	char *to_shown;
	bool no_replace;
	char *from;          /* the source's path */
	struct node *source; /* held; NULL if the kernel holds none */
	char *to;            /* the target's path; in a sequential mode without the digits */
	enum target target;
	struct create_mode mode;
	struct value *value; /* of the source */
	struct zk_stat stat; /* the source's */
	int tries;
};

static void begin_anew(struct renaming *renaming);

static struct bytes from_path(const struct renaming *renaming)
{
	return bytes_of_text(renaming->from);
}

static struct bytes to_path(const struct renaming *renaming)
{
	return bytes_of_text(renaming->to);
}

static void release(struct renaming *renaming)
{
	struct fs *fs = renaming->fs;

	if (renaming->source)
		node_drop(fs, renaming->source);
	node_drop(fs, renaming->to_dir);
	value_drop(renaming->value);
	request_drop(renaming->request);
	free(renaming->to_shown);
	free(renaming->from);
	free(renaming->to);
	free(renaming);
}

static void finish(struct renaming *renaming, int error)
{
	request_reply_error(renaming->request, error);
	release(renaming);
}

/* ---- when it is done ---- */

static enum zk_event_type target_event(const struct renaming *renaming)
{
	bool creates = renaming->target == TARGET_ABSENT || renaming->target == TARGET_MODE;

	return creates ? ZK_EVENT_NODE_CREATED : ZK_EVENT_NODE_DATA_CHANGED;
}

/* The source's inode stands at the target now, and what stood there has no name any more. */
static void move_node(struct renaming *renaming, struct bytes path, zxid_t czxid)
{
	struct fs *fs = renaming->fs;
	struct node *replaced = renaming->target == TARGET_DATA
					? node_of_key(fs, NODE_DATA, path, NULL)
					: node_of_path(fs, path);

	if (replaced != renaming->source)
		namespace_unlinked(fs, replaced);
	if (!renaming->source)
		return;
	switch (renaming->target) {
	case TARGET_ABSENT:
	case TARGET_FILE:
		node_move(fs, renaming->source, path, czxid);
		return;
	case TARGET_MODE:
		/* The kernel has it in the mode directory now, where the next one of that name is
		 * another. */
		node_move(fs, renaming->source, path, czxid);
		if (!renaming->source->file)
			node_detach(fs, renaming->source);
		break;
	case TARGET_DATA:
		/* An inode of a file can't become that of .data. */
		namespace_unlinked(fs, renaming->source);
		break;
	}
	/* By ESTALE the kernel learns of it at once, and by this for good. */
	inval_entry(fs, renaming->to_dir->nodeid, renaming->to_shown);
}

/* The path that a sequential create was given. */
static char *read_created_path(const struct zk_reply *reply)
{
	struct jute_reader body = reply->body;
	struct zk_create2_response created2 = {0};
	struct zk_path_record created = {0};
	struct zk_multi_header header;

	zk_multi_header_read(&body, &header);
	if (header.type == ZK_OP_CREATE2) {
		zk_create2_response_read(&body, &created2);
		created.path = created2.path;
	} else {
		zk_path_record_read(&body, &created);
	}
	return body.error || bytes_is_null(created.path) ? NULL : bytes_dup(created.path);
}

/* What the target is since it was set. */
static bool read_set_stat(const struct zk_reply *reply, struct zk_stat *ret_stat)
{
	struct jute_reader body = reply->body;
	struct zk_multi_header header;
	struct zk_stat stat = reply->stat;
	bool has_stat = reply->has_stat;

	if (reply->outcome == ZK_OUTCOME_REPLIED) {
		zk_multi_header_read(&body, &header);
		zk_stat_read(&body, &stat);
		has_stat = !body.error;
	}
	if (has_stat)
		*ret_stat = stat;
	return has_stat;
}

static void target_set(struct renaming *renaming, const struct zk_reply *reply)
{
	struct fs *fs = renaming->fs;
	struct zk_stat stat = {0};
	struct value *value;

	if (read_set_stat(reply, &stat)) {
		value = value_new(value_data(renaming->value), &stat);
		znode_set(fs, to_path(renaming), value, &stat);
		value_drop(value);
	} else {
		znode_forget(fs, to_path(renaming), ZNODE_STAT | ZNODE_DATA);
	}
	move_node(renaming, to_path(renaming), stat.czxid);
	change_own_end(fs, ZK_EVENT_NODE_DELETED, from_path(renaming), true);
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, to_path(renaming), true);
}

/* Its ACL is the source's: whether it may be read isn't known, so nothing is kept of it. */
static void target_created(struct renaming *renaming, const struct zk_reply *reply)
{
	struct fs *fs = renaming->fs;
	zxid_t czxid = reply->outcome == ZK_OUTCOME_REPLIED ? reply->zxid : reply->stat.czxid;
	char *asked = renaming->to;
	char *given = renaming->mode.sequential ? read_created_path(reply) : NULL;

	renaming->to = given ? given : mem_strdup(asked);
	znode_forget(fs, to_path(renaming), ZNODE_STAT | ZNODE_DATA);
	znode_forget(fs, zk_path_parent(to_path(renaming)), ZNODE_STAT | ZNODE_CHILDREN);
	move_node(renaming, to_path(renaming), czxid);
	change_own_end(fs, ZK_EVENT_NODE_DELETED, from_path(renaming), true);
	change_own_end_as(fs, ZK_EVENT_NODE_CREATED, bytes_of_text(asked), to_path(renaming),
			  czxid);
	free(asked);
}

/*
 * The nodes are moved before an event of a later change can come: it is about
 * what stands at the target now.
 */
static void renamed(struct renaming *renaming, const struct zk_reply *reply)
{
	znode_deleted(renaming->fs, from_path(renaming));
	if (target_event(renaming) == ZK_EVENT_NODE_CREATED)
		target_created(renaming, reply);
	else
		target_set(renaming, reply);
	finish(renaming, 0);
}

/* What each operation's failure means: the target's is at 0, the source's at 1. */
static bool is_worth_another_try(const struct renaming *renaming, int32_t code, size_t at)
{
	if (renaming->tries >= RENAME_TRIES_MAX)
		return false;
	if (at == 1)
		return code == ZK_BADVERSION;
	return (renaming->target == TARGET_ABSENT && code == ZK_NODEEXISTS) ||
	       (renaming->target == TARGET_FILE && code == ZK_NONODE);
}

static void on_multi(struct request *request, const struct zk_reply *reply, void *data)
{
	struct renaming *renaming = data;
	struct fs *fs = renaming->fs;
	int error = request_errno(reply);
	int32_t code = reply->code;
	size_t at = 0;

	if (!error && reply->outcome == ZK_OUTCOME_REPLIED) {
		code = zk_multi_reply_error(reply->body, &at);
		error = zk_code_errno(code);
	}
	if (!error) {
		renamed(renaming, reply);
		return;
	}
	change_own_end(fs, ZK_EVENT_NODE_DELETED, from_path(renaming), false);
	change_own_end(fs, target_event(renaming), to_path(renaming), false);
	if (reply->outcome == ZK_OUTCOME_REPLIED && is_worth_another_try(renaming, code, at)) {
		begin_anew(renaming);
		return;
	}
	/* A file with children is one that others lock, or wait for. */
	if (code == ZK_NOTEMPTY && at == 1)
		error = EBUSY;
	finish(renaming, error);
}

/* ---- the multi ---- */

static void submit(struct renaming *renaming, const struct zk_acls *acls)
{
	struct fs *fs = renaming->fs;
	struct bytes data = value_data(renaming->value);
	struct zk_request zk_request;

	zk_request_multi_begin(&zk_request);
	if (acls)
		zk_request_multi_create(&zk_request, to_path(renaming), data, acls,
					name_mode_flags(&renaming->mode));
	else
		zk_request_multi_set_data(&zk_request, to_path(renaming), data, -1);
	zk_request_multi_delete(&zk_request, from_path(renaming), renaming->stat.version);
	zk_request_multi_end(&zk_request);
	if (zk_request_size(&zk_request) > fs->options->jute_maxbuffer) {
		zk_request_release(&zk_request);
		finish(renaming, EXDEV);
		return;
	}
	/* Nothing tells which of several names a sequential create was given. */
	zk_request.intent = renaming->mode.sequential ? ZK_INTENT_NONE : ZK_INTENT_RENAME;
	zk_request.session_bound = renaming->mode.ephemeral;
	change_own_begin(fs, ZK_EVENT_NODE_DELETED, from_path(renaming));
	change_own_begin(fs, target_event(renaming), to_path(renaming));
	request_submit(renaming->request, &zk_request, on_multi, renaming);
}

static void on_acl(struct request *request, const struct zk_reply *reply, void *data)
{
	struct renaming *renaming = data;
	struct jute_reader body = reply->body;
	struct zk_get_acl_response response = {0};
	int error = request_errno(reply);

	if (!error) {
		zk_get_acl_response_read(&body, &response);
		error = body.error ? EIO : 0;
	}
	if (!error && subtree_acls_are_masked(&response.acls))
		error = EXDEV;
	if (error)
		finish(renaming, error);
	else
		submit(renaming, &response.acls);
}

static void create_target(struct renaming *renaming)
{
	struct zk_request zk_request;

	if (renaming->target == TARGET_ABSENT)
		renaming->mode =
			(struct create_mode){.ephemeral = renaming->stat.ephemeral_owner != 0};
	zk_request_get_acl(&zk_request, from_path(renaming));
	request_submit(renaming->request, &zk_request, on_acl, renaming);
}

/* ---- looking at both ---- */

static void on_target(void *data, int32_t code, int error, struct znode *znode)
{
	struct renaming *renaming = data;

	if (code == ZK_NONODE) {
		renaming->target = TARGET_ABSENT;
		create_target(renaming);
	} else if (error) {
		finish(renaming, error);
	} else if (renaming->no_replace) {
		finish(renaming, EEXIST);
	} else if (namespace_node(renaming->fs, znode)->kind == NODE_DIR) {
		finish(renaming, EISDIR);
	} else {
		renaming->target = TARGET_FILE;
		submit(renaming, NULL);
	}
}

static void on_target_settled(void *data, int error)
{
	struct renaming *renaming = data;

	/* The target's handles are about to lose their name; what fails there is theirs. */
	(void)error;
	znode_get_shown(renaming->fs, to_path(renaming), on_target, renaming);
}

static void look_at_target(struct renaming *renaming)
{
	struct fs *fs = renaming->fs;
	struct node *node;

	switch (renaming->target) {
	case TARGET_DATA:
		submit(renaming, NULL);
		return;
	case TARGET_MODE:
		create_target(renaming);
		return;
	case TARGET_ABSENT:
	case TARGET_FILE:
		break;
	}
	node = node_of_path(fs, to_path(renaming));
	if (node && file_is_unborn(node)) {
		if (renaming->no_replace)
			finish(renaming, EEXIST);
		else
			file_settle(fs, node, on_target_settled, renaming);
		return;
	}
	znode_get_shown(fs, to_path(renaming), on_target, renaming);
}

static void on_source(void *data, int32_t code, int error, struct znode *znode)
{
	struct renaming *renaming = data;
	session_id_t session_id = zk_client_session_id(client_session(renaming->fs->client));

	if (!error && znode->stat.ephemeral_owner && znode->stat.ephemeral_owner != session_id)
		error = EPERM;
	if (error) {
		finish(renaming, error);
		return;
	}
	value_drop(renaming->value);
	renaming->value = value_hold(znode->value);
	renaming->stat = znode->stat;
	look_at_target(renaming);
}

static void on_source_settled(void *data, int error)
{
	struct renaming *renaming = data;

	if (error)
		finish(renaming, error);
	else
		znode_get(renaming->fs, from_path(renaming), ZNODE_DATA, on_source, renaming);
}

static void begin_anew(struct renaming *renaming)
{
	renaming->tries++;
	znode_forget(renaming->fs, from_path(renaming), ZNODE_STAT | ZNODE_DATA);
	znode_forget(renaming->fs, to_path(renaming), ZNODE_STAT | ZNODE_DATA);
	on_source_settled(renaming, 0);
}

/* ---- which places ---- */

static int take_target(struct renaming *renaming, const struct place *place)
{
	if (place->kind == PLACE_DATA) {
		renaming->target = TARGET_DATA;
	} else if (place->kind != PLACE_ZNODE) {
		return EPERM;
	} else if (place->has_mode) {
		/* A multi has no operation for a TTL that every server knows. */
		if (place->mode.container || place->mode.ttl_ms)
			return EXDEV;
		renaming->target = TARGET_MODE;
		renaming->mode = place->mode;
	}
	renaming->to = mem_strdup(place->path);
	if (place->kind == PLACE_ZNODE && !zk_path_name_is_valid(zk_path_name(to_path(renaming))))
		return EINVAL;
	return 0;
}

/* The names below a sequential one can't be told before it is made. */
static void rename_dir(struct renaming *renaming)
{
	if (renaming->target == TARGET_DATA || renaming->target == TARGET_MODE) {
		finish(renaming, EPERM);
		return;
	}
	namespace_rename_tree(renaming->request, from_path(renaming), to_path(renaming),
			      renaming->no_replace);
	release(renaming);
}

static void on_to_place(void *data, int error, const struct place *place)
{
	struct renaming *renaming = data;

	if (!error)
		error = take_target(renaming, place);
	if (!error && renaming->target != TARGET_DATA &&
	    bytes_equal(from_path(renaming), to_path(renaming))) {
		finish(renaming, 0);
		return;
	}
	if (error) {
		finish(renaming, error);
	} else if (renaming->source && node_is_dir(renaming->source)) {
		rename_dir(renaming);
	} else if (renaming->source) {
		file_settle(renaming->fs, renaming->source, on_source_settled, renaming);
	} else {
		on_source_settled(renaming, 0);
	}
}

/* EXDEV: mv copies .data, and removes it afterwards. */
static int take_source(struct renaming *renaming, const struct place *place)
{
	if (place->kind == PLACE_DATA)
		return EXDEV;
	if (place->kind != PLACE_ZNODE)
		return EPERM;
	if (name_is_contender(zk_path_name(bytes_of_text(place->path))))
		return EPERM;
	renaming->from = mem_strdup(place->path);
	renaming->source = node_of_path(renaming->fs, from_path(renaming));
	if (renaming->source)
		node_hold(renaming->source);
	return 0;
}

static void on_from_place(void *data, int error, const struct place *place)
{
	struct renaming *renaming = data;

	if (!error)
		error = take_source(renaming, place);
	else if (error == EINVAL)
		error = ENOENT;
	if (error)
		finish(renaming, error);
	else
		place_find(renaming->fs, renaming->to_dir, renaming->to_shown, on_to_place,
			   renaming);
}

void namespace_rename(struct request *request, struct node *dir, const char *shown,
		      struct node *to_dir, const char *to_shown, unsigned flags)
{
	struct renaming *renaming;

	if (flags & ~(unsigned)RENAME_NOREPLACE) {
		request_reply_error(request, EINVAL);
		return;
	}
	renaming = mem_zalloc(sizeof(*renaming));
	renaming->request = request;
	renaming->fs = request->fs;
	renaming->to_dir = to_dir;
	renaming->to_shown = mem_strdup(to_shown);
	renaming->no_replace = flags & RENAME_NOREPLACE;
	request_hold(request);
	node_hold(to_dir);
	place_find(renaming->fs, dir, shown, on_from_place, renaming);
}
