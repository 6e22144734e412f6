#!/bin/sh
test_description='an ensemble of Apache servers becomes one of zkfsd server by server, under load, and back'
: "${TEST_TIMEOUT:=600}"
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-ensemble.sh"

test_skip_file_without APACHE,KAZOO

# replace N KIND: that server is stopped, and one of that kind starts in its place, with its
# zoo.cfg and its dataDir, where each kind keeps its own data.
replace () {
	stop_member "$1" &&
	start_member "$2" "$1"
}

test_expect_success 'three Apache servers, and sessions that write' '
	make_ensemble 3 &&
	start_member apache 1 2 3 &&
	start_load 4
'

test_expect_success 'each becomes a zkfsd, the followers first, the leader last' '
	was=$(leader) &&
	for member in $(all_but "$was") "$was"
	do
		replace "$member" zkfsd &&
		test -n "$(leader)" || return 1
	done &&
	for member in $members
	do
		test "$(cat "$member/kind")" = zkfsd || return 1
	done
'

test_expect_success 'and an Apache server again' '
	was=$(leader) &&
	for member in $(all_but "$was") "$was"
	do
		replace "$member" apache || return 1
	done
'

test_expect_success 'no acknowledged write is lost, and no session' '
	end_load &&
	test_equal 0 "$(loaded expired)" &&
	prove_load &&
	no_mismatch
'

# shellcheck disable=SC2046 # one word a member
test_expect_success 'nor are they on disk, once those that followed have their data anew' '
	renew $(all_but "$(leader)") &&
	stop_ensemble &&
	start_member apache $members &&
	prove_load
'

test_done
