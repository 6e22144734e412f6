#ifndef FS_HANDLE_H
#define FS_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "fs/content.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/opener.h"
#include "src/base/buf.h"
#include "src/base/heap.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/zk/acl.h"

/*
 * What is behind fs/file.h: the open handles of each file, and the commits that
 * they wait for. Private to file.c, open.c, create.c, handle.c, commit.c.
 *
 *  1. A struct file holds its node; it lives while it has handles, is unborn,
 *     or has an error that no fsync has reported.
 *  2. A handle lives until it is released and all that it wrote is known to be
 *     committed or lost.
 *  3. Of one file, one handle commits at a time: two appends of this mount
 *     needn't fight each other over the version.
 *  4. What a handle has uncommitted is bounded by jute.maxbuffer, what all of
 *     them have by FILES_DIRTY_SIZE_MAX: a write beyond it is ENOSPC.
 */
enum {
	FILES_DIRTY_SIZE_MAX = 256 << 20,
	/* Files kept for an unreported error alone; the oldest error is forgotten. */
	FILES_FAILED_MAX = 1024,
	FILE_APPEND_IDLE_MS = 1000,
	/* The client's queue was full; nothing tells when it isn't. */
	FILE_RETRY_MS = 50,
};

struct files {
	struct fs *fs;
	struct list all;    /* struct file */
	struct list failed; /* struct file, without handles, oldest first */
	size_t failed_count;
	size_t dirty_size;
	struct heap idle; /* struct handle, by when it is committed though nobody asked */
	uv_timer_t timer;
	struct map access; /* fs/access.h */
	struct buf acl_memory;
	struct zk_acls acls; /* of what is created */
};

struct file {
	struct list link;
	struct list failed_link;
	struct fs *fs;
	struct node *node;         /* held */
	struct list handles;       /* the one written to last comes first */
	struct list queue;         /* handles that want to commit */
	struct handle *committing; /* the one that does */
	unsigned use_count;
	int error;     /* of a failed commit; no fsync has reported it */
	bool unborn;   /* the server hasn't heard of it */
	bool unlinked; /* through this mount: what is uncommitted is discarded */
	bool gone;     /* deleted or made anew elsewhere, or it never came into being */
	/* While unborn: */
	struct list unborn_link; /* in dir->unborn */
	struct node *dir;        /* held */
	char *shown;             /* its name there */
	int32_t create_flags;    /* enum zk_create_flags */
};

struct handle {
	struct list link; /* in file->handles */
	struct file *file;
	struct content content;
	unsigned use_count;
	pid_t opener; /* the thread group that opened it; 0: not known, or it can't write */
	bool writable;
	bool lost;         /* opened in a session that has expired */
	bool released;     /* the kernel has let go of it */
	bool live_checked; /* its first write found a session */
	bool hidden;       /* made in a mode directory, and not moved to its real name yet */
	int error;         /* a failure that its FLUSH hasn't told */
	size_t accounted;  /* what it adds to files->dirty_size */
	struct heap_entry idle;
	/* The commit: fs/commit.h. */
	struct list queued;       /* in file->queue */
	struct list waiting;      /* who waits for the commit that is queued or under way */
	struct list waiting_next; /* who waits for the one after it */
	struct buf sent;
	int32_t sent_version;
	char *sent_path; /* while something is in flight */
	bool sent_create;
	bool late;  /* no server for the timeout: nobody waits for what is under way any more */
	bool retry; /* it is under way, and waits for room in the client's queue */
};

/* ---- files ---- */

/* The node's, made if need be. */
struct file *file_of(struct fs *fs, struct node *node);
void file_hold(struct file *file);
void file_drop(struct file *file); /* frees it if nothing needs it */

/* A failed commit sticks. */
void file_set_error(struct file *file, int error);
/* What fsync reports, once. */
int file_take_error(struct file *file);

/* It is on the server now, or never will be. */
void file_born(struct file *file, zxid_t czxid);
void file_stillborn(struct file *file);

/* The longest value that a request about the file can hold. */
size_t file_size_max(const struct fs *fs, const char *path);

/* ---- handles ---- */

struct handle *handle_new(struct file *file, int open_flags, pid_t opener);
void handle_hold(struct handle *handle);
void handle_drop(struct handle *handle); /* frees it if nothing needs it */
struct handle *handle_of(const struct fuse_file_info *fi);

/* Has it anything that the server hasn't got: bytes, a truncation, its birth? */
bool handle_is_uncommitted(const struct handle *handle);

/* After each edit, commit, or loss: count its memory, and begin or end its idle time. */
void handle_changed(struct handle *handle);

/* Let it be gone: what is uncommitted is committed (or discarded, where the file says so). */
void handle_release(struct handle *handle);

/* Retry after FILE_RETRY_MS what the client had no room for. */
void handle_retry_later(struct handle *handle);

/* ---- waiting for several things ---- */

struct join;
/* then runs when each join_wait has been followed by join_done, and join_end was called. */
struct join *join_begin(file_then_fn then, void *data);
void join_wait(struct join *join);
void join_done(void *join, int error); /* a file_then_fn; the first error counts */
void join_end(struct join *join);

/* Settle what is uncommitted in this file by the handles of one process (0: by all). */
void file_settle_of(struct file *file, pid_t thread, file_then_fn then, void *data);

#endif
