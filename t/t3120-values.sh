#!/bin/sh
test_description='values: a read is one version, a write is one version; append, compare-and-set, temporary files'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO

# Lines that each of the four writers appends.
lines=${TEST_APPEND_LINES:-250}
test -z "${TEST_LONG-}" || lines=1000

# python ARG...: Python from stdin, with a deadline. sees(PATH, BYTES): another mount hears of a
# change a little later than the server; this waits for it.
python () {
	{
		cat <<-\EOF &&
		import time
		def sees(path, value, seconds=5):
		    end = time.monotonic() + seconds
		    while True:
		        try:
		            seen = open(path, "rb").read()
		        except FileNotFoundError:
		            seen = None
		        if seen == value:
		            return
		        assert time.monotonic() < end, (path, seen, value)
		        time.sleep(0.01)
		EOF
		cat
	} | timeout 120 "$PYTHON" - "$@"
}

test_expect_success 'two mounts of one server' - <<\EOT
	start_server &&
	mount_zkfs m1 &&
	mount_zkfs m2
EOT

# ---------------------------------------------------------------- a write is one version

test_expect_success 'echo x > new is one transaction, in which the file appears with its value' - <<\EOT
	echo x >m1/new &&
	test_equal x "$(zk get /new)" &&
	zk run <<-\EOF
	stat = zk.exists("/new")
	assert stat.version == 0 and stat.czxid == stat.mzxid, stat
	EOF
EOT

test_expect_success '{ echo a; date; echo b; } > f is one version' - <<\EOT
	{ echo a; date; echo b; } >m1/f &&
	wait_for 5 'test "$(zk get /f | wc -l)" = 3' &&
	test_equal 0 "$(zk stat /f version)" &&
	{ echo c; date; echo d; } >m1/f &&
	wait_for 5 'test "$(zk get /f | head -n 1)" = c' &&
	test_equal 1 "$(zk stat /f version)"
EOT

test_expect_success 'a value that is written in many pieces is one version' - <<\EOT
	python m1/pieces <<-\EOF &&
	import os, sys
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
	for i in range(200):
	    os.write(fd, b"%04d\n" % i)
	os.close(fd)
	EOF
	test_equal 0 "$(zk stat /pieces version)" &&
	test_equal 200 "$(zk get /pieces | wc -l)"
EOT

test_expect_success 'an existing file: > makes one version, whose value is never empty in between' - <<\EOT
	echo old >m1/over &&
	zk run "$PWD/m1/over" <<-\EOF
	import threading
	seen = []
	def watch(event=None):
	    seen.append(zk.get("/over", watch=watch)[0])
	watch()
	for i in range(50):
	    with open(args[0], "w") as f:
	        f.write("value %d" % i)
	wait_for(5, lambda: zk.get("/over")[0] == b"value 49")
	assert zk.exists("/over").version == 50, zk.exists("/over")
	assert b"" not in seen, seen
	EOF
EOT

test_expect_success 'a file that is opened for writing, and left alone, gets no new version' - <<\EOT
	echo same >m1/clean &&
	python m1/clean <<-\EOF &&
	import os, sys
	os.close(os.open(sys.argv[1], os.O_WRONLY))
	os.close(os.open(sys.argv[1], os.O_RDWR))
	os.close(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND))
	EOF
	cat m1/clean &&
	test_equal 0 "$(zk stat /clean version)"
EOT

test_expect_success ': > f empties it, a moment after close at the latest' - <<\EOT
	echo full >m1/emptied &&
	: >m1/emptied &&
	wait_for 5 'test -z "$(zk get /emptied)"' &&
	! zk null /emptied
EOT

test_expect_success 'fsync commits' - <<\EOT
	python m1/synced m2/synced <<-\EOF
	import os, sys
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
	os.write(fd, b"one ")
	os.fsync(fd)
	sees(sys.argv[2], b"one ")
	os.write(fd, b"two")
	os.fdatasync(fd)
	sees(sys.argv[2], b"one two")
	os.close(fd)
	EOF
EOT

test_expect_success 'O_SYNC and the option sync: each write commits' - <<\EOT
	echo 0 >m1/each &&
	python m1/each <<-\EOF &&
	import os, sys
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC | os.O_SYNC)
	for i in range(3):
	    os.write(fd, b"x")
	sees(sys.argv[1].replace("m1", "m2"), b"xxx")
	EOF
	test_equal 3 "$(zk stat /each version)" &&
	mount_for_now m3 sync &&
	python m3/each <<-\EOF &&
	import os, sys
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
	for i in range(3):
	    os.write(fd, b"y")
	sees(sys.argv[1].replace("m3", "m2"), b"yyy")
	EOF
	umount_zkfs m3
EOT

test_expect_success 'commit=1: a dirty handle that is idle for a second is committed' - <<\EOT
	mount_for_now m3 commit=1 &&
	python m3/idle m1/idle <<-\EOF &&
	import os, sys, time
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
	os.write(fd, b"waiting")
	sees(sys.argv[2], b"waiting")
	os.close(fd)
	EOF
	umount_zkfs m3
EOT

test_expect_success 'umount commits what only a RELEASE would have: a child wrote, its parent had closed' - <<\EOT
	mount_for_now m3 &&
	for i in 1 2 3 4 5
	do
		python m3/last-words-$i <<-\EOF || return 1
		import os, sys
		fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
		ready, go = os.pipe()
		if os.fork() == 0:
		    os.close(go)
		    os.read(ready, 1)
		    os.write(fd, b"kept")
		    os._exit(0)
		os.close(fd)
		os.close(go)
		os.wait()
		EOF
	done &&
	umount_zkfs m3 &&
	for i in 1 2 3 4 5
	do
		test_equal kept "$(zk get /last-words-$i)" || return 1
	done
EOT

# ---------------------------------------------------------------- a read is one version

test_expect_success 'while it has uncommitted data, others and other processes read the committed value' - <<\EOT
	echo committed >m1/hidden &&
	python m1/hidden <<-\EOF &&
	import os, subprocess, sys
	path = sys.argv[1]
	fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
	os.write(fd, b"not yet")
	sees(path.replace("m1", "m2"), b"committed\n")
	assert subprocess.check_output(["cat", path]) == b"committed\n"
	assert os.fstat(fd).st_size == 7
	os.close(fd)
	EOF
	test_equal 'not yet' "$(zk get /hidden)"
EOT

test_expect_success 'a reader that has it open reads one version to its end, then the newest' - <<\EOT
	python m1/reader m2/reader <<-\EOF
	import os, sys, time
	mine, theirs = sys.argv[1:]
	old, new = b"a" * 1000, b"b" * 3000
	def put(path, data):
	    with open(path, "wb") as f:
	        f.write(data)
	put(theirs, old)
	for writer in (mine, theirs):
	    put(theirs, old)
	    sees(mine, old)
	    fd = os.open(mine, os.O_RDONLY)
	    first = os.read(fd, 400)
	    put(writer, new)
	    sees(mine, new)
	    rest = b""
	    while True:
	        piece = os.read(fd, 400)
	        if not piece:
	            break
	        rest += piece
	    assert first + rest == old, (writer, first + rest)
	    more = os.read(fd, 4000)
	    assert more == new[1000:], (writer, len(more))
	    os.lseek(fd, 0, 0)
	    assert os.read(fd, 4000) == new, writer
	    os.close(fd)
	EOF
EOT

test_expect_success 'readers beside writers of long values never see parts of two' - <<\EOT
	python m1/mixed m2/mixed <<-\EOF
	import multiprocessing, os, sys, time
	def put(path, data):
	    with open(path, "wb") as f:
	        f.write(data)
	def write(path, letters, end):
	    i = 0
	    while time.monotonic() < end:
	        put(path, letters[i % len(letters)] * 300000)
	        i += 1
	def read(path, end, result):
	    while time.monotonic() < end:
	        value = open(path, "rb").read()
	        if len(value) != 300000 or len(set(value)) != 1:
	            result.put((path, len(value), len(set(value))))
	            return
	put(sys.argv[1], b"z" * 300000)
	end = time.monotonic() + 3
	result = multiprocessing.Queue()
	jobs = [multiprocessing.Process(target=write, args=(sys.argv[1], [b"a", b"b"], end)),
	        multiprocessing.Process(target=write, args=(sys.argv[2], [b"c", b"d"], end)),
	        multiprocessing.Process(target=read, args=(sys.argv[1], end, result)),
	        multiprocessing.Process(target=read, args=(sys.argv[2], end, result))]
	[j.start() for j in jobs]
	[j.join() for j in jobs]
	assert result.empty(), result.get()
	EOF
EOT

test_expect_success 'tail -f follows a file that others append to' - <<\EOT
	echo 1 >m1/log &&
	{ timeout 60 tail -f m1/log >followed & } &&
	follower=$! &&
	wait_for 5 'test "$(cat followed)" = 1' &&
	echo 2 >>m2/log &&
	wait_for 10 'test "$(wc -l <followed)" = 2' &&
	kill "$follower" &&
	test_equal "$(printf '1\n2')" "$(cat followed)"
EOT

# ---------------------------------------------------------------- append

# The emptying shows a moment after close: without the sync it could follow the first lines.
test_expect_success '4 writers on 2 mounts >> their lines: all are there, whole, in each writer its order' - <<\EOT
	: >m1/appended && sync m1/appended &&
	for writer in 1 2 3 4
	do
		(
			i=0
			while test $i -lt "$lines"
			do
				echo "writer $writer line $i end" >>m$((writer % 2 + 1))/appended || exit 1
				i=$((i + 1))
			done
		) 2>/dev/null &
		eval "writer_$writer=$!"
	done &&
	wait "$writer_1" && wait "$writer_2" && wait "$writer_3" && wait "$writer_4" &&
	zk get /appended >all &&
	test_equal "$((4 * lines))" "$(wc -l <all)" &&
	test_equal 0 "$(grep -cv '^writer [1-4] line [0-9]* end$' all)" &&
	for writer in 1 2 3 4
	do
		grep "^writer $writer " all >of-one &&
		sort -s -n -k 4 of-one | cmp - of-one || return 1
	done
EOT

test_expect_success 'O_APPEND ignores the offset: two handles that took turns lose nothing' - <<\EOT
	printf A >m1/turns &&
	python m1/turns m2/turns <<-\EOF &&
	import os, sys
	one = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
	two = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
	for i in range(10):
	    os.write(one, b"1"); os.fsync(one)
	    os.write(two, b"2"); os.fsync(two)
	EOF
	test_equal A12121212121212121212 "$(zk get /turns)"
EOT

test_expect_success 'an O_APPEND handle that is held open is committed when idle for a second' - <<\EOT
	python m1/held m2/held <<-\EOF
	import os, sys, time
	open(sys.argv[1], "w").close()
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
	os.write(fd, b"line\n")
	sees(sys.argv[2], b"line\n", 4)
	EOF
EOT

# ---------------------------------------------------------------- O_EXCL, O_RDWR

test_expect_success 'O_EXCL: of many on two mounts one creates' - <<\EOT
	python m1/exclusive m2/exclusive <<-\EOF
	import multiprocessing, os, sys
	def contend(path, start, won, name):
	    start.wait()
	    try:
	        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
	    except FileExistsError:
	        return
	    os.write(fd, name)
	    os.close(fd)
	    won.put(name)
	won, start = multiprocessing.Queue(), multiprocessing.Event()
	jobs = [multiprocessing.Process(target=contend, args=(path, start, won, b"%d" % i))
	        for i, path in enumerate(sys.argv[1:] * 4)]
	[j.start() for j in jobs]
	start.set()
	[j.join() for j in jobs]
	assert open(sys.argv[1], "rb").read() == won.get(timeout=5)
	assert won.empty()
	EOF
EOT

test_expect_success 'O_RDWR is compare-and-set: somebody else was faster is ESTALE, nothing written' - <<\EOT
	echo 1 >m1/counter &&
	python m1/counter m2/counter <<-\EOF
	import errno, os, sys
	mine, theirs = sys.argv[1:]
	fd = os.open(mine, os.O_RDWR)
	assert os.read(fd, 10) == b"1\n"
	with open(theirs, "w") as f:
	    f.write("2\n")
	os.pwrite(fd, b"9", 0)
	try:
	    os.fsync(fd)
	    raise SystemExit("fsync of a stale value succeeded")
	except OSError as error:
	    assert error.errno == errno.ESTALE, error
	try:
	    os.close(fd)
	except OSError as error:
	    assert error.errno == errno.ESTALE, error
	sees(theirs, b"2\n")
	sees(mine, b"2\n")
	fd = os.open(mine, os.O_RDWR)
	assert os.read(fd, 10) == b"2\n"
	os.pwrite(fd, b"3", 0); os.fsync(fd)
	os.pwrite(fd, b"4", 0); os.fsync(fd)
	os.close(fd)
	sees(theirs, b"4\n")
	EOF
EOT

test_expect_success 'a counter that is incremented by compare-and-set from both mounts loses none' - <<\EOT
	printf 0 >m1/cas &&
	python m1/cas m2/cas <<-\EOF &&
	import errno, multiprocessing, os, sys, time
	def increment(path, times):
	    while times:
	        fd = os.open(path, os.O_RDWR)
	        value = int(os.read(fd, 20))
	        time.sleep(0.001)  # lets the others be faster
	        os.ftruncate(fd, 0)
	        os.pwrite(fd, b"%d" % (value + 1), 0)
	        try:
	            os.fsync(fd)
	            times -= 1
	        except OSError as error:
	            assert error.errno == errno.ESTALE, error
	        try:
	            os.close(fd)
	        except OSError as error:
	            assert error.errno == errno.ESTALE, error
	jobs = [multiprocessing.Process(target=increment, args=(path, 50)) for path in sys.argv[1:] * 2]
	[j.start() for j in jobs]
	[j.join() for j in jobs]
	assert all(j.exitcode == 0 for j in jobs)
	EOF
	test_equal 200 "$(zk get /cas)"
EOT

# ---------------------------------------------------------------- gone files, temporary files

test_expect_success 'committing to a file that was removed elsewhere is ESTALE' - <<\EOT
	echo x >m1/removed &&
	python m1/removed m2/removed <<-\EOF &&
	import errno, os, sys, time
	fd = os.open(sys.argv[1], os.O_WRONLY)
	os.unlink(sys.argv[2])
	try:  # at the write already, where that is known by then
	    os.write(fd, b"y")
	    os.fsync(fd)
	    raise SystemExit("fsync of a removed file succeeded")
	except OSError as error:
	    assert error.errno == errno.ESTALE, error
	EOF
	! zk exists /removed
EOT

test_expect_success 'a file unlinked through this mount goes on for its handle, and comes never back' - <<\EOT
	python m1/temporary <<-\EOF &&
	import os, sys
	fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_EXCL)
	os.unlink(sys.argv[1])
	os.write(fd, b"scratch")
	assert os.pread(fd, 10, 0) == b"scratch"
	os.fsync(fd)
	os.close(fd)
	EOF
	! zk exists /temporary
EOT

test_expect_success 'a new znode of that name is not written by a handle of the old one' - <<\EOT
	echo old >m1/reborn &&
	python m1/reborn <<-EOF &&
	import os, subprocess, sys, time
	fd = os.open(sys.argv[1], os.O_WRONLY)
	zk = ["$PYTHON", "$srcdir/t/zk.py", "$server_addr"]
	subprocess.check_call(zk + ["delete", "/reborn"])
	subprocess.check_call(zk + ["create", "/reborn", "newborn"])
	sees(sys.argv[1], b"newborn")
	try:
	    os.write(fd, b"OLD")
	    os.fsync(fd)
	    raise SystemExit("written to a new znode")
	except OSError:
	    pass
	EOF
	test_equal newborn "$(zk get /reborn)"
EOT

# ---------------------------------------------------------------- the rest of POSIX

test_expect_success 'truncate, ftruncate, pwrite with a hole' - <<\EOT
	printf 0123456789 >m1/t &&
	truncate -s 4 m1/t &&
	test_equal 0123 "$(zk get /t)" &&
	truncate -s 6 m1/t &&
	test_equal 6 "$(zk stat /t dataLength)" &&
	python m1/t <<-\EOF &&
	import os, sys
	fd = os.open(sys.argv[1], os.O_RDWR)
	os.ftruncate(fd, 2)
	os.pwrite(fd, b"z", 5)
	assert os.pread(fd, 10, 0) == b"01\0\0\0z", os.pread(fd, 10, 0)
	os.close(fd)
	EOF
	zk get /t >actual &&
	printf '01\0\0\0z' | cmp - actual
EOT

test_expect_success 'writing in the middle keeps the rest' - <<\EOT
	printf 0123456789 >m1/middle &&
	printf XY | dd of=m1/middle bs=1 seek=4 conv=notrunc 2>/dev/null &&
	test_equal 0123XY6789 "$(zk get /middle)"
EOT

test_expect_success 'SEEK_HOLE, SEEK_DATA, fallocate, copy_file_range' - <<\EOT
	printf 0123456789 >m1/seek &&
	python m1/seek m1/copy <<-\EOF &&
	import errno, os, sys
	fd = os.open(sys.argv[1], os.O_RDWR)
	assert os.lseek(fd, 0, os.SEEK_DATA) == 0
	assert os.lseek(fd, 3, os.SEEK_HOLE) == 10
	try:
	    os.lseek(fd, 10, os.SEEK_DATA)
	    raise SystemExit("data beyond the end")
	except OSError as error:
	    assert error.errno == errno.ENXIO, error
	os.posix_fallocate(fd, 0, 12)
	assert os.fstat(fd).st_size == 12
	out = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
	assert os.copy_file_range(fd, out, 5, 2) == 5
	os.close(out)
	EOF
	test_equal 23456 "$(zk get /copy)" &&
	test_equal 12 "$(zk stat /seek dataLength)" &&
	test_fails_with unsupported fallocate -p -o 0 -l 2 m1/seek
EOT

test_expect_success 'MAP_PRIVATE works, so programs run from the mount; MAP_SHARED is ENODEV' - <<\EOT
	cp /bin/true m1/program &&
	python m1/program <<-\EOF &&
	import errno, mmap, os, sys
	fd = os.open(sys.argv[1], os.O_RDWR)
	assert mmap.mmap(fd, 0, mmap.MAP_PRIVATE)[:4] == b"\x7fELF"
	try:
	    mmap.mmap(fd, 0, mmap.MAP_SHARED)
	    raise SystemExit("MAP_SHARED worked")
	except OSError as error:
	    assert error.errno == errno.ENODEV, error
	EOF
	mount_for_now m4 fmode=0755 &&
	m4/program &&
	umount_zkfs m4
EOT

test_expect_success 'a value over the limit is EFBIG at write, and nothing is changed or broken' - <<\EOT
	echo small >m1/big &&
	test_fails_with 'File too large' dd if=/dev/zero of=m1/big bs=1M count=2 conv=notrunc &&
	test_equal small "$(zk get /big)" &&
	test_fails_with 'File too large' truncate -s 10M m1/big &&
	echo fine >m1/big &&
	test_equal fine "$(zk get /big)"
EOT

test_expect_success 'a value just below the limit goes there and back' - <<\EOT
	head -c 1000000 /dev/urandom >large &&
	cp large m1/large &&
	cmp large m2/large &&
	zk get /large | cmp large -
EOT

test_expect_success 'a failed commit that close could not tell sticks until fsync reports it' - <<\EOT
	echo one >m1/sticky &&
	{ exec 4<>m1/sticky; } &&
	read -r value <&4 &&
	echo two >m2/sticky &&
	wait_for 5 'test "$(cat m1/sticky)" = two' &&
	echo three >&4 &&
	exec 4>&- &&
	test_equal two "$(zk get /sticky)" &&
	test_fails_with 'Stale file handle' sync m1/sticky &&
	sync m1/sticky
EOT

test_expect_success 'one process meets its own writes: through another handle, and by stat' - <<\EOT
	python m1/own <<-\EOF
	import os, sys
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
	os.write(fd, b"mine")
	assert os.stat(sys.argv[1]).st_size == 4
	assert "own" in os.listdir(os.path.dirname(sys.argv[1]))
	assert open(sys.argv[1]).read() == "mine"
	os.write(fd, b" too")
	os.rename(sys.argv[1], sys.argv[1] + "2")
	assert open(sys.argv[1] + "2").read() == "mine too"
	os.close(fd)
	EOF
EOT

test_expect_success 'a new file that is open is shown here, and its directory can be removed only after it' - <<\EOT
	mkdir m1/parent &&
	python m1/parent/unborn <<-\EOF
	import errno, os, sys
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
	assert os.path.exists(sys.argv[1])
	try:
	    os.rmdir(os.path.dirname(sys.argv[1]))
	    raise SystemExit("rmdir of a directory with a file in it succeeded")
	except OSError as error:
	    assert error.errno == errno.ENOTEMPTY, error
	os.close(fd)
	EOF
EOT

test_done
