#!/bin/sh
test_description='the end of a mount in the midst of remote changes: umount, kill -9, and something mounted over it'
# Fifty rounds take their time.
test -z "${TEST_LONG-}" || : "${TEST_TIMEOUT:=3600}"
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO,INOTIFYWAIT

rounds=${TEST_KILL_ROUNDS:-5}
test -z "${TEST_LONG-}" || rounds=50

# start_stream: another client creates, sets and deletes in /s until stop_stream.
start_stream () {
	: >streaming &&
	{ zk run "$PWD/streaming" >stream.log 2>&1 <<-\EOF & } &&
	import os
	i = 0
	while os.path.exists(args[0]):
	    for r in [zk.create_async("/s/n%d" % (i + j), b"x") for j in range(20)]: r.get()
	    for r in [zk.set_async("/s/n%d" % (i + j), b"y") for j in range(20)]: r.get()
	    for r in [zk.delete_async("/s/n%d" % (i + j)) for j in range(20)]: r.get()
	    i += 20
	EOF
	stream=$!
}

stop_stream () {
	rm streaming &&
	wait "$stream"
}

# events_come FILE: it grows.
events_come () {
	events_before=$(wc -l <"$1")
	wait_for 10 "test \"\$(wc -l <$1)\" -gt $((events_before + 50))"
}

# no_d_state: no process of this test is in uninterruptible sleep, for a while.
no_d_state () {
	wait_for 10 'test -z "$(d_state_pids)"'
}

d_state_pids () {
	for d_pid in $(grep -lzsx "TEST_STATE=$TEST_STATE" /proc/[0-9]*/environ | cut -d / -f 3)
	do
		grep -qs '^State:	D' "/proc/$d_pid/status" && echo "$d_pid"
	done
	:
}

test_expect_success 'a mount that others change without an end' - <<\EOT
	start_server &&
	zk create /s &&
	start_stream &&
	mount_zkfs m1 &&
	watch out m1/s &&
	events_come out &&
	unwatch
EOT

test_expect_success "umount in the midst of it is never EBUSY, and ends all ($rounds rounds)" - <<\EOT
	round=0 &&
	while test $round -lt $rounds
	do
		watch "out-$round" m1/s &&
		events_come "out-$round" &&
		unmount m1 &&
		wait_for 10 'test -z "$(mount_pids m1)"' &&
		unwatch &&
		no_d_state &&
		mount_zkfs m1 || return 1
		round=$((round + 1))
	done
EOT

test_expect_success "kill -9 of zkfs in the midst: no process hangs, the next mount takes the directory ($rounds rounds)" - <<\EOT
	round=0 &&
	while test $round -lt $rounds
	do
		watch "kill-$round" m1/s &&
		{ timeout 60 sh -c 'while ls m1/s; do :; done' >/dev/null 2>&1 & } &&
		lister=$! &&
		events_come "kill-$round" &&
		kill -9 "$(mount_pid m1)" &&
		wait_for 10 'test -z "$(mount_pids m1)"' &&
		wait_for 10 "! alive $lister" &&
		no_d_state &&
		unwatch &&
		mount_zkfs m1 &&
		ls m1/s >/dev/null || return 1
		round=$((round + 1))
	done
EOT

test_expect_success 'kill -9 of its notifier: the mount serves on' - <<\EOT
	main=$(mount_pid m1) &&
	for pid in $(mount_pids m1)
	do
		test "$pid" = "$main" || kill -9 "$pid" || return 1
	done &&
	echo x >m1/alive &&
	test_equal x "$(zk get /alive)" &&
	ls m1/s >/dev/null &&
	no_d_state &&
	umount_zkfs m1 &&
	mount_zkfs m1
EOT

test_expect_success ROOT 'what is mounted over the directory is never touched' - <<\EOT
	watch out m1/s &&
	events_come out &&
	mount -t tmpfs none m1 &&
	test_when_finished '! grep " - tmpfs none" /proc/self/mountinfo | grep "$TEST_WORK/m1 " || umount m1' &&
	mkdir m1/s &&
	: >m1/s/n1 &&
	before=$(stat -c '%y %z' m1 m1/s m1/s/n1) &&
	watch over -e create -e modify -e attrib -e close_write -e delete -e moved_to -e moved_from \
		m1/s m1 &&
	over_watcher=$watcher &&
	events_come out &&
	test_equal n1 "$(ls m1/s)" &&
	test_equal "$before" "$(stat -c '%y %z' m1 m1/s m1/s/n1)" &&
	test_equal 0 "$(wc -l <over)" &&
	kill "$over_watcher" &&
	umount m1 &&
	ls m1/s >/dev/null &&
	echo x >m1/under &&
	test_equal x "$(zk get /under)"
EOT

test_expect_success 'a lazy unmount ends all its processes once nobody uses it' - <<\EOT
	{ (cd m1/s && exec tail -f /dev/null) & } &&
	user=$! &&
	wait_for 10 'test "$(readlink "/proc/$user/cwd")" = "$TEST_WORK/m1/s"' &&
	if test "$(id -u)" = 0
	then
		umount -l m1
	else
		fusermount3 -uz m1
	fi &&
	kill "$user" &&
	wait_for 10 'test -z "$(mount_pids m1)"' &&
	no_d_state
EOT

test_expect_success 'the stream met no error' - <<\EOT
	stop_stream
EOT

test_done
