#ifndef T_UNIT_FAKE_MOUNT_H
#define T_UNIT_FAKE_MOUNT_H

#include <stdbool.h>

#include "fs/fs.h"

/*
 * A mount of the server in fake-znodes.h: the cache, the nodes, and what hears
 * of changes are the real ones; what they raise is written down. The kernel
 * holds /d with the file /d/f in it; there is /d/old besides.
 */
struct fs *fake_mount_begin(bool by_node);
void fake_mount_end(struct fs *fs);

/* The kernel looks path up, and keeps it. */
struct node *fake_mount_hold(struct fs *fs, const char *path, enum node_kind kind);

/* The events raised since the last look are these: "MODIFY /d/f, DELETE /d/old". */
void assert_raised(const char *events);

#endif
