#!/bin/sh
test_description='make install: what goes where, with DESTDIR; and make uninstall takes it back'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

# This make has nothing to do with the one that runs the tests.
make_in_build () {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$builddir" DESTDIR="$TEST_WORK/root" \
		prefix=/usr mounthelperdir=/sbin "$@"
}

test_expect_success 'programs, scripts, manual pages and the mount helper are where they belong' - <<\EOT
	make_in_build install &&
	for program in zkfs zkfsd zkcli zkServer.sh zkCli.sh
	do
		test -x root/usr/bin/$program || { echo "no $program" >&2; return 1; }
	done &&
	for page in zkfs.8 mount.zkfs.8
	do
		test -s root/usr/share/man/man8/$page || { echo "no $page" >&2; return 1; }
	done &&
	test_equal /usr/bin/zkfs "$(readlink -m "root/sbin/$(readlink root/sbin/mount.zkfs)" |
		sed "s,^$TEST_WORK/root,,")"
EOT

test_expect_success 'what is installed runs' - <<\EOT
	root/usr/bin/zkfs --version &&
	root/usr/bin/zkfsd --version &&
	test "$(wc -l <root/usr/share/man/man8/mount.zkfs.8)" -ge 1
EOT

test_expect_success 'it installs nothing that it would not say' - <<\EOT
	find root ! -type d | sed s,^root,, | sort >installed &&
	cat installed &&
	! grep -v -e '^/usr/bin/zk' -e '^/usr/share/man/man[158]/' -e '^/sbin/mount\.zkfs$' \
		-e '^/usr/share/doc/zkfs/' installed
EOT

test_expect_success 'make uninstall removes it all' - <<\EOT
	make_in_build uninstall &&
	test -z "$(find root ! -type d)"
EOT

test_done
