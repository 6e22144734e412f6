#!/bin/sh
test_description='who includes whom: a folder is a layer, and the pure ones know no clock and no I/O'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

# A folder, then the folders whose headers it may include besides its own.
layers='
src/base
src/zk		src/base
src/io		src/base
src/client	src/base src/zk src/io
src/cli		src/base src/zk src/io src/client
replica/zab	src/base src/zk
replica/tree	src/base src/zk
replica/server	src/base src/zk replica/zab replica/tree
replica/io	src/base src/zk src/io src/client replica/zab replica/tree replica/server
fs		src/base src/zk src/io src/client
'

# A library's headers (what they begin with), then the folders that may include them.
libraries='
uv.h		src/io src/client src/cli replica/io fs
sqlite3.h	replica/io
fuse		fs
openssl/	src/zk src/io replica/tree replica/io fs
libdeflate.h	replica/tree replica/io
cmocka.h
'

# What is the same function of its arguments on every replica, and nothing else.
pure='src/zk replica/zab replica/tree replica/server'
pure_headers='errno.h inttypes.h limits.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h
	string.h strings.h arpa/inet.h openssl/evp.h openssl/sha.h libdeflate.h'
impure_calls='time gettimeofday clock_gettime clock timespec_get localtime gmtime strftime
	rand random drand48 lrand48 getrandom getentropy arc4random
	getenv setlocale getpid
	fopen open openat read write close printf fprintf vprintf puts putchar perror syslog
	socket connect accept poll select sleep usleep nanosleep
	log_error log_warn log_info log_debug'

export layers libraries pure pure_headers impure_calls

cat >rules.awk <<'EOF'
function breach(sentence) {
	printf "%s:%d: %s\n", FILENAME, FNR, sentence
}

# The rest of the line of table that begins with key, spaces around each word; "" where none does.
function row(table, key,	lines, count, i, fields) {
	count = split(table, lines, "\n")
	for (i = 1; i <= count; i++) {
		split(lines[i], fields)
		if (fields[1] == key)
			return " " lines[i] " "
	}
	return ""
}

function has(list, word) {
	gsub(/[ \t\n]+/, " ", list)
	return index(" " list " ", " " word " ") > 0
}

function folder_of(path) {
	sub(/\/[^\/]*$/, "", path)
	return path
}

function check_own_header(path) {
	if (path == "config.h")
		return
	if (path !~ /\//)
		breach("\"" path "\" is included without its folder")
	else if (!has(row(layers, folder), folder_of(path)))
		breach(folder " may not include " path)
}

function check_library(path,	lines, count, i, fields) {
	count = split(libraries, lines, "\n")
	for (i = 1; i <= count; i++) {
		split(lines[i], fields)
		if (fields[1] != "" && index(path, fields[1]) == 1 && !has(lines[i], folder))
			breach(folder " may not include <" path ">")
	}
	if (is_pure && !has(pure_headers, path))
		breach(folder " is pure and may not include <" path ">")
}

# The line without comments and without what is in quotes.
function code_of(line,	result, at) {
	gsub(/\\./, "", line)
	gsub(/"[^"]*"/, "\"\"", line)
	result = ""
	for (;;) {
		if (in_comment) {
			at = index(line, "*/")
			if (!at)
				return result
			line = substr(line, at + 2)
			in_comment = 0
		}
		at = index(line, "/*")
		if (!at)
			return result line
		result = result substr(line, 1, at - 1) " "
		line = substr(line, at + 2)
		in_comment = 1
	}
}

function check_calls(code,	name) {
	while (match(code, /[A-Za-z_][A-Za-z_0-9]* *\(/)) {
		name = substr(code, RSTART, RLENGTH)
		sub(/ *\($/, "", name)
		if (has(impure_calls, name) && substr(code, 1, RSTART - 1) !~ /(\.|->)$/)
			breach(folder " is pure and may not call " name "()")
		code = substr(code, RSTART + RLENGTH)
	}
}

BEGIN {
	layers = ENVIRON["layers"]
	libraries = ENVIRON["libraries"]
	pure = ENVIRON["pure"]
	pure_headers = ENVIRON["pure_headers"]
	impure_calls = ENVIRON["impure_calls"]
}

FNR == 1 {
	folder = folder_of(FILENAME)
	is_pure = has(pure, folder)
	in_comment = 0
	if (row(layers, folder) == "")
		breach(folder " is no layer")
}

/^[ \t]*#[ \t]*include/ {
	path = $0
	gsub(/^[^"<]*["<]|[">].*$/, "", path)
	if ($0 ~ /"/)
		check_own_header(path)
	else
		check_library(path)
	next
}

is_pure { check_calls(code_of($0)) }
EOF
rules=$PWD/rules.awk

# check_layers DIR: prints FILE:LINE: and a sentence for each breach in the tree at DIR.
check_layers () {
	(
		cd "$1" &&
		find src fs replica -name '*.[ch]' | LC_ALL=C sort | xargs awk -f "$rules"
	)
}

test_expect_success 'each folder includes only what its layer may' '
	check_layers "$srcdir" >breaches &&
	test_cmp /dev/null breaches
'

# refuses FOLDER LINE TEXT: a file there with that line is a breach that is told with TEXT.
refuses () {
	rm -rf tree &&
	mkdir -p tree/src tree/fs tree/replica "tree/$1" &&
	printf "#include <stdint.h>\n%s\n" "$2" >"tree/$1/new.c" &&
	check_layers tree >breaches &&
	cat breaches >&2 &&
	grep -qF "$1/new.c:2: $3" breaches
}

# accepts FOLDER LINE
accepts () {
	! refuses "$1" "$2" "" && test_cmp /dev/null breaches
}

test_expect_success 'a header of a layer above is a breach' - <<\EOT
	refuses src/base '#include "src/zk/acl.h"' 'src/base may not include src/zk/acl.h' &&
	refuses src/zk '#include "src/io/loop.h"' 'src/zk may not include' &&
	refuses replica/tree '#  include "replica/zab/zab.h"' 'replica/tree may not include' &&
	refuses fs '#include "replica/tree/tree.h"' 'fs may not include' &&
	refuses replica/io '#include "fs/fs.h"' 'replica/io may not include' &&
	refuses fs '#include "fs.h"' '"fs.h" is included without its folder' &&
	accepts fs '#include "fs/fs.h"' &&
	accepts replica/server '#include "replica/tree/tree.h"'
EOT

test_expect_success 'a library in another layer than its own is a breach' - <<\EOT
	refuses src/base '#include <uv.h>' 'src/base may not include <uv.h>' &&
	refuses fs '#include <sqlite3.h>' 'fs may not include' &&
	refuses replica/io '#include <fuse3/fuse_lowlevel.h>' 'replica/io may not include' &&
	refuses fs '#include <cmocka.h>' 'fs may not include' &&
	accepts replica/io '#include <sqlite3.h>'
EOT

test_expect_success 'a clock, chance or I/O in a pure folder is a breach' - <<\EOT
	refuses src/zk '#include <time.h>' 'src/zk is pure and may not include <time.h>' &&
	refuses replica/tree '#include <unistd.h>' 'replica/tree is pure and may not include' &&
	refuses replica/zab 'int64_t t = time(NULL);' 'replica/zab is pure and may not call time()' &&
	refuses replica/server 'n = x + random ();' 'replica/server is pure and may not call random()' &&
	refuses src/zk '/* a */ printf("time"); /* b */' 'src/zk is pure and may not call printf()' &&
	accepts src/io 'int64_t t = time(NULL);' &&
	accepts src/zk '/* as open(2) says */ char *text = "time(NULL)";' &&
	accepts src/zk 'server_time(server); file->read(file); zk_stat_write(buf, stat);'
EOT

test_expect_success 'a file in a folder that is no layer is a breach' '
	mkdir -p new/src/extra new/fs new/replica &&
	echo >new/src/extra/new.c &&
	check_layers new >breaches &&
	test_grep "src/extra is no layer" breaches
'

test_done
