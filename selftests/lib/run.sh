#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [NAME]: the suite, inside the VM: the scenarios of selftests/net, and the socket programs on
# either stack. KTAP; each test has a time limit.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# The system's Python goes before one that is a script itself (pyenv), whose start takes seconds here.
export PATH=$top/build/prog:$top/build/samples:$top/tools:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
only=${1:-}
debug=0
grep -q debug /proc/version && debug=1
export RUSTTCP_DEBUG=$debug
limit=600
[ $debug = 1 ] && limit=1800
# make test runs part of the suite on the debug kernel, make test-debug all of it.
part=${RUSTTCP_PART:-}
# So many at a time. Each has namespaces of its own, and much of what they do is to wait.
lanes=${RUSTTCP_LANES:-2}
[ $debug = 0 ] || lanes=${RUSTTCP_LANES:-1}
# By themselves: what changes or counts what all namespaces share (the module, the hooks of security
# modules, the number of files and of orphans, the slabs), and what compares speeds or moments that two
# CPUs have to be free for.
alone='^(autoload|caps|lsm|memory|unload|held_acks|mtu_probe|offload|rightsize|sk_(errno|limits|nomem|optfx|ready|storm))( |$)'

run() {
	local name=$1 status start=$SECONDS since log pid
	shift
	log=$(mktemp)
	read -r since _ </proc/uptime
	[ "$lanes" != 1 ] || echo "# === $name"
	# Not through a pipe, which whoever the test left behind would keep open.
	timeout -k 5 "$limit" "$@" >"$log" 2>&1 &
	pid=$!
	[ "$lanes" != 1 ] || tail -n +1 -f -s 0.1 --pid=$pid "$log"
	wait $pid
	status=$?
	{
		# All of it at once, or it would be mixed with that of others.
		flock 8
		[ "$lanes" = 1 ] || { echo "# === $name"; cat "$log"; }
		if [ "$status" = 124 ] || [ "$status" = 137 ]; then
			echo "not ok 0 - $name: no end after $limit s"
		elif [ "$status" != 0 ] && ! grep -q '^not ok' "$log"; then
			echo "not ok 0 - $name: exit status $status"
		fi
		echo "# $name: $((SECONDS - start)) s, from second ${since%.*} of the kernel's log on"
	} 8>"$lock"
	rm -f "$log"
	return "$status"
}

names=() commands=()
# add NAME COMMAND: a part of the suite, if it is wanted.
add() {
	[ -z "$only" ] || [[ $1 == *"$only"* ]] || return 0
	[ -z "$part" ] || [[ $1 =~ $part ]] || return 0
	names+=("$1")
	commands+=("$2")
}
# What removes the module comes first: others leave connections to peers that never answer (wire, mtu_probe),
# which keep it for minutes. The scenarios are the longer ones: what remains in the end is short.
for script in selftests/net/{autoload,unload}.sh selftests/net/*.sh; do
	[[ ! " ${names[*]} " == *" $(basename "$script" .sh) "* ]] || continue
	add "$(basename "$script" .sh)" "bash $script"
done
for program in build/prog/sk_*; do
	# The control: what the kernel's TCP does is what is expected.
	for family in inet inet6 rusttcp rusttcp6; do
		# The debug kernel alone can be short of memory at will, and there the control is wanted too.
		if [[ $program == */sk_nomem ]]; then
			[ $debug = 1 ] || continue
		else
			[ $debug = 1 ] && [[ $family == inet* ]] && continue
		fi
		add "$(basename "$program") $family" "env RUSTTCP_FAMILY=$family $program"
	done
done

lock=$(mktemp)
bad=0 running=0
width=$lanes lanes=1
for i in "${!names[@]}"; do
	[[ ${names[i]} =~ $alone ]] || continue
	# shellcheck disable=SC2086
	run "${names[i]}" ${commands[i]} || bad=1
done
lanes=$width
for i in "${!names[@]}"; do
	[[ ! ${names[i]} =~ $alone ]] || continue
	if [ $running = "$lanes" ]; then
		wait -n || bad=1
		running=$((running - 1))
	fi
	# shellcheck disable=SC2086
	run "${names[i]}" ${commands[i]} &
	running=$((running + 1))
done
for ((; running > 0; running--)); do
	wait -n || bad=1
done
rm -f "$lock"
echo "# suite finished"
exit $bad
