#!/bin/sh
test_description='the consensus core in a simulated world that breaks: seeds, and faults that must be found'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-sim.sh"

simulator=$builddir/t/sim/zabsim

# How many seeds: a number of ones own, or many with TEST_LONG.
seeds=${ZABSIM_SEEDS:-1000}
test -z "${TEST_LONG:-}" || seeds=6000

test_expect_success 'seeds of three and five voters, with and without observers' '
	holds
'

test_expect_success 'seeds of one voter, of two, and of four' '
	seeds=$((seeds / 10)) &&
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
	has_mutations 20
'

for mutation in $("$simulator" --list-mutations)
do
	test_expect_success "a core with the fault $mutation is found out" "
		finds 60 $mutation
	"
done

test_expect_success 'the world breaks enough for broken promises to lose data' '
	finds 60 minority --consequences &&
	finds 60 observer-counts --consequences &&
	finds 60 empty-votes --consequences &&
	finds 60 apply-tail-at-restart --consequences
'

test_expect_success 'what a seed finds is found again by the command that it prints' '
	finds_again ack-early
'

test_done
