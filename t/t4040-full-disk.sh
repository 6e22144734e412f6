#!/bin/sh
test_description='the disk of a member fills: it leaves with a sentence, the others go on, and with room it is back'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-ensemble.sh"

test_skip_file_without ROOT,KAZOO

# write_much NAME: 64 MiB, by a session of the leader's.
write_much () {
	zk_at "$(leader)" run "$1" <<-END
		data = b"z" * 500000
		zk.ensure_path("/much")
		for i in range(130):
		    pending = zk.create_async("/much/%s-%d" % (args[0], i), data)
		    if i % 10 == 9:
		        pending.get(30)
	END
}

# small_disk N: member N keeps its data on a disk of 320 MiB: what an empty one takes, and some more.
small_disk () {
	mount -t tmpfs -o size=320m none "$1/data" &&
	echo "$1" >"$1/data/myid"
}

# full N: until nothing more fits.
fill_up () {
	! dd if=/dev/zero of="$1/data/ballast" bs=64k 2>/dev/null
}

for role in follower leader
do
	test_expect_success "the disk of a $role fills: it ends, with a sentence and a status" '
		make_ensemble 3 &&
		small_disk 1 && small_disk 2 && small_disk 3 &&
		start_member zkfsd 1 2 3 &&
		start_load 3 &&
		case $role in
		leader) victim=$(leader) ;;
		*) victim=$(a_follower) ;;
		esac &&
		fill_up "$victim" &&
		victim_pid=$(cat "$victim/pid") &&
		wait_for 60 "! alive $victim_pid || ! write_much \$(now_ms)" &&
		wait_for 30 "! alive $victim_pid" &&
		! wait "$victim_pid" &&
		grep -i "no space left\|disk is full\|database or disk" "$victim/log" >&2 &&
		rm "$victim/pid"
	'

	test_expect_success "$role: the others have a leader and acknowledge writes" '
		wait_for 30 "leader" &&
		zk_at "$(leader)" create "/after-$role" x
	'

	test_expect_success "$role: with room again it starts, and has all of it" '
		rm "$victim/data/ballast" &&
		mount -o remount,size=900m "$TEST_WORK/$victim/data" &&
		start_member zkfsd "$victim" &&
		end_load &&
		prove_load &&
		for member in $members
		do
			stop_member "$member" && umount "$member/data" || return 1
		done &&
		mkdir "$role" && mv 1 2 3 "$role"
	'
done

test_done
