#include "replica/io/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replica/io/store.h"
#include "src/base/mem.h"

/* A new entry survives a crash only if the directory that names it was synced. */
static int sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash == path ? mem_strdup("/") : mem_dup(path, (size_t)(slash - path));
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = 0;

	if (fd < 0 || fsync(fd) < 0)
		error = -errno;
	if (fd >= 0)
		(void)close(fd); /* nothing was written through it */
	free(parent);
	return error;
}

static int make_one(const char *path)
{
	if (mkdir(path, 0755) == 0)
		return sync_parent(path);
	return errno == EEXIST ? 0 : -errno;
}

int data_dir_make(const char *path)
{
	char *copy = mem_strdup(path);
	char *slash = copy;
	int error = 0;

	while (error == 0 && slash) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		error = make_one(copy);
		if (slash)
			*slash = '/';
	}
	free(copy);
	return error;
}

char *data_dir_databases(const char *path)
{
	return mem_printf("%s/zkfs-%d", path, STORE_FORMAT);
}

bool data_dir_may_bootstrap(const char *path)
{
	char *name = mem_printf("%s/initialize", path);
	bool exists = access(name, F_OK) == 0;

	free(name);
	return exists;
}

void data_dir_forget_bootstrap(const char *path)
{
	char *name = mem_printf("%s/initialize", path);

	(void)unlink(name); /* most often there is none */
	free(name);
}

static char *address_file(const char *databases)
{
	return mem_printf("%s/address", databases);
}

int data_dir_write_address(const char *databases, const char *address)
{
	char *name = address_file(databases);
	FILE *file = fopen(name, "we");
	int error = 0;

	if (!file) {
		error = -errno;
	} else {
		/* stdio keeps the first error for fclose to tell. */
		(void)fprintf(file, "%s\n", address);
		if (fclose(file) != 0)
			error = -errno;
	}
	free(name);
	return error;
}

void data_dir_remove_address(const char *databases)
{
	char *name = address_file(databases);

	(void)unlink(name); /* left behind, it says nothing: the lock is what counts */
	free(name);
}

char *data_dir_read_address(const char *databases)
{
	char *name = address_file(databases);
	FILE *file = fopen(name, "re");
	char line[128] = "";

	free(name);
	if (!file)
		return NULL;
	(void)!fgets(line, sizeof(line), file);
	(void)fclose(file); /* it was only read */
	line[strcspn(line, "\n")] = '\0';
	return *line ? mem_strdup(line) : NULL;
}
