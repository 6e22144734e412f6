/*
 * nullfs: the smallest FUSE filesystem that can be written, to measure beside
 * zkfs what FUSE itself costs. One directory of FILE_COUNT files, f0 .. fN, of
 * FILE_SIZE bytes; nothing is kept of what is written.
 *
 *	nullfs DIR [FILE_COUNT]      (in the foreground; ends with umount)
 */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_SIZE = 3, TIMEOUT_S = 3 };

static const char content[] = "hi\n";
static unsigned long file_count = 1000;

static void fill(fuse_ino_t ino, struct stat *ret_stat)
{
	*ret_stat = (struct stat){
		.st_ino = ino,
		.st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644,
		.st_nlink = 1,
		.st_size = ino == FUSE_ROOT_ID ? 0 : FILE_SIZE,
	};
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = {.attr_timeout = TIMEOUT_S, .entry_timeout = TIMEOUT_S};
	char *end = NULL;
	unsigned long number = name[0] == 'f' ? strtoul(name + 1, &end, 10) : file_count;

	if (number >= file_count || !end || *end) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	entry.ino = number + 2;
	fill(entry.ino, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat stat_buf;

	fill(ino, &stat_buf);
	fuse_reply_attr(req, &stat_buf, TIMEOUT_S);
}

static void on_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	on_getattr(req, ino, fi);
}

static void on_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	char *buf = malloc(size);
	size_t used = 0;

	for (unsigned long i = (unsigned long)offset; buf && i < file_count; i++) {
		struct stat stat_buf;
		char name[32];
		size_t entry;

		snprintf(name, sizeof(name), "f%lu", i);
		fill(i + 2, &stat_buf);
		entry = fuse_add_direntry(req, buf + used, size - used, name, &stat_buf,
					  (off_t)i + 1);
		if (entry > size - used)
			break;
		used += entry;
	}
	fuse_reply_buf(req, buf, used);
	free(buf);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	size_t left = offset < FILE_SIZE ? (size_t)(FILE_SIZE - offset) : 0;

	fuse_reply_buf(req, content + FILE_SIZE - left, size < left ? size : left);
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t offset,
		     struct fuse_file_info *fi)
{
	fuse_reply_write(req, size);
}

static void on_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_err(req, 0);
}

int main(int argc, char **argv)
{
	static const struct fuse_lowlevel_ops ops = {
		.lookup = on_lookup,
		.getattr = on_getattr,
		.setattr = on_setattr,
		.readdir = on_readdir,
		.open = on_open,
		.read = on_read,
		.write = on_write,
		.flush = on_flush,
		.release = on_flush,
	};
	char *options[] = {argv[0], NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, options);
	struct fuse_session *fuse;
	int err;

	if (argc < 2) {
		fputs("usage: nullfs DIR [FILE_COUNT]\n", stderr);
		return 1;
	}
	if (argc > 2)
		file_count = strtoul(argv[2], NULL, 10);
	fuse = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!fuse || fuse_session_mount(fuse, argv[1]) != 0)
		return 1;
	err = fuse_session_loop(fuse);
	fuse_session_unmount(fuse);
	fuse_session_destroy(fuse);
	return err != 0;
}
