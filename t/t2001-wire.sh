#!/bin/sh
test_description='the client protocol byte by byte: limits, what is malformed, and the four-letter words'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without KAZOO

# raw [ARG...]: Python from stdin with a few helpers for bytes on a socket; args are ARGs.
raw () {
	cat "$srcdir/t/raw.py" - | timeout 60 "$PYTHON" - "$server_port" "$@"
}

test_expect_success 'it starts' '
	start_server
'

test_expect_success 'znodes are made, read, changed, listed and deleted' - <<\EOT
	zk run <<-\EOF
	from kazoo.exceptions import *
	assert zk.create("/a", b"x") == "/a"
	data, stat = zk.get("/a")
	assert data == b"x" and stat.version == 0 and stat.dataLength == 1
	assert stat.czxid == stat.mzxid == stat.pzxid and stat.ephemeralOwner == 0
	assert zk.set("/a", b"yy", version=0).version == 1
	try:
	    zk.set("/a", b"z", version=0)
	    raise SystemExit("a wrong version was accepted")
	except BadVersionError:
	    pass
	zk.create("/a/b", None)
	zk.create("/a/c", b"")
	assert sorted(zk.get_children("/a")) == ["b", "c"]
	assert zk.get("/a/b")[0] is None
	assert zk.get("/a/c")[0] == b""
	names, stat = zk.get_children("/a", include_data=True)
	assert stat.numChildren == 2 and stat.cversion == 2
	for path, error in (("/a", NodeExistsError), ("/no/parent", NoNodeError)):
	    try:
	        zk.create(path, b"")
	        raise SystemExit("%s was created" % path)
	    except error:
	        pass
	try:
	    zk.delete("/a")
	    raise SystemExit("a znode with children was deleted")
	except NotEmptyError:
	    pass
	zk.delete("/a/b")
	zk.delete("/a/c", version=0)
	zk.delete("/a")
	assert zk.exists("/a") is None
	zk.sync("/")
	EOF
EOT

test_expect_success 'sequence numbers come from the parent' - <<\EOT
	zk run <<-\EOF
	zk.create("/seq", b"")
	assert [zk.create("/seq/n-", b"", sequence=True) for _ in range(3)] == \
	    ["/seq/n-000000000%d" % i for i in range(3)]
	zk.delete("/seq/n-0000000002")
	assert zk.create("/seq/n-", b"", sequence=True, ephemeral=True) == "/seq/n-0000000003"
	zk.delete("/seq", recursive=True)
	EOF
EOT

test_expect_success 'ACLs hold, and digest users pass them' - <<\EOT
	zk run "$server_addr" <<-\EOF
	from kazoo.client import KazooClient
	from kazoo.exceptions import NoAuthError, InvalidACLError
	from kazoo.security import make_digest_acl, make_acl
	acl = make_digest_acl("user", "secret", all=True)
	zk.create("/secret", b"s", acl=[acl])
	try:
	    zk.get("/secret")
	    raise SystemExit("read without right")
	except NoAuthError:
	    pass
	friend = KazooClient(hosts=args[0], auth_data=[("digest", "user:secret")])
	friend.start()
	assert friend.get("/secret")[0] == b"s"
	acls, stat = friend.get_acls("/secret")
	assert acls == [acl] and stat.aversion == 0
	assert friend.set_acls("/secret", [make_acl("world", "anyone", all=True)]).aversion == 1
	friend.stop()
	assert zk.get("/secret")[0] == b"s"
	try:
	    zk.create("/bad", b"", acl=[make_acl("nonsense", "x", all=True)])
	    raise SystemExit("an unknown scheme was accepted")
	except InvalidACLError:
	    pass
	zk.delete("/secret")
	EOF
EOT

test_expect_success 'a session goes on over another connection, which takes it from the first' - <<\EOT
	raw <<-\EOF
	s = Client(port)
	_, session, password = s.connect()
	s.send_frame(s.create_frame(1, b"/moved", b"", flags=1))
	assert s.reply() == (1, 0)
	t = Client(port)
	assert t.connect(session, password) == (5000, session, password)
	assert s.is_closed()
	t.send_frame(request(2, 3) + string(b"/moved") + b"\0")
	assert t.reply() == (2, 0)
	t.send_frame(request(3, -11))
	assert t.reply() == (3, 0)
	u = Client(port)
	assert u.connect(session, password)[1] == 0
	v = Client(port)
	v.connect()
	v.send_frame(request(4, 3) + string(b"/moved") + b"\0")
	assert v.reply() == (4, -101)
	EOF
EOT

# ---------------------------------------------------------------- bytes

test_expect_success 'a request of jute.maxbuffer is served, one byte more closes the connection' - <<\EOT
	raw <<-\EOF
	s = Client(port)
	s.connect()
	filler = 1048575 - 8 - (4 + 4) - 4 - (4 + 4 + 4 + 5 + 4 + 6) - 4
	frame = s.create_frame(1, b"/big", b"x" * filler)
	assert len(frame) == 1048575, len(frame)
	s.send_frame(frame)
	assert s.reply() == (1, 0)
	s.send_frame(request(2, 4) + string(b"/big") + b"\0")
	assert s.reply() == (2, 0)
	s.send(struct.pack(">i", 1048576))
	assert s.is_closed()
	s = Client(port)
	s.connect()
	s.send(struct.pack(">i", -1))
	assert s.is_closed()
	EOF
EOT

test_expect_success 'requests that are cut short get MARSHALLINGERROR, headers that are close' - <<\EOT
	raw <<-\EOF
	s = Client(port)
	s.connect()
	for xid, body in ((1, request(1, 4)), (2, request(2, 4) + struct.pack(">i", 5) + b"/a"),
	                  (3, request(3, 1) + string(b"/x")), (4, request(4, 14)),
	                  (5, request(5, 8) + struct.pack(">i", -2))):
	    s.send_frame(body)
	    assert s.reply() == (xid, -5), xid
	s.send_frame(b"\0\0\0")
	assert s.is_closed()
	EOF
EOT

test_expect_success 'an unknown operation is UNIMPLEMENTED, and the end' - <<\EOT
	raw <<-\EOF
	s = Client(port)
	s.connect()
	s.send_frame(request(7, 999))
	assert s.reply() == (7, -6)
	assert s.is_closed()
	EOF
EOT

test_expect_success 'a connect request that does not decode closes the connection' - <<\EOT
	raw <<-\EOF
	for frame in (b"", b"\0" * 10, struct.pack(">iqiqi", 0, 0, 5000, 0, 100) + b"short"):
	    s = Client(port)
	    s.send_frame(frame)
	    assert s.is_closed(), frame
	s = Client(port)
	s.send_frame(struct.pack(">iqiq", 0, 1 << 40, 5000, 0) + string(b"\0" * 16))
	assert s.is_closed()
	EOF
EOT

test_expect_success 'a wrong password gets the answer of an expired session' - <<\EOT
	raw <<-\EOF
	s = Client(port)
	timeout, session, password = s.connect()
	assert timeout == 5000 and session != 0
	t = Client(port)
	assert t.connect(session, b"x" * 16) == (0, 0, b"\0" * 16)
	assert t.is_closed()
	assert s.is_closed()
	u = Client(port)
	assert u.connect(session, password)[1] == session
	EOF
EOT

test_expect_success 'timeouts are kept within their limits' - <<\EOT
	raw <<-\EOF
	assert Client(port).connect(timeout_ms=1)[0] == 1000
	assert Client(port).connect(timeout_ms=10 ** 8)[0] == 10000
	EOF
EOT

test_expect_success 'pipelined requests, cut anywhere, are answered in order' - <<\EOT
	raw <<-\EOF
	s = Client(port)
	s.connect()
	stream = b""
	for xid in range(1, 401):
	    body = s.create_frame(xid, b"/p%d" % xid, b"v") if xid % 2 else \
	        request(xid, 4) + string(b"/p%d" % (xid - 1)) + b"\0"
	    stream += struct.pack(">i", len(body)) + body
	for at in range(0, len(stream), 997):
	    s.send(stream[at:at + 997])
	for xid in range(1, 401):
	    assert s.reply() == (xid, 0), xid
	EOF
EOT

test_expect_success 'closeSession is answered, then the connection ends' - <<\EOT
	raw <<-\EOF
	s = Client(port)
	s.connect()
	s.send_frame(request(9, -11))
	assert s.reply() == (9, 0)
	assert s.is_closed()
	EOF
EOT

test_expect_success 'bytes that are no frame, and half ones, harm nobody' - <<\EOT
	raw <<-\EOF
	import random
	random.seed(1)
	for _ in range(200):
	    s = Client(port)
	    s.send(random.randbytes(random.randrange(1, 200)))
	    s.socket.close()
	for _ in range(50):
	    s = Client(port)
	    s.connect()
	    s.send_frame(request(1, random.choice([1, 2, 3, 4, 5, 7, 8, 14, 22, 101, 105])) +
	                 random.randbytes(random.randrange(0, 60)))
	    s.socket.close()
	s = Client(port)
	s.connect()
	s.send_frame(request(1, 3) + string(b"/") + b"\0")
	assert s.reply() == (1, 0)
	EOF
EOT

# ---------------------------------------------------------------- four-letter words

# Numbers that differ from run to run become N, and so the lines can be compared.
normalize () {
	sed -e 's/^Zookeeper version: .*/Zookeeper version: V/' -e 's/0x[0-9a-f]*/N/g' \
		-e 's/[0-9.]*[0-9]/N/g'
}

test_expect_success 'ruok is imok, without an end of line' '
	test_equal imok. "$(four_letter "$server_port" ruok; echo .)"
'

test_expect_success 'srvr and stat have their lines' - <<\EOT
	four_letter "$server_port" srvr | normalize >srvr &&
	cat >expected <<-\EOF &&
	Zookeeper version: V
	Latency min/avg/max: N/N/N
	Received: N
	Sent: N
	Connections: N
	Outstanding: N
	Zxid: N
	Mode: standalone
	Node count: N
	EOF
	test_cmp expected srvr &&
	four_letter "$server_port" stat | normalize >stat &&
	test_grep '^Clients:$' stat &&
	test_grep '^ /N:N\[N\](queued=N,recved=N,sent=N)$' stat &&
	test_grep '^$' stat &&
	test_grep '^Mode: standalone$' stat
EOT

# Lines of two words, as Apache's server prints them; a watch by path, by session, and counted.
test_expect_success 'wchs, wchc and wchp show a watch' - <<\EOT
	raw >words <<-\EOF &&
	import subprocess
	s = Client(port)
	_, session, _ = s.connect()
	s.send_frame(request(1, 4) + string(b"/") + b"\1")
	assert s.reply() == (1, 0)
	def word(text):
	    w = Client(port)
	    w.send(text)
	    answer = b""
	    while True:
	        piece = w.socket.recv(65536)
	        if not piece:
	            return answer.decode()
	        answer += piece
	name = "0x%x" % session
	assert word(b"wchs") == "1 connections watching 1 paths\nTotal watches:1\n", word(b"wchs")
	assert word(b"wchc") == name + "\n\t/\n\n", word(b"wchc")
	assert word(b"wchp") == "/\n\t" + name + "\n\n", word(b"wchp")
	line = [l for l in word(b"cons").split("\n") if name in l][0]
	for part in ("queued=0,recved=2,sent=2,sid=%s,lop=GETD,est=" % name, ",to=5000,lcxid=0x1,lzxid=0x",
	             ",lresp=", ",llat=", ",minlat=", ",avglat=", ",maxlat="):
	    assert part in line, (part, line)
	assert word(b"isro") == "rw"
	assert word(b"crst") == "Connection stats reset.\n"
	assert word(b"srst") == "Server stats reset.\n"
	assert "maxClientCnxns=0\n" in word(b"conf")
	assert word(b"dirs").startswith("datadir_size: ")
	assert word(b"envi").startswith("Environment:\nzookeeper.version=3.")
	EOF
	four_letter "$server_port" mntr >mntr &&
	for name in version server_state avg_latency min_latency max_latency packets_received packets_sent \
		num_alive_connections outstanding_requests uptime znode_count watch_count ephemerals_count \
		approximate_data_size global_sessions local_sessions open_file_descriptor_count \
		max_file_descriptor_count
	do
		test_grep "^zk_$name	[^ ]" mntr || return 1
	done &&
	test_grep "^zk_server_state	standalone$" mntr
EOT

test_expect_success 'a word of the wire is no word inside a session' - <<\EOT
	raw <<-\EOF
	s = Client(port)
	s.connect()
	s.send(b"ruok")
	assert s.is_closed()
	EOF
EOT

test_expect_success 'it stops in order' '
	stop_server
'

test_done
