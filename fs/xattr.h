#ifndef FS_XATTR_H
#define FS_XATTR_H

#include "fs/request.h"

/*
 * Extended attributes: user.zk.NAME is what ZooKeeper knows of a znode. They
 * are never listed, for cp -a and tar would copy them. One can be set,
 * user.zk.acl, and one removed, user.zk.data: the data becomes null, and a
 * znode without children so a directory. The names that the kernel and tools
 * ask for by themselves are answered without asking the server.
 */
void xattr_get(struct request *request, struct node *node, const char *name, size_t size);
void xattr_set(struct request *request, struct node *node, const char *name, const void *value,
	       size_t size);
void xattr_remove(struct request *request, struct node *node, const char *name);
void xattr_list(struct request *request, size_t size);

#endif
