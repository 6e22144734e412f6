#include "t/unit/roundtrip.h"

#include <stddef.h>

#include "src/zk/opcode.h"
#include "src/zk/record.h"

typedef void (*trip_fn)(struct jute_reader *reader, struct buf *buf);

/* trip_X(): one record, there and back. */
#define TRIP(record)                                                                               \
	static void trip_##record(struct jute_reader *reader, struct buf *buf)                     \
	{                                                                                          \
		struct record value;                                                               \
                                                                                                   \
		record##_read(reader, &value);                                                     \
		if (!reader->error)                                                                \
			record##_write(buf, &value);                                               \
	}

TRIP(zk_create_request)
TRIP(zk_create_ttl_request)
TRIP(zk_path_version_request)
TRIP(zk_path_watch_request)
TRIP(zk_set_data_request)
TRIP(zk_set_acl_request)
TRIP(zk_path_record)
TRIP(zk_path_type_request)
TRIP(zk_set_watches)
TRIP(zk_auth_packet)
TRIP(zk_reconfig_request)
TRIP(zk_sasl_token)
TRIP(zk_stat)
TRIP(zk_create2_response)
TRIP(zk_get_data_response)
TRIP(zk_get_acl_response)
TRIP(zk_get_children2_response)
TRIP(zk_watcher_event)

static void trip_set_watches2(struct jute_reader *reader, struct buf *buf)
{
	struct zk_set_watches value;

	zk_set_watches2_read(reader, &value);
	if (!reader->error)
		zk_set_watches2_write(buf, &value);
}

static void trip_nothing(struct jute_reader *reader, struct buf *buf)
{
}

static void trip_int(struct jute_reader *reader, struct buf *buf)
{
	jute_write_int(buf, jute_read_int(reader));
}

static void trip_strings(struct jute_reader *reader, struct buf *buf)
{
	struct jute_strings strings = jute_read_strings(reader);

	jute_write_strings(buf, &strings);
}

static void trip_client_infos(struct jute_reader *reader, struct buf *buf)
{
	int32_t count = jute_read_count(reader, ZK_CLIENT_INFO_SIZE_MIN);

	jute_write_int(buf, count);
	for (int32_t i = 0; i < count && !reader->error; i++) {
		struct zk_client_info info;

		zk_client_info_read(reader, &info);
		if (!reader->error)
			zk_client_info_write(buf, &info);
	}
}

/* {header, record}..., {-1, true, -1}; find_trip says which record a type has. */
static void trip_multi(struct jute_reader *reader, struct buf *buf,
		       trip_fn (*find_trip)(int32_t type))
{
	for (;;) {
		struct zk_multi_header header;
		trip_fn trip;

		zk_multi_header_read(reader, &header);
		if (reader->error)
			return;
		zk_multi_header_write(buf, &header);
		if (header.done)
			return;
		trip = find_trip(header.type);
		if (!trip) {
			jute_fail(reader);
			return;
		}
		trip(reader, buf);
	}
}

static trip_fn find_sub_request(int32_t type)
{
	switch (type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
		return trip_zk_create_request;
	case ZK_OP_CREATE_TTL:
		return trip_zk_create_ttl_request;
	case ZK_OP_DELETE:
	case ZK_OP_CHECK:
		return trip_zk_path_version_request;
	case ZK_OP_SET_DATA:
		return trip_zk_set_data_request;
	case ZK_OP_GET_DATA:
	case ZK_OP_GET_CHILDREN:
		return trip_zk_path_watch_request;
	default:
		return NULL;
	}
}

static trip_fn find_sub_response(int32_t type)
{
	switch (type) {
	case ZK_OP_CREATE:
		return trip_zk_path_record;
	case ZK_OP_CREATE2:
		return trip_zk_create2_response;
	case ZK_OP_DELETE:
	case ZK_OP_CHECK:
		return trip_nothing;
	case ZK_OP_SET_DATA:
		return trip_zk_stat;
	case ZK_OP_GET_DATA:
		return trip_zk_get_data_response;
	case ZK_OP_GET_CHILDREN:
		return trip_strings;
	case ZK_OP_ERROR:
		return trip_int;
	default:
		return NULL;
	}
}

static void trip_multi_request(struct jute_reader *reader, struct buf *buf)
{
	trip_multi(reader, buf, find_sub_request);
}

static void trip_multi_response(struct jute_reader *reader, struct buf *buf)
{
	trip_multi(reader, buf, find_sub_response);
}

static const struct {
	enum zk_opcode opcode;
	trip_fn request;
	trip_fn response;
} trips[] = {
	{ZK_OP_NOTIFICATION, trip_nothing, trip_zk_watcher_event},
	{ZK_OP_CREATE, trip_zk_create_request, trip_zk_path_record},
	{ZK_OP_CREATE2, trip_zk_create_request, trip_zk_create2_response},
	{ZK_OP_CREATE_CONTAINER, trip_zk_create_request, trip_zk_create2_response},
	{ZK_OP_CREATE_TTL, trip_zk_create_ttl_request, trip_zk_create2_response},
	{ZK_OP_DELETE, trip_zk_path_version_request, trip_nothing},
	{ZK_OP_DELETE_CONTAINER, trip_zk_path_record, trip_nothing},
	{ZK_OP_CHECK, trip_zk_path_version_request, trip_nothing},
	{ZK_OP_EXISTS, trip_zk_path_watch_request, trip_zk_stat},
	{ZK_OP_GET_DATA, trip_zk_path_watch_request, trip_zk_get_data_response},
	{ZK_OP_SET_DATA, trip_zk_set_data_request, trip_zk_stat},
	{ZK_OP_GET_ACL, trip_zk_path_record, trip_zk_get_acl_response},
	{ZK_OP_SET_ACL, trip_zk_set_acl_request, trip_zk_stat},
	{ZK_OP_GET_CHILDREN, trip_zk_path_watch_request, trip_strings},
	{ZK_OP_GET_CHILDREN2, trip_zk_path_watch_request, trip_zk_get_children2_response},
	{ZK_OP_SYNC, trip_zk_path_record, trip_zk_path_record},
	{ZK_OP_PING, trip_nothing, trip_nothing},
	{ZK_OP_MULTI, trip_multi_request, trip_multi_response},
	{ZK_OP_MULTI_READ, trip_multi_request, trip_multi_response},
	{ZK_OP_RECONFIG, trip_zk_reconfig_request, trip_zk_get_data_response},
	{ZK_OP_CHECK_WATCHES, trip_zk_path_type_request, trip_nothing},
	{ZK_OP_REMOVE_WATCHES, trip_zk_path_type_request, trip_nothing},
	{ZK_OP_ADD_WATCH, trip_zk_path_type_request, trip_int},
	{ZK_OP_AUTH, trip_zk_auth_packet, trip_nothing},
	{ZK_OP_SASL, trip_zk_sasl_token, trip_zk_sasl_token},
	{ZK_OP_SET_WATCHES, trip_zk_set_watches, trip_nothing},
	{ZK_OP_SET_WATCHES2, trip_set_watches2, trip_nothing},
	{ZK_OP_GET_EPHEMERALS, trip_zk_path_record, trip_strings},
	{ZK_OP_GET_ALL_CHILDREN_NUMBER, trip_zk_path_record, trip_int},
	{ZK_OP_WHO_AM_I, trip_nothing, trip_client_infos},
	{ZK_OP_CREATE_SESSION, trip_int, trip_nothing},
	{ZK_OP_CLOSE_SESSION, trip_nothing, trip_nothing},
};

bool roundtrip_request(int32_t opcode, struct jute_reader *reader, struct buf *buf)
{
	for (size_t i = 0; i < sizeof(trips) / sizeof(trips[0]); i++) {
		if ((int32_t)trips[i].opcode == opcode) {
			trips[i].request(reader, buf);
			return true;
		}
	}
	return false;
}

bool roundtrip_response(int32_t opcode, struct jute_reader *reader, struct buf *buf)
{
	for (size_t i = 0; i < sizeof(trips) / sizeof(trips[0]); i++) {
		if ((int32_t)trips[i].opcode == opcode) {
			trips[i].response(reader, buf);
			return true;
		}
	}
	return false;
}
