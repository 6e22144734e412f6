#!/bin/sh
test_description='three servers: elections, roles, writes, crashes, a wiped disk, strangers'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

test_skip_file_without KAZOO

all='zk1 zk2 zk3'

# running: the names of those that run.
running () {
	for one in $all
	do
		test ! -e "$one/pid" || echo "$one"
	done
}

# all_read PATH VALUE: every running server, once it has caught up.
all_read () {
	for one in $(running)
	do
		zk_at "$one" sync "$1" &&
		test_equal "$2" "$(zk_at "$one" get "$1")" || return 1
	done
}

# zxids_are_equal: they all have applied the same last transaction.
zxids_are_equal () {
	four_letters srvr $all | grep ^Zxid: >zxids &&
	test "$(wc -l <zxids)" = 3 &&
	test "$(sort -u zxids | wc -l)" = 1
}

# stop_all SIGNAL
stop_all () {
	for one in $(running)
	do
		stop_zkfsd "$one" "$1" || return 1
	done
}

start_all () {
	launch_zkfsd $all &&
	wait_for_modes $all
}

# a_follower: the first of them.
a_follower () {
	echo "${followers# }" | cut -d ' ' -f 1
}

# others_of NAME: all but it.
others_of () {
	echo "$all" | tr ' ' '\n' | grep -vx "$1"
}

test_expect_success 'a server alone serves nobody, and says so' '
	write_ensemble $all &&
	launch_zkfsd zk1 &&
	wait_for 10 "answers zk1 ruok imok" &&
	answers zk1 srvr "^This ZooKeeper instance is not currently serving requests$" &&
	answers zk1 mntr "^This ZooKeeper instance is not currently serving requests$" &&
	answers zk1 isro null &&
	answers zk1 envi "^zookeeper.version="
'

test_expect_success 'three elect one leader' '
	launch_zkfsd zk2 zk3 &&
	wait_for_modes $all &&
	test_equal 2 "$(echo "$followers" | wc -w)"
'

test_expect_success 'four-letter words name the roles' '
	answers "$leader" srvr "^Mode: leader$" &&
	answers "$leader" srvr "^Proposal sizes last/min/max: " &&
	answers "$leader" mntr "^zk_server_state	leader$" &&
	answers "$leader" mntr "^zk_peer_state	leading - broadcast$" &&
	wait_for 10 "answers $leader mntr \"^zk_synced_followers	2\"" &&
	answers "$leader" mntr "^zk_quorum_size	3$" &&
	for name in $followers
	do
		answers "$name" stat "^Mode: follower$" &&
		answers "$name" mntr "^zk_server_state	follower$" || return 1
	done &&
	answers zk2 conf "^serverId=2$" &&
	answers zk2 conf "^electionPort=$(cat zk2/election_port)$" &&
	answers zk2 conf \
		"^server.3=127.0.0.1:$(cat zk3/quorum_port):$(cat zk3/election_port):participant$"
'

test_expect_success 'what is written at one is read at all' '
	zk_at zk1 create /a one &&
	all_read /a one &&
	zk_at zk2 set /a two &&
	all_read /a two &&
	zk_at zk3 set /a three &&
	all_read /a three
'

test_expect_success 'a follower answers each write with its own result' '
	name=$(a_follower) &&
	test_fails_with NodeExistsError zk_at "$name" create /a again &&
	test_fails_with BadVersionError zk_at "$name" set /a x 77 &&
	zk_at "$name" create -s /seq- x >out &&
	test_grep "^/seq-000000000[0-9]$" out &&
	zk_at "$name" run <<-\EOF
		t = zk.transaction()
		t.create("/multi", b"1")
		t.set_data("/a", b"four")
		assert len(t.commit()) == 2
		results = [zk.set_async("/multi", b"%d" % i) for i in range(300)]
		assert [r.get().version for r in results] == list(range(1, 301))
	EOF
'

test_expect_success 'a session of a follower ends everywhere with its ephemerals' '
	name=$(a_follower) &&
	zk_at "$name" run "$leader" "$(cat "$leader/port")" <<-\EOF &&
		from kazoo.client import KazooClient
		other = KazooClient(hosts="127.0.0.1:" + args[1])
		other.start()
		zk.create("/ephemeral", b"x", ephemeral=True)
		other.sync("/ephemeral")
		assert other.exists("/ephemeral").ephemeralOwner == zk.client_id[0]
		zk.stop()
		wait_for(10, lambda: not other.exists("/ephemeral"))
		other.stop()
		zk.start()
	EOF
	wait_for 10 zxids_are_equal
'

test_expect_success 'a client that loses its server goes on at another, with its session' '
	name=$(a_follower) &&
	zk_at "$name" run "$(cat "$name/port")" "$(cat "$leader/port")" "$(cat "$name/pid")" <<-\EOF &&
		import os
		import signal
		from kazoo.client import KazooClient
		hosts = ",".join("127.0.0.1:" + port for port in args[:2])
		both = KazooClient(hosts=hosts, timeout=10, randomize_hosts=False)
		both.start()
		both.create("/moved", b"x", ephemeral=True)
		session = both.client_id[0]
		zk.stop()
		os.kill(int(args[2]), signal.SIGKILL)
		both.retry(both.set, "/moved", b"y")
		assert both.client_id[0] == session
		assert both.exists("/moved").ephemeralOwner == session
		both.stop()
	EOF
	wait_for 10 "! alive $(cat "$name/pid")" &&
	rm "$name/pid" &&
	launch_zkfsd "$name" &&
	wait_for_modes $all
'

test_expect_success 'without a follower writes go on, and it catches up' '
	name=$(a_follower) &&
	stop_zkfsd "$name" KILL &&
	zk_at "$leader" set /a five &&
	all_read /a five &&
	launch_zkfsd "$name" &&
	wait_for_modes $all &&
	all_read /a five &&
	wait_for 10 zxids_are_equal
'

test_expect_success 'when the leader is killed another leads, and nothing is lost' '
	old=$leader &&
	zk_at "$(a_follower)" set /a six &&
	stop_zkfsd "$old" KILL &&
	wait_for_modes $(others_of "$old") &&
	test "$leader" != "$old" &&
	all_read /a six &&
	zk_at "$(a_follower)" set /a seven &&
	launch_zkfsd "$old" &&
	wait_for_modes $all &&
	test "$(mode_of "$old")" = follower &&
	all_read /a seven &&
	wait_for 10 zxids_are_equal
'

test_expect_success 'a leader that is told to stop leaves at once, and another leads' '
	old=$leader &&
	stop_zkfsd "$old" TERM &&
	test_grep "ended in order" "$old/log" &&
	wait_for_modes $(others_of "$old") &&
	all_read /a seven &&
	launch_zkfsd "$old" &&
	wait_for_modes $all
'

test_expect_success 'a leader that hangs is left, and follows when it goes on' '
	old=$leader &&
	kill -s STOP "$(cat "$old/pid")" &&
	test_when_finished "kill -s CONT $(cat "$old/pid")" &&
	wait_for_modes $(others_of "$old") &&
	zk_at "$leader" set /a seven-and-a-half &&
	kill -s CONT "$(cat "$old/pid")" &&
	wait_for_modes $all &&
	test "$(mode_of "$old")" = follower &&
	all_read /a seven-and-a-half &&
	zk_at "$old" set /a seven &&
	wait_for 10 zxids_are_equal
'

# What it hears first when it goes on are its clients, and by then its leader was silent for too long.
test_expect_success 'a role that ends at the word of a client ends in order' '
	set -- $followers &&
	old=$leader &&
	test_when_finished "kill -s CONT $(cat "$old/pid") $(cat "$1/pid")" &&
	"$PYTHON" - "$(cat "$1/port")" "$(cat "$2/port")" "$(cat "$1/pid")" "$(cat "$old/pid")" <<-\EOF &&
		import os
		import signal
		import socket
		import sys
		import time
		port, other_port, pid, leader_pid = map(int, sys.argv[1:])
		def connect(to_port):
		    return socket.create_connection(("127.0.0.1", to_port), timeout=20)
		def ask_other():
		    with connect(other_port) as s:
		        s.sendall(b"srvr")
		        return s.makefile().read()
		clients = [connect(port) for _ in range(20)]
		os.kill(leader_pid, signal.SIGSTOP)
		os.kill(pid, signal.SIGSTOP)
		for s in clients:
		    s.sendall(b"srvr")
		end = time.monotonic() + 30
		while "not currently serving" not in ask_other():
		    assert time.monotonic() < end
		    time.sleep(0.05)
		os.kill(pid, signal.SIGCONT)
		for s in clients:
		    try:
		        while s.recv(4096):
		            pass
		    except ConnectionError:
		        pass
	EOF
	alive "$(cat "$1/pid")" &&
	wait_for_modes "$1" "$2" &&
	kill -s CONT "$(cat "$old/pid")" &&
	wait_for_modes $all &&
	all_read /a seven
'

test_expect_success 'two of them gone, the third serves nobody until one is back' '
	survivor=$(a_follower) &&
	for name in $(others_of "$survivor")
	do
		stop_zkfsd "$name" KILL || return 1
	done &&
	wait_for 20 "answers $survivor srvr \"not currently serving\"" &&
	back=$(others_of "$survivor" | head -n 1) &&
	launch_zkfsd "$back" &&
	wait_for_modes "$survivor" "$back" &&
	all_read /a seven &&
	zk_at "$back" set /a eight &&
	launch_zkfsd $(others_of "$survivor" | tail -n 1) &&
	wait_for_modes $all &&
	all_read /a eight &&
	wait_for 10 zxids_are_equal
'

test_expect_success 'a wiped disk does not vote; it comes back by a snapshot' '
	wiped=$(a_follower) &&
	kept=$(others_of "$wiped" | head -n 1) &&
	last=$(others_of "$wiped" | tail -n 1) &&
	zk_at "$leader" run <<-\EOF &&
		for i in range(500):
		    zk.create_async("/many-%d" % i, b"x" * 5000)
		zk.sync("/")
	EOF
	stop_all TERM &&
	rm -r "$wiped/data/zkfs-1" &&
	: >"$kept/log" &&
	: >"$last/log" &&
	: >"$wiped/log" &&
	launch_zkfsd "$wiped" "$kept" &&
	wait_for 10 "answers $kept ruok imok && answers $wiped ruok imok" &&
	wait_for 10 "grep -q \"is connected\" $kept/log && grep -q \"is connected\" $wiped/log" &&
	! wait_for 3 "test -n \"\$(mode_of $kept)\$(mode_of $wiped)\"" &&
	launch_zkfsd "$last" &&
	wait_for_modes $all &&
	test "$(mode_of "$wiped")" = follower &&
	test_grep "is sent a snapshot" "$leader/log" &&
	all_read /many-499 "$(printf "%05000d" 0 | tr 0 x)" &&
	wait_for 10 zxids_are_equal &&
	four_letters mntr $all | grep zk_znode_count | sort -u >counts &&
	test_equal 1 "$(wc -l <counts)"
'

test_expect_success 'it votes again then, and has all that the others have' '
	other=$(others_of "$wiped" | grep -vx "$leader") &&
	stop_zkfsd "$leader" KILL &&
	wait_for_modes "$wiped" "$other" &&
	all_read /a eight &&
	zk_at "$wiped" set /a nine &&
	launch_zkfsd "$(others_of "$wiped" | grep -vx "$other")" &&
	wait_for_modes $all &&
	all_read /a nine
'

test_expect_success 'a snapshot that breaks off leaves what was there' '
	zk_at "$leader" run <<-\EOF &&
		results = [zk.create_async("/large-%d" % i, b"x" * 100000) for i in range(1000)]
		for result in results:
		    result.get()
	EOF
	old=$leader &&
	learner=$(a_follower) &&
	stop_zkfsd "$learner" TERM &&
	rm -r "$learner/data/zkfs-1" &&
	: >"$learner/log" &&
	launch_zkfsd "$learner" &&
	wait_for 20 "grep -q \"sends its tree at .*, by SNAP\" $learner/log" &&
	stop_zkfsd "$old" KILL &&
	wait_for 20 "grep -q \"loads its own tree again\" $learner/log" &&
	launch_zkfsd "$old" &&
	wait_for_modes $all &&
	zk_at "$learner" sync / &&
	test_equal 1000 "$(zk_at "$learner" ls / | grep -c ^large-)" &&
	wait_for 10 zxids_are_equal
'

test_expect_success 'all of them killed at once keep what was acknowledged' '
	zk_at zk2 set /a ten &&
	stop_all KILL &&
	start_all &&
	all_read /a ten
'

test_expect_success 'strangers on the ports disturb nobody' '
	before=$(four_letters srvr $all | grep ^Mode: | tr "\n" " ") &&
	for name in $all
	do
		for port in $(cat $name/quorum_port) $(cat $name/election_port)
		do
			# A quorum port of a follower is closed.
			"$PYTHON" - "$port" <<-\EOF || return 1
				import os
				import socket
				import sys
				for i in range(100):
				    junk = [b"", b"\xff" * 20, os.urandom(64), b"GET / HTTP/1.0\r\n\r\n",
				            b"\xff\xff\xff\xff\xff\xff\x00\x00" + b"\x00" * 8 + b"\x7f" * 4][i % 5]
				    try:
				        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
				        s.sendall(junk)
				        s.close()
				    except ConnectionError:
				        pass
			EOF
		done
	done &&
	zk_at zk1 set /a eleven &&
	all_read /a eleven &&
	test_equal "$before" "$(four_letters srvr $all | grep ^Mode: | tr "\n" " ")"
'

test_expect_success 'zkServer.sh starts, shows and stops a server of it' '
	stop_zkfsd zk3 &&
	ZKFSD=$builddir/zkfsd && export ZKFSD &&
	script=$srcdir/scripts/zkServer.sh &&
	"$script" start zk3/zoo.cfg >out 2>err &&
	test_grep "Starting zookeeper ... STARTED" out &&
	test_grep "^ZooKeeper JMX enabled by default$" err &&
	test_grep "^Using config: $PWD/zk3/zoo.cfg$" err &&
	cp zk3/data/zookeeper_server.pid zk3/pid &&
	test_when_finished "kill $(cat zk3/pid) 2>/dev/null || :" &&
	wait_for_modes $all &&
	ZOOCFGDIR=$PWD/zk3 "$script" status >out &&
	test_grep "^Client port found: $(cat zk3/port). Client address: localhost. Client SSL: false.$" out &&
	test_grep "^Mode: $(mode_of zk3)$" out &&
	test_status 1 "$script" start zk3/zoo.cfg >out &&
	test_grep "already running as process $(cat zk3/pid)" out &&
	"$script" restart zk3/zoo.cfg >out &&
	test_grep "Stopping zookeeper ... STOPPED" out &&
	test_grep "Starting zookeeper ... STARTED" out &&
	! alive "$(cat zk3/pid)" &&
	"$script" stop zk3/zoo.cfg >out &&
	test_grep STOPPED out &&
	test ! -e zk3/data/zookeeper_server.pid &&
	rm zk3/pid &&
	test_status 1 "$script" status zk3/zoo.cfg >out &&
	test_grep "^Error contacting service. It is probably not running.$" out
'

test_expect_success FUSE 'a mount of a server is that server, with the others behind it' '
	mkdir -p mnt &&
	mount_for_now mnt "" "$TEST_WORK/zk3/zoo.cfg" &&
	wait_for_modes $all &&
	test_equal eleven "$(cat mnt/a)" &&
	test_equal "127.0.0.1:$(cat zk3/port)" "$(status_of mnt server)" &&
	echo twelve >mnt/a && sync mnt/a &&
	test_equal twelve "$(zk_at zk1 sync /a && zk_at zk1 get /a)"
'

test_expect_success 'an observer is told, and counts in no quorum' '
	stop_all TERM &&
	write_ensemble obs1 obs2 obs3 &&
	for name in obs1 obs2 obs3
	do
		sed -i "s/^\(server.3=.*\):participant/\1:observer/" $name/zoo.cfg || return 1
	done &&
	launch_zkfsd obs1 obs2 obs3 &&
	wait_for_modes obs1 obs2 obs3 &&
	test_equal observer "$(mode_of obs3)" &&
	zk_at obs3 create /o x &&
	test_equal x "$(zk_at obs1 sync /o && zk_at obs1 get /o)" &&
	stop_zkfsd obs2 &&
	wait_for 20 "answers obs1 srvr \"not currently serving\"" &&
	wait_for 20 "answers obs3 srvr \"not currently serving\"" &&
	stop_zkfsd obs1 &&
	stop_zkfsd obs3
'

test_done
