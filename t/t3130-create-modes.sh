#!/bin/sh
test_description='.ephemeral and .sequential: creating by path, elections, queues'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO

test_expect_success 'two mounts of one server' - <<\EOT
	start_server &&
	mount_zkfs m1 &&
	mount_zkfs m2 &&
	mkdir m1/d
EOT

test_expect_success 'D/.ephemeral/NAME makes D/NAME, ephemeral and owned by the session of the mount' - <<\EOT
	echo me >m1/d/.ephemeral/member &&
	test_equal me "$(cat m1/d/member)" &&
	test_equal me "$(cat m2/d/member)" &&
	test "$(zk stat /d/member ephemeralOwner)" != 0
EOT

test_expect_success 'ls -l shows an ephemeral with the sticky bit, and nothing else' - <<\EOT
	echo x >m1/d/lasting &&
	test_equal -rw-r--r-T "$(stat -c %A m2/d/member)" &&
	test_equal -rw-r--r-- "$(stat -c %A m2/d/lasting)"
EOT

test_expect_success 'echo me > .ephemeral/leader elects: status 0 for one' - <<\EOT
	for i in 1 2 1 2
	do
		sh -c "echo $i >m$i/.ephemeral/leader" 2>/dev/null && echo $i >>won || :
	done &&
	test_equal "$(printf '1\n1')" "$(cat won)" &&
	test_equal 1 "$(zk get /leader)" &&
	test_fails_with 'File exists' sh -c 'echo 2 >m2/.ephemeral/leader'
EOT

test_expect_success 'in .ephemeral, what this session owns opens; any other name is EEXIST' - <<\EOT
	echo again >m1/.ephemeral/leader &&
	test_equal again "$(zk get /leader)" &&
	test_fails_with 'File exists' sh -c 'echo x >m1/d/.ephemeral/lasting' &&
	test_equal x "$(zk get /d/lasting)"
EOT

test_expect_success 'mkdir .ephemeral/NAME cannot hold children, so it is a file or refused' - <<\EOT
	test_fails_with '' mkdir m1/.ephemeral/dir &&
	! zk exists /dir
EOT

test_expect_success 'D/.sequential/NAME: NAME and ten digits that count up' - <<\EOT
	echo a >m1/d/.sequential/q- &&
	echo b >m2/d/.sequential/q- &&
	zk ls /d >names &&
	grep '^q-[0-9]\{10\}$' names >q &&
	test_equal 2 "$(wc -l <q)" &&
	test_equal a "$(cat "m2/d/$(sed -n 1p q)")" &&
	test_equal b "$(cat "m1/d/$(sed -n 2p q)")" &&
	test_equal 0 "$(zk stat "/d/$(sed -n 1p q)" ephemeralOwner)"
EOT

test_expect_success 'readlink of the descriptor names the file that was made' - <<\EOT
	{ exec 3>m1/d/.sequential/item-; } &&
	test_when_finished 'exec 3>&-' &&
	: >&3 &&
	name=$(readlink /proc/self/fd/3) &&
	echo "$name" | grep "^$TEST_WORK/m1/d/item-[0-9]\{10\}$" &&
	test -f "$name" &&
	echo value >&3 &&
	exec 3>&- &&
	wait_for 5 'test "$(cat "$name")" = value' &&
	zk exists "/d/${name##*/}"
EOT

test_expect_success 'so does it when the value is written at once' - <<\EOT
	{ exec 3>m1/.sequential/at-once-; } &&
	test_when_finished 'exec 3>&-' &&
	echo value >&3 &&
	test -f "$(readlink /proc/self/fd/3)"
EOT

test_expect_success 'both compose: ephemeral sequential' - <<\EOT
	{ exec 3>m1/d/.ephemeral/.sequential/both-; } &&
	test_when_finished 'exec 3>&-' &&
	: >&3 &&
	name=$(readlink /proc/self/fd/3) &&
	echo "$name" | grep "^$TEST_WORK/m1/d/both-[0-9]\{10\}$" &&
	test "$(zk stat "/d/${name##*/}" ephemeralOwner)" != 0
EOT

test_expect_success 'mkdir D/.sequential/NAME makes a directory that counts up' - <<\EOT
	mkdir m1/d/.sequential/dir- &&
	test_equal 1 "$(zk ls /d | grep -c '^dir-[0-9]\{10\}$')" &&
	zk null "/d/$(zk ls /d | grep '^dir-')"
EOT

test_expect_success 'a file opened there exists at once, empty, and has its value at close' - <<\EOT
	{ exec 3>m1/d/.ephemeral/early; } &&
	test_when_finished 'exec 3>&-' &&
	test -z "$(zk get /d/early)" &&
	! zk null /d/early &&
	echo late >&3 &&
	exec 3>&- &&
	wait_for 5 'test "$(zk get /d/early)" = late'
EOT

test_expect_success 'mv FILE D/.sequential/NAME makes it with its value in one transaction' - <<\EOT
	mkdir m1/queue &&
	echo work >m1/prepared &&
	mv m1/prepared m1/queue/.sequential/job- &&
	! zk exists /prepared &&
	job=$(zk ls /queue) &&
	echo "$job" | grep '^job-[0-9]\{10\}$' &&
	test_equal work "$(cat "m1/queue/$job")" &&
	zk run "$job" <<-\EOF
	stat = zk.exists("/queue/" + args[0])
	assert stat.version == 0 and stat.czxid == stat.mzxid, stat
	assert zk.exists("/").pzxid == stat.czxid, "the source went in another transaction"
	EOF
EOT

test_expect_success 'the mode directories hold nothing: not listed, not removable, empty' - <<\EOT
	test -z "$(ls -A m1/d/.sequential)" &&
	test -z "$(ls -A m1/d/.ephemeral)" &&
	test_fails_with '' rmdir m1/d/.ephemeral &&
	test -d m1/d/.ephemeral
EOT

test_expect_success 'umount of one mount: its ephemerals vanish from the other within a second' - <<\EOT
	touch m1/.ephemeral/x &&
	test -e m2/x &&
	unmount m1 &&
	wait_for 1 '! test -e m2/x' &&
	wait_for 2 '! test -e m2/d/member' &&
	test -e m2/d/lasting
EOT

test_done
