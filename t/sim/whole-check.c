#include "t/sim/whole-check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replica/tree/replay.h"
#include "replica/tree/txn.h"
#include "src/base/assert.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"
#include "src/zk/path.h"

enum {
	/* Sums are made at every zxid of so many. */
	SUM_ONE_IN = 8,
	SEQUENCE_DIGITS = 10,
};

struct entry {
	zxid_t zxid;
	uint64_t hash; /* of the transaction's bytes */
	uint64_t digest;
	uint64_t sum; /* where it is made */
	session_id_t session_id;
	int32_t cxid;
	int32_t type;
};

struct path {
	struct map_entry entry;
	char *text;
	struct whole_version *versions;
	size_t count;
	size_t capacity;
	int64_t sequence; /* the last number of a child; -1: none yet */
};

struct sent {
	uint64_t connection;
	int32_t xid;
};

struct session {
	struct map_entry entry;
	session_id_t id;
	int32_t timeout_ms; /* 0: no createSession was seen */
	zxid_t closed;      /* its closeSession; 0: there is none yet */
	bool has_touched[SIM_NODES_MAX];
	msec_t touched_ms[SIM_NODES_MAX];
	struct sent *sent;
	size_t sent_count;
	size_t sent_capacity;
	size_t committed_count; /* of sent: all that can come is behind */
};

struct whole_check {
	struct sim_world *world;
	struct entry *history;
	size_t count;
	size_t capacity;
	struct tree *model;
	struct replay replay;
	struct map paths;
	struct map sessions;
	msec_t leads_ms[SIM_NODES_MAX];
	size_t expired;
	zxid_t acknowledged;
	/* Of the transaction at hand. */
	struct map noted; /* struct noted */
};

struct noted {
	struct map_entry entry;
	char *path;
};

struct whole_check *whole_check_new(struct sim_world *world)
{
	struct whole_check *check = mem_zalloc(sizeof(*check));

	check->world = world;
	check->model = tree_new(false);
	replay_init(&check->replay, check->model);
	map_init(&check->paths);
	map_init(&check->sessions);
	map_init(&check->noted);
	return check;
}

static void forget_noted(struct whole_check *check)
{
	map_for_each (&check->noted, at) {
		struct noted *noted = map_item(at, struct noted, entry);

		map_remove(&check->noted, at);
		free(noted->path);
		free(noted);
	}
}

void whole_check_free(struct whole_check *check)
{
	if (!check)
		return;
	forget_noted(check);
	map_release(&check->noted);
	map_for_each (&check->paths, at) {
		struct path *path = map_item(at, struct path, entry);

		map_remove(&check->paths, at);
		free(path->text);
		free(path->versions);
		free(path);
	}
	map_release(&check->paths);
	map_for_each (&check->sessions, at) {
		struct session *session = map_item(at, struct session, entry);

		map_remove(&check->sessions, at);
		free(session->sent);
		free(session);
	}
	map_release(&check->sessions);
	replay_release(&check->replay);
	tree_free(check->model);
	free(check->history);
	free(check);
}

/* ---- sums ---- */

uint64_t whole_check_hash(struct bytes data)
{
	return bytes_is_null(data) ? 1 : sim_hash(2, data.data, bytes_size(data));
}

static uint64_t stat_hash(const struct znode_stat *stat)
{
	const int64_t fields[] = {stat->czxid,    stat->mzxid,    stat->pzxid,
				  stat->ctime,    stat->mtime,    stat->version,
				  stat->cversion, stat->aversion, stat->ephemeral_owner};

	return sim_hash(3, fields, sizeof(fields));
}

static uint64_t znode_sum(const struct znode *znode, struct bytes path)
{
	struct zk_acls acls = acl_list_acls(znode->acls);
	struct znode_stat stat = znode_stored_stat(znode);
	uint32_t child_count = znode_child_count(znode);
	uint64_t hash = sim_hash(4, path.data, bytes_size(path));

	/* Each server writes its configuration itself, at a time of its own. */
	if (bytes_equal_text(path, TREE_CONFIG_PATH))
		return hash;
	hash ^= whole_check_hash(znode_data(znode)) * 3;
	hash ^= whole_check_hash(acls.encoded) * 5;
	hash ^= stat_hash(&stat) * 7;
	return sim_hash(hash, &child_count, sizeof(child_count));
}

static uint64_t session_sum(const struct tree_session *session)
{
	const int64_t fields[] = {session->id, session->timeout_ms, session->open};

	return sim_hash(5, fields, sizeof(fields));
}

/* Independent of order, which differs where a tree was loaded. */
static uint64_t tree_sum(const struct tree *tree)
{
	const struct tree_session *session = NULL;
	const struct znode *znode = NULL;
	struct buf path;
	uint64_t sum = 0;

	buf_init(&path, INT32_MAX);
	while ((znode = tree_walk_next(tree, znode)))
		sum += znode_sum(znode, znode_path(znode, &path));
	while ((session = tree_next_session(tree, session)))
		sum += session_sum(session);
	buf_release(&path);
	return sum;
}

static bool has_sum(zxid_t zxid)
{
	return zxid % SUM_ONE_IN == 0;
}

/* ---- the history ---- */

zxid_t whole_check_last(const struct whole_check *check)
{
	return check->count > 0 ? check->history[check->count - 1].zxid : 0;
}

size_t whole_check_count(const struct whole_check *check)
{
	return check->count;
}

/* The last entry that is not above it; NULL: all are. */
static const struct entry *find(const struct whole_check *check, zxid_t zxid)
{
	size_t low = 0;
	size_t high = check->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (check->history[middle].zxid <= zxid)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? &check->history[low - 1] : NULL;
}

static struct path *find_path(const struct whole_check *check, struct bytes path)
{
	struct map_entry *entry = map_find(&check->paths, path);

	return entry ? map_item(entry, struct path, entry) : NULL;
}

static struct path *get_path(struct whole_check *check, struct bytes text)
{
	struct path *path = find_path(check, text);

	if (path)
		return path;
	path = mem_zalloc(sizeof(*path));
	path->text = bytes_dup(text);
	path->sequence = -1;
	map_insert(&check->paths, &path->entry, bytes_of(path->text, bytes_size(text)));
	return path;
}

static void note(struct whole_check *check, struct bytes path)
{
	struct noted *noted;

	if (bytes_is_null(path) || map_find(&check->noted, path))
		return;
	noted = mem_zalloc(sizeof(*noted));
	noted->path = bytes_dup(path);
	map_insert(&check->noted, &noted->entry, bytes_of(noted->path, bytes_size(path)));
}

static struct bytes parent_of(struct bytes path)
{
	size_t size = bytes_size(path);
	const char *text = path.data;

	while (size > 1 && text[size - 1] != '/')
		size--;
	return bytes_of(text, size > 1 ? size - 1 : 1);
}

static void note_with_parent(struct whole_check *check, struct bytes path)
{
	if (bytes_is_null(path))
		return;
	note(check, path);
	note(check, parent_of(path));
}

static void note_session(struct whole_check *check, session_id_t id)
{
	const struct tree_session *session = tree_find_session(check->model, id);

	if (!session)
		return;
	map_for_each (&session->ephemerals, at)
		note_with_parent(check, map_entry_key(at));
}

static void note_record(struct whole_check *check, const struct txn *txn,
			const struct txn_record *record)
{
	struct txn_record part;
	size_t at = 0;

	switch (record->type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		note_with_parent(check, record->create.path);
		break;
	case ZK_OP_DELETE:
	case ZK_OP_DELETE_CONTAINER:
		note_with_parent(check, record->delete.path);
		break;
	case ZK_OP_SET_DATA:
		note(check, record->set_data.path);
		break;
	case ZK_OP_SET_ACL:
		note(check, record->set_acl.path);
		break;
	case ZK_OP_CLOSE_SESSION:
		note_session(check, txn->header.session_id);
		break;
	case ZK_OP_MULTI:
		while (txn_multi_next(&record->multi, &at, &part))
			note_record(check, txn, &part);
		break;
	default:
		break;
	}
}

/* The number at the end of a sequential znode's name; -1: it has none. */
static int64_t sequence_of(struct bytes path)
{
	const char *text = path.data;
	size_t size = bytes_size(path);
	int64_t number = 0;

	if (size <= SEQUENCE_DIGITS)
		return -1;
	for (size_t at = size - SEQUENCE_DIGITS; at < size; at++) {
		if (text[at] < '0' || text[at] > '9')
			return -1;
		number = number * 10 + (text[at] - '0');
	}
	return number;
}

static void check_new_znode(struct whole_check *check, zxid_t zxid, const struct znode *znode,
			    struct bytes text)
{
	int64_t number = sequence_of(text);
	struct path *parent = get_path(check, parent_of(text));
	session_id_t owner = znode_stored_stat(znode).ephemeral_owner;
	const struct tree_session *session = tree_find_session(check->model, owner);

	if (number >= 0 && number <= parent->sequence)
		sim_fail(check->world,
			 "0x%" PRIx64 " creates number %" PRId64 " below %s, after %" PRId64, zxid,
			 number, parent->text, parent->sequence);
	if (number >= 0)
		parent->sequence = number;
	if (owner != 0 && (!session || !session->open))
		sim_fail(check->world,
			 "0x%" PRIx64 " creates an ephemeral of session 0x%" PRIx64
			 ", which is not open",
			 zxid, owner);
}

static void add_version(struct whole_check *check, zxid_t zxid, struct bytes text)
{
	const struct znode *znode = tree_find(check->model, text);
	struct path *path = get_path(check, text);
	struct whole_version *version;

	if (path->count == path->capacity) {
		path->capacity = path->capacity ? 2 * path->capacity : 4;
		path->versions =
			mem_realloc(path->versions, path->capacity * sizeof(path->versions[0]));
	}
	version = &path->versions[path->count++];
	*version = (struct whole_version){.zxid = zxid, .exists = znode != NULL};
	if (!znode) {
		path->sequence = -1;
		return;
	}
	znode_stat(znode, false, &version->stat);
	version->data_hash = whole_check_hash(znode_data(znode));
	if (znode->czxid == zxid)
		check_new_znode(check, zxid, znode, text);
}

/* ---- sessions ---- */

static struct session *get_session(struct whole_check *check, session_id_t id)
{
	struct map_entry *entry = map_find(&check->sessions, bytes_of(&id, sizeof(id)));
	struct session *session;

	if (entry)
		return map_item(entry, struct session, entry);
	session = mem_zalloc(sizeof(*session));
	session->id = id;
	map_insert(&check->sessions, &session->entry, bytes_of(&session->id, sizeof(session->id)));
	return session;
}

void whole_check_sent(struct whole_check *check, session_id_t id, uint64_t connection, int32_t xid)
{
	struct session *session = get_session(check, id);

	if (session->sent_count == session->sent_capacity) {
		session->sent_capacity = session->sent_capacity ? 2 * session->sent_capacity : 16;
		session->sent = mem_realloc(session->sent,
					    session->sent_capacity * sizeof(session->sent[0]));
	}
	session->sent[session->sent_count++] = (struct sent){.connection = connection, .xid = xid};
}

/* It has no effect; a multi says so in each of its parts. */
static bool is_refused(const struct txn *txn)
{
	struct txn_record part;
	size_t at = 0;

	if (txn->header.type != ZK_OP_MULTI)
		return txn->header.type == ZK_OP_ERROR;
	while (txn_multi_next(&txn->record.multi, &at, &part))
		if (part.type == ZK_OP_ERROR)
			return true;
	return false;
}

/* A request of a session is committed: the next one of its connection, or one of a later one. */
static void check_order(struct whole_check *check, const struct txn *txn)
{
	struct session *session = get_session(check, txn->header.session_id);
	size_t at = session->committed_count;

	while (at < session->sent_count && session->sent[at].xid != txn->header.cxid)
		at++;
	/* Of a connection that the session has left it is refused, whenever it comes. */
	if (at == session->sent_count && is_refused(txn))
		return;
	if (at == session->sent_count) {
		sim_fail(check->world,
			 "0x%" PRIx64 " is request %d of session 0x%" PRIx64
			 ", which was not sent, or is committed a second time or too late",
			 txn->header.zxid, txn->header.cxid, session->id);
		return;
	}
	for (size_t before = session->committed_count; before < at; before++)
		if (session->sent[before].connection == session->sent[at].connection)
			sim_fail(check->world,
				 "0x%" PRIx64 " is request %d of session 0x%" PRIx64
				 ", but request %d, sent before it, is not committed",
				 txn->header.zxid, txn->header.cxid, session->id,
				 session->sent[before].xid);
	session->committed_count = at + 1;
}

static void follow_session(struct whole_check *check, const struct txn *txn)
{
	struct session *session = get_session(check, txn->header.session_id);

	if (txn->header.type == ZK_OP_CREATE_SESSION)
		session->timeout_ms = txn->record.create_session.timeout_ms;
	if (txn->header.type != ZK_OP_CLOSE_SESSION)
		return;
	check->expired += txn->header.cxid == 0 && session->closed == 0;
	session->closed = txn->header.zxid;
	if (tree_find_session(check->model, txn->header.session_id))
		sim_fail(check->world,
			 "0x%" PRIx64 " closes session 0x%" PRIx64 ", and something of it is left",
			 txn->header.zxid, session->id);
}

/* ---- what is delivered ---- */

static bool follows(zxid_t before, zxid_t zxid)
{
	return zxid == before + 1 ||
	       (zxid_epoch(zxid) > zxid_epoch(before) && zxid_counter(zxid) == 1);
}

static void append(struct whole_check *check, int64_t sid, zxid_t zxid, struct blob *blob)
{
	struct entry *entry;
	struct txn txn;

	if (!follows(whole_check_last(check), zxid))
		sim_fail(check->world,
			 "server %" PRId64 " applies 0x%" PRIx64
			 ", but the history ends at 0x%" PRIx64,
			 sid, zxid, whole_check_last(check));
	if (txn_decode(blob_bytes(blob), &txn) || txn.header.zxid != zxid)
		sim_fail(check->world, "server %" PRId64 " applies 0x%" PRIx64 ": no transaction",
			 sid, zxid);
	if (check->world->has_failed)
		return;
	if (check->count == check->capacity) {
		check->capacity = check->capacity ? check->capacity * 2 : 1024;
		check->history =
			mem_realloc(check->history, check->capacity * sizeof(check->history[0]));
	}
	entry = &check->history[check->count++];
	*entry = (struct entry){
		.zxid = zxid,
		.hash = sim_hash(0, blob->bytes, blob->size),
		.session_id = txn.header.session_id,
		.cxid = txn.header.cxid,
		.type = txn.header.type,
	};
	if (txn.header.cxid > 0)
		check_order(check, &txn);
	note_record(check, &txn, &txn.record);
	if (replay_txn(&check->replay, zxid, blob_bytes(blob)))
		sim_fail(check->world, "0x%" PRIx64 " can't be applied to the model", zxid);
	if (replay_mismatches(&check->replay) > 0)
		sim_fail(check->world, "0x%" PRIx64 " carries another digest than the model's",
			 zxid);
	map_for_each (&check->noted, at)
		add_version(check, zxid, map_entry_key(at));
	forget_noted(check);
	follow_session(check, &txn);
	entry->digest = tree_digest(check->model);
	if (has_sum(zxid))
		entry->sum = tree_sum(check->model);
	sim_trace(check->world, sid, "commit", zxid, txn.header.type, txn.header.cxid);
}

void whole_check_delivered(struct whole_check *check, int64_t sid, zxid_t zxid, struct blob *txn)
{
	const struct entry *entry;

	if (zxid > whole_check_last(check)) {
		append(check, sid, zxid, txn);
		return;
	}
	entry = find(check, zxid);
	if (!entry || entry->zxid != zxid)
		sim_fail(check->world,
			 "server %" PRId64 " applies 0x%" PRIx64 ", which the history has not", sid,
			 zxid);
	else if (entry->hash != sim_hash(0, txn->bytes, txn->size))
		sim_fail(check->world, "server %" PRId64 " applies other bytes at 0x%" PRIx64, sid,
			 zxid);
}

void whole_check_tree(struct whole_check *check, int64_t sid, const struct tree *tree)
{
	zxid_t zxid = tree_zxid(tree);
	const struct entry *entry = find(check, zxid);

	if (zxid > whole_check_last(check) && zxid_counter(zxid) != 0)
		sim_fail(check->world,
			 "server %" PRId64 " has a tree at 0x%" PRIx64
			 ", which its log does not hold, nor anybody's",
			 sid, zxid);
	else if (entry && zxid_counter(zxid) != 0 && entry->zxid != zxid)
		sim_fail(check->world,
			 "server %" PRId64 " has a tree at 0x%" PRIx64
			 ", which was never committed",
			 sid, zxid);
	else if (entry && tree_digest(tree) != entry->digest)
		sim_fail(check->world, "server %" PRId64 ": another tree at 0x%" PRIx64, sid, zxid);
	else if (entry && entry->zxid == zxid && has_sum(zxid) && tree_sum(tree) != entry->sum)
		sim_fail(check->world,
			 "server %" PRId64 ": other ACLs, Stats or sessions at 0x%" PRIx64, sid,
			 zxid);
}

static void check_same_session(struct whole_check *check, int64_t sid, const struct tree *tree,
			       const struct tree_session *session)
{
	const struct tree_session *other = tree_find_session(tree, session->id);

	if (!other || other->timeout_ms != session->timeout_ms || other->open != session->open)
		sim_fail(check->world, "server %" PRId64 ": another session 0x%" PRIx64, sid,
			 session->id);
}

void whole_check_final(struct whole_check *check, int64_t sid, const struct tree *tree)
{
	const struct tree_session *session = NULL;
	const struct znode *znode = NULL;
	struct buf buf;

	buf_init(&buf, INT32_MAX);
	if (tree_zxid(tree) != whole_check_last(check))
		sim_fail(check->world,
			 "server %" PRId64 " is at 0x%" PRIx64 ", not at 0x%" PRIx64
			 " as the history",
			 sid, tree_zxid(tree), whole_check_last(check));
	while ((znode = tree_walk_next(check->model, znode))) {
		struct bytes path = znode_path(znode, &buf);
		const struct znode *other = tree_find(tree, path);

		if (!other || znode_sum(other, path) != znode_sum(znode, path))
			sim_fail(check->world, "server %" PRId64 ": another %.*s", sid, path.size,
				 (const char *)path.data);
	}
	buf_release(&buf);
	while ((session = tree_next_session(check->model, session)))
		check_same_session(check, sid, tree, session);
	if (tree_sum(tree) != tree_sum(check->model))
		sim_fail(check->world, "server %" PRId64 ": its tree has more than it should", sid);
}

/* ---- expiry ---- */

void whole_check_leads(struct whole_check *check, int64_t sid, msec_t now_ms)
{
	check->leads_ms[sid] = now_ms;
	map_for_each (&check->sessions, at)
		map_item(at, struct session, entry)->has_touched[sid] = false;
}

void whole_check_touched(struct whole_check *check, int64_t sid, session_id_t id, msec_t now_ms)
{
	struct session *session = get_session(check, id);

	session->has_touched[sid] = true;
	session->touched_ms[sid] = now_ms;
}

static void check_expiry(struct whole_check *check, int64_t sid, const struct session *session,
			 msec_t now_ms)
{
	msec_t touched_ms =
		session->has_touched[sid] ? session->touched_ms[sid] : check->leads_ms[sid];

	if (now_ms - touched_ms < session->timeout_ms)
		sim_fail(check->world,
			 "server %" PRId64 " lets session 0x%" PRIx64 " expire after %" PRId64
			 " ms, not %d",
			 sid, session->id, now_ms - touched_ms, session->timeout_ms);
}

void whole_check_proposed(struct whole_check *check, int64_t sid, struct bytes bytes, msec_t now_ms)
{
	struct session *session;
	struct txn txn;

	if (txn_decode(bytes, &txn))
		return; /* for whole_check_delivered to say */
	session = get_session(check, txn.header.session_id);
	if (txn.header.type == ZK_OP_CREATE_SESSION) {
		session->timeout_ms = txn.record.create_session.timeout_ms;
		whole_check_touched(check, sid, session->id, now_ms);
	}
	if (txn.header.type == ZK_OP_CLOSE_SESSION && txn.header.cxid == 0 && session->closed == 0)
		check_expiry(check, sid, session, now_ms);
}

void whole_check_welcomed(struct whole_check *check, int64_t sid, session_id_t id, zxid_t zxid)
{
	const struct session *session = get_session(check, id);

	if (session->closed != 0 && session->closed <= zxid)
		sim_fail(check->world,
			 "server %" PRId64 " at 0x%" PRIx64 " welcomes session 0x%" PRIx64
			 ", closed by 0x%" PRIx64,
			 sid, zxid, id, session->closed);
}

bool whole_check_is_open(const struct whole_check *check, session_id_t id)
{
	const struct tree_session *session = tree_find_session(check->model, id);

	return session && session->open;
}

size_t whole_check_expired(const struct whole_check *check)
{
	return check->expired;
}

/* ---- what clients are told ---- */

zxid_t whole_check_acknowledged(const struct whole_check *check)
{
	return check->acknowledged;
}

void whole_check_answered(struct whole_check *check, session_id_t id, int32_t xid, int32_t opcode,
			  zxid_t zxid, int32_t err)
{
	const struct entry *entry = find(check, zxid);

	if (err != 0)
		return;
	if (!entry || entry->zxid != zxid || entry->session_id != id ||
	    (entry->cxid != xid && opcode != ZK_OP_CLOSE_SESSION) || entry->type == ZK_OP_ERROR) {
		sim_fail(check->world,
			 "session 0x%" PRIx64 ": request %d (%s) is acknowledged at 0x%" PRIx64
			 ", which is not it",
			 id, xid, zk_opcode_name(opcode), zxid);
		return;
	}
	if (zxid > check->acknowledged)
		check->acknowledged = zxid;
}

const struct whole_version *whole_check_at(const struct whole_check *check, struct bytes text,
					   zxid_t zxid)
{
	const struct path *path = find_path(check, text);
	const struct whole_version *version = NULL;

	for (size_t at = path ? path->count : 0; at > 0 && !version; at--)
		if (path->versions[at - 1].zxid <= zxid)
			version = &path->versions[at - 1];
	return version;
}

bool whole_check_had(const struct whole_check *check, struct bytes text, uint64_t data_hash)
{
	const struct path *path = find_path(check, text);

	for (size_t at = 0; path && at < path->count; at++)
		if (path->versions[at].exists && path->versions[at].data_hash == data_hash)
			return true;
	return false;
}

size_t whole_check_ephemerals(const struct whole_check *check, struct bytes text, session_id_t id)
{
	const struct path *path = find_path(check, text);
	size_t count = 0;

	for (size_t at = 0; path && at < path->count; at++) {
		const struct whole_version *version = &path->versions[at];

		count += version->exists && version->stat.czxid == version->zxid &&
			 version->stat.ephemeral_owner == id;
	}
	return count;
}
