#!/bin/sh
test_description='make install: what goes where, with DESTDIR; and make uninstall takes it back'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

# This make has nothing to do with the one that runs the tests.
make_in_build () {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$builddir" DESTDIR="$TEST_WORK/root" "$@"
}

made_with () {
	sed -n "s/^$1 = //p" "$builddir/Makefile"
}

prefix=$(made_with prefix)
helper_dir=$(made_with mounthelperdir)

prereq_HELPER () {
	test -n "$helper_dir" || { echo 'configured without the mount helper'; return 1; }
}

test_expect_success 'programs and manual pages are where they belong' - <<\EOT
	make_in_build install &&
	for program in zkfs zkfsd zkServer.sh zkServer-initialize.sh zkEnv.sh
	do
		test -x "root$prefix/bin/$program" || { echo "no $program" >&2; return 1; }
	done &&
	for page in man8/zkfs.8 man8/mount.zkfs.8 man8/zkfsd.8 man5/zoo.cfg.5
	do
		test -s "root$prefix/share/man/$page" || { echo "no $page" >&2; return 1; }
	done
EOT

test_expect_success HELPER 'mount(8) finds zkfs as mount.zkfs' - <<\EOT
	test_equal "$prefix/bin/zkfs" "$(readlink "root$helper_dir/mount.zkfs")"
EOT

test_expect_success 'what is installed runs' - <<\EOT
	"root$prefix/bin/zkfs" --version &&
	"root$prefix/bin/zkfsd" --version
EOT

test_expect_success 'nothing else is installed' - <<\EOT
	find root ! -type d | sed s,^root,, | sort >installed &&
	cat installed &&
	! grep -v -e "^$prefix/bin/zk" -e "^$prefix/share/man/man[158]/" \
		-e "^$helper_dir/mount\.zkfs$" installed
EOT

test_expect_success 'make uninstall removes it all' - <<\EOT
	make_in_build uninstall &&
	test -z "$(find root ! -type d)"
EOT

test_done
