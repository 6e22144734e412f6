#!/bin/sh
test_description='members are cut off from each other: a minority serves nothing, and all heals'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-ensemble.sh"

# Each member in a network namespace of its own, joined by a bridge in another, where the clients are.
space=$TEST_NETNS

make_network () {
	ip netns add "$space-hub" &&
	ip -n "$space-hub" link set lo up &&
	ip -n "$space-hub" link add hub type bridge &&
	ip -n "$space-hub" addr add 10.213.7.254/24 dev hub &&
	ip -n "$space-hub" link set hub up || return 1
	for net_member in 1 2 3
	do
		ip netns add "$space-$net_member" &&
		ip -n "$space-hub" link add "port$net_member" type veth \
			peer name eth0 netns "$space-$net_member" &&
		ip -n "$space-hub" link set "port$net_member" master hub up &&
		ip -n "$space-$net_member" link set lo up &&
		ip -n "$space-$net_member" addr add "10.213.7.$net_member/24" dev eth0 &&
		ip -n "$space-$net_member" link set eth0 up || return 1
	done
}

# unplug N, plug N: its cable.
unplug () {
	ip -n "$space-hub" link set "port$1" down
}

plug () {
	ip -n "$space-hub" link set "port$1" up
}

in_hub () {
	ip netns exec "$space-hub" "$@"
}

start_load_in_hub () {
	# shellcheck disable=SC2086 # one word an address
	ip netns exec "$space-hub" "$PYTHON" "$srcdir/t/ensemble-load.py" load 600 3 load.state $hosts \
		>load.out 2>load.err &
	load_pid=$!
	load_has_begun
}

make_members () {
	members="1 2 3"
	hosts="10.213.7.1:2181 10.213.7.2:2181 10.213.7.3:2181"
	for member in $members
	do
		mkdir -p "$member/data" &&
		echo "$member" >"$member/data/myid" &&
		echo zkfsd >"$member/kind" &&
		cat >"$member/zoo.cfg" <<-END || return 1
			tickTime=500
			initLimit=10
			syncLimit=5
			dataDir=$TEST_WORK/$member/data
			clientPort=2181
			maxClientCnxns=0
			admin.enableServer=false
			4lw.commands.whitelist=*
			server.1=10.213.7.1:2888:3888
			server.2=10.213.7.2:2888:3888
			server.3=10.213.7.3:2888:3888
		END
	done
}

# mode_in_net N: as its own namespace sees it, cut off or not.
mode_in_net () {
	ip netns exec "$space-$1" timeout 5 bash -c \
		'exec 3<>/dev/tcp/127.0.0.1/2181 && printf srvr >&3 && cat <&3' 2>/dev/null |
		sed -n 's/^Mode: //p'
}

leader_in_net () {
	for net_at in "$@"
	do
		test "$(mode_in_net "$net_at")" != leader || { echo "$net_at"; return 0; }
	done
	return 1
}

others () {
	echo "$members" | tr ' ' '\n' | grep -v "$1"
}

test_expect_success NETNS 'three in namespaces of their own elect a leader' '
	make_network &&
	make_members &&
	for member in $members
	do
		launch "$member" ip netns exec "$space-$member" "$builddir/zkfsd" -f "$member/zoo.cfg" ||
			return 1
	done &&
	wait_for 30 "leader_in_net $members" &&
	# One that was never in sync has no vote yet, and could not make up for the leader.
	for member in $members
	do
		wait_for 30 "test -n \"\$(mode_in_net $member)\"" || return 1
	done &&
	start_load_in_hub
'

test_expect_success NETNS 'the leader cut off: it serves no longer, another leads, and it comes back' '
	old=$(leader_in_net $members) &&
	unplug "$old" &&
	wait_for 20 "test -z \"\$(mode_in_net $old)\"" &&
	wait_for 30 "leader_in_net $(others "$old" | tr "\n" " ")" &&
	plug "$old" &&
	wait_for 30 "test \"\$(mode_in_net $old)\" = follower"
'

test_expect_success NETNS 'a follower cut off: the rest goes on, and it comes back' '
	now=$(leader_in_net $members) &&
	victim=$(others "$now" | head -n 1) &&
	unplug "$victim" &&
	wait_for 20 "test -z \"\$(mode_in_net $victim)\"" &&
	test "$(mode_in_net "$now")" = leader &&
	plug "$victim" &&
	wait_for 30 "test \"\$(mode_in_net $victim)\" = follower"
'

test_expect_success NETNS 'all three apart: nobody serves; joined again they do' '
	unplug 1 && unplug 2 && unplug 3 &&
	for member in $members
	do
		wait_for 20 "test -z \"\$(mode_in_net $member)\"" || return 1
	done &&
	plug 1 && plug 2 && plug 3 &&
	wait_for 40 "leader_in_net $members" &&
	for member in $members
	do
		wait_for 40 "test -n \"\$(mode_in_net $member)\"" || return 1
	done
'

test_expect_success NETNS 'nothing acknowledged is lost, and the trees are one' '
	kill "$load_pid" &&
	{ wait "$load_pid" || { cat load.err >&2; return 1; }; } &&
	cat load.out &&
	in_hub "$PYTHON" "$srcdir/t/ensemble-load.py" prove load.state $hosts
'

test_done
