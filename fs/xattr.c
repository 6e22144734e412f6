#include "fs/xattr.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/change.h"
#include "fs/file.h"
#include "fs/namespace.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/zk/code.h"

/* XATTR_SIZE_MAX of the kernel. */
enum { XATTR_VALUE_SIZE_MAX = 64 << 10 };

static const char prefix[] = "user.zk.";

/* ---- values ---- */

static void print_zxid(struct buf *buf, int64_t number)
{
	buf_printf(buf, "0x%" PRIx64, (uint64_t)number);
}

static void print_number(struct buf *buf, int64_t number)
{
	buf_printf(buf, "%" PRId64, number);
}

/* As Java's Date prints it, and so zkCli. */
static void print_date(struct buf *buf, msec_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	char text[64];
	struct tm tm;

	if (!localtime_r(&seconds, &tm) ||
	    strftime(text, sizeof(text), "%a %b %d %H:%M:%S %Z %Y", &tm) == 0)
		text[0] = '\0';
	buf_append_text(buf, text);
}

static void print_line(struct buf *buf, const char *key, void (*print)(struct buf *, int64_t),
		       int64_t value)
{
	buf_printf(buf, "%s = ", key);
	print(buf, value);
	buf_append(buf, "\n", 1);
}

/* zkCli's stat block (StatPrinter). */
static void print_stat(struct buf *buf, const struct zk_stat *stat)
{
	print_line(buf, "cZxid", print_zxid, stat->czxid);
	print_line(buf, "ctime", print_date, stat->ctime);
	print_line(buf, "mZxid", print_zxid, stat->mzxid);
	print_line(buf, "mtime", print_date, stat->mtime);
	print_line(buf, "pZxid", print_zxid, stat->pzxid);
	print_line(buf, "cversion", print_number, stat->cversion);
	print_line(buf, "dataVersion", print_number, stat->version);
	print_line(buf, "aclVersion", print_number, stat->aversion);
	print_line(buf, "ephemeralOwner", print_zxid, stat->ephemeral_owner);
	print_line(buf, "dataLength", print_number, stat->data_length);
	buf_printf(buf, "numChildren = %" PRId32, stat->num_children);
}

/* False: there is no such attribute. */
static bool print_field(struct buf *buf, const char *name, const struct zk_stat *stat)
{
	const struct {
		const char *name;
		void (*print)(struct buf *, int64_t);
		int64_t value;
	} fields[] = {
		{"czxid", print_zxid, stat->czxid},
		{"mzxid", print_zxid, stat->mzxid},
		{"pzxid", print_zxid, stat->pzxid},
		{"ctime", print_number, stat->ctime},
		{"mtime", print_number, stat->mtime},
		{"version", print_number, stat->version},
		{"cversion", print_number, stat->cversion},
		{"aversion", print_number, stat->aversion},
		{"ephemeralOwner", print_zxid, stat->ephemeral_owner},
		{"dataLength", print_number, stat->data_length},
		{"numChildren", print_number, stat->num_children},
	};

	if (strcmp(name, "stat") == 0) {
		print_stat(buf, stat);
		return true;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(name, fields[i].name) == 0) {
			fields[i].print(buf, fields[i].value);
			return true;
		}
	}
	return false;
}

static bool is_name(const char *name)
{
	static const struct zk_stat none;
	struct buf buf;
	bool is;

	if (strcmp(name, "path") == 0 || strcmp(name, "acl") == 0)
		return true;
	buf_init(&buf, XATTR_VALUE_SIZE_MAX);
	is = print_field(&buf, name, &none);
	buf_release(&buf);
	return is;
}

/* ---- the state of one operation ---- */

enum action { ACTION_GET, ACTION_SET_ACL, ACTION_REMOVE_DATA };

struct op {
	struct request *request;
	struct node *node;
	enum action action;
	char *name;  /* without the prefix */
	size_t size; /* of the caller's room; 0: only the size is wanted */
	char *text;  /* ACTION_SET_ACL */
};

static struct op *op_begin(struct request *request, struct node *node, enum action action,
			   const char *name)
{
	struct op *op = mem_zalloc(sizeof(*op));

	op->request = request;
	op->node = node;
	op->action = action;
	op->name = mem_strdup(name);
	request_hold(request);
	node_hold(node);
	return op;
}

static void op_end(struct op *op)
{
	struct request *request = op->request;

	node_drop(request->fs, op->node);
	request_drop(request);
	free(op->name);
	free(op->text);
	free(op);
}

static void op_fail(struct op *op, int error)
{
	request_reply_error(op->request, error);
	op_end(op);
}

static struct bytes op_path(const struct op *op)
{
	return bytes_of_text(op->node->path);
}

static void op_value(struct op *op, const struct buf *buf)
{
	if (op->size == 0)
		request_reply_xattr_size(op->request, buf->size);
	else if (buf->error || buf->size > op->size)
		request_reply_error(op->request, ERANGE);
	else
		request_reply_data(op->request, buf->data, buf->size);
	op_end(op);
}

/* ---- reading ---- */

static void on_stat(void *data, int32_t code, int error, struct znode *znode)
{
	struct op *op = data;
	struct buf buf;

	if (error) {
		op_fail(op, error);
		return;
	}
	buf_init(&buf, XATTR_VALUE_SIZE_MAX);
	(void)print_field(&buf, op->name, &znode->stat); /* is_name has found it */
	op_value(op, &buf);
	buf_release(&buf);
}

static void on_acl(struct request *request, const struct zk_reply *reply, void *data)
{
	struct op *op = data;
	struct jute_reader body = reply->body;
	struct zk_get_acl_response response = {0};
	int error = request_errno(reply);
	struct buf buf;

	if (!error) {
		zk_get_acl_response_read(&body, &response);
		error = body.error ? EIO : 0;
	}
	if (error) {
		op_fail(op, error);
		return;
	}
	buf_init(&buf, XATTR_VALUE_SIZE_MAX);
	zk_acls_format(&buf, &response.acls);
	op_value(op, &buf);
	buf_release(&buf);
}

static void get_path(struct op *op)
{
	struct buf buf;

	buf_init(&buf, XATTR_VALUE_SIZE_MAX);
	buf_append_text(&buf, op->node->path);
	op_value(op, &buf);
	buf_release(&buf);
}

static void get_value(struct op *op)
{
	struct zk_request zk_request;

	if (strcmp(op->name, "path") == 0) {
		get_path(op);
	} else if (strcmp(op->name, "acl") == 0) {
		zk_request_get_acl(&zk_request, op_path(op));
		request_submit(op->request, &zk_request, on_acl, op);
	} else {
		znode_get(op->request->fs, op_path(op), ZNODE_STAT, on_stat, op);
	}
}

/* ---- writing ---- */

static void on_acl_set(struct request *request, const struct zk_reply *reply, void *data)
{
	struct op *op = data;

	znode_doubt(request->fs, op_path(op));
	op_fail(op, request_errno(reply));
}

static void set_acl(struct op *op)
{
	struct zk_request zk_request;
	struct zk_acls acls;
	struct buf buf;
	int error;

	buf_init(&buf, XATTR_VALUE_SIZE_MAX);
	error = zk_acls_parse(op->text, &buf, &acls);
	if (!error)
		zk_request_set_acl(&zk_request, op_path(op), &acls, -1);
	buf_release(&buf);
	if (error)
		op_fail(op, EINVAL);
	else
		request_submit(op->request, &zk_request, on_acl_set, op);
}

static void on_data_removed(struct request *request, const struct zk_reply *reply, void *data)
{
	struct op *op = data;
	struct fs *fs = request->fs;
	int error = request_errno(reply);

	if (!error)
		znode_set_replied(fs, op_path(op), BYTES_NULL, reply);
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, op_path(op), !error);
	/* With children it goes on being a file only while all of them wait for a lock. */
	if (!error && op->node->kind == NODE_FILE && op->node->attached)
		namespace_retyped(fs, op_path(op));
	op_fail(op, error);
}

static void remove_data(struct op *op)
{
	struct zk_request zk_request;

	zk_request_set_data(&zk_request, op_path(op), BYTES_NULL, -1);
	change_own_begin(op->request->fs, ZK_EVENT_NODE_DATA_CHANGED, op_path(op));
	request_submit(op->request, &zk_request, on_data_removed, op);
}

/* ---- which name ---- */

static void on_settled(void *data, int error)
{
	struct op *op = data;

	if (!error && !op->node->attached)
		error = ESTALE;
	if (error)
		op_fail(op, error);
	else if (op->action == ACTION_GET)
		get_value(op);
	else if (op->action == ACTION_SET_ACL)
		set_acl(op);
	else
		remove_data(op);
}

static void run(struct op *op)
{
	/* What the server hasn't heard of yet has no Stat and no ACL. */
	if (file_is_unborn(op->node))
		file_settle(op->request->fs, op->node, on_settled, op);
	else
		on_settled(op, 0);
}

/* The name behind the prefix; NULL where it isn't ours. */
static const char *own_name(const struct node *node, const char *name)
{
	size_t size = sizeof(prefix) - 1;

	if (node->kind != NODE_FILE && node->kind != NODE_DIR && node->kind != NODE_DATA)
		return NULL;
	return strncmp(name, prefix, size) == 0 ? name + size : NULL;
}

static bool is_posix_acl(const char *name)
{
	return strncmp(name, "system.posix_acl_", strlen("system.posix_acl_")) == 0;
}

void xattr_get(struct request *request, struct node *node, const char *name, size_t size)
{
	const char *own = own_name(node, name);
	struct op *op;

	if (!own || !is_name(own)) {
		request_reply_error(request, is_posix_acl(name) ? EOPNOTSUPP : ENODATA);
		return;
	}
	op = op_begin(request, node, ACTION_GET, own);
	op->size = size;
	run(op);
}

void xattr_set(struct request *request, struct node *node, const char *name, const void *value,
	       size_t size)
{
	const char *own = own_name(node, name);
	struct op *op;

	if (!own || strcmp(own, "acl") != 0) {
		request_reply_error(request, own ? EPERM : EOPNOTSUPP);
		return;
	}
	op = op_begin(request, node, ACTION_SET_ACL, own);
	op->text = mem_dup(value, size);
	run(op);
}

void xattr_remove(struct request *request, struct node *node, const char *name)
{
	const char *own = own_name(node, name);

	if (own && strcmp(own, "data") == 0)
		run(op_begin(request, node, ACTION_REMOVE_DATA, own));
	else if (own && is_name(own))
		request_reply_error(request, EPERM);
	else
		request_reply_error(request, is_posix_acl(name) ? EOPNOTSUPP : ENODATA);
}

void xattr_list(struct request *request, size_t size)
{
	if (size == 0)
		request_reply_xattr_size(request, 0);
	else
		request_reply_data(request, "", 0);
}
