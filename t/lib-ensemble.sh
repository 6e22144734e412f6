# shellcheck shell=sh
# Ensembles of zkfsd, of Apache's server, and of both.  Member N has the directory
# N, with what lib-zkfs.sh keeps for a server: N/zoo.cfg, N/data, N/port, N/pid, N/log.
# A member's directory is of one kind as long as it runs: each kind keeps its own data
# beside the other's.

# make_ensemble COUNT [LINE...]: configurations of members 1 to COUNT, as write_ensemble makes them.
# Sets members and hosts.
make_ensemble () {
	# shellcheck disable=SC2086 # one word a member
	members=$(seq 1 "$1") &&
	shift &&
	write_ensemble $members -- "$@" &&
	hosts=$(address_of $members)
}

# launch_member KIND N: starts it as a zkfsd or as an apache, and does not wait.
launch_member () {
	echo "$1" >"$2/kind"
	case $1 in
	zkfsd)
		launch_zkfsd "$2" ;;
	apache)
		# shellcheck disable=SC2086 # one word a flag
		launch "$2" java ${SERVER_JVMFLAGS-} -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
			-Djava.awt.headless=true \
			-cp "${APACHE_CLASSPATH-/usr/share/java/zookeeper.jar}" \
			org.apache.zookeeper.server.quorum.QuorumPeerMain "$2/zoo.cfg" ;;
	esac
}

# start_member KIND N...: and waits until all of them serve.
start_member () {
	start_kind=$1
	shift
	for start_at
	do
		launch_member "$start_kind" "$start_at" || return 1
	done
	for start_at
	do
		serves "$start_at" || return 1
	done
}

# let_lead N: it leads, however often another has to stop for that. Nobody writes meanwhile.
let_lead () {
	let_try=0
	until test "$(leader)" = "$1"
	do
		let_try=$((let_try + 1))
		test "$let_try" -lt 6 || return 1
		let_leader=$(leader) &&
		stop_member "$let_leader" &&
		wait_for 30 "test -n \"\$(leader)\"" &&
		start_member "$(cat "$let_leader/kind")" "$let_leader" || return 1
	done
}

# renew N...: an Apache server of before 3.9.3 whose leader dies under load may have transactions in
# its tree that never come to its log (ZOOKEEPER-4541); its next restart loses them. So each that is
# Apache's gets its data anew, by SNAP. A new leader has written its tree to a snapshot, and needs none.
renew () {
	for renew_at
	do
		test "$(cat "$renew_at/kind")" = zkfsd || {
			stop_member "$renew_at" &&
			rm -rf "$renew_at/data/version-2" &&
			start_member apache "$renew_at"
		} || return 1
	done
}

# serves N [SECONDS]: waits until it serves clients.
serves () {
	if ! wait_for "${2:-40}" "! alive $(cat "$1/pid") || test -n \"\$(mode_of $1)\"" ||
		! alive "$(cat "$1/pid")"
	then
		for serves_at in $members
		do
			echo "---- the log of member $serves_at ($(cat "$serves_at/kind")):" >&2
			tail -n 30 "$serves_at/log" >&2
		done
		return 1
	fi
}

# zxid_of N: its last transaction, as srvr says it.
zxid_of () {
	four_letter "$(cat "$1/port")" srvr | sed -n 's/^Zxid: //p'
}

# leader: the member that leads, or nothing.
leader () {
	member_in leader
}

# a_follower: one that follows.
a_follower () {
	member_in follower
}

# member_in MODE: the first that says so of itself.
member_in () {
	for in_at in $members
	do
		if test -e "$in_at/pid" && test "$(mode_of "$in_at")" = "$1"
		then
			echo "$in_at"
			return 0
		fi
	done
	return 1
}

# stop_member N [SIGNAL], kill_member N: it ends, and is waited for.
stop_member () {
	stop_server "$@"
}

kill_member () {
	stop_server "$1" KILL
}

stop_ensemble () {
	for stop_at in $members
	do
		stop_member "$stop_at" || return 1
	done
}

# all_but N: the other members.
all_but () {
	for all_at in $members
	do
		test "$all_at" = "$1" || echo "$all_at"
	done
}

# address_of N...
address_of () {
	for address_at
	do
		echo "127.0.0.1:$(cat "$address_at/port")"
	done
}

# start_load SESSIONS: sessions write in the background until end_load.
start_load () {
	rm -f load.state load.out
	# shellcheck disable=SC2086 # one word an address
	"$PYTHON" "$srcdir/t/ensemble-load.py" load 600 "$1" load.state $hosts >load.out 2>load.err &
	load_pid=$!
	load_has_begun
}

# load_has_begun: with all its sessions.
load_has_begun () {
	wait_for 60 "! alive $load_pid || grep -qx begun load.out" &&
	alive "$load_pid" ||
	{ cat load.err >&2; return 1; }
}

# end_load: ends it, and succeeds if none of its sessions met what must not be.
end_load () {
	kill "$load_pid" &&
	wait "$load_pid" ||
	{ cat load.err >&2; return 1; }
	cat load.out
}

# loaded KEY: a number of end_load's line.
loaded () {
	sed -n "s/.*$1 \([0-9]*\).*/\1/p" load.out
}

# prove_load: what was acknowledged is on every member, and all trees are one.
prove_load () {
	# shellcheck disable=SC2086
	"$PYTHON" "$srcdir/t/ensemble-load.py" prove load.state $hosts
}

# same_trees: the second half of that.
same_trees () {
	# shellcheck disable=SC2086
	"$PYTHON" "$srcdir/t/ensemble-load.py" same $hosts
}

# no_mismatch: no member's tree has another digest than the leader says. A snapshot that an Apache
# leader sends under load holds part of what follows it, and an Apache learner then counts mismatches
# until that has passed: of those what counts is whether more are found in transactions of now. A zkfsd
# tells them from others by what comes behind them (replica/tree/replay.h), and counts none.
no_mismatch () {
	mismatches >mismatches.before &&
	zk_at "$(leader)" run <<-END &&
		for i in range(10):
		    zk.create("/no-mismatch-", b"", sequence=True)
	END
	same_trees &&
	mismatches >mismatches.after &&
	test_cmp mismatches.before mismatches.after &&
	for mismatch_at in $members
	do
		test "$(cat "$mismatch_at/kind")" = apache || grep "^$mismatch_at: 0$" mismatches.after ||
			return 1
	done
}

# never_a_mismatch: nor was there ever one.
never_a_mismatch () {
	mismatches >mismatches.now &&
	! grep -v ': 0$' mismatches.now >&2
}

# mismatches: each member's count.
mismatches () {
	for mismatch_at in $members
	do
		mismatch_count=$(four_letter "$(cat "$mismatch_at/port")" mntr |
			sed -n 's/^zk_digest_mismatches_count[^0-9]*//p') &&
		test -n "$mismatch_count" &&
		echo "$mismatch_at: $mismatch_count" || return 1
	done
}
