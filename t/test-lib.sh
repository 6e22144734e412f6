# shellcheck shell=sh
# The shell tests' harness.  A test file is
#
#	#!/bin/sh
#	test_description='what this file is about'
#	. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
#	test_on_both_servers			# or not
#
#	test_expect_success 'the claim' '
#		first step &&
#		second step
#	'
#	test_done
#
# and prints TAP.  The claim is a sentence that can turn out false; the body
# is its proof, chained with &&, run by the file's own shell in a directory of
# its own, with a trace that is shown when it fails.
#
# A test file runs in two halves.  The outer half (this file's last part)
# starts the file again as the inner half, with a deadline, once or once a
# server, and sweeps up behind it: it unmounts what is mounted below the
# test's directory and ends the processes that carry the test's mark in their
# environment, and nothing else.  So a test that hangs, or dies, leaves
# nothing behind, and no test needs to clean up after itself: network namespaces
# named $TEST_NETNS-... go, too.
#
# Options of a test file: -v shows everything as it runs, -i stops at the first
# failure, -k keeps the directory, -s NAME takes only that server.
# Environment: srcdir and builddir (make check sets both), TEST_TIMEOUT (seconds
# for a file and server), TEST_PORT_BASE (the first of its ports), TEST_LONG (the long
# forms of tests that have one).

LC_ALL=C
TZ=UTC
export LC_ALL TZ
: "${srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${builddir:=$PWD}"
: "${PYTHON:=/usr/bin/python3}"
export srcdir builddir PYTHON

# The ports of a file.
TEST_PORTS=50

# ---------------------------------------------------------------- for bodies

# wait_for SECONDS CONDITION: evaluates CONDITION until it is true.
wait_for () {
	case $- in *x*) { set +x; } 2>/dev/null; wait_trace=1 ;; *) wait_trace= ;; esac
	wait_until=$(($(now_ms) + $1 * 1000))
	wait_result=0
	until eval "$2" >/dev/null 2>&1
	do
		if test "$(now_ms)" -ge "$wait_until"
		then
			echo "waited $1 seconds in vain for: $2" >&2
			wait_result=1
			break
		fi
		sleep 0.05
	done
	test -z "$wait_trace" || set -x
	return "$wait_result"
}

# now_ms: milliseconds of a clock that nobody sets.
now_ms () {
	read -r now_up _ </proc/uptime &&
	echo "${now_up%.*}${now_up#*.}0"
}

# test_fails_with TEXT COMMAND...: it fails, not by a signal, and its stderr has TEXT.
test_fails_with () {
	fails_text=$1
	shift
	fails_status=0
	"$@" 2>"$TEST_STATE/stderr" || fails_status=$?
	cat "$TEST_STATE/stderr" >&2
	if test "$fails_status" = 0 || test "$fails_status" -gt 125
	then
		echo "expected a failure, not status $fails_status: $*" >&2
		return 1
	fi
	grep -qF -e "$fails_text" "$TEST_STATE/stderr" && return 0
	echo "expected '$fails_text' on stderr: $*" >&2
	return 1
}

# test_status N COMMAND...: it exits with status N.
test_status () {
	status_expected=$1
	shift
	status_actual=0
	"$@" || status_actual=$?
	test "$status_actual" = "$status_expected" && return 0
	echo "expected status $status_expected, got $status_actual: $*" >&2
	return 1
}

# test_cmp EXPECTED ACTUAL
test_cmp () {
	diff -u "$1" "$2" >&2
}

# test_equal EXPECTED ACTUAL: two strings.
test_equal () {
	test "$1" = "$2" && return 0
	printf 'expected: %s\ngot:      %s\n' "$1" "$2" >&2
	return 1
}

# test_grep PATTERN FILE: shows the file where the pattern isn't.
test_grep () {
	grep -q -e "$1" "$2" && return 0
	echo "no line matches '$1' in $2:" >&2
	cat "$2" >&2
	return 1
}

# test_when_finished COMMAND: runs after this body, failed or not; the last one first.
test_when_finished () {
	test_cleanup="$1
$test_cleanup"
}

# free_port: sets ret_port to a port that nothing listens on, not given out before, of
# the block that only this test file has.
free_port () {
	read -r port_first ret_port <"$TEST_STATE/ports" || return 1
	while grep -qi ":$(printf %04x "$ret_port") [0-9A-F]*:0000 0A" /proc/net/tcp /proc/net/tcp6
	do
		ret_port=$((ret_port + 1))
	done
	test "$ret_port" -lt $((port_first + TEST_PORTS)) || {
		echo "the file's $TEST_PORTS ports from $port_first on are given out or taken" >&2
		return 1
	}
	echo "$port_first $((ret_port + 1))" >"$TEST_STATE/ports"
}

# ---------------------------------------------------------------- claims

# test_expect_success [PREREQ[,PREREQ...]] CLAIM BODY
# A BODY of - is read from stdin: a here document can hold single quotes.
test_expect_success () {
	missing_reason=
	if test $# = 3
	then
		test_missing "$1" || :
		shift
	fi
	test_body=$2
	test "$test_body" != - || test_body=$(cat)
	test_count=$((test_count + 1))
	test_claim="$test_count - ${TEST_SERVER:+$TEST_SERVER: }$1"
	echo "$test_claim" >"$TEST_STATE/claim"
	if test -n "$missing_reason"
	then
		echo "ok $test_claim # SKIP $missing_reason"
	elif test_run_body "$test_body"
	then
		echo "ok $test_claim"
	else
		echo "not ok $test_claim"
		echo "$test_claim" >>"$TEST_STATE/failed"
		printf '%s\n' "$test_body" | sed 's/^/#| /'
		tail -n 150 "$TEST_STATE/output" | cut -c 1-500 | sed 's/^/# /'
		test_show_logs
	fi
	test_point_is_out
}

# What the programs under test have said lately.
test_show_logs () {
	for log in "$TEST_WORK"/*.log "$TEST_WORK"/*/log
	do
		# Not into a mount, which may be dead.
		test "${log%/log}" = "$log" || ! grep -qF " ${log%/log} " /proc/self/mountinfo || continue
		test -s "$log" || continue
		echo "# --- ${log#"$TEST_WORK/"}"
		tail -n 20 "$log" | cut -c 1-300 | sed 's/^/# /'
	done
}

# The outer half goes on counting from here, whatever becomes of this one.
test_point_is_out () {
	echo "$test_count" >"$TEST_STATE/count"
	rm -f "$TEST_STATE/claim" "$TEST_STATE/output"
	case $TEST_FLAGS in
	*i*) test ! -e "$TEST_STATE/failed" || test_done ;;
	esac
}

# An && forgotten would hide a failure: prefixed with a command that fails in its
# own way, a body that is chained throughout does nothing at all.
test_run_body () {
	test_cleanup=
	case $TEST_FLAGS in
	*v*) echo "# --- $1" | sed '2,$s/^/# /' >&2; exec 5>&2 ;;
	*) exec 5>"$TEST_STATE/output" ;;
	esac
	body_status=0
	eval "(exit 117) && $1" >&5 2>&1 </dev/null || body_status=$?
	if test "$body_status" != 117
	then
		echo "the body is not one chain of &&" >&5
		return 1
	fi
	test_eval "$1" || body_status=$?
	test "$body_status" = 117 && body_status=0
	test_eval "$test_cleanup" || body_status=1
	cd "$TEST_WORK" || exit 1
	return "$body_status"
}

test_eval () {
	{
		test_eval_alone "$1"
		eval_status=$?
		{ set +x; } 2>/dev/null
	} >&5 2>&1 </dev/null
	return "$eval_status"
}

# A body may return, and returns from here.
test_eval_alone () {
	eval "set -x
$1"
}

# test_missing PREREQ,PREREQ...: true, with missing_reason set, if one is missing.
# A prerequisite X is a function prereq_X that prints what is missing and fails.
test_missing () {
	for prereq in $(echo "$1" | tr , ' ')
	do
		missing_reason=$("prereq_$prereq") || return 0
		missing_reason=
	done
	return 1
}

# test_skip_file_without PREREQ,...: the rest of the file (on this server) is one skipped point.
test_skip_file_without () {
	test_missing "$1" || return 0
	test_count=$((test_count + 1))
	echo "ok $test_count - ${TEST_SERVER:+$TEST_SERVER: }$test_description # SKIP $missing_reason"
	test_point_is_out
	test_done
}

# test_on_both_servers: the file is run once on zkfsd and once on Apache's server;
# TEST_SERVER, start_server and stop_server say and do the right one.
test_on_both_servers () {
	test_on zkfsd apache
}

# test_on SERVER...: as that.
test_on () {
	if test -z "$TEST_SERVER"
	then
		echo "$*" >"$TEST_STATE/servers"
		exit 0
	fi
	case $TEST_SERVER in
	apache) test_skip_file_without APACHE ;;
	esac
}

test_done () {
	: >"$TEST_STATE/finished"
	exit 0
}

needs_program () {
	command -v "$1" >/dev/null || { echo "no $1"; return 1; }
}

prereq_FUSE () {
	(: <>/dev/fuse) 2>/dev/null || { echo "no access to /dev/fuse"; return 1; }
	needs_program fusermount3
}

prereq_ROOT () {
	test "$(id -u)" = 0 || { echo "not root"; return 1; }
}

prereq_APACHE () {
	needs_program java || return 1
	test -r /usr/share/java/zookeeper.jar || { echo "no Debian package zookeeper"; return 1; }
}

prereq_KAZOO () {
	"$PYTHON" -c 'import kazoo' 2>/dev/null || { echo "no kazoo for $PYTHON"; return 1; }
}

prereq_INOTIFYWAIT () { needs_program inotifywait; }
prereq_XATTR () { needs_program getfattr && needs_program setfattr; }
prereq_RSYNC () { needs_program rsync; }
prereq_VIM () { needs_program vim.tiny; }
prereq_STRACE () { needs_program strace; }
prereq_NETNS () {
	prereq_ROOT && needs_program ip || return 1
	unshare -n true 2>/dev/null || { echo "no network namespaces"; return 1; }
}
prereq_LONG () { test -n "${TEST_LONG-}" || { echo "only with TEST_LONG=1"; return 1; }; }

# ---------------------------------------------------------------- the inner half

if test -n "${TEST_INNER-}"
then
	unset TEST_INNER
	test_count=$(cat "$TEST_STATE/count")
	# shellcheck source=t/lib-zkfs.sh
	. "$srcdir/t/lib-zkfs.sh"
	cd "$TEST_WORK" || exit 1
	return 0
fi

# ---------------------------------------------------------------- the outer half

# Processes of this test: those that were started with its mark.
test_processes () {
	grep -lzsx "TEST_STATE=$TEST_STATE" /proc/[0-9]*/environ |
		cut -d / -f 3 | grep -vx "$$" || :
}

# Mounts of this test, the innermost first.
test_mounts () {
	while read -r _ _ mount_device _ mount_point _
	do
		case $mount_point in
		"$TEST_STATE"/*) echo "$mount_device $mount_point" ;;
		esac
	done </proc/self/mountinfo | sort -r -k 2
}

test_unmount_all () {
	test_mounts | while read -r mount_device mount_point
	do
		umount "$mount_point" || fusermount3 -u "$mount_point" || {
			abort=/sys/fs/fuse/connections/${mount_device#*:}/abort
			test ! -e "$abort" || echo 1 >"$abort"
			umount -l "$mount_point" || fusermount3 -uz "$mount_point"
		}
	done >/dev/null 2>&1
}

# Network namespaces have names of this test file's.
test_remove_namespaces () {
	for sweep_space in $(ip netns list 2>/dev/null | cut -d ' ' -f 1 | grep "^$TEST_NETNS-")
	do
		ip netns del "$sweep_space"
	done
}

test_sweep () {
	test_unmount_all
	for sweep_signal in TERM KILL
	do
		# A stopped process gets its TERM only when it goes on.
		for sweep_pid in $(test_processes)
		do
			kill -s "$sweep_signal" "$sweep_pid" && kill -s CONT "$sweep_pid"
		done 2>/dev/null
		wait_for 5 'test -z "$(test_processes)"' 2>/dev/null && break
	done
	test_unmount_all
	test_remove_namespaces
}

# Blocks of ports, below the kernel's own range: a server that is down for a moment must find its
# port free again, so no other file may have it. This shell holds the block's lock to its end.
test_take_ports () {
	port_locks=${TMPDIR:-/tmp}/zkfs-test-ports.$(id -u)
	port_blocks=$((20000 / TEST_PORTS))
	port_first=${TEST_PORT_BASE-}
	port_try=0
	mkdir -p "$port_locks"
	while test -z "$port_first"
	do
		test "$port_try" -lt "$port_blocks" || {
			echo "Bail out! no block of ports is free: the locks in $port_locks are all held"
			exit 1
		}
		port_block=$((($$ + port_try) % port_blocks))
		port_try=$((port_try + 1))
		exec 8>"$port_locks/$port_block"
		flock -n 8 && port_first=$((10000 + port_block * TEST_PORTS))
	done
	echo "$port_first $port_first" >"$TEST_STATE/ports"
}

# A point that the outer half finds failed.
test_outer_failure () {
	test_count=$(($(cat "$TEST_STATE/count") + 1))
	echo "$test_count" >"$TEST_STATE/count"
	echo "not ok $test_count - ${TEST_SERVER:+$TEST_SERVER: }$1" | tee -a "$TEST_STATE/failed"
}

# test_run_inner SERVER
test_run_inner () {
	TEST_SERVER=$1
	TEST_WORK=$TEST_STATE/work${1:+-$1}
	mkdir "$TEST_WORK" || exit 1
	rm -f "$TEST_STATE/finished"
	# In the background, so that a signal reaches this shell at once; which
	# would make the tests ignore SIGINT.
	env --default-signal=INT,QUIT \
		TEST_INNER=1 TEST_STATE="$TEST_STATE" TEST_WORK="$TEST_WORK" \
		TEST_SERVER="$TEST_SERVER" TEST_FLAGS="$TEST_FLAGS" TEST_NETNS="$TEST_NETNS" \
		ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$TEST_STATE/sanitizer" \
		UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}log_path=$TEST_STATE/sanitizer" \
		timeout -k 10 "${TEST_TIMEOUT:-300}" sh "$test_file" 8>&- &
	inner_status=0
	wait $! || inner_status=$?
	test_sweep
	test ! -e "$TEST_STATE/servers" || test -n "$TEST_SERVER" || return 0
	test -e "$TEST_STATE/finished" || test_ended_early
	for report in "$TEST_STATE"/sanitizer.*
	do
		test -e "$report" || continue
		test_outer_failure 'no sanitizer has anything to report'
		head -n 60 "$report" | sed 's/^/# /'
		rm "$report"
	done
}

test_ended_early () {
	test_outer_failure 'the test file runs to its end'
	echo "# it ended with status $inner_status (124: its ${TEST_TIMEOUT:-300} s were over)"
	test ! -e "$TEST_STATE/claim" || echo "# in: $(cat "$TEST_STATE/claim")"
	test ! -e "$TEST_STATE/output" || tail -n 100 "$TEST_STATE/output" | sed 's/^/# /'
	test_show_logs
	rm -f "$TEST_STATE/claim" "$TEST_STATE/output"
}

TEST_FLAGS=
test_servers=
while test $# -gt 0
do
	case $1 in
	-v | -i | -k) TEST_FLAGS=$TEST_FLAGS${1#-} ;;
	-s) test_servers=$2; shift ;;
	*) echo "usage: $0 [-v] [-i] [-k] [-s zkfsd|apache]" >&2; exit 2 ;;
	esac
	shift
done

test_file=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
test_name=$(basename "$0" .sh)
TEST_STATE=$(cd "$builddir" && pwd)/t/trash.$test_name
TEST_NETNS=zkfs-${test_name%%-*}
if test -e "$TEST_STATE"
then
	# An earlier run that was killed, or kept.
	test_sweep
	rm -rf "$TEST_STATE"
fi
mkdir -p "$TEST_STATE" || exit 1
echo 0 >"$TEST_STATE/count"
trap 'kill $! && wait $!; test_sweep; exit 130' INT TERM HUP

test_take_ports
echo "# $test_description"
test_run_inner ''
if test -e "$TEST_STATE/servers"
then
	for test_server in ${test_servers:-$(cat "$TEST_STATE/servers")}
	do
		test_run_inner "$test_server"
	done
fi
echo "1..$(cat "$TEST_STATE/count")"
if test -e "$TEST_STATE/failed"
then
	echo "# $(wc -l <"$TEST_STATE/failed") failed; see $TEST_STATE"
	exit 1
fi
case $TEST_FLAGS in *k*) ;; *) rm -rf "$TEST_STATE" ;; esac
exit 0
