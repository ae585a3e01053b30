#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fast Open (RFC 7413) between this TCP and the kernel's: the first connection asks for a cookie, the
# others have data on the SYN.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair
program=selftests/prog/fastopen.py
for ns in "$A" "$B"; do
	ip netns exec "$ns" sysctl -qw net.ipv4.tcp_fastopen=3
done

# run STACK: how a program runs on it
run() {
	[ "$1" = rusttcp ] && echo tools/rusttcp-run
}

# pair SERVER CLIENT QLEN: 4 connections; what both saw is in $out.server and $out.client.
out=$(mktemp -u)
pair() {
	local port=$((7000 + ktap_count))
	ip netns exec "$A" ip tcp_metrics flush all >/dev/null 2>&1
	# shellcheck disable=SC2046
	ip netns exec "$B" $(run "$1") python3 $program server 10.0.0.2 $port "$3" 4 >"$out.server" &
	local server=$!
	wait_listen "$B" "$1" $port
	# shellcheck disable=SC2046
	ip netns exec "$A" $(run "$2") timeout 90 python3 $program client 10.0.0.2 $port 4 >"$out.client"
	local status=$?
	[ $status = 0 ] || kill $server
	wait $server && [ $status = 0 ]
}

count() {
	grep -c "^$1" "$2"
}

pair tcp tcp 5 && [ "$(count data "$out.client")" = 3 ]
ktap $? "the kernel's TCP with itself: a cookie, then three with data on the SYN"
pair rusttcp tcp 5
ktap $? "listener here, the kernel's client: every byte is there"
[ "$(count data "$out.client")" = 3 ] && [ "$(count data "$out.server")" = 3 ]
ktap $? "a cookie, then three with data on the SYN"
pair rusttcp tcp 0 && [ "$(count plain "$out.client")" = 4 ] && [ "$(count plain "$out.server")" = 4 ]
ktap $? "none without TCP_FASTOPEN"
ip netns exec "$B" sysctl -qw net.rusttcp.tcp_fastopen=1026
pair rusttcp tcp 0 && [ "$(count data "$out.server")" = 3 ]
ktap $? "nor needed with net.rusttcp.tcp_fastopen=0x402"
ip netns exec "$B" sysctl -qw net.rusttcp.tcp_fastopen=1
pair rusttcp tcp 5 && [ "$(count plain "$out.server")" = 4 ]
ktap $? "not where the namespace does not want it"
ip netns exec "$B" sysctl -qw net.rusttcp.tcp_fastopen=inherit
ip netns exec "$B" cat /proc/net/rusttcp_stat | awk '
	NR % 2 { for (i = 2; i <= NF; i++) name[i] = $i; next }
	{ for (i = 2; i <= NF; i++) if (name[i] == "TCPFastOpenPassive") n = $i }
	END { exit !(n >= 6) }'
ktap $? "TCPFastOpenPassive counts them"
rm -f "$out.server" "$out.client"
ktap_end
