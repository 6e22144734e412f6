#!/bin/sh
# zkServer.sh: starts and stops a ZooKeeper server, as Apache's script of that name does, with zkfsd
# as the server.
#
#	zkServer.sh [--config DIR] {start|start-foreground|stop|restart|status|version|print-cmd} [zoo.cfg]
#
# A configuration without a directory in its name (zoo.cfg, or $ZOOCFG, if none is named) is looked
# for in DIR or $ZOOCFGDIR, else in ./conf, else in /etc/zkfs. $SERVER_JVMFLAGS with -D options
# goes to the server. The process id is in $ZOOPIDFILE, or dataDir/zookeeper_server.pid.

if test "${1-}" = --config
then
	ZOOCFGDIR=${2-}
	shift
	test $# = 0 || shift
fi

usage () {
	echo "Usage: $0 [--config <conf-dir>] {start|start-foreground|stop|restart|status|version|print-cmd} [zoo.cfg]" >&2
	exit 1
}

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/zkEnv.sh
. "$here/zkEnv.sh"

# The server beside this script, or where programs are.
if test -z "${ZKFSD-}"
then
	ZKFSD=$here/zkfsd
	test -x "$ZKFSD" || ZKFSD=zkfsd
fi

find_pid_file () {
	pid_file=${ZOOPIDFILE-}
	test -z "$pid_file" || return 0
	test -r "$config" || { echo "$config: can't be read" >&2; exit 1; }
	data=$(value_of dataDir)
	pid_file=${data:-.}/zookeeper_server.pid
}

# The pid in the file, if it is a process's.
running_pid () {
	test -s "$pid_file" && pid=$(cat "$pid_file") && kill -0 "$pid" 2>/dev/null
}

start () {
	printf 'Starting zookeeper ... '
	if running_pid
	then
		echo "already running as process $pid."
		exit 1
	fi
	if "$ZKFSD" --pid-file "$pid_file" "$config"
	then
		echo STARTED
	else
		status=$?
		echo "FAILED TO START"
		exit "$status"
	fi
}

# Until it has ended: what it was asked to write is on disk then.
stop () {
	printf 'Stopping zookeeper ... '
	if test ! -e "$pid_file"
	then
		echo "no zookeeper to stop (could not find file $pid_file)"
		return
	fi
	if running_pid
	then
		kill "$pid"
		waited=0
		while kill -0 "$pid" 2>/dev/null && test "$waited" -lt 600
		do
			sleep 0.1
			waited=$((waited + 1))
		done
		if kill -0 "$pid" 2>/dev/null
		then
			echo "process $pid does not end"
			exit 1
		fi
	fi
	rm -f "$pid_file"
	echo STOPPED
}

case $# in
1 | 2) ;;
*) usage ;;
esac
find_config "${2:-${ZOOCFG:-zoo.cfg}}"

case $1 in
version)
	exec "$ZKFSD" --version
	;;
start | start-foreground | stop | restart | status | print-cmd) ;;
*)
	usage
	;;
esac

echo "ZooKeeper JMX enabled by default" >&2
echo "Using config: $config" >&2

case $1 in
start)
	find_pid_file
	start
	;;
start-foreground)
	exec "$ZKFSD" -f "$config"
	;;
stop)
	find_pid_file
	stop
	;;
restart)
	find_pid_file
	stop
	start
	;;
status)
	exec "$ZKFSD" --status "$config"
	;;
print-cmd)
	echo "\"$ZKFSD\" \"$config\""
	;;
esac
