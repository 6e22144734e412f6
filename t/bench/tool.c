#include "t/bench/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/zk/record.h"

void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(1);
}

uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

size_t begin_frame(struct buf *output, int32_t xid, int32_t opcode)
{
	struct zk_request_header header = {.xid = xid, .opcode = opcode};
	size_t begin = output->size;

	jute_write_int(output, 0);
	zk_request_header_write(output, &header);
	return begin;
}

void end_frame(struct buf *output, size_t begin)
{
	ASSERT(!output->error);
	endian_put_u32(output->data + begin, (uint32_t)(output->size - begin - 4));
}

void send_connect(struct buf *output)
{
	static const uint8_t no_password[ZK_PASSWORD_SIZE];
	struct zk_connect_request request = {
		.timeout_ms = 30000,
		.password = bytes_of(no_password, sizeof(no_password)),
		.has_read_only = true,
	};
	size_t begin = output->size;

	jute_write_int(output, 0);
	zk_connect_request_write(output, &request);
	end_frame(output, begin);
}
