#!/bin/sh
test_description='zkServer-initialize.sh: a new ensemble begins, and no data is lost by it'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

test_skip_file_without KAZOO

initialize=$srcdir/scripts/zkServer-initialize.sh
all='zk1 zk2 zk3'

# holds FILE LINE: that line alone.
holds () {
	test_equal "$2" "$(cat "$1")"
}

test_expect_success 'it makes dataDir, dataLogDir, myid and the marker' '
	cat >zoo.cfg <<-END &&
		dataDir = $PWD/new/data
		dataLogDir=$PWD/new/log
		clientPort=2181
	END
	"$initialize" --configfile=zoo.cfg --myid=7 >out &&
	test_grep "^Using myid of 7$" out &&
	holds new/data/myid 7 &&
	test -d new/log &&
	test -e new/data/initialize && test ! -s new/data/initialize
'

test_expect_success 'values may be words of their own, and the configuration is found as zkServer.sh finds it' '
	mkdir conf &&
	sed "s,new/,conf/," zoo.cfg >conf/zoo.cfg &&
	"$initialize" --myid 8 &&
	holds conf/data/myid 8 &&
	"$initialize" --force --configfile zoo.cfg --myid 9 &&
	holds new/data/myid 9 &&
	mkdir other &&
	sed "s,new/,other/," zoo.cfg >other/my.cfg &&
	ZOOCFGDIR=$PWD/other ZOOCFG=my.cfg "$initialize" &&
	test -e other/data/initialize
'

test_expect_success 'without --myid there is none, and it says where one belongs' '
	"$initialize" --configfile=zoo.cfg >out &&
	test_grep "^No myid provided, be sure to specify it in $PWD/new/data/myid" out &&
	test ! -e new/data/myid &&
	test -e new/data/initialize
'

test_expect_success 'usage errors and bad configurations change nothing' '
	rm -r new &&
	test_fails_with "Unknown option: --forces" "$initialize" --configfile=zoo.cfg --forces &&
	test_fails_with "myid=one" "$initialize" --configfile=zoo.cfg --myid=one &&
	test_fails_with "myid needs a value" "$initialize" --configfile=zoo.cfg --myid &&
	test_fails_with "Unable to find config file at nowhere.cfg" "$initialize" --configfile=nowhere.cfg &&
	echo clientPort=2181 >bad.cfg &&
	test_fails_with "Unable to determine dataDir from bad.cfg" "$initialize" --configfile=bad.cfg &&
	test ! -e new &&
	"$initialize" --help >out &&
	test_grep "^usage: " out
'

test_expect_success 'Apache data is refused, and stays even with --force' '
	mkdir -p new/data/version-2 &&
	echo snapshot >new/data/version-2/snapshot.0 &&
	echo 3 >new/data/myid &&
	test_fails_with "data directory already exists at $PWD/new/data" "$initialize" --configfile=zoo.cfg --myid=4 &&
	holds new/data/myid 3 &&
	test ! -e new/data/initialize &&
	"$initialize" --configfile=zoo.cfg --myid=4 --force >out &&
	test_grep "^Force enabled" out &&
	holds new/data/version-2/snapshot.0 snapshot &&
	holds new/data/myid 4 &&
	test -e new/data/initialize
'

test_expect_success 'two of three new servers begin with the marker, which goes; without it they wait' '
	write_ensemble $all &&
	launch_zkfsd zk1 zk2 &&
	wait_for 20 "grep -q \"has no data: it votes when all voters are there\" zk1/log" &&
	answers zk1 srvr "not currently serving" &&
	stop_zkfsd zk1 && stop_zkfsd zk2 &&
	for id in 1 2
	do
		"$initialize" --force --configfile=zk$id/zoo.cfg --myid=$id || return 1
	done &&
	launch_zkfsd zk1 zk2 &&
	wait_for_modes zk1 zk2 &&
	zk_at zk1 create /a one &&
	wait_for 10 "test ! -e zk1/data/initialize && test ! -e zk2/data/initialize"
'

test_expect_success 'the data of a zkfsd is refused, and that of a running one even with --force' '
	test_fails_with "data directory already exists" "$initialize" --configfile=zk2/zoo.cfg --myid=2 &&
	test_fails_with "a zkfsd is running with" "$initialize" --configfile=zk2/zoo.cfg --myid=2 --force &&
	test ! -e zk2/data/initialize &&
	holds zk2/data/myid 2 &&
	test_equal one "$(zk_at zk2 sync /a && zk_at zk2 get /a)"
'

test_expect_success '--force begins anew: the data is gone, and nothing else' '
	stop_zkfsd zk1 && stop_zkfsd zk2 &&
	mkdir zk1/data/zkfs-1.saved &&
	for id in 1 2
	do
		"$initialize" --force --configfile=zk$id/zoo.cfg --myid=$id || return 1
	done &&
	test -d zk1/data/zkfs-1.saved &&
	launch_zkfsd zk1 zk2 &&
	wait_for_modes zk1 zk2 &&
	test_fails_with NoNodeError zk_at zk1 get /a &&
	stop_zkfsd zk1 && stop_zkfsd zk2
'

test_done
