#ifndef FS_FILE_H
#define FS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs.h"
#include "fs/request.h"

/*
 * Open files and their values (DESIGN.md 3, "Reading and writing"). struct
 * file is what all handles of one node share: the handles, a failure that
 * sticks until fsync reports it, and, for a new file, that the server hasn't
 * heard of it yet ("unborn"). Regular files are opened with FOPEN_DIRECT_IO, so
 * every read(2) and write(2) comes here and each handle has a value of its own.
 *
 * A commit is one write to the server: create, setData, or the retried
 * read-modify-write of an append. At most one commit of a handle is in flight,
 * and it is never sent twice: what became of it is known before anything else
 * of the same handle is sent.
 */

/* State of all open files of a mount: fs->files. */
struct files *files_new(struct fs *fs);
/*
 * After the FUSE session and the client are gone: frees the handles that were
 * never released, too. The memory itself goes when the loop closes the timer.
 */
void files_free(struct files *files);

/* ---- FUSE operations (fs/ops.c calls these; node is NODE_FILE or NODE_DATA) ---- */

void file_open(struct request *request, struct node *node, struct fuse_file_info *fi);

/*
 * open(O_CREAT) of a name that is not there, and mknod of a regular file (fi
 * NULL: made at once). path is the znode's (for a sequential mode: without the
 * digits). dir is where the kernel sees it created: a directory, or a mode
 * directory whose mode says how.
 */
void file_create(struct request *request, struct node *dir, const char *shown_name,
		 struct bytes path, const struct create_mode *mode, struct fuse_file_info *fi);
void file_read(struct request *request, struct fuse_file_info *fi, size_t size, off_t offset);
void file_write(struct request *request, struct fuse_file_info *fi, const void *data, size_t size,
		off_t offset);
void file_flush(struct request *request, struct fuse_file_info *fi);
void file_fsync(struct request *request, struct fuse_file_info *fi);
void file_release(struct request *request, struct fuse_file_info *fi);
void file_lseek(struct request *request, struct fuse_file_info *fi, off_t offset, int whence);
void file_fallocate(struct request *request, struct fuse_file_info *fi, int mode, off_t offset,
		    off_t size);
void file_copy_range(struct request *request, struct fuse_file_info *in, off_t in_offset,
		     struct fuse_file_info *out, off_t out_offset, size_t size);
/* fi NULL: truncate(2), by path. The reply is the attributes. */
void file_truncate(struct request *request, struct node *node, struct fuse_file_info *fi,
		   off_t size);

/* ---- what the namespace asks and tells ---- */

/* Created here, and not on the server yet. Such a node has no znode; lookup, stat and readdir show
 * it. */
bool file_is_unborn(const struct node *node);

/* The unborn files of a directory in the order of creation, D/.data too; NULL at the end. */
struct node *file_unborn_first(const struct node *dir);
struct node *file_unborn_next(const struct node *dir, const struct node *node);

/* The size that stat shows: the uncommitted one while there is one. False: the znode's. */
bool file_uncommitted_size(const struct node *node, uint64_t *ret_size);

/*
 * Commit what is uncommitted, birth included, before something else is done
 * with the node (rename, lock, setattr, rmdir or rename of its directory, an
 * open of it by the same process). then gets 0 or the errno of the failure; at
 * once where there is nothing to do.
 */
typedef void (*file_then_fn)(void *data, int error);
void file_settle(struct fs *fs, struct node *node, file_then_fn then, void *data);
/* All unborn files of a directory. */
void file_settle_dir(struct fs *fs, struct node *dir, file_then_fn then, void *data);

/* Unlinked through this mount: later commits are discarded silently. An unborn file is just gone.
 */
void file_unlinked(struct fs *fs, struct node *node);
/* Deleted, or made anew, elsewhere: later commits are ESTALE. */
void file_gone(struct fs *fs, struct node *node);

/*
 * A lock of this handle was granted: its value becomes the newest if it is
 * clean, as in NFS. then gets 0 or the errno of what the server said.
 */
void file_refresh(struct fs *fs, struct fuse_file_info *fi, file_then_fn then, void *data);

/* The session expired: handles opened before it get EIO from now on. */
void file_session_lost(struct fs *fs);

/* The mount is going: commit all that is dirty or unborn; then runs when all is known. */
void file_commit_all(struct fs *fs, file_then_fn then, void *data);
/* The client is gone, nothing can be committed any more: free all handles. */
void file_release_all(struct fs *fs);

#endif
