#include "t/fuzz/fuzz.h"

#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/zk/code.h"
#include "src/zk/record.h"
#include "t/unit/roundtrip.h"

/*
 * What a client reads from a server. The input is the opcode that is answered
 * (an int) and the frame without its length word; the frame is read as the
 * answer to a connect too. The claim is fuzz-request.c's.
 */
static int trip_connect(int32_t opcode, struct bytes bytes, struct buf *buf)
{
	struct zk_connect_response response;
	struct jute_reader reader;

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), FUZZ_SIZE_MAX);
	zk_connect_response_read(&reader, &response);
	if (!reader.error)
		zk_connect_response_write(buf, &response);
	return reader.error;
}

static int trip_response(int32_t opcode, struct bytes bytes, struct buf *buf)
{
	struct zk_reply_header header;
	struct jute_reader reader;

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), FUZZ_SIZE_MAX);
	zk_reply_header_read(&reader, &header);
	zk_reply_header_write(buf, &header);
	if (!reader.error && header.err == ZK_OK)
		(void)roundtrip_response(opcode, &reader, buf); /* unknown: no record */
	return reader.error;
}

static void check_trip(int32_t opcode, struct bytes bytes,
		       int (*trip)(int32_t opcode, struct bytes bytes, struct buf *buf))
{
	struct buf once;
	struct buf twice;

	buf_init(&once, 2 * FUZZ_SIZE_MAX);
	buf_init(&twice, 2 * FUZZ_SIZE_MAX);
	if (trip(opcode, bytes, &once) == 0) {
		ASSERT(!once.error);
		ASSERT(trip(opcode, buf_bytes(&once), &twice) == 0);
		ASSERT(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));
	}
	buf_release(&once);
	buf_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jute_reader reader;
	int32_t opcode;

	if (size > FUZZ_SIZE_MAX)
		return 0;
	jute_reader_init(&reader, data, size, FUZZ_SIZE_MAX);
	opcode = jute_read_int(&reader);
	if (reader.error)
		return 0;
	check_trip(opcode, bytes_of(reader.at, jute_left(&reader)), trip_connect);
	check_trip(opcode, bytes_of(reader.at, jute_left(&reader)), trip_response);
	return 0;
}
