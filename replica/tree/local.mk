noinst_LIBRARIES += replica/tree/libtree.a
replica_tree_libtree_a_SOURCES = \
	%D%/txn.c %D%/txn.h \
	%D%/txn-text.c %D%/txn-text.h
