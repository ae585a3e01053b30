#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Accurate ECN (RFC 9768) between this TCP and the kernel's, every way round, over a queue that
# marks: what TCP_INFO says that arrived with which codepoint on one side is what the other side
# says that was reported. Each way of sending the option (tcp_ecn_option), and none.
. selftests/lib/net.sh
export PATH=$PWD/tools:$PATH
ns_pair
slow=1
[ "$RUSTTCP_DEBUG" = 1 ] && slow=4
port=7300
out=$(mktemp -d)

cat >"$out/ends.py" <<'PY'
import socket, struct, sys
role, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def account(s):
    """Its counters of ECN, and what of it works (struct tcp_info of linux/tcp.h)."""
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 280)
    bits = struct.unpack_from("=I", info, 276)[0]
    return {
        "delivered_ce": struct.unpack_from("=I", info, 196)[0],
        "received_ce": struct.unpack_from("=I", info, 248)[0],
        "delivered": struct.unpack_from("=III", info, 252),
        "received": struct.unpack_from("=III", info, 264),
        "mode": bits & 3, "seen": bits >> 2 & 3, "failed": bits >> 4 & 15,
    }

if role == "server":
    c = socket.create_server(("10.0.0.2", port)).accept()[0]
    left = size
    while left:
        left -= len(c.recv(min(left, 1 << 16)))
    told = account(c)
    c.sendall(b"done")
    c.recv(1)
else:
    c = socket.create_connection(("10.0.0.2", port))
    c.sendall(bytes(size))
    c.recv(4, socket.MSG_WAITALL)
    told = account(c)
print(told)
PY

# ends SERVER CLIENT: one transfer of $size bytes; what both say is in $out.
ends() {
	local run=
	port=$((port + 1))
	[ "$1" = rusttcp ] && run=rusttcp-run
	# shellcheck disable=SC2086
	ip netns exec "$B" timeout $((60 * slow)) $run python3 "$out/ends.py" server $port $size >"$out/server" &
	local server=$!
	wait_listen "$B" "$1" $port || return 1
	run=
	[ "$2" = rusttcp ] && run=rusttcp-run
	# shellcheck disable=SC2086
	ip netns exec "$A" timeout $((60 * slow)) $run python3 "$out/ends.py" client $port $size >"$out/client" ||
		{ kill $server; return 1; }
	wait $server
}

# agree EXPRESSION: of what the client (c) and the server (s) say.
agree() {
	python3 -c "
import sys
c, s = (eval(open('$out/' + role).read()) for role in ('client', 'server'))
size = $size
sys.exit(not ($1))"
}

size=$((1000000 / slow))
for ns in "$A" "$B"; do
	ip netns exec "$ns" sysctl -qw net.ipv4.tcp_ecn=3
done
tc -n "$A" qdisc replace dev va root netem loss 3% ecn delay 1ms limit 10000
ways=("2 inet rusttcp" "2 rusttcp inet")
# (A minute each on the debug kernel, for the starts of Python alone.)
[ "$RUSTTCP_DEBUG" = 1 ] || ways+=("1 inet rusttcp" "1 rusttcp inet" "0 rusttcp inet")
for way in "${ways[@]}"; do
	read -r option client server <<<"$way"
	for ns in "$A" "$B"; do
		ip netns exec "$ns" sysctl -qw "net.ipv4.tcp_ecn_option=$option"
	done
	agreed="c['mode'] == s['mode'] == 2 and c['failed'] == s['failed'] == 0 and
	        c['seen'] == s['seen'] == (2 if $option else 0)"
	arrived="sum(s['received']) >= size and s['received'][2] > 0 and s['received_ce'] > 0"
	# A SYN has no ECT and may be lost, and what is done then is not what this is about. Nor has
	# any of a few super-segments to be marked.
	for _ in 1 2 3 4; do
		ends "$server" "$client" && agree "$agreed and $arrived" && break
	done
	says="accurate ECN, tcp_ecn_option=$option, $client to $server"
	agree "$agreed"
	ktap $? "$says: both agreed, and nothing failed"
	agree "$arrived"
	ktap $? "$says: all bytes arrived with ECT, some marked"
	case $option in
	2) agree "c['delivered'] == s['received'] and c['delivered_ce'] == s['received_ce']" ;;
	# Nothing asks for the last of what came without a mark.
	1) agree "c['delivered'][2] == s['received'][2] and c['delivered'][1] <= s['received'][1] and
	          c['delivered_ce'] == s['received_ce']" ;;
	# The field alone may have wrapped.
	0) agree "c['delivered_ce'] % 8 == s['received_ce'] % 8 and c['delivered'] == (0, 0, 0)" ;;
	esac
	ktap $? "$says: reported as it arrived"
	[ $ktap_bad = 0 ] || cat "$out/client" "$out/server"
done
rm -rf "$out"
ktap_end
