#include "replica/io/store_spare.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "replica/io/store_db.h"
#include "replica/io/store_segment.h"
#include "replica/io/store_wal.h"
#include "src/base/mem.h"

enum {
	/*
	 * The kernel caches what is written at once in pages as large, and counts such a
	 * page as written whole whenever a part of it is.
	 */
	FILL_SIZE = 8 << 10,
	/* Synced at a time, so that the log's own syncs don't wait long. */
	SYNC_SIZE = 8 << 20,
	/* The disk must have room for so many WALs, or none is made ahead. */
	ROOM_FACTOR = 2,
};

/* ---- the WAL ---- */

/* Through SQLite's VFS, as whatever the database is. */
static int open_wal(const struct store_dir *dir, const char *path, sqlite3_file **ret_file)
{
	sqlite3_vfs *files = sqlite3_vfs_find(dir->vfs);
	sqlite3_file *file = mem_zalloc((size_t)files->szOsFile);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL;
	int code = files->xOpen(files, path, file, flags, NULL);

	if (code != SQLITE_OK)
		free(file);
	else
		*ret_file = file;
	return code;
}

static void close_wal(sqlite3_file *file)
{
	(void)file->pMethods->xClose(file); /* it was synced */
	free(file);
}

static int fill_from(sqlite3_file *file, sqlite3_int64 at, sqlite3_int64 size)
{
	char *zeros = mem_zalloc(FILL_SIZE);
	int code = SQLITE_OK;

	while (code == SQLITE_OK && at < size) {
		sqlite3_int64 part = size - at < FILL_SIZE ? size - at : FILL_SIZE;

		code = file->pMethods->xWrite(file, zeros, (int)part, at);
		at += part;
		if (code == SQLITE_OK && (at == size || at % SYNC_SIZE < FILL_SIZE))
			code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	}
	free(zeros);
	return code;
}

/* The mark first: what lies behind it is no WAL any more. */
static int fill(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_int64 at;
	int code;

	code = file->pMethods->xWrite(file, STORE_WAL_MARK, STORE_WAL_HEADER_SIZE, 0);
	if (code == SQLITE_OK)
		code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	if (code == SQLITE_OK)
		code = file->pMethods->xFileSize(file, &at);
	return code == SQLITE_OK ? fill_from(file, at, size) : code;
}

static bool disk_has_room(const struct store_dir *dir, size_t size)
{
	struct statvfs disk;

	/* One that doesn't say has room; it will say when it has none. */
	return statvfs(dir->log, &disk) != 0 ||
	       (uint64_t)disk.f_bavail * disk.f_frsize >= (uint64_t)size * ROOM_FACTOR;
}

static int remove_wal(const struct store_dir *dir, const char *path,
		      struct store_refusal *ret_refusal)
{
	sqlite3_vfs *files = sqlite3_vfs_find(dir->vfs);
	int code = files->xDelete(files, path, 0);

	if (code != SQLITE_OK && code != SQLITE_IOERR_DELETE_NOENT)
		return store_refuse(ret_refusal, -EIO, "%s can't be removed", path);
	return 0;
}

/*
 * The writer goes past the page cache (store_append.h); whatever lies there is
 * looked for and thrown out at each of its writes. It is only slower if not.
 */
static void drop_from_cache(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	(void)close(fd);
}

static int make_wal(const struct store_dir *dir, const char *path, size_t size,
		    struct store_refusal *ret_refusal)
{
	sqlite3_file *file;
	int code;

	if (!store_dir_has(path) && !disk_has_room(dir, size))
		return 0;
	code = open_wal(dir, path, &file);
	if (code == SQLITE_OK) {
		code = fill(file, (sqlite3_int64)size);
		close_wal(file);
		drop_from_cache(path);
	}
	if (code == SQLITE_OK)
		return 0;
	if (code == SQLITE_FULL)
		return remove_wal(dir, path, ret_refusal);
	return store_refuse(ret_refusal, -EIO, "%s can't be written", path);
}

/* ---- the spare ---- */

int store_spare_make(struct store_spare *spare, const struct store_dir *dir, uint32_t generation,
		     size_t segment_size, struct store_refusal *ret_refusal)
{
	char *path = store_dir_new_log(dir, generation, "next");
	char *wal = mem_printf("%s-wal", path);
	char *old = store_dir_old_log(dir, generation);
	char *old_wal = mem_printf("%s-wal", old);
	int error;

	error = store_segment_make(dir, path, ret_refusal);
	if (!error && spare->old_generation == generation && rename(old_wal, wal) != 0)
		error = store_refuse(ret_refusal, -errno, "%s: %s", wal, strerror(errno));
	if (!error)
		error = make_wal(dir, wal, store_segment_wal_size(segment_size), ret_refusal);
	if (!error)
		spare->old_generation = 0;
	free(path);
	free(wal);
	free(old);
	free(old_wal);
	return error;
}

/*
 * Whoever has the segment open, zkfsd --log or a shell, may read on in what was
 * removed, but not while other frames are written there. A lease is given on a
 * file that nobody else has open.
 */
static bool is_read_by_others(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	/* Who opens it meanwhile breaks the lease, which is told by a signal: one that does
	 * nothing. */
	bool is_ours =
		fd >= 0 && fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0;

	/* Closing gives the lease back. */
	if (fd >= 0)
		(void)close(fd);
	return !is_ours;
}

int store_spare_recycle(struct store_spare *spare, const struct store_dir *dir, uint32_t generation,
			zxid_t first_zxid, struct store_refusal *ret_refusal)
{
	char *path = store_dir_log(dir, generation, first_zxid);
	char *old = store_dir_old_log(dir, generation);
	char *old_wal = mem_printf("%s-wal", old);
	bool has_old = spare->old_generation == generation;
	int error;

	if (has_old)
		error = store_dir_remove(dir, path, ret_refusal);
	else
		error = store_dir_remove_but_wal(dir, path, old, &has_old, ret_refusal);
	if (!error && has_old && is_read_by_others(old_wal)) {
		error = remove_wal(dir, old_wal, ret_refusal);
		has_old = false;
	}
	if (!error)
		spare->old_generation = has_old ? generation : 0;
	free(path);
	free(old);
	free(old_wal);
	return error;
}
