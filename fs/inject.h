#ifndef FS_INJECT_H
#define FS_INJECT_H

#include <stdbool.h>
#include <sys/types.h>

#include "fs/fs.h"
#include "fs/notifier.h"
#include "fs/request.h"

/*
 * Raising inotify events: the queue of changes that the notifier (notifier.h)
 * is to perform on the mount, and the answers to the requests that come back
 * from it. See DESIGN.md 5.
 *
 *  1. One FIFO a directory. A directory that is locked by an unanswered
 *     request is passed over, but for at most 100 ms while the server answers.
 *  2. The notifier's requests are answered from here and change nothing.
 *  3. Beyond INJECT_COUNT_MAX commands a directory's names are compared with
 *     the server instead (fs/overflow.h); what else waits is bounded by the
 *     inodes that the kernel holds.
 *  4. No reply to anybody else waits for the notifier, but the first FLUSH of
 *     a file that was created in a mode directory (inject_when_revealed).
 */
enum { INJECT_COUNT_MAX = 100000, INJECT_PASS_OVER_MS = 100 };

struct inject *inject_new(struct fs *fs);
void inject_free(struct inject *inject);

/*
 * The mount is at dir: begin to work. Without a notifier process everything here
 * is off. then runs once, when it is known which; until then the notifier
 * looks at the mount by name, and an umount would be EBUSY.
 */
void inject_attach(struct fs *fs, struct notifier *notifier, const char *dir,
		   void (*then)(void *data), void *data);
/* NULL while it works; else why inotify is off, for .zkfs/status. */
const char *inject_off_reason(const struct fs *fs);

/*
 * What change.c queues. dir is the live directory, path the znode's. Whether a
 * created one is a file or a directory is asked of znode.h when its turn comes.
 */
void inject_created(struct fs *fs, struct node *dir, struct bytes path);
/* node is what the kernel had under that name, NULL if nothing is known of it. */
void inject_deleted(struct fs *fs, struct node *dir, struct bytes path, struct node *node,
		    bool was_dir);
void inject_modified(struct fs *fs, struct node *node);
/* An own create or delete, which the kernel has raised. */
void inject_own(struct fs *fs, struct bytes path, bool is_there);
/* The server is back. */
void inject_resume(struct fs *fs);

/*
 * Does a change of this directory wait? Then the kernel may keep no name in it:
 * what is deleted and made anew is deleted by the name that it has again.
 */
bool inject_is_behind(const struct fs *fs, const struct node *dir);

/*
 * A file was created in a mode directory and is open there as mode_dir/shown:
 * move the kernel's entry to where it really is, dir/name.
 */
void inject_reveal(struct fs *fs, struct node *mode_dir, const char *shown, struct node *node);
/* Runs then when that has been done or given up; at once where nothing is under way. */
void inject_when_revealed(struct fs *fs, struct node *node, void (*then)(void *data), void *data);

/*
 * Requests of the notifier. ops.c asks for each request first; true: it was
 * answered here.
 */
bool inject_takes_lookup(struct fs *fs, fuse_req_t fuse, struct node *dir, const char *shown);
bool inject_takes_getattr(struct fs *fs, fuse_req_t fuse, struct node *node);
bool inject_takes_setattr(struct fs *fs, fuse_req_t fuse, struct node *node);
bool inject_takes_mknod(struct fs *fs, fuse_req_t fuse, struct node *dir, const char *shown,
			mode_t mode);
bool inject_takes_remove(struct fs *fs, fuse_req_t fuse, struct node *dir, const char *shown);
bool inject_takes_rename(struct fs *fs, fuse_req_t fuse, struct node *dir, const char *shown,
			 struct node *to_dir, const char *to_shown);
bool inject_takes_open(struct fs *fs, fuse_req_t fuse, struct node *node,
		       struct fuse_file_info *fi);
/* FLUSH and RELEASE carry no pid that can be trusted: fi->fh says whose handle it is. */
bool inject_takes_handle(struct fs *fs, fuse_req_t fuse, struct fuse_file_info *fi);

/* A lock that kept a directory waiting was released, or the notifier is idle: go on. */
void inject_pump(struct fs *fs);

#endif
