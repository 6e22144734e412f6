#!/bin/sh
test_description='the server is silent, gone, or back: waiting, caches, sessions'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO

# What has to arrive is written by /bin/echo: the shell's own says nothing of an error of close(2).

# many_processes MODE: 50 processes in m1/dir, whose server is silent; prints what is wrong.
# MODE is timeout (they are let be: each ends with ETIMEDOUT) or interrupt (Ctrl-C).
many_processes () {
	timeout 120 "$PYTHON" - "$1" <<-\EOF
	import os, signal, subprocess, sys, time
	mode = sys.argv[1]
	begun = time.monotonic()
	commands = [["cat", "m1/dir/none-%d"], ["sh", "-c", "exec 2>&1; /bin/echo x >m1/dir/new-%d"],
	            ["stat", "m1/dir/none-%d"], ["mkdir", "m1/dir/sub-%d"], ["rm", "m1/dir/f%d"]]
	jobs = []
	for i in range(50):
	    command = commands[i % len(commands)]
	    command = command[:-1] + [command[-1] % i]
	    jobs.append((command, subprocess.Popen(
	        ["env", "--default-signal=INT"] + command, stdout=subprocess.PIPE,
	        stderr=subprocess.STDOUT, start_new_session=True)))
	if mode == "interrupt":
	    # All of them wait: none has ended for a while, and each is asleep.
	    while time.monotonic() < begun + 0.7:
	        assert all(job.poll() is None for _, job in jobs)
	    begun = time.monotonic()
	    for _, job in jobs:
	        os.killpg(job.pid, signal.SIGINT)
	ends = []
	for command, job in jobs:
	    text = job.communicate(timeout=60)[0].decode()
	    ends.append(time.monotonic() - begun)
	    if mode == "interrupt":
	        ok = job.returncode != 0
	    else:
	        ok = job.returncode != 0 and "Connection timed out" in text
	    assert ok, (command, job.returncode, text)
	print("first %.1f s, last %.1f s" % (min(ends), max(ends)))
	limit = 2 if mode == "interrupt" else 4 + 4
	assert max(ends) < limit, ends
	EOF
}

test_expect_success 'a mount whose sessions last 4 seconds, by way of a proxy' - <<\EOT
	start_server &&
	start_proxy p1 &&
	zk create /dir &&
	zk create /other &&
	zk run <<-\EOF &&
	for i in range(50):
	    zk.create("/dir/f%d" % i, b"x")
	    zk.create("/other/f%d" % i, b"x")
	EOF
	mount_zkfs m1 timeout=4 "$(cat p1/addr)" &&
	ls -l m1/dir m1/other >/dev/null
EOT

# One shell command a step would lose the time that counts here: all of it in one process.
test_expect_success 'silent server: other cached names answer at once, for a third of the timeout at most' - <<\EOT
	test_when_finished 'kill -s CONT "$(cat p1/pid)"' &&
	timeout 60 "$PYTHON" - "$(cat p1/pid)" <<-\EOF
	import os, signal, subprocess, sys, time
	os.stat("m1/other/f1")
	os.kill(int(sys.argv[1]), signal.SIGSTOP)
	stopped = time.monotonic()
	jobs = [subprocess.Popen(["stat", "m1/dir/none-%d" % i], stdout=subprocess.DEVNULL,
	                         stderr=subprocess.DEVNULL) for i in range(50)]
	took = []
	while time.monotonic() < stopped + 0.6:
	    begun = time.monotonic()
	    os.stat("m1/other/f1")
	    took.append(time.monotonic() - begun)
	assert max(took) < 0.3, max(took)
	assert any(job.poll() is None for job in jobs), "nobody was waiting"
	for job in jobs:
	    job.wait(timeout=30)
	begun = time.monotonic()
	try:
	    os.stat("m1/other/f1")
	    raise SystemExit("answered from a cache that nobody keeps true")
	except OSError as error:
	    assert error.errno == 110, error
	EOF
EOT

test_expect_success 'once it is heard of again, all is well' - <<\EOT
	wait_for 20 '/bin/echo back >m1/back' &&
	test_equal back "$(zk get /back)" &&
	test_equal 50 "$(ls m1/dir | grep -c ^f)"
EOT

test_expect_success 'silent server: 50 processes in one directory end with ETIMEDOUT, all about the same time' - <<\EOT
	silence "$(cat p1/pid)" &&
	test_when_finished 'kill -s CONT "$(cat p1/pid)"' &&
	many_processes timeout
EOT

test_expect_success 'disconnected for longer than that, operations fail at once' - <<\EOT
	silence "$(cat p1/pid)" &&
	test_when_finished 'kill -s CONT "$(cat p1/pid)"' &&
	test_fails_with 'Connection timed out' touch m1/dir/x &&
	begun=$(now_ms) &&
	test_fails_with 'Connection timed out' touch m1/dir/x &&
	test_fails_with 'Connection timed out' ls m1/other &&
	test_fails_with 'Connection timed out' cat m1/back &&
	test "$(($(now_ms) - begun))" -lt 2000
EOT

test_expect_success 'silent server: 50 processes in one directory end by Ctrl-C' - <<\EOT
	wait_for 20 '/bin/echo again >m1/back' &&
	silence "$(cat p1/pid)" &&
	test_when_finished 'kill -s CONT "$(cat p1/pid)"' &&
	many_processes interrupt
EOT

test_expect_success 'the server itself stopped and continued: all is well' - <<\EOT
	wait_for 20 '/bin/echo again >m1/back' &&
	silence "$server_pid" &&
	test_when_finished 'kill -s CONT "$server_pid"' &&
	test_fails_with 'Connection timed out' touch m1/stopped &&
	kill -s CONT "$server_pid" &&
	wait_for 20 '/bin/echo well >m1/well' &&
	test_equal well "$(zk get /well)"
EOT

test_expect_success 'while it is silent, and when it is given up, .zkfs/status and statfs(2) answer' - <<\EOT
	silence "$(cat p1/pid)" &&
	test_when_finished 'kill -s CONT "$(cat p1/pid)"' &&
	test_equal CONNECTED "$(status_of m1 state)" &&
	timeout 4 stat -f m1 &&
	while state=$(timeout 4 sed -n "s/^state //p" m1/.zkfs/status) && test "$state" = CONNECTED
	do
		sleep 0.2
	done &&
	test_equal DISCONNECTED "$state" &&
	begun=$(now_ms) &&
	stat -f m1 &&
	for i in $(seq 10)
	do
		test_equal DISCONNECTED "$(status_of m1 state)" || return 1
	done &&
	test "$(($(now_ms) - begun))" -lt 2000 &&
	test_fails_with 'Connection timed out' ls m1
EOT

# What the notifier raises comes behind its beginning, which has made .zkfs known to the kernel.
test_expect_success INOTIFYWAIT 'the first to ask for .zkfs/status does not wait for who creates in the root' - <<\EOT
	mount_for_now m3 timeout=10 "$(cat p1/addr)" &&
	watch out -e create m3 &&
	zk create /raised &&
	wait_for 10 'grep CREATE out' &&
	unwatch &&
	silence "$(cat p1/pid)" &&
	test_when_finished 'kill -s CONT "$(cat p1/pid)"' &&
	{ touch m3/waits & } &&
	waiting=$! &&
	wait_for 5 'grep request_wait "/proc/$waiting/stack"' &&
	test_equal CONNECTED "$(timeout 5 sed -n "s/^state //p" m3/.zkfs/status)" &&
	alive "$waiting" &&
	kill "$waiting"
EOT

test_expect_success 'umount while the server is silent ends all the same' - <<\EOT
	silence "$(cat p1/pid)" &&
	test_when_finished 'kill -s CONT "$(cat p1/pid)"' &&
	unmount m1 &&
	wait_for 20 'test -z "$(mount_pids m1)"'
EOT

test_expect_success 'a connection that breaks: same session, ephemerals stay, the write arrives' - <<\EOT
	mount_zkfs m1 timeout=10 "$(cat p1/addr)" &&
	touch m1/.ephemeral/mine &&
	owner=$(zk stat /mine ephemeralOwner) &&
	stop_proxy p1 &&
	{ (/bin/echo delayed >m1/delayed) & } &&
	writer=$! &&
	start_proxy p1 &&
	test_status 0 wait "$writer" &&
	test_equal delayed "$(zk get /delayed)" &&
	test_equal "$owner" "$(zk stat /mine ephemeralOwner)" &&
	touch m1/.ephemeral/mine2 &&
	test_equal "$owner" "$(zk stat /mine2 ephemeralOwner)"
EOT

test_expect_success INOTIFYWAIT 'what changed while it was away is there afterwards, and raised as events' - <<\EOT
	mkdir m1/away &&
	echo 1 >m1/away/changed &&
	echo 1 >m1/away/deleted &&
	cat m1/away/changed m1/away/deleted &&
	watch out m1/away &&
	stop_proxy p1 &&
	zk set /away/changed 2 &&
	zk delete /away/deleted &&
	zk create /away/created 3 &&
	start_proxy p1 &&
	wait_for 10 'test "$(cat m1/away/changed)" = 2' &&
	! test -e m1/away/deleted &&
	test_equal 3 "$(cat m1/away/created)" &&
	wait_for 10 'grep "^CREATE m1/away/created" out' &&
	wait_for 10 'grep "^MODIFY m1/away/changed" out' &&
	wait_for 10 'grep "^DELETE m1/away/deleted" out' &&
	unwatch
EOT

# More files than are compared at a time, so that own writes arrive in the midst of it.
test_expect_success INOTIFYWAIT 'own writes while it was away arrive, and nothing is raised twice' - <<\EOT
	zk run <<-\EOF &&
	zk.create("/own")
	for i in range(1000):
	    zk.create("/own/f%d" % i, b"theirs")
	EOF
	ls -l m1/own >/dev/null &&
	watch before -e create -e delete m1/own &&
	after_a_marker before m1/own &&
	unwatch &&
	watch out -e create -e modify -e close_write -e delete m1/own &&
	{ timeout 60 "$PYTHON" - "$(cat p1/pid)" <<-\EOF & } &&
	import os, signal, sys, threading
	def write(file):
	    os.write(file, b"my own")
	    os.fsync(file)
	files = [os.open("m1/own/f%d" % i, os.O_WRONLY) for i in range(0, 1000, 25)]
	os.kill(int(sys.argv[1]), signal.SIGKILL)
	threads = [threading.Thread(target=write, args=(file,)) for file in files]
	for thread in threads:
	    thread.start()
	open("own-writes", "w").close()
	for thread in threads:
	    thread.join()
	EOF
	writer=$! &&
	wait_for 20 'test -e own-writes' &&
	start_proxy p1 &&
	test_status 0 wait "$writer" &&
	after_a_marker out m1/own &&
	test_equal 40 "$(grep -c MODIFY out.before)" &&
	test_equal 40 "$(grep -c CLOSE_WRITE out.before)" &&
	test_equal 80 "$(sort -u out.before | wc -l)" &&
	test_equal 'my own' "$(zk get /own/f975)" &&
	unwatch
EOT

test_expect_success 'with two ways to the server it takes the other, with its session' - <<\EOT
	start_proxy p2 4>&- &&
	mount_zkfs m2 timeout=10 "$(cat p1/addr),$(cat p2/addr)" &&
	touch m2/.ephemeral/moving &&
	owner=$(zk stat /moving ephemeralOwner) &&
	for p in p1 p2
	do
		stop_proxy $p &&
		wait_for 10 '/bin/echo x >m2/moved' &&
		test_equal "$owner" "$(zk stat /moving ephemeralOwner)" &&
		start_proxy $p || return 1
	done &&
	umount_zkfs m2
EOT

test_expect_success 'an expired session: ephemerals are gone, old handles get EIO, a new session serves' - <<\EOT
	mount_zkfs m2 timeout=2 "$(cat p2/addr)" &&
	echo old >m2/held &&
	touch m2/.ephemeral/expiring &&
	{ exec 4>>m2/held; } &&
	test_when_finished 'exec 4>&-' &&
	stop_proxy p2 &&
	wait_for 10 '! zk exists /expiring' &&
	start_proxy p2 4>&- &&
	wait_for 20 '/bin/echo new >m2/after-expiry' &&
	test_equal new "$(zk get /after-expiry)" &&
	test_fails_with 'Input/output error' /bin/echo x >&4 &&
	test_equal old "$(zk get /held)" &&
	touch m2/.ephemeral/expiring &&
	zk exists /expiring &&
	exec 4>&- &&
	umount_zkfs m2
EOT

test_expect_success 'the server started again: same data, and the mount goes on' - <<\EOT
	echo kept >m1/kept &&
	stop_server &&
	start_server &&
	wait_for 20 '/bin/echo more >m1/more' &&
	test_equal kept "$(cat m1/kept)" &&
	test_equal more "$(zk get /more)"
EOT

test_expect_success 'kill -9 of the server in the midst of appends: none that was acknowledged is lost' - <<\EOT
	: >m1/journal && sync m1/journal &&
	: >acknowledged &&
	{ (
		i=0
		while test $i -lt 2000 && ! test -e enough
		do
			/bin/echo "line $i" >>m1/journal && echo "line $i" >>acknowledged
			i=$((i + 1))
		done
	) 2>/dev/null & } &&
	writer=$! &&
	for round in 1 2 3
	do
		lines=$(wc -l <acknowledged) &&
		wait_for 20 "test \"\$(wc -l <acknowledged)\" -gt $((lines + 20))" &&
		stop_server server KILL &&
		start_server || return 1
	done &&
	: >enough &&
	wait "$writer" &&
	zk get /journal >journal &&
	{ grep -vxFf journal acknowledged >lost || :; } &&
	test_equal 0 "$(wc -l <lost)" &&
	test_equal 0 "$(grep -cv '^line [0-9]*$' journal)"
EOT

test_done
