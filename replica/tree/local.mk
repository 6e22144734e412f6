noinst_LIBRARIES += replica/tree/libtree.a
replica_tree_libtree_a_SOURCES = \
	%D%/acl_cache.c %D%/acl_cache.h \
	%D%/apply.c %D%/apply.h \
	%D%/auth.c %D%/auth.h \
	%D%/changes.c %D%/changes.h \
	%D%/overlay.c %D%/overlay.h \
	%D%/prep.c %D%/prep.h \
	%D%/replay.c %D%/replay.h \
	%D%/request.c %D%/request.h \
	%D%/session.c %D%/session.h \
	%D%/snapshot.h \
	%D%/snapshot_acls.h \
	%D%/snapshot_reader.c \
	%D%/snapshot_writer.c \
	%D%/tree.c %D%/tree.h \
	%D%/tree_impl.h \
	%D%/tree_session.c \
	%D%/tree_store.c \
	%D%/txn.c %D%/txn.h \
	%D%/txn-text.c %D%/txn-text.h \
	%D%/watch.c %D%/watch.h \
	%D%/znode.c %D%/znode.h \
	%D%/znode_index.c %D%/znode_index.h
