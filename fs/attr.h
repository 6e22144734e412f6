#ifndef FS_ATTR_H
#define FS_ATTR_H

#include "fs/request.h"

/*
 * Attributes (DESIGN.md 3). A size goes to fs/file.h. "Now" as mtime, which is
 * touch(1), is a setData of the same value. Explicit times, modes and owners
 * succeed and change nothing, for tar, cp -a and rsync set them. The root's are
 * there while no server answers, with the times that were known last.
 */
void attr_get(struct request *request, struct node *node);
void attr_set(struct request *request, struct node *node, const struct stat *attr, int to_set,
	      struct fuse_file_info *fi);

/*
 * df(1): within a quota its limits and what is used of them, else the number of
 * znodes and sizes that no server tells, which are there so that the mount is
 * shown, and larger than what is worth checking for. These, too, while no
 * server answers.
 */
void attr_statfs(struct request *request, struct node *node);

#endif
