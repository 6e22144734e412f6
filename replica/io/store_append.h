#ifndef IO_STORE_APPEND_H
#define IO_STORE_APPEND_H

#include <sqlite3.h>
#include <stdbool.h>

/*
 * An SQLite VFS for the log's writer. SQLite writes each frame of a WAL by two
 * calls, into the page cache, and then has the kernel look there for what to put
 * on the disk. For a commit of one transaction that is more work than the disk
 * write itself. Here a WAL's frames are gathered and reach the disk when SQLite
 * syncs them: by one write past the page cache (O_DIRECT), which is durable when
 * it returns (O_DSYNC).
 *
 *	- Only what continues the WAL's end is gathered; any other write, and all
 *	  other files, go to the VFS below as they come.
 *	- What is gathered is written from the beginning of its first block, and
 *	  zeros to the end of its last. So a WAL has to be written in order, and
 *	  what lies behind its end is lost.
 *	- Nothing of a commit is in the file before its sync, or before it exceeds
 *	  the buffer. Others, who read the WAL through the page cache, see it then.
 *	- A file system without O_DIRECT, and a VFS that a test puts below, get the
 *	  same writes by xWrite and xSync.
 */
struct store_append_vfs {
	sqlite3_vfs vfs; /* vfs.zName is the name to open a database with */
	sqlite3_vfs *below;
	bool is_direct;
	char name[32];
};

/* below: the name of the VFS to build upon, NULL for the system's, which alone is gone past. */
void store_append_vfs_init(struct store_append_vfs *append, const char *below);
/* Its files must be closed. */
void store_append_vfs_release(struct store_append_vfs *append);

#endif
