#include "replica/tree/txn.h"

#include <errno.h>

#include "src/base/assert.h"
#include "src/base/endian.h"

/* ---- the parts around the record ---- */

static void header_read(struct jute_reader *reader, struct txn_header *ret_header)
{
	ret_header->session_id = jute_read_long(reader);
	ret_header->cxid = jute_read_int(reader);
	ret_header->zxid = jute_read_long(reader);
	ret_header->time = jute_read_long(reader);
	ret_header->type = jute_read_int(reader);
}

static void header_write(struct buf *buf, const struct txn_header *header)
{
	jute_write_long(buf, header->session_id);
	jute_write_int(buf, header->cxid);
	jute_write_long(buf, header->zxid);
	jute_write_long(buf, header->time);
	jute_write_int(buf, header->type);
}

static void digest_read(struct jute_reader *reader, struct txn_digest *ret_digest)
{
	ret_digest->version = jute_read_int(reader);
	ret_digest->tree_digest = jute_read_long(reader);
}

static void digest_write(struct buf *buf, const struct txn_digest *digest)
{
	jute_write_int(buf, digest->version);
	jute_write_long(buf, digest->tree_digest);
}

/* ---- records, both directions side by side ---- */

static bool has_ephemeral(int32_t type)
{
	return type == ZK_OP_CREATE || type == ZK_OP_CREATE2;
}

/* CreateTxn, CreateContainerTxn, CreateTTLTxn */
static void create_read(struct jute_reader *reader, int32_t type, struct txn_create *ret_create)
{
	ret_create->path = jute_read_ustring(reader);
	ret_create->data = jute_read_buffer(reader);
	ret_create->acls = zk_acls_read(reader);
	ret_create->ephemeral = has_ephemeral(type) && jute_read_boolean(reader);
	ret_create->parent_cversion = jute_read_int(reader);
	ret_create->ttl_ms = type == ZK_OP_CREATE_TTL ? jute_read_long(reader) : 0;
}

static void create_write(struct buf *buf, int32_t type, const struct txn_create *create)
{
	jute_write_ustring(buf, create->path);
	jute_write_buffer(buf, create->data);
	zk_acls_write(buf, &create->acls);
	if (has_ephemeral(type))
		jute_write_boolean(buf, create->ephemeral);
	jute_write_int(buf, create->parent_cversion);
	if (type == ZK_OP_CREATE_TTL)
		jute_write_long(buf, create->ttl_ms);
}

/* CreateTxnV0: servers before 3.4 left the parent's cversion to who applies it. */
static void create_v0_read(struct jute_reader *reader, struct txn_create *ret_create)
{
	ret_create->path = jute_read_ustring(reader);
	ret_create->data = jute_read_buffer(reader);
	ret_create->acls = zk_acls_read(reader);
	ret_create->ephemeral = jute_read_boolean(reader);
	ret_create->parent_cversion = -1;
	ret_create->ttl_ms = 0;
}

static void set_data_read(struct jute_reader *reader, struct txn_set_data *ret_set_data)
{
	ret_set_data->path = jute_read_ustring(reader);
	ret_set_data->data = jute_read_buffer(reader);
	ret_set_data->version = jute_read_int(reader);
}

static void set_data_write(struct buf *buf, const struct txn_set_data *set_data)
{
	jute_write_ustring(buf, set_data->path);
	jute_write_buffer(buf, set_data->data);
	jute_write_int(buf, set_data->version);
}

static void set_acl_read(struct jute_reader *reader, struct txn_set_acl *ret_set_acl)
{
	ret_set_acl->path = jute_read_ustring(reader);
	ret_set_acl->acls = zk_acls_read(reader);
	ret_set_acl->version = jute_read_int(reader);
}

static void set_acl_write(struct buf *buf, const struct txn_set_acl *set_acl)
{
	jute_write_ustring(buf, set_acl->path);
	zk_acls_write(buf, &set_acl->acls);
	jute_write_int(buf, set_acl->version);
}

static void check_read(struct jute_reader *reader, struct txn_check *ret_check)
{
	ret_check->path = jute_read_ustring(reader);
	ret_check->version = jute_read_int(reader);
}

static void check_write(struct buf *buf, const struct txn_check *check)
{
	jute_write_ustring(buf, check->path);
	jute_write_int(buf, check->version);
}

/*
 * Nothing marks an absent record, so it is tried first, as Java does; what is
 * left where there is none is nothing or a digest. A digest would have to be
 * zero in its upper half to read as the two paths that its version 2 promises.
 */
static void close_session_read(struct jute_reader *reader, struct txn_close_session *ret_close)
{
	struct jute_reader before = *reader;

	ret_close->has_paths = true;
	ret_close->paths = jute_read_strings(reader);
	if (!reader->error)
		return;
	ret_close->has_paths = false;
	ret_close->paths = JUTE_STRINGS_NULL;
	if (jute_left(&before) == 0 || jute_left(&before) == TXN_DIGEST_SIZE)
		*reader = before;
}

static void close_session_write(struct buf *buf, const struct txn_close_session *close)
{
	if (close->has_paths)
		jute_write_strings(buf, &close->paths);
}

static bool is_subtype(int32_t type)
{
	switch (type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
	case ZK_OP_DELETE:
	case ZK_OP_DELETE_CONTAINER:
	case ZK_OP_SET_DATA:
	case ZK_OP_CHECK:
	case ZK_OP_ERROR:
		return true;
	default:
		return false;
	}
}

static void record_read(struct jute_reader *reader, struct txn_record *record);

/* Txn: {int type, buffer record}. Bytes behind the record are ignored, as Java has it. */
static void sub_read(struct jute_reader *reader, struct txn_record *ret_record)
{
	struct jute_reader inner;
	struct bytes data;

	ret_record->type = jute_read_int(reader);
	data = jute_read_buffer(reader);
	if (bytes_is_null(data) || !is_subtype(ret_record->type)) {
		jute_fail(reader);
		return;
	}
	jute_reader_init(&inner, data.data, bytes_size(data), bytes_size(data));
	record_read(&inner, ret_record);
	if (inner.error)
		jute_fail(reader);
}

/* The type and the length are before any sub-transaction. */
enum { SUB_SIZE_MIN = 8 };

static void multi_read(struct jute_reader *reader, struct txn_multi *ret_multi)
{
	int32_t count = jute_read_count(reader, SUB_SIZE_MIN);
	const uint8_t *begin = reader->at;
	struct txn_record record;

	for (int32_t i = 0; i < count && !reader->error; i++)
		sub_read(reader, &record);
	if (count < 0)
		jute_fail(reader);
	ret_multi->count = count;
	ret_multi->encoded = bytes_of(begin, (size_t)(reader->at - begin));
}

static void multi_write(struct buf *buf, const struct txn_multi *multi)
{
	jute_write_int(buf, multi->count);
	buf_append(buf, multi->encoded.data, bytes_size(multi->encoded));
}

/* record->type says which. */
static void record_read(struct jute_reader *reader, struct txn_record *record)
{
	switch (record->type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		create_read(reader, record->type, &record->create);
		break;
	case ZK_OP_DELETE:
	case ZK_OP_DELETE_CONTAINER:
		record->delete.path = jute_read_ustring(reader);
		break;
	case ZK_OP_SET_DATA:
	case ZK_OP_RECONFIG:
		set_data_read(reader, &record->set_data);
		break;
	case ZK_OP_SET_ACL:
		set_acl_read(reader, &record->set_acl);
		break;
	case ZK_OP_CHECK:
		check_read(reader, &record->check);
		break;
	case ZK_OP_MULTI:
		multi_read(reader, &record->multi);
		break;
	case ZK_OP_CREATE_SESSION:
		record->create_session.timeout_ms = jute_read_int(reader);
		break;
	case ZK_OP_CLOSE_SESSION:
		close_session_read(reader, &record->close_session);
		break;
	case ZK_OP_ERROR:
		record->error.err = jute_read_int(reader);
		break;
	default:
		jute_fail(reader);
	}
}

static void record_write(struct buf *buf, const struct txn_record *record)
{
	switch (record->type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		create_write(buf, record->type, &record->create);
		break;
	case ZK_OP_DELETE:
	case ZK_OP_DELETE_CONTAINER:
		jute_write_ustring(buf, record->delete.path);
		break;
	case ZK_OP_SET_DATA:
	case ZK_OP_RECONFIG:
		set_data_write(buf, &record->set_data);
		break;
	case ZK_OP_SET_ACL:
		set_acl_write(buf, &record->set_acl);
		break;
	case ZK_OP_CHECK:
		check_write(buf, &record->check);
		break;
	case ZK_OP_MULTI:
		multi_write(buf, &record->multi);
		break;
	case ZK_OP_CREATE_SESSION:
		jute_write_int(buf, record->create_session.timeout_ms);
		break;
	case ZK_OP_CLOSE_SESSION:
		close_session_write(buf, &record->close_session);
		break;
	case ZK_OP_ERROR:
		jute_write_int(buf, record->error.err);
		break;
	default:
		ASSERT(!"a type of transaction");
	}
}

/* ---- the whole ---- */

static void top_record_read(struct jute_reader *reader, struct txn_record *record)
{
	struct jute_reader before = *reader;

	if (record->type == ZK_OP_CHECK) {
		jute_fail(reader);
		return;
	}
	record_read(reader, record);
	if (reader->error && record->type == ZK_OP_CREATE) {
		*reader = before;
		create_v0_read(reader, &record->create);
		/* Digests came later, so nothing is behind one. */
		if (jute_left(reader) > 0)
			jute_fail(reader);
	}
}

int txn_decode(struct bytes bytes, struct txn *ret_txn)
{
	struct jute_reader reader;
	struct txn txn = {0};

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), bytes_size(bytes));
	header_read(&reader, &txn.header);
	if (reader.error)
		return reader.error;
	txn.record.type = txn.header.type;
	top_record_read(&reader, &txn.record);
	txn.has_digest = jute_left(&reader) >= TXN_DIGEST_SIZE;
	if (txn.has_digest)
		digest_read(&reader, &txn.digest);
	if (reader.error)
		return reader.error;
	*ret_txn = txn;
	return 0;
}

static bool has_known_digest(const struct txn *txn)
{
	return txn->has_digest && txn->digest.version == TXN_DIGEST_VERSION;
}

bool txn_contradicts_digest(const struct txn *txn, uint64_t tree_digest)
{
	return has_known_digest(txn) && (uint64_t)txn->digest.tree_digest != tree_digest;
}

bool txn_confirms_digest(const struct txn *txn, uint64_t tree_digest)
{
	return has_known_digest(txn) && (uint64_t)txn->digest.tree_digest == tree_digest;
}

int txn_decode_header(struct bytes bytes, struct txn_header *ret_header)
{
	struct jute_reader reader;
	struct txn_header header;

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), bytes_size(bytes));
	header_read(&reader, &header);
	if (reader.error)
		return reader.error;
	*ret_header = header;
	return 0;
}

void txn_encode(struct buf *buf, const struct txn *txn)
{
	ASSERT(txn->record.type == txn->header.type);
	ASSERT(txn->record.type != ZK_OP_CHECK);
	header_write(buf, &txn->header);
	record_write(buf, &txn->record);
	if (txn->has_digest)
		digest_write(buf, &txn->digest);
}

bool txn_multi_next(const struct txn_multi *multi, size_t *at, struct txn_record *ret_record)
{
	struct jute_reader reader;
	size_t size = bytes_size(multi->encoded);

	if (*at >= size)
		return false;
	jute_reader_init(&reader, (const uint8_t *)multi->encoded.data + *at, size - *at, size);
	sub_read(&reader, ret_record);
	ASSERT(!reader.error);
	*at = size - jute_left(&reader);
	return true;
}

void txn_multi_append(struct buf *buf, const struct txn_record *record)
{
	size_t begin;

	ASSERT(is_subtype(record->type));
	jute_write_int(buf, record->type);
	begin = buf->size;
	jute_write_int(buf, 0); /* the length, when it is known */
	record_write(buf, record);
	if (!buf->error)
		endian_put_u32(buf->data + begin, (uint32_t)(buf->size - begin - 4));
}
