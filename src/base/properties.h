#ifndef BASE_PROPERTIES_H
#define BASE_PROPERTIES_H

#include <stddef.h>

/*
 * Java's properties syntax (java.util.Properties.load), in which zoo.cfg and
 * its dynamic file are written: `key=value`, `key:value` or `key value`, lines
 * that begin with '#' or '!' are comments, a backslash at the end joins a line
 * with the next, \t \n \r \f \uXXXX and \<character> are escapes. Keys and
 * values are trimmed, and of several lines with one key the last one counts,
 * as ZooKeeper has it (QuorumPeerConfig.parseProperties).
 *
 * One difference: bytes above 127 are kept as they are (UTF-8 paths work),
 * where Java reads Latin-1.
 *
 *	struct properties properties;
 *
 *	properties_init(&properties);
 *	if (properties_parse(&properties, text, size) < 0)
 *		... properties.error_line, properties.error
 *	properties_release(&properties);
 */
enum {
	PROPERTIES_SIZE_MAX = 1 << 20, /* of the text */
	PROPERTIES_COUNT_MAX = 4096,
};

struct property {
	char *key;
	char *value;
	int line; /* where it begins, from 1 */
};

struct properties {
	struct property *entries; /* in the order of their keys' first lines */
	size_t count;
	/* After a failure: what is wrong, and in which line. */
	const char *error;
	int error_line;
};

void properties_init(struct properties *properties);
void properties_release(struct properties *properties);

/* 0, or -EINVAL with error and error_line set. Call it once. */
int properties_parse(struct properties *properties, const char *text, size_t size);

/* NULL if the key is not there. */
const struct property *properties_find(const struct properties *properties, const char *key);

#endif
