#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What an administrator sees: the stock ss on /proc/net/rusttcp, the counters, and each
# namespace its own.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair

ip netns exec "$B" perf server rusttcp 10.0.0.2 7100 &
wait_listen "$B" rusttcp 7100
ss_has "$B" '^LISTEN +0 +128 +10\.0\.0\.2:7100 +0\.0\.0\.0:\*'
ktap $? "ss lists the listener, with an empty queue and its bound"
[ -z "$(our_ss "$A" -tanH)" ]
ktap $? "the other namespace does not have it"

# A second client waits in the accept queue while the first is served.
ip netns exec "$A" perf rr rusttcp 10.0.0.2 7100 1000 >/dev/null &
first=$!
wait_for 10 ss_has "$B" ESTAB
ktap $? "ss lists an established connection"
our_ss "$A" -tinH | grep -Eq '^ESTAB .* rto:0\.[0-9]+ .*cwnd:[1-9][0-9]'
ktap $? "ss -i: time-out and congestion window"
ip netns exec "$A" perf rr inet 10.0.0.2 7100 0 >/dev/null &
second=$!
wait_for 10 ss_has "$B" '^LISTEN +1 '
ktap $? "Recv-Q of the listener: one connection waits for accept"
ss_has "$A" '^ESTAB .*10\.0\.0\.1:[0-9]+ +10\.0\.0\.2:7100'
ktap $? "the client's side is in the client's namespace"
kill $first
wait $second
ktap $? "the first client gone, the second is served, over the kernel's TCP"
ip netns exec "$A" perf rr rusttcp 10.0.0.2 7100 0 >/dev/null
wait_for 10 ss_has "$A" '^TIME-WAIT'
ktap $? "ss lists TIME-WAIT"

rows=$(awk "{ print \$1, NF }" "$(ns_file "$B" rusttcp_stat)" | sort | uniq -c | awk "\$1 % 2" | wc -l)
[ "$rows" = 0 ]
ktap $? "rusttcp_stat: each line of names has its line of as many values"
kill %1

# The columns without a name, as the kernel's TCP has them: ss -i and -o show what it shows of that.
for stack in inet rusttcp; do
	ip netns exec "$B" perf server $stack 10.0.0.2 7150 &
	server=$!
	wait_listen "$B" $stack 7150
	ip netns exec "$A" perf rr $stack 10.0.0.2 7150 1000 >/dev/null &
	client=$!
	file=tcp
	[ $stack = inet ] || file=rusttcp
	wait_for 20 grep -Eq ':1BEE 01 ' "$(ns_file "$A" $file)"
	shown=$(ip netns exec "$A" env PROC_NET_TCP=/proc/net/$file PROC_NET_TCP6=/dev/null \
		ss -tinHO 'dport = 7150')
	echo "# $stack: $shown"
	[[ $shown =~ \ rto:0\.[2-9][0-9]*\ ato:0\.0[0-9]+\ cwnd:1[0-9]\  ]] && [[ $shown != *ssthresh* ]]
	ktap $? "$stack: ss -i: time-out, delay of ACKs and window by /proc/net/$file"
	fields=$(awk '/:1BEE 01 / { print NF; exit }' "$(ns_file "$A" $file)")
	[ "$fields" = 17 ]
	ktap $? "$stack: /proc/net/$file has 17 columns of a connection ($fields)"
	fields=$(awk '/:1BEE 00000000:0000 0A / { print NF, $13, $16; exit }' "$(ns_file "$B" $file)")
	[ "$fields" = "17 100 10" ]
	ktap $? "$stack: and of a listener, with what connections begin with ($fields)"
	kill $client $server
	wait $client $server 2>/dev/null
done

# IPv6, and an IPv4 client of a listener of both.
ip netns exec "$B" perf server rusttcp6 :: 7200 &
wait_listen "$B" rusttcp6 7200
ss_has "$B" '^LISTEN +0 +[0-9]+ +(\*|\[::\]):7200 +(\*|\[::\]):\*'
ktap $? "ss lists the listener of IPv6"
ip netns exec "$A" perf rr rusttcp6 fd00::2 7200 1000 >/dev/null &
client=$!
wait_for 10 ss_has "$B" '^ESTAB .*\[fd00::2\]:7200 +\[fd00::1\]:'
ktap $? "and its connection"
ss_has "$A" '^ESTAB .*\[fd00::1\]:[0-9]+ +\[fd00::2\]:7200'
ktap $? "the client's side too"
kill $client
ip netns exec "$A" perf rr rusttcp 10.0.0.2 7200 1000 >/dev/null &
client=$!
wait_for 10 grep -qi '0000000000000000FFFF00000200000A:1C20 0000000000000000FFFF00000100000A:.... 01' \
	"$(ns_file "$B" rusttcp6)"
ktap $? "an IPv4 client is listed with its v4-mapped address"
wait_for 10 grep -qi '0100000A:.... 0200000A:1C20 01' "$(ns_file "$A" rusttcp)"
ktap $? "and as IPv4 on its own side"
kill $client
kill %%
ktap_end
