# Simulations: the real code in a world that breaks.
if HAVE_CMOCKA
check_PROGRAMS += %D%/test-store-crash
TESTS += %D%/test-store-crash
t_sim_test_store_crash_SOURCES = %D%/test-store-crash.c %D%/crash-vfs.c %D%/crash-vfs.h \
	%D%/store-rig.c %D%/store-rig.h t/unit/cmocka.h
t_sim_test_store_crash_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
t_sim_test_store_crash_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=rename -Wl,--wrap=fsync
t_sim_test_store_crash_LDADD = replica/io/libreplicaio.a replica/tree/libtree.a src/zk/libzk.a \
	src/base/libbase.a $(SQLITE_LIBS) $(DEFLATE_LIBS) $(CMOCKA_LIBS)
endif

# The consensus core, in a world whose time, network and disks are models.
check_LIBRARIES += %D%/libsim.a
t_sim_libsim_a_SOURCES = \
	%D%/sim-app.c %D%/sim-app.h \
	%D%/sim-check.c %D%/sim-check.h %D%/sim-check-impl.h \
	%D%/sim-client.c %D%/sim-client.h \
	%D%/sim-clock.c %D%/sim-clock.h \
	%D%/sim-cluster.c %D%/sim-cluster.h \
	%D%/sim-command.c %D%/sim-command.h \
	%D%/sim-disk.c %D%/sim-disk.h \
	%D%/sim-driver.c \
	%D%/sim-ensemble.c %D%/sim-ensemble.h \
	%D%/sim-events.c \
	%D%/sim-faults.c %D%/sim-faults.h \
	%D%/sim-mail.c %D%/sim-mail.h \
	%D%/sim-net.c %D%/sim-net.h \
	%D%/sim-promise.c \
	%D%/sim-puppet.c %D%/sim-puppet.h \
	%D%/sim-replica.c %D%/sim-replica.h %D%/sim-replica-impl.h \
	%D%/sim-run.c %D%/sim-run.h \
	%D%/sim-world.c %D%/sim-world.h
sim_libs = t/sim/libsim.a replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a

check_PROGRAMS += %D%/zabsim
t_sim_zabsim_SOURCES = %D%/zabsim.c
t_sim_zabsim_LDADD = $(sim_libs)

# Whole replicas, and their clients, in the same world.
check_PROGRAMS += %D%/replicasim
t_sim_replicasim_SOURCES = %D%/replicasim.c \
	%D%/whole-check.c %D%/whole-check.h \
	%D%/whole-client.c %D%/whole-client.h %D%/whole-client-impl.h \
	%D%/whole-driver.c \
	%D%/whole-host.c %D%/whole-host.h %D%/whole-host-impl.h \
	%D%/whole-rows.c %D%/whole-rows.h \
	%D%/whole-run.c %D%/whole-run.h \
	%D%/whole-store.c \
	%D%/whole-stream.c \
	%D%/whole-watch.c \
	%D%/whole-wire.c
t_sim_replicasim_LDADD = t/sim/libsim.a replica/server/libserver.a replica/tree/libtree.a \
	replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a $(DEFLATE_LIBS) $(CRYPTO_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += %D%/sim-scenarios
TESTS += %D%/sim-scenarios
t_sim_sim_scenarios_SOURCES = %D%/sim-scenarios.c t/unit/cmocka.h
t_sim_sim_scenarios_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
t_sim_sim_scenarios_LDADD = $(sim_libs) $(CMOCKA_LIBS)
endif
