# shellcheck shell=sh
# What the tests start and mount.  A server has a name, which is its directory
# in the test's own: NAME/zoo.cfg, NAME/data, NAME/port, NAME/pid, NAME/log.

# alive PID: it is there, and not only as a zombie. (A zombie whose other threads are still about to
# end holds its files and locks.)
alive () {
	grep -qs '^State:	[^ZX]' /proc/"$1"/task/*/status
}

# four_letter PORT WORD: what the server on that port answers.
four_letter () {
	timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf %s "$1" >&3 && cat <&3' "$1" "$2"
}

# write_zoo_cfg NAME [LINE...]: a configuration on a free port; LINEs are added.
write_zoo_cfg () {
	cfg_name=$1
	shift
	free_port &&
	mkdir -p "$cfg_name/data" &&
	echo "$ret_port" >"$cfg_name/port" &&
	cat >"$cfg_name/zoo.cfg" <<-END
		# short ticks: sessions of 1 to 10 seconds
		tickTime=500
		initLimit=10
		syncLimit=5
		dataDir=$TEST_WORK/$cfg_name/data
		clientPort=$ret_port
		maxClientCnxns=0
		admin.enableServer=false
		4lw.commands.whitelist=*
	END
	test $# = 0 || printf '%s\n' "$@" >>"$cfg_name/zoo.cfg"
}

# silence PID: it goes on when it gets CONT. kill(1) alone returns while a process of several threads
# still runs: one of them has to be scheduled to stop the others.
silence () {
	kill -s STOP "$1" &&
	wait_for 10 "! grep -hs '^State:' /proc/$1/task/*/status | grep -qv '	T'"
}

# launch NAME COMMAND...: in the background, its output in NAME/log, its pid in NAME/pid.
launch () {
	launch_name=$1
	shift
	"$@" >>"$launch_name/log" 2>&1 &
	echo $! >"$launch_name/pid"
}

# start_zkfsd [NAME [LINE...]], start_apache [NAME [LINE...]]: starts that server, again where it
# was before if NAME is there already, waits until it serves, and sets server_addr.
start_zkfsd () {
	prepare_server "$@" &&
	launch "$server_name" "$builddir/zkfsd" -f "$server_name/zoo.cfg" &&
	wait_until_it_serves
}

start_apache () {
	prepare_server "$@" &&
	launch_apache "$server_name" &&
	wait_until_it_serves
}

# launch_apache NAME: starts it, and does not wait for it.
launch_apache () {
	launch "$1" java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
		-Djava.awt.headless=true -cp /usr/share/java/zookeeper.jar \
		org.apache.zookeeper.server.quorum.QuorumPeerMain "$1/zoo.cfg"
}

prepare_server () {
	server_name=${1:-server}
	test $# = 0 || shift
	test -e "$server_name/zoo.cfg" || write_zoo_cfg "$server_name" "$@"
}

wait_until_it_serves () {
	server_port=$(cat "$server_name/port") &&
	server_pid=$(cat "$server_name/pid") &&
	server_addr=127.0.0.1:$server_port &&
	if ! wait_for 30 "! alive $server_pid || four_letter $server_port srvr | grep Mode:" ||
		! alive "$server_pid"
	then
		tail -n 50 "$server_name/log" >&2
		return 1
	fi
}

# ---------------------------------------------------------------- ensembles

# write_ensemble NAME... [-- LINE...]: configurations of servers 1, 2, ... that know each other; LINEs
# are added to each. Who is in $observers ("4 5") observes; with $client_parts the server lines name
# the client ports, too. The server lines are in servers.cfg, the ports of a server in
# NAME/quorum_port and NAME/election_port.
write_ensemble () {
	ensemble_names=
	while test $# -gt 0 && test "$1" != --
	do
		ensemble_names="$ensemble_names $1"
		shift
	done
	test $# = 0 || shift
	ensemble_id=0
	: >servers.cfg
	for ensemble_name in $ensemble_names
	do
		ensemble_id=$((ensemble_id + 1))
		write_zoo_cfg "$ensemble_name" "$@" &&
		echo "$ensemble_id" >"$ensemble_name/data/myid" &&
		free_port && echo "$ret_port" >"$ensemble_name/quorum_port" &&
		free_port && echo "$ret_port" >"$ensemble_name/election_port" &&
		server_line "$ensemble_id" "$ensemble_name" >>servers.cfg || return 1
	done
	ensemble_id=0
	for ensemble_name in $ensemble_names
	do
		ensemble_id=$((ensemble_id + 1))
		cat servers.cfg >>"$ensemble_name/zoo.cfg" || return 1
		! observes "$ensemble_id" || echo peerType=observer >>"$ensemble_name/zoo.cfg"
	done
}

# server_line ID NAME: what the configurations say of it.
server_line () {
	line_role=participant
	! observes "$1" || line_role=observer
	line_client="127.0.0.1:$(cat "$2/port")"
	echo "server.$1=127.0.0.1:$(cat "$2/quorum_port"):$(cat "$2/election_port"):$line_role${client_parts:+;$line_client}"
}

# observes ID: it is in $observers.
observes () {
	case " ${observers-} " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

# launch_zkfsd NAME...: starts those servers, and does not wait for them.
launch_zkfsd () {
	for launch_each in "$@"
	do
		launch "$launch_each" "$builddir/zkfsd" -f "$launch_each/zoo.cfg" || return 1
	done
}

# answers NAME WORD TEXT: that server's answer to a four-letter word has it.
answers () {
	four_letter "$(cat "$1/port")" "$2" | grep -q -e "$3"
}

# mode_of NAME: leader, follower, observer, standalone; nothing while it serves nobody.
mode_of () {
	four_letter "$(cat "$1/port")" srvr | sed -n 's/^Mode: //p'
}

# wait_for_modes NAME...: until all of these serve, one as the leader; sets leader to its name and
# followers to the others'.
wait_for_modes () {
	wait_for 60 "modes_are_good $*" || { four_letters srvr "$@" >&2; return 1; }
}

modes_are_good () {
	leader=
	followers=
	for mode_name in "$@"
	do
		case $(mode_of "$mode_name") in
		leader) test -z "$leader" && leader=$mode_name || return 1 ;;
		follower) followers="$followers $mode_name" ;;
		observer) ;;
		*) return 1 ;;
		esac
	done
	test -n "$leader"
}

# four_letters WORD NAME...: what each of them answers.
four_letters () {
	word=$1
	shift
	for each in "$@"
	do
		echo "--- $each"
		four_letter "$(cat "$each/port")" "$word" || :
	done
}

# zk_at NAME COMMAND...: zk, with that server.
zk_at () {
	server_addr=127.0.0.1:$(cat "$1/port") &&
	shift &&
	zk "$@"
}

# start_server [NAME [LINE...]]: the kind that this run of the file is for.
start_server () {
	"start_$TEST_SERVER" "$@"
}

# stop_server [NAME] [SIGNAL]: ends it and waits for its end.
stop_server () {
	stop_pid=$(cat "${1:-server}/pid") &&
	kill -s "${2:-TERM}" "$stop_pid" &&
	wait_for 20 "! alive $stop_pid" &&
	rm "${1:-server}/pid"
}

stop_zkfsd () { stop_server "$@"; }
stop_apache () { stop_server "$@"; }

# ---------------------------------------------------------------- mounts

# mount_zkfs NAME [OPT[,OPT...] [SOURCE]]: mounts the server, or SOURCE, at NAME. In the foreground,
# so that what zkfs has to say is in NAME.log and not in the system's.
mount_zkfs () {
	is_mounted "$1" || mkdir -p "$1" || return 1
	TEST_MOUNT=$TEST_WORK/$1 "$builddir/zkfs" -f ${2:+-o "$2"} "${3:-$server_addr}" \
		"$TEST_WORK/$1" >>"$1.log" 2>&1 &
	if ! wait_for 60 "! alive $! || { is_mounted $1 && test -e $1/.zkfs/status; }" || ! alive $!
	then
		tail -n 20 "$1.log" >&2
		return 1
	fi
}

# mount_in_background NAME [OPT[,OPT...] [SOURCE]]: as it is done outside of tests.
mount_in_background () {
	is_mounted "$1" || mkdir -p "$1" || return 1
	TEST_MOUNT=$TEST_WORK/$1 timeout 60 \
		"$builddir/zkfs" ${2:+-o "$2"} "${3:-$server_addr}" "$TEST_WORK/$1"
}

# mount_for_now NAME [OPT[,OPT...] [SOURCE]]: so, and for this body alone.
mount_for_now () {
	test_when_finished "! is_mounted $1 || umount_zkfs $1" &&
	mount_in_background "$@"
}

# refused STATUS WORD COMMAND...: it exits with STATUS (any: but 0), and says why in one line that
# has WORD.
refused () {
	refused_status=$1
	refused_word=$2
	shift 2
	refused_actual=0
	timeout 60 "$@" 2>"$TEST_STATE/stderr" || refused_actual=$?
	cat "$TEST_STATE/stderr" >&2
	case $refused_status in
	any) test "$refused_actual" != 0 && test "$refused_actual" -le 125 ;;
	*) test_equal "$refused_status" "$refused_actual" ;;
	esac &&
	test_equal 1 "$(wc -l <"$TEST_STATE/stderr")" &&
	test_grep "$refused_word" "$TEST_STATE/stderr"
}

# umount_zkfs NAME: and waits until all that the mount was made of has ended.
umount_zkfs () {
	unmount "$1" &&
	wait_for 10 "test -z \"\$(mount_pids $1)\""
}

unmount () {
	if test "$(id -u)" = 0
	then
		umount "$1"
	else
		fusermount3 -u "$1"
	fi
}

# is_mounted NAME: asks the kernel's table, not the mount, which may be dead.
is_mounted () {
	cut -d ' ' -f 5 /proc/self/mountinfo | grep -qxF "$TEST_WORK/$1"
}

# mount_pids NAME: all processes that mounting NAME has started and that are left.
mount_pids () {
	grep -lzsx "TEST_MOUNT=$TEST_WORK/$1" /proc/[0-9]*/environ | cut -d / -f 3
}

# mount_pid NAME: zkfs itself, the one that has /dev/fuse open.
mount_pid () {
	for pid in $(mount_pids "$1")
	do
		case $(readlink /proc/"$pid"/fd/*) in
		*/dev/fuse*) echo "$pid" ;;
		esac
	done
}

# status_of NAME KEY: that value in NAME/.zkfs/status.
status_of () {
	sed -n "s/^$2 //p" "$1/.zkfs/status"
}

# ---------------------------------------------------------------- the other client

# zk COMMAND...: a ZooKeeper client that knows nothing of zkfs; see t/zk.py.
zk () {
	timeout 60 "$PYTHON" "$srcdir/t/zk.py" "$server_addr" "$@"
}

# start_proxy NAME: a way to the server that can be cut (stop_proxy) or silenced (silence);
# its address is in NAME/addr, its pid in NAME/pid. Started again, it has the same address.
start_proxy () {
	mkdir -p "$1" &&
	{ test -e "$1/port" || { free_port && echo "$ret_port" >"$1/port"; }; } &&
	proxy_port=$(cat "$1/port") &&
	echo "127.0.0.1:$proxy_port" >"$1/addr" &&
	launch "$1" "$PYTHON" "$srcdir/t/proxy.py" "$proxy_port" "$server_port" &&
	wait_for 10 "four_letter $proxy_port srvr | grep Mode:"
}

stop_proxy () {
	stop_server "$1" KILL
}

# watch FILE [INOTIFYWAIT-ARGUMENT...]: inotifywait -m; FILE gets a line an event, EVENTS PATH.
# Returns once it watches; watcher is its pid. It ends with the body at the latest.
watch () {
	watch_out=$1
	shift
	rm -f "$watch_out.err"
	inotifywait -m --format '%e %w%f' "$@" >"$watch_out" 2>"$watch_out.err" &
	watcher=$!
	test_when_finished "kill $watcher 2>/dev/null || :"
	wait_for 10 "grep established $watch_out.err"
}

unwatch () {
	kill "$watcher"
}

# after_a_marker FILE DIR: what was raised in DIR before, FILE has by now, and FILE.before has it
# alone. In a mount the marker is another client's, and comes behind all that waits to be raised.
after_a_marker () {
	marker=marker-$(now_ms) &&
	marker_znode=/${2#*/}/$marker &&
	if is_mounted "${2%%/*}"
	then
		zk create "$marker_znode" ''
	else
		: >"$2/$marker"
	fi &&
	wait_for 10 "grep -q 'CREATE $2/$marker' $1" &&
	if is_mounted "${2%%/*}"
	then
		zk delete "$marker_znode"
	else
		rm "$2/$marker"
	fi &&
	wait_for 10 "grep -q 'DELETE $2/$marker' $1" &&
	sed "/$marker/d" "$1" >"$1.before"
}
