#ifndef FS_NAMESPACE_H
#define FS_NAMESPACE_H

#include "fs/request.h"

/*
 * Names: looking up, making, removing and renaming. Each takes over a begun
 * request that names the directories whose locks its caller holds.
 *
 * All of them are strict: the server decides whether a name is there, and
 * whether a directory is empty; nothing is ever removed recursively.
 */
void namespace_lookup(struct request *request, struct node *dir, const char *shown);
void namespace_create(struct request *request, struct node *dir, const char *shown,
		      struct fuse_file_info *fi);
void namespace_mknod(struct request *request, struct node *dir, const char *shown, mode_t mode);
void namespace_mkdir(struct request *request, struct node *dir, const char *shown);
void namespace_unlink(struct request *request, struct node *dir, const char *shown);
void namespace_rmdir(struct request *request, struct node *dir, const char *shown);

/* In rename.c. */
void namespace_rename(struct request *request, struct node *dir, const char *shown,
		      struct node *to_dir, const char *to_shown, unsigned flags);

/* In rename-tree.c: what rename does for a directory, once both places are known. */
void namespace_rename_tree(struct request *request, struct bytes from, struct bytes to,
			   bool no_replace);

/* Its name was removed, or replaced, by our own doing. NULL is fine. */
void namespace_unlinked(struct fs *fs, struct node *node);

/* The node of a znode that is there, as its type now says; the parts for that are known. */
struct node *namespace_node(struct fs *fs, const struct znode *znode);

/* A node of another type stands for path now: the kernel is to look it up anew. */
void namespace_retyped(struct fs *fs, struct bytes path);

/*
 * The ACL of what is created: points into buf, which the caller releases. The
 * option was checked when it was read.
 */
struct zk_acls namespace_acls(const struct fs *fs, struct buf *buf);

#endif
