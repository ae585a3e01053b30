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
ns_link "$A" ar "$R" ra 1
ns_link "$R" rs "$S" sr 2
ns_link "$S" sb "$B" bs 3
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
