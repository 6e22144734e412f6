#!/bin/sh
test_description='znodes as files and directories: lookup, ls, cat, echo, mkdir, rm, rmdir, mv'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO

test_expect_success 'two mounts of one server' - <<\EOT
	start_server &&
	mount_zkfs m1 &&
	mount_zkfs m2
EOT

test_expect_success 'a znode with data is a file of that size and content' - <<\EOT
	zk create /plain 'some text' &&
	test -f m1/plain &&
	test_equal 9 "$(stat -c %s m1/plain)" &&
	test_equal 'some text' "$(cat m1/plain)"
EOT

test_expect_success 'what one mount writes, the server has and the other mount reads' - <<\EOT
	echo hello >m1/a &&
	test_equal hello "$(zk get /a)" &&
	test_equal hello "$(cat m2/a)" &&
	printf 'no newline' >m2/a &&
	wait_for 5 'test "$(cat m1/a)" = "no newline"' &&
	test_equal 'no newline' "$(zk get /a)"
EOT

test_expect_success 'binary data of every byte value comes back as it was' - <<\EOT
	"$PYTHON" -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 5)' >bytes &&
	cp bytes m1/binary &&
	cmp bytes m2/binary &&
	zk get /binary | cmp bytes -
EOT

test_expect_success 'mkdir, ls and nested names' - <<\EOT
	mkdir m1/d &&
	mkdir -p m1/d/e/f &&
	echo deep >m1/d/e/f/g &&
	test_equal "$(printf 'e')" "$(ls m2/d)" &&
	test_equal deep "$(cat m2/d/e/f/g)" &&
	test_equal g "$(zk ls /d/e/f)"
EOT

test_expect_success 'ls lists every child, in a directory of 1,000, and find agrees' - <<\EOT
	zk run <<-\EOF &&
	zk.create("/many", None)
	for r in [zk.create_async("/many/node-%04d" % i, b"x") for i in range(1000)]:
	    r.get()
	EOF
	zk ls /many >expected &&
	ls m1/many >actual &&
	test_cmp expected actual &&
	test_equal 1000 "$(find m2/many -type f -size 1c | wc -l)"
EOT

test_expect_success 'd_type and inode number of readdir are those of stat' - <<\EOT
	"$PYTHON" - m1 <<-\EOF
	import os, sys
	for entry in os.scandir(sys.argv[1]):
	    st = os.lstat(entry.path)
	    assert entry.inode() == st.st_ino, (entry.path, entry.inode(), st.st_ino)
	    assert entry.is_dir(follow_symlinks=False) == os.path.isdir(entry.path), entry.path
	EOF
EOT

test_expect_success 'a directory stream is a snapshot: removing while listing misses none' - <<\EOT
	"$PYTHON" - m1/many <<-\EOF
	import os, sys
	with os.scandir(sys.argv[1]) as stream:
	    names = []
	    for entry in stream:
	        os.unlink(entry.path)
	        names.append(entry.name)
	assert len(names) == len(set(names)) == 1000, len(names)
	EOF
EOT

test_expect_success 'names that are not there are ENOENT, and seen once they are' - <<\EOT
	test_fails_with 'No such file or directory' cat m1/later &&
	zk create /later now &&
	test_equal now "$(cat m1/later)"
EOT

test_expect_success 'creating what is there: EEXIST, and nothing is changed' - <<\EOT
	echo kept >m1/kept &&
	test_fails_with 'File exists' mkdir m2/kept &&
	test_fails_with 'File exists' mkdir m2/d &&
	test_equal kept "$(cat m2/kept)"
EOT

test_expect_success 'creating below nothing, or below a file' - <<\EOT
	test_fails_with 'No such file or directory' touch m1/nowhere/x &&
	test_fails_with 'Not a directory' touch m1/kept/x
EOT

test_expect_success 'rm removes a file, for all' - <<\EOT
	echo x >m1/r &&
	test_equal x "$(cat m2/r)" &&
	rm m1/r &&
	! zk exists /r &&
	! test -e m1/r &&
	wait_for 5 '! test -e m2/r'
EOT

test_expect_success 'unlink and rmdir are strict: never recursive, never the other type' - <<\EOT
	mkdir m1/full &&
	echo x >m1/full/f &&
	test_fails_with 'Directory not empty' rmdir m1/full &&
	test_fails_with 'Is a directory' rm m1/full &&
	test_fails_with 'Not a directory' rmdir m1/full/f &&
	test_equal f "$(zk ls /full)" &&
	rm m1/full/f &&
	rmdir m1/full &&
	! zk exists /full
EOT

test_expect_success 'rmdir of a directory to which another client has just added is ENOTEMPTY' - <<\EOT
	mkdir m1/busy &&
	test -z "$(ls m1/busy)" &&
	zk create /busy/child x &&
	test_fails_with 'Directory not empty' rmdir m1/busy &&
	zk exists /busy/child
EOT

test_expect_success 'rm -r removes a tree' - <<\EOT
	mkdir -p m1/tree/a/b m1/tree/c &&
	echo 1 >m1/tree/a/b/1 &&
	echo 2 >m1/tree/c/2 &&
	rm -r m1/tree &&
	! zk exists /tree
EOT

test_expect_success 'mv renames a file, with its value' - <<\EOT
	echo moved >m1/from &&
	mv m1/from m1/to &&
	test_equal moved "$(cat m2/to)" &&
	! zk exists /from &&
	test_equal moved "$(zk get /to)" &&
	mkdir -p m1/dir &&
	mv m1/to m1/dir/to2 &&
	test_equal moved "$(zk get /dir/to2)"
EOT

test_expect_success 'mv is one transaction' - <<\EOT
	echo one >m1/t1 &&
	mv m1/t1 m1/t2 &&
	czxid=$(zk stat /t2 czxid) &&
	test_equal "$czxid" "$(zk stat / pzxid)"
EOT

test_expect_success 'mv over a file replaces it; for all others the target keeps its czxid' - <<\EOT
	echo old >m1/target &&
	czxid=$(zk stat /target czxid) &&
	echo new >m1/source &&
	mv m1/source m1/target &&
	test_equal new "$(cat m1/target)" &&
	wait_for 5 'test "$(cat m2/target)" = new' &&
	test_equal "$czxid" "$(zk stat /target czxid)" &&
	! zk exists /source
EOT

test_expect_success 'mv -n and RENAME_NOREPLACE keep what is there' - <<\EOT
	echo mine >m1/source &&
	"$PYTHON" - m1/source m1/target <<-\EOF &&
	import ctypes, errno, os, sys
	libc = ctypes.CDLL(None, use_errno=True)
	result = libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), 1)
	assert result == -1 and ctypes.get_errno() == errno.EEXIST, (result, ctypes.get_errno())
	EOF
	test_equal new "$(cat m1/target)" &&
	test_equal mine "$(cat m1/source)"
EOT

test_expect_success 'mv of a tree: it arrives whole, by rename or by the copy that EXDEV asks for' - <<\EOT
	mkdir -p m1/move/a &&
	echo 1 >m1/move/a/1 &&
	echo 2 >m1/move/2 &&
	mv m1/move m1/moved &&
	! zk exists /move &&
	test_equal 1 "$(zk get /moved/a/1)" &&
	test_equal 2 "$(cat m1/moved/2)"
EOT

test_expect_success 'rename of a file that is gone elsewhere is ENOENT' - <<\EOT
	echo x >m1/vanishing &&
	zk delete /vanishing &&
	test_fails_with 'No such file or directory' mv m1/vanishing m1/other &&
	! zk exists /other
EOT

test_expect_success 'links, symlinks, pipes: EPERM' - <<\EOT
	test_fails_with 'Operation not permitted' ln m1/kept m1/hard &&
	test_fails_with 'Operation not permitted' ln -s kept m1/soft &&
	test_fails_with 'Operation not permitted' mkfifo m1/pipe &&
	test_equal 1 "$(stat -c %h m1/kept)"
EOT

test_expect_success 'children of an ephemeral: ENOTDIR' - <<\EOT
	touch m1/.ephemeral/e &&
	test_fails_with 'Not a directory' touch m1/e/child
EOT

test_expect_success 'what is deleted and made anew elsewhere is the new one here' - <<\EOT
	echo first >m1/again &&
	test_equal first "$(cat m2/again)" &&
	zk run <<-\EOF &&
	zk.delete("/again")
	zk.create("/again", b"second")
	EOF
	wait_for 5 'test "$(cat m2/again)" = second' &&
	zk run <<-\EOF &&
	zk.delete("/again")
	zk.create("/again", None)
	zk.create("/again/child", b"third")
	EOF
	wait_for 5 'test "$(cat m2/again/child)" = third'
EOT

test_done
