#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vm-selftest.sh [debug]: tests of tools/vm itself, on the host: a test suite is worth what its
# runner notices. With debug: what it notices on the debug kernel alone.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
bad=0

# vm WANTED-STATUS WHAT OPTIONS... -- COMMAND...
vm() {
	local want=$1 what=$2 got
	shift 2
	tools/vm "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	count=$((count + 1))
	if [ $got = "$want" ]; then
		echo "ok $count - vm: $what: status $want"
	else
		echo "not ok $count - vm: $what: status $got, not $want"
		tail -n 5 "$work/err" | sed 's/^/# /'
		bad=1
	fi
}

says() {
	count=$((count + 1))
	if grep -qa "$1" "$work/$2"; then
		echo "ok $count - vm: $3"
	else
		echo "not ok $count - vm: $3"
		bad=1
	fi
}

echo "KTAP version 1"
if [ "${1:-}" = debug ]; then
	vm 97 "a leak of a module that is gone" --kernel debug --no-module -- \
		sh -c 'insmod build/debug/complain/leak.ko && rmmod leak'
	says 'kmemleak found' err "it shows the leak"
	says 'comm "insmod"' err "it says whose it was"
	echo "1..$count"
	exit $bad
fi
vm 0 "a command that succeeds, with 20,000 lines of output" --no-module -- seq 20000
count=$((count + 1))
if [ "$(tr -d '\r' <"$work/out" | sha256sum)" = "$(seq 20000 | sha256sum)" ]; then
	echo "ok $count - vm: every line of it arrives"
else
	echo "not ok $count - vm: every line of it arrives"
	bad=1
fi
vm 3 "a command that fails" --no-module -- sh -c 'exit 3'
vm 124 "a command without an end" --timeout 10 --no-module -- sleep 1000
says 'no end after 10 s' err "it says that the time is up"
vm 97 "a crash" --no-module -- sh -c 'echo c >/proc/sysrq-trigger; sleep 100'
says 'sysrq' err "it shows the kernel's last words"
vm 97 "a warning, though the command succeeds" --no-module -- insmod build/complain/complain.ko
says 'WARNING: ' err "it shows the warning"
for line in "BUG: KASAN: slab-use-after-free in f" "WARNING: possible circular locking dependency detected"; do
	vm 97 "what KASAN and lockdep say: $line" --no-module -- sh -c "echo '$line' >/dev/kmsg"
done
echo "1..$count"
exit $bad
