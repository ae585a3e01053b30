#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# RFC 9293, 3.9.2.1, MUST-53: what came by a source route is answered by the way back, on either stack:
#
#	$A - $R - $S - $B
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
A=a$$ B=b$$ R=r$$ S=s$$
# shellcheck disable=SC2317,SC2329
cleanup() {
	for ns in "$A" "$B" "$R" "$S"; do ip netns del "$ns" 2>/dev/null; done
}
trap cleanup EXIT
ip_batch "" "netns add $A" "netns add $B" "netns add $R" "netns add $S"
# join NS1 NS2 N: a link whose ends are 10.N.0.1 and 10.N.0.2.
join() {
	ip link add "d$3" netns "$1" type veth peer name "u$3" netns "$2"
	ip_batch "$1" "link set dev lo up" "addr add 10.$3.0.1/24 dev d$3" "link set dev d$3 up"
	ip_batch "$2" "link set dev lo up" "addr add 10.$3.0.2/24 dev u$3" "link set dev u$3 up"
}
join "$A" "$R" 1
join "$R" "$S" 2
join "$S" "$B" 3
for ns in "$A" "$R" "$S" "$B"; do
	# shellcheck disable=SC2016
	ip netns exec "$ns" bash -c 'for conf in /proc/sys/net/ipv4/conf/*; do
		echo 1 >"$conf"/accept_source_route; echo 0 >"$conf"/rp_filter; done'
	ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1
done
ip -n "$A" route add default via 10.1.0.2
ip -n "$R" route add 10.3.0.0/24 via 10.2.0.2
ip -n "$S" route add 10.1.0.0/24 via 10.2.0.1
ip -n "$B" route add default via 10.3.0.1
# serve FAMILY...
# shellcheck disable=SC2317,SC2329
serve() {
	ip netns exec "$B" timeout 100 python3 -B selftests/net/source_route.py "$A" "$@"
}
ktap_of "" serve inet inet6 rusttcp rusttcp6
# With cookies alone the kernel's TCP sends to itself.
ip netns exec "$B" sysctl -qw net.ipv4.tcp_syncookies=2
ktap_of "cookies alone, " serve rusttcp rusttcp6
ktap_end
