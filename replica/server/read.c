/*
 * Requests that a replica answers from what it has (FinalRequestProcessor).
 * Each handler writes its record behind the header of a reply that was begun
 * with ZK_OK, or returns another code, and the reply is the code alone.
 */
#include "replica/server/server_impl.h"

#include <string.h>

#include "replica/tree/request.h"
#include "src/base/endian.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"

struct read {
	struct server *server;
	struct connection *connection;
	struct bytes body;
	struct buf *out;
};

bool read_is_permitted(const struct server *server, const struct connection *connection,
		       const struct zk_acls *acls, int32_t perms)
{
	struct auth_ids ids = auth_get_ids(&connection->auth);

	return server->config.skip_acl || auth_permits(&ids, acls, perms);
}

static bool may(const struct read *read, const struct znode *znode, int32_t perms)
{
	struct zk_acls acls = acl_list_acls(znode->acls);

	return read_is_permitted(read->server, read->connection, &acls, perms);
}

static void write_stat(struct read *read, const struct znode *znode)
{
	struct zk_stat stat;

	znode_stat(znode, tree_extended_types(read->server->tree), &stat);
	zk_stat_write(read->out, &stat);
}

static void write_children(struct read *read, const struct znode *znode)
{
	const struct znode *child = NULL;

	jute_write_int(read->out, (int32_t)znode_child_count(znode));
	while ((child = znode_next_child(znode, child)))
		jute_write_ustring(read->out, znode_name(child));
}

static bool read_path_watch(const struct read *read, struct zk_path_watch_request *ret_request)
{
	struct jute_reader reader;

	jute_reader_init(&reader, read->body.data, bytes_size(read->body), bytes_size(read->body));
	zk_path_watch_request_read(&reader, ret_request);
	return !reader.error && !bytes_is_null(ret_request->path);
}

static bool read_path(const struct read *read, bool null_allowed, struct bytes *ret_path)
{
	struct zk_path_record record;
	struct jute_reader reader;

	jute_reader_init(&reader, read->body.data, bytes_size(read->body), bytes_size(read->body));
	zk_path_record_read(&reader, &record);
	*ret_path = record.path;
	return !reader.error && (null_allowed || !bytes_is_null(record.path));
}

/* ---- exists, getData, getChildren ---- */

static enum zk_code read_exists(struct read *read)
{
	struct zk_path_watch_request request;
	const struct znode *znode;

	if (!read_path_watch(read, &request))
		return ZK_MARSHALLINGERROR;
	if (bytes_size(request.path) > 0 &&
	    memchr(request.path.data, '\0', bytes_size(request.path)))
		return ZK_BADARGUMENTS;
	znode = tree_find(read->server->tree, request.path);
	if (znode && !may(read, znode, ZK_PERM_READ))
		return ZK_NOAUTH;
	if (request.watch)
		watching_register(read->server, read->connection, WATCH_DATA, request.path);
	if (!znode)
		return ZK_NONODE;
	write_stat(read, znode);
	return ZK_OK;
}

/* What a read of one znode begins with. */
static enum zk_code find_readable(struct read *read, struct bytes path,
				  const struct znode **ret_znode)
{
	const struct znode *znode = tree_find(read->server->tree, path);

	if (!znode)
		return ZK_NONODE;
	if (!may(read, znode, ZK_PERM_READ))
		return ZK_NOAUTH;
	*ret_znode = znode;
	return ZK_OK;
}

static enum zk_code find_watched(struct read *read, enum watch_table_id table,
				 const struct znode **ret_znode)
{
	struct zk_path_watch_request request;
	enum zk_code code;

	if (!read_path_watch(read, &request))
		return ZK_MARSHALLINGERROR;
	code = find_readable(read, request.path, ret_znode);
	if (code == ZK_OK && request.watch)
		watching_register(read->server, read->connection, table, request.path);
	return code;
}

static void write_data(struct read *read, const struct znode *znode)
{
	jute_write_buffer(read->out, znode_data(znode));
	write_stat(read, znode);
}

static enum zk_code read_get_data(struct read *read)
{
	const struct znode *znode;
	enum zk_code code = find_watched(read, WATCH_DATA, &znode);

	if (code == ZK_OK)
		write_data(read, znode);
	return code;
}

static enum zk_code read_get_children(struct read *read)
{
	const struct znode *znode;
	enum zk_code code = find_watched(read, WATCH_CHILD, &znode);

	if (code == ZK_OK)
		write_children(read, znode);
	return code;
}

static enum zk_code read_get_children2(struct read *read)
{
	const struct znode *znode;
	enum zk_code code = find_watched(read, WATCH_CHILD, &znode);

	if (code != ZK_OK)
		return code;
	write_children(read, znode);
	write_stat(read, znode);
	return ZK_OK;
}

static enum zk_code read_get_all_children_number(struct read *read)
{
	const struct znode *znode;
	struct bytes path;
	enum zk_code code;
	size_t count;

	if (!read_path(read, false, &path))
		return ZK_MARSHALLINGERROR;
	code = find_readable(read, path, &znode);
	if (code != ZK_OK)
		return code;
	count = tree_descendant_count(read->server->tree, znode);
	/* Java keeps the root under two names, and counts the one when asked for the other. */
	if (bytes_size(path) == 0)
		count++;
	jute_write_int(read->out, (int32_t)count);
	return ZK_OK;
}

/* ---- getACL ---- */

/* Who may not change the ACL doesn't see the hash that others could be tried against. */
static void write_masked(struct read *read, const struct zk_acls *acls)
{
	struct zk_acl acl;

	jute_write_int(read->out, acls->count);
	for (size_t at = 0; zk_acls_next(acls, &at, &acl);) {
		const char *colon = bytes_size(acl.id) > 0
					    ? memchr(acl.id.data, ':', bytes_size(acl.id))
					    : NULL;

		if (!bytes_equal_text(acl.scheme, "digest") || !colon) {
			zk_acl_write(read->out, &acl);
			continue;
		}
		jute_write_int(read->out, acl.perms);
		jute_write_ustring(read->out, acl.scheme);
		jute_write_int(read->out, (int32_t)(colon - (const char *)acl.id.data) + 2);
		buf_append(read->out, acl.id.data, (size_t)(colon - (const char *)acl.id.data));
		buf_append_text(read->out, ":x");
	}
}

static enum zk_code read_get_acl(struct read *read)
{
	const struct znode *znode;
	struct zk_acls acls;
	struct bytes path;

	if (!read_path(read, false, &path))
		return ZK_MARSHALLINGERROR;
	znode = tree_find(read->server->tree, path);
	if (!znode)
		return ZK_NONODE;
	if (!may(read, znode, ZK_PERM_READ | ZK_PERM_ADMIN))
		return ZK_NOAUTH;
	acls = acl_list_acls(znode->acls);
	if (may(read, znode, ZK_PERM_ADMIN))
		zk_acls_write(read->out, &acls);
	else
		write_masked(read, &acls);
	write_stat(read, znode);
	return ZK_OK;
}

/* ---- multiRead ---- */

static enum zk_code read_part(struct read *read, const struct request *part)
{
	const struct zk_multi_header header = {.type = part->opcode};
	const struct znode *znode;
	enum zk_code code = find_readable(read, part->read.path, &znode);

	if (code != ZK_OK)
		return code;
	zk_multi_header_write(read->out, &header);
	if (part->opcode == ZK_OP_GET_DATA)
		write_data(read, znode);
	else
		write_children(read, znode);
	return ZK_OK;
}

static void write_failed_part(struct read *read, enum zk_code code)
{
	const struct zk_multi_header header = {.type = ZK_OP_ERROR, .err = code};

	zk_multi_header_write(read->out, &header);
	jute_write_int(read->out, code);
}

/* Java's processor ends in an exception there: at a write, and at a null path. */
static bool throws(const struct request *part)
{
	return (part->opcode != ZK_OP_GET_DATA && part->opcode != ZK_OP_GET_CHILDREN) ||
	       bytes_is_null(part->read.path);
}

static bool any_throws(struct bytes body)
{
	struct request_multi multi;
	struct request part;

	request_multi_init(&multi, body);
	while (request_multi_next(&multi, &part))
		if (throws(&part))
			return true;
	return false;
}

static void write_parts(struct read *read)
{
	const struct zk_multi_header end = {.type = -1, .done = true, .err = -1};
	struct request_multi multi;
	struct request part;

	request_multi_init(&multi, read->body);
	while (request_multi_next(&multi, &part) && !throws(&part) && !read->out->error) {
		enum zk_code code = read_part(read, &part);

		if (code != ZK_OK)
			write_failed_part(read, code);
	}
	zk_multi_header_write(read->out, &end);
}

/* ---- sync, ping, getEphemerals, whoAmI ---- */

static enum zk_code read_sync(struct read *read)
{
	struct zk_path_record record;

	if (!read_path(read, true, &record.path))
		return ZK_MARSHALLINGERROR;
	zk_path_record_write(read->out, &record);
	return ZK_OK;
}

static enum zk_code read_ping(struct read *read)
{
	return ZK_OK;
}

static bool has_prefix(struct bytes path, struct bytes prefix)
{
	return bytes_size(path) >= bytes_size(prefix) &&
	       memcmp(path.data, prefix.data, bytes_size(prefix)) == 0;
}

/* String.trim: control characters go, too. */
static struct bytes trim(struct bytes text)
{
	const uint8_t *begin = text.data;
	const uint8_t *end = begin + bytes_size(text);

	while (begin < end && *begin <= ' ')
		begin++;
	while (begin < end && end[-1] <= ' ')
		end--;
	return bytes_of(begin, (size_t)(end - begin));
}

/* Null, blank and "/" ask for all. */
static bool asks_for_all(struct bytes prefix)
{
	struct bytes trimmed = bytes_size(prefix) > 0 ? trim(prefix) : prefix;

	return bytes_size(trimmed) == 0 || bytes_equal_text(trimmed, "/");
}

static enum zk_code read_get_ephemerals(struct read *read)
{
	const struct tree_session *session =
		tree_find_session(read->server->tree, read->connection->session_id);
	size_t count_at = read->out->size;
	struct bytes prefix;
	uint32_t count = 0;

	if (!read_path(read, true, &prefix))
		return ZK_MARSHALLINGERROR;
	jute_write_int(read->out, 0);
	if (session) {
		map_for_each (&session->ephemerals, at) {
			struct bytes path = map_entry_key(at);

			if (!asks_for_all(prefix) && !has_prefix(path, prefix))
				continue;
			jute_write_ustring(read->out, path);
			count++;
		}
	}
	if (!read->out->error)
		endian_put_u32(read->out->data + count_at, count);
	return ZK_OK;
}

static enum zk_code read_who_am_i(struct read *read)
{
	struct auth_ids ids = auth_get_ids(&read->connection->auth);
	struct auth_id id;

	jute_write_int(read->out, ids.count);
	for (size_t at = 0; auth_ids_next(&ids, &at, &id);) {
		jute_write_ustring(read->out, id.scheme);
		jute_write_ustring(read->out, auth_user(&id));
	}
	return ZK_OK;
}

/* ---- watches ---- */

static enum zk_code read_add_watch(struct read *read)
{
	enum zk_code code = watching_add(read->server, read->connection, read->body);

	if (code == ZK_OK)
		jute_write_int(read->out, ZK_OK); /* an ErrorResponse, of all things */
	return code;
}

static enum zk_code read_check_watches(struct read *read)
{
	return watching_check(read->server, read->connection, read->body);
}

static enum zk_code read_remove_watches(struct read *read)
{
	return watching_remove(read->server, read->connection, read->body);
}

/* ---- the table ---- */

static const struct {
	int32_t opcode;
	enum zk_code (*handle)(struct read *read);
} handlers[] = {
	{ZK_OP_GET_DATA, read_get_data},
	{ZK_OP_EXISTS, read_exists},
	{ZK_OP_PING, read_ping},
	{ZK_OP_GET_CHILDREN, read_get_children},
	{ZK_OP_GET_CHILDREN2, read_get_children2},
	{ZK_OP_GET_ACL, read_get_acl},
	{ZK_OP_SYNC, read_sync},
	{ZK_OP_GET_EPHEMERALS, read_get_ephemerals},
	{ZK_OP_GET_ALL_CHILDREN_NUMBER, read_get_all_children_number},
	{ZK_OP_WHO_AM_I, read_who_am_i},
	{ZK_OP_ADD_WATCH, read_add_watch},
	{ZK_OP_CHECK_WATCHES, read_check_watches},
	{ZK_OP_REMOVE_WATCHES, read_remove_watches},
};

static void answer(struct read *read, int32_t xid, enum zk_code (*handle)(struct read *read))
{
	enum zk_code code;

	read->out = reply_begin(read->server, read->connection, xid, ZK_OK);
	code = handle(read);
	if (code == ZK_OK) {
		reply_end(read->server, read->connection);
		return;
	}
	reply_cancel(read->server, read->connection);
	reply_code(read->server, read->connection, xid, code);
}

/* Its events go before its reply, so nothing is begun until they are out. */
static void answer_set_watches(struct read *read, int32_t xid, bool has_persistent)
{
	enum zk_code code =
		watching_set_watches(read->server, read->connection, read->body, has_persistent);

	if (!read->connection->is_full)
		reply_code(read->server, read->connection, xid, code);
}

/*
 * The one operation whose answer can have an error and a record: what had been
 * read when Java's processor met its exception.
 */
static void answer_multi_read(struct read *read, int32_t xid)
{
	if (!request_multi_is_read(read->body) && !request_multi_is_write(read->body)) {
		reply_code(read->server, read->connection, xid, ZK_MARSHALLINGERROR);
		return;
	}
	read->out = reply_begin(read->server, read->connection, xid,
				any_throws(read->body) ? ZK_MARSHALLINGERROR : ZK_OK);
	write_parts(read);
	reply_end(read->server, read->connection);
}

static void answer_unknown(struct read *read, int32_t xid)
{
	(void)reply_begin_at(read->server, read->connection, xid, -1, ZK_UNIMPLEMENTED);
	reply_end(read->server, read->connection);
	if (read->connection->state != CONNECTION_CLOSED)
		server_close_connection(read->server, read->connection);
}

static void dispatch(struct read *read, int32_t xid, int32_t opcode)
{
	for (size_t at = 0; at < sizeof(handlers) / sizeof(handlers[0]); at++) {
		if (handlers[at].opcode == opcode) {
			answer(read, opcode == ZK_OP_PING ? ZK_XID_PING : xid, handlers[at].handle);
			return;
		}
	}
	if (opcode == ZK_OP_SET_WATCHES || opcode == ZK_OP_SET_WATCHES2)
		answer_set_watches(read, xid, opcode == ZK_OP_SET_WATCHES2);
	else if (opcode == ZK_OP_MULTI_READ)
		answer_multi_read(read, xid);
	else
		answer_unknown(read, xid);
}

void read_execute(struct server *server, struct connection *connection, int32_t xid, int32_t opcode,
		  struct bytes body, msec_t received_ms)
{
	struct read read = {.server = server, .connection = connection, .body = body};

	reply_count(server, connection, xid, opcode, received_ms);
	dispatch(&read, xid, opcode);
	if (connection->is_full && connection->state != CONNECTION_CLOSED)
		server_close_connection(server, connection);
}
