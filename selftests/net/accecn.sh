#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Accurate ECN (RFC 9768) between this TCP and the kernel's, every way round, over a queue that
# marks: what TCP_INFO says that arrived with which codepoint on one side is what the other side
# says that was reported. Each way of sending the option (tcp_ecn_option), and none.
. selftests/lib/net.sh
ns_pair
slow=1
[ "$RUSTTCP_DEBUG" = 1 ] && slow=4
port=7300
out=$(mktemp -d)

# ends SERVER CLIENT: one transfer of $size bytes; what both say is in s and c.
declare -A s c
ends() {
	local to server pair
	to=$(host_of "$1" 2)
	port=$((port + 1))
	ip netns exec "$B" timeout $((60 * slow)) ecn server "$1" "$to" $port $size >"$out/server" &
	server=$!
	wait_listen "$B" "$1" $port || return 1
	ip netns exec "$A" timeout $((60 * slow)) ecn client "$2" "$to" $port $size >"$out/client" ||
		{ kill $server; return 1; }
	wait $server || return 1
	for pair in $(<"$out/server"); do
		s[${pair%%=*}]=${pair#*=}
	done
	for pair in $(<"$out/client"); do
		c[${pair%%=*}]=${pair#*=}
	done
}

# same NAME...: what the server received with a codepoint is what the client knows to be delivered so.
same() {
	local name
	for name; do
		[ "${c[delivered_$name]}" = "${s[received_$name]}" ] || return 1
	done
}

# agreed OPTION: on Accurate ECN; with the option seen by both, or by neither.
agreed() {
	local seen=2
	[ "$1" != 0 ] || seen=0
	[ "${c[mode]} ${s[mode]} ${c[failed]} ${s[failed]} ${c[seen]} ${s[seen]}" = "2 2 0 0 $seen $seen" ]
}

# All of it with ECT, some marked.
arrived() {
	[ $((s[received_e1] + s[received_e0] + s[received_ce_bytes])) -ge $size ] &&
		[ "${s[received_ce]}" -gt 0 ] && [ "${s[received_ce_bytes]}" -gt 0 ]
}

size=$((1000000 / slow))
for ns in "$A" "$B"; do
	ip netns exec "$ns" sysctl -qw net.ipv4.tcp_ecn=3
done
# The packets that were marked, as the sender has them: too many by a row of eight for each wrong guess.
wrapped() {
	[ $((c[delivered_ce] % 8)) = $((s[received_ce] % 8)) ] &&
		{ [ "$option" = 0 ] || [ "${c[delivered_ce]}" -ge "${s[received_ce]}" ]; }
}

# Each packet is marked for itself, and the link is so slow that each ACK is for two: what is joined
# is marked as a whole, or (there being little of it) nothing is; and where one ACK is for eight
# packets and more a sender has to guess how often the field went round (RFC 9768, A.1).
ip -n "$A" link set va gso_max_segs 1
ip netns exec "$B" ethtool -K vb gro off >/dev/null 2>&1
tc -n "$A" qdisc replace dev va root netem loss 3% ecn delay 1ms rate $((20 / slow))mbit limit 10000
ways=()
for ip in '' 6; do
	ways+=("2 inet$ip rusttcp$ip" "2 rusttcp$ip inet$ip" "1 inet$ip rusttcp$ip" "1 rusttcp$ip inet$ip" "0 rusttcp$ip inet$ip")
done
for way in "${ways[@]}"; do
	read -r option client server <<<"$way"
	for ns in "$A" "$B"; do
		ip netns exec "$ns" sysctl -qw "net.ipv4.tcp_ecn_option=$option"
	done
	# A SYN has no ECT and may be lost, and what is done then is not what this is about.
	for _ in 1 2 3 4; do
		ends "$server" "$client" && agreed "$option" && arrived && break
	done
	says="accurate ECN, tcp_ecn_option=$option, $client to $server"
	agreed "$option"
	ktap $? "$says: both agreed, and nothing failed"
	arrived
	ktap $? "$says: all bytes arrived with ECT, some marked"
	case $option in
	2) same e1 e0 ce ce_bytes ;;
	# Nothing asks for the last of what came without a mark. Not each ACK has the option, and of one
	# without, for eight packets or more (a busy machine joins ACKs), the most is taken.
	1) same ce_bytes && [ "${c[delivered_e0]}" -le "${s[received_e0]}" ] && wrapped ;;
	# The field alone may have wrapped.
	0) wrapped &&
		[ "${c[delivered_e1]} ${c[delivered_e0]} ${c[delivered_ce_bytes]}" = "0 0 0" ] ;;
	esac
	ktap $? "$says: reported as it arrived"
	[ $ktap_bad = 0 ] || cat "$out/client" "$out/server"
done
rm -rf "$out"
ktap_end
