/*
 * The model beside the real files: inodes with the bytes that are durable and
 * the changes since, and two maps from names to inodes, the one that programs
 * see and the one that is durable, with the changes that lead from the latter
 * to the former.
 */
#include "t/sim/crash-vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/assert.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/base/prng.h"

enum { SECTOR_SIZE = 512 };

/* A write, or with no bytes, a change of size to offset. */
struct change {
	struct list link;
	int64_t offset;
	size_t size;
	uint8_t bytes[];
};

struct inode {
	struct list link;
	uint8_t *bytes;
	size_t size;
	struct list changes; /* since the last sync */
};

struct name {
	struct list link;
	char *path;
	struct inode *inode;
};

/* A name that comes (from NULL), moves, or goes (to NULL). */
struct name_change {
	struct list link;
	char *from;
	char *to;
	struct inode *inode;
};

static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	char *directory;
	struct prng prng;
	struct list inodes;
	struct list seen;    /* struct name */
	struct list durable; /* struct name */
	struct list name_changes;
	unsigned lies;
	unsigned changes;
	unsigned armed;
	enum crash_kind kind;
	bool is_down;
	int64_t room; /* -1: no limit */
} disk;

struct file {
	sqlite3_file base;
	struct inode *inode;
	char *path;
	int type;
	bool syncs_directory; /* as unixOpen and unixSync do it */
	sqlite3_file *real;
};

/* ---- names ---- */

static struct name *find_name(struct list *names, const char *path)
{
	list_for_each (names, at) {
		struct name *name = list_item(at, struct name, link);

		if (strcmp(name->path, path) == 0)
			return name;
	}
	return NULL;
}

static void remove_name(struct list *names, const char *path)
{
	struct name *name = find_name(names, path);

	if (!name)
		return;
	list_remove(&name->link);
	free(name->path);
	free(name);
}

static void put_name(struct list *names, const char *path, struct inode *inode)
{
	struct name *name;

	remove_name(names, path);
	name = mem_zalloc(sizeof(*name));
	name->path = mem_strdup(path);
	name->inode = inode;
	list_append(names, &name->link);
}

static void apply_name_change(struct list *names, const struct name_change *change)
{
	if (change->from && !find_name(names, change->from))
		return;
	if (change->from)
		remove_name(names, change->from);
	if (change->to)
		put_name(names, change->to, change->inode);
}

static void change_name(const char *from, const char *to, struct inode *inode)
{
	struct name_change *change = mem_zalloc(sizeof(*change));

	change->from = from ? mem_strdup(from) : NULL;
	change->to = to ? mem_strdup(to) : NULL;
	change->inode = inode;
	apply_name_change(&disk.seen, change);
	list_append(&disk.name_changes, &change->link);
}

static void free_name_change(struct name_change *change)
{
	list_remove(&change->link);
	free(change->from);
	free(change->to);
	free(change);
}

static bool is_in(const char *directory, size_t size, const char *path)
{
	return strncmp(path, directory, size) == 0 && path[size] == '/' &&
	       !strchr(path + size + 1, '/');
}

static void sync_directory(const char *directory, size_t size)
{
	if (disk.lies & CRASH_NO_DIRECTORY_SYNC)
		return;
	list_for_each_safe (&disk.name_changes, at) {
		struct name_change *change = list_item(at, struct name_change, link);

		if (!is_in(directory, size, change->to ? change->to : change->from))
			continue;
		apply_name_change(&disk.durable, change);
		free_name_change(change);
	}
}

static void sync_directory_of(const char *path)
{
	sync_directory(path, (size_t)(strrchr(path, '/') - path));
}

/* ---- contents ---- */

static struct inode *new_inode(void)
{
	struct inode *inode = mem_zalloc(sizeof(*inode));

	list_init(&inode->changes);
	list_append(&disk.inodes, &inode->link);
	return inode;
}

static void free_changes(struct inode *inode)
{
	list_for_each_safe (&inode->changes, at) {
		list_remove(at);
		free(list_item(at, struct change, link));
	}
}

static void free_inode(struct inode *inode)
{
	free_changes(inode);
	list_remove(&inode->link);
	free(inode->bytes);
	free(inode);
}

static void set_size(struct inode *inode, size_t size)
{
	inode->bytes = mem_realloc(inode->bytes, size + 1);
	if (size > inode->size)
		memset(inode->bytes + inode->size, 0, size - inode->size);
	inode->size = size;
}

static void put_bytes(struct inode *inode, int64_t offset, const uint8_t *bytes, size_t size)
{
	if ((size_t)offset + size > inode->size)
		set_size(inode, (size_t)offset + size);
	memcpy(inode->bytes + offset, bytes, size);
}

static void change_bytes(struct inode *inode, int64_t offset, const void *bytes, size_t size)
{
	struct change *change = mem_zalloc(sizeof(*change) + size);

	change->offset = offset;
	change->size = size;
	if (size > 0)
		memcpy(change->bytes, bytes, size);
	list_append(&inode->changes, &change->link);
}

/* Keep each sector of a write, or a change of size, with this chance in eight. */
static void apply_change(struct inode *inode, const struct change *change, unsigned chance)
{
	size_t at = 0;

	if (chance == 8 && change->size > 0) {
		put_bytes(inode, change->offset, change->bytes, change->size);
		return;
	}
	if (change->size == 0 && prng_below(&disk.prng, 8) < chance)
		set_size(inode, (size_t)change->offset);
	while (at < change->size) {
		size_t part = SECTOR_SIZE - ((size_t)change->offset + at) % SECTOR_SIZE;

		if (part > change->size - at)
			part = change->size - at;
		if (prng_below(&disk.prng, 8) < chance)
			put_bytes(inode, change->offset + (int64_t)at, change->bytes + at, part);
		at += part;
	}
}

static void apply_changes(struct inode *inode, unsigned chance)
{
	list_for_each (&inode->changes, at)
		apply_change(inode, list_item(at, struct change, link), chance);
	free_changes(inode);
}

/* ---- the disk ---- */

/* Before each change; false: it is the one on which the crash came, or comes after it. */
static bool goes_on(void)
{
	if (disk.is_down)
		return false;
	disk.changes++;
	if (disk.armed == 0 || disk.changes != disk.armed)
		return true;
	disk.is_down = disk.kind != CRASH_NOT_BUT_FAIL;
	return false;
}

/* Whether the change on which the crash came is done in part. */
static bool leaves_a_part(void)
{
	return disk.kind == CRASH_POWER;
}

void crash_disk_arm(unsigned change, enum crash_kind kind)
{
	disk.armed = change == 0 ? 0 : disk.changes + change;
	disk.kind = kind;
}

void crash_disk_lie(unsigned lies)
{
	disk.lies = lies;
}

void crash_disk_limit(int64_t size)
{
	disk.room = size;
}

bool crash_disk_is_down(void)
{
	return disk.is_down;
}

unsigned crash_disk_changes(void)
{
	return disk.changes;
}

static void remove_files(const char *directory)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;

	ASSERT(stream);
	while ((entry = readdir(stream))) {
		char *path = mem_printf("%s/%s", directory, entry->d_name);

		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			remove_files(path);
		else if (entry->d_type != DT_DIR)
			ASSERT(unlink(path) == 0);
		free(path);
	}
	(void)closedir(stream);
}

static void write_file(const char *path, const struct inode *inode)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	ASSERT(fd >= 0);
	ASSERT(inode->size == 0 || write(fd, inode->bytes, inode->size) == (ssize_t)inode->size);
	ASSERT(close(fd) == 0);
}

static void free_names(struct list *names)
{
	list_for_each_safe (names, at) {
		struct name *name = list_item(at, struct name, link);

		list_remove(at);
		free(name->path);
		free(name);
	}
}

static void draw_names(unsigned chance)
{
	list_for_each_safe (&disk.name_changes, at) {
		struct name_change *change = list_item(at, struct name_change, link);

		if (prng_below(&disk.prng, 8) < chance)
			apply_name_change(&disk.durable, change);
		free_name_change(change);
	}
}

static void cut_power(void)
{
	static const unsigned chances[] = {0, 1, 4, 7, 8};
	size_t count = sizeof(chances) / sizeof(chances[0]);

	draw_names(chances[prng_below(&disk.prng, count)]);
	list_for_each (&disk.inodes, at)
		apply_changes(list_item(at, struct inode, link),
			      chances[prng_below(&disk.prng, count)]);
	remove_files(disk.directory);
	free_names(&disk.seen);
	list_for_each (&disk.durable, at) {
		struct name *name = list_item(at, struct name, link);

		write_file(name->path, name->inode);
		put_name(&disk.seen, name->path, name->inode);
	}
}

void crash_disk_restart(void)
{
	if (disk.kind != CRASH_KILL)
		cut_power();
	disk.is_down = false;
	disk.changes = 0;
	disk.armed = 0;
}

/* ---- files ---- */

static struct file *file_of(sqlite3_file *base)
{
	return (struct file *)base;
}

static int close_file(sqlite3_file *base)
{
	struct file *file = file_of(base);
	int code = file->real->pMethods ? file->real->pMethods->xClose(file->real) : SQLITE_OK;

	free(file->path);
	return code;
}

static int read_bytes(sqlite3_file *base, void *to, int size, sqlite3_int64 offset)
{
	sqlite3_file *real = file_of(base)->real;

	return disk.is_down ? SQLITE_IOERR_READ : real->pMethods->xRead(real, to, size, offset);
}

/* What lies in the file already needs none. */
static bool takes_room(struct file *file, sqlite3_int64 end)
{
	sqlite3_int64 size;

	if (disk.room < 0)
		return true;
	ASSERT(file->real->pMethods->xFileSize(file->real, &size) == SQLITE_OK);
	if (end <= size)
		return true;
	if (disk.room < end - size)
		return false;
	disk.room -= end - size;
	return true;
}

static int write_bytes(sqlite3_file *base, const void *from, int size, sqlite3_int64 offset)
{
	struct file *file = file_of(base);
	bool goes;

	if (disk.is_down)
		return SQLITE_IOERR_WRITE;
	if (!takes_room(file, offset + size))
		return SQLITE_FULL;
	goes = goes_on();
	if (goes || leaves_a_part())
		change_bytes(file->inode, offset, from, (size_t)size);
	if (!goes)
		return SQLITE_IOERR_WRITE;
	return file->real->pMethods->xWrite(file->real, from, size, offset);
}

static int truncate_file(sqlite3_file *base, sqlite3_int64 size)
{
	struct file *file = file_of(base);
	bool goes;

	if (disk.is_down)
		return SQLITE_IOERR_TRUNCATE;
	goes = goes_on();
	if (goes || leaves_a_part())
		change_bytes(file->inode, size, NULL, 0);
	if (!goes)
		return SQLITE_IOERR_TRUNCATE;
	return file->real->pMethods->xTruncate(file->real, size);
}

static bool is_lie(const struct file *file)
{
	bool is_wal = file->type & SQLITE_OPEN_WAL;

	return disk.lies & (unsigned)(is_wal ? CRASH_NO_WAL_SYNC : CRASH_NO_DATABASE_SYNC);
}

/* The real file needs no sync: no machine crashes here. */
static int sync_file(sqlite3_file *base, int flags)
{
	struct file *file = file_of(base);

	if (!goes_on()) {
		if (disk.kind == CRASH_NOT_BUT_FAIL)
			free_changes(file->inode);
		return SQLITE_IOERR_FSYNC;
	}
	if (!is_lie(file))
		apply_changes(file->inode, 8);
	if (file->syncs_directory)
		sync_directory_of(file->path);
	file->syncs_directory = false;
	return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
	sqlite3_file *real = file_of(base)->real;

	return disk.is_down ? SQLITE_IOERR_FSTAT : real->pMethods->xFileSize(real, ret_size);
}

static int lock_file(sqlite3_file *base, int level)
{
	sqlite3_file *real = file_of(base)->real;

	return real->pMethods->xLock(real, level);
}

static int unlock_file(sqlite3_file *base, int level)
{
	sqlite3_file *real = file_of(base)->real;

	return real->pMethods->xUnlock(real, level);
}

static int check_lock(sqlite3_file *base, int *ret_locked)
{
	sqlite3_file *real = file_of(base)->real;

	return real->pMethods->xCheckReservedLock(real, ret_locked);
}

static int control_file(sqlite3_file *base, int operation, void *argument)
{
	sqlite3_file *real = file_of(base)->real;

	return real->pMethods->xFileControl(real, operation, argument);
}

static int sector_size(sqlite3_file *base)
{
	sqlite3_file *real = file_of(base)->real;

	return real->pMethods->xSectorSize(real);
}

static int characteristics(sqlite3_file *base)
{
	sqlite3_file *real = file_of(base)->real;

	return real->pMethods->xDeviceCharacteristics(real);
}

static int map_shm(sqlite3_file *base, int page, int size, int extend, void volatile **ret_page)
{
	sqlite3_file *real = file_of(base)->real;

	return real->pMethods->xShmMap(real, page, size, extend, ret_page);
}

static int lock_shm(sqlite3_file *base, int offset, int count, int flags)
{
	sqlite3_file *real = file_of(base)->real;

	return real->pMethods->xShmLock(real, offset, count, flags);
}

static void shm_barrier(sqlite3_file *base)
{
	sqlite3_file *real = file_of(base)->real;

	real->pMethods->xShmBarrier(real);
}

static int unmap_shm(sqlite3_file *base, int delete)
{
	sqlite3_file *real = file_of(base)->real;

	return real->pMethods->xShmUnmap(real, delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = close_file,
	.xRead = read_bytes,
	.xWrite = write_bytes,
	.xTruncate = truncate_file,
	.xSync = sync_file,
	.xFileSize = file_size,
	.xLock = lock_file,
	.xUnlock = unlock_file,
	.xCheckReservedLock = check_lock,
	.xFileControl = control_file,
	.xSectorSize = sector_size,
	.xDeviceCharacteristics = characteristics,
	.xShmMap = map_shm,
	.xShmLock = lock_shm,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = unmap_shm,
};

/* ---- the VFS ---- */

enum { JOURNALS = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL };

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
		     int *ret_flags)
{
	struct file *file = file_of(base);
	struct name *name;
	int code;

	*file = (struct file){.real = (sqlite3_file *)(file + 1)};
	file->real->pMethods = NULL;
	ASSERT(path);
	name = find_name(&disk.seen, path);
	if (disk.is_down || (!name && (flags & SQLITE_OPEN_CREATE) && !goes_on()))
		return SQLITE_CANTOPEN;
	code = disk.real->xOpen(disk.real, path, file->real, flags, ret_flags);
	if (code != SQLITE_OK)
		return code;
	if (!name) {
		change_name(NULL, path, new_inode());
		name = find_name(&disk.seen, path);
	}
	file->inode = name->inode;
	file->path = mem_strdup(path);
	file->type = flags;
	file->syncs_directory = (flags & SQLITE_OPEN_CREATE) && (flags & JOURNALS);
	file->base.pMethods = &methods;
	return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *path, int syncs_directory)
{
	bool goes;
	int code;

	if (disk.is_down)
		return SQLITE_IOERR_DELETE;
	/* A -shm is none of the disk's. */
	if (find_name(&disk.seen, path)) {
		goes = goes_on();
		if (goes || leaves_a_part())
			change_name(path, NULL, NULL);
		if (!goes)
			return SQLITE_IOERR_DELETE;
	}
	code = disk.real->xDelete(disk.real, path, 0);
	if (code == SQLITE_OK && syncs_directory) {
		if (!goes_on())
			return SQLITE_IOERR_DELETE;
		sync_directory_of(path);
	}
	return code;
}

static int access_file(sqlite3_vfs *vfs, const char *path, int flags, int *ret_result)
{
	return disk.is_down ? SQLITE_IOERR_ACCESS
			    : disk.real->xAccess(disk.real, path, flags, ret_result);
}

/* ---- what goes past SQLite ---- */

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

static bool is_on_disk(const char *path)
{
	return disk.directory && strncmp(path, disk.directory, strlen(disk.directory)) == 0;
}

int __wrap_rename(const char *from, const char *to)
{
	struct name *name;
	bool goes;

	if (!is_on_disk(from))
		return __real_rename(from, to);
	errno = EIO;
	if (disk.is_down)
		return -1;
	name = find_name(&disk.seen, from);
	if (!name) {
		errno = ENOENT;
		return -1;
	}
	goes = goes_on();
	if (goes || leaves_a_part())
		change_name(from, to, name->inode);
	if (!goes)
		return -1;
	return __real_rename(from, to);
}

int __wrap_fsync(int fd)
{
	char path[PATH_MAX];
	char link[64];
	struct name *name;
	ssize_t size;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	size = readlink(link, path, sizeof(path) - 1);
	ASSERT(size > 0);
	path[size] = '\0';
	if (!is_on_disk(path))
		return __real_fsync(fd);
	errno = EIO;
	if (!goes_on())
		return -1;
	name = find_name(&disk.seen, path);
	if (name)
		apply_changes(name->inode, 8);
	else
		sync_directory(path, (size_t)size);
	return 0;
}

/* ---- life cycle ---- */

void crash_disk_init(const char *directory, uint64_t seed)
{
	memset(&disk, 0, sizeof(disk));
	disk.real = sqlite3_vfs_find(NULL);
	ASSERT(disk.real);
	disk.vfs = *disk.real;
	disk.vfs.zName = CRASH_VFS_NAME;
	disk.vfs.szOsFile += (int)sizeof(struct file);
	disk.vfs.xOpen = open_file;
	disk.vfs.xDelete = delete_file;
	disk.vfs.xAccess = access_file;
	disk.directory = realpath(directory, NULL);
	ASSERT(disk.directory);
	prng_init(&disk.prng, seed);
	list_init(&disk.inodes);
	list_init(&disk.seen);
	list_init(&disk.durable);
	list_init(&disk.name_changes);
	disk.room = -1;
	ASSERT(sqlite3_vfs_register(&disk.vfs, 0) == SQLITE_OK);
}

void crash_disk_release(void)
{
	ASSERT(sqlite3_vfs_unregister(&disk.vfs) == SQLITE_OK);
	list_for_each_safe (&disk.name_changes, at)
		free_name_change(list_item(at, struct name_change, link));
	free_names(&disk.seen);
	free_names(&disk.durable);
	list_for_each_safe (&disk.inodes, at)
		free_inode(list_item(at, struct inode, link));
	free(disk.directory);
	disk.directory = NULL;
}
