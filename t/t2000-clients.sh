#!/bin/sh
test_description="clients that know nothing of us: ZooKeeper's shell, the C client, kazoo and its recipes"
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without KAZOO

# kazoo ARG...: Python from stdin with zk (connected); see t/zk.py.
kazoo () {
	zk run "$@"
}

test_expect_success 'a server' - <<\EOT
	start_server
EOT

# ---------------------------------------------------------------- four-letter words

test_expect_success 'ruok, srvr, stat' - <<\EOT
	test_equal imok "$(four_letter "$server_port" ruok)" &&
	four_letter "$server_port" srvr >srvr &&
	test_grep '^Zookeeper version: 3\.[0-9.]*-.*, built on ' srvr &&
	for line in 'Latency min/avg/max: [0-9]*/[0-9.]*/[0-9]*' 'Received: [0-9]*' 'Sent: [0-9]*' \
		'Connections: [0-9]*' 'Outstanding: [0-9]*' 'Zxid: 0x[0-9a-f]*' 'Mode: standalone' \
		'Node count: [0-9]*'
	do
		test_grep "^$line\$" srvr || return 1
	done &&
	four_letter "$server_port" stat >stat &&
	test_grep '^Clients:$' stat &&
	test_grep '^ /127\.0\.0\.1:[0-9]*\[[01]\](queued=0,recved=[0-9]*,sent=[0-9]*)$' stat
EOT

# ---------------------------------------------------------------- ZooKeeper's shell

prereq_ZKCLI () {
	prereq_APACHE
}

# zk_cli [COMMAND]: Apache's zkCli.sh; without a command it reads them from stdin.
zk_cli () {
	timeout 60 java -cp /usr/share/java/zookeeper.jar:/usr/share/java/jline2.jar \
		org.apache.zookeeper.ZooKeeperMain -server "$server_addr" "$@" 2>&1
}

test_expect_success ZKCLI "zkCli.sh: commands of a tutorial, one after another" - <<\EOT
	{ zk_cli >out <<-\EOF || :; } &&
	ls /
	create /app data1
	get /app
	set /app data2
	get -s /app
	create -e /app/eph x
	create -s /app/seq- y
	stat /app
	ls /app
	getAcl /app
	delete /app/eph
	delete /nowhere
	create /app again
	deleteall /app
	get /app
	EOF
	cat out &&
	test_grep '^\[zookeeper\]$' out &&
	test_grep '^Created /app$' out &&
	test_grep '^data1$' out &&
	test_grep '^data2$' out &&
	test_grep '^dataVersion = 1$' out &&
	test_grep '^Created /app/eph$' out &&
	test_grep '^Created /app/seq-0000000001$' out &&
	test_grep '^numChildren = 2$' out &&
	test_grep '^\[eph, seq-0000000001\]$' out &&
	test_grep "'world,'anyone" out &&
	test_grep '^: cdrwa$' out &&
	test_grep '^Node does not exist: /nowhere$' out &&
	test_grep '^Node already exists: /app$' out &&
	test_grep '^Node does not exist: /app$' out
EOT

test_expect_success ZKCLI 'zkCli.sh with a command exits' - <<\EOT
	zk_cli create /once value >out &&
	test_grep '^Created /once$' out &&
	zk_cli get /once >out &&
	test_grep '^value$' out
EOT

# ---------------------------------------------------------------- the C client

prereq_C_CLIENT () {
	needs_program /usr/lib/zookeeper/bin/cli_mt
}

# Not its exists: given as an argument, that one never ends.
test_expect_success C_CLIENT "libzookeeper's cli_mt" - <<\EOT
	for command in 'create /c' 'set /c other' 'get /c' 'ls /' 'delete /c'
	do
		timeout 30 /usr/lib/zookeeper/bin/cli_mt "$server_addr" "cmd:$command" >>c-out 2>&1 ||
			return 1
	done &&
	cat c-out &&
	test_grep '^other$' c-out &&
	test_grep '/c: rc = 0' c-out &&
	! zk exists /c
EOT

prereq_C_LIBRARY () {
	needs_program gcc || return 1
	test -e /usr/include/zookeeper/zookeeper.h || { echo 'no libzookeeper-mt-dev'; return 1; }
}

test_expect_success C_LIBRARY 'a program with libzookeeper: sync calls, watches, multi' - <<\EOT
	cat >client.c <<-\EOF &&
	#include <stdio.h>
	#include <string.h>
	#include <unistd.h>
	#include <zookeeper/zookeeper.h>
	static volatile int connected, changed;
	static void session(zhandle_t *zh, int type, int state, const char *path, void *data)
	{
		if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE)
			connected = 1;
	}
	static void watch(zhandle_t *zh, int type, int state, const char *path, void *data)
	{
		if (type == ZOO_CHANGED_EVENT && strcmp(path, "/lib") == 0)
			changed = 1;
	}
	static int wait_until(volatile int *flag)
	{
		for (int i = 0; i < 1000 && !*flag; i++)
			usleep(10000);
		return *flag;
	}
	#define CHECK(what) do { if (!(what)) { puts(#what); return 1; } } while (0)
	int main(int argc, char **argv)
	{
		char buf[100];
		int size = sizeof(buf);
		struct Stat stat;
		zoo_op_t ops[2];
		zoo_op_result_t results[2];
		zhandle_t *zh = zookeeper_init(argv[1], session, 10000, 0, 0, 0);
		CHECK(zh && wait_until(&connected));
		CHECK(zoo_create(zh, "/lib", "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, buf, size) == ZOK);
		CHECK(zoo_create(zh, "/lib", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, buf, size) == ZNODEEXISTS);
		CHECK(zoo_wget(zh, "/lib", watch, 0, buf, &size, &stat) == ZOK && size == 3);
		CHECK(zoo_set(zh, "/lib", "two", 3, 7) == ZBADVERSION);
		CHECK(zoo_set(zh, "/lib", "two", 3, 0) == ZOK && wait_until(&changed));
		zoo_create_op_init(&ops[0], "/lib/a", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, buf, sizeof(buf));
		zoo_delete_op_init(&ops[1], "/none", -1);
		CHECK(zoo_multi(zh, 2, ops, results) == ZNONODE);
		CHECK(zoo_exists(zh, "/lib/a", 0, &stat) == ZNONODE);
		zoo_set_op_init(&ops[1], "/lib", "three", 5, 1, &stat);
		CHECK(zoo_multi(zh, 2, ops, results) == ZOK);
		CHECK(zoo_delete(zh, "/lib", -1) == ZNOTEMPTY);
		CHECK(zookeeper_close(zh) == ZOK);
		return 0;
	}
	EOF
	gcc -D_GNU_SOURCE -DTHREADED -w -o client client.c -lzookeeper_mt &&
	timeout 60 ./client "$server_addr" 2>client.log &&
	test_equal three "$(zk get /lib)"
EOT

# ---------------------------------------------------------------- kazoo

test_expect_success 'kazoo: sessions, and a session that is taken up again' - <<\EOT
	kazoo "$server_addr" <<-\EOF
	from kazoo.client import KazooClient
	session = zk.client_id
	zk.create("/session", b"", ephemeral=True)
	assert zk.exists("/session").owner_session_id == session[0]
	other = KazooClient(hosts=args[0], client_id=session, timeout=10)
	other.start()
	assert other.client_id == session, (other.client_id, session)
	assert other.exists("/session")
	other.stop()
	EOF
EOT

test_expect_success 'kazoo: a wrong password is an expired session' - <<\EOT
	kazoo "$server_addr" <<-\EOF
	from kazoo.client import KazooClient
	session = zk.client_id
	zk.create("/mine", b"", ephemeral=True)
	other = KazooClient(hosts=args[0], client_id=(session[0], b"x" * 16), timeout=10)
	other.start()
	wait_for(10, lambda: other.connected and other.client_id)
	assert other.client_id[0] != session[0]
	assert other.exists("/mine").owner_session_id == session[0]
	other.stop()
	EOF
EOT

test_expect_success 'kazoo: watches, data and children, once each' - <<\EOT
	kazoo <<-\EOF
	seen = []
	zk.create("/w", b"0")
	@zk.DataWatch("/w")
	def data(value, stat):
	    seen.append(value)
	@zk.ChildrenWatch("/w")
	def children(names):
	    seen.append(sorted(names))
	zk.set("/w", b"1")
	wait_for(5, lambda: b"1" in seen)
	zk.create("/w/a")
	wait_for(5, lambda: ["a"] in seen)
	zk.delete("/w/a")
	wait_for(5, lambda: seen.count([]) == 2)
	EOF
EOT

test_expect_success 'kazoo: a transaction is all or nothing' - <<\EOT
	kazoo <<-\EOF
	from kazoo.exceptions import BadVersionError, RolledBackError, RuntimeInconsistency
	zk.create("/t", b"")
	t = zk.transaction()
	t.create("/t/a", b"1"); t.check("/t", 5); t.set_data("/t", b"x")
	results = t.commit()
	assert [type(r) for r in results] == [RolledBackError, BadVersionError, RuntimeInconsistency], results
	assert zk.get_children("/t") == []
	t = zk.transaction()
	t.create("/t/a", b"1"); t.check("/t", 0); t.set_data("/t", b"x"); t.delete("/t/a")
	assert t.commit()[0] == "/t/a"
	assert zk.get("/t")[0] == b"x" and zk.exists("/t").cversion == 2
	EOF
EOT

test_expect_success 'kazoo: Lock, Election, Counter, Queue, Barrier' - <<\EOT
	kazoo "$server_addr" <<-\EOF
	import threading
	from kazoo.client import KazooClient
	clients = [KazooClient(hosts=args[0], timeout=10) for i in range(4)]
	for c in clients:
	    c.start()
	inside, order = [], []
	def work(c, i):
	    for n in range(5):
	        with c.Lock("/lock", str(i)):
	            inside.append(i)
	            assert inside == [i], inside
	            order.append(i)
	            inside.remove(i)
	        c.Counter("/counter").__add__(1)
	threads = [threading.Thread(target=work, args=(c, i)) for i, c in enumerate(clients)]
	[t.start() for t in threads]
	[t.join(30) for t in threads]
	assert len(order) == 20, order
	assert zk.Counter("/counter").value == 20
	queue = zk.Queue("/queue")
	for i in range(10):
	    queue.put(b"%d" % i)
	assert [clients[i % 4].Queue("/queue").get() for i in range(10)] == [b"%d" % i for i in range(10)]
	won = threading.Event()
	threading.Thread(target=lambda: clients[0].Election("/election", "me").run(won.set)).start()
	assert won.wait(10)
	barrier = zk.Barrier("/barrier")
	barrier.create()
	passed = threading.Event()
	threading.Thread(target=lambda: clients[1].Barrier("/barrier").wait(10) and passed.set()).start()
	assert not passed.is_set()
	barrier.remove()
	assert passed.wait(10)
	for c in clients:
	    c.stop()
	EOF
EOT

test_expect_success 'the Stat of a znode through its life' - <<\EOT
	kazoo <<-\EOF
	path = zk.create("/stat", b"abc")
	s = zk.exists("/stat")
	assert (s.version, s.cversion, s.aversion, s.dataLength, s.numChildren) == (0, 0, 0, 3, 0)
	assert s.czxid == s.mzxid == s.pzxid and s.ctime == s.mtime and s.ephemeralOwner == 0
	s2 = zk.set("/stat", b"defg")
	assert s2.version == 1 and s2.mzxid == s.mzxid + 1 and s2.czxid == s.czxid
	zk.create("/stat/a"); zk.create("/stat/b"); zk.delete("/stat/a")
	s3 = zk.exists("/stat")
	assert (s3.cversion, s3.numChildren, s3.pzxid) == (3, 1, s2.mzxid + 3), s3
	assert s3.mzxid == s2.mzxid
	EOF
EOT

test_expect_success 'errors: each refusal is the one that ZooKeeper has for it' - <<\EOT
	kazoo <<-\EOF
	from kazoo import exceptions as e
	def refused(error, what, *a, **k):
	    try:
	        what(*a, **k)
	    except error:
	        return
	    except Exception as other:
	        raise SystemExit("%s instead of %s" % (type(other).__name__, error.__name__))
	    raise SystemExit("no %s" % error.__name__)
	zk.create("/err", b""); zk.create("/err/child", b""); zk.create("/err/eph", b"", ephemeral=True)
	refused(e.NodeExistsError, zk.create, "/err")
	refused(e.NoNodeError, zk.create, "/none/child")
	refused(e.NoNodeError, zk.delete, "/none")
	refused(e.NoNodeError, zk.set, "/none", b"")
	refused(e.NotEmptyError, zk.delete, "/err")
	refused(e.BadVersionError, zk.delete, "/err/child", version=9)
	refused(e.BadVersionError, zk.set, "/err", b"", version=9)
	refused(e.NoChildrenForEphemeralsError, zk.create, "/err/eph/child")
	refused(e.BadArgumentsError, zk.delete, "/")
	refused(e.BadVersionError, zk.set_acls, "/err", zk.get_acls("/err")[0], version=9)
	EOF
EOT

test_expect_success 'a session that is killed ends at its timeout, its ephemerals with it' - <<\EOT
	{ "$PYTHON" - "$server_addr" <<-\EOF & } &&
	import sys, time
	from kazoo.client import KazooClient
	zk = KazooClient(hosts=sys.argv[1], timeout=1)
	zk.start()
	zk.create("/killed", b"", ephemeral=True)
	while True:
	    time.sleep(9)
	EOF
	client=$! &&
	wait_for 10 'zk exists /killed' &&
	kill -9 "$client" &&
	begun=$(now_ms) &&
	kazoo <<-\EOF &&
	wait_for(5, lambda: zk.exists("/killed") is None)
	EOF
	test "$(($(now_ms) - begun))" -lt 4000
EOT

# ---------------------------------------------------------------- it stays there

test_expect_success 'what was written is there after a restart, Stat for Stat, and the zxid goes on' - <<\EOT
	kazoo >before <<-\EOF &&
	def walk(path):
	    data, stat = zk.get(path)
	    if not stat.ephemeralOwner and not path.startswith("/zookeeper"):
	        print(path, data, tuple(stat))
	    for name in sorted(zk.get_children(path)):
	        walk((path if path != "/" else "") + "/" + name)
	walk("/")
	EOF
	test "$(wc -l <before)" -gt 5 &&
	stop_server &&
	start_server &&
	kazoo >after <<-\EOF &&
	def walk(path):
	    data, stat = zk.get(path)
	    if not stat.ephemeralOwner and not path.startswith("/zookeeper"):
	        print(path, data, tuple(stat))
	    for name in sorted(zk.get_children(path)):
	        walk((path if path != "/" else "") + "/" + name)
	walk("/")
	EOF
	test_cmp before after &&
	zk create /newest '' &&
	kazoo <<-\EOF
	newest = zk.exists("/newest").czxid
	for name in set(zk.get_children("/")) - {"newest"}:
	    assert zk.exists("/" + name).mzxid < newest, name
	EOF
EOT

test_done
