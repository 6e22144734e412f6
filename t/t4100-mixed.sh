#!/bin/sh
test_description='zkfsd and Apache servers in one ensemble: either leads, and brings the other up to date'
: "${TEST_TIMEOUT:=900}"
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-ensemble.sh"

test_skip_file_without APACHE,KAZOO

# An Apache leader sends a SNAP for what its last 500 transactions don't cover, not its log's files.
SERVER_JVMFLAGS=-Dzookeeper.snapshotSizeFactor=-1
export SERVER_JVMFLAGS

# begin_all: every member, of the kind that was noted for it.
begin_all () {
	for begin_at in $members
	do
		launch_member "$(cat "$begin_at/kind")" "$begin_at" || return 1
	done
	for begin_at in $members
	do
		serves "$begin_at" || return 1
	done
}

# killed_in_turn: each member dies under load, and comes back.
killed_in_turn () {
	for turn in $members
	do
		kill_member "$turn" &&
		wait_for 30 "test -n \"\$(leader)\"" &&
		start_member "$(cat "$turn/kind")" "$turn" || return 1
	done
}

# write_some NAME COUNT: transactions, by a session of the leader's.
write_some () {
	zk_at "$(leader)" run "$1" "$2" <<-END
		zk.ensure_path("/some")
		for i in range(int(args[1])):
		    pending = zk.create_async("/some/%s-%d" % (args[0], i), b"some")
		pending.get(30)
	END
}

# left_with_a_tail N: the leader N logs what nobody else has, and everybody is dead. The tail is a create of
# /tail-NAME-of-N: as its followers have just died, only it has that in its log.
# shellcheck disable=SC2046 # one word a pid
left_with_a_tail () {
	tail_name=tail-$(now_ms)-of-$1 &&
	zk_at "$1" run "$1" "$tail_name" $(for at in $(all_but "$1"); do cat "$at/pid"; done) <<-END &&
		import glob, os, signal
		for pid in args[2:]:
		    os.kill(int(pid), signal.SIGKILL)
		zk.create_async("/" + args[1], b"")
		def logged():
		    files = glob.glob(args[0] + "/data/zkfs-1/log.*") + glob.glob(args[0] + "/data/version-2/log.*")
		    return any(args[1].encode() in open(file, "rb").read() for file in files)
		wait_for(10, logged)
		os.kill(int(open(args[0] + "/pid").read()), signal.SIGKILL)
		os._exit(0)
	END
	for at in $members
	do
		wait_for 10 "! alive $(cat "$at/pid")" && rm "$at/pid" || return 1
	done
}

# generation_of N: of a zkfsd's data: one more for every SNAP that it installed.
generation_of () {
	sqlite3 "file:$1/data/zkfs-1/state.db?mode=ro" "select generation from state"
}

# joins_by KIND N: member N starts, and gets what it lacks by that.
joins_by () {
	joins_log=$(wc -c <"$2/log")
	test "$(cat "$2/kind")" = apache || joins_generation=$(generation_of "$2" || echo 0)
	joins_leader=$(leader) &&
	joins_leader_log=$(wc -c <"$joins_leader/log") &&
	start_member "$(cat "$2/kind")" "$2" || return 1
	if test "$(cat "$joins_leader/kind")" = zkfsd
	then
		tail -c "+$joins_leader_log" "$joins_leader/log" >joins.log &&
		test_grep "learner $2: at .* $1(" joins.log
	elif test "$1" = SNAP
	then
		test "$(generation_of "$2")" -gt "$joins_generation"
	else
		test_equal "$joins_generation" "$(generation_of "$2")" &&
		tail -c "+$joins_log" "$2/log" >joins.log &&
		test_equal "$(test "$1" = TRUNC && echo 1 || echo 0)" "$(grep -c "cuts the log" joins.log)"
	fi
}

for kind in zkfsd apache
do
	case $kind in
	zkfsd) other=apache data=version-2 ;;
	*) other=zkfsd data=zkfs-1 ;;
	esac

	test_expect_success "a $kind leads two of $other" '
		make_ensemble 3 &&
		echo $kind >3/kind && echo $other >2/kind && echo $other >1/kind &&
		begin_all &&
		let_lead 3
	'

	test_expect_success "$kind leads: members are killed in turn under load" '
		start_load 4 &&
		killed_in_turn &&
		end_load &&
		prove_load &&
		no_mismatch
	'

	test_expect_success "a $kind with a tail that nobody has loses it to $other, by TRUNC" '
		let_lead 3 &&
		renew 1 2 &&
		write_some before 5 &&
		left_with_a_tail 3 &&
		start_member $other 1 2 &&
		joins_by TRUNC 3 &&
		test "$(leader)" != 3 &&
		same_trees &&
		! zk_at 3 exists "/$tail_name"
	'

	test_expect_success "it lacks a few transactions of $other: DIFF" '
		stop_member 3 &&
		write_some diff 10 &&
		joins_by DIFF 3 &&
		same_trees
	'

	test_expect_success "it lacks everything: SNAP" '
		stop_member 3 &&
		rm -rf 3/data/version-2 3/data/zkfs-1 &&
		write_some snap 700 &&
		joins_by SNAP 3 &&
		same_trees &&
		no_mismatch
	'

	# One from Apache holds part of what is written meanwhile.
	test_expect_success "it lacks everything, and sessions write: SNAP" '
		stop_member 3 &&
		rm -rf 3/data/version-2 3/data/zkfs-1 &&
		zk_at "$(leader)" rmr /load &&
		write_some more 2000 &&
		start_load 6 &&
		joins_by SNAP 3 &&
		end_load &&
		prove_load &&
		no_mismatch
	'

	test_expect_success "a session moves between $kind and $other, and keeps its ephemeral" '
		"$PYTHON" - $(address_of 3 1) <<-END
			import socket, sys, time
			from kazoo.client import KazooClient
			zk = KazooClient(hosts=sys.argv[1], timeout=8)
			zk.start()
			session = zk.client_id[0]
			zk.create("/mine", b"1", ephemeral=True)
			for host in (sys.argv[2], sys.argv[1], sys.argv[2]):
			    zk.set_hosts(host)
			    zk._connection._socket.shutdown(socket.SHUT_RDWR)
			    end = time.monotonic() + 20
			    while True:
			        try:
			            if zk._connection._socket.getpeername()[1] == int(host.split(":")[1]):
			                zk.sync("/")
			                break
			        except Exception:
			            assert time.monotonic() < end, "it does not come to " + host
			            time.sleep(0.05)
			    assert zk.client_id[0] == session, "another session"
			    assert zk.exists("/mine").ephemeralOwner == session
			    zk.set("/mine", host.encode())
			zk.stop()
		END
	'

	test_expect_success "observers of either kind" '
		stop_ensemble &&
		mkdir "of-$kind" && mv 1 2 3 "of-$kind" &&
		observers="4 5" && make_ensemble 5 && observers= &&
		echo $kind >3/kind && echo $other >2/kind && echo $other >1/kind &&
		echo zkfsd >4/kind && echo apache >5/kind &&
		begin_all &&
		let_lead 3 &&
		test_equal "observer observer" "$(mode_of 4) $(mode_of 5)" &&
		start_load 5 &&
		for member in 4 5
		do
			kill_member "$member" &&
			start_member "$(cat "$member/kind")" "$member" || return 1
		done &&
		end_load &&
		prove_load &&
		no_mismatch &&
		stop_ensemble &&
		mkdir "observed-$kind" && mv 1 2 3 4 5 "observed-$kind"
	'
done

test_done
