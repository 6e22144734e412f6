#!/bin/sh
test_description='the consensus core in a simulated world that breaks: seeds, and faults that must be found'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"

zabsim=$builddir/t/sim/zabsim

# How many seeds: a number of ones own, or many with TEST_LONG.
seeds=${ZABSIM_SEEDS:-1000}
test -z "${TEST_LONG:-}" || seeds=6000

# holds OPTION...: everything that has to hold does, in all seeds; else the replay command is shown.
holds () {
	"$zabsim" --seeds "$seeds" "$@" >out 2>&1 || { tail -n 3 out; return 1; }
}

# finds MUTATION [OPTION...]: one of the seeds shows that something is wrong, and how to see it again.
finds () {
	finds_status=0
	"$zabsim" --seeds 60 --mutation "$@" >out 2>&1 || finds_status=$?
	tail -n 1 out
	test_equal 1 "$finds_status" &&
	grep -q "replay with: t/sim/zabsim --seed [0-9]* .*--mutation $1" out
}

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
	"$zabsim" --seed 7 --trace >first &&
	"$zabsim" --seed 7 --trace >second &&
	test_cmp first second &&
	"$zabsim" --seed 8 --trace >other &&
	! cmp -s first other
'

test_expect_success 'there are mutations, and one that does not exist is refused' '
	"$zabsim" --list-mutations >mutations &&
	test "$(wc -l <mutations)" -ge 20 &&
	test_fails_with usage "$zabsim" --mutation no-such-thing
'

for mutation in $("$zabsim" --list-mutations)
do
	test_expect_success "a core with the fault $mutation is found out" "
		finds $mutation
	"
done

test_expect_success 'the world breaks enough for broken promises to lose data' '
	finds minority --consequences &&
	finds observer-counts --consequences &&
	finds empty-votes --consequences &&
	finds apply-tail-at-restart --consequences
'

test_expect_success 'what a seed finds is found again by the command that it prints' '
	! "$zabsim" --seeds 60 --mutation ack-early >out &&
	tail -n 1 out >said &&
	options=$(sed "s/.*replay with: [^ ]* //; s/ --trace//" said) &&
	! "$zabsim" $options >again &&
	test_cmp said again
'

test_done
