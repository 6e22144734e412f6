#ifndef FS_OPS_H
#define FS_OPS_H

#include "fs/fs.h"

/*
 * What the kernel asks, dispatched: first to fs/inject.h, which answers the
 * notifier's own requests, then to the module that it belongs to. The user data
 * of the FUSE session is the mount's struct fs. INIT belongs to fs/mount.c.
 */
extern const struct fuse_lowlevel_ops fs_ops;

#endif
