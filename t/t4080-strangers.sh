#!/bin/sh
test_description='what no peer would send, on the ports for peers: the connection ends with a line, and nobody else notices'
: "${TEST_TIMEOUT:=400}"
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

test_skip_file_without KAZOO

all='zk1 zk2 zk3'
# What a server may take beyond what it had, for all of this.
growth_max_kib=200000

# peer NAME PORT [ARG...]: Python from stdin with what t/peer.py has; PORT is quorum or election.
peer () {
	peer_name=$1 peer_port=$(cat "$1/$2_port")
	shift 2
	cat "$srcdir/t/peer.py" - | timeout 120 "$PYTHON" - "$peer_port" "$peer_name/log" "$@"
}

# highest NAME: the most memory it ever had, in KiB.
highest () {
	sed -n "s/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$(cat "$1/pid")/status"
}

# roles: who is what, in which process, in which epoch. The last write's zxid tells the epoch.
roles () {
	for name in $all
	do
		echo "$name $(cat "$name/pid") $(mode_of "$name")" || return 1
	done
	zk_at zk1 set /a "$(now_ms)" &&
	zk_at zk1 stat /a mzxid | awk '{ print int($1 / 4294967296) }'
}

# nobody_noticed: it is all as it was.
nobody_noticed () {
	roles >roles.now &&
	test_cmp roles.before roles.now
}

test_expect_success 'three servers' '
	write_ensemble $all -- jute.maxbuffer=20000 &&
	launch_zkfsd $all &&
	wait_for_modes $all &&
	zk_at zk1 create /a 1 &&
	roles >roles.before &&
	for name in $all
	do
		highest $name >$name/highest
	done
'

test_expect_success 'election port: what begins with no election message' '
	for name in $leader ${followers##* }
	do
		peer $name election <<-\END || return 1
			text = "what it begins with is no election message"
			refused(text, b"\xff" * 20)
			refused(text, b"\x80" * 40)
			refused(text, initiation(99, version=-65534))
			refused(text, initiation(-5))
			refused(text, initiation(99, b""))
			refused(text, initiation(99, b"x" * 2049))
			refused(text, initiation(99, b"host"))
			refused(text, initiation(99, b"127.0.0.1:65536"))
			refused(text, initiation(99, b"a b:1"))
			refused(text, initiation(99, b"a\0b:1"))
		END
	done &&
	nobody_noticed
'

test_expect_success 'election port: a wrong id, lengths and messages that are none' '
	for name in $leader ${followers##* }
	do
		peer $name election "$(cat $name/data/myid)" <<-\END || return 1
			refused("says that it is server " + args[0], initiation(int(args[0])))
			for length in (0, -1, 524289, 0x7fffffff, -0x80000000):
			    refused("server 99 sent a length of %d;" % length,
			            initiation(99) + struct.pack(">i", length))
			for message in (b"x", notification()[:27], notification()[:30], notification()[:36],
			                notification(state=4), notification(state=-1),
			                notification()[:-4] + struct.pack(">i", -2),
			                notification()[:-4] + struct.pack(">i", 1),
			                b"\xff" * 524288):
			    refused("server 99 sent %d bytes that are no notification" % len(message),
			            initiation(99) + string(message))
		END
	done &&
	nobody_noticed
'

test_expect_success 'election port: votes of a stranger count for nothing, however good' '
	for name in $leader ${followers##* }
	do
		peer $name election <<-\END || return 1
			for state in range(4):
			    with dial() as s:
			        s.sendall(initiation(99) + string(notification(
			            state, leader=99, zxid=0x7fffffffffffffff, election_epoch=1000,
			            config=b"server.99=127.0.0.1:1:2:participant\nversion=7fffffffffffffff")))
			        if state == 0:
			            _, answer = struct.unpack(">ii", receive(s, 8))
			            assert answer in (1, 2), answer
			# A round that leaves none to come; the length behind it ends the connection.
			refused("server 99 sent a length of 0;", initiation(99) + string(notification(
			    election_epoch=0x7fffffffffffffff)) + b"\0" * 4)
		END
	done &&
	nobody_noticed
'

test_expect_success 'election port: a member with a newer configuration is told to the operator' '
	peer zk1 election <<-\END &&
		# As server 3, whose connection this one replaces until it comes again.
		config = b"server.1=127.0.0.1:1:2:participant\nversion=7fffffffffffffff"
		with dial() as s:
		    s.sendall(initiation(3) + string(notification(config=config)))
		    wait_for("the warning", lambda: "newer configuration than ours" in logged())
	END
	nobody_noticed
'

test_expect_success 'election port: half-open connections end in time, and are not too many' '
	for name in $leader ${followers##* }
	do
		peer $name election <<-\END || return 1
			silent = [dial() for _ in range(200)]
			for s in silent[:100]:
			    s.sendall(initiation(99)[:25])
			wait_for("a line", lambda: "has not said which server it is" in logged())
			for s in silent:
			    assert is_over(s)
			wait_for("a line", lambda: "did not say in time which server it is" in logged())
			strangers = [dial() for _ in range(64)]
			for sid, s in enumerate(strangers):
			    s.sendall(initiation(100 + sid) + string(notification()))
			for s in strangers:
			    receive(s, 4)
			refused("is not configured, and neither are 64 others", initiation(99))
			for s in strangers:
			    s.close()
		END
	done &&
	nobody_noticed
'

test_expect_success 'quorum port: what is no packet, and what does not belong there' '
	peer $leader quorum "$(cat $leader/data/myid)" <<-\END &&
		no_packet = "a peer sent what is no packet"
		refused(no_packet, struct.pack(">iqi", FOLLOWERINFO, 0, 0x7fffffff))
		refused(no_packet, struct.pack(">iqi", FOLLOWERINFO, 0, -2))
		refused(no_packet, struct.pack(">iqii", FOLLOWERINFO, 0, -1, 0x7fffffff))
		refused(no_packet, struct.pack(">iqiii", FOLLOWERINFO, 0, -1, 1, 0x7fffffff))
		refused("learner -1: began with PING", packet(PING))
		refused("learner -1: began with unknown", packet(0x7fffffff))
		refused("its FOLLOWERINFO is malformed", packet(FOLLOWERINFO))
		refused("its FOLLOWERINFO is malformed", packet(FOLLOWERINFO, 0, b"123"))
		refused("is that of 3.3 or older", info(99, protocol=1))
		refused("has our own id", info(int(args[0])))
		refused("its id is none", info(-1))
		refused("is newer than ours", info(99, config_version=0x7fffffffffffffff))
		refused("acceptedEpoch 2147483647 leaves none", info(99, epoch=0x7fffffff))
		refused("PING where ACKEPOCH belongs", info(99), lambda s: s.sendall(packet(PING)))
		refused("ACKEPOCH where ACKEPOCH belongs", info(99),
		        lambda s: s.sendall(packet(ACKEPOCH, 0, b"123")))
	END
	nobody_noticed
'

test_expect_success 'quorum port: a stranger that follows and then sends nonsense' '
	peer $leader quorum <<-\END &&
		def then(data):
		    def speak(s):
		        follow(s)
		        s.sendall(data)
		    return speak
		refused("learner 99: its PING is malformed", info(99), then(packet(PING)))
		refused("learner 99: its PING is malformed", info(99), then(packet(PING, 0, b"123")))
		refused("REQUEST of server 99 is malformed", info(99), then(packet(REQUEST, -1, b"123")))
		refused("REQUEST of server 99 is malformed", info(99), then(packet(REQUEST, -1)))
		refused("REVALIDATE of server 99 is malformed", info(99), then(packet(REVALIDATE, -1, b"1")))
		refused("a peer sent what is no packet", info(99),
		        then(struct.pack(">iqi", REQUEST, -1, 0x7fffffff)))
		# Acks of what was never proposed, and kinds that are unknown: as Apache, it goes on.
		with dial() as s:
		    s.sendall(info(99))
		    follow(s)
		    for zxid in (0x7fffffffffffffff, -1, 0):
		        s.sendall(packet(ACK, zxid))
		    s.sendall(packet(0x7fffffff) + packet(LEADERINFO) + packet(PING, 0, b""))
		    while next_packet(s)[0] != PING:
		        pass
	END
	nobody_noticed
'

test_expect_success 'quorum port: epochs are not used up by a stranger' '
	peer $leader quorum <<-\END &&
		with dial() as s:
		    s.sendall(info(99, epoch=0x7ffffffe, kind=FOLLOWERINFO))
		    assert next_packet(s)[0] == LEADERINFO
	END
	nobody_noticed &&
	# The leader begins another epoch.
	before=$(tail -n 1 roles.before) &&
	for name in $followers
	do
		stop_zkfsd $name || return 1
	done &&
	wait_for 20 "test -z \"\$(mode_of $leader)\"" &&
	launch_zkfsd $followers &&
	wait_for_modes $all &&
	roles >roles.before &&
	after=$(tail -n 1 roles.before) &&
	test "$after" -gt "$before" &&
	test "$after" -lt "$((before + 100))"
'

test_expect_success 'quorum port: who stays silent, or in the middle, is left in time' '
	peer $leader quorum <<-\END &&
		half = [dial() for _ in range(200)]
		for s in half[:60]:
		    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
		        s.sendall(struct.pack(">iqi", FOLLOWERINFO, 0, 60000) + b"x" * 50000)
		told = dial()
		told.sendall(info(99))
		wait_for("a line", lambda: "has said nothing, and neither have too many others" in logged())
		for s in half:
		    assert is_over(s)
		wait_for("a line", lambda: "has said nothing in time" in logged())
		assert is_over(told)
		assert "learner 99: has been silent for too long" in logged()
	END
	nobody_noticed
'

test_expect_success 'a follower has no quorum port' '
	for name in $followers
	do
		! four_letter "$(cat "$name/quorum_port")" ruok || return 1
	done
'

# full_session NAME: ephemerals as fast as they go, until the server refuses; then the session ends.
full_session () {
	cat "$srcdir/t/raw.py" - <<-\END | timeout 60 "$PYTHON" - "$(cat "$1/port")"
		c = Client(port)
		c.connect(timeout_ms=8000)
		count = 500
		for xid in range(1, count + 1):
		    c.send_frame(c.create_frame(xid, b"/" + b"%04d" % xid + b"x" * 190, b"", 1))
		codes = [c.reply() for _ in range(count)]
		assert [xid for xid, _ in codes] == list(range(1, count + 1))
		made = sum(code == 0 for _, code in codes)
		assert 80 <= made <= 103, made
		assert {code for _, code in codes} == {0, -125}, codes
		c.send_frame(request(count + 1, -11))
		assert c.reply() == (count + 1, 0)
	END
}

test_expect_success 'no session gets more ephemerals than a closeSession of jute.maxbuffer can name' '
	for at in $leader ${followers##* }
	do
		full_session $at &&
		for name in $all
		do
			zk_at $name sync / &&
			test_equal "a zookeeper" "$(zk_at $name ls / | tr "\n" " " | sed "s/ \$//")" || return 1
		done || return 1
	done &&
	nobody_noticed
'

test_expect_success 'none of it took much memory' '
	for name in $all
	do
		test "$(($(highest $name) - $(cat $name/highest)))" -lt "$growth_max_kib" || return 1
	done
'

test_expect_success 'they stop in order, and start again' '
	for name in $all
	do
		stop_zkfsd $name || return 1
	done &&
	launch_zkfsd $all &&
	wait_for_modes $all &&
	zk_at zk1 get /a
'

test_done
