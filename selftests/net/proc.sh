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

# ss -tanoep while nothing gets through: both stacks' fields by name, and what ss finds by them. Each client
# has a byte under way when the link goes, and sends it again and again.
# sent_again FAMILY PORT: sets $line to the client's, once it was sent again twice or more.
sent_again() {
	local file=tcp
	[[ $1 == inet* ]] || file=rusttcp
	line=$(ip netns exec "$A" env PROC_NET_TCP="/proc/net/$file" PROC_NET_TCP6="/proc/net/${file}6" \
		ss -tanoepHO "dport = $2" | tr -s ' ')
	[[ $line =~ timer:\(on,[^,]*,[2-9]\) ]]
}
port=7160 clients=() ports=()
families=(inet rusttcp inet6 rusttcp6)
for family in "${families[@]}"; do
	to=$(host_of "$family" 2) port=$((port + 1))
	ip netns exec "$B" perf server "$family" "$to" $port &
	clients+=($!)
	wait_listen "$B" "$family" $port
	# Not root's: the user is in the line too.
	ip netns exec "$A" setpriv --reuid 65534 --clear-groups perf rr "$family" "$to" $port 1000 >/dev/null &
	clients+=($!)
	ports+=("$port")
done
for i in "${!families[@]}"; do
	wait_for 20 grep -Eq "$(printf ':%04X 01 ' "${ports[i]}")" "$(ns_file "$A" "${families[i]/inet/tcp}")"
done
tc -n "$B" qdisc replace dev vb root netem loss 100%
tc -n "$A" qdisc replace dev va root netem loss 100%
declare -A fields
for i in "${!families[@]}"; do
	family=${families[i]}
	wait_for 20 sent_again "$family" "${ports[i]}"
	ktap $? "$family: ss -o: the timer is on, and something was sent again"
	echo "# $line"
	[[ $line =~ ^ESTAB\ 0\ 1\ .*\ users:\(\(\"perf\",pid=[0-9]+,fd=[0-9]+\)\)\ .*\ uid:65534\ ino:[1-9][0-9]*\ sk: ]]
	ktap $? "$family: a byte is not acknowledged, and ss -p and -e find whose it is"
	# ss writes 1630 ms as 1.630ms. Each time-out is twice the one before; the first is not far from 200 ms.
	[[ $line =~ timer:\(on,(([0-9]+)(sec|\.))?(0*([0-9]+)ms)?,([0-9]+)\) ]]
	left=$((${BASH_REMATCH[2]:-0} * 1000 + ${BASH_REMATCH[5]:-0})) times=${BASH_REMATCH[6]:-0}
	[ $left -le $((500 << times)) ]
	ktap $? "$family: the timer is no further off than the time-out is ($left ms after $times)"
	fields[$family]=$(grep -oE ' [a-z]+:[^ ]{0,3}' <<<"$line" | grep -oE '[a-z]+:' | tr '\n' ' ')
done
for ip in '' 6; do
	[ "${fields[inet$ip]}" = "${fields[rusttcp$ip]}" ] && [ -n "${fields[inet$ip]}" ]
	ktap $? "IPv${ip:-4}: ss -tanoep: the fields of both stacks are the same: ${fields[rusttcp$ip]}"
done
kill "${clients[@]}"
tc -n "$A" qdisc del dev va root
tc -n "$B" qdisc del dev vb root

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
