#!/bin/sh
test_description='an ensemble of two zkfsd and one Apache server: each leads and follows the other kind'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

test_skip_file_without KAZOO,APACHE

all='own1 own2 java'

launch_any () {
	case $1 in
	java) launch_apache "$1" ;;
	*) launch_zkfsd "$1" ;;
	esac
}

# at_all PATH VALUE: every server has it, once it has caught up.
at_all () {
	for one in $all
	do
		zk_at "$one" sync "$1" &&
		test_equal "$2" "$(zk_at "$one" get "$1")" || return 1
	done
}

# counts_are_equal: of znodes and of bytes of data.
counts_are_equal () {
	four_letters mntr $all | grep -e zk_znode_count -e zk_ephemerals_count >counts &&
	test "$(sort -u counts | wc -l)" = 2
}

# lead_with NAME: the others are restarted until it leads.
# shellcheck disable=SC2046 # one word a name
lead_with () {
	wait_for_modes $all || return 1
	while test "$leader" != "$1"
	do
		old=$leader
		stop_server "$old" KILL &&
		wait_for_modes $(echo "$all" | tr ' ' '\n' | grep -vx "$old") &&
		launch_any "$old" &&
		wait_for_modes $all || return 1
	done
}

test_expect_success 'they elect a leader, and what one writes all have' '
	write_ensemble $all &&
	: >own1/data/initialize &&
	: >own2/data/initialize &&
	for name in $all
	do
		launch_any $name || return 1
	done &&
	wait_for_modes $all &&
	zk_at own1 create /a one &&
	at_all /a one &&
	for name in $all
	do
		zk_at $name set /a "$name" && at_all /a "$name" || return 1
	done
'

test_expect_success 'sessions and ephemerals are known everywhere' '
	zk_at own1 run "$(cat java/port)" "$(cat own2/port)" <<-\EOF &&
		from kazoo.client import KazooClient
		others = [KazooClient(hosts="127.0.0.1:" + port) for port in args]
		for number, other in enumerate(others):
		    other.start()
		    other.create("/e-%d" % number, b"x", ephemeral=True)
		zk.sync("/")
		for number, other in enumerate(others):
		    assert zk.exists("/e-%d" % number).ephemeralOwner == other.client_id[0]
		    other.stop()
		wait_for(10, lambda: not zk.exists("/e-0") and not zk.exists("/e-1"))
	EOF
	wait_for 10 counts_are_equal
'

for name in java own2
do
	test_expect_success "$name leads: a server that was away gets what it missed" '
		lead_with $name &&
		away=$(echo ${followers# } | cut -d " " -f 1) &&
		stop_server "$away" KILL &&
		zk_at "$name" run <<-\EOF &&
			zk.ensure_path("/missed")
			for i in range(50):
			    zk.create("/missed/n-", b"x" * 100, sequence=True)
		EOF
		zk_at "$name" set /a "under $name" &&
		launch_any "$away" &&
		wait_for_modes $all &&
		at_all /a "under $name" &&
		wait_for 10 counts_are_equal
	'

	test_expect_success "$name leads: a server that has nothing gets a snapshot" '
		lead_with $name &&
		away=$(echo $followers | tr " " "\n" | grep -v -e "^$name$" -e "^$" | tail -n 1) &&
		stop_server "$away" TERM &&
		rm -rf "$away/data/zkfs-1" "$away/data/version-2" &&
		launch_any "$away" &&
		wait_for_modes $all &&
		at_all /a "under $name" &&
		wait_for 10 counts_are_equal
	'
done

test_expect_success 'Apache finds the same digests, and so does zkfsd' '
	for name in $all
	do
		! answers $name mntr "zk_digest_mismatches_count	[1-9]" || return 1
	done &&
	! grep -h "is not the one that the leader computed" own1/log own2/log
'

test_expect_success 'the Apache server is replaced by a zkfsd, without a stop' '
	lead_with java &&
	stop_server java TERM &&
	wait_for_modes own1 own2 &&
	mkdir -p own3/data && echo 3 >own3/data/myid &&
	cp java/port own3/port &&
	sed "s,/java/data,/own3/data," java/zoo.cfg >own3/zoo.cfg &&
	launch_zkfsd own3 &&
	wait_for_modes own1 own2 own3 &&
	test_equal "under own2" "$(zk_at own3 sync /a && zk_at own3 get /a)"
'

test_done
