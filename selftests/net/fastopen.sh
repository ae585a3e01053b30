#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fast Open (RFC 7413) between this TCP and the kernel's: the first connection asks for a cookie, the
# others have data on the SYN.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh

# Both namespaces, without what they know of each other.
fresh_namespaces() {
	[ -z "${A-}" ] || ns_cleanup
	ns_pair
	for ns in "$A" "$B"; do
		ip netns exec "$ns" sysctl -qw net.ipv4.tcp_fastopen=3
	done
}

# pair SERVER CLIENT QLEN: 4 connections; what both saw is in $out.server and $out.client.
out=$(mktemp -u)
pair() {
	local port=$((7000 + ktap_count)) to server
	to=$(host_of "$1" 2)
	ip netns exec "$A" ip tcp_metrics flush all >/dev/null 2>&1
	ip netns exec "$B" fastopen server "$1" "$to" $port "$3" 4 >"$out.server" &
	server=$!
	wait_listen "$B" "$1" $port
	ip netns exec "$A" timeout 90 fastopen client "$2" "$to" $port 4 >"$out.client"
	local status=$?
	[ $status = 0 ] || kill $server
	wait $server && [ $status = 0 ]
}

counts() {
	[ "$(counter "$1" rusttcp_stat "$2")" = "$3" ]
}

count() {
	grep -c "^$1" "$2"
}

for ip in '' 6; do
	fresh_namespaces
	pair inet$ip inet$ip 5 && [ "$(count data "$out.client")" = 3 ]
	ktap $? "IPv${ip:-4}: the kernel's TCP with itself: a cookie, then three with data on the SYN"
	pair rusttcp$ip inet$ip 5
	ktap $? "IPv${ip:-4}: listener here, the kernel's client: every byte is there"
	[ "$(count data "$out.client")" = 3 ] && [ "$(count data "$out.server")" = 3 ]
	ktap $? "IPv${ip:-4}: a cookie, then three with data on the SYN"
	# Now the other way round, and both ends here.
	pair inet$ip rusttcp$ip 5
	ktap $? "IPv${ip:-4}: client here, the kernel's listener: every byte is there"
	[ "$(count data "$out.client")" = 3 ] && [ "$(count data "$out.server")" = 3 ]
	ktap $? "IPv${ip:-4}: a cookie, then three with data on the SYN"
	fresh_namespaces
	pair rusttcp$ip rusttcp$ip 5
	ktap $? "IPv${ip:-4}: both ends here: every byte is there"
	[ "$(count data "$out.client")" = 3 ] && [ "$(count data "$out.server")" = 3 ]
	ktap $? "IPv${ip:-4}: a cookie, then three with data on the SYN"
	fresh_namespaces
	pair inet$ip rusttcp$ip 0 && [ "$(count plain "$out.client")" = 4 ] && [ "$(count plain "$out.server")" = 4 ]
	ktap $? "IPv${ip:-4}: none where the kernel's listener does not offer it"
	pair rusttcp$ip inet$ip 0 && [ "$(count plain "$out.client")" = 4 ] && [ "$(count plain "$out.server")" = 4 ]
	ktap $? "IPv${ip:-4}: none without TCP_FASTOPEN"
	ip netns exec "$B" sysctl -qw net.rusttcp.tcp_fastopen=1026
	pair rusttcp$ip inet$ip 0 && [ "$(count data "$out.server")" = 3 ]
	ktap $? "IPv${ip:-4}: nor needed with net.rusttcp.tcp_fastopen=0x402"
	ip netns exec "$B" sysctl -qw net.rusttcp.tcp_fastopen=1
	pair rusttcp$ip inet$ip 5 && [ "$(count plain "$out.server")" = 4 ]
	ktap $? "IPv${ip:-4}: not where the namespace does not want it"
	ip netns exec "$B" sysctl -qw net.rusttcp.tcp_fastopen=inherit
	[ "$(counter "$B" rusttcp_stat TCPFastOpenPassive)" = 3 ]
	ktap $? "IPv${ip:-4}: TCPFastOpenPassive counts them"

	# Something on the way drops all that follows: after three time-outs in a row nothing is tried for
	# a while, and then once.
	fresh_namespaces
	pair inet$ip rusttcp$ip 5 && [ "$(count data "$out.client")" = 3 ]
	ktap $? "IPv${ip:-4}: client here, with a cookie"
	[ "$(counter "$A" rusttcp_stat TCPFastOpenActive)" = 3 ]
	ktap $? "IPv${ip:-4}: TCPFastOpenActive counts them"
	ip netns exec "$A" sysctl -qw net.rusttcp.tcp_fastopen_blackhole_timeout_sec=1000
	tc -n "$B" qdisc replace dev vb root netem loss 100%
	ip netns exec "$A" fastopen client rusttcp$ip "$(host_of inet$ip 2)" 7999 1 >/dev/null 2>&1 &
	waits=$!
	wait_for 60 counts "$A" TCPFastOpenBlackhole 1 && counts "$A" TCPFastOpenActiveFail 1
	ktap $? "IPv${ip:-4}: three time-outs: TCPFastOpenBlackhole, TCPFastOpenActiveFail"
	kill $waits
	tc -n "$B" qdisc del dev vb root
	pair inet$ip rusttcp$ip 5 && [ "$(count plain "$out.client")" = 4 ]
	ktap $? "IPv${ip:-4}: nothing is tried for a while"
	# A second counts from the time-out, which was a moment ago.
	ip netns exec "$A" sysctl -qw net.rusttcp.tcp_fastopen_blackhole_timeout_sec=1
	sleep 1.1
	pair inet$ip rusttcp$ip 5 && [ "$(count data "$out.client")" = 4 ]
	ktap $? "IPv${ip:-4}: then it is, with the cookie that was kept"
	ip netns exec "$A" sysctl -qw net.rusttcp.tcp_fastopen=4
	! pair inet$ip rusttcp$ip 5
	ktap $? "IPv${ip:-4}: not where the namespace does not want clients to"
done
rm -f "$out.server" "$out.client"
ktap_end
