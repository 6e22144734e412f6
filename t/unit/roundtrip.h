#ifndef T_UNIT_ROUNDTRIP_H
#define T_UNIT_ROUNDTRIP_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/zk/jute.h"

/*
 * Reads the request, or the response to one, that belongs to an opcode, and
 * appends the record that was read to buf, so that a caller can compare. The
 * error is left in reader; then what is in buf means nothing. False where there
 * is no such opcode (nothing is read).
 */
bool roundtrip_request(int32_t opcode, struct jute_reader *reader, struct buf *buf);
bool roundtrip_response(int32_t opcode, struct jute_reader *reader, struct buf *buf);

#endif
