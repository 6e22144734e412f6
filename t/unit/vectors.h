#ifndef T_UNIT_VECTORS_H
#define T_UNIT_VECTORS_H

#include <stddef.h>

#include "src/base/bytes.h"

/*
 * Golden bytes from running servers (t/unit/vectors-*.txt). A line is
 * "DIRECTION HEX  NOTE", where DIRECTION is one of > < =; what begins with '#'
 * is a comment, and kept as an item of that direction without bytes.
 */
struct vector {
	char direction;
	struct bytes bytes; /* each in an allocation of exactly its size */
	char *note;
	int line;
};

struct vectors {
	struct vector *items;
	size_t count;
};

/* Of t/unit/NAME in the source tree. Ends the process with a sentence if it can't be read. */
void vectors_load(struct vectors *vectors, const char *name);
void vectors_release(struct vectors *vectors);

#endif
