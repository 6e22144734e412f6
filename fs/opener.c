#include "fs/opener.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Name, Umask, State, Tgid are its first lines: the name is at most 64 escaped bytes. */
enum { STATUS_SIZE = 512 };

/* The text behind "\nkey:\t", or NULL. */
static const char *field(const char *status, const char *key)
{
	const char *found = strstr(status, key);

	return found ? found + strlen(key) : NULL;
}

static struct process parse_status(const char *status)
{
	const char *state = field(status, "\nState:\t");
	const char *group = field(status, "\nTgid:\t");

	if (!state || !group)
		return (struct process){.group = 0};
	return (struct process){
		.group = (pid_t)strtol(group, NULL, 10),
		.is_dead = *state == 'Z' || *state == 'X',
	};
}

struct process process_of_thread(pid_t thread)
{
	char path[64];
	char status[STATUS_SIZE + 1];
	ssize_t size;
	int fd;

	if (thread <= 0)
		return (struct process){.group = 0};
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)thread); /* it fits */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (struct process){.group = 0};
	size = read(fd, status, STATUS_SIZE);
	(void)close(fd); /* nothing was written */
	if (size <= 0)
		return (struct process){.group = 0};
	status[size] = '\0';
	return parse_status(status);
}

bool opener_decides(pid_t opener, const struct process *caller, const struct process *leader)
{
	if (opener == 0 || caller->group == 0)
		return true;
	if (caller->group == opener)
		return true;
	/* The id may be another's by now; only its own process has that group. */
	return leader->group != opener || leader->is_dead;
}

bool opener_flush_commits(pid_t opener, pid_t caller_thread)
{
	struct process caller;
	struct process leader;

	if (opener == 0 || caller_thread == opener)
		return true;
	caller = process_of_thread(caller_thread);
	if (caller.group == 0 || caller.group == opener)
		return true;
	leader = process_of_thread(opener);
	return opener_decides(opener, &caller, &leader);
}

bool opener_is_process_of(pid_t opener, pid_t thread)
{
	if (opener == 0 || thread <= 0)
		return false;
	return thread == opener || process_of_thread(thread).group == opener;
}
