#!/bin/sh
test_description='tools on a mount: tar, cp -a, rsync -a, sed -i, vim, rm -rf lose nothing'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_on_both_servers
test_skip_file_without FUSE,KAZOO

# The whole of /NAME as a text: each path with null or its data.
dump () {
	zk run "$1" <<-\EOF
	def walk(top, path):
	    data, stat = zk.get(path)
	    print(path[len(top):] or "/", data)
	    for name in sorted(zk.get_children(path)):
	        walk(top, path + "/" + name)
	walk(args[0], args[0])
	EOF
}

test_expect_success 'a tree with data on inner nodes, empty and null data, long and odd names' - <<\EOT
	start_server &&
	mount_zkfs m1 &&
	mount_zkfs m2 &&
	zk run <<-\EOF &&
	zk.create("/tree", b"data of the top")
	zk.create("/tree/a", b"data of a")
	zk.create("/tree/a/b", None)
	zk.create("/tree/a/b/c", b"data of c")
	zk.create("/tree/a/b/c/leaf", bytes(range(256)))
	zk.create("/tree/empty", b"")
	zk.create("/tree/null", None)
	zk.create("/tree/ein Name mit ü", b"x")
	zk.create("/tree/100%", b"y")
	zk.create("/tree/large", b"l" * 700000)
	for i in range(40):
	    zk.create("/tree/n%d" % i, b"%d" % i)
	EOF
	dump /tree >expected
EOT

test_expect_success 'tar of a tree, and back through the other mount' - <<\EOT
	tar -C m1/tree -cf tree.tar . &&
	mkdir m1/untarred &&
	tar -C m2/untarred -xf tree.tar &&
	dump /untarred >actual &&
	test_cmp expected actual
EOT

test_expect_success 'tar through a local disk' - <<\EOT
	mkdir local &&
	tar -C local -xf tree.tar &&
	mkdir m1/from-local &&
	tar -C local -cf - . | tar -C m1/from-local -xf - &&
	dump /from-local >actual &&
	test_cmp expected actual
EOT

test_expect_success 'cp -a within the mount, and out and back' - <<\EOT
	cp -a m1/tree m1/copied &&
	dump /copied >actual &&
	test_cmp expected actual &&
	cp -a m1/tree copied-out &&
	cp -a copied-out m2/copied-back &&
	dump /copied-back >actual &&
	test_cmp expected actual
EOT

test_expect_success RSYNC 'rsync -a out and back, and again transfers nothing that is the same' - <<\EOT
	rsync -a m1/tree/ synced/ &&
	rsync -a synced/ m1/rsynced/ &&
	dump /rsynced >actual &&
	test_cmp expected actual &&
	zk set /rsynced/n7 'changed by somebody' &&
	wait_for 5 'test "$(cat m1/rsynced/n7)" = "changed by somebody"' &&
	rsync -a -c synced/ m1/rsynced/ &&
	dump /rsynced >actual &&
	test_cmp expected actual &&
	rsync -a -c --delete --itemize-changes synced/ m1/rsynced/ >items &&
	! grep '^>f' items
EOT

test_expect_success 'diff -r finds the copies the same' - <<\EOT
	diff -r m1/tree m2/copied
EOT

test_expect_success 'sed -i' - <<\EOT
	printf 'one\ntwo\n' >m1/edited &&
	czxid=$(zk stat /edited czxid) &&
	sed -i s/two/three/ m1/edited &&
	test_equal "$(printf 'one\nthree')" "$(zk get /edited)" &&
	test_equal "$czxid" "$(zk stat /edited czxid)" &&
	wait_for 5 'test "$(sed -n 2p m2/edited)" = three' &&
	! ls m1 | grep '^sed'
EOT

test_expect_success VIM 'vim saves, and leaves no file of its own' - <<\EOT
	printf 'one\ntwo\n' >m1/vimmed &&
	zk ls / >before &&
	timeout 60 vim.tiny -u NONE -i NONE -es -c '%s/two/three/' -c wq m1/vimmed &&
	test_equal "$(printf 'one\nthree')" "$(zk get /vimmed)" &&
	zk ls / >after &&
	test_cmp before after
EOT

test_expect_success VIM 'vim with a backup copy, and with a swap file' - <<\EOT
	timeout 60 vim.tiny -u NONE -i NONE -es -c 'set backup backupskip= swapfile' \
		-c '%s/three/four/' -c wq m1/vimmed &&
	test_equal "$(printf 'one\nfour')" "$(zk get /vimmed)" &&
	test_equal "$(printf 'one\nthree')" "$(cat m2/vimmed~)"
EOT

test_expect_success 'install, touch -r, find -newer, wc, sort -o, tee -a' - <<\EOT
	install -m 644 expected m1/installed &&
	cmp expected m2/installed &&
	touch -r m1/vimmed m1/installed &&
	printf 'b\na\n' >m1/sorted &&
	sort -o m1/sorted m1/sorted &&
	test_equal "$(printf 'a\nb')" "$(zk get /sorted)" &&
	echo c | tee -a m1/sorted &&
	test_equal 3 "$(wc -l <m2/sorted)"
EOT

prereq_GIT () { needs_program git; }

test_expect_success GIT 'git: a repository in the mount' - <<\EOT
	git init -q m1/repository &&
	(
		cd m1/repository &&
		git config user.email nobody@example.org &&
		git config user.name nobody &&
		echo content >file &&
		git add file &&
		git commit -q -m first &&
		git fsck
	) &&
	git clone -q "$PWD/m2/repository" cloned &&
	test_equal content "$(cat cloned/file)"
EOT

test_expect_success 'rm -rf of trees with data on inner nodes' - <<\EOT
	rm -rf m1/tree m2/copied m1/untarred m1/rsynced &&
	zk ls / >names &&
	! grep -e '^tree$' -e '^copied$' -e '^untarred$' -e '^rsynced$' names
EOT

test_expect_success 'rm -rf while another client adds and removes does end' - <<\EOT
	mkdir m1/contested &&
	{ zk run <<-\EOF & } &&
	import time
	end = time.monotonic() + 3
	i = 0
	while time.monotonic() < end and zk.exists("/contested"):
	    try:
	        zk.create("/contested/%d" % i, b"x")
	        zk.delete("/contested/%d" % max(i - 3, 0))
	    except Exception:
	        pass
	    i += 1
	EOF
	adder=$! &&
	wait_for 10 'test -n "$(ls m1/contested)"' &&
	wait_for 20 'timeout 20 rm -rf m1/contested && ! test -e m1/contested' &&
	wait "$adder"
EOT

test_done
