/*
 * zkfs: mount the namespace of a ZooKeeper ensemble. See zkfs(8).
 *
 * The order matters: the notifier and the replica are forked while this process
 * has no thread, no loop and no /dev/fuse that they could inherit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/mount.h"
#include "fs/mountpoint.h"
#include "fs/notifier.h"
#include "fs/options.h"
#include "fs/replica.h"
#include "fs/report.h"
#include "src/base/mem.h"

/* Takes the sentence. */
static int refuse(struct report *report, int status, char *sentence)
{
	report_failure(report, status, sentence);
	free(sentence);
	return status;
}

static int check_places(const struct fs_options *options, struct report *report)
{
	int err;

	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return refuse(report, FS_EXIT_MOUNT,
			      mem_printf("/dev/fuse: %s; load the module (modprobe fuse), and give "
					 "this user the right to open it",
					 strerror(errno)));
	err = mountpoint_clean(options->dir);
	if (err)
		return refuse(
			report, FS_EXIT_MOUNT,
			mem_printf("the dead mount at %s can't be removed: %s; run 'umount -l "
				   "%s' as root",
				   options->dir, strerror(-err), options->dir));
	if (mountpoint_is_zkfs(options->dir))
		return refuse(report, FS_EXIT_MOUNT,
			      mem_printf("%s is a zkfs mount already; 'umount %s' first",
					 options->dir, options->dir));
	if (options->source_kind != FS_SOURCE_ENSEMBLE &&
	    mountpoint_is_inside_zkfs(options->source))
		return refuse(
			report, FS_EXIT_CONFIG,
			mem_printf("%s lies inside a zkfs mount, which would wait for itself; "
				   "keep the replica's data elsewhere",
				   options->source));
	return FS_EXIT_OK;
}

static int run(const struct fs_options *options, struct report *report)
{
	struct notifier notifier = {.fd = -1};
	struct replica replica = {.control_fd = -1, .messages_fd = -1};
	struct mount_parts parts = {
		.options = options,
		.notifier = &notifier,
		.replica = &replica,
		.report = report,
	};
	char *message = NULL;
	int status = check_places(options, report);

	if (status)
		return status;
	if (options->inotify)
		(void)notifier_start(
			&notifier); /* without it .zkfs/status says that inotify is off */
	if (options->source_kind != FS_SOURCE_ENSEMBLE)
		status = replica_start(&replica, options, &message);
	status = status ? refuse(report, status, message) : mount_run(&parts);
	notifier_stop(&notifier);
	replica_stop(&replica);
	return status;
}

int main(int argc, char **argv)
{
	struct fs_options options;
	struct report report;
	char *message = NULL;
	bool done = false;
	int status = fs_options_parse(&options, argc, argv, &done, &message);

	if (status) {
		fprintf(stderr, "zkfs: %s\n", message);
		free(message);
	} else if (!done && !options.fake) {
		report_init(&report, !options.foreground);
		status = run(&options, &report);
	}
	fs_options_release(&options);
	return status;
}
