#include "src/zk/client_request.h"

#include "src/base/assert.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

enum {
	/* Above every sensible jute.maxbuffer; the session refuses by the real one. */
	FRAME_SIZE_MAX = 64 << 20,
};

void zk_request_init(struct zk_request *request, int32_t opcode, enum zk_intent intent)
{
	*request = (struct zk_request){.opcode = opcode, .intent = intent};
	buf_init(&request->frame, FRAME_SIZE_MAX);
	(void)buf_extend(&request->frame, ZK_REQUEST_HEAD_SIZE); /* within its maximum */
}

void zk_request_release(struct zk_request *request)
{
	if (request)
		buf_release(&request->frame);
}

struct bytes zk_request_body(const struct zk_request *request)
{
	return bytes_of(request->frame.data + ZK_REQUEST_HEAD_SIZE,
			request->frame.size - ZK_REQUEST_HEAD_SIZE);
}

size_t zk_request_size(const struct zk_request *request)
{
	return request->frame.size - 4; /* the length word does not count itself */
}

/* ---- reads ---- */

static void build_path_watch(struct zk_request *request, int32_t opcode, struct bytes path,
			     bool watch)
{
	struct zk_path_watch_request record = {.path = path, .watch = watch};

	zk_request_init(request, opcode, ZK_INTENT_AGAIN);
	zk_path_watch_request_write(&request->frame, &record);
}

void zk_request_get_data(struct zk_request *request, struct bytes path, bool watch)
{
	build_path_watch(request, ZK_OP_GET_DATA, path, watch);
}

void zk_request_exists(struct zk_request *request, struct bytes path, bool watch)
{
	build_path_watch(request, ZK_OP_EXISTS, path, watch);
}

void zk_request_get_children2(struct zk_request *request, struct bytes path, bool watch)
{
	build_path_watch(request, ZK_OP_GET_CHILDREN2, path, watch);
}

static void build_path(struct zk_request *request, int32_t opcode, struct bytes path)
{
	struct zk_path_record record = {.path = path};

	zk_request_init(request, opcode, ZK_INTENT_AGAIN);
	zk_path_record_write(&request->frame, &record);
}

void zk_request_get_acl(struct zk_request *request, struct bytes path)
{
	build_path(request, ZK_OP_GET_ACL, path);
}

void zk_request_sync(struct zk_request *request, struct bytes path)
{
	build_path(request, ZK_OP_SYNC, path);
}

static void build_path_type(struct zk_request *request, int32_t opcode, struct bytes path,
			    int32_t type)
{
	struct zk_path_type_request record = {.path = path, .type = type};

	zk_request_init(request, opcode, ZK_INTENT_AGAIN);
	zk_path_type_request_write(&request->frame, &record);
}

void zk_request_add_watch(struct zk_request *request, struct bytes path, int32_t mode)
{
	build_path_type(request, ZK_OP_ADD_WATCH, path, mode);
}

void zk_request_remove_watches(struct zk_request *request, struct bytes path, int32_t type)
{
	build_path_type(request, ZK_OP_REMOVE_WATCHES, path, type);
}

/* ---- writes ---- */

static bool has_ttl(int32_t flags)
{
	return flags == ZK_PERSISTENT_WITH_TTL || flags == ZK_PERSISTENT_SEQUENTIAL_WITH_TTL;
}

static int32_t create_opcode(int32_t flags)
{
	if (has_ttl(flags))
		return ZK_OP_CREATE_TTL;
	return flags == ZK_CONTAINER ? ZK_OP_CREATE_CONTAINER : ZK_OP_CREATE2;
}

static enum zk_intent create_intent(int32_t flags)
{
	switch (flags) {
	case ZK_PERSISTENT_SEQUENTIAL:
	case ZK_EPHEMERAL_SEQUENTIAL:
	case ZK_PERSISTENT_SEQUENTIAL_WITH_TTL:
		return ZK_INTENT_NONE; /* nothing tells which of the numbers would be ours */
	case ZK_EPHEMERAL:
		return ZK_INTENT_CREATE_EPHEMERAL;
	default:
		return ZK_INTENT_CREATE_EXCLUSIVE;
	}
}

void zk_request_create(struct zk_request *request, struct bytes path, struct bytes data,
		       const struct zk_acls *acls, int32_t flags, int64_t ttl_ms)
{
	struct zk_create_ttl_request record = {
		.create = {.path = path, .data = data, .acls = *acls, .flags = flags},
		.ttl_ms = ttl_ms,
	};

	zk_request_init(request, create_opcode(flags), create_intent(flags));
	if (has_ttl(flags))
		zk_create_ttl_request_write(&request->frame, &record);
	else
		zk_create_request_write(&request->frame, &record.create);
}

static void append_set_data(struct buf *buf, struct bytes path, struct bytes data, int32_t version)
{
	struct zk_set_data_request record = {.path = path, .data = data, .version = version};

	zk_set_data_request_write(buf, &record);
}

void zk_request_set_data(struct zk_request *request, struct bytes path, struct bytes data,
			 int32_t version)
{
	zk_request_init(request, ZK_OP_SET_DATA, version == -1 ? ZK_INTENT_AGAIN : ZK_INTENT_SET);
	append_set_data(&request->frame, path, data, version);
}

static void append_path_version(struct buf *buf, struct bytes path, int32_t version)
{
	struct zk_path_version_request record = {.path = path, .version = version};

	zk_path_version_request_write(buf, &record);
}

void zk_request_delete(struct zk_request *request, struct bytes path, int32_t version)
{
	zk_request_init(request, ZK_OP_DELETE, ZK_INTENT_DELETE);
	append_path_version(&request->frame, path, version);
}

void zk_request_set_acl(struct zk_request *request, struct bytes path, const struct zk_acls *acls,
			int32_t version)
{
	struct zk_set_acl_request record = {.path = path, .acls = *acls, .version = version};

	zk_request_init(request, ZK_OP_SET_ACL, version == -1 ? ZK_INTENT_AGAIN : ZK_INTENT_NONE);
	zk_set_acl_request_write(&request->frame, &record);
}

/* ---- multi ---- */

static void append_multi_header(struct zk_request *request, int32_t type, bool done)
{
	struct zk_multi_header header = {.type = type, .done = done, .err = -1};

	ASSERT(request->opcode == ZK_OP_MULTI);
	zk_multi_header_write(&request->frame, &header);
}

void zk_request_multi_begin(struct zk_request *request)
{
	zk_request_init(request, ZK_OP_MULTI, ZK_INTENT_NONE);
}

void zk_request_multi_create(struct zk_request *request, struct bytes path, struct bytes data,
			     const struct zk_acls *acls, int32_t flags)
{
	struct zk_create_request record = {
		.path = path, .data = data, .acls = *acls, .flags = flags};

	append_multi_header(request, create_opcode(flags), false);
	zk_create_request_write(&request->frame, &record);
}

void zk_request_multi_set_data(struct zk_request *request, struct bytes path, struct bytes data,
			       int32_t version)
{
	append_multi_header(request, ZK_OP_SET_DATA, false);
	append_set_data(&request->frame, path, data, version);
}

void zk_request_multi_delete(struct zk_request *request, struct bytes path, int32_t version)
{
	append_multi_header(request, ZK_OP_DELETE, false);
	append_path_version(&request->frame, path, version);
}

void zk_request_multi_check(struct zk_request *request, struct bytes path, int32_t version)
{
	append_multi_header(request, ZK_OP_CHECK, false);
	append_path_version(&request->frame, path, version);
}

void zk_request_multi_end(struct zk_request *request)
{
	append_multi_header(request, -1, true);
}

/*
 * Of a failed multi each operation has an error, twice: 0 before the one that
 * failed, its own, and RUNTIMEINCONSISTENCY behind it. A multi that succeeded
 * begins with a result, or with the end.
 */
int32_t zk_multi_reply_error(struct jute_reader body, size_t *ret_at)
{
	struct zk_multi_header header;

	for (size_t at = 0;; at++) {
		zk_multi_header_read(&body, &header);
		if (body.error) {
			*ret_at = 0;
			return ZK_MARSHALLINGERROR;
		}
		if (header.done || header.type != ZK_OP_ERROR)
			return ZK_OK;
		if (header.err != ZK_OK) {
			*ret_at = at;
			return header.err;
		}
		(void)jute_read_int(&body); /* the same again */
	}
}
