# All of the mount but its main, so that unit tests can link it.
noinst_LIBRARIES += fs/libfs.a
fs_libfs_a_CFLAGS = $(AM_CFLAGS) $(FUSE_CFLAGS)
fs_libfs_a_SOURCES = \
	%D%/name.c %D%/name.h \
	%D%/node.c %D%/node.h \
	%D%/request.c %D%/request.h \
	%D%/znode.c %D%/znode.h
