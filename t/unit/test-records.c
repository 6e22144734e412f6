#include "t/unit/cmocka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"
#include "src/base/prng.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"
#include "t/unit/roundtrip.h"
#include "t/unit/vectors.h"

/*
 * Captured frames, taken apart and put together again. A frame is its length
 * word, a header and a record; the first of a connection has no header.
 */
enum { SIZE_MAX_TEST = 1 << 20 };

enum frame_kind {
	FRAME_CONNECT_REQUEST,
	FRAME_CONNECT_RESPONSE,
	FRAME_REQUEST,
	FRAME_RESPONSE,
};

struct frame {
	enum frame_kind kind;
	int32_t opcode;    /* of the request, or of the one that is answered */
	struct bytes body; /* without the length word */
	const char *note;
};

static void trip_connect_request(struct jute_reader *reader, struct buf *buf)
{
	struct zk_connect_request request;

	zk_connect_request_read(reader, &request);
	if (!reader->error)
		zk_connect_request_write(buf, &request);
}

static void trip_connect_response(struct jute_reader *reader, struct buf *buf)
{
	struct zk_connect_response response;

	zk_connect_response_read(reader, &response);
	if (!reader->error)
		zk_connect_response_write(buf, &response);
}

static void trip_request(int32_t opcode, struct jute_reader *reader, struct buf *buf)
{
	struct zk_request_header header;

	zk_request_header_read(reader, &header);
	zk_request_header_write(buf, &header);
	(void)roundtrip_request(opcode, reader, buf); /* an unknown opcode has no record */
}

/* A record follows only where there was no error; multiRead's -5 is none of ours. */
static void trip_response(int32_t opcode, struct jute_reader *reader, struct buf *buf)
{
	struct zk_reply_header header;

	zk_reply_header_read(reader, &header);
	zk_reply_header_write(buf, &header);
	if (header.err == ZK_OK)
		(void)roundtrip_response(opcode, reader, buf);
}

static void trip_frame(const struct frame *frame, struct jute_reader *reader, struct buf *buf)
{
	switch (frame->kind) {
	case FRAME_CONNECT_REQUEST:
		trip_connect_request(reader, buf);
		break;
	case FRAME_CONNECT_RESPONSE:
		trip_connect_response(reader, buf);
		break;
	case FRAME_REQUEST:
		trip_request(frame->opcode, reader, buf);
		break;
	case FRAME_RESPONSE:
		trip_response(frame->opcode, reader, buf);
		break;
	}
}

/* ---- the captured frames ---- */

typedef void (*frame_visitor)(const struct frame *frame);

static int32_t int_at(struct bytes bytes, size_t offset)
{
	struct jute_reader reader;

	assert_true(offset <= bytes_size(bytes));
	jute_reader_init(&reader, (const uint8_t *)bytes.data + offset, bytes_size(bytes) - offset,
			 SIZE_MAX_TEST);
	return jute_read_int(&reader);
}

static struct bytes body_of(const struct vector *vector)
{
	assert_int_equal(int_at(vector->bytes, 0), vector->bytes.size - 4);
	return bytes_of((const uint8_t *)vector->bytes.data + 4, bytes_size(vector->bytes) - 4);
}

/* The opcode of the latest request with this reply's xid. */
static int32_t opcode_of_reply(const struct vectors *vectors, size_t index)
{
	int32_t xid = int_at(vectors->items[index].bytes, 4);

	if (xid == ZK_XID_NOTIFICATION)
		return ZK_OP_NOTIFICATION;
	while (index-- > 0) {
		const struct vector *vector = &vectors->items[index];

		if (vector->direction == '>' && int_at(vector->bytes, 4) == xid)
			return int_at(vector->bytes, 8);
	}
	fail_msg("no request has xid %d", xid);
	return 0;
}

static struct frame frame_at(const struct vectors *vectors, size_t index)
{
	const struct vector *vector = &vectors->items[index];
	struct frame frame = {.body = body_of(vector), .note = vector->note};
	bool is_request = vector->direction == '>';

	if (strcmp(vector->note, "connect") == 0) {
		frame.kind = is_request ? FRAME_CONNECT_REQUEST : FRAME_CONNECT_RESPONSE;
	} else if (is_request) {
		frame.kind = FRAME_REQUEST;
		frame.opcode = int_at(frame.body, 4);
	} else {
		frame.kind = FRAME_RESPONSE;
		frame.opcode = opcode_of_reply(vectors, index);
	}
	return frame;
}

static int each_captured_frame(frame_visitor visit)
{
	struct vectors vectors;
	int count = 0;

	vectors_load(&vectors, "vectors-client.txt");
	for (size_t i = 0; i < vectors.count; i++) {
		struct frame frame;

		if (vectors.items[i].direction == '#')
			continue;
		frame = frame_at(&vectors, i);
		visit(&frame);
		count++;
	}
	vectors_release(&vectors);
	return count;
}

/* The one request of the exchange that was sent broken on purpose. */
static bool is_undecodable(const struct frame *frame)
{
	return frame->kind == FRAME_REQUEST && strstr(frame->note, "undecodable");
}

static void encodes_to_its_bytes(const struct frame *frame)
{
	struct jute_reader reader;
	struct buf buf;

	jute_reader_init(&reader, frame->body.data, bytes_size(frame->body), SIZE_MAX_TEST);
	buf_init(&buf, SIZE_MAX_TEST);
	trip_frame(frame, &reader, &buf);
	if (is_undecodable(frame)) {
		assert_int_equal(reader.error, -EBADMSG);
	} else {
		if (reader.error)
			fail_msg("%s: does not decode", frame->note);
		if (!bytes_equal(buf_bytes(&buf), frame->body))
			fail_msg("%s: encoded otherwise", frame->note);
		assert_int_equal(jute_left(&reader), 0);
	}
	buf_release(&buf);
}

static void captured_frames_encode_to_their_bytes(void **state)
{
	assert_int_equal(each_captured_frame(encodes_to_its_bytes), 139);
}

static bool opcodes_seen[256];

static void note_opcode(const struct frame *frame)
{
	if (frame->kind == FRAME_RESPONSE && frame->opcode >= 0 && frame->opcode < 256)
		opcodes_seen[frame->opcode] = true;
}

/* If a capture without one of them replaced this one, the test above would prove less. */
static void every_operation_of_clients_is_among_them(void **state)
{
	static const int opcodes[] = {0,  1,  2,   3,   4,   5,   6,   7,   8,   9,
				      11, 12, 13,  14,  15,  16,  17,  18,  19,  20,
				      21, 22, 100, 101, 102, 103, 104, 105, 106, 107};

	(void)each_captured_frame(note_opcode);
	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		if (!opcodes_seen[opcodes[i]])
			fail_msg("no %s", zk_opcode_name(opcodes[i]));
	}
}

/* ---- malformed ---- */

/* In an allocation of exactly size bytes, for ASan to guard. */
static uint8_t *copy(struct bytes bytes, size_t size)
{
	return memcpy(mem_alloc(size), bytes.data, size);
}

static int decode_error(const struct frame *frame, const void *data, size_t size)
{
	struct jute_reader reader;
	struct buf buf;

	jute_reader_init(&reader, data, size, SIZE_MAX_TEST);
	buf_init(&buf, SIZE_MAX_TEST);
	trip_frame(frame, &reader, &buf);
	buf_release(&buf);
	return reader.error;
}

static bool may_end_at(const struct frame *frame, size_t size)
{
	bool is_connect =
		frame->kind == FRAME_CONNECT_REQUEST || frame->kind == FRAME_CONNECT_RESPONSE;

	return is_connect && size == bytes_size(frame->body) - 1; /* the readOnly byte */
}

static void refuse_each_cut(const struct frame *frame)
{
	if (is_undecodable(frame))
		return;
	for (size_t size = 0; size < bytes_size(frame->body); size++) {
		uint8_t *part = copy(frame->body, size);

		if ((decode_error(frame, part, size) == 0) != may_end_at(frame, size))
			fail_msg("%s: %zu bytes of %d", frame->note, size, frame->body.size);
		free(part);
	}
}

static void a_frame_cut_anywhere_is_refused(void **state)
{
	(void)each_captured_frame(refuse_each_cut);
}

static void ignore_what_is_behind(const struct frame *frame)
{
	size_t size = bytes_size(frame->body);
	uint8_t *longer;

	if (is_undecodable(frame))
		return;
	longer = mem_zalloc(size + 3);
	memcpy(longer, frame->body.data, size);
	assert_int_equal(decode_error(frame, longer, size + 3), 0);
	free(longer);
}

/* ZooKeeper does: a newer client may have more fields. */
static void bytes_behind_a_record_are_no_error(void **state)
{
	(void)each_captured_frame(ignore_what_is_behind);
}

static struct prng prng;

static void survive_damage(const struct frame *frame)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
	size_t size = bytes_size(frame->body);

	for (int round = 0; round < 200; round++) {
		uint8_t *damaged = copy(frame->body, size);

		for (uint64_t n = 1 + prng_below(&prng, 4); n > 0; n--)
			damaged[prng_below(&prng, size)] = edges[prng_below(&prng, sizeof(edges))];
		(void)decode_error(frame, damaged, size); /* either answer; ASan judges the way */
		free(damaged);
	}
}

static void damaged_frames_are_read_within_their_bytes(void **state)
{
	prng_init(&prng, 1);
	(void)each_captured_frame(survive_damage);
}

/* ---- single rules ---- */

#define SPAN(literal) bytes_of(literal, sizeof(literal) - 1)

static struct jute_reader reader_of(struct bytes bytes)
{
	struct jute_reader reader;

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), SIZE_MAX_TEST);
	return reader;
}

static void connect_works_with_and_without_read_only(void **state)
{
	struct zk_connect_request request = {.timeout_ms = 10000,
					     .password = SPAN("0123456789abcdef")};
	struct zk_connect_request got;
	struct jute_reader reader;
	struct buf buf;

	for (int has = 0; has <= 1; has++) {
		request.has_read_only = has;
		request.read_only = has;
		buf_init(&buf, SIZE_MAX_TEST);
		zk_connect_request_write(&buf, &request);
		assert_int_equal(buf.size, 44 + has);
		reader = reader_of(buf_bytes(&buf));
		zk_connect_request_read(&reader, &got);
		assert_int_equal(reader.error, 0);
		assert_int_equal(got.has_read_only, has);
		assert_int_equal(got.read_only, has);
		assert_int_equal(got.timeout_ms, 10000);
		buf_release(&buf);
	}
}

static void sizes_are_what_the_constants_say(void **state)
{
	struct zk_stat stat = {0};
	struct zk_reply_header reply = {0};
	struct zk_multi_header multi = {0};
	struct buf buf;

	buf_init(&buf, SIZE_MAX_TEST);
	zk_stat_write(&buf, &stat);
	assert_int_equal(buf.size, ZK_STAT_SIZE);
	buf_reset(&buf);
	zk_reply_header_write(&buf, &reply);
	assert_int_equal(buf.size, ZK_REPLY_HEADER_SIZE);
	buf_reset(&buf);
	zk_multi_header_write(&buf, &multi);
	assert_int_equal(buf.size, ZK_MULTI_HEADER_SIZE);
	buf_release(&buf);
}

static void null_and_empty_stay_apart(void **state)
{
	struct zk_set_data_request request;
	struct jute_reader reader = reader_of(SPAN("\377\377\377\377\0\0\0\0\0\0\0\7"));

	zk_set_data_request_read(&reader, &request);
	assert_int_equal(reader.error, 0);
	assert_true(bytes_is_null(request.path));
	assert_false(bytes_is_null(request.data));
	assert_int_equal(request.data.size, 0);
	assert_int_equal(request.version, 7);
}

/* What a version 3.4 client's setWatches leaves out is no list, not an empty one. */
static void set_watches_has_no_persistent_lists(void **state)
{
	struct zk_set_watches watches;
	struct jute_reader reader = reader_of(SPAN("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0"));

	zk_set_watches_read(&reader, &watches);
	assert_int_equal(reader.error, 0);
	assert_int_equal(watches.child.count, 0);
	assert_int_equal(watches.persistent.count, -1);
	assert_int_equal(watches.persistent_recursive.count, -1);
}

static void a_full_buffer_gets_no_part_of_a_frame_more(void **state)
{
	struct zk_get_data_response response = {.data = SPAN("value")};
	struct buf buf;

	for (size_t size_max = 0; size_max < 4 + 5 + ZK_STAT_SIZE; size_max++) {
		buf_init(&buf, size_max);
		zk_get_data_response_write(&buf, &response);
		assert_int_equal(buf.error, -ENOBUFS);
		assert_true(buf.size <= size_max);
		buf_release(&buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captured_frames_encode_to_their_bytes),
		cmocka_unit_test(every_operation_of_clients_is_among_them),
		cmocka_unit_test(a_frame_cut_anywhere_is_refused),
		cmocka_unit_test(bytes_behind_a_record_are_no_error),
		cmocka_unit_test(damaged_frames_are_read_within_their_bytes),
		cmocka_unit_test(connect_works_with_and_without_read_only),
		cmocka_unit_test(sizes_are_what_the_constants_say),
		cmocka_unit_test(null_and_empty_stay_apart),
		cmocka_unit_test(set_watches_has_no_persistent_lists),
		cmocka_unit_test(a_full_buffer_gets_no_part_of_a_frame_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
