#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test.sh all|host|tools|vm|debug [NAME]: runs tests and ends with "N passed, N failed".
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"

what=${1:-all}
only=${2:-}
passed=0 failed=0
cd "$RUSTTCP_TOP" || exit 1

# count LOG: adds a KTAP stream's results.
count() {
	local ok bad
	ok=$(grep -cE '^[[:space:]]*ok [0-9]+' "$1")
	bad=$(grep -cE '^[[:space:]]*not ok [0-9]+' "$1")
	passed=$((passed + ok))
	failed=$((failed + bad))
}

one() {
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
		echo "ok - $1"
	else
		failed=$((failed + 1))
		echo "not ok - $1"
	fi
}

run_host() {
	local log status ok bad
	log=$(mktemp)
	echo "# host tests (about 20 s; a minute or two when they have to be built)"
	{ cargo test --manifest-path selftests/host/Cargo.toml --locked 2>&1 &&
		cargo test --manifest-path selftests/loom/Cargo.toml --locked 2>&1; } | tee "$log" |
		grep --line-buffered -vE '^warning|^$|^ *[|=]|-->'
	status=${PIPESTATUS[0]}
	ok=$(awk '/^test result/ { n += $4 } END { print n + 0 }' "$log")
	bad=$(awk '/^test result/ { n += $6 } END { print n + 0 }' "$log")
	passed=$((passed + ok))
	failed=$((failed + bad))
	if [ "$ok" = 0 ] || { [ "$status" != 0 ] && [ "$bad" = 0 ]; }; then
		one "the host tests build and run" 1
	fi
	scripts/compliance.py --check "$log"
	one "Documentation/compliance.rst is up to date" $?
	rm -f "$log"
}

# run_script WHAT COMMAND...: a KTAP script on this machine.
run_script() {
	local what=$1 log status
	shift
	log=$(mktemp)
	"$@" 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	count "$log"
	grep -q '^1\.\.' "$log" && { [ "$status" = 0 ] || grep -q '^not ok' "$log"; }
	one "$what: ran to its end" $?
	rm -f "$log"
}

# run_vm KERNEL TIMEOUT [PART]: the guest's suite, or what matches PART, in one boot.
run_vm() {
	local log status out=build
	[ "$1" = test ] || out=build/$1
	scripts/module.sh "$1" modules_install INSTALL_MOD_PATH="$PWD/$out/install" >/dev/null 2>&1
	one "$1 kernel: make install" $?
	make -s install-progs DESTDIR="$PWD/$out/install" >/dev/null
	one "$1 kernel: make install-progs" $?
	log=$(mktemp)
	tools/vm --kernel "$1" --timeout "$2" -- env RUSTTCP_PART="${3:-}" RUSTTCP_LONG="${RUSTTCP_LONG:-}" \
		selftests/lib/run.sh "$only" 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	count "$log"
	grep -q '^# suite finished' "$log"
	one "$1 kernel: the suite ran to its end" $?
	if [ -z "$only${3:-}" ]; then
		scripts/compliance.py --vm "$log"
		one "$1 kernel: what Documentation/compliance.rst says is tested in the VM was" $?
	fi
	[ "$status" != 97 ]
	one "$1 kernel: nothing in its log" $?
	rm -f "$log"
}

start=$SECONDS
case $what in all | host)
	run_host
	echo "# host tests: $((SECONDS - start)) s"
	;;
esac
case $what in all | tools)
	start=$SECONDS
	scripts/check_layers.sh
	one "layers" $?
	run_script "layers can fail" selftests/lib/layers-selftest.sh
	run_script "make differ can fail" selftests/wire/differ_reasons.py
	scripts/options.py "$LINUX_SRC/include/uapi"
	one "sk_opt asks for every option of the kernel's headers" $?
	scripts/errnos.py --check
	one "Documentation/errnos.rst has every errno of the man pages" $?
	echo "# layers: $((SECONDS - start)) s"
	start=$SECONDS
	run_script "tools/vm" selftests/lib/vm-selftest.sh
	echo "# tools/vm itself: $((SECONDS - start)) s"
	;;
esac
case $what in all | vm)
	start=$SECONDS
	run_vm test 2700
	echo "# test kernel: $((SECONDS - start)) s"
	;;
esac
# The longer part of the debug run is left to make test-debug.
case $what in all)
	start=$SECONDS
	run_vm debug 2000 '^(sk_(api|close|io|poll|zerocopy) rusttcp$|sk_nomem|unload)'
	echo "# debug kernel, part: $((SECONDS - start)) s"
	;;
debug)
	start=$SECONDS
	run_script "tools/vm on the debug kernel" selftests/lib/vm-selftest.sh debug
	run_vm debug 5400
	echo "# debug kernel: $((SECONDS - start)) s"
	;;
esac
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
