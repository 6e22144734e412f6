#!/bin/sh
test_description='members of an ensemble are killed under load: nothing acknowledged is lost, it serves again by itself'
test -z "${TEST_LONG-}" || : "${TEST_TIMEOUT:=7200}"
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-ensemble.sh"

rounds=${KILL_ROUNDS:-2}
test -z "${TEST_LONG-}" || rounds=${KILL_ROUNDS:-100}

# writes_go_on: some session gets something acknowledged from now on.
writes_go_on () {
	go_on_path=/go-on-$(now_ms)
	for go_on_at in $members
	do
		test -e "$go_on_at/pid" || continue
		wait_for 30 "zk_at $go_on_at create $go_on_path x || zk_at $go_on_at exists $go_on_path"
		return
	done
}

test_expect_success 'three begin together, and one leads' '
	make_ensemble 3 &&
	start_member zkfsd 1 2 3 &&
	test -n "$(leader)" &&
	start_load 4
'

test_expect_success "kill -9 of the leader and of a follower, $rounds times each" '
	for round in $(seq "$rounds")
	do
		for role in leader a_follower
		do
			victim=$($role) &&
			kill_member "$victim" &&
			writes_go_on &&
			start_member zkfsd "$victim" || return 1
		done
	done
'

test_expect_success "kill -9 of two at once, $rounds times: the third alone acknowledges nothing" '
	for round in $(seq "$rounds")
	do
		survivor=$((round % 3 + 1))
		victims=$(echo "$members" | grep -v "$survivor") &&
		for victim in $victims
		do
			kill -s KILL "$(cat "$victim/pid")" || return 1
		done &&
		for victim in $victims
		do
			wait_for 10 "! alive $(cat "$victim/pid")" && rm "$victim/pid" || return 1
		done &&
		wait_for 20 "test -z \"\$(mode_of $survivor)\"" &&
		start_member zkfsd $victims && serves "$survivor" &&
		writes_go_on || return 1
	done
'

test_expect_success "kill -9 of all three, $rounds times" '
	for round in $(seq "$rounds")
	do
		for victim in $members
		do
			kill -s KILL "$(cat "$victim/pid")" || return 1
		done &&
		for victim in $members
		do
			wait_for 10 "! alive $(cat "$victim/pid")" && rm "$victim/pid" || return 1
		done &&
		start_member zkfsd 1 2 3 &&
		writes_go_on || return 1
	done
'

test_expect_success 'all that was acknowledged is on each of them, and their trees are one' '
	end_load &&
	prove_load &&
	never_a_mismatch
'

test_expect_success 'they stop in order' '
	for member in $members
	do
		stop_member "$member" || return 1
	done
'

test_done
