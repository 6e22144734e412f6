#!/bin/sh
test_description='the client session: no write is lost and none is done twice, whatever the connection does'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers

# start_load NAME SERVERS: client-load in the background, on /NAME, working when this returns.
start_load () {
	load_name=$1
	mkdir -p "$load_name" &&
	"$builddir/t/unit/client-load" "$2" "/$1" >"$load_name/out" 2>"$load_name/err" &
	load_pid=$!
	wait_for 30 "grep -qx ready $load_name/out"
}

# load_count FIELD: 2 are the writes done, 3 those that were resolved after a loss.
load_count () {
	awk -v field="$1" '$1 == "done" { count = $field } END { print count + 0 }' "$load_name/out"
}

# load_goes_on: a hundred more writes are done.
load_goes_on () {
	load_goal=$(($(load_count 2) + 100))
	wait_for 30 "! alive $load_pid || test \$(load_count 2) -ge $load_goal" &&
	alive "$load_pid"
}

# stop_load: it ends by itself, and says that all was exact.
stop_load () {
	kill "$load_pid" &&
	load_status=0 &&
	{ wait "$load_pid" || load_status=$?; } &&
	cat "$load_name/err" >&2 &&
	tail -n 3 "$load_name/out" >&2 &&
	test_equal 0 "$load_status" &&
	test_grep '^exact$' "$load_name/out"
}

test_expect_success 'a server, and a way to it that can be cut' '
	start_server &&
	start_proxy way
'

test_expect_success 'every write is done once while connections are cut' '
	start_load cut "$(cat way/addr)" &&
	cuts=0 &&
	while test "$cuts" -lt 10 || test "$(load_count 3)" -lt 5
	do
		test "$cuts" -lt 100 &&
		load_goes_on &&
		stop_proxy way &&
		start_proxy way &&
		cuts=$((cuts + 1)) || return 1
	done &&
	load_goes_on &&
	stop_load &&
	echo "$cuts cuts, $(load_count 3) writes resolved"
'

test_expect_success 'every write is done once while the server is killed and comes back' '
	start_load killed "$server_addr" &&
	for kill in 1 2 3
	do
		load_goes_on &&
		stop_server server KILL &&
		start_server server || return 1
	done &&
	load_goes_on &&
	stop_load
'

test_expect_success 'a server that says nothing is left, and the session goes on when it speaks again' '
	start_load silent "$server_addr" &&
	load_goes_on &&
	kill -s STOP "$server_pid" &&
	wait_for 30 "grep -q ^DISCONNECTED silent/err" &&
	kill -s CONT "$server_pid" &&
	load_goes_on &&
	stop_load &&
	test_grep "^CONNECTED: " silent/err
'

test_done
