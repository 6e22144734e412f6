#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include "fs/notifier.h"
#include "fs/options.h"
#include "fs/replica.h"
#include "fs/report.h"

/*
 * The life of a mount, on one loop:
 *
 *	session ---> chroot is there ---> watch is set ---> mounted ---> INIT answered: ready
 *	                                                                     |
 *	   exit <--- session closed <--- dirty files committed <--- umount, or SIGTERM
 *
 * A failure before "ready" is reported with one sentence and ends it; nothing
 * stays mounted.
 */
struct mount_parts {
	const struct fs_options *options;
	struct notifier *notifier; /* started; stopped by the caller */
	struct replica *replica;   /* pid 0 where SOURCE is an ensemble */
	struct report *report;
};

/* Returns the exit status, when the mount has ended. */
int mount_run(const struct mount_parts *parts);

#endif
