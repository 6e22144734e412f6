#include "replica/tree/request.h"

#include "src/zk/opcode.h"

static bool read_create(struct jute_reader *reader, int32_t opcode,
			struct request_create *ret_create)
{
	struct zk_create_ttl_request record = {.ttl_ms = -1};

	if (opcode == ZK_OP_CREATE_TTL)
		zk_create_ttl_request_read(reader, &record);
	else
		zk_create_request_read(reader, &record.create);
	*ret_create = (struct request_create){
		.type = opcode,
		.path = record.create.path,
		.data = record.create.data,
		.acls = record.create.acls,
		.flags = record.create.flags,
		.ttl_ms = record.ttl_ms,
	};
	return !reader->error && !bytes_is_null(ret_create->path);
}

static bool read_path_version(struct jute_reader *reader, bool null_path_allowed,
			      struct zk_path_version_request *ret_record)
{
	zk_path_version_request_read(reader, ret_record);
	return !reader->error && (null_path_allowed || !bytes_is_null(ret_record->path));
}

bool request_read(int32_t opcode, struct bytes body, struct request *ret_request)
{
	struct zk_reconfig_request reconfig;
	struct jute_reader reader;

	jute_reader_init(&reader, body.data, bytes_size(body), bytes_size(body));
	ret_request->opcode = opcode;
	switch (opcode) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		return read_create(&reader, opcode, &ret_request->create);
	case ZK_OP_DELETE:
		return read_path_version(&reader, false, &ret_request->path_version);
	case ZK_OP_SET_DATA:
		zk_set_data_request_read(&reader, &ret_request->set_data);
		break;
	case ZK_OP_SET_ACL:
		zk_set_acl_request_read(&reader, &ret_request->set_acl);
		break;
	case ZK_OP_RECONFIG:
		zk_reconfig_request_read(&reader, &reconfig);
		break;
	default:
		break; /* closeSession, deleteContainer: nothing of the body matters */
	}
	return !reader.error;
}

/* ---- multi ---- */

void request_multi_init(struct request_multi *multi, struct bytes body)
{
	jute_reader_init(&multi->reader, body.data, bytes_size(body), bytes_size(body));
	multi->done = false;
}

/*
 * Op.Create of 3.8.2 and later: the container flag makes it createContainer,
 * createTTL is one only with a flag for it, and a flag of no meaning, or a TTL
 * flag without a ttl, is no request at all.
 */
static bool read_create_part(struct jute_reader *reader, int32_t type, struct request *ret_part)
{
	struct request_create *create = &ret_part->create;
	bool has_ttl_flag;

	if (!read_create(reader, type, create))
		return false;
	if (create->flags < ZK_PERSISTENT || create->flags > ZK_PERSISTENT_SEQUENTIAL_WITH_TTL)
		return false;
	has_ttl_flag = create->flags >= ZK_PERSISTENT_WITH_TTL;
	if (has_ttl_flag && type != ZK_OP_CREATE_TTL)
		return false;
	if (create->flags == ZK_CONTAINER)
		create->type = ZK_OP_CREATE_CONTAINER;
	else if (!has_ttl_flag && type != ZK_OP_CREATE2)
		create->type = ZK_OP_CREATE;
	ret_part->opcode = create->type;
	return true;
}

static bool read_part(struct jute_reader *reader, int32_t type, struct request *ret_part)
{
	ret_part->opcode = type;
	switch (type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		return read_create_part(reader, type, ret_part);
	case ZK_OP_DELETE:
		return read_path_version(reader, false, &ret_part->path_version);
	case ZK_OP_CHECK:
		return read_path_version(reader, true, &ret_part->path_version);
	case ZK_OP_SET_DATA:
		zk_set_data_request_read(reader, &ret_part->set_data);
		return !reader->error;
	case ZK_OP_GET_DATA:
	case ZK_OP_GET_CHILDREN:
		zk_path_watch_request_read(reader, &ret_part->read);
		return !reader->error;
	default:
		return false;
	}
}

bool request_multi_next(struct request_multi *multi, struct request *ret_part)
{
	struct zk_multi_header header;

	if (multi->done || multi->reader.error)
		return false;
	zk_multi_header_read(&multi->reader, &header);
	multi->done = header.done && !multi->reader.error;
	if (multi->done || multi->reader.error)
		return false;
	if (!read_part(&multi->reader, header.type, ret_part)) {
		jute_fail(&multi->reader);
		return false;
	}
	return true;
}

static bool is_read(int32_t opcode)
{
	return opcode == ZK_OP_GET_DATA || opcode == ZK_OP_GET_CHILDREN;
}

static bool has_only(struct bytes body, bool reads)
{
	struct request_multi multi;
	struct request part;

	request_multi_init(&multi, body);
	while (request_multi_next(&multi, &part))
		if (is_read(part.opcode) != reads)
			return false;
	return multi.done;
}

bool request_multi_is_write(struct bytes body)
{
	return has_only(body, false);
}

bool request_multi_is_read(struct bytes body)
{
	return has_only(body, true);
}
