# Fuzzers. In make check each is a test that runs over the corpus; configured
# with --enable-fuzzers CC=clang they are libFuzzer's, which make check builds,
# with the corpus, and does not run:
#
#	make check TESTS= && t/fuzz/fuzz-txn t/fuzz/corpus/txn
fuzzers = \
	%D%/fuzz-request \
	%D%/fuzz-response \
	%D%/fuzz-txn \
	%D%/fuzz-apply \
	%D%/fuzz-snapshot \
	%D%/fuzz-server \
	%D%/fuzz-replica \
	%D%/fuzz-text \
	%D%/fuzz-config \
	%D%/fuzz-client \
	%D%/fuzz-packet \
	%D%/fuzz-members \
	%D%/fuzz-notification \
	%D%/fuzz-election

check_PROGRAMS += $(fuzzers) %D%/make-corpus
check_DATA = %D%/corpus.stamp

if FUZZERS
fuzz_driver =
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
else
fuzz_driver = %D%/driver.c
fuzz_ldflags = $(AM_LDFLAGS)
TESTS += $(fuzzers)
endif

t_fuzz_fuzz_request_SOURCES = %D%/fuzz-request.c %D%/fuzz.h $(fuzz_driver) \
	t/unit/roundtrip.c t/unit/roundtrip.h
t_fuzz_fuzz_request_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_request_LDADD = src/zk/libzk.a src/base/libbase.a

t_fuzz_fuzz_response_SOURCES = %D%/fuzz-response.c %D%/fuzz.h $(fuzz_driver) \
	t/unit/roundtrip.c t/unit/roundtrip.h
t_fuzz_fuzz_response_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_response_LDADD = src/zk/libzk.a src/base/libbase.a

t_fuzz_fuzz_txn_SOURCES = %D%/fuzz-txn.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_txn_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_txn_LDADD = replica/tree/libtree.a src/zk/libzk.a src/base/libbase.a

t_fuzz_fuzz_apply_SOURCES = %D%/fuzz-apply.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_apply_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_apply_LDADD = replica/tree/libtree.a src/zk/libzk.a src/base/libbase.a \
	$(CRYPTO_LIBS) $(DEFLATE_LIBS)

t_fuzz_fuzz_snapshot_SOURCES = %D%/fuzz-snapshot.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_snapshot_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_snapshot_LDADD = replica/tree/libtree.a src/zk/libzk.a src/base/libbase.a \
	$(CRYPTO_LIBS) $(DEFLATE_LIBS)

t_fuzz_fuzz_server_SOURCES = %D%/fuzz-server.c %D%/fuzz.h $(fuzz_driver) \
	t/unit/roundtrip.c t/unit/roundtrip.h
t_fuzz_fuzz_server_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_server_LDADD = replica/server/libserver.a replica/zab/libzab.a replica/tree/libtree.a \
	src/zk/libzk.a src/base/libbase.a $(CRYPTO_LIBS) $(DEFLATE_LIBS)

t_fuzz_fuzz_replica_SOURCES = %D%/fuzz-replica.c %D%/fuzz.h $(fuzz_driver) \
	t/unit/tree-copy.c t/unit/tree-copy.h
t_fuzz_fuzz_replica_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_replica_LDADD = replica/server/libserver.a replica/zab/libzab.a replica/tree/libtree.a \
	src/zk/libzk.a src/base/libbase.a $(CRYPTO_LIBS) $(DEFLATE_LIBS)

t_fuzz_fuzz_text_SOURCES = %D%/fuzz-text.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_text_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_text_LDADD = src/zk/libzk.a src/base/libbase.a

t_fuzz_fuzz_config_SOURCES = %D%/fuzz-config.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_config_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_config_LDADD = replica/io/libreplicaio.a replica/zab/libzab.a src/base/libbase.a

t_fuzz_fuzz_client_SOURCES = %D%/fuzz-client.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_client_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_client_LDADD = src/zk/libzk.a src/base/libbase.a

t_fuzz_fuzz_packet_SOURCES = %D%/fuzz-packet.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_packet_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_packet_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a

t_fuzz_fuzz_members_SOURCES = %D%/fuzz-members.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_members_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_members_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a

t_fuzz_fuzz_notification_SOURCES = %D%/fuzz-notification.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_notification_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_notification_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a

t_fuzz_fuzz_election_SOURCES = %D%/fuzz-election.c %D%/fuzz.h $(fuzz_driver)
t_fuzz_fuzz_election_LDFLAGS = $(fuzz_ldflags)
t_fuzz_fuzz_election_LDADD = replica/zab/libzab.a src/zk/libzk.a src/base/libbase.a

t_fuzz_make_corpus_SOURCES = %D%/make-corpus.c t/unit/vectors.c t/unit/vectors.h
t_fuzz_make_corpus_LDADD = src/base/libbase.a

%D%/corpus.stamp: %D%/make-corpus$(EXEEXT) t/unit/vectors-client.txt t/unit/vectors-log.txt \
		t/unit/vectors-snapshot.txt t/unit/vectors-quorum.txt t/unit/vectors-election.txt
	$(AM_V_GEN)rm -rf %D%/corpus && \
	srcdir='$(abs_top_srcdir)' %D%/make-corpus$(EXEEXT) %D%/corpus && \
	: >$@

CLEANFILES += %D%/corpus.stamp
clean-local: clean-corpus
.PHONY: clean-corpus
clean-corpus:
	-rm -rf %D%/corpus

# Inputs that once broke one.
EXTRA_DIST += %D%/regressions/txn/time-before-all-dates
