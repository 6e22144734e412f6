#!/bin/sh
test_description='kill -9 of a mount: its ephemerals go at the session timeout, and not before'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO

test_expect_success 'two mounts; the first has a session of 3 seconds, and ephemerals' - <<\EOT
	start_server &&
	mount_zkfs m1 timeout=3 &&
	mount_zkfs m2 &&
	touch m1/.ephemeral/x m1/.ephemeral/y &&
	echo stays >m1/lasting &&
	test -e m2/x
EOT

test_expect_success 'kill -9: they are gone from the other within the timeout and a tick' - <<\EOT
	kill -9 "$(mount_pid m1)" &&
	killed=$(now_ms) &&
	wait_for 10 '! test -e m2/x && ! test -e m2/y' &&
	took=$(($(now_ms) - killed)) &&
	echo "took $took ms" &&
	test "$took" -gt 1000 &&
	test "$took" -lt 4500 &&
	test_equal stays "$(cat m2/lasting)"
EOT

test_expect_success 'all processes of the killed mount have ended' - <<\EOT
	wait_for 5 'test -z "$(mount_pids m1)"'
EOT

test_expect_success 'while a mount lives, its session does, however idle it is' - <<\EOT
	mount_zkfs m1 timeout=1 &&
	touch m1/.ephemeral/idle &&
	session=$(status_of m1 session) &&
	begun=$(now_ms) &&
	wait_for 5 "test \"\$((\$(now_ms) - $begun))\" -gt 3000" &&
	test -e m2/idle &&
	test_equal "$session" "$(status_of m1 session)"
EOT

test_expect_success 'uncommitted bytes of a killed mount are not there, committed ones are' - <<\EOT
	echo committed >m1/file &&
	{ timeout 60 "$PYTHON" - m1/file <<-\EOF & } &&
	import os, signal, sys
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
	os.write(fd, b"partial")
	open("go", "w").close()
	signal.pause()
	EOF
	wait_for 5 'test -e go' &&
	kill -9 "$(mount_pid m1)" &&
	test_equal committed "$(zk get /file)"
EOT

test_done
