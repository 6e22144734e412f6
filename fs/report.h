#ifndef FS_REPORT_H
#define FS_REPORT_H

#include <stdbool.h>

/*
 * How zkfs goes to the background: it forks before anything else is made; the
 * parent waits on a pipe for one exit status and at most one sentence, prints
 * that, and exits; the child makes the mount and reports once. If the child
 * dies without a report, the parent says so and exits with FS_EXIT_MOUNT.
 *
 * In the foreground there is no fork, and a failure's sentence goes straight
 * to stderr.
 */
struct report {
	int fd; /* -1: foreground, or reported already */
	bool background;
};

/* Forks if background. Returns in the child (or the only process) alone. */
void report_init(struct report *report, bool background);

/*
 * The mount is there: the parent exits with 0, and from now on messages go to
 * syslog and nothing of the caller's terminal is kept.
 */
void report_ready(struct report *report);

/* It failed; returns status for main to return. Only the first report counts. */
int report_failure(struct report *report, int status, const char *sentence);

#endif
