#!/bin/sh
test_description='a member is killed in each step of installing a snapshot: it is the old state or the new one'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-ensemble.sh"

# A learner that gets a SNAP makes it durable call by call; strace kills it at the Nth of these.
calls=fdatasync,fsync,unlink,rename

# At most so many steps are tried; a step behind the last one lets the member live.
steps=${SNAP_STEPS:-40}

fill () {
	zk_at "$(leader)" run "$1" <<-END
		data = b"z" * 50000
		for i in range(100):
		    pending = zk.create_async("/fill-%s-%d" % (args[0], i), data)
		pending.get(30)
	END
}

test_expect_success STRACE 'a member that lacks more than the others keep in memory is given a snapshot' '
	make_ensemble 3 commitLogCount=10 &&
	start_member zkfsd 1 2 3 &&
	stop_member 1 &&
	cp -r 1/data/zkfs-1 1/first &&
	fill a &&
	start_member zkfsd 1 &&
	grep "learner 1: at .* SNAP(" "$(leader)/log" &&
	same_trees &&
	stop_member 1
'

# killed_at STEP: as a wiped one, and as one that has an older state.
killed_at () {
	for state in wiped older
	do
		rm -rf 1/data/zkfs-1 &&
		{ test $state = wiped || cp -r 1/first 1/data/zkfs-1; } &&
		launch 1 env ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" strace -f -qq -o 1/strace -e trace=$calls \
			-e inject=$calls:signal=KILL:when="$1" "$builddir/zkfsd" -f 1/zoo.cfg &&
		wait_for 60 "! alive $(cat 1/pid) || test -n \"\$(mode_of 1)\"" || return 1
		if alive "$(cat 1/pid)"
		then
			# It serves: there was no such step left.
			{ pkill -TERM -P "$(cat 1/pid)" || :; } &&
			wait_for 20 "! alive $(cat 1/pid)" || return 1
			survived=$((survived + 1))
		else
			killed=$((killed + 1))
		fi
		start_member zkfsd 1 &&
		zk_at 1 run <<-END &&
			zk.sync("/")
			assert len(zk.get_children("/")) == 101, zk.get_children("/")
		END
		stop_member 1 || return 1
	done
}

test_expect_success STRACE 'killed at each call of its disk while it installs, it comes back whole' '
	survived=0 killed=0 &&
	for step in $(seq 1 "$steps")
	do
		killed_at "$step" || { echo "step $step" >&2; return 1; }
		test "$survived" -lt 4 || break
	done &&
	echo "killed $killed times, at the calls 1 to $step" >&2 &&
	test "$killed" -ge 10 &&
	start_member zkfsd 1 &&
	same_trees
'

test_done
