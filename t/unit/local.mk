# One block a test program. The programs link the libraries they test, lowest
# layer last.
if HAVE_CMOCKA
unit_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

check_PROGRAMS += %D%/test-base
TESTS += %D%/test-base
t_unit_test_base_SOURCES = %D%/test-base.c %D%/cmocka.h
t_unit_test_base_CFLAGS = $(unit_cflags)
t_unit_test_base_LDADD = src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-jute
TESTS += %D%/test-jute
t_unit_test_jute_SOURCES = %D%/test-jute.c %D%/cmocka.h
t_unit_test_jute_CFLAGS = $(unit_cflags)
t_unit_test_jute_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-code
TESTS += %D%/test-code
t_unit_test_code_SOURCES = %D%/test-code.c %D%/cmocka.h
t_unit_test_code_CFLAGS = $(unit_cflags)
t_unit_test_code_LDADD = src/zk/libzk.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-acl
TESTS += %D%/test-acl
t_unit_test_acl_SOURCES = %D%/test-acl.c %D%/cmocka.h
t_unit_test_acl_CFLAGS = $(unit_cflags)
t_unit_test_acl_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-path
TESTS += %D%/test-path
t_unit_test_path_SOURCES = %D%/test-path.c %D%/cmocka.h
t_unit_test_path_CFLAGS = $(unit_cflags)
t_unit_test_path_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-records
TESTS += %D%/test-records
t_unit_test_records_SOURCES = %D%/test-records.c %D%/roundtrip.c %D%/roundtrip.h \
	%D%/vectors.c %D%/vectors.h %D%/cmocka.h
t_unit_test_records_CFLAGS = $(unit_cflags)
t_unit_test_records_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-properties
TESTS += %D%/test-properties
t_unit_test_properties_SOURCES = %D%/test-properties.c %D%/cmocka.h
t_unit_test_properties_CFLAGS = $(unit_cflags)
t_unit_test_properties_LDADD = src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-gather
TESTS += %D%/test-gather
t_unit_test_gather_SOURCES = %D%/test-gather.c %D%/cmocka.h
t_unit_test_gather_CFLAGS = $(unit_cflags)
t_unit_test_gather_LDADD = replica/io/libreplicaio.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-pace
TESTS += %D%/test-pace
t_unit_test_pace_SOURCES = %D%/test-pace.c %D%/cmocka.h
t_unit_test_pace_CFLAGS = $(unit_cflags)
t_unit_test_pace_LDADD = replica/io/libreplicaio.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-config
TESTS += %D%/test-config
t_unit_test_config_SOURCES = %D%/test-config.c %D%/cmocka.h
t_unit_test_config_CFLAGS = $(unit_cflags)
t_unit_test_config_LDADD = replica/io/libreplicaio.a replica/zab/libzab.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-txn
TESTS += %D%/test-txn
t_unit_test_txn_SOURCES = %D%/test-txn.c %D%/vectors.c %D%/vectors.h %D%/cmocka.h
t_unit_test_txn_CFLAGS = $(unit_cflags)
t_unit_test_txn_LDADD = replica/tree/libtree.a src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)
check_PROGRAMS += %D%/test-fs-name
TESTS += %D%/test-fs-name
t_unit_test_fs_name_SOURCES = %D%/test-fs-name.c %D%/cmocka.h
t_unit_test_fs_name_CFLAGS = $(unit_cflags)
t_unit_test_fs_name_LDADD = fs/libfs.a src/base/libbase.a $(CRYPTO_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-fs-node
TESTS += %D%/test-fs-node
t_unit_test_fs_node_SOURCES = %D%/test-fs-node.c %D%/cmocka.h
t_unit_test_fs_node_CFLAGS = $(unit_cflags) $(FUSE_CFLAGS)
t_unit_test_fs_node_LDADD = fs/libfs.a src/zk/libzk.a src/base/libbase.a $(CRYPTO_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-fs-inject
TESTS += %D%/test-fs-inject
t_unit_test_fs_inject_SOURCES = %D%/test-fs-inject.c %D%/cmocka.h
t_unit_test_fs_inject_CFLAGS = $(unit_cflags) $(FUSE_CFLAGS)
t_unit_test_fs_inject_LDADD = fs/libfs.a src/zk/libzk.a src/base/libbase.a $(CRYPTO_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-fs-overflow
TESTS += %D%/test-fs-overflow
t_unit_test_fs_overflow_SOURCES = %D%/test-fs-overflow.c %D%/cmocka.h
t_unit_test_fs_overflow_CFLAGS = $(unit_cflags) $(FUSE_CFLAGS)
t_unit_test_fs_overflow_LDADD = fs/libfs.a src/zk/libzk.a src/base/libbase.a $(CRYPTO_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-fs-znode
TESTS += %D%/test-fs-znode
t_unit_test_fs_znode_SOURCES = %D%/test-fs-znode.c %D%/cmocka.h
t_unit_test_fs_znode_CFLAGS = $(unit_cflags) $(FUSE_CFLAGS)
t_unit_test_fs_znode_LDADD = fs/libfs.a src/zk/libzk.a src/base/libbase.a $(CRYPTO_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-fs-change
TESTS += %D%/test-fs-change
fake_mount = %D%/fake-mount.c %D%/fake-mount.h %D%/fake-znodes.c %D%/fake-znodes.h %D%/cmocka.h
t_unit_test_fs_change_SOURCES = %D%/test-fs-change.c $(fake_mount)
t_unit_test_fs_change_CFLAGS = $(unit_cflags) $(FUSE_CFLAGS)
t_unit_test_fs_change_LDADD = fs/libfs.a src/zk/libzk.a src/base/libbase.a $(CRYPTO_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-fs-rename
TESTS += %D%/test-fs-rename
t_unit_test_fs_rename_SOURCES = %D%/test-fs-rename.c $(fake_mount)
t_unit_test_fs_rename_CFLAGS = $(unit_cflags) $(FUSE_CFLAGS)
t_unit_test_fs_rename_LDADD = fs/libfs.a src/zk/libzk.a src/base/libbase.a $(CRYPTO_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-io
TESTS += %D%/test-io
t_unit_test_io_SOURCES = %D%/test-io.c %D%/cmocka.h
t_unit_test_io_CFLAGS = $(unit_cflags)
t_unit_test_io_LDADD = src/io/libio.a src/base/libbase.a $(UV_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-worker
TESTS += %D%/test-worker
t_unit_test_worker_SOURCES = %D%/test-worker.c %D%/cmocka.h
t_unit_test_worker_CFLAGS = $(unit_cflags)
t_unit_test_worker_LDADD = src/io/libio.a src/base/libbase.a $(UV_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-fs-commit
TESTS += %D%/test-fs-commit
t_unit_test_fs_commit_SOURCES = %D%/test-fs-commit.c %D%/cmocka.h
t_unit_test_fs_commit_CFLAGS = $(unit_cflags) $(FUSE_CFLAGS)
t_unit_test_fs_commit_LDADD = fs/libfs.a src/io/libio.a src/zk/libzk.a src/base/libbase.a \
	$(UV_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-fs-content %D%/test-fs-opener
TESTS += %D%/test-fs-content %D%/test-fs-opener
t_unit_test_fs_content_SOURCES = %D%/test-fs-content.c %D%/cmocka.h
t_unit_test_fs_content_CFLAGS = $(unit_cflags)
t_unit_test_fs_content_LDADD = fs/libfs.a src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)
t_unit_test_fs_opener_SOURCES = %D%/test-fs-opener.c %D%/cmocka.h
t_unit_test_fs_opener_CFLAGS = $(unit_cflags)
t_unit_test_fs_opener_LDADD = fs/libfs.a src/base/libbase.a $(CMOCKA_LIBS)
store_fixture = %D%/store-fixture.c %D%/store-fixture.h t/sim/store-rig.c t/sim/store-rig.h \
	%D%/cmocka.h
store_libs = replica/io/libreplicaio.a replica/tree/libtree.a src/zk/libzk.a \
	src/base/libbase.a $(SQLITE_LIBS) $(DEFLATE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-store
TESTS += %D%/test-store
t_unit_test_store_SOURCES = %D%/test-store.c $(store_fixture)
t_unit_test_store_CFLAGS = $(unit_cflags)
t_unit_test_store_LDADD = $(store_libs)

check_PROGRAMS += %D%/test-store-damage
TESTS += %D%/test-store-damage
t_unit_test_store_damage_SOURCES = %D%/test-store-damage.c $(store_fixture)
t_unit_test_store_damage_CFLAGS = $(unit_cflags)
t_unit_test_store_damage_LDADD = $(store_libs)

check_PROGRAMS += %D%/test-store-commit
TESTS += %D%/test-store-commit
t_unit_test_store_commit_SOURCES = %D%/test-store-commit.c $(store_fixture)
t_unit_test_store_commit_CFLAGS = $(unit_cflags)
t_unit_test_store_commit_LDADD = $(store_libs)

check_PROGRAMS += %D%/test-store-append
TESTS += %D%/test-store-append
t_unit_test_store_append_SOURCES = %D%/test-store-append.c %D%/cmocka.h
t_unit_test_store_append_CFLAGS = $(unit_cflags)
t_unit_test_store_append_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pwrite
t_unit_test_store_append_LDADD = $(store_libs)

check_PROGRAMS += %D%/test-store-generations
TESTS += %D%/test-store-generations
t_unit_test_store_generations_SOURCES = %D%/test-store-generations.c $(store_fixture)
t_unit_test_store_generations_CFLAGS = $(unit_cflags)
t_unit_test_store_generations_LDADD = $(store_libs)

check_PROGRAMS += %D%/test-store-tree-worker
TESTS += %D%/test-store-tree-worker
t_unit_test_store_tree_worker_SOURCES = %D%/test-store-tree-worker.c $(store_fixture)
t_unit_test_store_tree_worker_CFLAGS = $(unit_cflags)
t_unit_test_store_tree_worker_LDADD = $(store_libs)

replica_test_libs = replica/server/libserver.a replica/zab/libzab.a replica/tree/libtree.a \
	src/zk/libzk.a src/base/libbase.a $(DEFLATE_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-tree
TESTS += %D%/test-tree
t_unit_test_tree_SOURCES = %D%/test-tree.c %D%/cmocka.h
t_unit_test_tree_CFLAGS = $(unit_cflags)
t_unit_test_tree_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-snapshot
TESTS += %D%/test-snapshot
t_unit_test_snapshot_SOURCES = %D%/test-snapshot.c %D%/vectors.c %D%/vectors.h %D%/cmocka.h
t_unit_test_snapshot_CFLAGS = $(unit_cflags)
t_unit_test_snapshot_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-session
TESTS += %D%/test-session
t_unit_test_session_SOURCES = %D%/test-session.c %D%/cmocka.h
t_unit_test_session_CFLAGS = $(unit_cflags)
t_unit_test_session_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-watch
TESTS += %D%/test-watch
t_unit_test_watch_SOURCES = %D%/test-watch.c %D%/cmocka.h
t_unit_test_watch_CFLAGS = $(unit_cflags)
t_unit_test_watch_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-auth
TESTS += %D%/test-auth
t_unit_test_auth_SOURCES = %D%/test-auth.c %D%/cmocka.h
t_unit_test_auth_CFLAGS = $(unit_cflags)
t_unit_test_auth_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-prep
TESTS += %D%/test-prep
t_unit_test_prep_SOURCES = %D%/test-prep.c %D%/fake-driver.c %D%/fake-driver.h %D%/cmocka.h
t_unit_test_prep_CFLAGS = $(unit_cflags)
t_unit_test_prep_LDADD = $(replica_test_libs)

server_fixture = %D%/server-fixture.c %D%/server-fixture.h %D%/fake-driver.c %D%/fake-driver.h \
	%D%/cmocka.h

check_PROGRAMS += %D%/test-server
TESTS += %D%/test-server
t_unit_test_server_SOURCES = %D%/test-server.c $(server_fixture)
t_unit_test_server_CFLAGS = $(unit_cflags)
t_unit_test_server_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-server-sessions
TESTS += %D%/test-server-sessions
t_unit_test_server_sessions_SOURCES = %D%/test-server-sessions.c $(server_fixture)
t_unit_test_server_sessions_CFLAGS = $(unit_cflags)
t_unit_test_server_sessions_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-server-refusals
TESTS += %D%/test-server-refusals
t_unit_test_server_refusals_SOURCES = %D%/test-server-refusals.c $(server_fixture)
t_unit_test_server_refusals_CFLAGS = $(unit_cflags)
t_unit_test_server_refusals_LDADD = $(replica_test_libs)
check_PROGRAMS += %D%/test-replay
TESTS += %D%/test-replay
t_unit_test_replay_SOURCES = %D%/test-replay.c %D%/fake-driver.c %D%/fake-driver.h \
	%D%/tree-copy.c %D%/tree-copy.h %D%/cmocka.h
t_unit_test_replay_CFLAGS = $(unit_cflags)
t_unit_test_replay_LDADD = $(replica_test_libs)

fake_ensemble = %D%/fake-ensemble.c %D%/fake-ensemble.h %D%/fake-driver.c %D%/fake-driver.h \
	%D%/cmocka.h

check_PROGRAMS += %D%/test-ensemble
TESTS += %D%/test-ensemble
t_unit_test_ensemble_SOURCES = %D%/test-ensemble.c $(fake_ensemble)
t_unit_test_ensemble_CFLAGS = $(unit_cflags)
t_unit_test_ensemble_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-ensemble-requests
TESTS += %D%/test-ensemble-requests
t_unit_test_ensemble_requests_SOURCES = %D%/test-ensemble-requests.c $(fake_ensemble) \
	%D%/vectors.c %D%/vectors.h
t_unit_test_ensemble_requests_CFLAGS = $(unit_cflags)
t_unit_test_ensemble_requests_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-ensemble-return
TESTS += %D%/test-ensemble-return
t_unit_test_ensemble_return_SOURCES = %D%/test-ensemble-return.c $(fake_ensemble)
t_unit_test_ensemble_return_CFLAGS = $(unit_cflags)
t_unit_test_ensemble_return_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-replica
TESTS += %D%/test-replica
t_unit_test_replica_SOURCES = %D%/test-replica.c %D%/replica-cluster.c %D%/replica-cluster.h \
	%D%/cluster-store.c %D%/cluster-store.h %D%/tree-copy.c %D%/tree-copy.h %D%/fake-driver.c %D%/fake-driver.h %D%/cmocka.h
t_unit_test_replica_CFLAGS = $(unit_cflags)
t_unit_test_replica_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-replica-epoch
TESTS += %D%/test-replica-epoch
t_unit_test_replica_epoch_SOURCES = %D%/test-replica-epoch.c %D%/replica-cluster.c %D%/replica-cluster.h \
	%D%/cluster-store.c %D%/cluster-store.h %D%/tree-copy.c %D%/tree-copy.h %D%/fake-driver.c %D%/fake-driver.h \
	%D%/zab-skip.c %D%/zab-skip.h %D%/cmocka.h
t_unit_test_replica_epoch_CFLAGS = $(unit_cflags)
t_unit_test_replica_epoch_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-server-vectors
TESTS += %D%/test-server-vectors
t_unit_test_server_vectors_SOURCES = %D%/test-server-vectors.c %D%/fake-driver.c %D%/fake-driver.h \
	%D%/vectors.c %D%/vectors.h %D%/cmocka.h
t_unit_test_server_vectors_CFLAGS = $(unit_cflags)
t_unit_test_server_vectors_LDADD = $(replica_test_libs)

check_PROGRAMS += %D%/test-client-loop
TESTS += %D%/test-client-loop
t_unit_test_client_loop_SOURCES = %D%/test-client-loop.c %D%/cmocka.h
t_unit_test_client_loop_CFLAGS = $(unit_cflags)
t_unit_test_client_loop_LDADD = src/client/libclient.a src/io/libio.a src/zk/libzk.a \
	src/base/libbase.a $(UV_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-client-outcomes
TESTS += %D%/test-client-outcomes
t_unit_test_client_outcomes_SOURCES = %D%/test-client-outcomes.c %D%/cmocka.h
t_unit_test_client_outcomes_CFLAGS = $(unit_cflags)
t_unit_test_client_outcomes_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

client_fixture = %D%/client-fixture.c %D%/client-fixture.h %D%/cmocka.h

check_PROGRAMS += %D%/test-connect-string
TESTS += %D%/test-connect-string
t_unit_test_connect_string_SOURCES = %D%/test-connect-string.c %D%/cmocka.h
t_unit_test_connect_string_CFLAGS = $(unit_cflags)
t_unit_test_connect_string_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-client-session
TESTS += %D%/test-client-session
t_unit_test_client_session_SOURCES = %D%/test-client-session.c $(client_fixture)
t_unit_test_client_session_CFLAGS = $(unit_cflags)
t_unit_test_client_session_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-client-requests
TESTS += %D%/test-client-requests
t_unit_test_client_requests_SOURCES = %D%/test-client-requests.c $(client_fixture)
t_unit_test_client_requests_CFLAGS = $(unit_cflags)
t_unit_test_client_requests_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-client-unknown
TESTS += %D%/test-client-unknown
t_unit_test_client_unknown_SOURCES = %D%/test-client-unknown.c $(client_fixture)
t_unit_test_client_unknown_CFLAGS = $(unit_cflags)
t_unit_test_client_unknown_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-client-losses
TESTS += %D%/test-client-losses
t_unit_test_client_losses_SOURCES = %D%/test-client-losses.c $(client_fixture)
t_unit_test_client_losses_CFLAGS = $(unit_cflags)
t_unit_test_client_losses_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-client-watches
TESTS += %D%/test-client-watches
t_unit_test_client_watches_SOURCES = %D%/test-client-watches.c $(client_fixture)
t_unit_test_client_watches_CFLAGS = $(unit_cflags)
t_unit_test_client_watches_LDADD = src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-clients
TESTS += %D%/test-clients
t_unit_test_clients_SOURCES = %D%/test-clients.c %D%/cmocka.h
t_unit_test_clients_CFLAGS = $(unit_cflags)
t_unit_test_clients_LDADD = replica/io/libreplicaio.a src/io/libio.a src/zk/libzk.a \
	src/base/libbase.a $(UV_LIBS) $(CMOCKA_LIBS)

peers_fixture = %D%/peers-fixture.c %D%/peers-fixture.h %D%/raw-socket.c %D%/raw-socket.h \
	%D%/cmocka.h

check_PROGRAMS += %D%/test-peers
TESTS += %D%/test-peers
t_unit_test_peers_SOURCES = %D%/test-peers.c $(peers_fixture)
t_unit_test_peers_CFLAGS = $(unit_cflags)
t_unit_test_peers_LDADD = replica/io/libreplicaio.a replica/zab/libzab.a src/io/libio.a src/zk/libzk.a \
	src/base/libbase.a $(UV_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-peers-messages
TESTS += %D%/test-peers-messages
t_unit_test_peers_messages_SOURCES = %D%/test-peers-messages.c $(peers_fixture)
t_unit_test_peers_messages_CFLAGS = $(unit_cflags)
t_unit_test_peers_messages_LDADD = replica/io/libreplicaio.a replica/zab/libzab.a src/io/libio.a src/zk/libzk.a \
	src/base/libbase.a $(UV_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-peers-strangers
TESTS += %D%/test-peers-strangers
t_unit_test_peers_strangers_SOURCES = %D%/test-peers-strangers.c $(peers_fixture)
t_unit_test_peers_strangers_CFLAGS = $(unit_cflags)
t_unit_test_peers_strangers_LDADD = replica/io/libreplicaio.a replica/zab/libzab.a src/io/libio.a src/zk/libzk.a \
	src/base/libbase.a $(UV_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-links
TESTS += %D%/test-links
t_unit_test_links_SOURCES = %D%/test-links.c %D%/raw-socket.c %D%/raw-socket.h %D%/cmocka.h
t_unit_test_links_CFLAGS = $(unit_cflags)
t_unit_test_links_LDADD = replica/io/libreplicaio.a replica/zab/libzab.a src/io/libio.a src/zk/libzk.a \
	src/base/libbase.a $(UV_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-node-commit
TESTS += %D%/test-node-commit
t_unit_test_node_commit_SOURCES = %D%/test-node-commit.c %D%/raw-socket.c %D%/raw-socket.h \
	t/sim/store-rig.c t/sim/store-rig.h %D%/cmocka.h
t_unit_test_node_commit_CFLAGS = $(unit_cflags)
t_unit_test_node_commit_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=store_commit
t_unit_test_node_commit_LDADD = replica/io/libreplicaio.a replica/server/libserver.a \
	replica/zab/libzab.a replica/tree/libtree.a src/io/libio.a src/zk/libzk.a \
	src/base/libbase.a $(UV_LIBS) $(SQLITE_LIBS) $(CRYPTO_LIBS) $(DEFLATE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-fourletter
TESTS += %D%/test-fourletter
t_unit_test_fourletter_SOURCES = %D%/test-fourletter.c %D%/cmocka.h
t_unit_test_fourletter_CFLAGS = $(unit_cflags)
t_unit_test_fourletter_LDADD = replica/io/libreplicaio.a replica/server/libserver.a \
	replica/zab/libzab.a replica/tree/libtree.a src/io/libio.a src/zk/libzk.a \
	src/base/libbase.a $(UV_LIBS) $(SQLITE_LIBS) $(CRYPTO_LIBS) $(DEFLATE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-zab-codecs
TESTS += %D%/test-zab-codecs
t_unit_test_zab_codecs_SOURCES = %D%/test-zab-codecs.c %D%/vectors.c %D%/vectors.h %D%/cmocka.h
t_unit_test_zab_codecs_CFLAGS = $(unit_cflags)
t_unit_test_zab_codecs_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-zab
TESTS += %D%/test-zab
t_unit_test_zab_SOURCES = %D%/test-zab.c %D%/zab-cluster.c %D%/zab-cluster.h %D%/zab-skip.c %D%/zab-skip.h \
	%D%/cmocka.h
t_unit_test_zab_CFLAGS = $(unit_cflags)
t_unit_test_zab_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-zab-strangers
TESTS += %D%/test-zab-strangers
t_unit_test_zab_strangers_SOURCES = %D%/test-zab-strangers.c %D%/cmocka.h
t_unit_test_zab_strangers_CFLAGS = $(unit_cflags)
t_unit_test_zab_strangers_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-zab-vectors
TESTS += %D%/test-zab-vectors
t_unit_test_zab_vectors_SOURCES = %D%/test-zab-vectors.c %D%/vectors.c %D%/vectors.h %D%/cmocka.h
t_unit_test_zab_vectors_CFLAGS = $(unit_cflags)
t_unit_test_zab_vectors_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-history
TESTS += %D%/test-history
t_unit_test_history_SOURCES = %D%/test-history.c %D%/cmocka.h
t_unit_test_history_CFLAGS = $(unit_cflags)
t_unit_test_history_LDADD = replica/zab/libzab.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-zab-order
TESTS += %D%/test-zab-order
t_unit_test_zab_order_SOURCES = %D%/test-zab-order.c %D%/cmocka.h
t_unit_test_zab_order_CFLAGS = $(unit_cflags)
t_unit_test_zab_order_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)
election_fixture = %D%/election-fixture.c %D%/election-fixture.h %D%/cmocka.h

check_PROGRAMS += %D%/test-election
TESTS += %D%/test-election
t_unit_test_election_SOURCES = %D%/test-election.c $(election_fixture)
t_unit_test_election_CFLAGS = $(unit_cflags)
t_unit_test_election_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-election-rules
TESTS += %D%/test-election-rules
t_unit_test_election_rules_SOURCES = %D%/test-election-rules.c $(election_fixture)
t_unit_test_election_rules_CFLAGS = $(unit_cflags)
t_unit_test_election_rules_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a \
	$(CMOCKA_LIBS)

check_PROGRAMS += %D%/test-election-world
TESTS += %D%/test-election-world
t_unit_test_election_world_SOURCES = %D%/test-election-world.c %D%/election-world.c \
	%D%/election-world.h %D%/apache-election.c %D%/apache-election.h %D%/cmocka.h
t_unit_test_election_world_CFLAGS = $(unit_cflags)
t_unit_test_election_world_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a \
	$(CMOCKA_LIBS)
endif

# Not a test by itself: t/t2100-client-session.sh runs it.
check_PROGRAMS += %D%/client-load
t_unit_client_load_SOURCES = %D%/client-load.c
t_unit_client_load_LDADD = src/client/libclient.a src/io/libio.a src/zk/libzk.a src/base/libbase.a \
	$(UV_LIBS)

EXTRA_DIST += %D%/vectors-client.txt %D%/vectors-election.txt %D%/vectors-log.txt \
	%D%/vectors-quorum.txt %D%/vectors-snapshot.txt
