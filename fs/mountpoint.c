#include "fs/mountpoint.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/mem.h"

/* mountinfo writes blanks and the like as \ooo (proc(5)). */
static void unescape(char *text)
{
	char *to = text;

	for (char *at = text; *at; at++) {
		unsigned code;

		if (at[0] == '\\' && sscanf(at + 1, "%3o", &code) == 1) {
			*to++ = (char)code;
			at += 3;
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
}

static bool is_within(const char *path, const char *dir)
{
	size_t size = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return true;
	return strncmp(path, dir, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* One line: "36 35 98:0 /root /mount/point options [tags] - type source ..." */
static bool parse_line(char *line, char **ret_dir, char **ret_type)
{
	char *rest = line;
	char *separator = strstr(line, " - ");
	char *field = NULL;

	if (!separator)
		return false;
	*separator = '\0';
	for (int i = 0; i < 5; i++)
		field = strsep(&rest, " ");
	if (!field)
		return false;
	unescape(field);
	*ret_dir = field;
	*ret_type = separator + 3;
	(*ret_type)[strcspn(*ret_type, " ")] = '\0';
	return true;
}

/* The last mount in the list that holds path is the one that is seen there. */
static bool type_at(const char *path, bool itself, char ret_type[64])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t capacity = 0;
	size_t longest = 0;
	bool found = false;

	while (file && getline(&line, &capacity, file) > 0) {
		char *dir, *type;

		line[strcspn(line, "\n")] = '\0';
		if (!parse_line(line, &dir, &type))
			continue;
		if (itself ? strcmp(path, dir) == 0
			   : is_within(path, dir) && strlen(dir) >= longest) {
			longest = strlen(dir);
			snprintf(ret_type, 64, "%s", type);
			found = true;
		}
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

bool mountpoint_is_zkfs(const char *dir)
{
	char type[64];

	return type_at(dir, true, type) && strcmp(type, MOUNTPOINT_TYPE) == 0;
}

/* Where path lies: a directory that is to be made lies where its parent lies. */
static bool resolve_existing(const char *path, char ret_resolved[PATH_MAX])
{
	char *copy = mem_strdup(path);
	bool found = realpath(copy, ret_resolved) != NULL;

	for (char *slash; !found && errno == ENOENT && (slash = strrchr(copy, '/'));) {
		*slash = '\0';
		found = realpath(*copy ? copy : "/", ret_resolved) != NULL;
	}
	if (!found && errno == ENOENT)
		found = realpath(".", ret_resolved) != NULL;
	free(copy);
	return found;
}

bool mountpoint_is_inside_zkfs(const char *path)
{
	char resolved[PATH_MAX];
	char type[64];

	return resolve_existing(path, resolved) && type_at(resolved, false, type) &&
	       strcmp(type, MOUNTPOINT_TYPE) == 0;
}

/* A user may unmount only through the setuid helper. */
static int unmount_by_helper(const char *dir)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", dir, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

int mountpoint_clean(const char *dir)
{
	struct statfs statfs_buf;

	/* Attributes may still be in the kernel's cache: statfs(2) always asks the daemon. */
	while (statfs(dir, &statfs_buf) < 0 && errno == ENOTCONN) {
		int err = 0;

		if (umount2(dir, MNT_DETACH) < 0)
			err = geteuid() == 0 ? -errno : unmount_by_helper(dir);
		if (err)
			return err;
	}
	return 0;
}
