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

ktap_end() {
	echo "1..$ktap_count"
	exit $ktap_bad
}

# ns_pair: namespaces $A (10.0.0.1) and $B (10.0.0.2), joined by veth.
ns_pair() {
	A=a$$ B=b$$
	ip netns add "$A"
	ip netns add "$B"
	ip link add va netns "$A" type veth peer name vb netns "$B"
	ip -n "$A" addr add 10.0.0.1/24 dev va
	ip -n "$B" addr add 10.0.0.2/24 dev vb
	for pair in "$A va" "$B vb"; do
		# shellcheck disable=SC2086
		set -- $pair
		ip -n "$1" link set lo up
		ip -n "$1" link set "$2" up
	done
	trap ns_cleanup EXIT
}

ns_cleanup() {
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null
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

proc_file() {
	[ "$1" = rusttcp ] && echo /proc/net/rusttcp || echo /proc/net/tcp
}

# wait_listen NS FAMILY PORT
wait_listen() {
	local hex
	hex=$(printf ':%04X 00000000:0000 0A' "$3")
	wait_for 10 ip netns exec "$1" grep -q "$hex" "$(proc_file "$2")"
}
