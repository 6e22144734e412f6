#!/bin/sh
test_description='zkfsd and Apache, side by side: the same requests bring the same answers and events'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
test_skip_file_without APACHE

same_answers () {
	timeout 200 "$PYTHON" "$srcdir/t/same-answers.py" "$1" "$(cat apache/port)" "$(cat ours/port)" \
		"$2" "$3"
}

test_expect_success 'both serve' '
	start_apache apache &&
	start_zkfsd ours
'

# Watches are standard and persistent with an even seed, standard and recursive with an odd one.
for seed in ${TEST_LONG:+1 2 3 4 5 6 7 8} 9 10
do
	test_expect_success "a random conversation, seed $seed" '
		stop_server apache && stop_server ours && rm -rf apache ours &&
		start_apache apache && start_zkfsd ours &&
		same_answers random '$seed' 3000
	'
done

test_expect_success 'requests that are cut, too long, or have lengths that are none' '
	same_answers cut
'

test_done
