# Benchmarks: built by make check, run by hand (t/bench/bench, t/bench/bench-mount).
load_tool = %D%/tool.c %D%/tool.h

check_PROGRAMS += t/bench/zkload
t_bench_zkload_SOURCES = %D%/zkload.c $(load_tool)
t_bench_zkload_LDADD = src/io/libio.a src/zk/libzk.a src/base/libbase.a $(UV_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += t/bench/nullfs t/bench/fsload
t_bench_nullfs_SOURCES = %D%/nullfs.c
t_bench_nullfs_CFLAGS = $(AM_CFLAGS) $(FUSE_CFLAGS)
t_bench_nullfs_LDADD = $(FUSE_LIBS)
t_bench_fsload_SOURCES = %D%/fsload.c

check_PROGRAMS += t/bench/bench-store
t_bench_bench_store_SOURCES = %D%/bench-store.c
t_bench_bench_store_LDADD = replica/io/libreplicaio.a replica/tree/libtree.a src/zk/libzk.a \
	src/base/libbase.a $(SQLITE_LIBS) $(DEFLATE_LIBS)

EXTRA_DIST += t/bench/bench t/bench/bench-ensemble t/bench/bench-mount

check_PROGRAMS += t/bench/zkmany
t_bench_zkmany_SOURCES = %D%/zkmany.c $(load_tool)
t_bench_zkmany_LDADD = src/io/libio.a src/zk/libzk.a src/base/libbase.a $(UV_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += t/bench/etcdload
t_bench_etcdload_SOURCES = %D%/etcdload.c $(load_tool)
t_bench_etcdload_LDADD = src/io/libio.a src/zk/libzk.a src/base/libbase.a $(UV_LIBS) $(CRYPTO_LIBS)
