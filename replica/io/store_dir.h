#ifndef IO_STORE_DIR_H
#define IO_STORE_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/io/store.h"
#include "src/zk/zxid.h"

/*
 * The directories of a store and the names in them:
 *
 *	dataDir/zkfs-1/state.db
 *	dataDir/zkfs-1/tree.<generation>.db
 *	dataLogDir/zkfs-1/log.<generation>.<first zxid, 16 hex digits>.db
 *
 * and, while it is made, a file that has no name yet: state.new.db,
 * tree.new.db, log.<generation>.next.db, log.<generation>.now.db. Beside each
 * SQLite keeps its own (-wal, -shm, -journal).
 *
 * A directory stays locked while it is open. The lock is flock(2)'s on the
 * directory itself, so it ends with the process, whatever kills that.
 */
struct store_dir {
	const char *vfs;
	const char *append_vfs; /* store_append.h's over vfs, for the log's writer */
	char *data;             /* dataDir/zkfs-1 */
	char *log;              /* dataLogDir/zkfs-1 */
	int data_fd;            /* both locked, and synced after a rename */
	int log_fd;             /* data_fd, if it is the same directory */
	bool is_new;            /* there is no state.db */
};

/*
 * Make what is missing, lock, and look for what forbids to go on: a directory
 * of a newer format, a state.db without the log's directory. vfs must live as
 * long as dir.
 */
int store_dir_open(struct store_dir *dir, const struct store_options *options,
		   struct store_refusal *ret_refusal);
/* Takes one that store_dir_open failed on. */
void store_dir_close(struct store_dir *dir);

/* The caller frees them. */
char *store_dir_state(const struct store_dir *dir);
char *store_dir_new_state(const struct store_dir *dir);
char *store_dir_tree(const struct store_dir *dir, uint32_t generation);
char *store_dir_new_tree(const struct store_dir *dir);
char *store_dir_log(const struct store_dir *dir, uint32_t generation, zxid_t first_zxid);
/* made_when is "next" or "now": who makes it. */
char *store_dir_new_log(const struct store_dir *dir, uint32_t generation, const char *made_when);

bool store_dir_has(const char *path);

/* A WAL whose segment is gone, kept for the next; as if a database were beside it. */
char *store_dir_old_log(const struct store_dir *dir, uint32_t generation);

/* Give a closed database its name, durably, and a WAL that was made for it one beside it. */
int store_dir_rename(const struct store_dir *dir, const char *from, const char *to,
		     struct store_refusal *ret_refusal);

/* Remove a closed database, durably, with what SQLite keeps beside it. */
int store_dir_remove(const struct store_dir *dir, const char *path,
		     struct store_refusal *ret_refusal);

/*
 * As that, but its WAL gets the name of the WAL of kept, where nothing may be.
 * Whether it had one.
 */
int store_dir_remove_but_wal(const struct store_dir *dir, const char *path, const char *kept,
			     bool *ret_has_wal, struct store_refusal *ret_refusal);

/* The first zxids of a generation's log segments, ascending; the caller frees them. */
int store_dir_list_logs(const struct store_dir *dir, uint32_t generation, zxid_t **ret_zxids,
			size_t *ret_count, struct store_refusal *ret_refusal);

/* Remove the log segments of a generation whose first zxids are from min to max. */
int store_dir_remove_logs(const struct store_dir *dir, uint32_t generation, zxid_t min, zxid_t max,
			  struct store_refusal *ret_refusal);

/* Remove everything of one generation, which nobody has open. */
int store_dir_remove_generation(const struct store_dir *dir, uint32_t generation,
				struct store_refusal *ret_refusal);

/*
 * Remove what is not of this generation, and what was being made or removed
 * when a process ended. Only after everything of this generation was found good.
 */
int store_dir_remove_void(const struct store_dir *dir, uint32_t generation,
			  struct store_refusal *ret_refusal);

/* For a new directory: 0 if no file of a store is in it but tree.1.db, else -EBADMSG. */
int store_dir_check_new(const struct store_dir *dir, struct store_refusal *ret_refusal);

#endif
