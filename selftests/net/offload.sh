#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Segmentation and its reverse are left to the device: what goes out is far fewer buffers than there
# are segments (GSO), and what a device puts together is taken as it comes (GRO). The kernel's TCP
# is the control. How many come together is a matter of speed: on the debug kernel, where either
# stack sends and takes nearly all of them alone, the bytes are what counts.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair
size=1000000
# At 1448 bytes each, or 1428 over IPv6.
segments=$((size / 1448))

# fewer COUNT MANY FACTOR: MANY came together into far fewer.
fewer() {
	[ "$RUSTTCP_DEBUG" = 1 ] || [ $(($1 * $3)) -lt "$2" ]
}

# transfer FAMILY PORT: from A to B.
transfer() {
	local to server
	to=$(host_of "$1" 2)
	ip netns exec "$B" xfer server "$1" "$to" "$2" $size &
	server=$!
	wait_listen "$B" "$1" "$2" || return 1
	ip netns exec "$A" xfer client "$1" "$to" "$2" $size || { kill $server; return 1; }
	wait $server
}

# What A's device was given to send, and what B's TCP was given.
sent() {
	ip netns exec "$A" cat /sys/class/net/va/statistics/tx_packets
}
taken() {
	if [[ $1 == inet* ]]; then
		counter "$B" snmp InSegs Tcp
	else
		counter "$B" rusttcp_stat InSegs
	fi
}

port=5600
for family in inet inet6 rusttcp rusttcp6; do
	before=$(sent)
	transfer $family $port
	ktap $? "$family, segmentation by the device: every byte is there"
	count=$(($(sent) - before))
	fewer $count $segments 4
	ktap $? "$family: $count buffers for $segments segments"
	port=$((port + 1))
done
# The first write of an accepted socket, which has sent nothing so far: what its first packet holds.
first_packet() {
	# shellcheck disable=SC2086
	ip netns exec "$B" $1 /usr/bin/python3 -B -c '
import socket, sys
server = socket.create_server(("10.0.0.2", int(sys.argv[1])))
packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
packets.settimeout(20)
peer = server.accept()[0]
peer.send(bytes(14480))
while True:
    packet, address = packets.recvfrom(70000)
    if address[2] == 4 and address[1] == 0x800 and packet[9] == 6:
        length = len(packet) - 20 - (packet[32] >> 4) * 4
        if length:
            print(length)
            break
' "$2" &
	wait_listen "$B" "$3" "$2" || return 1
	ip netns exec "$A" bash -c "exec 3<>/dev/tcp/10.0.0.2/$2; head -c 14480 <&3 >/dev/null"
	wait $!
}
for stack in inet rusttcp; do
	run=
	[ $stack = inet ] || run=tools/rusttcp-run
	length=$(first_packet "$run" $port $stack)
	[ "${length:-0}" -gt 1448 ]
	ktap $? "$stack: the first packet of a first write of ten segments has ${length:-no} bytes"
	port=$((port + 1))
done
ip netns exec "$A" ethtool -K va tso off gso off
# The largest truesize of a full segment that B's device was given. Cut up by software each has its own, and not
# one of them that of all: B's socket is charged for it.
largest() {
	local tracing=/sys/kernel/tracing
	echo 0 >$tracing/trace
	echo 'len >= 1400 && len <= 1500' >$tracing/events/net/netif_rx_entry/filter
	echo 1 >$tracing/events/net/netif_rx_entry/enable
	transfer "$1" "$2" >&2
	echo 0 >$tracing/events/net/netif_rx_entry/enable
	sed -n 's/.* truesize=\([0-9]*\).*/\1/p' $tracing/trace | sort -n | tail -n 1
}
grep -q ' /sys/kernel/tracing ' /proc/mounts || mount -t tracefs none /sys/kernel/tracing
for version in "" 6; do
	kernels=$(largest inet$version $port)
	ours=$(largest rusttcp$version $((port + 1)))
	[ "${kernels:-0}" -ge 1448 ] && [ "${ours:-0}" -ge 1448 ] && [ "$ours" -le "$kernels" ]
	ktap $? "rusttcp$version: a segment takes ${ours:-no} bytes behind the device, the kernel's ${kernels:-no}"
	port=$((port + 2))
done
ip netns exec "$B" ethtool -K vb gro on
for family in inet inet6 rusttcp rusttcp6; do
	before=$(sent)
	seen=$(taken $family)
	transfer $family $port
	ktap $? "$family, segments put together again: every byte is there"
	count=$(($(sent) - before))
	seen=$(($(taken $family) - seen))
	[ $count -ge $segments ] && fewer $seen $count 2
	ktap $? "$family: $count buffers on the wire, $seen for TCP"
	port=$((port + 1))
done
ktap_end
