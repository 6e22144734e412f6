/* Requests about watches, and the events that watches bring. */
#include "replica/server/server_impl.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"

static struct connection *connection_of(struct watcher *watcher)
{
	return list_item(watcher, struct connection, watcher);
}

/* A connection whose watches take too much ends: it can come back and watch less. */
static void add(struct server *server, struct connection *connection, enum watch_table_id table,
		struct bytes path, unsigned modes)
{
	if (watch_add(&server->watches, table, path, &connection->watcher, modes))
		connection->is_full = true;
}

void watching_register(struct server *server, struct connection *connection,
		       enum watch_table_id table, struct bytes path)
{
	add(server, connection, table, path, WATCH_STANDARD);
}

/* ---- events ---- */

static void send_event(struct server *server, struct connection *connection, zxid_t zxid,
		       enum zk_event_type type, struct bytes path)
{
	const struct zk_watcher_event event = {
		.type = type, .state = ZK_STATE_SYNC_CONNECTED, .path = path};

	zk_watcher_event_write(reply_begin_at(server, connection, ZK_XID_NOTIFICATION, zxid, ZK_OK),
			       &event);
	if (connection->out.error)
		connection->is_full = true; /* closed when the tables are not being walked */
	else
		reply_end(server, connection);
}

void watching_event(void *data, struct watcher *watcher, zxid_t zxid, enum zk_event_type type,
		    struct bytes path, const struct zk_acls *acls)
{
	struct connection *connection = connection_of(watcher);
	struct server *server = data;

	if (read_is_permitted(server, connection, acls, ZK_PERM_READ))
		send_event(server, connection, zxid, type, path);
}

/* ---- setWatches ---- */

static bool has_null(const struct jute_strings *paths)
{
	struct bytes path;

	if (paths->count < 0)
		return true;
	for (size_t at = 0; jute_strings_next(paths, &at, &path);)
		if (bytes_is_null(path))
			return true;
	return false;
}

/* What happened to a path since the client saw relative_zxid; the watch stays where nothing did. */
static void restore_data(struct server *server, struct connection *connection,
			 const struct zk_set_watches *set, struct bytes path)
{
	const struct znode *znode = tree_find(server->tree, path);

	if (server->mutation == SERVER_MUTATION_NO_MISSED_EVENTS)
		add(server, connection, WATCH_DATA, path, WATCH_STANDARD);
	else if (!znode)
		send_event(server, connection, -1, ZK_EVENT_NODE_DELETED, path);
	else if (znode_stored_stat(znode).mzxid > set->relative_zxid)
		send_event(server, connection, -1, ZK_EVENT_NODE_DATA_CHANGED, path);
	else
		add(server, connection, WATCH_DATA, path, WATCH_STANDARD);
}

static void restore_exist(struct server *server, struct connection *connection,
			  const struct zk_set_watches *set, struct bytes path)
{
	if (tree_find(server->tree, path))
		send_event(server, connection, -1, ZK_EVENT_NODE_CREATED, path);
	else
		add(server, connection, WATCH_DATA, path, WATCH_STANDARD);
}

static void restore_child(struct server *server, struct connection *connection,
			  const struct zk_set_watches *set, struct bytes path)
{
	const struct znode *znode = tree_find(server->tree, path);

	if (!znode)
		send_event(server, connection, -1, ZK_EVENT_NODE_DELETED, path);
	else if (znode_stored_stat(znode).pzxid > set->relative_zxid)
		send_event(server, connection, -1, ZK_EVENT_NODE_CHILDREN_CHANGED, path);
	else
		add(server, connection, WATCH_CHILD, path, WATCH_STANDARD);
}

static void add_persistent(struct server *server, struct connection *connection, struct bytes path)
{
	add(server, connection, WATCH_DATA, path, WATCH_PERSISTENT);
	add(server, connection, WATCH_CHILD, path, WATCH_PERSISTENT);
}

static void restore_persistent(struct server *server, struct connection *connection,
			       const struct zk_set_watches *set, struct bytes path)
{
	add_persistent(server, connection, path);
}

static void restore_recursive(struct server *server, struct connection *connection,
			      const struct zk_set_watches *set, struct bytes path)
{
	add(server, connection, WATCH_DATA, path, WATCH_RECURSIVE);
}

static void restore(struct server *server, struct connection *connection,
		    const struct zk_set_watches *set, const struct jute_strings *paths,
		    void (*one)(struct server *, struct connection *, const struct zk_set_watches *,
				struct bytes))
{
	struct bytes path;

	for (size_t at = 0; !connection->is_full && jute_strings_next(paths, &at, &path);)
		one(server, connection, set, path);
}

enum zk_code watching_set_watches(struct server *server, struct connection *connection,
				  struct bytes body, bool has_persistent)
{
	struct zk_set_watches set = {0};
	struct jute_reader reader;

	jute_reader_init(&reader, body.data, bytes_size(body), bytes_size(body));
	if (has_persistent)
		zk_set_watches2_read(&reader, &set);
	else
		zk_set_watches_read(&reader, &set);
	if (reader.error || has_null(&set.data) || has_null(&set.exist) || has_null(&set.child))
		return ZK_MARSHALLINGERROR;
	if (has_persistent && (has_null(&set.persistent) || has_null(&set.persistent_recursive)))
		return ZK_MARSHALLINGERROR;
	if (server->mutation == SERVER_MUTATION_FORGET_SET_WATCHES)
		return ZK_OK;
	restore(server, connection, &set, &set.data, restore_data);
	restore(server, connection, &set, &set.exist, restore_exist);
	restore(server, connection, &set, &set.child, restore_child);
	if (!has_persistent)
		return ZK_OK;
	restore(server, connection, &set, &set.persistent, restore_persistent);
	restore(server, connection, &set, &set.persistent_recursive, restore_recursive);
	return ZK_OK;
}

/* ---- addWatch, checkWatches, removeWatches ---- */

static bool read_path_type(struct bytes body, struct zk_path_type_request *ret_request)
{
	struct jute_reader reader;

	jute_reader_init(&reader, body.data, bytes_size(body), bytes_size(body));
	zk_path_type_request_read(&reader, ret_request);
	return !reader.error;
}

enum zk_code watching_add(struct server *server, struct connection *connection, struct bytes body)
{
	struct zk_path_type_request request;

	if (!read_path_type(body, &request))
		return ZK_MARSHALLINGERROR;
	if (request.type == ZK_WATCH_PERSISTENT)
		add_persistent(server, connection, request.path);
	else if (request.type == ZK_WATCH_PERSISTENT_RECURSIVE)
		add(server, connection, WATCH_DATA, request.path, WATCH_RECURSIVE);
	else
		return ZK_MARSHALLINGERROR;
	return ZK_OK;
}

/* Which modes of which table each WatcherType of 3.9 means. */
static const struct {
	unsigned modes[WATCH_TABLE_COUNT];
} watcher_types[] = {
	[ZK_WATCHER_CHILDREN] = {{[WATCH_CHILD] = WATCH_STANDARD}},
	[ZK_WATCHER_DATA] = {{[WATCH_DATA] = WATCH_STANDARD}},
	[ZK_WATCHER_ANY] = {{[WATCH_DATA] = WATCH_STANDARD | WATCH_PERSISTENT | WATCH_RECURSIVE,
			     [WATCH_CHILD] = WATCH_STANDARD | WATCH_PERSISTENT | WATCH_RECURSIVE}},
	[ZK_WATCHER_PERSISTENT] =
		{{[WATCH_DATA] = WATCH_PERSISTENT, [WATCH_CHILD] = WATCH_PERSISTENT}},
	[ZK_WATCHER_PERSISTENT_RECURSIVE] = {{[WATCH_DATA] = WATCH_RECURSIVE}},
};

static bool is_watcher_type(int32_t type)
{
	return type >= ZK_WATCHER_CHILDREN && type <= ZK_WATCHER_PERSISTENT_RECURSIVE;
}

enum zk_code watching_check(struct server *server, struct connection *connection, struct bytes body)
{
	struct zk_path_type_request request;
	unsigned found = 0;

	if (!read_path_type(body, &request) || !is_watcher_type(request.type))
		return ZK_MARSHALLINGERROR;
	for (int table = 0; table < WATCH_TABLE_COUNT; table++)
		found |= watch_modes(&server->watches, table, request.path, &connection->watcher) &
			 watcher_types[request.type].modes[table];
	return found ? ZK_OK : ZK_NOWATCHER;
}

enum zk_code watching_remove(struct server *server, struct connection *connection,
			     struct bytes body)
{
	struct zk_path_type_request request;
	unsigned found = 0;

	if (!read_path_type(body, &request) || !is_watcher_type(request.type))
		return ZK_MARSHALLINGERROR;
	for (int table = 0; table < WATCH_TABLE_COUNT; table++)
		found |= watch_remove(&server->watches, table, request.path, &connection->watcher,
				      watcher_types[request.type].modes[table]);
	return found ? ZK_OK : ZK_NOWATCHER;
}
