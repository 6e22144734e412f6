#!/bin/sh
test_description='three nodes mounted by their zoo.cfg: replica and mount in one'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-ensemble.sh"

test_skip_file_without FUSE,KAZOO

# mount_node N [OPT[,OPT...]]: node N's namespace at mN, its replica a child of the mount.
mount_node () {
	mkdir -p "m$1" &&
	TEST_MOUNT=$TEST_WORK/m$1 "$builddir/zkfs" -f ${2:+-o "$2"} "$TEST_WORK/$1/zoo.cfg" \
		"$TEST_WORK/m$1" >>"m$1.log" 2>&1 &
	echo $! >"$1/mount-pid"
}

node_is_mounted () {
	is_mounted "m$1" && test -e "m$1/.zkfs/status"
}

# kill_node N: mount, replica and notifier, as when the machine dies.
kill_node () {
	mount_pids "m$1" | xargs kill -s KILL &&
	wait_for 10 "test -z \"\$(mount_pids m$1)\"" &&
	unmount "m$1"
}

test_expect_success 'each node is one command, and the namespace is one' '
	client_parts=yes make_ensemble 3 &&
	mount_node 1 timeout=4 && mount_node 2 timeout=4 && mount_node 3 timeout=4 &&
	wait_for 60 "node_is_mounted 1 && node_is_mounted 2 && node_is_mounted 3" &&
	echo hello >m1/file && sync m1/file &&
	sync m2/file && test_equal hello "$(cat m2/file)" &&
	sync m3/file && test_equal hello "$(cat m3/file)"
'

# leads N...: the one of these servers that leads, if the others follow, and if the mounts of each
# of them alone, at cN, say so.
leads () {
	leads=
	for leads_at
	do
		leads_mode=$(mode_of "$leads_at") &&
		test "$leads_mode" = "$(status_of "c$leads_at" mode)" || return 1
		case $leads_mode in
		leader) test -z "$leads" && leads=$leads_at || return 1 ;;
		follower) ;;
		*) return 1 ;;
		esac
	done
	test -n "$leads" && echo "$leads"
}

# names_its_role MOUNT: its status has the mode that the server which it names says itself.
names_its_role () {
	role_address=$(status_of "$1" server) &&
	role_mode=$(four_letter "${role_address##*:}" srvr | sed -n 's/^Mode: //p') &&
	test -n "$role_mode" &&
	test "$role_mode" = "$(status_of "$1" mode)"
}

test_expect_success '.zkfs/status names the role of the server: one leads, the others follow' '
	for node in 1 2 3
	do
		mount_zkfs "c$node" timeout=4 "$(address_of $node)" &&
		wait_for 20 "names_its_role m$node" || return 1
	done &&
	wait_for 20 "leads 1 2 3"
'

test_expect_success 'the leader dies, and another is named' '
	leader=$(leads 1 2 3) &&
	others=$(seq 3 | grep -vx "$leader") &&
	umount_zkfs "c$leader" &&
	kill_node "$leader" &&
	wait_for 30 "leads $(echo $others)" &&
	mount_node "$leader" timeout=4 &&
	wait_for 60 "node_is_mounted $leader" &&
	for node in 1 2 3
	do
		wait_for 20 "names_its_role m$node" || return 1
	done &&
	for node in $others
	do
		umount_zkfs "c$node" || return 1
	done
'

test_expect_success 'a node dies: the others write on' '
	kill_node 3 &&
	wait_for 20 "echo again >m1/file && sync m1/file" &&
	wait_for 20 "sync m2/file && test again = \"\$(cat m2/file)\""
'

test_expect_success 'two are dead: writes and reads fail with ETIMEDOUT' '
	kill_node 2 &&
	wait_for 30 "sh -c \"echo no >m1/file && sync m1/file\" 2>&1 | grep -i \"timed out\"" &&
	wait_for 30 "cat m1/file 2>&1 | grep -i \"timed out\""
'

test_expect_success 'one returns, and all heals' '
	mount_node 2 timeout=4 &&
	wait_for 60 "node_is_mounted 2" &&
	wait_for 30 "echo healed >m1/file && sync m1/file" &&
	wait_for 20 "sync m2/file && test healed = \"\$(cat m2/file)\"" &&
	mount_node 3 timeout=4 &&
	wait_for 60 "node_is_mounted 3" &&
	sync m3/file && test_equal healed "$(cat m3/file)"
'

test_expect_success 'the mount moves to another replica, with its session, when its own dies' '
	touch m1/.ephemeral/mine &&
	before=$(status_of m1 session) &&
	replica=$(for pid in $(mount_pids m1)
		do
			grep -qx zkfsd /proc/$pid/comm && echo $pid
		done) &&
	kill -s KILL $replica &&
	wait_for 20 "echo moved >m1/file && sync m1/file" &&
	test_equal "$before" "$(status_of m1 session)" &&
	test -e m1/mine
'

test_expect_success 'umount ends each node' '
	umount_zkfs m1 && umount_zkfs m2 && umount_zkfs m3
'

test_done
