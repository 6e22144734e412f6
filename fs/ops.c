#include "fs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fs/attr.h"
#include "fs/dir.h"
#include "fs/file.h"
#include "fs/inject.h"
#include "fs/namespace.h"
#include "fs/request.h"
#include "fs/virtual.h"
#include "fs/xattr.h"

static struct fs *fs_of(fuse_req_t fuse)
{
	return fuse_req_userdata(fuse);
}

static void refuse(fuse_req_t fuse, int error)
{
	/* It fails for a caller that is gone. */
	(void)fuse_reply_err(fuse, error);
}

/* NULL: answered. A nodeid that we don't hold is a bug of somebody's, and no reason to die. */
static struct node *node_or_refuse(fuse_req_t fuse, fuse_ino_t nodeid)
{
	struct node *node = node_find(fs_of(fuse), nodeid);

	if (!node)
		refuse(fuse, ESTALE);
	return node;
}

static bool is_virtual(const struct node *node)
{
	return node->kind == NODE_STATUS || node->kind == NODE_EVENTS;
}

/* False: answered. A mount is read-only by us, not by the kernel, which would refuse the notifier
 * too. */
static bool may_write(fuse_req_t fuse)
{
	if (!fs_of(fuse)->options->read_only)
		return true;
	refuse(fuse, EROFS);
	return false;
}

/* A request whose caller holds the locks of those directories. */
static struct request *begin_in_dir(fuse_req_t fuse, struct node *dir)
{
	struct request *request = request_begin(fs_of(fuse), fuse);

	request_locks_dir(request, dir);
	return request;
}

static struct request *begin_on_inode(fuse_req_t fuse, struct node *node)
{
	struct request *request = request_begin(fs_of(fuse), fuse);

	request_locks_inode(request, node);
	return request;
}

/* ---- names ---- */

static void op_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	struct node *dir = node_or_refuse(fuse, parent);

	if (dir && !inject_takes_lookup(fs_of(fuse), fuse, dir, name))
		namespace_lookup(begin_in_dir(fuse, dir), dir, name);
}

static void forget(struct fs *fs, fuse_ino_t nodeid, uint64_t count)
{
	struct node *node = node_find(fs, nodeid);

	if (node)
		node_forget(fs, node, count);
}

static void op_forget(fuse_req_t fuse, fuse_ino_t nodeid, uint64_t count)
{
	forget(fs_of(fuse), nodeid, count);
	fuse_reply_none(fuse);
}

static void op_forget_multi(fuse_req_t fuse, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(fs_of(fuse), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(fuse);
}

static void op_create(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct node *dir = node_or_refuse(fuse, parent);

	if (dir && may_write(fuse))
		namespace_create(begin_in_dir(fuse, dir), dir, name, fi);
}

static void op_mknod(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode,
		     dev_t device)
{
	struct node *dir = node_or_refuse(fuse, parent);

	if (dir && !inject_takes_mknod(fs_of(fuse), fuse, dir, name, mode) && may_write(fuse))
		namespace_mknod(begin_in_dir(fuse, dir), dir, name, mode);
}

static void op_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct node *dir = node_or_refuse(fuse, parent);

	if (dir && !inject_takes_mknod(fs_of(fuse), fuse, dir, name, S_IFDIR | mode) &&
	    may_write(fuse))
		namespace_mkdir(begin_in_dir(fuse, dir), dir, name);
}

static void op_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	struct node *dir = node_or_refuse(fuse, parent);

	if (dir && !inject_takes_remove(fs_of(fuse), fuse, dir, name) && may_write(fuse))
		namespace_unlink(begin_in_dir(fuse, dir), dir, name);
}

static void op_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	struct node *dir = node_or_refuse(fuse, parent);

	if (dir && !inject_takes_remove(fs_of(fuse), fuse, dir, name) && may_write(fuse))
		namespace_rmdir(begin_in_dir(fuse, dir), dir, name);
}

static void op_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
		      const char *to_name, unsigned flags)
{
	struct node *dir = node_or_refuse(fuse, parent);
	struct node *to_dir = dir ? node_or_refuse(fuse, to_parent) : NULL;
	struct request *request;

	if (!to_dir || inject_takes_rename(fs_of(fuse), fuse, dir, name, to_dir, to_name) ||
	    !may_write(fuse))
		return;
	request = begin_in_dir(fuse, dir);
	if (dir != to_dir) {
		request_locks_dir(request, to_dir);
		request->renames_between_dirs = true;
	}
	namespace_rename(request, dir, name, to_dir, to_name, flags);
}

static void op_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name)
{
	refuse(fuse, EPERM);
}

static void op_link(fuse_req_t fuse, fuse_ino_t nodeid, fuse_ino_t to_parent, const char *to_name)
{
	refuse(fuse, EPERM);
}

/* ---- attributes ---- */

static void op_getattr(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node && !inject_takes_getattr(fs_of(fuse), fuse, node))
		attr_get(request_begin(fs_of(fuse), fuse), node);
}

static void op_setattr(fuse_req_t fuse, fuse_ino_t nodeid, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node && !inject_takes_setattr(fs_of(fuse), fuse, node) && may_write(fuse))
		attr_set(begin_on_inode(fuse, node), node, attr, to_set, fi);
}

static void op_statfs(fuse_req_t fuse, fuse_ino_t nodeid)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node)
		attr_statfs(request_begin(fs_of(fuse), fuse), node);
}

static void op_getxattr(fuse_req_t fuse, fuse_ino_t nodeid, const char *name, size_t size)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node)
		xattr_get(request_begin(fs_of(fuse), fuse), node, name, size);
}

static void op_setxattr(fuse_req_t fuse, fuse_ino_t nodeid, const char *name, const char *value,
			size_t size, int flags)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node && may_write(fuse))
		xattr_set(begin_on_inode(fuse, node), node, name, value, size);
}

static void op_removexattr(fuse_req_t fuse, fuse_ino_t nodeid, const char *name)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node && may_write(fuse))
		xattr_remove(begin_on_inode(fuse, node), node, name);
}

static void op_listxattr(fuse_req_t fuse, fuse_ino_t nodeid, size_t size)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node)
		xattr_list(request_begin(fs_of(fuse), fuse), size);
}

/* ---- directories ---- */

static void op_opendir(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct node *dir = node_or_refuse(fuse, nodeid);

	if (dir && !node_is_dir(dir))
		refuse(fuse, ENOTDIR);
	else if (dir)
		dir_open(request_begin(fs_of(fuse), fuse), dir, fi);
}

static void op_readdir(fuse_req_t fuse, fuse_ino_t nodeid, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	struct node *dir = node_or_refuse(fuse, nodeid);

	if (dir)
		dir_read(begin_in_dir(fuse, dir), fi, size, offset);
}

static void op_releasedir(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	dir_release(request_begin(fs_of(fuse), fuse), fi);
}

static void op_fsyncdir(fuse_req_t fuse, fuse_ino_t nodeid, int datasync, struct fuse_file_info *fi)
{
	struct node *dir = node_or_refuse(fuse, nodeid);

	if (dir)
		dir_sync(request_begin(fs_of(fuse), fuse), dir);
}

/* ---- values ---- */

static bool opens_for_writing(const struct fuse_file_info *fi)
{
	return (fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC);
}

static void op_open(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (!node || inject_takes_open(fs_of(fuse), fuse, node, fi))
		return;
	if (opens_for_writing(fi) && !may_write(fuse))
		return;
	if (is_virtual(node))
		virtual_open(request_begin(fs_of(fuse), fuse), node, fi);
	else
		file_open(request_begin(fs_of(fuse), fuse), node, fi);
}

static void op_read(fuse_req_t fuse, fuse_ino_t nodeid, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node && is_virtual(node))
		virtual_read(request_begin(fs_of(fuse), fuse), node, fi, size, offset);
	else if (node)
		file_read(request_begin(fs_of(fuse), fuse), fi, size, offset);
}

static void op_write(fuse_req_t fuse, fuse_ino_t nodeid, const char *data, size_t size,
		     off_t offset, struct fuse_file_info *fi)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node)
		file_write(begin_on_inode(fuse, node), fi, data, size, offset);
}

static void op_flush(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct node *node;

	if (inject_takes_handle(fs_of(fuse), fuse, fi))
		return;
	node = node_or_refuse(fuse, nodeid);
	if (node && is_virtual(node))
		refuse(fuse, 0);
	else if (node)
		file_flush(request_begin(fs_of(fuse), fuse), fi);
}

static void op_fsync(fuse_req_t fuse, fuse_ino_t nodeid, int datasync, struct fuse_file_info *fi)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node && is_virtual(node))
		refuse(fuse, EINVAL);
	else if (node)
		file_fsync(begin_on_inode(fuse, node), fi);
}

static void op_release(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct node *node;

	if (inject_takes_handle(fs_of(fuse), fuse, fi))
		return;
	node = node_or_refuse(fuse, nodeid);
	if (node && is_virtual(node))
		virtual_release(request_begin(fs_of(fuse), fuse), fi);
	else if (node)
		file_release(request_begin(fs_of(fuse), fuse), fi);
}

static void op_lseek(fuse_req_t fuse, fuse_ino_t nodeid, off_t offset, int whence,
		     struct fuse_file_info *fi)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node && is_virtual(node))
		refuse(fuse, EINVAL);
	else if (node)
		file_lseek(request_begin(fs_of(fuse), fuse), fi, offset, whence);
}

static void op_fallocate(fuse_req_t fuse, fuse_ino_t nodeid, int mode, off_t offset, off_t size,
			 struct fuse_file_info *fi)
{
	struct node *node = node_or_refuse(fuse, nodeid);

	if (node)
		file_fallocate(begin_on_inode(fuse, node), fi, mode, offset, size);
}

static void op_copy_file_range(fuse_req_t fuse, fuse_ino_t nodeid, off_t offset,
			       struct fuse_file_info *fi, fuse_ino_t to_nodeid, off_t to_offset,
			       struct fuse_file_info *to_fi, size_t size, int flags)
{
	struct node *node = node_or_refuse(fuse, nodeid);
	struct node *to = node ? node_or_refuse(fuse, to_nodeid) : NULL;

	if (!to)
		return;
	if (is_virtual(node))
		refuse(fuse, EINVAL);
	else
		file_copy_range(begin_on_inode(fuse, to), fi, offset, to_fi, to_offset, size);
}

static void op_poll(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi,
		    struct fuse_pollhandle *poll)
{
	struct node *node = node_or_refuse(fuse, nodeid);
	unsigned events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;

	if (node && is_virtual(node))
		events = virtual_poll(node, fi, poll);
	else if (poll)
		fuse_pollhandle_destroy(poll);
	/* It fails for a caller that is gone. */
	if (node)
		(void)fuse_reply_poll(fuse, events);
}

/*
 * Locks of the whole ensemble are for a later version. Left to the kernel they
 * would hold on this machine alone, and a program that means to exclude its
 * peers on others would not notice: it is told.
 */
static void op_flock(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi, int operation)
{
	refuse(fuse, operation & LOCK_UN ? 0 : ENOLCK);
}

static void op_getlk(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi,
		     struct flock *lock)
{
	refuse(fuse, ENOLCK);
}

static void op_setlk(fuse_req_t fuse, fuse_ino_t nodeid, struct fuse_file_info *fi,
		     struct flock *lock, int may_wait)
{
	refuse(fuse, lock->l_type == F_UNLCK ? 0 : ENOLCK);
}

const struct fuse_lowlevel_ops fs_ops = {
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.create = op_create,
	.poll = op_poll,
	.fallocate = op_fallocate,
	.copy_file_range = op_copy_file_range,
	.lseek = op_lseek,
	.flock = op_flock,
	.getlk = op_getlk,
	.setlk = op_setlk,
};
