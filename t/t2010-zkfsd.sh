#!/bin/sh
test_description='zkfsd: its command line, its configuration, its start and end'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

zkfsd=$builddir/zkfsd

# runs STATUS COMMAND...: it ends with STATUS; what it says on stderr is in err, and nothing else is.
runs () {
	runs_status=0
	runs_expected=$1
	shift
	timeout 20 "$@" 2>err || runs_status=$?
	cat err >&2
	test_equal "$runs_expected" "$runs_status"
}

# refused SENTENCE LINE...: a zoo.cfg of these LINEs is refused with it, and nothing else.
refused () {
	refused_sentence=$1
	shift
	printf '%s\n' "$@" >zoo.cfg &&
	runs 2 "$zkfsd" -f zoo.cfg &&
	test_equal "zkfsd: $refused_sentence" "$(cat err)"
}

serves () {
	four_letter "$1" srvr | grep -q '^Mode: standalone$'
}

# pid_of FILE: the zkfsd of that configuration.
pid_of () {
	for pid_file in $(grep -lzsxF -e "$1" /proc/[0-9]*/cmdline)
	do
		pid_dir=${pid_file%/cmdline}
		test "$(readlink "$pid_dir/exe")" != "$(realpath "$zkfsd")" || basename "$pid_dir"
	done
}

test_expect_success 'it says its version, and that of ZooKeeper which clients look at' '
	"$zkfsd" --version >out &&
	test_grep "^zkfsd [0-9]" out &&
	test_grep "3\\.9\\.5-zkfs-[0-9].*, built on ....-..-.. ..:.. UTC" out
'

test_expect_success 'a wrong command line gets the usage and status 1' '
	runs 1 "$zkfsd" &&
	runs 1 "$zkfsd" a b &&
	runs 1 "$zkfsd" --nonsense &&
	runs 1 "$zkfsd" --log &&
	runs 1 "$zkfsd" --embedded d --port-fd 77 &&
	test_grep "^usage: zkfsd" err &&
	"$zkfsd" --help >out &&
	test_grep "^usage: zkfsd" out
'

test_expect_success 'what is wrong in zoo.cfg is named with file, line and key' '
	refused "zoo.cfg:2: tickTime: '\''abc'\'' is no number" clientPort=1 tickTime=abc &&
	refused "zoo.cfg: dataDir: is missing" clientPort=1 &&
	refused "zoo.cfg: clientPort: is missing" dataDir=d &&
	refused "zoo.cfg:3: server.n: '\''n'\'' is no server'\''s number, as in server.1" \
		dataDir=d clientPort=1 server.n=a:1:2 &&
	refused "zoo.cfg:1: secureClientPort: is not available in this version" \
		secureClientPort=1 dataDir=d clientPort=2 &&
	runs 2 "$zkfsd" -f missing.cfg &&
	test_equal "zkfsd: missing.cfg: can'\''t be read: No such file or directory" "$(cat err)" &&
	test ! -e d
'

test_expect_success 'what a server of an ensemble lacks is said in one sentence' '
	set -- clientPort=1 initLimit=5 syncLimit=2 server.1=localhost:2888:3888 \
		server.2=localhost:2889:3889 server.3=localhost:2890:3890 &&
	refused "zoo.cfg: dataDir: $PWD/ens is not there; a server of an ensemble needs it, with a file myid that holds the N of its own server.N line" \
		dataDir=ens "$@" &&
	mkdir ens &&
	refused "zoo.cfg: dataDir: $PWD/ens has no file myid; it holds the N of this server'\''s own server.N line" \
		dataDir=ens "$@" &&
	echo 7 >ens/myid &&
	refused "zoo.cfg: dataDir: $PWD/ens/myid says 7, but there is no server.7" \
		dataDir=ens "$@" &&
	echo one >ens/myid &&
	refused "ens/myid:1: myid: '\''one'\'' is no number" dataDir=ens "$@" &&
	test_equal myid "$(ls ens)"
'

test_expect_success 'a port for peers that is taken is told' '
	write_ensemble alone other &&
	launch_zkfsd alone &&
	wait_for 10 "answers alone ruok imok" &&
	for port in quorum election
	do
		sed "s/:$(cat other/${port}_port)/:$(cat alone/port)/" other/zoo.cfg >taken.cfg &&
		sed -i "s/^server.1=.*/server.1 = 127.0.0.1:1:2/" taken.cfg &&
		runs 2 "$zkfsd" -f taken.cfg &&
		test_grep "zkfsd: can.t listen for peers on 127.0.0.1 port $(cat alone/port): Address already in use" err ||
			return 1
	done &&
	stop_zkfsd alone
'

test_expect_success 'unknown keys are warnings, and it serves' '
	start_zkfsd warned no.such.key=1 preAllocSize=64 &&
	test_grep "WARN config: warned/zoo.cfg:[0-9]*: no.such.key: nobody knows this key" warned/log &&
	! grep preAllocSize warned/log &&
	stop_zkfsd warned
'

test_expect_success 'it ends with status 0 at SIGTERM and at SIGINT, and can start again' '
	write_zoo_cfg ended &&
	for signal in TERM INT
	do
		"$zkfsd" -f ended/zoo.cfg 2>>ended/log &
		pid=$! &&
		wait_for 10 "serves $(cat ended/port)" &&
		kill -s "$signal" "$pid" &&
		test_status 0 wait "$pid" || return 1
	done &&
	test ! -e ended/data/zkfs-1/address
'

test_expect_success 'without -f it returns when it serves, and logs elsewhere' '
	write_zoo_cfg daemon &&
	"$zkfsd" "$PWD/daemon/zoo.cfg" 2>err &&
	serves "$(cat daemon/port)" &&
	test_equal "" "$(cat err)" &&
	pid=$(pid_of "$PWD/daemon/zoo.cfg") &&
	test_equal / "$(readlink "/proc/$pid/cwd")" &&
	test_equal /dev/null "$(readlink "/proc/$pid/fd/2")" &&
	kill "$pid" &&
	wait_for 10 "! alive $pid"
'

test_expect_success 'without -f its failure to start is the status and sentence of the command' '
	start_zkfsd first &&
	write_zoo_cfg second &&
	sed -i "s/^clientPort=.*/clientPort=$(cat first/port)/" second/zoo.cfg &&
	runs 2 "$zkfsd" second/zoo.cfg &&
	test_grep "^zkfsd: can.t listen on any address, port $(cat first/port): .*in use" err &&
	test_equal 1 "$(wc -l <err)"
'

test_expect_success 'a directory that is served already is refused with the address that serves it' '
	sed "s/^clientPort=.*/clientPort=0/" first/zoo.cfg >other.cfg &&
	runs 2 "$zkfsd" -f other.cfg &&
	test_grep "is served .*; it serves at 127.0.0.1:$(cat first/port)$" err &&
	serves "$(cat first/port)" &&
	stop_zkfsd first
'

test_expect_success 'embedded, it tells its address and ends with its control pipe' '
	mkfifo control port.fifo &&
	{ "$zkfsd" --embedded embedded --control-fd 3 --port-fd 4 \
		3<control 4>port.fifo 2>embedded.log & } &&
	pid=$! &&
	exec 6>control 7<port.fifo &&
	read -r address <&7 &&
	port=${address#127.0.0.1:} &&
	serves "$port" &&
	runs 2 "$zkfsd" --embedded embedded &&
	test_grep "it serves at 127.0.0.1:$port$" err &&
	exec 6>&- 7<&- &&
	test_status 0 wait "$pid" &&
	test_grep "ended in order" embedded.log
'

test_expect_success 'embedded, it is not reachable from elsewhere' '
	mkfifo port2.fifo &&
	{ "$zkfsd" --embedded embedded --port-fd 4 4>port2.fifo 2>embedded.log & } &&
	pid=$! &&
	read -r address <port2.fifo &&
	port=${address#127.0.0.1:} &&
	hex=$(printf %04X "$port") &&
	grep -qi "0100007F:$hex 0*:0000 0A" /proc/net/tcp &&
	! grep -qi ":$hex 0*:0000 0A" /proc/net/tcp6 &&
	kill "$pid" &&
	test_status 0 wait "$pid"
'

test_expect_success 'a zoo.cfg may have any free port, and one address, IPv6 too' '
	mkdir -p six && printf "%s\n" "dataDir=$PWD/six" clientPort=0 clientPortAddress=::1 >six.cfg &&
	mkfifo port6.fifo &&
	{ "$zkfsd" -f --port-fd 4 six.cfg 4>port6.fifo 2>six.log & } &&
	pid=$! &&
	read -r address <port6.fifo &&
	test_equal "[::1]" "${address%:*}" &&
	test_equal "$address" "$(cat six/zkfs-1/address)" &&
	timeout 5 bash -c "exec 3<>/dev/tcp/::1/${address##*:} && printf srvr >&3 && cat <&3" >out &&
	test_grep "^Mode: standalone" out &&
	kill "$pid" &&
	test_status 0 wait "$pid"
'

test_expect_success 'what java takes by -D is taken from SERVER_JVMFLAGS' '
	write_zoo_cfg flags &&
	SERVER_JVMFLAGS="-Xmx1g -Djute.maxbuffer=nonsense" runs 2 "$zkfsd" -f flags/zoo.cfg &&
	test_grep "SERVER_JVMFLAGS: jute.maxbuffer: .nonsense. is no number" err
'

test_expect_success 'maxClientCnxns closes what is too many, and only that' - <<\EOT
	start_zkfsd limited &&
	sed -i s/^maxClientCnxns=.*/maxClientCnxns=3/ limited/zoo.cfg &&
	stop_zkfsd limited &&
	start_zkfsd limited &&
	cat "$srcdir/t/raw.py" - <<-\EOF | "$PYTHON" - "$server_port" &&
	import time
	clients = [Client(port) for _ in range(3)]
	for c in clients:
	    c.connect()
	assert Client(port).is_closed()
	clients.pop().socket.close()
	deadline = time.monotonic() + 5
	while True:
	    c = Client(port)
	    try:
	        c.connect()
	        break
	    except (EOFError, ConnectionResetError):
	        assert time.monotonic() < deadline
	EOF
	test_grep 'WARN client: /127.0.0.1:[0-9]*: refused: maxClientCnxns' limited/log &&
	stop_zkfsd limited
EOT

test_expect_success 'who asks for no session is dropped in time, who has one is not' - <<\EOT
	start_zkfsd idle nio.sessionlessCnxnTimeout=300 &&
	cat "$srcdir/t/raw.py" - <<-\EOF | "$PYTHON" - "$server_port" &&
	import time
	kept = Client(port)
	kept.connect(timeout_ms=10000)
	started = time.monotonic()
	idle = Client(port)
	assert idle.is_closed()
	assert 0.25 < time.monotonic() - started < 3
	kept.send_frame(request(1, 3) + string(b"/") + b"\0")
	assert kept.reply() == (1, 0)
	EOF
	stop_zkfsd idle
EOT

# The least timeout is two ticks, a second.
test_expect_success 'after it was stopped, who had sent a ping meanwhile keeps the session' - <<\EOT
	start_zkfsd late &&
	cat "$srcdir/t/raw.py" - <<-\EOF | "$PYTHON" - "$server_port" "$server_pid" &&
	import os, signal, time
	server = int(args[0])
	clients = [Client(port) for _ in range(20)]
	for c in clients:
	    assert c.connect(timeout_ms=1000)[0] == 1000
	gone = clients.pop()
	os.kill(server, signal.SIGSTOP)
	time.sleep(2.5)
	for c in clients:
	    c.send_frame(request(-2, 11))
	os.kill(server, signal.SIGCONT)
	for c in clients:
	    assert c.reply() == (-2, 0)
	    c.send_frame(request(1, 3) + string(b"/") + b"\0")
	for c in clients:
	    assert c.reply() == (1, 0)
	assert gone.is_closed()
	EOF
	stop_zkfsd late
EOT

test_expect_success 'jute.maxbuffer may be set as a key' - <<\EOT
	start_zkfsd small jute.maxbuffer=2048 &&
	cat "$srcdir/t/raw.py" - <<-\EOF | "$PYTHON" - "$server_port" &&
	c = Client(port)
	c.connect()
	c.send_frame(c.create_frame(1, b"/a", b"x" * 1900))
	assert c.reply() == (1, 0)
	c.send(struct.pack(">i", 2049))
	assert c.is_closed()
	EOF
	test_grep 'sent a frame of more than 2048 bytes (jute.maxbuffer)' small/log &&
	stop_zkfsd small
EOT

test_expect_success 'words that the whitelist leaves out say so, srvr is always answered' '
	start_zkfsd words &&
	sed -i "s/^4lw.commands.whitelist=.*/4lw.commands.whitelist=stat, ruok/" words/zoo.cfg &&
	stop_zkfsd words &&
	start_zkfsd words &&
	test_equal imok "$(four_letter "$server_port" ruok)" &&
	test_equal "cons is not executed because it is not in the whitelist." \
		"$(four_letter "$server_port" cons)" &&
	four_letter "$server_port" srvr >out &&
	test_grep "^Zookeeper version: 3.9.5-zkfs-" out &&
	stop_zkfsd words
'

test_expect_success 'who does not read its replies is not read from, and harms nobody' - <<\EOT
	start_zkfsd slow &&
	cat "$srcdir/t/raw.py" - <<-\EOF | "$PYTHON" - "$server_port" "$server_pid" &&
	import time
	def resident_mib():
	    with open("/proc/%s/status" % args[0]) as status:
	        return int([l.split()[1] for l in status if l.startswith("VmRSS")][0]) >> 10
	c = Client(port)
	c.connect(timeout_ms=10000)
	c.send_frame(c.create_frame(1, b"/big", b"x" * 1000000))
	assert c.reply() == (1, 0)
	before = resident_mib()
	get = request(2, 4) + string(b"/big") + b"\0"
	frame = struct.pack(">i", len(get)) + get
	for _ in range(300):
	    c.send(frame)
	other = Client(port)
	other.connect()
	for xid in range(1, 1001):
	    other.send_frame(request(xid, 3) + string(b"/") + b"\0")
	    assert other.reply() == (xid, 0)
	assert resident_mib() - before < 40, (before, resident_mib())
	for _ in range(300):
	    assert c.reply() == (2, 0)
	EOF
	stop_zkfsd slow
EOT

test_done
