#include "replica/tree/prep.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "replica/tree/request.h"
#include "replica/tree/tree.h"
#include "replica/tree/txn.h"
#include "src/base/assert.h"
#include "src/zk/opcode.h"
#include "src/zk/path.h"

enum {
	/* A closeSession's header, count and digest; the paths come between. */
	CLOSE_SESSION_SIZE_MIN = TXN_HEADER_SIZE + sizeof(int32_t) + TXN_DIGEST_SIZE,
};

/* What a peer reads at most: jute.maxbuffer and as much again (extrasize). */
static size_t txn_size_max(const struct prep *prep)
{
	return (size_t)prep->config.jute_maxbuffer * 2;
}

void prep_init(struct prep *prep, const struct prep_config *config, struct tree *tree,
	       struct session_tracker *tracker)
{
	*prep = (struct prep){.config = *config, .tree = tree, .tracker = tracker};
	overlay_init(&prep->overlay, tree, tracker);
	buf_init(&prep->path, txn_size_max(prep));
	buf_init(&prep->acls, txn_size_max(prep));
	buf_init(&prep->parts, txn_size_max(prep));
}

void prep_release(struct prep *prep)
{
	overlay_release(&prep->overlay);
	buf_release(&prep->path);
	buf_release(&prep->acls);
	buf_release(&prep->parts);
}

void prep_applied(struct prep *prep, zxid_t zxid)
{
	overlay_applied(&prep->overlay, zxid);
}

/* ---- checks ---- */

static enum zk_code check_session(const struct prep *prep, const struct prep_request *request)
{
	struct session *session = session_find(prep->tracker, request->session_id);

	if (!session || session->closing)
		return ZK_SESSIONEXPIRED;
	return session_claim(session, request->owner) ? ZK_OK : ZK_SESSIONMOVED;
}

static bool permits(const struct prep *prep, const struct prep_request *request,
		    const struct overlay_znode *znode, int32_t perms)
{
	struct zk_acls acls = acl_list_acls(znode->acls);

	return prep->config.skip_acl || auth_permits(&request->ids, &acls, perms);
}

/* checkAndIncVersion */
static enum zk_code next_version(int32_t current, int32_t expected, int32_t *ret_next)
{
	if (expected != -1 && expected != current)
		return ZK_BADVERSION;
	*ret_next = (int32_t)((uint32_t)current + 1);
	return ZK_OK;
}

/* validatePathForCreate, and a delete's: the little that is asked before the parent is looked for.
 */
static bool has_parent_path(struct bytes path)
{
	return memrchr(path.data, '/', bytes_size(path)) != NULL &&
	       memchr(path.data, '\0', bytes_size(path)) == NULL;
}

/* What is before the last '/': "" is the root. */
static struct bytes parent_path(struct bytes path)
{
	const char *slash = memrchr(path.data, '/', bytes_size(path));

	return bytes_of(path.data, (size_t)(slash - (const char *)path.data));
}

static bool is_special(struct bytes path)
{
	return bytes_equal_text(path, "/") || bytes_equal_text(path, "/zookeeper") ||
	       bytes_equal_text(path, "/zookeeper/quota") ||
	       bytes_equal_text(path, TREE_CONFIG_PATH);
}

/* ---- create ---- */

static bool is_sequential(int32_t flags)
{
	return flags == ZK_PERSISTENT_SEQUENTIAL || flags == ZK_EPHEMERAL_SEQUENTIAL ||
	       flags == ZK_PERSISTENT_SEQUENTIAL_WITH_TTL;
}

static bool is_ephemeral(int32_t flags)
{
	return flags == ZK_EPHEMERAL || flags == ZK_EPHEMERAL_SEQUENTIAL;
}

static bool is_ttl(int32_t flags)
{
	return flags == ZK_PERSISTENT_WITH_TTL || flags == ZK_PERSISTENT_SEQUENTIAL_WITH_TTL;
}

/* CreateMode.fromFlag and validateCreateRequest */
static enum zk_code check_create_mode(const struct prep *prep, const struct request_create *create)
{
	if (create->flags < ZK_PERSISTENT || create->flags > ZK_PERSISTENT_SEQUENTIAL_WITH_TTL)
		return ZK_BADARGUMENTS;
	if (is_ttl(create->flags) && !tree_extended_types(prep->tree))
		return ZK_UNIMPLEMENTED;
	/*
	 * Java lets createTTL with another flag and a negative ttl pass, and dies when it
	 * applies that.
	 */
	if (is_ttl(create->flags) != (create->type == ZK_OP_CREATE_TTL))
		return ZK_BADARGUMENTS;
	if (is_ttl(create->flags) && (create->ttl_ms <= 0 || create->ttl_ms > ZNODE_TTL_MS_MAX))
		return ZK_BADARGUMENTS;
	return ZK_OK;
}

/* The path with the sequence number behind it, if there is to be one. */
static struct bytes final_path(struct prep *prep, const struct request_create *create,
			       const struct overlay_znode *parent)
{
	if (!is_sequential(create->flags))
		return create->path;
	buf_reset(&prep->path);
	buf_append(&prep->path, create->path.data, bytes_size(create->path));
	buf_printf(&prep->path, "%010" PRId32, parent->stat.cversion);
	return buf_bytes(&prep->path);
}

static session_id_t owner_of(const struct prep_request *request,
			     const struct request_create *create)
{
	if (create->type == ZK_OP_CREATE_CONTAINER)
		return ZNODE_OWNER_CONTAINER;
	if (create->type == ZK_OP_CREATE_TTL)
		return (session_id_t)((uint64_t)ZNODE_OWNER_TTL_BITS | (uint64_t)create->ttl_ms);
	return is_ephemeral(create->flags) ? request->session_id : 0;
}

static bool has_room_for_ephemeral(const struct prep *prep, session_id_t session_id,
				   struct bytes path)
{
	const struct session *session = session_find(prep->tracker, session_id);

	return CLOSE_SESSION_SIZE_MIN + session->ephemeral_size + sizeof(int32_t) +
		       bytes_size(path) <=
	       prep->config.jute_maxbuffer;
}

static void put_created(struct prep *prep, const struct prep_request *request,
			const struct txn_create *create, session_id_t owner,
			struct overlay_znode *parent)
{
	struct zk_acls acls = create->acls;
	struct overlay_znode znode = {
		.stat = {.czxid = request->zxid,
			 .mzxid = request->zxid,
			 .pzxid = request->zxid,
			 .ctime = request->time_ms,
			 .mtime = request->time_ms,
			 .ephemeral_owner = owner},
		.content_crc = znode_content_crc(create->path, create->data),
	};

	parent->child_count++;
	/* As DataTree.createNode will: the counter wraps, and then stays where it is. */
	if (create->parent_cversion > parent->stat.cversion) {
		parent->stat.cversion = create->parent_cversion;
		parent->stat.pzxid = request->zxid;
	}
	overlay_put(&prep->overlay, request->zxid, parent_path(create->path), parent);
	znode.acls = tree_get_acls(prep->tree, &acls);
	overlay_put(&prep->overlay, request->zxid, create->path, &znode);
	tree_put_acls(prep->tree, znode.acls);
}

/* Everything about the place: parent, name, what is there already. */
static enum zk_code check_place(struct prep *prep, const struct prep_request *request,
				const struct request_create *create, struct bytes *ret_path,
				struct overlay_znode *ret_parent)
{
	struct overlay_znode existing;

	if (!overlay_look(&prep->overlay, parent_path(create->path), ret_parent))
		return ZK_NONODE;
	if (!permits(prep, request, ret_parent, ZK_PERM_CREATE))
		return ZK_NOAUTH;
	*ret_path = final_path(prep, create, ret_parent);
	if (!zk_path_is_valid(*ret_path))
		return ZK_BADARGUMENTS;
	if (overlay_look(&prep->overlay, *ret_path, &existing))
		return ZK_NODEEXISTS;
	if (znode_kind_of(ret_parent->stat.ephemeral_owner, tree_extended_types(prep->tree)) ==
	    ZNODE_EPHEMERAL)
		return ZK_NOCHILDRENFOREPHEMERALS;
	return ZK_OK;
}

static enum zk_code prep_create(struct prep *prep, const struct prep_request *request,
				const struct request_create *create, struct txn_record *ret_record)
{
	session_id_t owner = owner_of(request, create);
	struct overlay_znode parent;
	struct zk_acls acls;
	struct bytes path;
	enum zk_code code;

	code = check_create_mode(prep, create);
	if (code == ZK_OK)
		code = check_session(prep, request);
	if (code == ZK_OK && !has_parent_path(create->path))
		code = ZK_BADARGUMENTS;
	buf_reset(&prep->acls);
	if (code == ZK_OK)
		code = auth_fix_acls(&request->ids, &create->acls, &prep->acls, &acls);
	if (code == ZK_OK)
		code = check_place(prep, request, create, &path, &parent);
	if (code == ZK_OK && owner == request->session_id &&
	    !has_room_for_ephemeral(prep, owner, path))
		code = ZK_QUOTAEXCEEDED;
	if (code != ZK_OK)
		return code;
	ret_record->type = create->type;
	ret_record->create = (struct txn_create){
		.path = path,
		.data = create->data,
		.acls = acls,
		.ephemeral = is_ephemeral(create->flags),
		.parent_cversion = (int32_t)((uint32_t)parent.stat.cversion + 1),
		.ttl_ms = create->ttl_ms,
	};
	put_created(prep, request, &ret_record->create, owner, &parent);
	return ZK_OK;
}

/* ---- delete, setData, setACL, check ---- */

static void put_deleted(struct prep *prep, zxid_t zxid, struct bytes path)
{
	struct overlay_znode parent;

	if (overlay_look(&prep->overlay, parent_path(path), &parent)) {
		parent.child_count--;
		if (parent.stat.pzxid < zxid)
			parent.stat.pzxid = zxid;
		overlay_put(&prep->overlay, zxid, parent_path(path), &parent);
	}
	overlay_delete(&prep->overlay, zxid, path);
}

static enum zk_code prep_delete(struct prep *prep, const struct prep_request *request,
				const struct zk_path_version_request *delete,
				struct txn_record *ret_record)
{
	struct overlay_znode parent;
	struct overlay_znode znode;
	enum zk_code code = check_session(prep, request);
	int32_t ignored;

	if (code != ZK_OK)
		return code;
	if (!has_parent_path(delete->path) || is_special(delete->path))
		return ZK_BADARGUMENTS;
	if (!overlay_look(&prep->overlay, parent_path(delete->path), &parent))
		return ZK_NONODE;
	if (!permits(prep, request, &parent, ZK_PERM_DELETE))
		return ZK_NOAUTH;
	if (!overlay_look(&prep->overlay, delete->path, &znode))
		return ZK_NONODE;
	code = next_version(znode.stat.version, delete->version, &ignored);
	if (code == ZK_OK && znode.child_count > 0)
		code = ZK_NOTEMPTY;
	if (code != ZK_OK)
		return code;
	ret_record->type = ZK_OP_DELETE;
	ret_record->delete.path = delete->path;
	put_deleted(prep, request->zxid, delete->path);
	return ZK_OK;
}

static enum zk_code prep_set_data(struct prep *prep, const struct prep_request *request,
				  const struct zk_set_data_request *set,
				  struct txn_record *ret_record)
{
	struct overlay_znode znode;
	enum zk_code code = check_session(prep, request);
	int32_t version;

	if (code != ZK_OK)
		return code;
	if (!zk_path_is_valid(set->path))
		return ZK_BADARGUMENTS;
	if (!overlay_look(&prep->overlay, set->path, &znode))
		return ZK_NONODE;
	if (!permits(prep, request, &znode, ZK_PERM_WRITE))
		return ZK_NOAUTH;
	code = next_version(znode.stat.version, set->version, &version);
	if (code != ZK_OK)
		return code;
	ret_record->type = ZK_OP_SET_DATA;
	ret_record->set_data =
		(struct txn_set_data){.path = set->path, .data = set->data, .version = version};
	znode.stat.version = version;
	znode.stat.mzxid = request->zxid;
	znode.stat.mtime = request->time_ms;
	znode.content_crc = znode_content_crc(set->path, set->data);
	overlay_put(&prep->overlay, request->zxid, set->path, &znode);
	return ZK_OK;
}

static enum zk_code prep_set_acl(struct prep *prep, const struct prep_request *request,
				 const struct zk_set_acl_request *set,
				 struct txn_record *ret_record)
{
	struct overlay_znode znode;
	struct zk_acls acls;
	enum zk_code code = check_session(prep, request);
	int32_t aversion;

	if (code != ZK_OK)
		return code;
	if (!zk_path_is_valid(set->path))
		return ZK_BADARGUMENTS;
	buf_reset(&prep->acls);
	code = auth_fix_acls(&request->ids, &set->acls, &prep->acls, &acls);
	if (code != ZK_OK)
		return code;
	if (!overlay_look(&prep->overlay, set->path, &znode))
		return ZK_NONODE;
	if (!permits(prep, request, &znode, ZK_PERM_ADMIN))
		return ZK_NOAUTH;
	code = next_version(znode.stat.aversion, set->version, &aversion);
	if (code != ZK_OK)
		return code;
	ret_record->type = ZK_OP_SET_ACL;
	ret_record->set_acl =
		(struct txn_set_acl){.path = set->path, .acls = acls, .version = aversion};
	znode.stat.aversion = aversion;
	znode.acls = tree_get_acls(prep->tree, &acls);
	overlay_put(&prep->overlay, request->zxid, set->path, &znode);
	tree_put_acls(prep->tree, znode.acls);
	return ZK_OK;
}

static enum zk_code prep_check(struct prep *prep, const struct prep_request *request,
			       const struct zk_path_version_request *check,
			       struct txn_record *ret_record)
{
	struct overlay_znode znode;
	enum zk_code code = check_session(prep, request);
	int32_t version;

	if (code != ZK_OK)
		return code;
	if (!zk_path_is_valid(check->path))
		return ZK_BADARGUMENTS;
	if (!overlay_look(&prep->overlay, check->path, &znode))
		return ZK_NONODE;
	if (!permits(prep, request, &znode, ZK_PERM_READ))
		return ZK_NOAUTH;
	code = next_version(znode.stat.version, check->version, &version);
	if (code != ZK_OK)
		return code;
	ret_record->type = ZK_OP_CHECK;
	ret_record->check = (struct txn_check){.path = check->path, .version = version};
	return ZK_OK;
}

/* ---- closeSession ---- */

struct closing {
	struct buf *paths;
	int32_t count;
	size_t size_max;
};

static void list_ephemeral(void *data, struct bytes path)
{
	struct closing *closing = data;

	/*
	 * More can only come from a log that another server wrote. What isn't listed goes all
	 * the same: every replica deletes what the session owns.
	 */
	if (closing->paths->size + sizeof(int32_t) + bytes_size(path) > closing->size_max)
		return;
	jute_write_ustring(closing->paths, path);
	closing->count++;
}

static void delete_one(void *data, struct bytes path)
{
	jute_write_ustring(data, path);
}

/* Takes every ephemeral out of the overlay, listed in the transaction or not. */
static void put_all_deleted(struct prep *prep, const struct prep_request *request)
{
	struct jute_reader reader;
	struct buf paths;

	/* A copy: the paths belong to what goes. */
	buf_init(&paths, SIZE_MAX);
	overlay_visit_ephemerals(&prep->overlay, request->session_id, delete_one, &paths);
	jute_reader_init(&reader, paths.data, paths.size, paths.size);
	while (jute_left(&reader) > 0)
		put_deleted(prep, request->zxid, jute_read_ustring(&reader));
	buf_release(&paths);
}

static enum zk_code prep_close_session(struct prep *prep, const struct prep_request *request,
				       struct txn_record *ret_record)
{
	struct session *session = session_find(prep->tracker, request->session_id);
	struct closing closing = {
		.paths = &prep->parts,
		.size_max = prep->config.jute_maxbuffer - CLOSE_SESSION_SIZE_MIN,
	};

	buf_reset(&prep->parts);
	overlay_visit_ephemerals(&prep->overlay, request->session_id, list_ephemeral, &closing);
	ret_record->type = ZK_OP_CLOSE_SESSION;
	ret_record->close_session = (struct txn_close_session){
		.has_paths = true,
		.paths = {.count = closing.count,
			  .encoded = bytes_of(prep->parts.data, prep->parts.size)},
	};
	put_all_deleted(prep, request);
	if (session)
		session_set_closing(prep->tracker, session);
	return ZK_OK;
}

/* ---- any one operation; multi ---- */

static enum zk_code prep_operation(struct prep *prep, const struct prep_request *request,
				   const struct request *operation, struct txn_record *ret_record)
{
	switch (operation->opcode) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		return prep_create(prep, request, &operation->create, ret_record);
	case ZK_OP_DELETE:
		return prep_delete(prep, request, &operation->path_version, ret_record);
	case ZK_OP_SET_DATA:
		return prep_set_data(prep, request, &operation->set_data, ret_record);
	case ZK_OP_SET_ACL:
		return prep_set_acl(prep, request, &operation->set_acl, ret_record);
	case ZK_OP_CHECK:
		return prep_check(prep, request, &operation->path_version, ret_record);
	case ZK_OP_DELETE_CONTAINER:
		return ZK_BADARGUMENTS;
	case ZK_OP_RECONFIG:
		return prep->config.reconfig_enabled ? ZK_UNIMPLEMENTED : ZK_RECONFIGDISABLED;
	case ZK_OP_CLOSE_SESSION:
		return prep_close_session(prep, request, ret_record);
	default:
		return ZK_UNIMPLEMENTED;
	}
}

static struct txn_record error_record(enum zk_code code)
{
	return (struct txn_record){.type = ZK_OP_ERROR, .error = {.err = code}};
}

/*
 * A part that fails takes back those before it, and keeps those behind it from
 * being tried; the multi itself succeeds. But where Java's processor ends in an
 * exception, the whole of it is MARSHALLINGERROR.
 */
static enum zk_code prep_parts(struct prep *prep, const struct prep_request *request,
			       int32_t *ret_count)
{
	struct request_multi multi;
	struct request operation;
	enum zk_code failure = ZK_OK;
	int32_t count = 0;

	buf_reset(&prep->parts);
	request_multi_init(&multi, request->body);
	while (request_multi_next(&multi, &operation)) {
		struct txn_record record = {0};

		if (failure != ZK_OK) {
			record = error_record(ZK_RUNTIMEINCONSISTENCY);
		} else {
			failure = prep_operation(prep, request, &operation, &record);
			if (failure == ZK_MARSHALLINGERROR)
				return failure;
			if (failure != ZK_OK) {
				overlay_rollback(&prep->overlay);
				record = error_record(failure);
			}
		}
		txn_multi_append(&prep->parts, &record);
		count++;
	}
	*ret_count = count;
	return prep->parts.error ? ZK_BADARGUMENTS : ZK_OK;
}

static enum zk_code prep_multi(struct prep *prep, const struct prep_request *request,
			       struct txn_record *ret_record)
{
	enum zk_code code;
	int32_t count;

	if (!request_multi_is_write(request->body))
		return ZK_MARSHALLINGERROR;
	code = prep_parts(prep, request, &count);
	if (code != ZK_OK)
		return code;
	ret_record->type = ZK_OP_MULTI;
	ret_record->multi = (struct txn_multi){
		.count = count, .encoded = bytes_of(prep->parts.data, prep->parts.size)};
	return ZK_OK;
}

/* ---- the transaction ---- */

static void encode(const struct prep *prep, const struct prep_request *request,
		   const struct txn_record *record, struct buf *ret_txn)
{
	struct txn txn = {
		.header = {.session_id = request->session_id,
			   .cxid = request->cxid,
			   .zxid = request->zxid,
			   .time = request->time_ms,
			   .type = record->type},
		.record = *record,
		.has_digest = prep->config.digest_enabled && record->type != ZK_OP_ERROR,
		.digest = {.version = TXN_DIGEST_VERSION,
			   .tree_digest = (int64_t)prep->overlay.digest},
	};

	txn_encode(ret_txn, &txn);
}

static void encode_error(struct prep *prep, const struct prep_request *request, enum zk_code code,
			 struct buf *ret_txn)
{
	struct txn_record record = error_record(code);

	overlay_rollback(&prep->overlay);
	buf_reset(ret_txn);
	encode(prep, request, &record, ret_txn);
}

int prep_request(struct prep *prep, const struct prep_request *request, struct buf *ret_txn)
{
	struct txn_record record = {0};
	struct request operation;
	enum zk_code code;

	ASSERT(request->opcode != ZK_OP_CHECK);
	overlay_begin(&prep->overlay);
	if (request->opcode == ZK_OP_MULTI) {
		code = prep_multi(prep, request, &record);
	} else {
		if (!request_read(request->opcode, request->body, &operation))
			return -EBADMSG;
		code = prep_operation(prep, request, &operation, &record);
	}
	if (code == ZK_OK)
		encode(prep, request, &record, ret_txn);
	if (code == ZK_OK && (ret_txn->error || ret_txn->size > txn_size_max(prep)))
		code = ZK_BADARGUMENTS;
	if (code != ZK_OK)
		encode_error(prep, request, code, ret_txn);
	ASSERT(!ret_txn->error);
	return 0;
}

void prep_refuse(struct prep *prep, const struct prep_request *request, enum zk_code code,
		 struct buf *ret_txn)
{
	overlay_begin(&prep->overlay);
	encode_error(prep, request, code, ret_txn);
	ASSERT(!ret_txn->error);
}

void prep_create_session(struct prep *prep, session_id_t session_id, int32_t timeout_ms,
			 zxid_t zxid, msec_t now_ms, msec_t time_ms, struct buf *ret_txn)
{
	const struct prep_request request = {
		.session_id = session_id, .zxid = zxid, .time_ms = time_ms};
	const struct txn_record record = {.type = ZK_OP_CREATE_SESSION,
					  .create_session = {.timeout_ms = timeout_ms}};

	(void)session_track(prep->tracker, session_id, timeout_ms, now_ms); /* it is there now */
	overlay_begin(&prep->overlay);
	encode(prep, &request, &record, ret_txn);
	ASSERT(!ret_txn->error);
}
