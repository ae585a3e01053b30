#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A peer that sends a byte at a time to who does not read: what it takes is bounded by SO_RCVBUF, far
# more than a few hundred bytes find room in it, since they are copied together (TCPRcvCollapsed), and
# they are what was sent. The kernel's TCP is the control.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair
export PATH=$PWD/tools:$PATH

# serve: takes a connection, reads once the sender is done, and says how many bytes there were, whether
# they are right, and how much memory they took (SO_MEMINFO).
# (Over ours by rusttcp-run.)
serve='
import socket, struct, sys, time
host, port = sys.argv[1], int(sys.argv[2])
s = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
c, _ = s.accept()
done, _ = s.accept()
done.recv(1)
time.sleep(0.5)
taken = struct.unpack("9I", c.getsockopt(socket.SOL_SOCKET, 55, 36))[0]
data = b""
while True:
    part = c.recv(1 << 16)
    if not part:
        break
    data += part
right = data == bytes(n % 251 for n in range(len(data)))
print(len(data), int(right), taken, flush=True)
'
# send: a byte at a time until there is no room, for three seconds at most, then tells by the second
# connection.
send='
import socket, sys, time
to = (sys.argv[1], int(sys.argv[2]))
c = socket.create_connection(to)
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
c.setblocking(False)
n, until = 0, time.monotonic() + 3
while n < 20000 and time.monotonic() < until:
    try:
        n += c.send(bytes([n % 251]))
    except BlockingIOError:
        time.sleep(0.01)
done = socket.create_connection(to)
done.send(b"x")
c.setblocking(True)
c.close()
print(n)
'
port=6800
work=$(mktemp)
for stack in inet inet6 rusttcp rusttcp6; do
	to=$(host_of $stack 2)
	port=$((port + 1))
	run=()
	file=netstat
	[[ $stack == inet* ]] || { run=(rusttcp-run) && file=rusttcp_stat; }
	before=$(counter "$B" $file TCPRcvCollapsed TcpExt)
	ip netns exec "$B" timeout 100 "${run[@]}" python3 -c "$serve" "$to" $port >"$work" &
	server=$!
	wait_listen "$B" $stack $port
	sent=$(ip netns exec "$A" timeout 60 python3 -c "$send" "$to" $port)
	wait $server
	ktap $? "$stack: sent and read"
	read -r got right taken <"$work"
	[ "$got" = "$sent" ] && [ "$right" = 1 ]
	ktap $? "$stack: $got of $sent bytes, as they were sent"
	# SO_RCVBUF is doubled, and what was promised is taken.
	[ "$taken" -le 300000 ] && [ "$got" -gt 2000 ]
	ktap $? "$stack: they took $taken bytes"
	copied=$(($(counter "$B" $file TCPRcvCollapsed TcpExt) - before))
	[[ $stack == inet* ]] || [ "$copied" -gt 0 ] || [ "$RUSTTCP_DEBUG" = 1 ]
	ktap $? "$stack: $copied were copied together"
done
rm -f "$work"
ktap_end
