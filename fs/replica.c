#include "fs/replica.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "src/base/buf.h"
#include "src/base/mem.h"

enum {
	MESSAGE_SIZE_MAX = 64 << 10,
	SERVERS_SIZE_MAX = 64 << 10,
	/* A replica that recovers a long log may take its time; one that says nothing at all not.
	 */
	START_TIMEOUT_MS = 120000,
};

struct start {
	int control[2];
	int port[2];
	int messages[2];
};

static void close_pair(int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int open_pipes(struct start *start)
{
	*start = (struct start){{-1, -1}, {-1, -1}, {-1, -1}};
	if (pipe2(start->control, O_CLOEXEC) < 0 || pipe2(start->port, O_CLOEXEC) < 0 ||
	    pipe2(start->messages, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* The zkfsd beside us, so that a build tree and an installation each use their own. */
static char *find_program(void)
{
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	char *program;

	if (size <= 0)
		return mem_strdup(ZKFSD_PATH);
	self[size] = '\0';
	slash = strrchr(self, '/');
	program = mem_printf("%.*s/zkfsd", (int)(slash - self), self);
	if (access(program, X_OK) == 0)
		return program;
	free(program);
	return mem_strdup(ZKFSD_PATH);
}

static void keep_over_exec(int fd)
{
	(void)fcntl(fd, F_SETFD, 0);
}

static _Noreturn void exec_replica(const struct start *start, const struct fs_options *options,
				   const char *program)
{
	char control[16], port[16];

	snprintf(control, sizeof(control), "%d", start->control[0]);
	snprintf(port, sizeof(port), "%d", start->port[1]);
	keep_over_exec(start->control[0]);
	keep_over_exec(start->port[1]);
	(void)dup2(start->messages[1], STDERR_FILENO);
	/* A pipe that zkfs was started with must not stay open for as long as the replica runs. */
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	/* A Ctrl-C in the terminal of a mount in the foreground is for zkfs, which then stops us.
	 */
	setpgid(0, 0);
	if (options->source_kind == FS_SOURCE_EMBEDDED)
		execl(program, "zkfsd", "-f", "--embedded", options->source, "--control-fd",
		      control, "--port-fd", port, (char *)NULL);
	else
		execl(program, "zkfsd", "-f", "--control-fd", control, "--port-fd", port,
		      options->source, (char *)NULL);
	fprintf(stderr, "zkfsd: can't run %s: %s; install it beside zkfs\n", program,
		strerror(errno));
	_exit(127);
}

/* Read what there is; false at the end of the pipe. */
static bool read_some(int fd, struct buf *buf)
{
	char chunk[4096];
	ssize_t size = read(fd, chunk, sizeof(chunk));

	if (size > 0)
		buf_append(buf, chunk, (size_t)size);
	return size > 0 || (size < 0 && (errno == EINTR || errno == EAGAIN));
}

/*
 * Until it has told its address (a line on the port pipe) or has ended: true
 * with the address. What it says meanwhile is kept, for a sentence.
 */
static bool wait_until_it_serves(const struct start *start, struct buf *servers,
				 struct buf *messages)
{
	struct pollfd fds[2] = {
		{.fd = start->port[0], .events = POLLIN},
		{.fd = start->messages[0], .events = POLLIN},
	};

	for (;;) {
		int ready = poll(fds, 2, START_TIMEOUT_MS);

		if (ready == 0 || (ready < 0 && errno != EINTR))
			return false;
		if (fds[1].revents && !read_some(fds[1].fd, messages))
			fds[1].fd = -1;
		if (fds[0].revents && !read_some(fds[0].fd, servers))
			return false;
		if (servers->size > 0 && servers->data[servers->size - 1] == '\n')
			return true;
	}
}

/* Its address, and those of the other servers behind it. */
static char *servers_of(const struct buf *line)
{
	return mem_printf("%.*s", (int)line->size - 1, (const char *)line->data);
}

/* The last line that it said, without the time and area that a log line begins with. */
static char *last_sentence(const struct buf *messages)
{
	char *text = mem_dup(messages->size ? (const char *)messages->data : "", messages->size);
	char *end = text + strlen(text);
	char *line;
	char *sentence;

	while (end > text && end[-1] == '\n')
		*--end = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	sentence = mem_strdup(strncmp(line, "zkfsd: ", 7) == 0 ? line + 7 : line);
	free(text);
	return sentence;
}

static int explain_failure(struct replica *replica, const struct fs_options *options,
			   struct buf *messages, char **ret_message)
{
	char *sentence;

	close(replica->control_fd);
	replica->control_fd = -1;
	while (read_some(replica->messages_fd, messages))
		;
	sentence = last_sentence(messages);
	replica_stop(replica);
	*ret_message = *sentence ? mem_strdup(sentence)
				 : mem_printf("the replica of %s did not start; run 'zkfsd -f' on "
					      "it to see why",
					      options->source);
	free(sentence);
	return FS_EXIT_CONFIG;
}

int replica_start(struct replica *replica, const struct fs_options *options, char **ret_message)
{
	struct start start;
	struct buf servers, messages;
	char *program = find_program();
	int status = FS_EXIT_OK;

	*replica = (struct replica){.control_fd = -1, .messages_fd = -1};
	buf_init(&servers, SERVERS_SIZE_MAX);
	buf_init(&messages, MESSAGE_SIZE_MAX);
	if (open_pipes(&start) < 0 || (replica->pid = fork()) < 0) {
		replica->pid = 0;
		close_pair(start.control);
		close_pair(start.port);
		close_pair(start.messages);
		*ret_message = mem_printf("can't start the replica of %s: %s", options->source,
					  strerror(errno));
		status = FS_EXIT_MOUNT;
		goto out;
	}
	if (replica->pid == 0)
		exec_replica(&start, options, program);
	close(start.control[0]);
	close(start.port[1]);
	close(start.messages[1]);
	replica->control_fd = start.control[1];
	replica->messages_fd = start.messages[0];
	if (wait_until_it_serves(&start, &servers, &messages))
		replica->servers = servers_of(&servers);
	else
		status = explain_failure(replica, options, &messages, ret_message);
	close(start.port[0]);
out:
	buf_release(&servers);
	buf_release(&messages);
	free(program);
	return status;
}

void replica_stop(struct replica *replica)
{
	if (replica->control_fd >= 0)
		close(replica->control_fd);
	if (replica->pid > 0)
		while (waitpid(replica->pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (replica->messages_fd >= 0)
		close(replica->messages_fd);
	free(replica->servers);
	*replica = (struct replica){.control_fd = -1, .messages_fd = -1};
}
