# All of the mount but its main, so that unit tests can link it.
noinst_LIBRARIES += fs/libfs.a
fs_libfs_a_CPPFLAGS = $(AM_CPPFLAGS) -DZKFSD_PATH='"$(bindir)/zkfsd"'
fs_libfs_a_CFLAGS = $(AM_CFLAGS) $(FUSE_CFLAGS)
fs_libfs_a_SOURCES = \
	%D%/access.c %D%/access.h \
	%D%/announced.c %D%/announced.h \
	%D%/attr.c %D%/attr.h \
	%D%/commit.c %D%/commit.h \
	%D%/content.c %D%/content.h \
	%D%/dir.c %D%/dir.h \
	%D%/draft.c %D%/draft.h \
	%D%/file.c %D%/file.h %D%/fs.h \
	%D%/handle.c %D%/handle.h \
	%D%/change.c %D%/change.h %D%/change_impl.h \
	%D%/change-nodes.c \
	%D%/change-raise.c \
	%D%/command.h \
	%D%/compare.c %D%/compare.h \
	%D%/inject.c %D%/inject.h \
	%D%/inject-answer.c \
	%D%/inval.c %D%/inval.h \
	%D%/mount.c %D%/mount.h \
	%D%/mountpoint.c %D%/mountpoint.h \
	%D%/name.c %D%/name.h \
	%D%/namespace.c %D%/namespace.h \
	%D%/node.c %D%/node.h \
	%D%/notifier.c %D%/notifier.h \
	%D%/ops.c %D%/ops.h \
	%D%/open.c \
	%D%/opener.c %D%/opener.h \
	%D%/options.c %D%/options.h \
	%D%/overflow.c %D%/overflow.h \
	%D%/place.c %D%/place.h \
	%D%/rename.c \
	%D%/rename-tree.c \
	%D%/replica.c %D%/replica.h \
	%D%/report.c %D%/report.h \
	%D%/request.c %D%/request.h \
	%D%/srvr.c %D%/srvr.h \
	%D%/subtree.c %D%/subtree.h \
	%D%/value.c \
	%D%/virtual.c %D%/virtual.h \
	%D%/xattr.c %D%/xattr.h \
	%D%/znode.c %D%/znode.h

bin_PROGRAMS += zkfs
zkfs_SOURCES = %D%/main.c
zkfs_CFLAGS = $(AM_CFLAGS) $(FUSE_CFLAGS)
zkfs_LDADD = fs/libfs.a src/client/libclient.a src/io/libio.a src/zk/libzk.a src/base/libbase.a \
	$(FUSE_LIBS) $(UV_LIBS) $(CRYPTO_LIBS)

# mount(8) and fstab find it by this name.
if MOUNT_HELPER
install-exec-hook:
	$(MKDIR_P) '$(DESTDIR)$(mounthelperdir)'
	$(LN_S) -f '$(bindir)/zkfs' '$(DESTDIR)$(mounthelperdir)/mount.zkfs'
uninstall-hook:
	rm -f '$(DESTDIR)$(mounthelperdir)/mount.zkfs'
endif

dist_man_MANS += %D%/zkfs.8

# mount.zkfs is zkfs by another name, in the manual too.
install-data-local: install-manual-link
uninstall-local: uninstall-manual-link
.PHONY: install-manual-link uninstall-manual-link
install-manual-link:
	$(MKDIR_P) '$(DESTDIR)$(man8dir)'
	ln -sf zkfs.8 '$(DESTDIR)$(man8dir)/mount.zkfs.8'
uninstall-manual-link:
	rm -f '$(DESTDIR)$(man8dir)/mount.zkfs.8'
