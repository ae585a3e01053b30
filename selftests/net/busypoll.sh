#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# SO_BUSY_POLL: who reads looks at the device himself; SO_INCOMING_NAPI_ID says at which of its queues.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
export PATH=$PWD/tools:$PATH
ns_pair

# With GRO veth's ends have queues that can be polled, which it uses for what it could not hand over
# whole.
in_ns() { ip netns exec "$@"; }
in_ns "$A" ethtool -K va gro on tso off && in_ns "$B" ethtool -K vb gro on tso off
ktap $? "veth with GRO"

# shellcheck disable=SC2016
server='
import socket, sys
SO_BUSY_POLL, SO_INCOMING_NAPI_ID = 46, 56
host = sys.argv[1]
listener = socket.create_server((host, 7000), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
print("ready", flush=True)
conn, _ = listener.accept()
first = conn.recv(1)
queue = conn.getsockopt(socket.SOL_SOCKET, SO_INCOMING_NAPI_ID)
conn.sendall(first)
conn.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL, 500)
turns = 0
while turns < 100 and (data := conn.recv(100)):
    conn.sendall(data)
    turns += 1
conn.settimeout(0.3)
try:
    conn.recv(100)
    late = "data"
except TimeoutError:
    late = "timeout"
conn.sendall(b"!")
conn.settimeout(None)
print("result", "queue" if queue > 0 else "no-queue", turns, late, len(conn.recv(100)), flush=True)
'
client='
import socket, sys
conn = socket.create_connection((sys.argv[1], 7000))
for turn in range(101):
    conn.sendall(b"x")
    assert conn.recv(1) == b"x"
assert conn.recv(1) == b"!"
conn.close()
'
for stack in inet inet6 rusttcp rusttcp6; do
	run=
	[[ $stack == inet* ]] || run=rusttcp-run
	to=$(host_of $stack 2)
	work=$(mktemp)
	in_ns "$B" $run python3 -c "$server" "$to" >"$work" 2>&1 &
	wait_for 30 grep -q ready "$work"
	in_ns "$A" $run timeout 60 python3 -c "$client" "$to"
	wait_for 10 grep -q result "$work"
	read -r _ queue turns late end < <(grep result "$work")
	[ "$queue" = queue ]
	ktap $? "$stack: the queue that packets come by"
	[ "$turns" = 100 ]
	ktap $? "$stack: data comes ($turns of 100)"
	[ "$late" = timeout ] && [ "$end" = 0 ]
	ktap $? "$stack: so does its absence, and the end"
	[ "$queue" = queue ] || cat "$work"
	rm -f "$work"
done
ktap_end
