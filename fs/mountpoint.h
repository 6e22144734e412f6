#ifndef FS_MOUNTPOINT_H
#define FS_MOUNTPOINT_H

#include <stdbool.h>

/*
 * What is mounted where, from /proc/self/mountinfo.
 */

/* The file system type as mountinfo and mount(8) show it. */
#define MOUNTPOINT_TYPE "fuse.zkfs"

/*
 * A daemon that was killed leaves a mount on which every call fails with
 * ENOTCONN. Remove such ones from dir, with all that waits on them. 0, or a
 * negative errno.
 */
int mountpoint_clean(const char *dir);

/* Is dir itself, right now, the root of a zkfs mount? */
bool mountpoint_is_zkfs(const char *dir);

/* Does path (which need not exist yet) lie on a zkfs mount? Data kept there would wait for itself.
 */
bool mountpoint_is_inside_zkfs(const char *path);

#endif
