#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The route changes under a connection, to another gateway and a smaller MTU and back, on either stack:
#
#	$A - $R - $B
#	 \ - $S - /
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
A=a$$ B=b$$ R=r$$ S=s$$
# shellcheck disable=SC2317,SC2329
cleanup() {
	ns_cleanup
	ip netns del "$R" 2>/dev/null
	ip netns del "$S" 2>/dev/null
}
trap cleanup EXIT
for ns in "$A" "$B" "$R" "$S"; do
	ip netns add "$ns"
	ip -n "$ns" link set lo up
done
# join NS1 DEV1 NS2 DEV2 N: a link whose ends are 10.N.0.1 and 10.N.0.2. What passes is single segments.
join() {
	ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
	ip -n "$1" addr add "10.$5.0.1/24" dev "$2"
	ip -n "$3" addr add "10.$5.0.2/24" dev "$4"
	ip -n "$1" addr add "fd0$5::1/64" dev "$2" nodad
	ip -n "$3" addr add "fd0$5::2/64" dev "$4" nodad
	ip netns exec "$1" ethtool -K "$2" tso off gso off
	ip netns exec "$3" ethtool -K "$4" tso off gso off
	ip -n "$1" link set dev "$2" up
	ip -n "$3" link set dev "$4" up
}
join "$A" ra "$R" ar 1
join "$B" rb "$R" br 2
join "$A" sa "$S" as 3
join "$B" sb "$S" bs 4
# The ends' addresses belong to no link.
ip -n "$A" addr add 10.8.0.1/32 dev lo
ip -n "$A" addr add fd08::1/128 dev lo nodad
ip -n "$B" addr add 10.9.0.1/32 dev lo
ip -n "$B" addr add fd09::1/128 dev lo nodad
for side in "$R 1 2" "$S 3 4"; do
	# shellcheck disable=SC2086
	set -- $side
	ip netns exec "$1" sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1
	ip -n "$1" route add 10.8.0.1 via "10.$2.0.1"
	ip -n "$1" route add fd08::1 via "fd0$2::1"
	ip -n "$1" route add 10.9.0.1 via "10.$3.0.1"
	ip -n "$1" route add fd09::1 via "fd0$3::1"
	ip netns exec "$1" nft -f - <<-END
		table inet t {
			counter full { }
			counter short { }
			chain forward {
				type filter hook forward priority 0;
				meta length > 1300 counter name full
				meta length 1290-1300 counter name short
			}
		}
	END
done
# rate MBIT: of both ways.
rate() {
	tc -n "$R" qdisc replace dev br root netem rate "$1mbit" limit 1000
	tc -n "$S" qdisc replace dev bs root netem rate "$1mbit" limit 1000
}
ip -n "$B" route add 10.8.0.1 via 10.2.0.2 src 10.9.0.1
ip -n "$B" route add fd08::1 via fd02::2 src fd09::1
ns_hold "$A"
ns_hold "$B"

passed() {
	ip netns exec "$1" nft list counter inet t "$2" | awk '/packets/ { print $2 }'
}

# more NS COUNTER THAN
more() {
	[ "$(passed "$1" "$2")" -gt "$3" ]
}

# by N OPTIONS...: from now on $A reaches $B by the gateway on link N.
by() {
	local n=$1
	shift
	ip -n "$A" route replace 10.9.0.1 via "10.$n.0.2" src 10.8.0.1 "$@"
	ip -n "$A" route replace fd09::1 via "fd0$n::2" src fd08::1 "$@"
}

port=8100
for client in inet inet6 rusttcp rusttcp6; do
	port=$((port + 1))
	to=10.9.0.1 server=inet
	[[ $client != *6 ]] || { to=fd09::1 server=inet6; }
	by 1
	# So slow that it lasts as long as is looked at it.
	rate 8
	short=$(passed "$S" short) long=$(passed "$S" full)
	ip netns exec "$B" xfer server $server $to $port 24000000 &
	pid=$!
	wait_listen "$B" $server $port
	ip netns exec "$A" timeout 100 xfer client $client $to $port 24000000 &
	ours=$!
	wait_for 20 more "$R" full $(($(passed "$R" full) + 300))
	by 3 mtu 1300
	wait_for 20 more "$S" short $((short + 300))
	by 1
	back=$(passed "$R" full)
	wait_for 20 more "$R" full $((back + 200))
	rate 400
	wait $ours && wait $pid
	ktap $? "$client: every byte arrives"
	short=$(($(passed "$S" short) - short)) long=$(($(passed "$S" full) - long))
	[ $short -gt 200 ] && [ $long = 0 ]
	ktap $? "$client: by the other gateway, with its MTU ($short segments, $long longer)"
	back=$(($(passed "$R" full) - back))
	[ $back -gt 200 ]
	ktap $? "$client: and back, in full length ($back)"
done
ktap_end
