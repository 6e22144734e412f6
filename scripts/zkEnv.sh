# shellcheck shell=sh
# zkEnv.sh: what the zk*.sh scripts share; they read it from where they are.

# find_config NAME: sets config. A NAME without a directory is looked for in $ZOOCFGDIR, else in
# ./conf, else in /etc/zkfs.
find_config () {
	if test -n "${ZOOCFGDIR-}"
	then
		dir=$ZOOCFGDIR
	elif test -e "./conf/$1"
	then
		dir=./conf
	else
		dir=/etc/zkfs
	fi
	case $1 in
	*/*) config=$1 ;;
	*) config=$dir/$1 ;;
	esac
	# The server changes its directory.
	case $config in
	/*) ;;
	*) config=$PWD/$config ;;
	esac
}

# value_of KEY: what the configuration says; the last one counts.
value_of () {
	sed -n "s/^[[:blank:]]*$1[[:blank:]]*[=:[:blank:]][[:blank:]]*//p" "$config" |
		sed -n '$s/[[:blank:]]*$//p'
}
