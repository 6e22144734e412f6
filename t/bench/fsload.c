/*
 * fsload: how many small file operations a second a directory bears, from one
 * process that makes the system calls of the command itself, so that starting
 * programs isn't what is measured.
 *
 *	fsload DIR cat|stat|echo|ls SECONDS
 *
 * The files f0 .. f999 must be in DIR (for ls, all that is there is listed and
 * each entry's type looked at, as `ls -F` does). Prints operations a second.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_COUNT = 1000 };

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "fsload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void do_cat(int dir, const char *name)
{
	char buf[4096];
	int fd = openat(dir, name, O_RDONLY);

	if (fd < 0)
		die("open");
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

static void do_stat(int dir, const char *name)
{
	struct stat stat_buf;

	if (fstatat(dir, name, &stat_buf, 0) < 0)
		die("stat");
}

static void do_echo(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, "hi\n", 3) != 3 || close(fd) < 0)
		die("write");
}

static void do_ls(int dir, const char *name)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct stat stat_buf;

	if (!stream)
		die("opendir");
	for (struct dirent *entry; (entry = readdir(stream));)
		if (entry->d_type == DT_UNKNOWN &&
		    fstatat(dir, entry->d_name, &stat_buf, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno != ENOENT)
			die("stat");
	closedir(stream);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int dir, const char *name);
	} kinds[] = {{"cat", do_cat}, {"stat", do_stat}, {"echo", do_echo}, {"ls", do_ls}};
	void (*run)(int dir, const char *name) = NULL;
	unsigned long count = 0;
	double begin, seconds;
	int dir;

	for (size_t i = 0; argc == 4 && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(argv[2], kinds[i].name) == 0)
			run = kinds[i].run;
	if (!run) {
		fputs("usage: fsload DIR cat|stat|echo|ls SECONDS\n", stderr);
		return 1;
	}
	dir = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		die(argv[1]);
	seconds = strtod(argv[3], NULL);
	begin = now_s();
	do {
		char name[32];

		snprintf(name, sizeof(name), "f%lu", count % FILE_COUNT);
		run(dir, name);
		count++;
	} while (now_s() - begin < seconds);
	printf("%.0f\n", (double)count / (now_s() - begin));
	return 0;
}
