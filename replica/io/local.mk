noinst_LIBRARIES += replica/io/libreplicaio.a
replica_io_libreplicaio_a_SOURCES = \
	%D%/clients.c %D%/clients.h \
	%D%/config.c %D%/config.h \
	%D%/config_members.c \
	%D%/config_keys.c %D%/config_keys.h \
	%D%/data_dir.c %D%/data_dir.h \
	%D%/fourletter.c %D%/fourletter.h \
	%D%/fourletter_dump.c %D%/fourletter_dump.h \
	%D%/gather.c %D%/gather.h \
	%D%/initiation.c %D%/initiation.h \
	%D%/log_print.c %D%/log_print.h \
	%D%/node.c %D%/node.h %D%/node_impl.h \
	%D%/node_clients.c \
	%D%/node_commit.c \
	%D%/node_peers.c \
	%D%/node_store.c \
	%D%/pace.c %D%/pace.h \
	%D%/peers_election.c %D%/peers_election.h \
	%D%/peers_links.c %D%/peers_links.h \
	%D%/peers_listen.c %D%/peers_listen.h \
	%D%/recovery.c %D%/recovery.h \
	%D%/sparse_log.h \
	%D%/status.c %D%/status.h \
	%D%/store.c %D%/store.h \
	%D%/store_append.c %D%/store_append.h \
	%D%/store_commit.c \
	%D%/store_db.c %D%/store_db.h \
	%D%/store_dir.c %D%/store_dir.h \
	%D%/store_generation.c \
	%D%/store_lag.c %D%/store_lag.h \
	%D%/store_read_log.c \
	%D%/store_recover.c %D%/store_recover.h \
	%D%/store_segment.c %D%/store_segment.h \
	%D%/store_snapshot.c \
	%D%/store_spare.c %D%/store_spare.h \
	%D%/store_stage.c \
	%D%/store_state.c %D%/store_state.h \
	%D%/store_tree.c %D%/store_tree.h %D%/store_tree_load.c \
	%D%/store_truncate.c %D%/store_truncate.h \
	%D%/store_wal.c %D%/store_wal.h \
	%D%/store_work.c %D%/store_work.h \
	%D%/store_writeout.c %D%/store_writeout.h

bin_PROGRAMS += zkfsd
zkfsd_SOURCES = %D%/main.c
zkfsd_LDADD = \
	replica/io/libreplicaio.a \
	replica/server/libserver.a \
	replica/zab/libzab.a \
	replica/tree/libtree.a \
	src/io/libio.a \
	src/zk/libzk.a \
	src/base/libbase.a \
	$(UV_LIBS) $(SQLITE_LIBS) $(CRYPTO_LIBS) $(DEFLATE_LIBS)

dist_man_MANS += %D%/zkfsd.8 %D%/zoo.cfg.5
