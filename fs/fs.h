#ifndef FS_FS_H
#define FS_FS_H

#include <stdbool.h>
#include <stdint.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "fs/node.h"
#include "fs/options.h"
#include "fs/znode.h"
#include "src/zk/zxid.h"

/*
 * One mount. Everything here runs on one thread, the loop's; the two helpers
 * that may block on the kernel (fs/inval.h, fs/notifier.h) hold nothing of it.
 *
 *	kernel --- mount.c --- ops.c ---+--- namespace.c attr.c dir.c xattr.c   names
 *	                                +--- file.c commit.c                    values
 *	                                +--- virtual.c                          .zkfs/
 *	                                         |
 *	                                      znode.c     what we know of znodes
 *	                                         |
 *	server --- src/client ------------------+
 *	              | watch events
 *	              +--- change.c --- inject.c --- notifier, inval --- kernel
 *
 * Rules that hold everywhere:
 *  1. A FUSE request is answered exactly once, through fs/request.h.
 *  2. No callback of the client and no FUSE handler ever blocks or calls the
 *     kernel about our own mount; that is for the inval thread and the notifier.
 *  3. What a server reply or a watch event says is stored (znode.h) before
 *     anybody is told of it: a racing LOOKUP must see the new state.
 *  4. A znode path is the server's full path, the chroot included. Only
 *     fs/name.h knows how names are shown.
 */
struct fs {
	const struct fs_options *options;
	struct loop *loop;
	struct fuse_session *fuse;
	struct client *client; /* src/client: the session, run over the loop */
	struct znode_cache znodes;
	struct node_table nodes;
	struct files *files; /* open files: fs/file.h */
	struct change *change;
	struct inject *inject;
	struct inval *inval;
	struct virtual *virtual; /* state behind .zkfs/ */
	const char *root_path;   /* the chroot; "/" where there is none */
	struct list requests;    /* struct request, unanswered, oldest first */
	bool session_live;       /* a session is established and its connection is up */
	bool closing;            /* the mount is going: dirty files are being committed */
};

#endif
