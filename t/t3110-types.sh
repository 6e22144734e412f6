#!/bin/sh
test_description='file or directory: null and empty data, .data, changes of type; names that are escaped'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO

test_expect_success 'two mounts of one server' - <<\EOT
	start_server &&
	mount_zkfs m1 &&
	mount_zkfs m2
EOT

test_expect_success 'touch makes empty data, mkdir makes null data' - <<\EOT
	touch m1/empty &&
	mkdir m1/null &&
	! zk null /empty &&
	zk null /null &&
	test -f m2/empty &&
	test -d m2/null
EOT

test_expect_success 'without children, empty data shows as a file and null data as a directory' - <<\EOT
	zk create /e '' &&
	zk create /n &&
	test -f m1/e &&
	test -d m1/n &&
	test_equal 0 "$(stat -c %s m1/e)"
EOT

test_expect_success 'a file becomes a directory when a child appears; its data is in .data' - <<\EOT
	zk create /turn value &&
	test -f m1/turn &&
	test -f m2/turn &&
	zk create /turn/child x &&
	wait_for 5 'test -d m1/turn' &&
	test_equal x "$(cat m1/turn/child)" &&
	test_equal value "$(cat m1/turn/.data)" &&
	wait_for 5 'test "$(cat m2/turn/child)" = x'
EOT

test_expect_success '.data is listed when it is not empty' - <<\EOT
	test_equal "$(printf '.data\nchild')" "$(ls -A m1/turn)" &&
	zk create /blank '' &&
	zk create /blank/child x &&
	test_equal child "$(ls -A m1/blank)" &&
	test -e m1/blank/.data &&
	test_equal 0 "$(stat -c %s m1/blank/.data)"
EOT

test_expect_success '.data of null data is ENOENT; creating it sets it, removing it sets null' - <<\EOT
	mkdir m1/holder &&
	wait_for 5 'test -d m2/holder' &&
	! test -e m1/holder/.data &&
	echo held >m1/holder/.data &&
	test_equal held "$(zk get /holder)" &&
	wait_for 5 'test "$(cat m2/holder/.data)" = held' &&
	rm m1/holder/.data &&
	zk null /holder &&
	test -d m1/holder &&
	! test -e m1/holder/.data
EOT

test_expect_success '.data: what others set shows, and what is written here they get' - <<\EOT
	zk set /turn changed &&
	wait_for 5 'test "$(cat m1/turn/.data)" = changed' &&
	echo again >m1/turn/.data &&
	test_equal again "$(zk get /turn)"
EOT

test_expect_success '.data of a file is no name' - <<\EOT
	test_fails_with 'Not a directory' cat m1/e/.data
EOT

test_expect_success 'while .data is listed, rmdir is ENOTEMPTY; rm -r removes both' - <<\EOT
	mkdir m1/precious &&
	echo data >m1/precious/.data &&
	test_fails_with 'Directory not empty' rmdir m1/precious &&
	test_equal data "$(zk get /precious)" &&
	rm -r m1/precious &&
	! zk exists /precious
EOT

test_expect_success 'what this mount has shown as a directory stays one until rmdir' - <<\EOT
	zk create /sticky '' &&
	zk create /sticky/child x &&
	test -d m1/sticky &&
	rm m1/sticky/child &&
	test -d m1/sticky &&
	rmdir m1/sticky &&
	! zk exists /sticky
EOT

test_expect_success 'the root is always a directory; its value is in .data' - <<\EOT
	test -d m1 &&
	echo root >m1/.data &&
	test_equal root "$(zk get /)" &&
	test_equal root "$(cat m2/.data)" &&
	printf '' >m1/.data
EOT

test_expect_success XATTR 'setfattr -x user.zk.data makes an empty file the directory it was meant to be' - <<\EOT
	zk create /ensured '' &&
	test -f m1/ensured &&
	setfattr -x user.zk.data m1/ensured &&
	zk null /ensured &&
	wait_for 5 'test -d m1/ensured && test -d m2/ensured'
EOT

test_expect_success 'a file that is open while it becomes a directory goes on being read' - <<\EOT
	zk create /open 'still here' &&
	{ exec 4<m1/open; } &&
	test_when_finished 'exec 4<&-' &&
	zk create /open/child x &&
	wait_for 5 'test -d m1/open' &&
	test_equal 'still here' "$(cat <&4)"
EOT

# ---------------------------------------------------------------- names

test_expect_success 'znode names that mean something here are escaped, one to one' - <<\EOT
	zk create /odd &&
	zk run <<-\EOF &&
	for name in (".data", ".ephemeral", ".sequential", ".container", ".ttl=5", "%2e", "100%",
	             "%41", "%zz", "sp ace", "ünï", "%2Edata", "*", "-rf", "\\", "'", '"', "..x"):
	    zk.create("/odd/" + name, name.encode())
	EOF
	"$PYTHON" - m1/odd <<-\EOF
	import os, sys
	expected = {".data", ".ephemeral", ".sequential", ".container", ".ttl=5", "%2e", "100%",
	            "%41", "%zz", "sp ace", "ünï", "%2Edata", "*", "-rf", "\\", "'", '"', "..x"}
	shown = os.listdir(sys.argv[1])
	assert len(shown) == len(set(shown)) == len(expected), shown
	values = {open(os.path.join(sys.argv[1], name)).read() for name in shown}
	assert values == expected, values
	for hidden in (".data", ".ephemeral", ".sequential", ".container", ".ttl=5"):
	    assert hidden not in shown, hidden
	for plain in ("100%", "%zz", "sp ace", "ünï"):
	    assert plain in shown, (plain, shown)
	EOF
EOT

test_expect_success 'the escaped name of .data can be written and removed like any file' - <<\EOT
	name=$(ls m1/odd | grep -i '^%2e' | grep -i 'data$' | while read -r name
	do
		test "$(cat "m1/odd/$name")" = .data && echo "$name"
	done) &&
	test -n "$name" &&
	echo changed >"m1/odd/$name" &&
	test_equal changed "$(zk get /odd/.data)" &&
	rm "m1/odd/$name" &&
	! zk exists /odd/.data
EOT

test_expect_success 'a file whose own name looks like an escape keeps its name' - <<\EOT
	echo x >'m1/odd/50%25' &&
	test -e 'm1/odd/50%25' &&
	ls m2/odd >names &&
	test_grep '^50%25$' names &&
	test_equal x "$(cat 'm2/odd/50%25')" &&
	rm 'm2/odd/50%25' &&
	! zk exists '/odd/50%25'
EOT

test_expect_success 'names over 255 bytes are shown cut, with the SHA-1 of the whole, and work' - <<\EOT
	zk run <<-\EOF &&
	zk.create("/long", None)
	zk.create("/long/" + "n" * 300, b"n")
	zk.create("/long/" + "n" * 299 + "m", b"m")
	zk.create("/long/" + "ü" * 200, b"u")
	zk.create("/long/" + "x" * 255, b"x")
	EOF
	"$PYTHON" - m1/long <<-\EOF &&
	import hashlib, os, sys
	names = os.listdir(os.fsencode(sys.argv[1]))
	assert len(names) == 4 and max(map(len, names)) <= 255, names
	values = {name: open(os.path.join(os.fsencode(sys.argv[1]), name)).read() for name in names}
	assert set(values.values()) == {"n", "m", "u", "x"}, values
	for name, value in values.items():
	    whole = {"n": b"n" * 300, "m": b"n" * 299 + b"m", "u": "ü".encode() * 200,
	             "x": b"x" * 255}[value]
	    if len(whole) <= 255:
	        assert name == whole
	    else:
	        head, digest = name.rsplit(b"%~", 1)
	        assert whole.startswith(head.decode().encode())
	        assert digest.decode() == hashlib.sha1(whole).hexdigest(), name
	EOF
	for name in m1/long/*
	do
		echo "new" >"$name" && rm "$name" || return 1
	done &&
	test -z "$(zk ls /long)"
EOT

test_expect_success 'a name that is too long to be created is ENAMETOOLONG' - <<\EOT
	test_fails_with 'File name too long' touch "m1/$(printf '%0256d' 0)" &&
	touch "m1/$(printf '%0255d' 0)"
EOT

test_expect_success 'the hidden names are never listed, and are there in every directory' - <<\EOT
	test -d m1/.ephemeral &&
	test -d m1/odd/.sequential &&
	test -d m1/odd/.ephemeral/.sequential &&
	test -d m1/.zkfs &&
	! test -e m1/odd/.zkfs &&
	ls -A m1 >names &&
	! grep -e '^\.ephemeral' -e '^\.sequential' -e '^\.container' -e '^\.ttl' -e '^\.zkfs' names
EOT

test_expect_success 'looking at hidden names has no side effect' - <<\EOT
	zxid=$(four_letter "$server_port" srvr | sed -n 's/^Zxid: //p') &&
	ls -la m1/.ephemeral m1/.sequential m1/.ephemeral/.sequential m1/.ttl=60 m1/.zkfs &&
	find m1 >/dev/null &&
	test_equal "$zxid" "$(four_letter "$server_port" srvr | sed -n 's/^Zxid: //p')"
EOT

test_done
