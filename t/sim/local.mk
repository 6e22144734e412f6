# Simulations: the real code in a world that breaks.
if HAVE_CMOCKA
check_PROGRAMS += %D%/test-store-crash
TESTS += %D%/test-store-crash
t_sim_test_store_crash_SOURCES = %D%/test-store-crash.c %D%/crash-vfs.c %D%/crash-vfs.h \
	%D%/store-rig.c %D%/store-rig.h t/unit/cmocka.h
t_sim_test_store_crash_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
t_sim_test_store_crash_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=rename -Wl,--wrap=fsync
t_sim_test_store_crash_LDADD = replica/io/libreplicaio.a replica/tree/libtree.a src/zk/libzk.a \
	src/base/libbase.a $(SQLITE_LIBS) $(ZLIB_LIBS) $(CMOCKA_LIBS)
endif
