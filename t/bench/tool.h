#ifndef T_BENCH_TOOL_H
#define T_BENCH_TOOL_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"

/* What the programs share that put a load on servers. */

/* Ends the program with a sentence. */
_Noreturn void die(const char *what);

/* Microseconds of a clock that nobody sets. */
uint64_t clock_us(void);

/* A request's frame from its length to its header; where it begins. Its record follows. */
size_t begin_frame(struct buf *output, int32_t xid, int32_t opcode);
/* It ends where output does: puts its length in. */
void end_frame(struct buf *output, size_t begin);

/* What a new session begins with: a frame that asks for 30 seconds. */
void send_connect(struct buf *output);

#endif
