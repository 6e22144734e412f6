# Tests. All of them, cmocka programs and shell scripts alike, speak TAP to the
# one driver, and make check counts their points together.

AM_TESTS_ENVIRONMENT = \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	srcdir='$(abs_top_srcdir)'; export srcdir; \
	builddir='$(abs_top_builddir)'; export builddir; \
	ASAN_OPTIONS='detect_leaks=1:abort_on_error=0'; export ASAN_OPTIONS; \
	UBSAN_OPTIONS='print_stacktrace=1'; export UBSAN_OPTIONS;

TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
# A shell test that ends early has no plan or says so; its status counts nothing twice.
AM_SH_LOG_DRIVER_FLAGS = --ignore-exit

# What takes a minute and more begins first: behind all others, one of these would run alone.
LONG_SH_TESTS = \
	%D%/t4100-mixed.sh \
	%D%/t4020-snapshot-killed.sh \
	%D%/t3300-no-server.sh \
	%D%/t3200-inotify.sh \
	%D%/t4040-full-disk.sh

# Shell tests, numbered by area: 00 the project itself, 2x the replica and its protocol, 3x the mount, 4x ensembles.
SH_TESTS = $(LONG_SH_TESTS) \
	%D%/t0000-harness.sh \
	%D%/t0001-layers.sh \
	%D%/t0010-install.sh \
	%D%/t2000-clients.sh \
	%D%/t2001-wire.sh \
	%D%/t2002-same-answers.sh \
	%D%/t2010-zkfsd.sh \
	%D%/t2020-store.sh \
	%D%/t2100-client-session.sh \
	%D%/t2200-consensus.sh \
	%D%/t2210-whole-replicas.sh \
	%D%/t2900-kill9.sh \
	%D%/t3000-mount.sh \
	%D%/t3100-tree.sh \
	%D%/t3105-rename.sh \
	%D%/t3110-types.sh \
	%D%/t3120-values.sh \
	%D%/t3130-create-modes.sh \
	%D%/t3140-attributes.sh \
	%D%/t3150-tools.sh \
	%D%/t3210-end-of-mount.sh \
	%D%/t3220-made-anew.sh \
	%D%/t3230-watch-nodes.sh \
	%D%/t3310-killed-mount.sh \
	%D%/t3400-embedded.sh \
	%D%/t4000-ensemble.sh \
	%D%/t4010-killed.sh \
	%D%/t4030-partition.sh \
	%D%/t4050-config.sh \
	%D%/t4060-words.sh \
	%D%/t4070-scripts.sh \
	%D%/t4080-strangers.sh \
	%D%/t4200-migration.sh \
	%D%/t4300-nodes.sh

# The simulations are long, too.
include t/sim/local.mk
TESTS += $(SH_TESTS)
EXTRA_DIST += $(SH_TESTS) %D%/test-lib.sh %D%/lib-zkfs.sh %D%/lib-ensemble.sh %D%/lib-sim.sh \
	%D%/ensemble-load.py %D%/zk.py %D%/proxy.py %D%/raw.py %D%/peer.py %D%/same-answers.py

check_PROGRAMS += %D%/kill-load
t_kill_load_SOURCES = %D%/kill-load.c
t_kill_load_LDADD = src/zk/libzk.a src/base/libbase.a

# What failed or killed tests left; a mount among it is not entered.
clean-local: clean-trash
.PHONY: clean-trash
clean-trash:
	-rm -rf --one-file-system $(builddir)/t/trash.*

include t/unit/local.mk
include t/fuzz/local.mk
include t/bench/local.mk
