#include "fs/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/options.h"
#include "src/base/log.h"

/* What goes through the pipe: the status in decimal, a blank, the sentence; then the end. */
enum { REPORT_SIZE_MAX = 4096 };

static _Noreturn void wait_for_report(int fd)
{
	char text[REPORT_SIZE_MAX + 1];
	size_t size = 0;
	ssize_t got = 1;
	char *sentence;
	long status;

	while (got != 0 && size < REPORT_SIZE_MAX) {
		got = read(fd, text + size, REPORT_SIZE_MAX - size);
		if (got < 0 && errno != EINTR)
			break;
		if (got > 0)
			size += (size_t)got;
	}
	text[size] = '\0';
	status = strtol(text, &sentence, 10);
	if (size == 0) {
		fputs("zkfs: it ended before the mount was there; the system's log may say why\n",
		      stderr);
		status = FS_EXIT_MOUNT;
	} else if (sentence[0] && sentence[1]) {
		fprintf(stderr, "zkfs: %s\n", sentence + 1);
	}
	exit((int)status);
}

/*
 * What the caller had open besides its standard descriptors is not for a
 * process that stays: a shell that waits for the end of a pipe would wait for us.
 */
static void close_inherited(int keep_fd)
{
	/* These fail on kernels before 5.9 only; a descriptor too many does no harm then. */
	if (keep_fd > 3)
		(void)close_range(3, (unsigned)keep_fd - 1, 0);
	(void)close_range((unsigned)keep_fd + 1, ~0U, 0);
}

void report_init(struct report *report, bool background)
{
	int fds[2];
	pid_t pid;

	*report = (struct report){.fd = -1, .background = background};
	if (!background)
		return;
	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		fprintf(stderr, "zkfs: can't go to the background: %s\n", strerror(errno));
		exit(FS_EXIT_MOUNT);
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for_report(fds[0]);
	}
	report->fd = fds[1];
	close_inherited(report->fd);
	setsid();
}

static void send_report(struct report *report, int status, const char *sentence)
{
	char text[REPORT_SIZE_MAX];
	int size = snprintf(text, sizeof(text), "%d %s", status, sentence);

	if (size >= (int)sizeof(text))
		size = (int)sizeof(text) - 1;
	/* If the parent was killed meanwhile, there is nobody to tell. */
	(void)!write(report->fd, text, (size_t)size);
	close(report->fd);
	report->fd = -1;
}

void report_ready(struct report *report)
{
	int null;

	if (report->fd < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		(void)dup2(null, fd);
	if (null > 2)
		close(null);
	log_use_syslog("zkfs");
	send_report(report, FS_EXIT_OK, "");
}

int report_failure(struct report *report, int status, const char *sentence)
{
	if (report->fd >= 0)
		send_report(report, status, sentence);
	else if (report->background)
		log_error("mount", "%s", sentence);
	else
		fprintf(stderr, "zkfs: %s\n", sentence);
	return status;
}
