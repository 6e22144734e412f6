#ifndef FS_DIR_H
#define FS_DIR_H

#include "fs/request.h"

/*
 * Directory streams. One is a snapshot, taken by opendir and again when it is
 * read from the beginning after it has been read (rewinddir): names that come
 * later aren't in it, and its offsets stay valid whatever is removed.
 *
 * Listed are the znode's children but lock contenders, files created here that
 * the server hasn't heard of yet, and .data where it isn't empty. d_type and
 * d_ino are those of stat; the Stats for them are asked for ahead of the
 * reader, many at a time. What has gone meanwhile is left out.
 */
void dir_open(struct request *request, struct node *dir, struct fuse_file_info *fi);
void dir_read(struct request *request, struct fuse_file_info *fi, size_t size, off_t offset);
void dir_release(struct request *request, struct fuse_file_info *fi);

/* fsync of a directory: ZooKeeper's sync. What is read afterwards is at least as new as the leader
 * was. */
void dir_sync(struct request *request, struct node *dir);

#endif
