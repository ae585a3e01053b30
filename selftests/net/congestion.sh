#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Congestion control on real queues: ECN in every pairing of the stacks, the namespace's choice
# of the algorithm (tcp_congestion_control), pacing (SO_MAX_PACING_RATE) with fq and without.
. selftests/lib/net.sh
export PATH=$PWD/tools:$PATH
ns_pair
slow=1
[ "$RUSTTCP_DEBUG" = 1 ] && slow=4
port=7000

# resent NS FAMILY: segments that a stack sent again.
resent() {
	if [[ $2 == rusttcp* ]]; then
		counter "$1" rusttcp_stat RetransSegs
	else
		counter "$1" snmp RetransSegs Tcp
	fi
}

# came_marked NS: packets of either IP that came with CE.
came_marked() {
	local six
	six=$(awk '$1 == "Ip6InCEPkts" { print $2 }' "$(ns_file "$1" snmp6)")
	echo $(($(counter "$1" netstat InCEPkts) + six))
}

# refused NS: those that either IP did not send for their size.
refused() {
	local six
	six=$(awk '$1 == "Ip6FragFails" { print $2 }' "$(ns_file "$1" snmp6)")
	echo $(($(counter "$1" snmp FragFails Ip) + six))
}

# transfer SERVER CLIENT BYTES: from A to B.
transfer() {
	local to server
	to=$(host_of "$1" 2)
	port=$((port + 1))
	ip netns exec "$B" xfer server "$1" "$to" $port "$3" &
	server=$!
	wait_listen "$B" "$1" $port || return 1
	ip netns exec "$A" timeout $((60 * slow)) xfer client "$2" "$to" $port "$3" || { kill $server; return 1; }
	wait $server
}

# marked SERVER CLIENT: one transfer; sets $marks, $again.
marked() {
	local before status
	before=$(resent "$A" "$2")
	marks=$(came_marked "$B")
	transfer "$1" "$2" 1000000
	status=$?
	again=$(($(resent "$A" "$2") - before))
	marks=$(($(came_marked "$B") - marks))
	return $status
}

# ECN (RFC 3168): where 3 % would be lost they are marked. What carries no ECT (SYN, pure ACK) is
# still dropped; a SYN that was lost is sent again without asking, so there are five tries. Lots are drawn for
# what the device gets at once: four segments at most, so that there are 170.
ip netns exec "$A" sysctl -qw net.ipv4.tcp_ecn=1
ip -n "$A" link set va gso_max_segs 4
tc -n "$A" qdisc replace dev va root netem loss 3% ecn delay 1ms
every_pair() {
	local ip server client
	for ip in '' 6; do
		for server in inet$ip rusttcp$ip; do
			for client in inet$ip rusttcp$ip; do
				for _ in 1 2 3 4 5; do
					marked "$server" "$client" && [ "$again" = 0 ] && [ "$marks" -gt 0 ] && break
				done
				[ "$again" = 0 ] && [ "$marks" -gt 0 ]
				ktap $? "$1, $client to $server: $marks marked, $again sent again"
			done
		done
	done
}
every_pair ECN
# Accurate ECN (RFC 9768), if the kernel's TCP has it.
if ip netns exec "$A" sysctl -qw net.ipv4.tcp_ecn=3; then
	ip netns exec "$B" sysctl -qw net.ipv4.tcp_ecn=3
	every_pair "accurate ECN"
	ip netns exec "$A" sysctl -qw net.ipv4.tcp_ecn=1
fi
# A peer that is told not to: marks become losses.
ip netns exec "$B" sysctl -qw net.ipv4.tcp_ecn=0
for server in inet rusttcp inet6 rusttcp6; do
	marked $server ${server/inet/rusttcp} && [ "$marks" = 0 ]
	ktap $? "no ECN with a $server that has it off: $marks marked, $again sent again"
done
ip netns exec "$B" sysctl -qw net.ipv4.tcp_ecn=2
ip netns exec "$A" sysctl -qw net.ipv4.tcp_ecn=2

# The namespace's algorithm, through a queue of 50 ms behind 20 Mbit/s.
ip -n "$A" link set va gso_max_segs 65535
seconds=$((2 * slow))
[ -z "${RUSTTCP_LONG:-}" ] || seconds=$((5 * slow))
tc -n "$A" qdisc replace dev va root netem rate 20mbit delay 10ms limit 85
ip netns exec "$B" perf server inet 10.0.0.2 6998 &
ip netns exec "$B" perf server rusttcp6 :: 6999 &
wait_listen "$B" inet 6998
wait_listen "$B" rusttcp6 6999
control=$(ip netns exec "$A" timeout $((60 * slow)) perf bulk inet 10.0.0.2 6998 $seconds)
for algorithm in reno cubic dctcp bbr; do
	# Only the first namespace may choose one that is restricted.
	sysctl -qw net.ipv4.tcp_allowed_congestion_control="reno cubic dctcp bbr" 2>/dev/null
	ip netns exec "$A" sysctl -qw net.ipv4.tcp_congestion_control=$algorithm
	for family in rusttcp rusttcp6; do
		rate=$(ip netns exec "$A" timeout $((60 * slow)) perf bulk $family "$(host_of $family 2)" 6999 $seconds)
		# A busy host delays timers, and with them what is paced; and what KASAN costs is more for
		# us, whose every check it sees, than for the kernel's TCP.
		[ "${rate%.*}" -gt 0 ] && { [ "$RUSTTCP_DEBUG" = 1 ] || [ $((${rate%.*} * 4)) -gt "${control%.*}" ]; }
		ktap $? "$algorithm of $family through 20 Mbit/s: ${rate%.*} bytes/s, the kernel's TCP ${control%.*}"
	done
done
ip netns exec "$A" sysctl -qw net.ipv4.tcp_congestion_control=cubic

# SO_MAX_PACING_RATE: 2 MB at 1 MB/s, by our timer and by fq.
cat >/tmp/paced.py <<'PY'
import socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, 47, 1000000)
s.connect((sys.argv[1], int(sys.argv[2])))
start = time.monotonic()
s.sendall(bytes(2000000))
s.shutdown(socket.SHUT_WR)
while s.recv(65536):
    pass
print(int((time.monotonic() - start) * 1000))
PY
for qdisc in "pfifo" "fq"; do
	tc -n "$A" qdisc replace dev va root $qdisc
	for family in inet inet6; do
		# A busy host delays timers; nothing makes it faster.
		for _ in 1 2 3 4; do
			port=$((port + 1))
			ip netns exec "$B" python3 -c "
import socket
l = socket.create_server(('::', $port), family=socket.AF_INET6, dualstack_ipv6=True)
c = l.accept()[0]
while c.recv(1 << 20): pass" &
			wait_listen "$B" inet6 $port
			ms=$(ip netns exec "$A" timeout $((60 * slow)) \
				rusttcp-run python3 /tmp/paced.py "$(host_of $family 2)" $port)
			[ "$ms" -gt $((3500 * slow)) ] || break
		done
		[ "$ms" -ge 1900 ] && [ "$ms" -le $((3500 * slow)) ]
		ktap $? "2 MB paced at 1 MB/s with $qdisc, to $family: $ms ms"
	done
done

# Segment by segment, many in flight: IP finds its control block clean in each (it once found our
# notes there, took them for the size of a fragment, and refused the packet).
ip netns exec "$A" ethtool -K va tso off gso off
tc -n "$A" qdisc replace dev va root netem delay 5ms
for ip in '' 6; do
	fails=$(refused "$A")
	transfer inet$ip rusttcp$ip $((1000000 / slow))
	status=$?
	fails=$(($(refused "$A") - fails))
	[ "$status" = 0 ] && [ "$fails" = 0 ]
	ktap $? "rusttcp$ip without offload: $fails packets refused by IP"
done
ktap_end
