#!/bin/sh
test_description='attributes: xattrs, times, modes, df, and the files of .zkfs'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO,XATTR

# zk_xattr NAME FILE
zk_xattr () {
	getfattr --only-values -n "user.zk.$1" "$2"
}

test_expect_success 'two mounts of one server' - <<\EOT
	start_server &&
	mount_zkfs m1 &&
	mount_zkfs m2 &&
	mkdir m1/d &&
	echo 12345 >m1/d/f &&
	echo 123456 >m1/d/f
EOT

test_expect_success 'each field of the Stat is an xattr, with the value that other clients see' - <<\EOT
	for node in /d /d/f
	do
		for field in czxid mzxid pzxid ctime mtime version cversion aversion \
			ephemeralOwner dataLength numChildren
		do
			zk_xattr "$field" "m1$node" >/dev/null || return 1
		done &&
		zk run "$node" >expected <<-\EOF || return 1
		s = zk.exists(args[0])
		print(s.version, s.cversion, s.aversion, s.dataLength, s.numChildren)
		EOF
		echo "$(zk_xattr version "m1$node") $(zk_xattr cversion "m1$node")" \
			"$(zk_xattr aversion "m1$node") $(zk_xattr dataLength "m1$node")" \
			"$(zk_xattr numChildren "m1$node")" >actual &&
		test_cmp expected actual || return 1
	done
EOT

test_expect_success 'path, acl and stat' - <<\EOT
	test_equal /d/f "$(zk_xattr path m1/d/f)" &&
	test_equal world:anyone:cdrwa "$(zk_xattr acl m1/d/f)" &&
	zk_xattr stat m1/d/f >stat &&
	test_grep '^cZxid = 0x' stat &&
	test_grep '^dataVersion = 1$' stat &&
	test_grep '^dataLength = 7$' stat
EOT

test_expect_success 'they follow changes by others' - <<\EOT
	test_equal 1 "$(zk_xattr version m1/d/f)" &&
	zk set /d/f other &&
	wait_for 5 'test "$(zk_xattr version m1/d/f)" = 2'
EOT

test_expect_success 'they are not listed, so that nothing copies them' - <<\EOT
	test -z "$(getfattr -d -m - m1/d/f)"
EOT

test_expect_success 'they are read-only but for acl; a name that is not there is ENODATA' - <<\EOT
	test_fails_with 'Operation not permitted' setfattr -n user.zk.version -v 9 m1/d/f &&
	test_fails_with 'No such attribute' getfattr -n user.zk.nonsense m1/d/f &&
	test_fails_with 'No such attribute' getfattr -n security.capability m1/d/f
EOT

test_expect_success 'setting acl is setACL, in the text form of zkCli' - <<\EOT
	setfattr -n user.zk.acl -v world:anyone:cdra m1/d/f &&
	zk run <<-\EOF &&
	acls, stat = zk.get_acls("/d/f")
	assert [(a.id.scheme, a.id.id, a.perms) for a in acls] == [("world", "anyone", 1 + 4 + 8 + 16)], acls
	assert stat.aversion == 1
	EOF
	test_equal world:anyone:cdra "$(zk_xattr acl m1/d/f)" &&
	test_fails_with 'Invalid argument' setfattr -n user.zk.acl -v nonsense m1/d/f
EOT

test_expect_success 'what the ACL refuses is EACCES' - <<\EOT
	test_fails_with 'Permission denied' dd if=/dev/null of=m1/d/f conv=notrunc oflag=append &&
	test_fails_with 'Permission denied' sh -c 'echo x >m1/d/f' &&
	zk run <<-\EOF &&
	from kazoo.security import make_acl
	zk.create("/unreadable", b"secret", acl=[make_acl("world", "anyone", write=True, delete=True)])
	EOF
	test_fails_with 'Permission denied' cat m1/unreadable &&
	echo known >m1/withdrawn &&
	cat m1/withdrawn &&
	setfattr -n user.zk.acl -v world:anyone:cdwa m1/withdrawn &&
	test_fails_with 'Permission denied' cat m1/withdrawn
EOT

test_expect_success 'mtime and ctime are those of the znode' - <<\EOT
	echo now >m1/timed &&
	test_equal "$(($(zk stat /timed mtime) / 1000))" "$(stat -c %Y m1/timed)" &&
	test_equal "$(($(zk stat /timed mtime) / 1000))" "$(stat -c %Y m2/timed)"
EOT

test_expect_success 'touch of an existing file is setData of the same value' - <<\EOT
	echo same >m1/touched &&
	touch m1/touched &&
	test_equal 1 "$(zk stat /touched version)" &&
	test_equal same "$(zk get /touched)"
EOT

test_expect_success 'explicit times, chmod and chown succeed and change nothing' - <<\EOT
	echo same >m1/unchanged &&
	touch -d 2001-01-01 m1/unchanged &&
	chmod 600 m1/unchanged &&
	chown 1:1 m1/unchanged &&
	chmod 700 m1/d &&
	test_equal 0 "$(zk stat /unchanged version)"
EOT

test_expect_success 'df and statfs show the mount' - <<\EOT
	df m1 >out &&
	test_grep "$server_addr .*$TEST_WORK/m1" out &&
	test_equal 255 "$(stat -f -c %l m1)"
EOT

test_expect_success 'st_blksize is 1 MiB' - <<\EOT
	test_equal 1048576 "$(stat -c %o m1/d/f)"
EOT

test_expect_success '.zkfs/status has a key and a value a line' - <<\EOT
	cat m1/.zkfs/status >status &&
	cat status &&
	test_equal 0 "$(grep -cv '^[a-z_-]* [^ ]' status)" &&
	for key in session state server mode timeout zxid
	do
		test_grep "^[a-z_-]*$key[a-z_-]* " status || return 1
	done &&
	test_grep "$server_addr" status
EOT

test_expect_success '.zkfs is hidden, and cannot be changed' - <<\EOT
	ls -A m1 >names &&
	! grep '^\.zkfs$' names &&
	test_fails_with '' touch m1/.zkfs/new &&
	test_fails_with '' rm m1/.zkfs/status &&
	test_fails_with '' rmdir m1/.zkfs &&
	! zk exists /.zkfs
EOT

test_expect_success '.zkfs/events streams every change: zxid, kind, path' - <<\EOT
	{ timeout 60 cat m1/.zkfs/events >events & } &&
	stream=$! &&
	wait_for 5 'zk set /timed stirred && test -s events' &&
	zk run <<-\EOF &&
	zk.create("/ev", b"")
	zk.set("/ev", b"1")
	zk.delete("/ev")
	EOF
	echo own >m1/own-event &&
	wait_for 5 'grep "DELETED /ev$" events && grep "CREATED /own-event$" events' &&
	kill "$stream" &&
	cat events &&
	grep ' /ev$' events | sed 's/^[^ ]* //' >actual &&
	printf 'CREATED /ev\nCHANGED /ev\nDELETED /ev\n' >expected &&
	test_cmp expected actual
EOT

test_expect_success '.zkfs/events has many readers, and poll works' - <<\EOT
	timeout 60 "$PYTHON" - m1 <<-\EOF
	import os, select, sys
	streams = [os.open(sys.argv[1] + "/.zkfs/events", os.O_RDONLY | os.O_NONBLOCK) for i in range(3)]
	poll = select.poll()
	for s in streams:
	    poll.register(s, select.POLLIN)
	assert poll.poll(0) == [], "ready before there was a change"
	open(sys.argv[1] + "/polled", "w").write("x")
	seen = {s: b"" for s in streams}
	while not all(b"/polled" in v for v in seen.values()):
	    ready = poll.poll(5000)
	    assert ready, seen
	    for fd, events in ready:
	        seen[fd] += os.read(fd, 4096)
	EOF
EOT

test_expect_success 'sync FILE and sync DIR succeed' - <<\EOT
	sync m1/d/f &&
	sync m1/d
EOT

test_done
