#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [NAME]: the suite, inside the VM: the socket programs on either stack, then the
# scenarios of selftests/net. KTAP; each test has a time limit.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
export PATH=$top/build/prog:$top/build/samples:$top/tools:$PATH
only=${1:-}
bad=0
debug=0
grep -q debug /proc/version && debug=1
export RUSTTCP_DEBUG=$debug
limit=300
[ $debug = 1 ] && limit=1800
# make test runs part of the suite on the debug kernel, make test-debug all of it.
part=${RUSTTCP_PART:-}

run() {
	local name=$1 status start=$SECONDS log pid
	shift
	[ -z "$only" ] || [[ $name == *"$only"* ]] || return 0
	[ -z "$part" ] || [[ $name =~ $part ]] || return 0
	log=$(mktemp)
	echo "# === $name"
	# Not through a pipe, which whoever the test left behind would keep open.
	timeout -k 5 "$limit" "$@" >"$log" 2>&1 &
	pid=$!
	tail -n +1 -f -s 0.1 --pid=$pid "$log"
	wait $pid
	status=$?
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		echo "not ok 0 - $name: no end after $limit s"
	elif [ "$status" != 0 ] && ! grep -q '^not ok' "$log"; then
		echo "not ok 0 - $name: exit status $status"
	fi
	rm -f "$log"
	[ "$status" = 0 ] || bad=1
	echo "# $name: $((SECONDS - start)) s"
}

for program in build/prog/sk_*; do
	name=$(basename "$program")
	# The control: what the kernel's TCP does is what is expected.
	for family in inet inet6 rusttcp rusttcp6; do
		[ $debug = 1 ] && [[ $family == inet* ]] && continue
		# What a signal does to a call is the same over both for the kernel's, and takes long.
		[ "$name $family" = "sk_restart inet6" ] && continue
		run "$name $family" env RUSTTCP_FAMILY=$family "$program"
	done
done
for script in selftests/net/*.sh; do
	run "$(basename "$script" .sh)" bash "$script"
done
echo "# suite finished"
exit $bad
