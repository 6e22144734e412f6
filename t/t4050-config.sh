#!/bin/sh
test_description='/zookeeper/config of an ensemble: as Apache has it, on every member, whatever it went through'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-ensemble.sh"

test_skip_file_without KAZOO

# config_of N: what a client is told, but for the time; the lines in an order of their own, since
# Apache's follow a hash table.
config_of () {
	zk_at "$1" run <<-\EOF
		data, stat = zk.get("/zookeeper/config")
		acls, _ = zk.get_acls("/zookeeper/config")
		lines = data.decode().split("\n")
		print("\n".join(sorted(lines[:-1]) + lines[-1:]))
		print("czxid=%x mzxid=%x pzxid=%x ctime=%d" % (stat.czxid, stat.mzxid, stat.pzxid, stat.ctime))
		print("version=%d cversion=%d aversion=%d owner=%x" %
		      (stat.version, stat.cversion, stat.aversion, stat.ephemeralOwner))
		print("size=%d children=%d" % (stat.dataLength, stat.numChildren))
		print("; ".join("%s:%s:%d" % (acl.id.scheme, acl.id.id, acl.perms) for acl in acls))
	EOF
}

# config_time_of N: when it was written there, in ms.
config_time_of () {
	zk_at "$1" run <<-\EOF
		print(zk.get("/zookeeper/config")[1].mtime)
	EOF
}

# all_tell: every member tells what is expected.
all_tell () {
	for tell_at in $members
	do
		config_of "$tell_at" >actual &&
		test_cmp expected actual || return 1
	done
}

# expect_config: what it must be.
expect_config () {
	sed "s/ = /=/" servers.cfg >expected &&
	{
		echo version=0 &&
		echo "czxid=0 mzxid=0 pzxid=0 ctime=0" &&
		echo "version=-1 cversion=0 aversion=-1 owner=0" &&
		echo "size=$(($(wc -c <servers.cfg) + 9)) children=0" &&
		echo "world:anyone:1"
	} >>expected
}

# write_some COUNT: transactions that are in the trees on disk, so that no log is kept for them.
write_some () {
	zk_at 1 run "$1" <<-\EOF &&
		for i in range(int(args[0])):
		    zk.create("/some-", b"", sequence=True)
	EOF
	for at in $members
	do
		stop_member "$at" && start_member zkfsd "$at" || return 1
	done
}

test_expect_success 'every member of a zkfsd ensemble tells it' '
	begun=$(date +%s%3N) &&
	make_ensemble 3 commitLogCount=5 &&
	expect_config &&
	start_member zkfsd 1 2 3 &&
	all_tell &&
	test "$(config_time_of 1)" -ge "$begun" &&
	test "$(config_time_of 1)" -le "$(date +%s%3N)"
'

test_expect_success 'nobody can write it' '
	test_fails_with NoAuthError zk_at 1 set /zookeeper/config x &&
	test_fails_with BadArgumentsError zk_at 2 delete /zookeeper/config &&
	all_tell
'

test_expect_success 'it is there after a write-out and a restart, written anew' '
	zk_at 1 create /a one &&
	stop_member 2 &&
	stopped=$(date +%s%3N) &&
	start_member zkfsd 2 &&
	all_tell &&
	test "$(config_time_of 2)" -ge "$stopped" &&
	zk_at 2 set /a two &&
	stop_member 2 KILL &&
	start_member zkfsd 2 &&
	stop_member 2 &&
	start_member zkfsd 2 &&
	all_tell &&
	never_a_mismatch
'

test_expect_success 'a member that a snapshot fills tells its own' '
	write_some 20 &&
	stop_member 3 &&
	rm -r 3/data/zkfs-1 &&
	start_member zkfsd 3 &&
	cat 1/log 2/log >logs &&
	test_grep "learner 3: at .*, SNAP(" logs &&
	all_tell &&
	zk_at 3 set /a three &&
	stop_member 3 &&
	start_member zkfsd 3 &&
	all_tell &&
	never_a_mismatch
'

test_expect_success APACHE 'Apache members beside it tell the same' '
	for at in 1 2 3
	do
		stop_member $at || return 1
	done &&
	observers=4 client_parts=yes &&
	make_ensemble 4 &&
	expect_config &&
	launch_member apache 1 &&
	launch_member apache 2 &&
	launch_member zkfsd 3 &&
	launch_member zkfsd 4 &&
	serves 1 && serves 2 && serves 3 && serves 4 &&
	all_tell &&
	let_lead 3 &&
	all_tell &&
	never_a_mismatch
'

test_done
