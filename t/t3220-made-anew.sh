#!/bin/sh
test_description='made anew: a name that is deleted and created again while the notifier is behind'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO,INOTIFYWAIT

rounds=${TEST_ROUNDS:-300}

test_expect_success 'a mount' - <<\EOT
	start_server &&
	mount_zkfs m &&
	zk create /w &&
	zk create /w/f 0 &&
	zk create /w/d &&
	zk create /w/d/c ''
EOT

# Each round replaces both in one transaction: at no moment is one of them not there.
replace_all () {
	zk run "$rounds" <<-\EOF
	for n in range(1, int(args[0]) + 1):
	    t = zk.transaction()
	    t.delete("/w/f")
	    t.create("/w/f", b"%d" % n)
	    t.delete("/w/d/c")
	    t.delete("/w/d")
	    t.create("/w/d")
	    t.create("/w/d/c")
	    assert not any(isinstance(r, Exception) for r in t.commit())
	EOF
}

test_expect_success "$rounds times: each is raised, and who looks it up meanwhile finds it" - <<\EOT
	watch out -e create -e delete m/w &&
	{ timeout 60 "$PYTHON" - m/w/f m/w/d >looks <<-\EOF & } &&
	import os, sys
	while True:
	    for path in sys.argv[1:]:
	        try:
	            os.stat(path)
	        except OSError as e:
	            print(e.strerror, path, flush=True)
	EOF
	looker=$! &&
	replace_all &&
	wait_for 30 "test \"\$(grep -c '^CREATE' out)\" -ge $((2 * rounds))" &&
	kill "$looker" &&
	! grep 'No such file' looks &&
	unwatch &&
	for name in f d
	do
		grep " m/w/$name\$" out | sed 's/,.*//;s/ .*//' | uniq -c | sed 's/^ *//' | sort | uniq -c |
			sed 's/^ *//' | sort >counts &&
		printf '%s\n' "$rounds 1 CREATE" "$rounds 1 DELETE" >expected &&
		test_cmp expected counts || return 1
	done
EOT

test_expect_success 'what is shown after it is the newest' - <<\EOT
	test_equal "$rounds" "$(cat m/w/f)" &&
	for name in f d
	do
		test_equal "$(zk stat /w/$name czxid)" "$(($(getfattr --only-values -n user.zk.czxid m/w/$name)))" ||
			return 1
	done
EOT

test_done
