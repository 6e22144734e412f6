#!/bin/sh
test_description='four-letter words of a leader, a follower and an observer, beside those of Apache servers'
. "${srcdir:-$(dirname "$0")/..}/t/test-lib.sh"
. "$srcdir/t/lib-ensemble.sh"

test_skip_file_without APACHE,KAZOO

# capture KIND: an ensemble of that kind, with one client, ephemeral and watch a member, says its words.
# KIND.ROLE.WORD is what the member in that role says.
# shellcheck disable=SC2086 # one word a host
capture () {
	observers=4 &&
	make_ensemble 4 &&
	for at in $members
	do
		launch_member "$1" "$at" || return 1
	done &&
	for at in $members
	do
		serves "$at" || return 1
	done &&
	"$PYTHON" - "$1" $hosts <<-\EOF &&
		import socket
		import sys
		import time
		from kazoo.client import KazooClient

		def ask(host, word):
		    address, port = host.split(":")
		    with socket.create_connection((address, int(port)), timeout=10) as s:
		        s.sendall(word.encode())
		        return b"".join(iter(lambda: s.recv(65536), b"")).decode()

		kind, hosts = sys.argv[1], sys.argv[2:]
		clients = [KazooClient(hosts=host) for host in hosts]
		for number, client in enumerate(clients):
		    client.start()
		    client.create("/e%d" % number, b"x", ephemeral=True)
		    client.get("/e%d" % number, watch=print)
		for client in clients:
		    client.sync("/")
		for host in hosts:
		    mode = [line for line in ask(host, "srvr").split("\n") if line.startswith("Mode: ")]
		    for word in "srvr stat mntr dump cons conf isro wchs wchc wchp dirs".split():
		        with open("%s.%s.%s" % (kind, mode[0][6:], word), "w") as file:
		            answer = ask(host, word)
		            # Apache's leader was seen to show two of its four sessions; ours may not.
		            is_theirs = kind == "apache" and mode[0] == "Mode: leader"
		            for retry in range(100 if word == "dump" and is_theirs else 0):
		                if answer.count("\t0x") == 4:
		                    break
		                time.sleep(0.05)
		                answer = ask(host, word)
		            file.write(answer)
		for client in clients:
		    client.stop()
	EOF
	for at in $members
	do
		stop_member "$at" || return 1
	done
}

# keys ROLE: what mntr tells, by each kind, but for summaries.
keys () {
	cut -f 1 "apache.$1.mntr" >apache.keys &&
	cut -f 1 "zkfsd.$1.mntr" >zkfsd.keys
}

# same_shape WORD: both kinds say the same in every role, but for numbers, dates, paths, and the order of
# what is in hash tables. Into how many buckets of one kind the times of expiry fall is a matter of time.
same_shape () {
	for role in leader follower observer
	do
		for kind in apache zkfsd
		do
			# An empty bucket of Apache's, which has expired, is none.
			sed -e "/^0 expire at /d" \
				-e "s/^[0-9]* expire at [A-Z][a-z][a-z] [A-Z][a-z][a-z] [0-9][0-9] [0-9:]* [A-Z]* [0-9]*:/N expire at DATE:/" \
				-e "s/Sets ([0-9]*)/Sets (N)/" \
				-e "s/version: .*, built on 20.*/version: V, built on D/" \
				-e "s/=\/.*/=PATH/" \
				-e "s/0x[0-9a-f]*/0xN/g" \
				-e "/Sets/!s/[0-9][0-9.]*/N/g" \
				"$kind.$role.$1" | sort |
				awk "!/ expire at / || \$0 != last { print } { last = \$0 }" \
				>"$kind.shape" || return 1
		done &&
		test_cmp apache.shape zkfsd.shape || return 1
	done
}

test_expect_success 'an Apache ensemble says its words' '
	capture apache
'

test_expect_success 'one of zkfsd says its words' '
	capture zkfsd
'

test_expect_success 'mntr: the keys that both have are in the same order' '
	for role in leader follower observer
	do
		keys $role &&
		grep -Fx -f zkfsd.keys apache.keys >expected &&
		test_cmp expected zkfsd.keys || return 1
	done
'

test_expect_success 'mntr: what agents ask for is there' '
	for role in leader follower observer
	do
		keys $role &&
		for key in version server_state peer_state avg_latency min_latency max_latency \
			packets_received packets_sent num_alive_connections outstanding_requests \
			uptime znode_count watch_count ephemerals_count approximate_data_size \
			open_file_descriptor_count max_file_descriptor_count global_sessions \
			local_sessions quorum_size digest_mismatches_count
		do
			test_grep "^zk_$key$" zkfsd.keys || return 1
		done || return 1
	done &&
	keys leader &&
	for key in learners synced_followers synced_observers synced_non_voting_followers \
		last_proposal_size min_proposal_size max_proposal_size leader_uptime
	do
		test_grep "^zk_$key$" zkfsd.keys || return 1
	done
'

test_expect_success 'mntr: what does not change with time is what Apache says' '
	for role in leader follower observer
	do
		for kind in apache zkfsd
		do
			grep -E "^zk_(server_state|peer_state|znode_count|watch_count|ephemerals_count|global_sessions|local_sessions|learners|synced_[a-z_]*|(last|min|max)_proposal_size|num_alive_connections|quorum_size|digest_mismatches_count|outstanding_requests)	" \
				"$kind.$role.mntr" >"$kind.some" || return 1
		done &&
		test_cmp apache.some zkfsd.some || return 1
	done
'

test_expect_success 'an observer names the leader it follows' '
	test_grep "^zk_observer_master_id	[123]$" zkfsd.observer.mntr
'

for word in srvr stat dump cons conf isro wchs wchc wchp dirs
do
	test_expect_success "$word has the lines of Apache's" "
		same_shape $word
	"
done

test_expect_success 'dump: a leader tells when sessions end, a learner how long they may be silent' '
	test_grep "^Session Sets ([1-4])/(4):$" zkfsd.leader.dump &&
	test_equal 4 "$(grep -c "^	/e" zkfsd.leader.dump)" &&
	for role in follower observer
	do
		test_grep "^Global Sessions(4):$" zkfsd.$role.dump &&
		test_equal 4 "$(grep -c "^0x[0-9a-f]*	10000ms$" zkfsd.$role.dump)" || return 1
	done &&
	test_equal "$(grep -c "^	ip: " zkfsd.leader.dump)" 2
'

test_done
