#ifndef FS_NOTIFIER_H
#define FS_NOTIFIER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The notifier: a child process that does system calls on the mount, so that
 * the kernel raises the inotify events of changes that others made. It is a
 * process and not a thread because a thread that waits for its own daemon when
 * that is killed would keep /dev/fuse open for ever, and every user of the
 * mount in D state. It holds one socket and (as root) a private clone of the
 * mount, and ends when the socket closes.
 *
 * It never touches another filesystem: as root it acts on the clone
 * (open_tree(2)), which it drops as soon as /proc/self/mountinfo no longer
 * lists the mount, so that it neither makes umount(8) fail with EBUSY nor
 * outlives it; otherwise every command opens DIR and compares st_dev. Paths are
 * resolved beneath that with no links and no crossing of mounts.
 *
 * One command is in flight at a time. All file names are those shown,
 * relative to the mount's root ("" is the root itself).
 */
enum notifier_op {
	NOTIFIER_ATTACH, /* path: DIR, absolute; the mount is there now */
	NOTIFIER_MKNOD,  /* dir/name: CREATE, then OPEN, MODIFY if has_data, CLOSE_WRITE */
	NOTIFIER_MKDIR,  /* dir/name: CREATE,ISDIR */
	NOTIFIER_MODIFY, /* dir/name: MODIFY, then OPEN, CLOSE_WRITE */
	NOTIFIER_UNLINK, /* dir/name: DELETE */
	NOTIFIER_RMDIR,  /* dir/name: DELETE,ISDIR */
	NOTIFIER_RENAME, /* dir/name to to_dir/to_name: MOVED_FROM, MOVED_TO */
};

struct notifier_command {
	enum notifier_op op;
	bool has_data;
	const char *dir;
	const char *name;
	const char *to_dir;
	const char *to_name;
};

/* A command's four names together; longer ones can't be named by a system call either. */
enum { NOTIFIER_COMMAND_SIZE_MAX = 4 * PATH_MAX };

struct notifier {
	pid_t pid; /* 0: there is none */
	int fd;    /* -1: there is none; one int32 (a negative errno or 0) comes back a command */
};

/*
 * Fork it, before there are threads, loops, or an open /dev/fuse: the child
 * closes everything but its socket. 0 or a negative errno.
 */
int notifier_start(struct notifier *notifier);

/* Close the socket and reap the child, which ends by itself. */
void notifier_stop(struct notifier *notifier);

/*
 * Send one command; the previous one must have been answered. -ENAMETOOLONG
 * where no system call could name it, other negative errnos when the process
 * is gone.
 */
int notifier_send(struct notifier *notifier, const struct notifier_command *command);

/* 0 and the command's result (0 or a negative errno); -EAGAIN: not yet; -EPIPE: it is gone. */
int notifier_receive(struct notifier *notifier, int *ret_result);

#endif
