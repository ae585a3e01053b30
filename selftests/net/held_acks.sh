#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a receiver spares who gets many segments: duplicate ACKs that only say that more came behind a
# hole are held back and go as one (TCPAckCompressed), and segments that come while a reader owns the
# socket are joined in its backlog (TCPBacklogCoalesce). The kernel's TCP is the control, with the same
# sender on the same path. Each segment travels alone here: no offload on either side.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair
ip netns exec "$A" ethtool -K va tso off gso off
ip netns exec "$B" ethtool -K vb gro off
size=3000000
port=6700

# seen FAMILY NAME: a counter of B's TCP.
seen() {
	if [[ $1 == inet* ]]; then
		counter "$B" netstat "$2" TcpExt
	else
		counter "$B" rusttcp_stat "$2"
	fi
}

# receive FAMILY: $size bytes from the kernel's TCP in A, every byte of them.
receive() {
	local server to client=inet
	[[ $1 != *6 ]] || client=inet6
	to=$(host_of "$1" 2)
	port=$((port + 1))
	ip netns exec "$B" timeout 100 xfer server "$1" "$to" $port $size &
	server=$!
	wait_listen "$B" "$1" $port || return 1
	ip netns exec "$A" timeout 100 xfer client $client "$to" $port $size || { kill $server; return 1; }
	wait $server
}

# judge FAMILY WHAT NAME LEAST MOST SAYS: how much a counter of it grows while it receives.
judge() {
	local before grown status=0
	# On a busy host hardly anything may come behind a hole.
	for _ in 1 2 3; do
		before=$(seen "$1" "$3")
		receive "$1" || status=1
		grown=$(($(seen "$1" "$3") - before))
		[ $grown -lt "$4" ] || break
	done
	ktap $status "$1, $2: every byte is there"
	[ $grown -ge "$4" ] && [ $grown -le "$5" ]
	ktap $? "$1, $2: $6 ($grown)"
}
many=1000000000
# On the debug kernel segments come no faster than they are told of; and how often segments meet a reader
# is chance.
some=1 holes=30
[ "$RUSTTCP_DEBUG" != 1 ] || some=0 holes=0

# 20 ms there and back, 80 Mbit/s, one segment of 100 lost: many come behind each hole, 7 in a
# millisecond.
tc -n "$A" qdisc replace dev va root netem delay 10ms rate 80mbit loss 1% limit 2000
tc -n "$B" qdisc replace dev vb root netem delay 10ms limit 2000
for family in inet inet6 rusttcp rusttcp6; do
	judge $family "holes" TCPAckCompressed $holes $many "ACKs spared"
done
ip netns exec "$B" sysctl -qw net.ipv4.tcp_comp_sack_nr=0
for family in inet rusttcp rusttcp6; do
	judge $family "tcp_comp_sack_nr=0" TCPAckCompressed 0 0 "none spared"
done
ip netns exec "$B" sysctl -qw net.ipv4.tcp_comp_sack_nr=44 net.rusttcp.tcp_comp_sack_delay_ns=0
for family in rusttcp rusttcp6; do
	judge $family "net.rusttcp.tcp_comp_sack_delay_ns=0" TCPAckCompressed 0 0 "none spared"
done

# As fast as it goes, so that segments find the reader at work.
tc -n "$A" qdisc del dev va root
tc -n "$B" qdisc del dev vb root
size=10000000
[ -z "${RUSTTCP_LONG:-}" ] || size=20000000
for family in inet inet6 rusttcp rusttcp6; do
	judge $family "a busy reader" TCPBacklogCoalesce $some $many "segments joined"
done
ktap_end
