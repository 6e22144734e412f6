#!/bin/sh
test_description='inotify: what other mounts and other clients change raises the events of a local change'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO,INOTIFYWAIT

# Events that are told of here; OPEN and reads only with -e open and so on.
events='-e create -e modify -e close_write -e delete -e moved_to -e moved_from -e attrib'
burst=${TEST_BURST:-10000}

# raised FILE LINE...: FILE has these events, in this order, and no other.
raised () {
	raised_file=$1 &&
	shift &&
	printf '%s\n' "$@" >raised-expected &&
	wait_for 10 "test \"\$(wc -l <$raised_file)\" -ge $#" || :
	test_cmp raised-expected "$raised_file"
}

test_expect_success 'two mounts of one server' - <<\EOT
	start_server &&
	mount_zkfs m1 &&
	mount_zkfs m2 &&
	mkdir m1/w
EOT

for who in mount client
do

# What m1, or a client that knows nothing of mounts, does.
if test $who = mount
then
	does () {
		case $1 in
		create) printf %s "$3" >"m1$2" ;;
		mkdir) mkdir "m1$2" ;;
		set) printf %s "$3" >"m1$2" ;;
		delete) rm -d "m1$2" ;;
		esac
	}
else
	does () {
		case $1 in
		mkdir) zk create "$2" ;;
		*) zk "$@" ;;
		esac
	}
fi

test_expect_success "by another $who: create of a file with data" - <<\EOT
	watch out $events m2/w &&
	does create /w/f value &&
	raised out 'CREATE m2/w/f' 'MODIFY m2/w/f' 'CLOSE_WRITE,CLOSE m2/w/f' &&
	unwatch
EOT

test_expect_success "by another $who: setData, seen in the directory and on the file, after the value" - <<\EOT
	watch out $events m2/w &&
	dir_watcher=$watcher &&
	watch out2 $events m2/w/f &&
	does set /w/f changed &&
	raised out 'MODIFY m2/w/f' 'CLOSE_WRITE,CLOSE m2/w/f' &&
	test_equal changed "$(cat m2/w/f)" &&
	raised out2 'MODIFY m2/w/f' 'CLOSE_WRITE,CLOSE m2/w/f' &&
	unwatch &&
	kill "$dir_watcher"
EOT

test_expect_success "by another $who: delete, in the directory and on the file" - <<\EOT
	watch out $events m2/w &&
	dir_watcher=$watcher &&
	watch out2 -e delete_self m2/w/f &&
	does delete /w/f &&
	raised out 'DELETE m2/w/f' &&
	raised out2 'DELETE_SELF m2/w/f' &&
	! test -e m2/w/f &&
	unwatch &&
	kill "$dir_watcher"
EOT

test_expect_success "by another $who: create and delete of a directory" - <<\EOT
	watch out $events m2/w &&
	does mkdir /w/d &&
	raised out 'CREATE,ISDIR m2/w/d' &&
	does delete /w/d &&
	raised out 'CREATE,ISDIR m2/w/d' 'DELETE,ISDIR m2/w/d' &&
	unwatch
EOT

done

test_expect_success 'a watch on close_write alone sees a new file' - <<\EOT
	watch out -e close_write m2/w &&
	zk create /w/quiet x &&
	raised out 'CLOSE_WRITE,CLOSE m2/w/quiet' &&
	zk delete /w/quiet &&
	unwatch
EOT

test_expect_success 'setData of a directory is seen on its .data' - <<\EOT
	zk create /w/dir 'data' &&
	zk create /w/dir/child x &&
	ls -A m2/w/dir &&
	watch out $events m2/w/dir &&
	zk set /w/dir other &&
	raised out 'MODIFY m2/w/dir/.data' 'CLOSE_WRITE,CLOSE m2/w/dir/.data' &&
	unwatch
EOT

test_expect_success 'a file that becomes a directory: a DELETE and a CREATE' - <<\EOT
	zk create /w/turn x &&
	cat m2/w/turn &&
	watch out $events m2/w &&
	zk create /w/turn/child y &&
	raised out 'DELETE m2/w/turn' 'CREATE,ISDIR m2/w/turn' &&
	unwatch
EOT

test_expect_success 'own changes: what the kernel raised, and nothing twice' - <<\EOT
	mkdir local &&
	for where in local m2/w
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
	sed s,local,m2/w, out-local.before >expected &&
	test_cmp expected out-m2.before
EOT

test_expect_success 'own changes in a loop, mixed with those of others: each once' - <<\EOT
	watch out -e create -e delete m2/w &&
	i=0 &&
	while test $i -lt 100
	do
		echo x >m2/w/mine-$i && echo x >m1/w/theirs-$i || return 1
		i=$((i + 1))
	done &&
	after_a_marker out m2/w &&
	test_equal 100 "$(grep -c 'CREATE m2/w/mine-' out.before)" &&
	test_equal 100 "$(grep -c 'CREATE m2/w/theirs-' out.before)" &&
	test_equal 200 "$(sort -u out.before | wc -l)" &&
	unwatch &&
	rm m1/w/mine-* m1/w/theirs-*
EOT

test_expect_success 'the option noinotify: nothing is raised, and the changes are there' - <<\EOT
	mount_zkfs m3 noinotify &&
	watch out $events m3/w &&
	zk create /w/silent x &&
	wait_for 5 'test -e m3/w/silent' &&
	zk set /w/silent y &&
	wait_for 5 'test "$(cat m3/w/silent)" = y' &&
	zk delete /w/silent &&
	wait_for 5 '! test -e m3/w/silent' &&
	unwatch &&
	test_equal 0 "$(wc -l <out)" &&
	umount_zkfs m3
EOT

test_expect_success 'ro does not keep the events away' - <<\EOT
	mount_zkfs m3 ro &&
	watch out $events m3/w &&
	zk create /w/told x &&
	raised out 'CREATE m3/w/told' 'MODIFY m3/w/told' 'CLOSE_WRITE,CLOSE m3/w/told' &&
	unwatch &&
	zk delete /w/told &&
	umount_zkfs m3
EOT

test_expect_success "$burst remote creates under load: none is lost, none comes twice" - <<\EOT
	mkdir m1/burst &&
	watch out -e create m2/burst &&
	{ timeout 120 sh -c 'while :; do echo x >m2/w/load; cat m2/w/load; ls m2/w; done' >/dev/null & } &&
	load=$! &&
	zk run "$burst" <<-\EOF &&
	count = int(args[0])
	for start in range(0, count, 500):
	    for r in [zk.create_async("/burst/n%06d" % i, b"") for i in range(start, min(start + 500, count))]:
	        r.get()
	EOF
	wait_for 120 "test \"\$(wc -l <out)\" -ge $burst" &&
	kill "$load" &&
	sort out | uniq -d >twice &&
	test_equal 0 "$(wc -l <twice)" &&
	test_equal "$burst" "$(wc -l <out)" &&
	unwatch
EOT

test_expect_success 'many remote changes of few files: who reads at each event ends with the last values' - <<\EOT
	watch out -e close_write m2/burst &&
	zk run <<-\EOF &&
	for n in range(100):
	    for r in [zk.set_async("/burst/n%06d" % i, b"%d" % n) for i in range(20)]:
	        r.get()
	EOF
	{ timeout 60 tail -n +1 -f out | while read -r event path
	do
		echo "$path $(cat "$path")"
	done >values & } &&
	wait_for 30 'test "$(sort -u values | grep -c " 99$")" = 20' &&
	unwatch
EOT

test_expect_success 'both go on working after it' - <<\EOT
	echo fine >m1/w/fine &&
	wait_for 5 'test "$(cat m2/w/fine)" = fine' &&
	zk get /w/fine
EOT

test_done
