# shellcheck shell=sh
# What the tests of the simulators share. Who reads this has set simulator, to the program, and
# seeds, to how many it runs; with TEST_LONG there are many.

# holds OPTION...: everything that has to hold does, in all seeds; else the replay command is shown.
holds () {
	"$simulator" --seeds "$seeds" "$@" >out 2>&1 || { tail -n 3 out; return 1; }
}

# finds SEEDS MUTATION [OPTION...]: one of so many seeds shows that something is wrong, and how to see
# it again.
finds () {
	finds_seeds=$1
	shift
	finds_status=0
	"$simulator" --seeds "$finds_seeds" --mutation "$@" >out 2>&1 || finds_status=$?
	tail -n 1 out
	test_equal 1 "$finds_status" &&
	grep -q "replay with: t/sim/${simulator##*/} --seed [0-9]* .*--mutation $1" out
}

# finds_again MUTATION: what a seed of it finds is found again by the command that it prints.
finds_again () {
	# shellcheck disable=SC2046 # one word an option
	! "$simulator" --seeds 60 --mutation "$1" >out &&
	tail -n 1 out >said &&
	! "$simulator" $(sed "s/.*replay with: [^ ]* //; s/ --trace//" said) >again &&
	test_cmp said again
}

# seed_is_a_run: the same seed is the same run, byte for byte.
seed_is_a_run () {
	"$simulator" --seed 7 --trace >first &&
	"$simulator" --seed 7 --trace >second &&
	test_cmp first second &&
	"$simulator" --seed 8 --trace >other &&
	! cmp -s first other &&
	"$simulator" --seed 7 --seeds 3 --hash >first &&
	"$simulator" --seed 7 --seeds 3 --hash >second &&
	test_cmp first second
}

# has_mutations COUNT: as many at the least, and one that does not exist is refused.
has_mutations () {
	"$simulator" --list-mutations >mutations &&
	test "$(wc -l <mutations)" -ge "$1" &&
	test_fails_with usage "$simulator" --mutation no-such-thing
}
