#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What takes a network of IPv6: link-local addresses, extension headers, ICMPv6 from a router,
# a path that takes less than the link (RFC 8201, 4).
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair
R=r$$
ip netns add "$R"
# shellcheck disable=SC2317,SC2329
cleanup() {
	ns_cleanup
	ip netns del "$R" 2>/dev/null
}
trap cleanup EXIT

# Link-local, on the kernel's stack first: it says what is expected.
ip -n "$A" addr add fe80::99/64 dev va nodad
for family in inet6 rusttcp6; do
	RUSTTCP_FAMILY=$family ip netns exec "$A" sk_dual va >"/tmp/$$.log"
	status=$?
	grep '^#\|^not ok' "/tmp/$$.log"
	ktap $status "$family: link-local, $(grep -c '^ok' "/tmp/$$.log") answers"
done
rm -f "/tmp/$$.log"

# Between the namespaces, in every pairing.
port=5100
for server in inet6 rusttcp6; do
	for client in inet6 rusttcp6; do
		port=$((port + 1))
		ip netns exec "$A" xfer server $server fe80::99%va $port 100000 both &
		pid=$!
		wait_listen "$A" $server $port
		ip netns exec "$B" xfer client $client fe80::99%vb $port 100000 both && wait $pid
		ktap $? "$client to $server by link-local addresses"
	done
done

# A source that only the link knows, to an address that all know (RFC 6724, 5, where there is no better one).
ip -n "$B" addr add 2001:db8:ff::1/128 dev vb nodad
ip -n "$A" route add 2001:db8:ff::1/128 dev va src fe80::99
for server in inet6 rusttcp6; do
	for client in inet6 rusttcp6; do
		port=$((port + 1))
		ip netns exec "$B" xfer server $server 2001:db8:ff::1 $port 100000 both &
		pid=$!
		wait_listen "$B" $server $port
		ip netns exec "$A" xfer client $client 2001:db8:ff::1 $port 100000 both && wait $pid
		ktap $? "$client from a link-local address to $server at a global one"
		kill $pid 2>/dev/null
	done
done

# $A - $R - $B: $A reaches fd02::/64 (and 10.2.0.0/24) by way of $R only; the far link is narrow.
# No way on; not allowed; a neighbour that does not answer (three times, a fifth of a second each).
ip_batch "" "link add ra0 netns $A type veth peer name ar0 netns $R" \
	"link add rb0 netns $B type veth peer name br0 netns $R"
ip_batch "$R" "addr add fd01::2/64 dev ar0 nodad" "addr add fd02::2/64 dev br0 nodad" \
	"addr add 10.1.0.2/24 dev ar0" "addr add 10.2.0.2/24 dev br0" \
	"link set br0 mtu 1300 up" "link set ar0 up" "link set lo up" \
	"route add unreachable fd03::/64" "route add prohibit fd04::/64" \
	"route add unreachable 10.3.0.0/24" "route add prohibit 10.4.0.0/24"
ip netns exec "$R" sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1 \
	net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_ratelimit=0 \
	net.ipv4.neigh.br0.retrans_time_ms=200 net.ipv6.neigh.br0.retrans_time_ms=200
ip_batch "$A" "addr add fd01::1/64 dev ra0 nodad" "addr add 10.1.0.1/24 dev ra0" "link set ra0 up" \
	"route add default via fd01::2" "route add default via 10.1.0.2"
ip_batch "$B" "addr add fd02::1/64 dev rb0 nodad" "addr add 10.2.0.1/24 dev rb0" "link set rb0 mtu 1300 up" \
	"route add fd01::/64 via fd02::2" "route add 10.1.0.0/24 via 10.2.0.2"

# said FAMILY ADDRESS: what connect() says.
said() {
	ip netns exec "$A" timeout 60 xfer client "$1" "$2" 80 0 2>&1
}

for case in "inet6 fd03::1 no_route" "inet6 fd04::1 prohibited" "inet6 fd02::77 no_neighbour" \
	"inet 10.3.0.1 no_route" "inet 10.4.0.1 prohibited" "inet 10.2.0.77 no_neighbour"; do
	# shellcheck disable=SC2086
	set -- $case
	want=$(said "$1" "$2")
	got=$(said "${1/inet/rusttcp}" "$2")
	[ -n "$want" ] && [ "$want" = "$got" ]
	ktap $? "$1, $3: ${want#xfer: connect: } (${got#xfer: connect: })"
done

# The path takes 1300 bytes. The far end's MSS would tell: it says it has more.
ip -n "$B" link set rb0 mtu 1500
for client in rusttcp6 rusttcp inet6; do
	case $client in
	*6) to=fd02::1 get=-6 ;;
	*) to=10.2.0.1 get=-4 ;;
	esac
	port=$((port + 1))
	ip -n "$A" $get route flush cache
	server=inet
	[ $get = -4 ] || server=inet6
	ip netns exec "$B" xfer server $server $to $port 300000 &
	pid=$!
	wait_listen "$B" $server $port
	ip netns exec "$A" xfer client $client $to $port 300000 && wait $pid
	ktap $? "$client: a path that takes less than the link"
	ip -n "$A" $get route get $to | grep -q 'mtu 1300'
	ktap $? "$client: the route remembers the MTU"
done

# A half-open queue that is always full: the handshake's last ACK brings all of it back.
ip netns exec "$B" sysctl -qw net.ipv4.tcp_syncookies=2
for client in inet6 rusttcp6; do
	port=$((port + 1))
	ip netns exec "$B" xfer server rusttcp6 fd00::2 $port 100000 both &
	pid=$!
	wait_listen "$B" rusttcp6 $port
	ip netns exec "$A" xfer client $client fd00::2 $port 100000 both && wait $pid
	ktap $? "$client: by a SYN cookie"
done
[ "$(counter "$B" rusttcp_stat SyncookiesRecv)" = 2 ]
ktap $? "SyncookiesRecv says two"
ktap_end
