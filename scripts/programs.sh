#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# programs.sh programs|upstream: the packages that `make programs` or `make upstream` runs, when they
# are first wanted, and what is built for them: build/programs, build/upstream.
set -eu
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$RUSTTCP_TOP"

# install COMMANDS PACKAGES: where one of the commands is missing.
install() {
	local command missing=
	for command in $1; do
		command -v "$command" >/dev/null || [ -e "$command" ] || missing=1
	done
	[ -n "$missing" ] || return 0
	[ "$(id -u)" = 0 ] || die "packages are missing: run as root, or install $2"
	# Their services must not start.
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod +x /usr/sbin/policy-rc.d
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	export DEBIAN_FRONTEND=noninteractive
	step 10 "package lists" apt-get update
	# shellcheck disable=SC2086
	step 90 "$3" apt-get install -y --no-install-recommends $2
}

case ${1:-} in
programs)
	PATH=$PATH:/usr/sbin:/sbin
	install "nginx curl iperf3 socat redis-server redis-benchmark redis-cli pgbench sshd ssh scp node" \
		"$PACKAGES_PROGRAMS" "programs to be tested"
	mkdir -p build/programs
	CARGO_TARGET_DIR=$CARGO_TARGET_DIR/tokio-echo \
		cargo build --release --locked -q --manifest-path selftests/programs/tokio/Cargo.toml
	cp "$CARGO_TARGET_DIR/tokio-echo/release/tokio-echo" build/programs/
	;;
upstream)
	# The suite of the very Python that the distribution has.
	python=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	install "/usr/lib/python$python/test/test_socket.py /usr/include/numa.h /usr/include/sys/capability.h ping killall" \
		"$PACKAGES_UPSTREAM libpython$python-testsuite" "test suites of others"
	selftests/upstream/build.sh
	;;
*)
	die "programs.sh programs|upstream"
	;;
esac
