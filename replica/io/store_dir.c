#include "replica/io/store_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replica/io/store_db.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

enum { DIRECTORY_MODE = 0750 };

static int refuse_errno(struct store_refusal *ret_refusal, const char *path)
{
	return store_refuse(ret_refusal, -errno, "%s: %s", path, strerror(errno));
}

/* ---- names ---- */

char *store_dir_state(const struct store_dir *dir)
{
	return mem_printf("%s/state.db", dir->data);
}

char *store_dir_new_state(const struct store_dir *dir)
{
	return mem_printf("%s/state.new.db", dir->data);
}

char *store_dir_tree(const struct store_dir *dir, uint32_t generation)
{
	return mem_printf("%s/tree.%" PRIu32 ".db", dir->data, generation);
}

char *store_dir_new_tree(const struct store_dir *dir)
{
	return mem_printf("%s/tree.new.db", dir->data);
}

char *store_dir_log(const struct store_dir *dir, uint32_t generation, zxid_t first_zxid)
{
	return mem_printf("%s/log.%" PRIu32 ".%016" PRIx64 ".db", dir->log, generation,
			  (uint64_t)first_zxid);
}

char *store_dir_new_log(const struct store_dir *dir, uint32_t generation, const char *made_when)
{
	return mem_printf("%s/log.%" PRIu32 ".%s.db", dir->log, generation, made_when);
}

char *store_dir_old_log(const struct store_dir *dir, uint32_t generation)
{
	return mem_printf("%s/log.%" PRIu32 ".old.db", dir->log, generation);
}

/* Only a name that we would write ourselves is one: it is written and compared. */
static bool parse_log_name(const char *name, uint32_t *ret_generation, zxid_t *ret_zxid)
{
	char written[64];
	uint64_t zxid;

	if (sscanf(name, "log.%" SCNu32 ".%16" SCNx64 ".db", ret_generation, &zxid) != 2)
		return false;
	snprintf(written, sizeof(written), "log.%" PRIu32 ".%016" PRIx64 ".db", *ret_generation,
		 zxid);
	*ret_zxid = (zxid_t)zxid;
	return strcmp(name, written) == 0;
}

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The name of the database that SQLite keeps this file beside, or NULL. */
static char *database_of(const char *name)
{
	static const char *const suffixes[] = {"-wal", "-shm", "-journal"};
	size_t size = strlen(name);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t suffix_size = strlen(suffixes[i]);

		if (size > suffix_size && strcmp(name + size - suffix_size, suffixes[i]) == 0)
			return mem_printf("%.*s", (int)(size - suffix_size), name);
	}
	return NULL;
}

bool store_dir_has(const char *path)
{
	return access(path, F_OK) == 0;
}

/* ---- opening ---- */

/* A directory entry is durable when its directory was synced. */
static int sync_parent(const char *path, struct store_refusal *ret_refusal)
{
	char *copy = mem_strdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = 0;

	if (fd < 0 || fsync(fd) != 0)
		error = refuse_errno(ret_refusal, path);
	if (fd >= 0)
		close(fd);
	free(copy);
	return error;
}

static int make_directory(const char *path, struct store_refusal *ret_refusal)
{
	if (mkdir(path, DIRECTORY_MODE) == 0)
		return sync_parent(path, ret_refusal);
	return errno == EEXIST ? 0 : refuse_errno(ret_refusal, path);
}

static int lock_directory(const char *path, int *ret_fd, struct store_refusal *ret_refusal)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return refuse_errno(ret_refusal, path);
	/* The sync is for names that a process made which was killed before it synced them. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fsync(fd) == 0) {
		*ret_fd = fd;
		return 0;
	}
	if (errno == EWOULDBLOCK)
		error = store_refuse(ret_refusal, -EBUSY, "%s is served by another zkfsd already",
				     path);
	else
		error = refuse_errno(ret_refusal, path);
	close(fd);
	return error;
}

/* A zkfsd of a later format keeps its files in zkfs-2 or so, and leaves ours behind. */
static int check_no_newer(const char *parent, struct store_refusal *ret_refusal)
{
	DIR *stream = opendir(parent);
	struct dirent *entry;
	int format, size;
	int error = 0;

	if (!stream)
		return refuse_errno(ret_refusal, parent);
	while (!error && (entry = readdir(stream)))
		if (sscanf(entry->d_name, "zkfs-%d%n", &format, &size) == 1 &&
		    entry->d_name[size] == '\0' && format > STORE_FORMAT)
			error = store_refuse(ret_refusal, -ENOTSUP,
					     "%s/%s was written by a newer zkfsd", parent,
					     entry->d_name);
	closedir(stream);
	return error;
}

static bool is_same_directory(const char *a, const char *b)
{
	struct stat of_a, of_b;

	return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
	       of_a.st_ino == of_b.st_ino;
}

static int open_data(struct store_dir *dir, const char *parent, struct store_refusal *ret_refusal)
{
	char *state;
	int error;

	error = make_directory(parent, ret_refusal);
	if (!error)
		error = check_no_newer(parent, ret_refusal);
	if (!error)
		error = make_directory(dir->data, ret_refusal);
	if (!error)
		error = lock_directory(dir->data, &dir->data_fd, ret_refusal);
	if (error)
		return error;
	state = store_dir_state(dir);
	dir->is_new = !store_dir_has(state);
	free(state);
	return 0;
}

/* An old store whose log's directory isn't there has its disk not mounted, say. */
static int open_log(struct store_dir *dir, const char *parent, struct store_refusal *ret_refusal)
{
	int error = 0;

	if (!dir->is_new && !store_dir_has(dir->log))
		return store_refuse(ret_refusal, -EBADMSG,
				    "%s is missing, and %s says that the log is there", dir->log,
				    dir->data);
	if (dir->is_new)
		error = make_directory(parent, ret_refusal);
	if (!error)
		error = check_no_newer(parent, ret_refusal);
	if (!error && dir->is_new)
		error = make_directory(dir->log, ret_refusal);
	if (error)
		return error;
	if (!is_same_directory(dir->data, dir->log))
		return lock_directory(dir->log, &dir->log_fd, ret_refusal);
	dir->log_fd = dir->data_fd;
	return 0;
}

int store_dir_open(struct store_dir *dir, const struct store_options *options,
		   struct store_refusal *ret_refusal)
{
	const char *log_dir = options->log_dir ? options->log_dir : options->data_dir;
	int error;

	*dir = (struct store_dir){.vfs = options->vfs, .data_fd = -1, .log_fd = -1};
	dir->data = mem_printf("%s/zkfs-%d", options->data_dir, STORE_FORMAT);
	dir->log = mem_printf("%s/zkfs-%d", log_dir, STORE_FORMAT);
	error = open_data(dir, options->data_dir, ret_refusal);
	if (!error)
		error = open_log(dir, log_dir, ret_refusal);
	return error;
}

void store_dir_close(struct store_dir *dir)
{
	/* Closing releases the lock; there is nothing to lose. */
	if (dir->log_fd >= 0 && dir->log_fd != dir->data_fd)
		close(dir->log_fd);
	if (dir->data_fd >= 0)
		close(dir->data_fd);
	free(dir->data);
	free(dir->log);
	*dir = (struct store_dir){.data_fd = -1, .log_fd = -1};
}

/* ---- changing ---- */

static bool is_in(const char *directory, const char *path)
{
	return has_prefix(path, directory) && strrchr(path, '/') == path + strlen(directory);
}

/* The WAL of one database becomes that of another, if there is one. */
static int rename_wal(const char *from, const char *to, bool *ret_has_wal,
		      struct store_refusal *ret_refusal)
{
	char *from_wal = mem_printf("%s-wal", from);
	char *to_wal = mem_printf("%s-wal", to);
	bool has_wal = store_dir_has(from_wal);
	int error = 0;

	if (has_wal && rename(from_wal, to_wal) != 0)
		error = refuse_errno(ret_refusal, to_wal);
	free(from_wal);
	free(to_wal);
	if (!error)
		*ret_has_wal = has_wal;
	return error;
}

/* The WAL first: beside no database it is void, and goes at the next start. */
int store_dir_rename(const struct store_dir *dir, const char *from, const char *to,
		     struct store_refusal *ret_refusal)
{
	int fd = is_in(dir->log, to) ? dir->log_fd : dir->data_fd;
	bool has_wal;
	int error = rename_wal(from, to, &has_wal, ret_refusal);

	if (!error && (rename(from, to) != 0 || fsync(fd) != 0))
		error = refuse_errno(ret_refusal, to);
	return error;
}

static int remove_file(const struct store_dir *dir, const char *path, bool sync,
		       struct store_refusal *ret_refusal)
{
	sqlite3_vfs *files = sqlite3_vfs_find(dir->vfs);
	int code = files->xDelete(files, path, sync);

	if (code != SQLITE_OK && code != SQLITE_IOERR_DELETE_NOENT)
		return store_refuse(ret_refusal, -EIO, "%s can't be removed", path);
	return 0;
}

static int remove_beside(const struct store_dir *dir, const char *path,
			 struct store_refusal *ret_refusal)
{
	static const char *const suffixes[] = {"-wal", "-shm", "-journal"};
	int error = 0;

	for (size_t i = 0; !error && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *name = mem_printf("%s%s", path, suffixes[i]);

		error = remove_file(dir, name, false, ret_refusal);
		free(name);
	}
	return error;
}

/*
 * The database first, and for good, then what is beside it: a database without
 * its WAL would look as if it had lost commits.
 */
int store_dir_remove(const struct store_dir *dir, const char *path,
		     struct store_refusal *ret_refusal)
{
	int error = remove_file(dir, path, true, ret_refusal);

	return error ? error : remove_beside(dir, path, ret_refusal);
}

int store_dir_remove_but_wal(const struct store_dir *dir, const char *path, const char *kept,
			     bool *ret_has_wal, struct store_refusal *ret_refusal)
{
	int error = remove_file(dir, path, true, ret_refusal);

	if (!error)
		error = rename_wal(path, kept, ret_has_wal, ret_refusal);
	return error ? error : remove_beside(dir, path, ret_refusal);
}

/* ---- looking around ---- */

/* Visit each name in a directory until one is refused. */
static int each_name(const struct store_dir *dir, const char *path,
		     int (*visit)(const struct store_dir *dir, const char *path, const char *name,
				  void *data, struct store_refusal *ret_refusal),
		     void *data, struct store_refusal *ret_refusal)
{
	DIR *stream = opendir(path);
	struct dirent *entry;
	int error = 0;

	if (!stream)
		return refuse_errno(ret_refusal, path);
	errno = 0;
	while (!error && (entry = readdir(stream))) {
		error = visit(dir, path, entry->d_name, data, ret_refusal);
		errno = 0;
	}
	if (!error && errno)
		error = refuse_errno(ret_refusal, path);
	closedir(stream);
	return error;
}

struct log_list {
	uint32_t generation;
	zxid_t *zxids;
	size_t count;
};

static int list_log(const struct store_dir *dir, const char *path, const char *name, void *data,
		    struct store_refusal *ret_refusal)
{
	struct log_list *list = data;
	uint32_t generation;
	zxid_t zxid;

	if (!parse_log_name(name, &generation, &zxid) || generation != list->generation)
		return 0;
	list->zxids = mem_realloc(list->zxids, (list->count + 1) * sizeof(*list->zxids));
	list->zxids[list->count++] = zxid;
	return 0;
}

static int compare_zxids(const void *a, const void *b)
{
	const zxid_t *of_a = a;
	const zxid_t *of_b = b;

	return (*of_a > *of_b) - (*of_a < *of_b);
}

int store_dir_list_logs(const struct store_dir *dir, uint32_t generation, zxid_t **ret_zxids,
			size_t *ret_count, struct store_refusal *ret_refusal)
{
	struct log_list list = {.generation = generation};
	int error;

	error = each_name(dir, dir->log, list_log, &list, ret_refusal);
	if (error) {
		free(list.zxids);
		return error;
	}
	if (list.count > 0)
		qsort(list.zxids, list.count, sizeof(*list.zxids), compare_zxids);
	*ret_zxids = list.zxids;
	*ret_count = list.count;
	return 0;
}

struct log_range {
	uint32_t generation;
	zxid_t min;
	zxid_t max;
};

/* By the name of the database or of what is beside it: a crash may have left only that. */
static int remove_log_of_range(const struct store_dir *dir, const char *path, const char *name,
			       void *data, struct store_refusal *ret_refusal)
{
	const struct log_range *range = data;
	char *beside = database_of(name);
	const char *database = beside ? beside : name;
	char *file = mem_printf("%s/%s", path, database);
	uint32_t generation;
	zxid_t zxid;
	int error = 0;

	if (parse_log_name(database, &generation, &zxid) && generation == range->generation &&
	    zxid >= range->min && zxid <= range->max)
		error = store_dir_remove(dir, file, ret_refusal);
	free(file);
	free(beside);
	return error;
}

/* Synced, so that a segment of the same name never finds beside it what was another's. */
int store_dir_remove_logs(const struct store_dir *dir, uint32_t generation, zxid_t min, zxid_t max,
			  struct store_refusal *ret_refusal)
{
	struct log_range range = {.generation = generation, .min = min, .max = max};
	int error = each_name(dir, dir->log, remove_log_of_range, &range, ret_refusal);

	if (!error && fsync(dir->log_fd) != 0)
		error = refuse_errno(ret_refusal, dir->log);
	return error;
}

static bool is_being_made(const char *name)
{
	uint32_t generation;
	char made_when[8];

	if (strcmp(name, "state.new.db") == 0 || strcmp(name, "tree.new.db") == 0)
		return true;
	return sscanf(name, "log.%" SCNu32 ".%4[a-z].db", &generation, made_when) == 2 &&
	       (strcmp(made_when, "next") == 0 || strcmp(made_when, "now") == 0 ||
		strcmp(made_when, "old") == 0);
}

/* False if it is of none. */
static bool generation_of(const char *name, uint32_t *ret_generation)
{
	return sscanf(name, "tree.%" SCNu32 ".db", ret_generation) == 1 ||
	       sscanf(name, "log.%" SCNu32 ".", ret_generation) == 1;
}

static bool is_of_other_generation(const char *name, uint32_t valid)
{
	uint32_t generation;

	return generation_of(name, &generation) && generation != valid;
}

static int remove_if_void(const struct store_dir *dir, const char *path, const char *name,
			  void *data, struct store_refusal *ret_refusal)
{
	const uint32_t *generation = data;
	char *beside = database_of(name);
	char *database = mem_printf("%s/%s", path, beside ? beside : name);
	bool is_ours =
		has_prefix(name, "state.") || has_prefix(name, "tree.") || has_prefix(name, "log.");
	int error = 0;

	if (is_being_made(beside ? beside : name) || is_of_other_generation(name, *generation))
		error = store_dir_remove(dir, database, ret_refusal);
	else if (is_ours && beside && !store_dir_has(database))
		error = store_dir_remove(dir, database, ret_refusal);
	free(database);
	free(beside);
	return error;
}

int store_dir_remove_void(const struct store_dir *dir, uint32_t generation,
			  struct store_refusal *ret_refusal)
{
	int error = each_name(dir, dir->data, remove_if_void, &generation, ret_refusal);

	if (!error && dir->log_fd != dir->data_fd)
		error = each_name(dir, dir->log, remove_if_void, &generation, ret_refusal);
	return error;
}

static int remove_if_of_generation(const struct store_dir *dir, const char *path, const char *name,
				   void *data, struct store_refusal *ret_refusal)
{
	const uint32_t *generation = data;
	char *beside = database_of(name);
	char *database = mem_printf("%s/%s", path, beside ? beside : name);
	uint32_t found;
	int error = 0;

	if (generation_of(name, &found) && found == *generation)
		error = store_dir_remove(dir, database, ret_refusal);
	free(database);
	free(beside);
	return error;
}

int store_dir_remove_generation(const struct store_dir *dir, uint32_t generation,
				struct store_refusal *ret_refusal)
{
	int error = each_name(dir, dir->data, remove_if_of_generation, &generation, ret_refusal);

	if (!error && dir->log_fd != dir->data_fd)
		error = each_name(dir, dir->log, remove_if_of_generation, &generation, ret_refusal);
	return error;
}

static int refuse_if_old(const struct store_dir *dir, const char *path, const char *name,
			 void *data, struct store_refusal *ret_refusal)
{
	bool is_old = has_prefix(name, "log.") || has_prefix(name, "tree.");

	if (!is_old || has_prefix(name, "tree.new.db") || has_prefix(name, "tree.1.db"))
		return 0;
	return store_refuse(ret_refusal, -EBADMSG, "%s/state.db is missing, but %s/%s is there",
			    dir->data, path, name);
}

int store_dir_check_new(const struct store_dir *dir, struct store_refusal *ret_refusal)
{
	int error = each_name(dir, dir->data, refuse_if_old, NULL, ret_refusal);

	if (!error && dir->log_fd != dir->data_fd)
		error = each_name(dir, dir->log, refuse_if_old, NULL, ret_refusal);
	return error;
}
