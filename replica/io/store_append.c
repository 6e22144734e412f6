#include "replica/io/store_append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/assert.h"

enum {
	/* No disk has larger blocks, and no file system for Linux wants more of O_DIRECT. */
	BLOCK_SIZE = 4096,
	/* More is written before its sync. A commit of 256 small transactions takes 60 KiB. */
	BUFFER_SIZE = 256 << 10,
	/* SQLite itself never writes more than a page at once, and its VFS can't at 128 KiB. */
	BELOW_SIZE_MAX = 64 << 10,
};

/*
 * A WAL:
 *
 *	        begin          begin + written     begin + size
 *	          |                   |                 |
 *	..........|------ buffer ---------------------- |
 *	    in the file               | to be written   |
 *
 * begin is at a block's, and size below BUFFER_SIZE between the calls.
 */
struct append_file {
	sqlite3_file base;
	int fd;        /* past the page cache; -1: through below */
	bool is_dirty; /* below has to sync, too */
	int64_t begin;
	size_t written;
	size_t size;
	uint8_t *buffer;
	sqlite3_file *below; /* behind this struct, as large as its VFS wants it */
};

static struct append_file *file_of(sqlite3_file *base)
{
	return (struct append_file *)base;
}

static int64_t end_of(const struct append_file *file)
{
	return file->begin + (int64_t)file->size;
}

/* ---- writing ---- */

static size_t block_begin(size_t at)
{
	return at / BLOCK_SIZE * BLOCK_SIZE;
}

static int write_below(struct append_file *file, size_t from, size_t to)
{
	int code = SQLITE_OK;

	file->is_dirty = true;
	while (code == SQLITE_OK && from < to) {
		size_t part = to - from < BELOW_SIZE_MAX ? to - from : BELOW_SIZE_MAX;

		code = file->below->pMethods->xWrite(file->below, file->buffer + from, (int)part,
						     file->begin + (int64_t)from);
		from += part;
	}
	return code;
}

/* A write that ends early goes on at a block's begin. */
static int write_direct(struct append_file *file, size_t from, size_t to)
{
	while (from < to) {
		ssize_t count = pwrite(file->fd, file->buffer + from, to - from,
				       file->begin + (int64_t)from);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
		/* Not even one block: there is no room for it. */
		if (count < BLOCK_SIZE && from + (size_t)count < to) {
			errno = ENOSPC;
			return SQLITE_FULL;
		}
		from = from + (size_t)count < to ? block_begin(from + (size_t)count) : to;
	}
	return SQLITE_OK;
}

static void close_direct(struct append_file *file)
{
	if (file->fd >= 0)
		(void)close(file->fd); /* it was synced */
	file->fd = -1;
}

static int write_blocks(struct append_file *file)
{
	size_t end = block_begin(file->size + BLOCK_SIZE - 1);
	int code;

	memset(file->buffer + file->size, 0, end - file->size);
	code = write_direct(file, block_begin(file->written), end);
	/* Its blocks are larger: as if it could not be gone past. */
	if (code == SQLITE_IOERR_WRITE && errno == EINVAL) {
		close_direct(file);
		code = write_below(file, file->written, file->size);
	}
	return code;
}

/* Of what is written, the part of the last block stays: it is written again with what follows. */
static void drop_written_blocks(struct append_file *file)
{
	size_t drop = block_begin(file->written);

	file->size -= drop;
	file->written -= drop;
	file->begin += (int64_t)drop;
	memmove(file->buffer, file->buffer + drop, file->size);
}

static int write_out(struct append_file *file)
{
	int code;

	if (file->written == file->size)
		return SQLITE_OK;
	code = file->fd >= 0 ? write_blocks(file) : write_below(file, file->written, file->size);
	if (code != SQLITE_OK)
		return code;
	file->written = file->size;
	drop_written_blocks(file);
	return SQLITE_OK;
}

static int append(struct append_file *file, const uint8_t *bytes, size_t size)
{
	int code = SQLITE_OK;

	while (code == SQLITE_OK && size > 0) {
		size_t room = BUFFER_SIZE - file->size;
		size_t part = size < room ? size : room;

		memcpy(file->buffer + file->size, bytes, part);
		file->size += part;
		bytes += part;
		size -= part;
		if (file->size == BUFFER_SIZE)
			code = write_out(file);
	}
	return code;
}

/* What of it is in the buffer, too, changes there. */
static void patch(struct append_file *file, const uint8_t *bytes, int64_t from, int64_t to)
{
	int64_t first = from > file->begin ? from : file->begin;
	int64_t last = to < end_of(file) ? to : end_of(file);

	if (first < last)
		memcpy(file->buffer + (first - file->begin), bytes + (first - from),
		       (size_t)(last - first));
}

/* ---- what SQLite calls for a WAL ---- */

static int close_file(sqlite3_file *base)
{
	struct append_file *file = file_of(base);

	/* What wasn't synced is of a commit that failed. */
	close_direct(file);
	free(file->buffer);
	return file->below->pMethods->xClose(file->below);
}

static int read_bytes(sqlite3_file *base, void *to, int size, sqlite3_int64 offset)
{
	struct append_file *file = file_of(base);
	int code = SQLITE_OK;

	if (offset + size > file->begin + (int64_t)file->written)
		code = write_out(file);
	return code == SQLITE_OK ? file->below->pMethods->xRead(file->below, to, size, offset)
				 : code;
}

static int write_bytes(sqlite3_file *base, const void *from, int size, sqlite3_int64 offset)
{
	struct append_file *file = file_of(base);
	int code;

	if (offset == end_of(file))
		return append(file, from, (size_t)size);
	code = write_out(file);
	if (code != SQLITE_OK)
		return code;
	patch(file, from, offset, offset + size);
	file->is_dirty = true;
	return file->below->pMethods->xWrite(file->below, from, size, offset);
}

/* Nothing continues it any more. */
static int truncate_file(sqlite3_file *base, sqlite3_int64 size)
{
	struct append_file *file = file_of(base);
	int code = write_out(file);

	if (code != SQLITE_OK)
		return code;
	file->begin = INT64_MAX / 2 / BLOCK_SIZE * BLOCK_SIZE;
	file->written = 0;
	file->size = 0;
	file->is_dirty = true;
	return file->below->pMethods->xTruncate(file->below, size);
}

static int sync_file(sqlite3_file *base, int flags)
{
	struct append_file *file = file_of(base);
	int code = write_out(file);

	if (code == SQLITE_OK && file->is_dirty)
		code = file->below->pMethods->xSync(file->below, flags);
	if (code == SQLITE_OK)
		file->is_dirty = false;
	return code;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
	struct append_file *file = file_of(base);
	int code = write_out(file);

	return code == SQLITE_OK ? file->below->pMethods->xFileSize(file->below, ret_size) : code;
}

static int control_file(sqlite3_file *base, int operation, void *argument)
{
	struct append_file *file = file_of(base);

	return file->below->pMethods->xFileControl(file->below, operation, argument);
}

static int sector_size(sqlite3_file *base)
{
	struct append_file *file = file_of(base);

	return file->below->pMethods->xSectorSize(file->below);
}

static int characteristics(sqlite3_file *base)
{
	struct append_file *file = file_of(base);

	return file->below->pMethods->xDeviceCharacteristics(file->below);
}

/* Nobody locks a WAL: xLock and its kin are for the database. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = close_file,
	.xRead = read_bytes,
	.xWrite = write_bytes,
	.xTruncate = truncate_file,
	.xSync = sync_file,
	.xFileSize = file_size,
	.xFileControl = control_file,
	.xSectorSize = sector_size,
	.xDeviceCharacteristics = characteristics,
};

/* ---- the VFS ---- */

static int open_wal(const struct store_append_vfs *append, const char *path,
		    struct append_file *file, int flags, int *ret_flags)
{
	sqlite3_vfs *below = append->below;
	int code;

	*file = (struct append_file){.fd = -1, .below = (sqlite3_file *)(file + 1)};
	code = below->xOpen(below, path, file->below, flags, ret_flags);
	if (code != SQLITE_OK)
		return code;
	if (posix_memalign((void **)&file->buffer, BLOCK_SIZE, BUFFER_SIZE) != 0) {
		(void)file->below->pMethods->xClose(file->below); /* nothing was written */
		return SQLITE_NOMEM;
	}
	/* The first sync of a new WAL is that of its name, too. */
	file->is_dirty = true;
	if (append->is_direct)
		file->fd = open(path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
	file->base.pMethods = &methods;
	return SQLITE_OK;
}

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
		     int *ret_flags)
{
	const struct store_append_vfs *append = (const struct store_append_vfs *)vfs;

	if (flags & SQLITE_OPEN_WAL)
		return open_wal(append, path, file_of(file), flags, ret_flags);
	return append->below->xOpen(append->below, path, file, flags, ret_flags);
}

void store_append_vfs_init(struct store_append_vfs *append, const char *below)
{
	sqlite3_vfs *found = sqlite3_vfs_find(below);

	ASSERT(found);
	/* All that isn't said below is the other's. */
	*append = (struct store_append_vfs){
		.vfs = *found,
		.below = found,
		.is_direct = !below,
	};
	snprintf(append->name, sizeof(append->name), "zkfs-%p", (void *)append);
	append->vfs.pNext = NULL;
	append->vfs.zName = append->name;
	append->vfs.szOsFile += (int)sizeof(struct append_file);
	append->vfs.xOpen = open_file;
	ASSERT(sqlite3_vfs_register(&append->vfs, 0) == SQLITE_OK);
}

void store_append_vfs_release(struct store_append_vfs *append)
{
	if (append->below)
		ASSERT(sqlite3_vfs_unregister(&append->vfs) == SQLITE_OK);
	*append = (struct store_append_vfs){0};
}
