#ifndef FS_REQUEST_H
#define FS_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs.h"
#include "src/base/buf.h"
#include "src/client/client.h"

/*
 * A FUSE request from its arrival until both its answer has been given and the
 * work that it began has ended. The two may come in either order: a signal
 * (FUSE_INTERRUPT) or a timeout answers the caller at once with EINTR or
 * ETIMEDOUT, while what was sent to the server goes on and its continuation
 * still runs, because own changes must be known whether or not somebody still
 * waits for them. A reply after the first one is dropped silently.
 *
 * While it is unanswered, a request counts in the nodes whose kernel lock its
 * caller holds, so that the notifier passes those over (fs/inject.h):
 *   request_locks_dir    lookup, readdir, create, mknod, mkdir, unlink, rmdir, rename
 *   request_locks_inode  write, fsync, setattr, fallocate
 *
 * Life cycle: request_begin, any number of request_submit (each keeps it alive
 * until its continuation has returned), one request_reply_*; it is freed when
 * it is answered and nothing is in flight for it.
 */
struct request;

struct request {
	struct list link; /* in fs->requests while unanswered */
	struct fs *fs;
	fuse_req_t fuse;
	struct node *dirs[2];
	struct node *inode;
	bool renames_between_dirs;
	bool answered;
	unsigned in_flight;
	bool interrupted;          /* a signal came: the wait ends soon */
	struct deadline *deadline; /* when it ends whatever the server does, or NULL */
	msec_t begun_ms;
	/* Called once when the caller stops waiting (EINTR, ETIMEDOUT), before the answer; may be
	 * NULL. */
	void (*on_withdraw)(struct request *request, int error);
	void *data; /* the handler's own state; freed by the handler's last continuation */
};

struct request *request_begin(struct fs *fs, fuse_req_t fuse);
void request_locks_dir(struct request *request, struct node *dir);
void request_locks_inode(struct request *request, struct node *node);

/* The caller waits no longer than that: on_withdraw, then ETIMEDOUT. */
void request_wait_at_most(struct request *request, uint64_t ms);

/* Keep the request while something else than request_submit will come back to it. */
void request_hold(struct request *request);
void request_drop(struct request *request);

/*
 * Send to the server (client_submit: zk_request is taken over); then runs
 * exactly once, with the final outcome: a LATE one answers the caller with
 * ETIMEDOUT and is not passed on. If the client refuses at once (too large, no
 * server), the caller is answered with that errno and then runs before this
 * returns, with ZK_OUTCOME_TIMED_OUT: it has had no effect.
 */
typedef void (*request_then_fn)(struct request *request, const struct zk_reply *reply, void *data);
void request_submit(struct request *request, struct zk_request *zk_request, request_then_fn then,
		    void *data);

/*
 * The positive errno of a final reply, 0 for success: the code's where there is
 * one, ETIMEDOUT (TIMED_OUT), EIO (UNKNOWN, EXPIRED, CLOSED).
 */
int request_errno(const struct zk_reply *reply);

void request_reply_error(struct request *request, int error); /* 0: success without a body */
void request_reply_entry(struct request *request, struct node *node);
/* These two: false if the kernel didn't take the handle (its caller is gone); release it then. */
bool request_reply_create(struct request *request, struct node *node, struct fuse_file_info *fi);
bool request_reply_open(struct request *request, struct fuse_file_info *fi);
void request_reply_attr(struct request *request, struct node *node);
void request_reply_write(struct request *request, size_t size);
void request_reply_data(struct request *request, const void *data, size_t size);
void request_reply_xattr_size(struct request *request, size_t size);
void request_reply_statfs(struct request *request, const struct statvfs *statfs);
void request_reply_offset(struct request *request, off_t offset);

/* The mount or the session is gone: answer every waiting caller with error. */
void request_fail_all(struct fs *fs, int error);

#endif
