#ifndef FS_VIRTUAL_H
#define FS_VIRTUAL_H

#include "fs/request.h"

/*
 * The files of .zkfs/, which no znode stands behind.
 *
 * status: one "key value" a line, as it was at the first read.
 *
 *	source 10.0.0.1:2181,10.0.0.2:2181/app
 *	session 0x100001a2b3c0000
 *	state CONNECTED
 *	server 10.0.0.2:2181
 *	mode follower
 *	timeout_ms 10000
 *	zxid 0x500000123
 *	...
 *
 * The mode (fs/srvr.h) is asked for when the session is connected, and at open
 * where the last answer is older than VIRTUAL_MODE_AGE_MAX_MS; the first read
 * waits for it.
 *
 * events: an endless stream, a line a change below the mount's root, from open
 * on: "ZXID CREATED|CHANGED|DELETED PATH". The zxid is in hex, and "-" where
 * the server doesn't tell it (before 3.9); the path is the znode's, relative to
 * the mount. Any number of readers, each with a queue of its own of at most
 * VIRTUAL_QUEUE_SIZE_MAX bytes; who reads too slowly finds the line
 * "- LOST COUNT" where lines are missing. A read waits for a line (O_NONBLOCK:
 * EAGAIN), and poll works.
 */
enum { VIRTUAL_QUEUE_SIZE_MAX = 1 << 20, VIRTUAL_MODE_AGE_MAX_MS = 1000 };

struct virtual *virtual_new(struct fs *fs);
void virtual_free(struct virtual *virtual);

/* The session is connected, maybe to another server; it is no more. */
void virtual_connected(struct fs *fs);
void virtual_disconnected(struct fs *fs);

/* node is NODE_STATUS or NODE_EVENTS. */
void virtual_open(struct request *request, struct node *node, struct fuse_file_info *fi);
void virtual_read(struct request *request, struct node *node, struct fuse_file_info *fi,
		  size_t size, off_t offset);
void virtual_release(struct request *request, struct fuse_file_info *fi);

/* What poll(2) may know now; poll is woken when there is more, and taken over. NULL: it asks once.
 */
unsigned virtual_poll(struct node *node, struct fuse_file_info *fi, struct fuse_pollhandle *poll);

#endif
