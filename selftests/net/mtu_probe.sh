#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A black hole: a router that drops what is longer than 1300 bytes and says nothing. Probes of the
# path's MTU get past it (RFC 4821), on either stack.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
A=a$$ B=b$$ R=r$$
# shellcheck disable=SC2317,SC2329
cleanup() {
	ns_cleanup
	ip netns del "$R" 2>/dev/null
}
trap cleanup EXIT
for ns in "$A" "$B" "$R"; do
	ip netns add "$ns"
	ip -n "$ns" link set lo up
done
ip link add ra0 netns "$A" type veth peer name ar0 netns "$R"
ip link add rb0 netns "$B" type veth peer name br0 netns "$R"
ip -n "$A" addr add 10.1.0.1/24 dev ra0
ip -n "$R" addr add 10.1.0.2/24 dev ar0
ip -n "$R" addr add 10.2.0.2/24 dev br0
ip -n "$B" addr add 10.2.0.1/24 dev rb0
ip -n "$A" addr add fd01::1/64 dev ra0 nodad
ip -n "$R" addr add fd01::2/64 dev ar0 nodad
ip -n "$R" addr add fd02::2/64 dev br0 nodad
ip -n "$B" addr add fd02::1/64 dev rb0 nodad
for pair in "$A ra0" "$R ar0" "$R br0" "$B rb0"; do
	# shellcheck disable=SC2086
	set -- $pair
	# What passes the router is single segments.
	ip netns exec "$1" ethtool -K "$2" tso off gso off
	ip -n "$1" link set "$2" up
done
ip netns exec "$R" sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1
ip -n "$A" route add default via 10.1.0.2
ip -n "$A" route add default via fd01::2
ip -n "$B" route add default via 10.2.0.2
ip -n "$B" route add default via fd02::2
ns_hold "$A"
ns_hold "$B"
tc -n "$R" qdisc replace dev br0 root netem rate 40mbit limit 1000

# The router counts what is nearly as long as what passes, and what does not.
hole() {
	ip netns exec "$R" nft "$1" table inet hole
}
new_hole() {
	ip netns exec "$R" nft -f - <<-END
		table inet hole {
			counter near { }
			counter over { }
			chain forward {
				type filter hook forward priority 0;
				meta length > 1300 counter name over drop
				meta length > 1290 counter name near
			}
		}
	END
}
passed() {
	ip netns exec "$R" nft list counter inet hole "$1" | awk '/packets/ { print $2 }'
}

found() {
	local file=netstat
	[[ $1 == inet* ]] || file=rusttcp_stat
	counter "$A" $file TCPMTUPSuccess
}

port=6000
# transfer CLIENT BYTES SECONDS: from A to B, whose stack is the kernel's; after 0.4 s calls $fall.
fall=
transfer() {
	local to=10.2.0.1 server=inet pid status
	[[ $1 != *6 ]] || { to=fd02::1 server=inet6; }
	port=$((port + 1))
	ip netns exec "$B" xfer server $server $to $port "$2" 2>/dev/null &
	pid=$!
	wait_listen "$B" $server $port || return 1
	[ -z "$fall" ] || { sleep 0.4; $fall; } &
	ip netns exec "$A" timeout "$3" xfer client "$1" $to $port "$2"
	status=$?
	[ $status = 0 ] || kill $pid
	wait $pid && [ $status = 0 ]
}

probing() {
	ip netns exec "$A" sysctl -qw net.ipv4.tcp_mtu_probing="$1"
}

slow=1
[ "$RUSTTCP_DEBUG" = 1 ] && slow=4

new_hole
probing 0
for client in inet rusttcp; do
	! transfer $client 100000 $((3 * slow)) && [ "$(passed over)" -gt 0 ]
	ktap $? "$client: without probing nothing gets past"
done
hole delete
for client in inet rusttcp rusttcp6; do
	for mode in 1 2; do
		new_hole
		probing $mode
		good=$(found $client)
		begin=${EPOCHREALTIME/./}
		transfer $client 6000000 $((60 * slow))
		ktap $? "$client: tcp_mtu_probing $mode ($(((${EPOCHREALTIME/./} - begin) / 1000)) ms)"
		# Half of the 4,800 at least were as long as the path takes, and few were lost to find that.
		[ "$(passed near)" -gt 2400 ] && [ "$(passed over)" -lt 100 ] &&
			[ "$(found $client)" -gt "$good" ]
		ktap $? "$client: and finds the size ($(passed near) of it, $(passed over) dropped)"
		hole delete
	done
done
# The path's MTU falls while data flows.
for client in inet rusttcp rusttcp6; do
	probing 1
	fall=new_hole
	begin=${EPOCHREALTIME/./}
	transfer $client 9000000 $((90 * slow)) && [ "$(passed over)" -gt 0 ]
	ktap $? "$client: the MTU falls during a transfer ($(((${EPOCHREALTIME/./} - begin) / 1000)) ms)"
	fall=
	hole delete
done
ktap_end
