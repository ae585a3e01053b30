#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is on the wire, in tshark's judgement: nothing malformed, no wrong checksum, nothing
# acknowledged that was not sent; on a good link nothing sent again. Segmentation and
# checksums are done before the capture, so each is seen as it would leave a real card.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
command -v tshark >/dev/null || { echo "1..0 # SKIP no tshark"; exit 4; }
ns_pair
ip netns exec "$A" ethtool -K va tso off gso off gro off tx off >/dev/null 2>&1
ip netns exec "$B" ethtool -K vb tso off gso off gro off tx off >/dev/null 2>&1
size=200000
work=$(mktemp -d)
bad='_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 ||
	tcp.analysis.ack_lost_segment || _ws.expert.severity == error'
# A tail loss probe (RFC 8985, 7) may repeat what only a late ACK made look lost: spurious.
clean="$bad || tcp.flags.reset == 1 || tcp.analysis.out_of_order ||
	tcp.analysis.retransmission && !tcp.analysis.spurious_retransmission"

# judge SERVER CLIENT PORT LINK FILTER
judge() {
	local file=$work/$3.pcap dump server status what="$2 to $1, $4 link"
	ip netns exec "$A" dumpcap -q -B 16 -i va -w "$file" -f "tcp port $3" >/dev/null 2>&1 &
	dump=$!
	# dumpcap writes the file's header when it has the device open.
	wait_for 20 test -s "$file"
	# One CPU: veth has a queue for each, and a sender that moves between two reorders.
	ip netns exec "$B" taskset -c 0 xfer server "$1" 10.0.0.2 "$3" $size both &
	server=$!
	wait_listen "$B" "$1" "$3"
	ip netns exec "$A" taskset -c 0 xfer client "$2" 10.0.0.2 "$3" $size both
	status=$?
	wait $server || status=1
	ktap $status "$what: $size bytes each way"
	kill -INT $dump
	wait $dump 2>/dev/null
	tshark -n -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -r "$file" \
		-Y "$5" >"$work/bad" 2>/dev/null
	status=$?
	[ "$(stat -c %s "$file")" -gt $size ]
	ktap $? "$what: the transfer is in the capture"
	if [ -s "$work/bad" ]; then
		head -n 5 "$work/bad" | sed 's/^/# /'
		status=1
	fi
	ktap $status "$what: nothing wrong in the capture"
}

if [ "$RUSTTCP_DEBUG" != 1 ]; then
	judge inet inet 5100 clean "$clean"
	judge rusttcp rusttcp 5101 clean "$clean"
	judge inet rusttcp 5102 clean "$clean"
fi
ns_netem delay 3ms loss 1% reorder 5% 50%
judge rusttcp inet 5103 lossy "$bad"
rm -rf "$work"
ktap_end
