#!/bin/sh
# zkServer-initialize.sh: makes the directories of a server of a new ensemble, as Apache's script of
# that name does, for zkfsd.
#
#	zkServer-initialize.sh [--configfile FILE] [--myid N] [--force]
#
# It makes dataDir and dataLogDir, writes N to dataDir/myid (or removes a myid that was there), and
# makes the empty file dataDir/initialize, by which zkfsd knows that its having no data is how the
# ensemble begins, and votes at once.
#
# Directories that hold a server's data are refused; with --force the data of zkfsd is removed. What
# Apache's server has there (version-2) is never touched.

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/zkEnv.sh
. "$here/zkEnv.sh"

usage () {
	cat <<-END
		usage: $0 <parameters>
		  Optional parameters:
		     -h, --help             Display this message
		     --configfile=FILE      ZooKeeper config file
		     --myid=N               Set the myid to be used, if any
		     --force                Remove the data that is there, and begin anew
	END
}

die () {
	echo "$1" >&2
	exit 1
}

configfile=
myid=
force=
while test $# -gt 0
do
	case $1 in
	--configfile | --myid)
		test $# -ge 2 || die "$1 needs a value"
		;;
	esac
	case $1 in
	--configfile)
		configfile=$2
		shift
		;;
	--configfile=?*) configfile=${1#*=} ;;
	--myid)
		myid=$2
		shift
		;;
	--myid=?*) myid=${1#*=} ;;
	--force) force=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		echo "Unknown option: $1" >&2
		usage >&2
		exit 1
		;;
	esac
	shift
done

case $myid in
*[!0-9]*) die "--myid=$myid: it is a number, the N of this server's line server.N" ;;
esac
case $configfile in
'') find_config "${ZOOCFG:-zoo.cfg}" ;;
*) config=$configfile ;;
esac
test -r "$config" || die "Unable to find config file at $config"
data=$(value_of dataDir)
log=$(value_of dataLogDir)
test -n "$data" || die "Unable to determine dataDir from $config"

# with_databases DIR COMMAND...: runs it with each directory of DIR in which a zkfsd has databases
# (zkfs-1), until it fails.
with_databases () {
	within=$1
	shift
	for found in "$within"/zkfs-*
	do
		case ${found##*/zkfs-} in
		*[!0-9]*) ;;
		*) test ! -d "$found" || "$@" "$found" || return 1 ;;
		esac
	done
}

# refuse_data DIR WHAT: not where a server has its data, be it Apache's.
refuse_data () {
	if test -d "$1/version-2" || ! with_databases "$1" false
	then
		die "ZooKeeper $2 directory already exists at $1 (or use --force to force re-initialization)"
	fi
}

# refuse_running DATABASES: a zkfsd keeps them locked while it runs.
refuse_running () {
	flock -n "$1" true || die "a zkfsd is running with $1; stop it first"
}

# The marker goes first and comes last: whatever ends this in between, no server votes by it.
initialize () {
	rm -f "$data/initialize" "$data/myid" &&
		with_databases "$data" rm -rf &&
		mkdir -p "$data" || return 1
	if test -n "$log"
	then
		with_databases "$log" rm -rf &&
			mkdir -p "$log" || return 1
	fi
	if test -n "$myid"
	then
		echo "Using myid of $myid"
		echo "$myid" >"$data/myid" || return 1
	else
		echo "No myid provided, be sure to specify it in $data/myid if using non-standalone"
	fi
	: >"$data/initialize"
}

if test -n "$force"
then
	echo "Force enabled, data/txnlog directories will be re-initialized"
else
	refuse_data "$data" data
	test -z "$log" || refuse_data "$log" txnlog
fi
with_databases "$data" refuse_running
test -z "$log" || with_databases "$log" refuse_running
initialize || die "$data could not be initialized"
