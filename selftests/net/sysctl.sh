#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# net.rusttcp.tcp_*: what each namespace's sockets do is as its net.ipv4 says until somebody
# writes net.rusttcp, and from then on as that says.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair

in_a() { ip netns exec "$A" "$@"; }
get() { in_a sysctl -n "$1" | tr '\t' ' '; }
set_a() { in_a sysctl -qw "$1=$2" 2>/dev/null; }
dir=/proc/sys/net/rusttcp

# Every one of them has the value of its namesake. tcp_max_orphans the first namespace alone has.
# (One look, not two commands for each: on the debug kernel they take a second.)
# shellcheck disable=SC2016
report=$(in_a bash -c 'cd "$1" || exit
	for name in tcp_*; do
		if [ "$name" = tcp_max_orphans ]; then
			[ "$(cat $name)" = "$2" ]
		else
			cmp -s "$name" "../ipv4/$name"
		fi || bad="$bad $name"
		count=$((count + 1))
	done
	echo "$count$bad"' bash $dir "$(cat /proc/sys/net/ipv4/tcp_max_orphans)")
[[ $report =~ ^[0-9]+$ ]] && [ "$report" -ge 67 ]
ktap $? "each has its namesake's value ($report)"

# What the kernel's TCP has and we don't is told, with its reason, and nothing else is.
told=$(sed -n '/^\.\. not-followed/,/^\.\. end-not-followed/s/^\(tcp_[a-z0-9_]*\)$/\1/p' Documentation/sysctl.rst | sort)
lacking=$(comm -23 <(cd /proc/sys/net/ipv4 && printf '%s\n' tcp_* | sort) <(cd $dir && printf '%s\n' * | sort))
[ -n "$told" ] && [ "$told" = "$lacking" ]
status=$?
diff <(echo "$told") <(echo "$lacking") | sed 's/^/# /'
ktap $status "each of net.ipv4.tcp_* is followed, or Documentation/sysctl.rst says why not"

# They follow it, all shapes of them.
set_a net.ipv4.tcp_syn_retries 3
set_a net.ipv4.tcp_fin_timeout 17
set_a net.ipv4.tcp_rmem '8192 100000 200000'
set_a net.ipv4.tcp_congestion_control reno
[ "$(get net.rusttcp.tcp_syn_retries)" = 3 ] && [ "$(get net.rusttcp.tcp_fin_timeout)" = 17 ] &&
	[ "$(get net.rusttcp.tcp_rmem)" = "8192 100000 200000" ] &&
	[ "$(get net.rusttcp.tcp_congestion_control)" = reno ]
ktap $? "they follow it"

# Once written they don't, and net.ipv4 and the other namespace stay as they were.
set_a net.rusttcp.tcp_syn_retries 4 && set_a net.rusttcp.tcp_rmem '4096 65536 70000' &&
	set_a net.rusttcp.tcp_congestion_control bbr && set_a net.rusttcp.tcp_fin_timeout 30
set_a net.ipv4.tcp_syn_retries 2
[ "$(get net.rusttcp.tcp_syn_retries)" = 4 ] && [ "$(get net.ipv4.tcp_syn_retries)" = 2 ] &&
	[ "$(get net.rusttcp.tcp_rmem)" = "4096 65536 70000" ] &&
	[ "$(get net.rusttcp.tcp_congestion_control)" = bbr ] &&
	[ "$(get net.ipv4.tcp_congestion_control)" = reno ] &&
	[ "$(get net.rusttcp.tcp_fin_timeout)" = 30 ]
ktap $? "written, they stand for themselves"
[ "$(ip netns exec "$B" sysctl -n net.rusttcp.tcp_syn_retries)" = 6 ]
ktap $? "the other namespace has its own"

# What may be written, and what is read of it: as with net.ipv4, in another namespace.
# shellcheck disable=SC2016
forms=$(ip netns exec "$B" bash -c 'cd /proc/sys/net
	for form in fastopen=0x402 fastopen=0x fastopen=0xg keepalive_time=010 keepalive_time=08 keepalive_time=" 5 " \
		rmem="5000 6000" rmem=4095 rmem=4096 rmem= wmem=2 wmem=0 \
		min_rtt_wlen=86400 min_rtt_wlen=86401 tw_reuse_delay=0 tw_reuse_delay=60000 tw_reuse_delay=60001 \
		mtu_probing=255 mtu_probing=256 probe_interval=4294967 probe_interval=4294968; do
		name=tcp_${form%%=*} said=
		for of in rusttcp ipv4; do
			echo "${form#*=}" 2>/dev/null >$of/$name
			said+="$? $(cat $of/$name);"
		done
		[ "${said%%;*}" = "$(cut -d";" -f2 <<<"$said")" ] || echo "# $form: $said"
		echo inherit >rusttcp/$name
	done' 2>/dev/null)
[ -z "$forms" ] || echo "$forms"
[ -z "$forms" ]
ktap $? "forms and ranges are those of net.ipv4"

# Nonsense is refused and changes nothing.
refused=0
for pair in tcp_syn_retries=0 tcp_syn_retries=128 tcp_syn_retries=x tcp_syn_retries='1 2' tcp_ecn=6 \
	tcp_rmem='1 2' tcp_rmem='0 1 2' tcp_congestion_control=nonsense tcp_sack=-1 tcp_sack=256; do
	set_a "net.rusttcp.${pair%%=*}" "${pair#*=}" || refused=$((refused + 1))
done
[ $refused = 10 ] && [ "$(get net.rusttcp.tcp_syn_retries)" = 4 ]
ktap $? "nonsense is refused ($refused of 10)"

# What counts is what sockets do: the options of the SYN of one that is made now.
syn() {
	ip netns exec "$B" timeout 300 python3 -c '
import socket, sys
protocol, header = (0x86dd, 40) if sys.argv[1].endswith("6") else (0x0800, 20)
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(protocol))
s.bind(("vb", 0))
print("ready", flush=True)
while True:
    tcp = s.recv(2000)[header:]
    if tcp[2:4] == b"\0\x09" and tcp[13] == 2:
        options, kinds = tcp[20:(tcp[12] >> 4) * 4], []
        while options and options[0]:
            kinds.append("kind-%d." % options[0])
            options = options[1 if options[0] == 1 else options[1]:]
        print(*kinds, flush=True)
        break
' "$1" >"$work" &
	local dump=$!
	wait_for 200 grep -q ready "$work"
	in_a perf rr "$1" "$(host_of "$1" 2)" 9 0 >/dev/null 2>&1
	wait $dump
	grep kind "$work"
}
sack='kind-4\.'
work=$(mktemp)
for ip in '' 6; do
	syn rusttcp$ip | grep -q "$sack"
	ktap $? "rusttcp$ip: SACK is offered"
	set_a net.rusttcp.tcp_sack 0
	syn rusttcp$ip | grep -q 'kind-2\.' && ! grep -q "$sack" "$work"
	ktap $? "rusttcp$ip: not with net.rusttcp.tcp_sack=0"
	syn inet$ip | grep -q "$sack"
	ktap $? "the kernel's TCP (inet$ip) offers it"
	set_a net.rusttcp.tcp_sack inherit
	syn rusttcp$ip | grep -q "$sack"
	ktap $? "rusttcp$ip: again with inherit"
done
rm -f "$work"

# A namespace goes with its settings; the module's next life knows nothing of them.
set_a net.rusttcp.tcp_syn_retries inherit
[ "$(get net.rusttcp.tcp_syn_retries)" = 2 ]
ktap $? "inherit follows net.ipv4 again"
ktap_end
