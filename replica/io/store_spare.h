#ifndef IO_STORE_SPARE_H
#define IO_STORE_SPARE_H

#include "replica/io/store_dir.h"

/*
 * The log segment that will come next, made ahead by the tree worker:
 *
 *	log.<generation>.next.db	an empty segment
 *	log.<generation>.next.db-wal	its WAL, as long as it will get, all of it written
 *	log.<generation>.old.db-wal	the WAL of a segment that is gone, kept for the one after
 *
 * A commit into a WAL that is there already changes neither the length of the
 * file nor what blocks it has, so that its sync writes the data and nothing of
 * the file system: at one transaction a commit that is a third of the CPU, and
 * half of the time. Room that is only reserved (fallocate) doesn't do, as each
 * of its blocks is marked when it is first written. To fill a WAL costs as much
 * as to write it; so one that was used is used again.
 *
 * All of them are void when a process begins (store_dir_remove_void).
 */
struct store_spare {
	bool has_old; /* the tree worker knows a WAL to be kept */
};

/*
 * Make the next segment, of the size that the log's segments have. It lacks the
 * WAL if the disk has no room for it, and works as well, at more cost. -ENOSPC
 * if there is no room even for that; or another error.
 */
int store_spare_make(struct store_spare *spare, const struct store_dir *dir, uint32_t generation,
		     size_t segment_size, struct store_refusal *ret_refusal);

/* Remove a closed segment, durably, and keep its WAL if there is none and nobody reads it. */
int store_spare_recycle(struct store_spare *spare, const struct store_dir *dir, uint32_t generation,
			zxid_t first_zxid, struct store_refusal *ret_refusal);

#endif
