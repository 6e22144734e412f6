#!/bin/sh
test_description='watch=nodes: one-shot watches on what the kernel holds tell what a recursive watch would'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO,INOTIFYWAIT

events='-e create -e modify -e close_write -e delete -e moved_to -e moved_from -e attrib'
burst=${TEST_BURST:-1000}

# raised FILE LINE...: FILE has these events, in this order, and no other.
raised () {
	raised_file=$1 &&
	shift &&
	printf '%s\n' "$@" >raised-expected &&
	wait_for 10 "test \"\$(wc -l <$raised_file)\" -ge $#" || :
	test_cmp raised-expected "$raised_file"
}

test_expect_success 'a mount that watches by node' - <<\EOT
	start_server &&
	zk create /w &&
	mount_zkfs m watch=nodes &&
	test_equal nodes "$(status_of m watch)" &&
	ls m/w
EOT

test_expect_success 'create, setData and delete of a file by a client' - <<\EOT
	watch out $events m/w &&
	zk create /w/f value &&
	raised out 'CREATE m/w/f' 'MODIFY m/w/f' 'CLOSE_WRITE,CLOSE m/w/f' &&
	unwatch &&
	watch out $events m/w &&
	zk set /w/f changed &&
	raised out 'MODIFY m/w/f' 'CLOSE_WRITE,CLOSE m/w/f' &&
	test_equal changed "$(cat m/w/f)" &&
	zk set /w/f 'once more' &&
	raised out 'MODIFY m/w/f' 'CLOSE_WRITE,CLOSE m/w/f' \
		'MODIFY m/w/f' 'CLOSE_WRITE,CLOSE m/w/f' &&
	test_equal 'once more' "$(cat m/w/f)" &&
	unwatch &&
	watch out $events m/w &&
	dir_watcher=$watcher &&
	watch out2 -e delete_self m/w/f &&
	zk delete /w/f &&
	raised out 'DELETE m/w/f' &&
	raised out2 'DELETE_SELF m/w/f' &&
	! test -e m/w/f &&
	unwatch &&
	kill "$dir_watcher"
EOT

test_expect_success 'create and delete of a directory, and setData of one' - <<\EOT
	watch out $events m/w &&
	zk create /w/d &&
	raised out 'CREATE,ISDIR m/w/d' &&
	zk delete /w/d &&
	raised out 'CREATE,ISDIR m/w/d' 'DELETE,ISDIR m/w/d' &&
	unwatch &&
	zk create /w/dir data &&
	zk create /w/dir/child x &&
	ls -A m/w/dir &&
	watch out $events m/w/dir &&
	zk set /w/dir other &&
	raised out 'MODIFY m/w/dir/.data' 'CLOSE_WRITE,CLOSE m/w/dir/.data' &&
	unwatch
EOT

test_expect_success 'a file that becomes a directory: a DELETE and a CREATE' - <<\EOT
	watch before $events m/w &&
	zk create /w/turn x &&
	raised before 'CREATE m/w/turn' 'MODIFY m/w/turn' 'CLOSE_WRITE,CLOSE m/w/turn' &&
	unwatch &&
	cat m/w/turn &&
	watch out $events m/w &&
	zk create /w/turn/child y &&
	raised out 'DELETE m/w/turn' 'CREATE,ISDIR m/w/turn' &&
	unwatch
EOT

test_expect_success 'a file that is watched and made anew: a DELETE and a CREATE' - <<\EOT
	watch before -e create m/w &&
	zk create /w/anew x &&
	raised before 'CREATE m/w/anew' &&
	unwatch &&
	cat m/w/anew &&
	watch out -e create -e delete m/w &&
	zk run <<-\EOF &&
	t = zk.transaction()
	t.delete("/w/anew")
	t.create("/w/anew", b"new")
	t.commit()
	EOF
	raised out 'DELETE m/w/anew' 'CREATE m/w/anew' &&
	test_equal new "$(cat m/w/anew)" &&
	unwatch
EOT

test_expect_success 'own changes: what the kernel raised, and nothing twice' - <<\EOT
	mkdir local &&
	for where in local m/w
	do
		watch "out-${where%/w}" $events $where &&
		echo 1 >$where/own &&
		echo 2 1<>$where/own &&
		echo 3 >>$where/own &&
		mkdir $where/own-dir &&
		mv $where/own $where/own2 &&
		rm $where/own2 &&
		rmdir $where/own-dir &&
		after_a_marker "out-${where%/w}" $where &&
		unwatch || return 1
	done &&
	sed s,local,m/w, out-local.before >expected &&
	test_cmp expected out-m.before
EOT

test_expect_success 'after own changes, those of others are still raised' - <<\EOT
	echo mine >m/w/shared &&
	watch out $events m/w &&
	zk set /w/shared theirs &&
	raised out 'MODIFY m/w/shared' 'CLOSE_WRITE,CLOSE m/w/shared' &&
	test_equal theirs "$(cat m/w/shared)" &&
	unwatch
EOT

test_expect_success 'what has been looked at is cached, and a change ends that' - <<\EOT
	zk create /w/cached one &&
	wait_for 5 'test "$(cat m/w/cached)" = one' &&
	i=0 &&
	while test $i -lt 50
	do
		zk set /w/cached "value $i" >/dev/null &&
		wait_for 5 "test \"\$(cat m/w/cached)\" = 'value $i'" &&
		wait_for 5 "test \"\$(stat -c %s m/w/cached)\" = $(printf 'value %d' $i | wc -c)" || return 1
		i=$((i + 10))
	done
EOT

# raised_when_back TIMEOUT CONDITION: a mount loses its connection; what others change until CONDITION
# holds is raised once it is back.
raised_when_back () {
	start_proxy proxy &&
	mount_zkfs m3 "watch=nodes,timeout=$1" "$(cat proxy/addr)" &&
	touch m3/.ephemeral/here &&
	zk create /w/old x && zk create /w/kept x && zk create /w/same x &&
	wait_for 5 'test -e m3/w/old' && ls -l m3/w && cat m3/w/kept m3/w/same &&
	watch out -e create -e delete -e modify m3/w &&
	stop_proxy proxy &&
	wait_for 10 'test "$(status_of m3 state)" = DISCONNECTED' &&
	zk delete /w/old && zk set /w/kept y && zk create /w/new x &&
	wait_for 20 "$2" &&
	start_proxy proxy &&
	wait_for 20 'grep "DELETE m3/w/old" out && grep "MODIFY m3/w/kept" out &&
		grep "CREATE m3/w/new" out' &&
	! grep same out &&
	zk set /w/same z &&
	wait_for 10 'grep "MODIFY m3/w/same" out' &&
	unwatch
}

test_expect_success 'changes while the connection was away are raised when it is back' - <<\EOT
	raised_when_back 20 true &&
	zk exists /here &&
	umount_zkfs m3
EOT

test_expect_success 'and when it is back with another session, as the first has expired' - <<\EOT
	zk rmr /w && zk create /w &&
	stop_proxy proxy &&
	raised_when_back 2 '! zk exists /here' &&
	umount_zkfs m3
EOT

test_expect_success "$burst creates and deletes by a client: none is lost, none comes twice" - <<\EOT
	mkdir m/burst &&
	watch out -e create -e delete m/burst &&
	zk run "$burst" <<-\EOF &&
	for r in [zk.create_async("/burst/n%06d" % i, b"") for i in range(int(args[0]))]:
	    r.get()
	EOF
	wait_for 60 "test \"\$(grep -c ^CREATE out)\" -ge $burst" &&
	zk run "$burst" <<-\EOF &&
	for r in [zk.delete_async("/burst/n%06d" % i) for i in range(int(args[0]))]:
	    r.get()
	EOF
	wait_for 60 "test \"\$(grep -c ^DELETE out)\" -ge $burst" &&
	test_equal "$((2 * burst))" "$(sort -u out | wc -l)" &&
	test_equal "$((2 * burst))" "$(wc -l <out)" &&
	unwatch
EOT

test_done
