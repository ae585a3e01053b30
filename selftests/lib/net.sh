# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What scenarios share: namespaces joined by veth, waiting, KTAP.
ktap_count=0
ktap_bad=0
echo "KTAP version 1"

ktap() {
	ktap_count=$((ktap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $ktap_count - $2"
	else
		echo "not ok $ktap_count - $2"
		ktap_bad=1
	fi
}

# ktap_of PREFIX COMMAND...: a test for each line "STATUS what" of the command's, and one for its own status.
ktap_of() {
	local prefix=$1 status what

	shift
	while read -r status what; do
		ktap "$status" "$prefix$what"
	done < <("$@"; echo "$? ran to its end")
}

ktap_end() {
	echo "1..$ktap_count"
	exit $ktap_bad
}

# A process in each namespace: its /proc/PID/net is read without entering the namespace, which on
# a kernel with KASAN costs a second.
declare -A ns_pid

ns_hold() {
	ip netns exec "$1" sleep infinity &
	ns_pid[$1]=$!
	disown
	wait_for 10 ns_entered "$1"
}

ns_entered() {
	[ "$(readlink "/proc/${ns_pid[$1]}/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# ns_file NS NAME: where to read NAME of the namespace's /proc/net.
ns_file() {
	echo "/proc/${ns_pid[$1]}/net/$2"
}

# counter NS FILE NAME [GROUP]: the value of a counter in the namespace's /proc/net/FILE (of its lines
# that begin with GROUP:).
counter() {
	# shellcheck disable=SC2016
	awk -v name="$3" -v group="${4:-}" '
		group != "" && $1 != group ":" { next }
		{ if (++row % 2) split($0, keys); else { split($0, values)
			for (i in keys) if (keys[i] == name) print values[i] } }' "$(ns_file "$1" "$2")"
}

# ip_batch NS COMMAND...: ip's commands in a namespace (or none), by one process: each start takes its time.
ip_batch() {
	local ns=$1
	shift
	printf '%s\n' "$@" | ip ${ns:+-n "$ns"} -batch -
}

# ns_link NS1 DEV1 NS2 DEV2 N: a cable, whose ends are 10.N.0.1 (fd0N::1) and 10.N.0.2 (fd0N::2).
ns_link() {
	ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
	ip_batch "$1" "addr add 10.$5.0.1/24 dev $2" "addr add fd0$5::1/64 dev $2 nodad" "link set lo up" "link set dev $2 up"
	ip_batch "$3" "addr add 10.$5.0.2/24 dev $4" "addr add fd0$5::2/64 dev $4 nodad" "link set lo up" "link set dev $4 up"
}

# ns_pair: namespaces $A (10.0.0.1, fd00::1) and $B (10.0.0.2, fd00::2), joined by va and vb.
ns_pair() {
	A=a$$ B=b$$
	ip_batch "" "netns add $A" "netns add $B"
	ns_link "$A" va "$B" vb 0
	trap ns_cleanup EXIT
	ns_hold "$A"
	ns_hold "$B"
}

ns_cleanup() {
	# shellcheck disable=SC2046
	kill $(jobs -p) "${ns_pid[@]}" 2>/dev/null
	wait 2>/dev/null
	ip netns del "$A" 2>/dev/null
	ip netns del "$B" 2>/dev/null
}

ns_netem() {
	tc -n "$A" qdisc replace dev va root netem "$@"
	tc -n "$B" qdisc replace dev vb root netem "$@"
}

# wait_for SECONDS COMMAND...
wait_for() {
	local until=$((SECONDS + $1))
	# A kernel with KASAN takes seconds for what should not be timed at all.
	[ "${RUSTTCP_DEBUG:-0}" != 1 ] || until=$((until + $1 * 4))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ $SECONDS -le $until ] || return 1
		sleep 0.05
	done
}

# our_ss NAMESPACE OPTIONS...: ss, which reads of AF_RUSTTCP what it would read of TCP.
our_ss() {
	ip netns exec "$1" env PROC_NET_TCP=/proc/net/rusttcp PROC_NET_TCP6=/proc/net/rusttcp6 ss "${@:2}"
}

# ss_has NAMESPACE PATTERN: a line of AF_RUSTTCP's.
ss_has() {
	our_ss "$1" -tanH | grep -Eq "$2"
}

# host_of FAMILY NUMBER: the address of $A (1) or $B (2).
host_of() {
	case $1 in
	*6) echo "fd00::$2" ;;
	*) echo "10.0.0.$2" ;;
	esac
}

# wait_listen NS FAMILY PORT
wait_listen() {
	local hex file=$2
	hex=$(printf ':%04X 0+:0000 0A' "$3")
	[[ $2 != inet* ]] || file=tcp${2#inet}
	# Only a limit: on a busy host the start of a program takes its time.
	wait_for 60 grep -Eq "$hex" "$(ns_file "$1" "$file")"
}
