#!/bin/sh
test_description='mounting and unmounting: sources, options, mount(8), and what is refused'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO

test_expect_success 'when zkfs returns 0, the tree is there' - <<\EOT
	start_server &&
	zk create /there before &&
	mount_in_background m &&
	is_mounted m &&
	test_equal before "$(cat m/there)"
EOT

test_expect_success 'the kernel shows the type and the source, nosuid and nodev' - <<\EOT
	grep " $TEST_WORK/m " /proc/self/mountinfo >line &&
	test_grep ' - fuse\.zkfs ' line &&
	test_grep " $server_addr " line &&
	test_grep 'nosuid' line &&
	test_grep 'nodev' line
EOT

test_expect_success 'umount ends all its processes, and leaves the directory as it was' - <<\EOT
	test -n "$(mount_pids m)" &&
	unmount m &&
	wait_for 5 'test -z "$(mount_pids m)"' &&
	test -z "$(ls -A m)"
EOT

test_expect_success 'fusermount3 -u unmounts too' - <<\EOT
	mount_for_now m &&
	fusermount3 -u m &&
	wait_for 5 'test -z "$(mount_pids m)"' &&
	! is_mounted m
EOT

test_expect_success 'umount closes the session: its ephemerals are gone within a second' - <<\EOT
	mount_for_now m &&
	touch m/.ephemeral/mine &&
	zk exists /mine &&
	unmount m &&
	zk run <<-\EOF
	wait_for(1, lambda: zk.exists("/mine") is None)
	EOF
EOT

test_expect_success 'a chroot is the root of the mount' - <<\EOT
	zk create /app &&
	zk create /app/inner value &&
	mount_for_now m '' "$server_addr/app" &&
	test_equal inner "$(ls m)" &&
	echo more >m/added &&
	umount_zkfs m &&
	test_equal more "$(zk get /app/added)"
EOT

test_expect_success 'a chroot that is not there is refused' - <<\EOT
	mkdir -p d &&
	refused 32 nowhere "$builddir/zkfs" "$server_addr/nowhere" d &&
	! is_mounted d
EOT

test_expect_success 'of several servers, one that answers is enough' - <<\EOT
	free_port &&
	mount_for_now m '' "127.0.0.1:$ret_port,$server_addr" &&
	test_equal before "$(cat m/there)"
EOT

test_expect_success '.zkfs/status names the mode of the server' - <<\EOT
	mount_for_now m &&
	wait_for 10 'test standalone = "$(status_of m mode)"'
EOT

test_expect_success 'a server that does not answer: the mode is unknown, and who asks does not wait for it' - <<\EOT
	mount_for_now m timeout=10 &&
	wait_for 10 'test standalone = "$(status_of m mode)"' &&
	silence "$server_pid" &&
	test_when_finished "kill -s CONT $server_pid" &&
	wait_for 6 'timeout 3 cat m/.zkfs/status >status && grep "^mode unknown$" status' &&
	test_grep "^state CONNECTED$" status &&
	kill -s CONT "$server_pid" &&
	wait_for 10 'test standalone = "$(status_of m mode)"'
EOT

test_expect_success 'a server that takes no other connection: the mode is unknown, and all else goes on' - <<\EOT
	test_when_finished "stop_server one; server_addr=$server_addr server_port=$server_port server_pid=$server_pid" &&
	start_server one maxClientCnxns=1 &&
	mount_for_now m &&
	wait_for 10 'test unknown = "$(status_of m mode)"' &&
	echo works >m/f && sync m/f &&
	test_equal CONNECTED "$(status_of m state)"
EOT

prereq_IPV6 () {
	"$PYTHON" -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null ||
		{ echo 'no IPv6 on this machine'; return 1; }
}

test_expect_success IPV6 'an IPv6 address is written in brackets' - <<\EOT
	mount_for_now m '' "[::1]:$server_port" &&
	test_equal before "$(cat m/there)" &&
	wait_for 10 'test standalone = "$(status_of m mode)"'
EOT

test_expect_success 'no server: status 32, one sentence that names it, once the timeout is over' - <<\EOT
	free_port &&
	begun=$(now_ms) &&
	refused 32 "127\.0\.0\.1:$ret_port" "$builddir/zkfs" -o timeout=1 "127.0.0.1:$ret_port" d &&
	test "$(($(now_ms) - begun))" -lt 10000 &&
	! is_mounted d
EOT

test_expect_success 'usage errors: status 1, and a sentence that names what is wrong' - <<\EOT
	refused 1 nonsense "$builddir/zkfs" -o nonsense "$server_addr" d &&
	refused 1 timeout "$builddir/zkfs" -o timeout=soon "$server_addr" d &&
	refused 1 timeout "$builddir/zkfs" -o timeout=0 "$server_addr" d &&
	refused 1 acl "$builddir/zkfs" -o acl=everybody "$server_addr" d &&
	refused 1 watch "$builddir/zkfs" -o watch=maybe "$server_addr" d &&
	refused 1 99999 "$builddir/zkfs" 127.0.0.1:99999 d &&
	test_status 1 "$builddir/zkfs" 2>err &&
	test_status 1 "$builddir/zkfs" "$server_addr" 2>err &&
	! is_mounted d
EOT

test_expect_success 'what is not in this version is refused by name, and not passed over' - <<\EOT
	for option in hard onexpire=fail auth=digest:u:p authfile=/nowhere
	do
		refused 1 "${option%%=*}.*not in this version" \
			"$builddir/zkfs" -o "$option" "$server_addr" d || return 1
	done
EOT

test_expect_success '--help and --version go to stdout with status 0' - <<\EOT
	"$builddir/zkfs" --help >out &&
	test_grep 'SOURCE' out &&
	"$builddir/zkfs" --version >out &&
	test_grep '[0-9]\.[0-9]' out
EOT

test_expect_success 'a mount point that is not there, or no directory, is refused by name' - <<\EOT
	refused any missing "$builddir/zkfs" "$server_addr" missing &&
	: >plain &&
	refused any plain "$builddir/zkfs" "$server_addr" "$PWD/plain"
EOT

test_expect_success 'a directory that has a zkfs already is refused, and stays as it is' - <<\EOT
	mount_for_now m &&
	refused 32 "$PWD/m" "$builddir/zkfs" "$server_addr" "$PWD/m" &&
	test_equal 1 "$(grep -c " $TEST_WORK/m " /proc/self/mountinfo)" &&
	test_equal before "$(cat m/there)"
EOT

prereq_NAMESPACE () {
	unshare -m true 2>/dev/null || { echo 'no mount namespace of its own'; return 1; }
}

test_expect_success ROOT,NAMESPACE 'no permission for /dev/fuse: status 32, and a sentence that says so' - <<\EOT
	place=$(mktemp -d) &&
	test_when_finished "rm -rf $place" &&
	chmod 755 "$place" &&
	cp "$builddir/zkfs" "$place" &&
	mkdir "$place/d" &&
	chown 65534 "$place/d" &&
	: >no-fuse &&
	chmod 600 no-fuse &&
	refused 32 /dev/fuse unshare -m sh -c '
		mount --bind "$1" /dev/fuse &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$2/zkfs" "$3" "$2/d"' \
		sh "$PWD/no-fuse" "$place" "$server_addr"
EOT

test_expect_success 'a dead mount, left by kill -9, is replaced by the next mount of the directory' - <<\EOT
	mount_for_now m &&
	kill -9 "$(mount_pid m)" &&
	wait_for 5 '! ls m' &&
	mount_for_now m &&
	test_equal 1 "$(grep -c " $TEST_WORK/m " /proc/self/mountinfo)" &&
	test_equal before "$(cat m/there)"
EOT

test_expect_success 'a data directory inside a mount of zkfs is refused' - <<\EOT
	mount_for_now m &&
	mkdir -p d &&
	refused any "$PWD/m" "$builddir/zkfs" "$PWD/m/data/" d &&
	! test -e m/data &&
	! is_mounted d
EOT

test_expect_success 'in the foreground (-f) it stays until it is unmounted, and exits with 0' - <<\EOT
	{ TEST_MOUNT=$PWD/m "$builddir/zkfs" -f "$server_addr" "$PWD/m" & } &&
	foreground=$! &&
	wait_for 15 'is_mounted m && test -e m/there' &&
	alive "$foreground" &&
	unmount m &&
	test_status 0 wait "$foreground"
EOT

test_expect_success 'SIGTERM unmounts and closes the session' - <<\EOT
	mount_for_now m &&
	touch m/.ephemeral/short &&
	kill -s TERM "$(mount_pid m)" &&
	wait_for 10 '! is_mounted m && test -z "$(mount_pids m)"' &&
	! zk exists /short
EOT

test_expect_success 'ro: what changes anything is EROFS, reading works, others changes are seen' - <<\EOT
	mount_for_now m ro &&
	test_equal before "$(cat m/there)" &&
	test_fails_with 'Read-only file system' touch m/new &&
	test_fails_with 'Read-only file system' tee m/there </dev/null &&
	test_fails_with 'Read-only file system' mkdir m/dir &&
	test_fails_with 'Read-only file system' rm m/there &&
	test_fails_with 'Read-only file system' mv m/there m/gone &&
	test_fails_with 'Read-only file system' touch m/.ephemeral/x &&
	zk set /there after &&
	wait_for 5 'test "$(cat m/there)" = after' &&
	zk set /there before
EOT

test_expect_success 'modes and owners: 0644, 0755 and the mounter, or as the options say' - <<\EOT
	zk create /dir &&
	mount_for_now m &&
	test_equal "644 $(id -u) $(id -g)" "$(stat -c '%a %u %g' m/there)" &&
	test_equal "755 $(id -u) $(id -g)" "$(stat -c '%a %u %g' m/dir)" &&
	umount_zkfs m &&
	mount_for_now m uid=12,gid=34,fmode=0640,dmode=0710 &&
	test_equal '640 12 34' "$(stat -c '%a %u %g' m/there)" &&
	test_equal '710 12 34' "$(stat -c '%a %u %g' m/dir)"
EOT

test_expect_success 'ephemeral: what is created in such a mount ends with it' - <<\EOT
	mount_for_now m ephemeral &&
	echo me >m/member &&
	test "$(zk stat /member ephemeralOwner)" != 0 &&
	umount_zkfs m &&
	! zk exists /member
EOT

test_expect_success 'acl: the ACL of what is created' - <<\EOT
	mount_for_now m acl=world:anyone:cdr &&
	echo x >m/guarded &&
	zk run <<-\EOF &&
	acls, stat = zk.get_acls("/guarded")
	assert [(a.id.scheme, a.id.id, a.perms) for a in acls] == [("world", "anyone", 1 + 4 + 8)], acls
	EOF
	test_fails_with 'Permission denied' tee m/guarded </dev/null &&
	rm m/guarded
EOT

test_expect_success 'as mount.zkfs: the options that mount(8) passes on are taken' - <<\EOT
	ln -sf "$builddir/zkfs" mount.zkfs &&
	test_when_finished '! is_mounted m || umount_zkfs m' &&
	TEST_MOUNT=$PWD/m ./mount.zkfs "$server_addr" "$PWD/m" -n -v \
		-o rw,defaults,_netdev,nofail,noauto,auto,user,users,owner,group,noatime,relatime,x-systemd.automount &&
	test_equal before "$(cat m/there)"
EOT

test_expect_success 'as mount.zkfs: -f checks and mounts nothing, -s passes over unknown options' - <<\EOT
	test_when_finished '! is_mounted m || umount_zkfs m' &&
	./mount.zkfs -f "$server_addr" "$PWD/m" &&
	! is_mounted m &&
	refused 1 nonsense ./mount.zkfs "$server_addr" "$PWD/m" -o nonsense &&
	TEST_MOUNT=$PWD/m ./mount.zkfs -s "$server_addr" "$PWD/m" -o nonsense,timeout=5 &&
	is_mounted m
EOT

# /sbin/mount.zkfs, for these commands alone: a layer over /sbin in a mount namespace of their own.
with_mount_helper () {
	mkdir -p helper &&
	ln -sf "$builddir/zkfs" helper/mount.zkfs &&
	unshare -m sh -c '
		mount -t overlay -o "lowerdir=$1/helper:$(readlink -f /sbin)" none "$(readlink -f /sbin)" &&
		shift && eval "$1"' sh "$PWD" "$1"
}

prereq_OVERLAY () {
	mkdir -p layer &&
	unshare -m mount -t overlay -o "lowerdir=$PWD/layer:/sbin/../sbin/." none layer 2>/dev/null ||
		{ echo 'no overlayfs in a mount namespace'; return 1; }
}

test_expect_success ROOT,OVERLAY 'mount -t zkfs, umount, and a line of fstab' - <<\EOT
	export server_addr &&
	echo "$server_addr/app $PWD/m zkfs noauto,timeout=5 0 0" >fstab &&
	with_mount_helper '
		mount -t zkfs "$server_addr" "$PWD/m" &&
		test "$(cat m/there)" = before &&
		umount "$PWD/m" &&
		mount -T fstab "$PWD/m" &&
		test "$(cat m/added)" = more &&
		umount "$PWD/m"'
EOT

test_done
