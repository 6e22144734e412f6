#!/bin/sh
test_description='the harness itself: what it must report, and what it must leave behind'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

# run_file [OPTION...]: a test file made of stdin's lines, in the harness, as a process
# of its own; its TAP goes to tap, its status to status.
run_file () {
	{
		echo 'test_description=inner' &&
		echo ". '$srcdir/t/test-lib.sh'" &&
		cat
	} >inner.sh &&
	mkdir -p build &&
	status=0 &&
	env -u TEST_STATE -u TEST_WORK -u TEST_SERVER -u TEST_FLAGS builddir="$PWD/build" \
		TEST_TIMEOUT="${inner_timeout:-60}" sh inner.sh "$@" >tap 2>err || status=$?
	cat tap err >&2
	echo "$status" >status
}

test_expect_success 'a body that succeeds is ok, and the file exits with 0' - <<\EOT
	run_file <<-\EOF &&
	test_expect_success 'fine' 'true && true'
	test_done
	EOF
	test_grep '^ok 1 - fine$' tap &&
	test_grep '^1\.\.1$' tap &&
	test_equal 0 "$(cat status)"
EOT

test_expect_success 'a body that fails is not ok, shown with its trace, and the file exits with 1' - <<\EOT
	run_file <<-\EOF &&
	test_expect_success 'broken' 'true && test 1 = 2 && true'
	test_expect_success 'fine' 'true'
	test_done
	EOF
	test_grep '^not ok 1 - broken$' tap &&
	test_grep '^# .*test 1 = 2' tap &&
	test_grep '^ok 2 - fine$' tap &&
	test_grep '^1\.\.2$' tap &&
	test_equal 1 "$(cat status)"
EOT

test_expect_success 'a failure is not hidden by a forgotten &&' - <<\EOT
	run_file <<-\EOF &&
	test_expect_success 'unchained' '
		false
		true
	'
	test_done
	EOF
	test_grep '^not ok 1 - unchained$' tap
EOT

test_expect_success 'a file that ends early is not ok' - <<\EOT
	run_file <<-\EOF &&
	test_expect_success 'fine' 'true'
	exit 0
	EOF
	test_grep '^ok 1 - fine$' tap &&
	test_grep '^not ok 2 - the test file runs to its end$' tap &&
	test_grep '^1\.\.2$' tap
EOT

test_expect_success 'a file that hangs is ended at its deadline, and is not ok' - <<\EOT
	inner_timeout=1 &&
	test_when_finished 'unset inner_timeout' &&
	run_file <<-\EOF &&
	test_expect_success 'hangs' 'tail -f /dev/null'
	test_done
	EOF
	test_grep '^not ok 1 - the test file runs to its end$' tap &&
	test_grep '^# in: 1 - hangs$' tap
EOT

test_expect_success 'a missing prerequisite skips with its reason' - <<\EOT
	run_file <<-\EOF &&
	prereq_THING () { echo 'no thing'; false; }
	prereq_OTHER () { true; }
	test_expect_success OTHER,THING 'needs it' 'false'
	test_expect_success OTHER 'has it' 'true'
	test_done
	EOF
	test_grep '^ok 1 - needs it # SKIP no thing$' tap &&
	test_grep '^ok 2 - has it$' tap &&
	test_equal 0 "$(cat status)"
EOT

test_expect_success 'test_on runs the file once a server, in one stream' - <<\EOT
	run_file <<-\EOF &&
	test_on one two
	test_expect_success 'runs' 'test -n "$TEST_SERVER"'
	test_expect_success 'only on one' 'test "$TEST_SERVER" = one'
	test_done
	EOF
	cat >expected <<-\EOF &&
	ok 1 - one: runs
	ok 2 - one: only on one
	ok 3 - two: runs
	not ok 4 - two: only on one
	1..4
	EOF
	grep -v '^#' tap >actual &&
	test_cmp expected actual
EOT

test_expect_success 'what a file started is ended, and its directory is gone' - <<\EOT
	run_file <<-\EOF &&
	test_expect_success 'starts things' '
		{ tail -f /dev/null & } &&
		echo $! >../../../pid &&
		{ setsid sh -c "trap \"\" TERM; while :; do read -r x </dev/zero; done" & } &&
		echo $! >../../../stubborn
	'
	test_done
	EOF
	test_grep '^ok 1 ' tap &&
	! alive "$(cat pid)" &&
	! alive "$(cat stubborn)" &&
	test -z "$(ls build/t)"
EOT

test_expect_success 'a process that others started is left alone' - <<\EOT
	{ tail -f /dev/null & } &&
	other=$! &&
	run_file <<-\EOF &&
	test_expect_success 'fine' 'true'
	test_done
	EOF
	alive "$other"
EOT

test_expect_success ROOT 'what a file mounted is unmounted' - <<\EOT
	run_file <<-\EOF &&
	test_expect_success 'mounts' '
		mkdir m n &&
		mount -t tmpfs none m &&
		mkdir m/deeper &&
		mount -t tmpfs none m/deeper &&
		is_mounted m/deeper
	'
	test_done
	EOF
	test_grep '^ok 1 ' tap &&
	! grep "$TEST_WORK/build" /proc/self/mountinfo
EOT

test_expect_success 'a sanitizer report in a log is not ok' - <<\EOT
	run_file <<-\EOF &&
	test_expect_success 'reports' 'echo "ERROR: AddressSanitizer" >"$TEST_STATE/sanitizer.77"'
	test_done
	EOF
	test_grep '^not ok 2 - no sanitizer has anything to report$' tap &&
	test_grep '^# ERROR: AddressSanitizer$' tap
EOT

test_expect_success 'wait_for ends when its condition holds, and fails at its deadline' - <<\EOT
	rm -f there &&
	{ (while ! test -e go; do :; done; : >there) & } &&
	: >go &&
	wait_for 10 'test -e there' &&
	! wait_for 0 'test -e nowhere'
EOT

test_expect_success 'free_port gives each port once, and none that is taken' - <<\EOT
	free_port && first=$ret_port &&
	free_port && second=$ret_port &&
	test "$first" != "$second" &&
	echo "$first $first" >"$TEST_STATE/ports" &&
	{ "$PYTHON" -c "
import socket, sys, time
s = socket.socket(); s.bind(('127.0.0.1', $first)); s.listen()
open('bound', 'w').close()
while True: time.sleep(9)" & } &&
	wait_for 10 'test -e bound' &&
	free_port &&
	test "$ret_port" != "$first"
EOT

# hold_blocks FREE: all blocks of ports in $PWD are another's, but for FREE; sets holder.
hold_blocks () {
	mkdir -p "zkfs-test-ports.$(id -u)" &&
	rm -f held &&
	{ "$PYTHON" -c "
import fcntl, signal, sys
blocks = [open('zkfs-test-ports.%s/%d' % (sys.argv[1], block), 'w')
          for block in range(20000 // int(sys.argv[2])) if str(block) != sys.argv[3]]
for block in blocks:
    fcntl.flock(block, fcntl.LOCK_EX)
open('held', 'w').close()
signal.pause()" "$(id -u)" "$TEST_PORTS" "$1" & } &&
	holder=$! &&
	wait_for 10 'test -e held'
}

test_expect_success 'a file has the ports of a block that nobody has, and no others' - <<\EOT
	hold_blocks 7 &&
	PORTS=$PWD/given && export PORTS &&
	(TMPDIR=$PWD && export TMPDIR && run_file) <<-\EOF &&
	test_expect_success 'its lock is held' '! flock -n "$TMPDIR/zkfs-test-ports.$(id -u)/7" true'
	test_expect_success 'as many as there are' '
		while free_port
		do
			echo "$ret_port" >>"$PORTS"
		done
	'
	test_done
	EOF
	kill "$holder" &&
	test_equal 0 "$(cat status)" &&
	first=$((10000 + 7 * TEST_PORTS)) &&
	test "$(sort -n given | head -n 1)" -ge "$first" &&
	test "$(sort -n given | tail -n 1)" -lt $((first + TEST_PORTS)) &&
	test_equal "$(wc -l <given)" "$(sort -u given | wc -l)"
EOT

test_expect_success 'without a block of ports a file says so, and ends' - <<\EOT
	hold_blocks none &&
	(TMPDIR=$PWD && export TMPDIR && run_file) <<-\EOF &&
	test_expect_success 'fine' 'true'
	test_done
	EOF
	kill "$holder" &&
	test_grep '^Bail out! no block of ports is free' tap &&
	test_equal 1 "$(cat status)"
EOT

test_expect_success 'the helpers that look for failures can fail' - <<\EOT
	test_fails_with 'No such file' cat nowhere &&
	! test_fails_with 'No such file' true &&
	! test_fails_with 'Is a directory' cat nowhere &&
	! test_fails_with '' sh -c 'kill -9 $$' &&
	test_status 3 sh -c 'exit 3' &&
	! test_status 3 true &&
	test_equal a a &&
	! test_equal a b &&
	echo one >file &&
	test_grep one file &&
	! test_grep two file
EOT

test_done
