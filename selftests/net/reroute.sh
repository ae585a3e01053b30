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
ip_batch "" "netns add $A" "netns add $B" "netns add $R" "netns add $S"
# join: ns_link, by which single segments pass.
join() {
	ns_link "$@"
	ip netns exec "$1" ethtool -K "$2" tso off gso off
	ip netns exec "$3" ethtool -K "$4" tso off gso off
}
join "$A" ra "$R" ar 1
join "$B" rb "$R" br 2
join "$A" sa "$S" as 3
join "$B" sb "$S" bs 4
# The ends' addresses belong to no link.
ip_batch "$A" "link set lo up" "addr add 10.8.0.1/32 dev lo" "addr add fd08::1/128 dev lo nodad"
ip_batch "$B" "link set lo up" "addr add 10.9.0.1/32 dev lo" "addr add fd09::1/128 dev lo nodad" \
	"route add 10.8.0.1 via 10.2.0.2 src 10.9.0.1" "route add fd08::1 via fd02::2 src fd09::1"
# The routers count each transfer's segments, which it is known by its port.
clients=(inet inet6 rusttcp rusttcp6)
ports=({8101..8104})
for side in "$R 1 2" "$S 3 4"; do
	# shellcheck disable=SC2086
	set -- $side
	ip netns exec "$1" sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1
	ip_batch "$1" "route add 10.8.0.1 via 10.$2.0.1" "route add fd08::1 via fd0$2::1" \
		"route add 10.9.0.1 via 10.$3.0.1" "route add fd09::1 via fd0$3::1"
	{
		echo "table inet t {"
		for port in "${ports[@]}"; do
			echo "counter full$port { }"
			echo "counter short$port { }"
		done
		echo "chain forward {"
		echo "type filter hook forward priority 0;"
		for port in "${ports[@]}"; do
			echo "tcp dport $port meta length > 1300 counter name full$port"
			echo "tcp dport $port meta length 1290-1300 counter name short$port"
		done
		printf "}\n}\n"
	} | ip netns exec "$1" nft -f -
done
# rate MBIT: of both ways.
rate() {
	tc -n "$R" qdisc replace dev br root netem rate "$1mbit" limit 60
	tc -n "$S" qdisc replace dev bs root netem rate "$1mbit" limit 60
}
ns_hold "$A"
ns_hold "$B"

# look NS: what has passed there, as ${seen[full8101]} and so on.
declare -A seen
look() {
	local name count
	while read -r name count; do
		seen[$name]=$count
	done < <(ip netns exec "$1" nft list counters | awk '/counter/ { name = $2 } /packets/ { print name, $2 }')
}

# more NS KIND THAN: that many more of each transfer than there were in ${before[]}.
declare -A before
more() {
	local port
	look "$1"
	for port in "${ports[@]}"; do
		[ $((${seen[$2$port]} - ${before[$2$port]})) -ge "$3" ] || return 1
	done
}

# remember NS
remember() {
	local name
	look "$1"
	for name in "${!seen[@]}"; do
		before[$name]=${seen[$name]}
	done
}

# by N OPTIONS...: from now on $A reaches $B by the gateway on link N.
by() {
	local n=$1
	shift
	ip_batch "$A" "route replace 10.9.0.1 via 10.$n.0.2 src 10.8.0.1 $*" \
		"route replace fd09::1 via fd0$n::2 src fd08::1 $*"
}

# All at once: the route is the same for each.
bytes=3000000
pids=() ours=()
by 1
# So slow that it lasts as long as is looked at it: a minute and a half.
rate 1
to=(10.9.0.1 fd09::1 10.9.0.1 fd09::1)
servers=(inet inet6 inet inet6)
for i in 0 1 2 3; do
	ip netns exec "$B" xfer server "${servers[i]}" "${to[i]}" "${ports[i]}" $bytes &
	pids+=($!)
done
for i in 0 1 2 3; do
	wait_listen "$B" "${servers[i]}" "${ports[i]}"
done
remember "$R"
for i in 0 1 2 3; do
	ip netns exec "$A" timeout 100 xfer client "${clients[i]}" "${to[i]}" "${ports[i]}" $bytes &
	ours+=($!)
done
wait_for 30 more "$R" full 60
remember "$S"
by 3 mtu 1300
wait_for 30 more "$S" short 80
declare -A short long back
for port in "${ports[@]}"; do
	short[$port]=$((${seen[short$port]} - ${before[short$port]}))
	long[$port]=$((${seen[full$port]} - ${before[full$port]}))
done
by 1
sleep 0.1
remember "$R"
wait_for 30 more "$R" full 60
for port in "${ports[@]}"; do
	back[$port]=$((${seen[full$port]} - ${before[full$port]}))
done
rate 400
for i in 0 1 2 3; do
	wait "${ours[i]}" && wait "${pids[i]}"
	ktap $? "${clients[i]}: every byte arrives"
	port=${ports[i]}
	[ "${short[$port]}" -ge 80 ] && [ "${long[$port]}" = 0 ]
	ktap $? "${clients[i]}: by the other gateway, with its MTU (${short[$port]} segments, ${long[$port]} longer)"
	[ "${back[$port]}" -ge 60 ]
	ktap $? "${clients[i]}: and back, in full length (${back[$port]})"
done
ktap_end
