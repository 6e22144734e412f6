#!/bin/sh
test_description='what zkfsd keeps: over restarts, beside sqlite3, after damage, on a full disk'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_skip_file_without KAZOO

prereq_SQLITE3 () { needs_program sqlite3; }

prereq_TMPFS () {
	prereq_ROOT || return 1
	mkdir -p probe && mount -t tmpfs -o size=1m none probe 2>/dev/null ||
		{ echo "no right to mount"; return 1; }
	umount probe
}

# runs STATUS COMMAND...: it ends with STATUS; what it says on stderr is in err, and nothing else is.
runs () {
	runs_status=0
	runs_expected=$1
	shift
	timeout 20 "$@" 2>err || runs_status=$?
	cat err >&2
	test_equal "$runs_expected" "$runs_status"
}

# all_znodes: path, value, ACL and Stat of every znode, one a line.
all_znodes () {
	zk run <<-\EOF
	def show(path):
	    data, stat = zk.get(path)
	    acl, _ = zk.get_acls(path)
	    print(path, data, tuple(stat), [(a.perms, a.id.scheme, a.id.id) for a in acl])
	    for name in sorted(zk.get_children(path)):
	        show(path.rstrip("/") + "/" + name)
	show("/")
	EOF
}

populate () {
	zk run <<-\EOF
	from kazoo.security import make_acl, make_digest_acl
	zk.create("/null", None)
	zk.create("/empty", b"")
	zk.create("/binary", bytes(range(256)) * 500)
	zk.create("/acl", b"a", acl=[make_acl("world", "anyone", read=True, admin=True),
	                             make_digest_acl("u", "p", all=True)])
	zk.create("/unicode-\u00e4\u20ac", b"u")
	for i in range(200):
	    zk.create("/dir/n-", b"%d" % i, sequence=True, makepath=True)
	for i in range(0, 200, 3):
	    zk.delete("/dir/n-%010d" % i)
	for i in range(1, 200, 3):
	    zk.set("/dir/n-%010d" % i, b"changed")
	zk.set_acls("/empty", [make_acl("ip", "127.0.0.1", all=True)])
	t = zk.transaction()
	t.create("/multi", b"1")
	t.create("/multi/a", b"2")
	t.set_data("/multi", b"3")
	t.commit()
	EOF
}

test_expect_success 'after a restart in order every znode is as it was' '
	start_zkfsd &&
	populate &&
	all_znodes >before &&
	stop_zkfsd &&
	start_zkfsd &&
	all_znodes >after &&
	test_cmp before after
'

test_expect_success 'after SIGKILL, too' '
	zk create /last word &&
	all_znodes >before &&
	stop_zkfsd server KILL &&
	start_zkfsd &&
	all_znodes >after &&
	test_cmp before after &&
	stop_zkfsd
'

test_expect_success 'dataLogDir takes the log, and only that' '
	start_zkfsd apart "dataLogDir=$PWD/apart/deep/log" &&
	zk create /a 1 &&
	ls apart/deep/log/zkfs-1/log.*.db &&
	! ls apart/data/zkfs-1/log.* &&
	stop_zkfsd apart KILL &&
	start_zkfsd apart &&
	test_equal 1 "$(zk get /a)" &&
	stop_zkfsd apart &&
	start_zkfsd
'

test_expect_success 'a session and its ephemerals live through a restart' - <<\EOT
	cat "$srcdir/t/raw.py" - >session.py <<-\EOF &&
	c = Client(port)
	if not args:
	    timeout, session, password = c.connect(timeout_ms=10000)
	    c.send_frame(c.create_frame(1, b"/ephemeral", b"", flags=1))
	    assert c.reply() == (1, 0)
	    print(session, password.hex())
	else:
	    session, password = int(args[0]), bytes.fromhex(args[1])
	    assert c.connect(session, password, 10000)[1] == session
	    c.send_frame(request(2, 3) + string(b"/ephemeral") + b"\0")
	    assert c.reply() == (2, 0)
	    c.send_frame(request(3, -11))
	    assert c.reply() == (3, 0)
	    print("closed")
	EOF
	identity=$("$PYTHON" session.py "$server_port") &&
	stop_zkfsd server KILL &&
	start_zkfsd &&
	test_equal closed "$("$PYTHON" session.py "$server_port" $identity)" &&
	! zk exists /ephemeral
EOT

test_expect_success 'a session whose client does not come back expires after the restart' - <<\EOT
	cat "$srcdir/t/raw.py" - <<-\EOF | "$PYTHON" - "$server_port" &&
	c = Client(port)
	c.connect(timeout_ms=1000)
	c.send_frame(c.create_frame(1, b"/orphan", b"", flags=1))
	assert c.reply() == (1, 0)
	EOF
	stop_zkfsd server KILL &&
	start_zkfsd &&
	wait_for 10 '! zk exists /orphan'
EOT

test_expect_success SQLITE3 'sqlite3 reads the databases while it serves' '
	zk create /seen-by-sqlite 12345 &&
	wait_for 10 "sqlite3 -readonly server/data/zkfs-1/tree.1.db \
		\"select data from znode where path = '\''/seen-by-sqlite'\''\" | grep 12345" &&
	sqlite3 -readonly server/data/zkfs-1/state.db .dump >dump &&
	test -s dump &&
	zk delete /seen-by-sqlite
'

test_expect_success '--log prints the transactions of a running server, one a line' '
	zk create /logged value &&
	zk set /logged other &&
	"$builddir/zkfsd" --log server/data/zkfs-1/log.*.db >log &&
	test_grep "create .*\"/logged\"" log &&
	test_grep "setData .*\"/logged\"" log &&
	test_equal "$(sort -u log | wc -l)" "$(wc -l <log)" &&
	runs 2 "$builddir/zkfsd" --log missing.db &&
	test_equal 1 "$(wc -l <err)"
'

# refused_with_damage TEXT FILE...: TEXT, where a FILE holds it, is overwritten; then the server
# refuses to start, in one sentence that names the file.
refused_with_damage () {
	damage_text=$1
	shift
	damage_file=$(grep -la "$damage_text" "$@") &&
	damage_at=$(grep -abo "$damage_text" "$damage_file" | head -n 1 | cut -d : -f 1) &&
	printf X | dd of="$damage_file" bs=1 seek="$damage_at" conv=notrunc &&
	runs 2 "$builddir/zkfsd" -f server/zoo.cfg &&
	test_equal 1 "$(wc -l <err)" &&
	test_grep "^zkfsd: .*$(basename "${damage_file%-wal}")" err
}

test_expect_success SQLITE3 'a damaged tree is refused, with the name of its file' '
	zk create /canary this-canary-is-in-the-tree &&
	stop_zkfsd &&
	sqlite3 server/data/zkfs-1/tree.1.db "pragma wal_checkpoint(truncate)" &&
	rm -rf good && cp -r server/data good &&
	refused_with_damage this-canary-is-in-the-tree server/data/zkfs-1/tree.* &&
	rm -rf server/data && cp -r good server/data
'

test_expect_success 'a damaged log is refused, with the name of its file' '
	start_zkfsd &&
	zk create /canary2 this-canary-is-in-the-log &&
	for i in 1 2 3 4 5 6 7 8; do zk set /logged "$i" || return 1; done &&
	stop_zkfsd server KILL &&
	rm -rf good && cp -r server/data good &&
	refused_with_damage this-canary-is-in-the-log server/data/zkfs-1/log.* &&
	rm -rf server/data && cp -r good server/data &&
	start_zkfsd &&
	test_equal this-canary-is-in-the-log "$(zk get /canary2)" &&
	stop_zkfsd
'

test_expect_success 'what another program wrote there is refused' '
	cp -r server/data/zkfs-1 kept &&
	echo "no database" >server/data/zkfs-1/state.db &&
	runs 2 "$builddir/zkfsd" -f server/zoo.cfg &&
	test_grep "state.db" err &&
	rm -rf server/data/zkfs-1 && mv kept server/data/zkfs-1 &&
	start_zkfsd &&
	stop_zkfsd
'

test_expect_success TMPFS 'on a full disk it stops in one sentence, and goes on when there is room' - <<\EOT
	write_zoo_cfg full &&
	mount -t tmpfs -o size=12m none full/data &&
	{ "$builddir/zkfsd" -f full/zoo.cfg 2>full/log & } &&
	pid=$! &&
	wait_for 10 "four_letter $(cat full/port) srvr | grep Mode:" &&
	cat "$srcdir/t/raw.py" - <<-\EOF | "$PYTHON" - "$(cat full/port)" >acknowledged &&
	c = Client(port)
	c.connect(timeout_ms=10000)
	count = 0
	try:
	    while True:
	        c.send_frame(c.create_frame(count, b"/n%d" % count, b"v" * 50000))
	        assert c.reply() == (count, 0)
	        count += 1
	except (EOFError, ConnectionResetError, BrokenPipeError):
	    print(count)
	EOF
	test_status 1 wait "$pid" &&
	test "$(cat acknowledged)" -gt 10 &&
	test_equal 1 "$(grep -c ERROR full/log)" &&
	mount -o remount,size=200m full/data &&
	start_zkfsd full &&
	zk run "$(cat acknowledged)" <<-\EOF &&
	for i in range(int(args[0])):
	    assert zk.get("/n%d" % i)[0] == b"v" * 50000
	extra = len(zk.get_children("/")) - 1 - int(args[0])
	assert extra in (0, 1), extra
	EOF
	stop_zkfsd full &&
	umount full/data
EOT

test_done
