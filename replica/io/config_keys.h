#ifndef REPLICA_IO_CONFIG_KEYS_H
#define REPLICA_IO_CONFIG_KEYS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Every key that ZooKeeper 3.9 knows, and what is done with it here:
 *
 *	NUMBER	an int of struct config, within bounds
 *	BOOLEAN	a bool: true or false, anything else is an error
 *	SWITCH	a bool that Java reads from a system property: also yes and no
 *	TEXT	a string
 *	FIXED	one value is supported, and anything else an error
 *	IGNORED	tunes parts that only the Java server has; silently accepted
 *	ABSENT	something this version lacks, and that nobody's safety hangs on:
 *		accepted with a warning
 *	REFUSED	something this version lacks and that somebody relies on: an
 *		error, unless its value switches it off
 *
 * A SYSTEM key is a system property in Java: -D sets it too.
 */
enum config_kind {
	CONFIG_NUMBER,
	CONFIG_BOOLEAN,
	CONFIG_SWITCH,
	CONFIG_TEXT,
	CONFIG_FIXED,
	CONFIG_IGNORED,
	CONFIG_ABSENT,
	CONFIG_REFUSED,
};

struct config_key {
	const char *name; /* one that ends in '*' stands for all that begin so */
	enum config_kind kind;
	bool is_system;
	size_t offset; /* of the field in struct config */
	int min;
	int max;
	const char *value; /* FIXED */
};

/* NULL for a key that nobody knows. "zookeeper.k" finds the SYSTEM key k. */
const struct config_key *config_key_find(const char *name);

#endif
