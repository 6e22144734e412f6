#!/bin/sh
test_description='mounting a data directory or a zoo.cfg: the replica lives and ends with the mount'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_skip_file_without FUSE,KAZOO

# The address of the embedded replica.
embedded_addr () {
	grep -o '127\.0\.0\.1:[0-9]*' m/.zkfs/status | head -n 1
}

test_expect_success 'a directory that ends in / is created, and holds the database' - <<\EOT
	mount_zkfs m '' data/ &&
	echo hello >m/a &&
	test_equal hello "$(cat m/a)" &&
	mkdir m/d &&
	echo deep >m/d/e &&
	test -d data/zkfs-1 &&
	test -f data/zkfs-1/state.db
EOT

test_expect_success 'a mount in the background keeps no descriptor of its caller open' - <<\EOT
	mkdir m3 &&
	echo "$(TEST_MOUNT=$PWD/m3 timeout 20 "$builddir/zkfs" data3/ m3)" >said &&
	test_equal '' "$(cat said)" &&
	umount_zkfs m3
EOT

test_expect_success 'the replica listens on 127.0.0.1 alone, at the port in .zkfs/status' - <<\EOT
	server_addr=$(embedded_addr) &&
	test_equal hello "$(zk get /a)" &&
	zk set /a other &&
	wait_for 5 'test "$(cat m/a)" = other' &&
	port=$(printf %04X "${server_addr#*:}") &&
	grep -h ":$port 0*:0000 0A" /proc/net/tcp /proc/net/tcp6 >listening &&
	test_equal 1 "$(wc -l <listening)" &&
	test_grep '0100007F:' listening
EOT

test_expect_success 'a second mount of the data is refused, with the address of the first' - <<\EOT
	mkdir m2 &&
	refused any "$(embedded_addr)" "$builddir/zkfs" data m2 &&
	test_equal other "$(cat m/a)"
EOT

test_expect_success 'umount ends all processes, the replica among them' - <<\EOT
	mount_pids m >pids &&
	test "$(wc -l <pids)" -ge 2 &&
	unmount m &&
	wait_for 5 'test -z "$(mount_pids m)"' &&
	test_fails_with '' zk get /a
EOT

test_expect_success 'mounted again, the data is there; an ephemeral of the first time is not' - <<\EOT
	mount_zkfs m '' data &&
	test_equal other "$(cat m/a)" &&
	test_equal deep "$(cat m/d/e)" &&
	touch m/.ephemeral/e &&
	umount_zkfs m &&
	mount_zkfs m '' data &&
	! test -e m/e
EOT

test_expect_success 'kill -9 of zkfs: the replica ends too, and nothing that was written is lost' - <<\EOT
	echo last >m/last &&
	kill -9 "$(mount_pid m)" &&
	wait_for 10 'test -z "$(mount_pids m)"' &&
	mount_zkfs m '' data &&
	test_equal last "$(cat m/last)"
EOT

test_expect_success 'kill -9 of everything at once, with writers: all that was acknowledged is there' - <<\EOT
	for round in 1 2 3
	do
		rm -f acknowledged &&
		{ (
			i=0
			# dash opens the file itself, and ignores what its close says.
			while echo "$i" >"m/n$i" && sync "m/n$i" && echo "$i" >>acknowledged
			do
				i=$((i + 1))
			done
		) 2>/dev/null & } &&
		writer=$! &&
		wait_for 20 'test "$(wc -l <acknowledged)" -gt 50' &&
		kill -9 $(mount_pids m) &&
		wait "$writer" &&
		mount_zkfs m '' data &&
		while read -r i
		do
			test "$(cat "m/n$i")" = "$i" || return 1
		done <acknowledged
	done
EOT

prereq_SQLITE () { needs_program sqlite3; }

test_expect_success SQLITE 'sqlite3 reads the tree and the state of the running replica' - <<\EOT
	umount_zkfs m &&
	mount_zkfs m '' data &&
	echo readable >m/readable &&
	sqlite3 -readonly data/zkfs-1/state.db .tables >tables &&
	test -s tables &&
	set -- data/zkfs-1/tree.*.db &&
	wait_for 20 "sqlite3 -readonly $1 \"select path, length(data), mzxid from znode\" | grep '^/a|'"
EOT

test_expect_success 'a directory that is not there, and does not end in /, is refused' - <<\EOT
	umount_zkfs m &&
	refused any nowhere "$builddir/zkfs" ./nowhere m &&
	! test -e nowhere
EOT

test_expect_success 'a zoo.cfg: be that server, reachable for others at its clientPort' - <<\EOT
	write_zoo_cfg node &&
	mount_zkfs m '' node/zoo.cfg &&
	server_addr=127.0.0.1:$(cat node/port) &&
	echo value >m/from-mount &&
	test_equal value "$(zk get /from-mount)" &&
	mount_zkfs m2 &&
	test_equal value "$(cat m2/from-mount)" &&
	umount_zkfs m2 &&
	umount_zkfs m &&
	! four_letter "$(cat node/port)" srvr
EOT

test_expect_success 'that data is the data of zkfsd' - <<\EOT
	start_zkfsd node &&
	test_equal value "$(zk get /from-mount)" &&
	stop_zkfsd node
EOT

test_expect_success 'an error in zoo.cfg: status 2, file and line' - <<\EOT
	printf 'tickTime=2000\ndataDir=%s\nclientPort=none\n' "$PWD/bad" >bad.cfg &&
	refused 2 'bad\.cfg:3:' "$builddir/zkfs" bad.cfg m &&
	! is_mounted m
EOT

test_expect_success 'a damaged database: a sentence, no mount, and never an empty tree' - <<\EOT
	head -c 4096 /dev/urandom | dd of=data/zkfs-1/state.db conv=notrunc 2>/dev/null &&
	refused any state "$builddir/zkfs" data m &&
	! is_mounted m
EOT

test_done
