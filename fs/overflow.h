#ifndef FS_OVERFLOW_H
#define FS_OVERFLOW_H

#include <stdbool.h>

#include "src/base/bytes.h"

struct fs;
struct node;

/*
 * Directories of which more is to be announced than can be kept. Instead of
 * its events, the list of its names is kept: once all that waited for it has
 * been raised, the server is asked for the list that it has now, and each
 * difference is raised.
 *
 *	event too many ---> asked for the list ---> what waits is raised
 *	                                              |
 *	over <--- nothing left out <--- compared <--- drained
 *
 * As replies come in the order of the events, the first list, less the names
 * that were left out before it came, is what will have been announced when the
 * directory has been drained.
 */
struct overflow;

/* Raise that path has come into being, or has gone. False: there is no room for it now. */
typedef bool (*overflow_raise_fn)(void *data, struct node *dir, struct bytes path, bool is_there);
/* Has all been raised that waits for this directory, and is there room? */
typedef bool (*overflow_is_drained_fn)(void *data, const struct node *dir);

struct overflow *overflow_new(struct fs *fs, overflow_raise_fn raise,
			      overflow_is_drained_fn is_drained, void *data);
void overflow_free(struct overflow *overflow); /* NULL is fine */

/* An event too many; overflow_pump goes on. Idempotent. */
void overflow_begin(struct overflow *overflow, struct node *dir);

/* Are its events left out now? Then each is told here, and to the watchers by the comparison. */
bool overflow_is_marked(const struct overflow *overflow, const struct node *dir);
void overflow_left_out(struct overflow *overflow, const struct node *dir, struct bytes name,
		       bool is_there);

/* Would it be told that this name has gone? Not of one whose beginning wasn't told. */
bool overflow_knows(const struct overflow *overflow, const struct node *dir, struct bytes name);

/* It has been told otherwise: an own change, or one that is raised all the same. */
void overflow_told(struct overflow *overflow, const struct node *dir, struct bytes name,
		   bool is_there);

/* Something was raised, or the server is back: compare what is drained. */
void overflow_pump(struct overflow *overflow);

#endif
