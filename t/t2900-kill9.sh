#!/bin/sh
test_description='SIGKILL in the middle of writes: all that was acknowledged is there, nothing is half'
# A thousand rounds take their time.
test -z "${TEST_LONG-}" || : "${TEST_TIMEOUT:=7200}"
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

# Every round proves the last one's outcome, writes until the server has acknowledged
# a number that the seed chooses, and kills it there.
rounds=${KILL_ROUNDS:-20}
test -z "${TEST_LONG-}" || rounds=${KILL_ROUNDS:-1000}
seed=${KILL_SEED:-1}

kill_round () {
	start_zkfsd killed &&
	"$builddir/t/kill-load" "$server_addr" "$server_pid" state "$1" &&
	wait_for 10 "! alive $server_pid"
}

test_expect_success "$rounds times killed, $rounds times nothing is lost" '
	for round in $(seq "$seed" $((seed + rounds - 1)))
	do
		kill_round "$round" || { echo "seed $round" >&2; return 1; }
	done &&
	start_zkfsd killed &&
	"$builddir/t/kill-load" "$server_addr" - state -
'

test_expect_success 'and it stops in order' '
	stop_server killed
'

test_done
