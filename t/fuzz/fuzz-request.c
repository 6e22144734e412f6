#include "t/fuzz/fuzz.h"

#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/zk/record.h"
#include "t/unit/roundtrip.h"

/*
 * What a server reads from a client: a frame without its length word. The input
 * is read as a connection's first frame and as a later one. Claim: what decodes
 * encodes to bytes that decode, and encode to themselves.
 */
static int trip_connect(struct bytes bytes, struct buf *buf)
{
	struct zk_connect_request request;
	struct jute_reader reader;

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), FUZZ_SIZE_MAX);
	zk_connect_request_read(&reader, &request);
	if (!reader.error)
		zk_connect_request_write(buf, &request);
	return reader.error;
}

static int trip_request(struct bytes bytes, struct buf *buf)
{
	struct zk_request_header header;
	struct jute_reader reader;

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), FUZZ_SIZE_MAX);
	zk_request_header_read(&reader, &header);
	zk_request_header_write(buf, &header);
	if (!reader.error)
		(void)roundtrip_request(header.opcode, &reader, buf); /* unknown: no record */
	return reader.error;
}

static void check_trip(struct bytes bytes, int (*trip)(struct bytes bytes, struct buf *buf))
{
	struct buf once;
	struct buf twice;

	buf_init(&once, 2 * FUZZ_SIZE_MAX);
	buf_init(&twice, 2 * FUZZ_SIZE_MAX);
	if (trip(bytes, &once) == 0) {
		ASSERT(!once.error);
		ASSERT(trip(buf_bytes(&once), &twice) == 0);
		ASSERT(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));
	}
	buf_release(&once);
	buf_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > FUZZ_SIZE_MAX)
		return 0;
	check_trip(bytes_of(data, size), trip_connect);
	check_trip(bytes_of(data, size), trip_request);
	return 0;
}
