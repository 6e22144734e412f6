# shellcheck shell=sh
# What quickstart and test share: saying what is done, stopping with a sentence,
# and Debian packages.

# To build, and to mount what was built.
BUILD_PACKAGES="gcc libc6-dev make autoconf automake pkgconf libfuse3-dev fuse3 libuv1-dev
	libsqlite3-dev libdeflate-dev libssl-dev"
# To build and run the tests: other compilers and checkers, the servers and clients of
# Apache ZooKeeper that we test against, and the tools that must work on a mount.
# shellcheck disable=SC2034 # scripts/test reads it
TEST_PACKAGES="$BUILD_PACKAGES clang clang-format shellcheck mandoc libcmocka-dev
	zookeeper zookeeper-bin libzookeeper-mt-dev default-jre-headless python3 python3-kazoo
	inotify-tools attr rsync strace vim-tiny sqlite3 xz-utils procps iproute2"

say () {
	printf '==> %s\n' "$*"
}

die () {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

as_root () {
	if test "$(id -u)" = 0
	then
		"$@"
	elif command -v sudo >/dev/null
	then
		sudo "$@"
	else
		die "'$*' needs root, and there is no sudo"
	fi
}

# missing_packages PACKAGE...: those that are not installed.
missing_packages () {
	for package
	do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null |
			grep -qx installed || echo "$package"
	done
}

# install_packages PACKAGE...: installs what is missing; tries a second time, for networks fail.
install_packages () {
	command -v dpkg-query >/dev/null ||
		die "this is not Debian: install the counterparts of these packages yourself: $*"
	# shellcheck disable=SC2046 # one word a package
	set -- $(missing_packages "$@")
	test $# -gt 0 || return 0
	say "installing $*"
	apt_install "$@" || { say "that failed; once more"; apt_install "$@"; } ||
		die "apt-get could not install: $(missing_packages "$@" | tr '\n' ' ')"
}

apt_install () {
	as_root apt-get -q update &&
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install "$@"
}

# make_configure: the configure script, in the source tree.
make_configure () {
	test -x configure -a configure -nt configure.ac || autoreconf -fi
}
