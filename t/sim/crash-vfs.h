#ifndef T_SIM_CRASH_VFS_H
#define T_SIM_CRASH_VFS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * An SQLite VFS over real files that models a disk which keeps only what was
 * synced. Everything written is seen at once, as with a page cache; what is
 * left after a crash is drawn by a seeded generator:
 *
 *	- of what was written to a file since its last sync, any part of each write by
 *	  512-byte sectors, in any combination; the same of changes of its size
 *	- of names made, renamed and removed since the directory's last sync, any part
 *
 * A name is not made durable by syncing the file, but by syncing the directory
 * (or, as SQLite's own VFS does it, by the first sync of a new WAL or journal).
 *
 * What the store does beside SQLite goes through rename(2) and fsync(2), which
 * the test's link wraps (-Wl,--wrap=rename -Wl,--wrap=fsync).
 *
 *	crash_disk_init(directory, seed)
 *	crash_disk_arm(n, ...)	the n-th change from now on doesn't end, nor does anything after it
 *	... until calls fail ...
 *	crash_disk_restart()	what was kept lies in the directory, and the disk works again
 *	crash_disk_release()
 *
 * A killed process, on the other hand, leaves all that it wrote before; but
 * what of it wasn't synced may still be lost in a power cut that comes later.
 *
 * There is one disk a process, and it isn't for threads. Changes, and so the
 * places of a crash, are: write, truncate, sync, delete, open of a new file,
 * rename, sync of a directory.
 */
#define CRASH_VFS_NAME "crash"

/* Promises that the disk breaks, to prove that a test notices. */
enum crash_lie {
	CRASH_NO_WAL_SYNC = 1,
	CRASH_NO_DATABASE_SYNC = 2,
	CRASH_NO_DIRECTORY_SYNC = 4,
};

enum crash_kind {
	CRASH_POWER,
	CRASH_KILL,
	/*
	 * No crash: that change alone fails, and everything goes on. What a sync that
	 * failed was to make durable never will be, though later ones succeed.
	 */
	CRASH_NOT_BUT_FAIL,
};

/* directory must be empty but for directories. */
void crash_disk_init(const char *directory, uint64_t seed);
void crash_disk_release(void);

/* 0: never. */
void crash_disk_arm(unsigned change, enum crash_kind kind);
void crash_disk_lie(unsigned lies);
/* Files can grow by so many bytes from now on, then the disk is full; -1: by any number. */
void crash_disk_limit(int64_t size);

bool crash_disk_is_down(void);
unsigned crash_disk_changes(void); /* since the last restart */

/* All files must be closed. After a failed change the power is cut, too. */
void crash_disk_restart(void);

#endif
