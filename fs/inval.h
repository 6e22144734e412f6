#ifndef FS_INVAL_H
#define FS_INVAL_H

#include <stdint.h>

#include "src/base/bytes.h"

struct fs;

/*
 * Telling the kernel to forget. libfuse's notify functions may wait for locks
 * that a caller of ours holds until we answer it, so they are called by a
 * thread of their own, which shares one queue with the loop and nothing else.
 * ENOENT from the kernel is normal: it held no such thing.
 *
 * inval_inode takes no lock. inval_entry waits for the directory's: those
 * queue behind each other, so the queue of inodes is served first.
 */
struct inval *inval_new(struct fs *fs);
/* Joins the thread; the FUSE session must have been destroyed or unmounted, so that nothing blocks
 * it. */
void inval_free(struct inval *inval);

void inval_inode(struct fs *fs, uint64_t nodeid);
void inval_entry(struct fs *fs, uint64_t parent_nodeid, const char *shown);

#endif
