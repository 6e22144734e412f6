#!/bin/sh
test_description='whole replicas and their clients in a simulated world that breaks: seeds, and faults that must be found'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

replicasim=$builddir/t/sim/replicasim

# How many seeds: fewer where each takes long (a build with sanitizers), many with TEST_LONG.
seeds=${REPLICASIM_SEEDS:-1000}
test -z "${TEST_LONG:-}" || seeds=20000

# holds OPTION...: everything that has to hold does, in all seeds; else the replay command is shown.
holds () {
	"$replicasim" --seeds "$seeds" "$@" >out 2>&1 || { tail -n 3 out; return 1; }
}

# finds MUTATION: one of the seeds shows that something is wrong, and how to see it again.
finds () {
	finds_status=0
	"$replicasim" --seeds 240 --mutation "$1" >out 2>&1 || finds_status=$?
	tail -n 1 out
	test_equal 1 "$finds_status" &&
	grep -q "replay with: t/sim/replicasim --seed [0-9]* .*--mutation $1" out
}

# count WORD: how often the seeds that were run met it.
count () {
	sed -n "s/.* \([0-9][0-9]*\) $1[,;].*/\1/p" out
}

test_expect_success 'seeds of three and five voters, with and without observers' '
	holds
'

test_expect_success 'they meet what they are there for' '
	for word in writes reads events moves expired unknown resolved crashes leaderships \
		snapshots installed reloads truncations wipes
	do
		test "$(count "$word")" -ge 1 || { echo "no $word"; cat out; return 1; }
	done
'

test_expect_success 'seeds of one voter, of two, and of four' '
	seeds=$((seeds / 12)) &&
	holds --servers 1+1 &&
	holds --servers 2+1 &&
	holds --servers 4+0
'

test_expect_success 'seeds in which things break for long' '
	seeds=$((seeds / 20)) &&
	holds --seed 100001 --ms 30000
'

test_expect_success 'the same seed is the same run, byte for byte' '
	"$replicasim" --seed 7 --trace >first &&
	"$replicasim" --seed 7 --trace >second &&
	test_cmp first second &&
	"$replicasim" --seed 7 --seeds 3 --hash >first &&
	"$replicasim" --seed 7 --seeds 3 --hash >second &&
	test_cmp first second &&
	"$replicasim" --seed 8 --trace >other &&
	! cmp -s first other
'

test_expect_success 'there are mutations, and one that does not exist is refused' '
	"$replicasim" --list-mutations >mutations &&
	test "$(wc -l <mutations)" -ge 12 &&
	test_fails_with usage "$replicasim" --mutation no-such-thing
'

for mutation in $("$replicasim" --list-mutations)
do
	test_expect_success "a server with the fault $mutation is found out" "
		finds $mutation
	"
done

test_expect_success 'what a seed finds is found again by the command that it prints' '
	! "$replicasim" --seeds 60 --mutation close-unapplied >out &&
	tail -n 1 out >said &&
	options=$(sed "s/.*replay with: [^ ]* //; s/ --trace//" said) &&
	! "$replicasim" $options >again &&
	test_cmp said again
'

test_done
