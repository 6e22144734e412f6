#include "t/fuzz/fuzz.h"

#include "replica/zab/packet.h"
#include "src/base/assert.h"
#include "src/base/buf.h"

/*
 * What a peer sends on the quorum port. Claims: a packet is read once all of it
 * is there, and not before; what was read is written to the same bytes; and what
 * is read in its data is too, where that says no more than is known.
 */
enum { DATA_SIZE_MAX = 4096 };

static void check_written(struct buf *buf, struct bytes bytes)
{
	ASSERT(!buf->error);
	ASSERT(buf->size <= bytes_size(bytes));
	ASSERT(bytes_equal(buf_bytes(buf), bytes_of(bytes.data, buf->size)));
	buf_reset(buf);
}

static void check_data(struct buf *buf, struct bytes data)
{
	struct zab_learner_info info;
	struct zab_session session;
	struct zab_request request;
	session_id_t id;
	bool valid;

	if (zab_learner_info_read(data, &info) == 0 && data.size >= 20) {
		zab_learner_info_write(buf, &info);
		check_written(buf, data);
	}
	if (zab_session_read(data, &session) == 0) {
		zab_session_write(buf, &session);
		ASSERT(buf->size == ZAB_SESSION_SIZE);
		check_written(buf, data);
	}
	if (zab_revalidated_read(data, &id, &valid) == 0 && ((const uint8_t *)data.data)[8] <= 1) {
		zab_revalidated_write(buf, id, valid);
		check_written(buf, data);
	}
	if (zab_request_read(data, &request) == 0) {
		zab_request_write(buf, &request);
		ASSERT(buf->size == bytes_size(data));
		check_written(buf, data);
	}
}

/* The size of the packet that bytes begin with, or 0. */
static size_t run_packet(struct buf *buf, struct bytes bytes)
{
	struct zab_packet packet;
	struct zab_packet part;
	int64_t size = zab_packet_read(bytes, DATA_SIZE_MAX, &packet);

	ASSERT(size <= bytes.size);
	if (size <= 0)
		return 0;
	ASSERT(size >= ZAB_PACKET_SIZE_MIN);
	ASSERT(zab_packet_read(bytes_of(bytes.data, (size_t)size - 1), DATA_SIZE_MAX, &part) == 0);
	ASSERT(zab_packet_read(bytes_of(bytes.data, (size_t)size / 2), DATA_SIZE_MAX, &part) == 0);
	ASSERT(bytes_size(packet.data) <= DATA_SIZE_MAX);
	ASSERT(bytes_size(packet.auth) <= ZAB_AUTH_SIZE_MAX);
	ASSERT(zab_packet_name(packet.type)[0] != '\0');
	zab_packet_write(buf, &packet);
	ASSERT(buf->size == (size_t)size);
	check_written(buf, bytes);
	check_data(buf, packet.data);
	return (size_t)size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf buf;
	size_t at = 0;
	size_t step;

	if (size > FUZZ_SIZE_MAX)
		return 0;
	buf_init(&buf, FUZZ_SIZE_MAX);
	do {
		step = run_packet(&buf, bytes_of(data ? data + at : NULL, size - at));
		at += step;
	} while (step > 0);
	buf_release(&buf);
	return 0;
}
