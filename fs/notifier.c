#include "fs/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A command on the socket (one packet of SOCK_SEQPACKET): one byte op, one byte
 * has_data, then the four names, each ended by '\0'.
 */
enum { HEADER_SIZE = 2, NAME_COUNT = 4 };

/* ---- the child ---- */

struct child {
	int socket;
	int mountinfo;
	int clone; /* as root: the root of our private clone; else -1 */
	char *dir;
	dev_t device;
	uint64_t mount_id;
	bool attached;
};

static int open_beneath(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/*
 * The root of our own mount, to be closed by the caller; -ENODEV for ever once
 * something else is found at DIR.
 */
static int open_root(struct child *child)
{
	struct stat stat_buf;
	int fd;

	if (child->clone >= 0)
		return fcntl(child->clone, F_DUPFD_CLOEXEC, 0);
	if (!child->attached)
		return -ENODEV;
	fd = open(child->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &stat_buf) < 0 || stat_buf.st_dev != child->device) {
		child->attached = false;
		close(fd);
		return -ENODEV;
	}
	return fd;
}

static int open_dir(struct child *child, const char *path)
{
	int root = open_root(child);
	int fd;

	if (root < 0)
		return root;
	fd = open_beneath(root, path, O_PATH | O_DIRECTORY);
	close(root);
	return fd;
}

static int result_of(int call)
{
	return call < 0 ? -errno : 0;
}

/* OPEN, MODIFY if asked for, CLOSE_WRITE. */
static int touch_opened(int dir, const char *name, bool modify)
{
	static const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	int result = 0;

	if (fd < 0)
		return -errno;
	if (modify)
		result = result_of(futimens(fd, times));
	close(fd);
	return result;
}

static int modify(int dir, const char *name)
{
	static const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	int result = result_of(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW));

	return result ? result : touch_opened(dir, name, false);
}

static int make_file(int dir, const char *name, bool has_data)
{
	int result = result_of(mknodat(dir, name, S_IFREG | 0666, 0));

	return result ? result : touch_opened(dir, name, has_data);
}

static int rename_to(struct child *child, int dir, const char *name, const char *to_path,
		     const char *to_name)
{
	int to_dir = open_dir(child, to_path);
	int result;

	if (to_dir < 0)
		return to_dir;
	result = result_of(renameat(dir, name, to_dir, to_name));
	close(to_dir);
	return result;
}

static int perform_in(struct child *child, int dir, const struct notifier_command *command)
{
	switch (command->op) {
	case NOTIFIER_MKNOD:
		return make_file(dir, command->name, command->has_data);
	case NOTIFIER_MKDIR:
		return result_of(mkdirat(dir, command->name, 0777));
	case NOTIFIER_MODIFY:
		return modify(dir, command->name);
	case NOTIFIER_UNLINK:
		return result_of(unlinkat(dir, command->name, 0));
	case NOTIFIER_RMDIR:
		return result_of(unlinkat(dir, command->name, AT_REMOVEDIR));
	case NOTIFIER_RENAME:
		return rename_to(child, dir, command->name, command->to_dir, command->to_name);
	default:
		return -EINVAL;
	}
}

/* As root, act on a clone: no name to resolve, no mount over DIR to fall into. */
static void clone_mount(struct child *child)
{
	long fd = syscall(SYS_open_tree, AT_FDCWD, child->dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd >= 0)
		child->clone = (int)fd;
}

/*
 * The kernel looks a name that it knows up without the lock of its directory, which in the root
 * a create may hold for as long as no server answers: .zkfs/status can be read all the same.
 */
static void make_known(struct child *child, const char *path)
{
	int fd = open_dir(child, path);

	if (fd >= 0)
		close(fd);
}

static int attach(struct child *child, const char *dir)
{
	struct statx statx_buf;

	free(child->dir);
	child->dir = strdup(dir);
	if (!child->dir ||
	    statx(AT_FDCWD, dir, AT_NO_AUTOMOUNT, STATX_MNT_ID | STATX_TYPE, &statx_buf) < 0)
		return -errno;
	child->device = makedev(statx_buf.stx_dev_major, statx_buf.stx_dev_minor);
	child->mount_id = statx_buf.stx_mnt_id;
	child->attached = true;
	clone_mount(child);
	child->mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	make_known(child, ".zkfs");
	return 0;
}

static int perform(struct child *child, const struct notifier_command *command)
{
	int dir;
	int result;

	if (command->op == NOTIFIER_ATTACH)
		return attach(child, command->dir);
	dir = open_dir(child, command->dir);
	if (dir < 0)
		return dir;
	result = perform_in(child, dir, command);
	close(dir);
	return result;
}

/* Is the mount that we were attached to still listed, with the device it had? */
static bool mount_is_listed(const struct child *child)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t capacity = 0;
	bool listed = false;

	if (!file)
		return true; /* nothing is known: keep what there is */
	while (!listed && getline(&line, &capacity, file) > 0) {
		unsigned long id;
		unsigned major_number, minor_number;

		if (sscanf(line, "%lu %*u %u:%u", &id, &major_number, &minor_number) == 3)
			listed = id == child->mount_id &&
				 makedev(major_number, minor_number) == child->device;
	}
	free(line);
	fclose(file);
	return listed;
}

static void look_at_mounts(struct child *child)
{
	if (!child->attached || mount_is_listed(child))
		return;
	child->attached = false;
	if (child->clone >= 0)
		close(child->clone);
	child->clone = -1;
}

static bool decode(const char *packet, size_t size, struct notifier_command *ret_command)
{
	const char *names[NAME_COUNT];
	size_t at = HEADER_SIZE;

	for (int i = 0; i < NAME_COUNT; i++) {
		const char *end = at < size ? memchr(packet + at, '\0', size - at) : NULL;

		if (!end)
			return false;
		names[i] = packet + at;
		at = (size_t)(end - packet) + 1;
	}
	*ret_command = (struct notifier_command){
		.op = (enum notifier_op)packet[0],
		.has_data = packet[1] != 0,
		.dir = names[0],
		.name = names[1],
		.to_dir = names[2],
		.to_name = names[3],
	};
	return true;
}

/* False when the socket is closed: the daemon is gone, or wants us to be. */
static bool serve_one(struct child *child)
{
	static char packet[HEADER_SIZE + NOTIFIER_COMMAND_SIZE_MAX];
	struct notifier_command command;
	ssize_t size = recv(child->socket, packet, sizeof(packet), 0);
	int32_t result;

	if (size < 0 && errno == EINTR)
		return true;
	if (size < HEADER_SIZE || !decode(packet, (size_t)size, &command))
		return false;
	result = perform(child, &command);
	return send(child->socket, &result, sizeof(result), MSG_NOSIGNAL) == sizeof(result);
}

/*
 * Everything that the parent had open is closed, so that nothing of it (a
 * pipe, a log, a terminal) is kept open by us.
 */
static void close_all_but(int fd)
{
	int null = open("/dev/null", O_RDWR);

	for (int i = 0; null >= 0 && i < 3; i++)
		if (i != fd && i != null)
			(void)dup2(null, i);
	if (fd > 3)
		(void)syscall(SYS_close_range, 3, fd - 1, 0);
	(void)syscall(SYS_close_range, fd > 2 ? fd + 1 : 3, ~0U, 0);
}

static _Noreturn void child_main(int socket)
{
	struct child child = {.socket = socket, .mountinfo = -1, .clone = -1};
	bool serving = true;

	close_all_but(socket);
	/* The socket's end tells; signals meant for the daemon's terminal are not for us. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "zkfs-notifier");
	umask(0);
	if (chdir("/") < 0)
		_exit(1);
	while (serving) {
		struct pollfd fds[2] = {
			{.fd = child.socket, .events = POLLIN},
			{.fd = child.mountinfo, .events = POLLPRI},
		};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			look_at_mounts(&child);
		if (fds[0].revents)
			serving = serve_one(&child);
	}
	_exit(0);
}

/* ---- the daemon's side ---- */

int notifier_start(struct notifier *notifier)
{
	int sockets[2];
	int size = 4 * NOTIFIER_COMMAND_SIZE_MAX;

	*notifier = (struct notifier){.fd = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	(void)setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	notifier->pid = fork();
	if (notifier->pid == 0)
		child_main(sockets[1]);
	close(sockets[1]);
	if (notifier->pid < 0) {
		close(sockets[0]);
		notifier->pid = 0;
		return -errno;
	}
	notifier->fd = sockets[0];
	return fcntl(notifier->fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

void notifier_stop(struct notifier *notifier)
{
	if (notifier->fd >= 0)
		close(notifier->fd);
	notifier->fd = -1;
	if (notifier->pid > 0)
		while (waitpid(notifier->pid, NULL, 0) < 0 && errno == EINTR)
			;
	notifier->pid = 0;
}

static size_t put_name(char *packet, size_t at, const char *name)
{
	size_t size = name ? strlen(name) : 0;

	if (size > 0)
		memcpy(packet + at, name, size);
	packet[at + size] = '\0';
	return at + size + 1;
}

static bool is_short(const char *name)
{
	return !name || strlen(name) < PATH_MAX;
}

int notifier_send(struct notifier *notifier, const struct notifier_command *command)
{
	static char packet[HEADER_SIZE + NOTIFIER_COMMAND_SIZE_MAX];
	size_t size = HEADER_SIZE;

	if (notifier->fd < 0)
		return -EPIPE;
	if (!is_short(command->dir) || !is_short(command->name) || !is_short(command->to_dir) ||
	    !is_short(command->to_name))
		return -ENAMETOOLONG;
	packet[0] = (char)command->op;
	packet[1] = command->has_data;
	size = put_name(packet, size, command->dir);
	size = put_name(packet, size, command->name);
	size = put_name(packet, size, command->to_dir);
	size = put_name(packet, size, command->to_name);
	return send(notifier->fd, packet, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -EPIPE;
}

int notifier_receive(struct notifier *notifier, int *ret_result)
{
	int32_t result;
	ssize_t size;

	if (notifier->fd < 0)
		return -EPIPE;
	size = recv(notifier->fd, &result, sizeof(result), MSG_DONTWAIT);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (size != sizeof(result))
		return -EPIPE;
	*ret_result = result;
	return 0;
}
