#!/bin/sh
test_description='mv: files, directories, ephemerals, into .data and into a sequence; each one transaction'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO

test_expect_success 'two mounts of one server' - <<\EOT
	start_server &&
	mount_zkfs m1 &&
	mount_zkfs m2
EOT

test_expect_success 'a directory moves with all that is below it, in one transaction' - <<\EOT
	mkdir -p m1/tree/a/b m1/tree/empty &&
	echo 1 >m1/tree/a/1 &&
	echo 2 >m1/tree/a/b/2 &&
	touch m1/tree/.ephemeral/e &&
	zk set /tree value &&
	mv m1/tree m1/moved &&
	! zk exists /tree &&
	test_equal 1 "$(zk get /moved/a/1)" &&
	test_equal 2 "$(zk get /moved/a/b/2)" &&
	test_equal value "$(zk get /moved)" &&
	zk null /moved/a &&
	zk null /moved/empty &&
	test "$(zk stat /moved/e ephemeralOwner)" != 0 &&
	for node in /moved/a /moved/a/1 /moved/a/b /moved/a/b/2 /moved/empty /moved/e
	do
		test_equal "$(zk stat /moved czxid)" "$(zk stat $node czxid)" || return 1
	done &&
	test_equal "$(zk stat /moved czxid)" "$(zk stat / pzxid)"
EOT

test_expect_success 'here it stays what it was: inodes, open files, who works in it' - <<\EOT
	ls -Ri m1/moved | sed 's/^m1\/[a-z]*//' >before &&
	{ exec 4>>m1/moved/a/1; } &&
	test_when_finished 'exec 4>&-' &&
	(
		cd m1/moved/a &&
		mv ../../moved ../../again &&
		test_equal "$TEST_WORK/m1/again/a" "$(pwd -P)" &&
		test_equal 1 "$(cat 1)"
	) &&
	ls -Ri m1/again | sed 's/^m1\/[a-z]*//' >after &&
	test_cmp before after &&
	echo more >&4 &&
	exec 4>&- &&
	wait_for 5 'test "$(zk get /again/a/1)" = "$(printf "1\nmore")"'
EOT

test_expect_success 'the other mount sees the new names, and the old ones no more' - <<\EOT
	test_equal 2 "$(cat m2/again/a/b/2)" &&
	! test -e m2/moved
EOT

test_expect_success 'what was not committed in it yet goes along' - <<\EOT
	mkdir m1/fresh &&
	{ exec 4>m1/fresh/new; } &&
	test_when_finished 'exec 4>&-' &&
	mv m1/fresh m1/fresher &&
	zk exists /fresher/new &&
	echo late >&4 &&
	exec 4>&- &&
	wait_for 5 'test "$(zk get /fresher/new)" = late'
EOT

test_expect_success 'over an empty directory it goes, over any other thing not' - <<\EOT
	mkdir m1/empty m1/full &&
	touch m1/full/x m1/file &&
	mv -T m1/again m1/empty &&
	test_equal 2 "$(cat m1/empty/a/b/2)" &&
	test_fails_with 'Directory not empty' mv -T m1/empty m1/full &&
	test_fails_with 'cannot overwrite non-directory' mv -T m1/empty m1/file &&
	test_fails_with 'subdirectory of itself' mv m1/empty m1/empty/a &&
	test_equal 2 "$(cat m1/empty/a/b/2)" &&
	zk exists /full/x
EOT

test_expect_success 'ACLs go along' - <<\EOT
	zk run <<-\EOF &&
	from kazoo.security import make_acl
	acl = [make_acl("world", "anyone", read=True, delete=True, create=True)]
	zk.create("/guarded", None, acl=acl)
	zk.create("/guarded/f", b"x", acl=acl)
	zk.create("/lone", b"x", acl=acl)
	EOF
	mv m1/guarded m1/guarded2 &&
	mv m1/lone m1/lone2 &&
	for node in guarded2 guarded2/f lone2
	do
		test_equal world:anyone:cdr "$(getfattr --only-values -n user.zk.acl m1/$node)" ||
			return 1
	done
EOT

test_expect_success 'a tree that is larger than a request arrives by copy' - <<\EOT
	mkdir m1/big &&
	for i in 1 2 3 4
	do
		head -c 400000 /dev/zero >m1/big/$i || return 1
	done &&
	mv m1/big m1/big2 &&
	! zk exists /big &&
	test_equal 1600000 "$(cat m2/big2/* | wc -c)" &&
	rm -r m1/big2
EOT

test_expect_success 'an ephemeral moves within the session that owns it, and stays one' - <<\EOT
	echo me >m1/.ephemeral/member &&
	mv m1/member m1/member2 &&
	test "$(zk stat /member2 ephemeralOwner)" != 0 &&
	test_equal me "$(cat m2/member2)" &&
	test_fails_with 'Operation not permitted' mv m2/member2 m2/member3 &&
	zk exists /member2
EOT

test_expect_success 'mv FILE D/.data makes it the value of D' - <<\EOT
	mkdir m1/holder &&
	echo held >m1/value &&
	mv m1/value m1/holder/.data &&
	test_equal held "$(zk get /holder)" &&
	test_equal held "$(cat m1/holder/.data)" &&
	! zk exists /value &&
	echo newer >m1/value &&
	mv m1/value m1/holder/.data &&
	test_equal newer "$(cat m1/holder/.data)" &&
	test_equal newer "$(cat m2/holder/.data)"
EOT

test_expect_success 'a locked file is busy, and a contender is not to be moved' - <<\EOT
	zk run <<-\EOF
	import errno, os
	zk.create("/locked", b"x")
	assert os.path.isfile("m1/locked")
	lock = zk.Lock("/locked", "me")
	lock.acquire()
	for target in ("m1/elsewhere", "m1/kept"):
	    try:
	        os.rename("m1/locked", target)
	        raise SystemExit("a locked file was moved")
	    except OSError as error:
	        assert error.errno == errno.EBUSY, error
	lock.release()
	os.rename("m1/locked", "m1/elsewhere")
	EOF
EOT

test_expect_success 'a name in a sequence is a new one each time, whether or not it was seen' - <<\EOT
	mkdir m1/queue &&
	for i in 1 2 3
	do
		echo $i >m1/queue/.sequential/job- &&
		echo $i >m1/prepared &&
		mv m1/prepared m1/queue/.sequential/job- || return 1
	done &&
	test_equal 6 "$(zk ls /queue | wc -l)" &&
	test_equal "$(printf '1\n1\n2\n2\n3\n3')" "$(cat m1/queue/job-*)"
EOT

test_expect_success 'RENAME_EXCHANGE: EINVAL' - <<\EOT
	echo 1 >m1/x &&
	echo 2 >m1/y &&
	"$PYTHON" - m1/x m1/y <<-\EOF &&
	import ctypes, errno, os, sys
	libc = ctypes.CDLL(None, use_errno=True)
	result = libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), 2)
	assert result == -1 and ctypes.get_errno() == errno.EINVAL, (result, ctypes.get_errno())
	EOF
	test_equal 1 "$(cat m1/x)"
EOT

test_done
