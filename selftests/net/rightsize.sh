#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who only receives: the round-trip time that it finds out, and the buffer that follows, as the
# kernel's TCP has them on the same path.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair
port=6500

# 40 ms there and back, 80 Mbit/s: 400,000 bytes on their way.
tc -n "$A" qdisc replace dev va root netem delay 20ms rate 80mbit limit 2000
tc -n "$B" qdisc replace dev vb root netem delay 20ms limit 2000
for ns in "$A" "$B"; do
	ip netns exec "$ns" sysctl -qw net.ipv4.tcp_rmem='4096 131072 6291456' \
		net.ipv4.tcp_wmem='4096 16384 4194304'
done

# receive SERVER: what the receiver of 12 MB says.
receive() {
	local to server client=inet
	[[ $1 != *6 ]] || client=inet6
	to=$(host_of "$1" 2)
	port=$((port + 1))
	ip netns exec "$B" timeout 100 rightsize "$1" "$to" $port >"$work" &
	server=$!
	wait_listen "$B" "$1" $port || return 1
	ip netns exec "$A" timeout 100 xfer client $client "$to" $port 12000000 2>/dev/null
	wait $server && read -r rtt space rcvbuf <"$work"
}

work=$(mktemp)
for how in "1 inet" "1 inet6" "0 inet"; do
	read -r ts family <<<"$how"
	ip netns exec "$A" sysctl -qw net.ipv4.tcp_timestamps="$ts"
	receive "$family"
	kernel="$rtt us, $space bytes, SO_RCVBUF $rcvbuf"
	# How fast it goes is the host's load; that the buffer never got going would be ten times less.
	least=$((space / 10))
	receive "${family/inet/rusttcp}"
	says="${family/inet/rusttcp}, timestamps $ts"
	ktap $? "$says: $rtt us, $space bytes, SO_RCVBUF $rcvbuf (the kernel: $kernel)"
	[ "$rtt" -ge 30000 ] && [ "$rtt" -le 400000 ]
	ktap $? "$says: tcpi_rcv_rtt is the path's"
	[ "$space" -ge $least ] && [ "$space" -ge 100000 ]
	ktap $? "$says: tcpi_rcv_space is like the kernel's"
	[ "$rcvbuf" -ge $((space * 2)) ] && [ "$rcvbuf" -gt 400000 ]
	ktap $? "$says: the buffer holds what is on its way"
done
rm -f "$work"

# How much a new connection may queue to send.
sndbuf() {
	ip netns exec "$1" python3 -B - "$2" "$3" "$4" <<'END'
import socket
import sys

sys.path.insert(0, "selftests/lib")
import stack

client = stack.new_socket(sys.argv[1])
client.connect((sys.argv[2], int(sys.argv[3])))
print(client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
END
}
for addr in 127.0.0.1 10.0.0.2 ::1 fd00::2; do
	from=$A ip=
	[[ $addr != *1 ]] || from=$B
	[[ $addr != *:* ]] || ip=6
	for stack in inet$ip rusttcp$ip; do
		port=$((port + 1))
		ip netns exec "$B" perf server "$stack" $addr $port &
		wait_listen "$B" "$stack" $port
	done
	for cc in cubic bbr; do
		ip netns exec "$from" sysctl -qw net.ipv4.tcp_congestion_control=$cc
		kernels=$(sndbuf "$from" inet$ip $addr $((port - 1)))
		ours=$(sndbuf "$from" rusttcp$ip $addr $port)
		[ "$ours" -gt 16384 ] && [ "$ours" = "$kernels" ]
		ktap $? "$cc, $addr: SO_SNDBUF of a new connection is ${ours:-unknown} bytes, the kernel's ${kernels:-unknown}"
	done
done
# shellcheck disable=SC2046
kill $(jobs -p)
ktap_end
