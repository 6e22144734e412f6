#include "replica/zab/packet.h"

#include <errno.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/zk/jute.h"

static const char *const names[] = {
	[ZAB_REQUEST] = "REQUEST",
	[ZAB_PROPOSAL] = "PROPOSAL",
	[ZAB_ACK] = "ACK",
	[ZAB_COMMIT] = "COMMIT",
	[ZAB_PING] = "PING",
	[ZAB_REVALIDATE] = "REVALIDATE",
	[ZAB_SYNC] = "SYNC",
	[ZAB_INFORM] = "INFORM",
	[ZAB_COMMITANDACTIVATE] = "COMMITANDACTIVATE",
	[ZAB_NEWLEADER] = "NEWLEADER",
	[ZAB_FOLLOWERINFO] = "FOLLOWERINFO",
	[ZAB_UPTODATE] = "UPTODATE",
	[ZAB_DIFF] = "DIFF",
	[ZAB_TRUNC] = "TRUNC",
	[ZAB_SNAP] = "SNAP",
	[ZAB_OBSERVERINFO] = "OBSERVERINFO",
	[ZAB_LEADERINFO] = "LEADERINFO",
	[ZAB_ACKEPOCH] = "ACKEPOCH",
	[ZAB_INFORMANDACTIVATE] = "INFORMANDACTIVATE",
};

const char *zab_packet_name(int32_t type)
{
	if (type < 0 || (size_t)type >= sizeof(names) / sizeof(names[0]) || !names[type])
		return "unknown";
	return names[type];
}

/* ---- the stream ---- */

/*
 * A packet comes in pieces, so this cursor tells "not there yet" from "never
 * valid", which jute's, made for whole frames, does not.
 */
struct stream {
	const uint8_t *at;
	const uint8_t *end;
	int error; /* 0, -EAGAIN: more bytes are needed, or -EBADMSG */
};

static const uint8_t *take(struct stream *stream, size_t size)
{
	const uint8_t *at = stream->at;

	if (stream->error)
		return NULL;
	if (size > (size_t)(stream->end - stream->at)) {
		stream->error = -EAGAIN;
		return NULL;
	}
	stream->at += size;
	return at;
}

static int32_t read_int(struct stream *stream)
{
	const uint8_t *at = take(stream, 4);

	return at ? (int32_t)endian_get_u32(at) : 0;
}

static int64_t read_long(struct stream *stream)
{
	const uint8_t *at = take(stream, 8);

	return at ? (int64_t)endian_get_u64(at) : 0;
}

static struct bytes read_buffer(struct stream *stream, size_t size_max)
{
	int32_t size = read_int(stream);
	const uint8_t *at;

	if (stream->error || size == -1)
		return BYTES_NULL;
	if (size < -1 || (size_t)size > size_max) {
		stream->error = -EBADMSG;
		return BYTES_NULL;
	}
	at = take(stream, (size_t)size);
	return at ? bytes_of(at, (size_t)size) : BYTES_NULL;
}

/* A scheme or an id, of the vector that began at start. */
static void skip_auth_string(struct stream *stream, const uint8_t *start)
{
	size_t used = (size_t)(stream->at - start);

	(void)read_buffer(stream, ZAB_AUTH_SIZE_MAX - used); /* only where it ends */
	if (stream->at - start > ZAB_AUTH_SIZE_MAX)
		stream->error = -EBADMSG; /* by its length field */
}

/* An id is two lengths at least: a count beyond the maximum is refused before its elements come. */
static void read_auth(struct stream *stream, struct zab_packet *packet)
{
	const uint8_t *start;

	packet->auth_count = read_int(stream);
	if (stream->error)
		return;
	if (packet->auth_count < -1 || packet->auth_count > ZAB_AUTH_SIZE_MAX / 8) {
		stream->error = -EBADMSG;
		return;
	}
	start = stream->at;
	for (int32_t i = 0; i < 2 * packet->auth_count && !stream->error; i++)
		skip_auth_string(stream, start);
	packet->auth = bytes_of(start, (size_t)(stream->at - start));
}

int64_t zab_packet_read(struct bytes bytes, size_t data_size_max, struct zab_packet *ret_packet)
{
	const uint8_t *start = bytes.data;
	struct stream stream = {.at = start};
	struct zab_packet packet = {0};

	if (bytes_size(bytes) == 0)
		return 0;
	stream.end = start + bytes_size(bytes);
	packet.type = read_int(&stream);
	packet.zxid = read_long(&stream);
	packet.data = read_buffer(&stream, data_size_max);
	read_auth(&stream, &packet);
	if (stream.error)
		return stream.error == -EAGAIN ? 0 : stream.error;
	ASSERT(stream.at - start >= ZAB_PACKET_SIZE_MIN);
	*ret_packet = packet;
	return stream.at - start;
}

void zab_packet_write(struct buf *buf, const struct zab_packet *packet)
{
	ASSERT(packet->auth_count >= -1);
	ASSERT(packet->auth_count > 0 || bytes_size(packet->auth) == 0);
	jute_write_int(buf, packet->type);
	jute_write_long(buf, packet->zxid);
	jute_write_buffer(buf, packet->data);
	jute_write_int(buf, packet->auth_count);
	buf_append(buf, packet->auth.data, bytes_size(packet->auth));
}

/* ---- what is in data ---- */

static struct jute_reader reader_of(struct bytes data)
{
	struct jute_reader reader;

	jute_reader_init(&reader, data.data, bytes_size(data), bytes_size(data));
	return reader;
}

int zab_learner_info_read(struct bytes data, struct zab_learner_info *ret_info)
{
	struct jute_reader reader = reader_of(data);
	struct zab_learner_info info = {0};

	info.sid = jute_read_long(&reader);
	info.protocol_version = jute_read_int(&reader);
	if (jute_left(&reader) >= 8)
		info.config_version = jute_read_long(&reader);
	if (reader.error)
		return reader.error;
	*ret_info = info;
	return 0;
}

void zab_learner_info_write(struct buf *buf, const struct zab_learner_info *info)
{
	jute_write_long(buf, info->sid);
	jute_write_int(buf, info->protocol_version);
	jute_write_long(buf, info->config_version);
}

int zab_session_read(struct bytes data, struct zab_session *ret_session)
{
	struct jute_reader reader = reader_of(data);
	struct zab_session session;

	session.id = jute_read_long(&reader);
	session.timeout_ms = jute_read_int(&reader);
	if (reader.error)
		return reader.error;
	*ret_session = session;
	return 0;
}

void zab_session_write(struct buf *buf, const struct zab_session *session)
{
	jute_write_long(buf, session->id);
	jute_write_int(buf, session->timeout_ms);
}

int zab_revalidated_read(struct bytes data, session_id_t *ret_id, bool *ret_valid)
{
	struct jute_reader reader = reader_of(data);
	session_id_t id = jute_read_long(&reader);
	bool valid = jute_read_boolean(&reader);

	if (reader.error)
		return reader.error;
	*ret_id = id;
	*ret_valid = valid;
	return 0;
}

void zab_revalidated_write(struct buf *buf, session_id_t id, bool valid)
{
	jute_write_long(buf, id);
	jute_write_boolean(buf, valid);
}

int zab_request_read(struct bytes data, struct zab_request *ret_request)
{
	struct jute_reader reader = reader_of(data);
	struct zab_request request;

	request.session_id = jute_read_long(&reader);
	request.cxid = jute_read_int(&reader);
	request.opcode = jute_read_int(&reader);
	if (reader.error)
		return reader.error;
	request.body = bytes_of(reader.at, jute_left(&reader));
	*ret_request = request;
	return 0;
}

void zab_request_write(struct buf *buf, const struct zab_request *request)
{
	jute_write_long(buf, request->session_id);
	jute_write_int(buf, request->cxid);
	jute_write_int(buf, request->opcode);
	buf_append(buf, request->body.data, bytes_size(request->body));
}
