#!/bin/sh
test_description='whole replicas and their clients in a simulated world that breaks: seeds, and faults that must be found'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-sim.sh"

simulator=$builddir/t/sim/replicasim

# How many seeds: fewer where each takes long (a build with sanitizers), many with TEST_LONG.
seeds=${REPLICASIM_SEEDS:-1000}
test -z "${TEST_LONG:-}" || seeds=20000

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
	seed_is_a_run
'

test_expect_success 'there are mutations, and one that does not exist is refused' '
	has_mutations 12
'

for mutation in $("$simulator" --list-mutations)
do
	test_expect_success "a server with the fault $mutation is found out" "
		finds 240 $mutation
	"
done

test_expect_success 'what a seed finds is found again by the command that it prints' '
	finds_again close-unapplied
'

test_done
