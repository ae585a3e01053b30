#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /proc/net/rusttcp_stat: names of the kernel's TCP, and its numbers where something happens that has
# one outcome.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
work=$(mktemp -d)

# names FILES: GROUP:NAME of each counter.
names() {
	awk '/^Tcp(Ext)?:/ && ++row[$1] % 2 { for (i = 2; i <= NF; i++) print $1 $i }' "$@" | sort
}
names /proc/net/snmp /proc/net/netstat >"$work/theirs"
names /proc/net/rusttcp_stat >"$work/ours"
# Segments that are in no window have a drop reason there, and no counter.
own=$(comm -13 "$work/theirs" "$work/ours" | tr '\n' ' ')
[ "$own" = "TcpExt:OutOfWindow " ]
ktap $? "the names are those of the kernel's TCP, in the same groups (own: $own)"
missing=$(comm -23 <(grep ^Tcp: "$work/theirs") <(grep ^Tcp: "$work/ours") | tr '\n' ' ')
[ -z "$missing" ]
ktap $? "all of the group Tcp is there (missing: $missing)"

# What a story counts that has nothing to do with timing.
sure='(ActiveOpens|PassiveOpens|AttemptFails|EstabResets|CurrEstab|OutRsts|ListenOverflows|ListenDrops'
sure="$sure|TW|TCPAbortOn[A-Za-z]*|InErrs|InCsumErrors)"
declare -A told
for family in inet inet6 rusttcp rusttcp6; do
	timeout 200 python3 -B selftests/net/counters.py $family >"$work/$family" 2>"$work/$family.err" &
	told[$family]=$!
done
for v6 in "" 6; do
	for stack in inet rusttcp; do
		wait "${told[$stack$v6]}"
		ktap $? "$stack$v6: the stories"
		sed 's/^/# /' "$work/$stack$v6.err"
		# Whom nobody listens for is refused by the kernel's TCP in either case, and data that
		# is too late meets FIN-WAIT-2 in one of two forms. What is under way when a shut window's reader hangs
		# up may be refused as well.
		grep -E " Tcp(Ext)?:$sure " "$work/$stack$v6" |
			grep -vE '^(refused|shut_window) Tcp:OutRsts|^too_late TcpExt:(TW|TCPAbortOnData)' |
			sort >"$work/$stack.sure"
	done
	[ -s "$work/inet.sure" ] && diff "$work/inet.sure" "$work/rusttcp.sure" >"$work/diff"
	ktap $? "IPv${v6:-4}: they count the same on both stacks ($(wc -l <"$work/inet.sure") changes)"
	sed 's/^/# /' "$work/diff"
	for name in TCPToZeroWindowAdv TCPFromZeroWindowAdv; do
		for stack in inet rusttcp; do
			grep -q "^shut_window TcpExt:$name [1-9]" "$work/$stack$v6"
			ktap $? "$stack$v6: $name"
		done
	done
done

# nstat reads them, by the same names.
PROC_NET_SNMP=/dev/null PROC_NET_NETSTAT=/proc/net/rusttcp_stat NSTAT_HISTORY=$work/h nstat -az >"$work/nstat" 2>&1
[ "$(grep -cE '^(TcpActiveOpens|TcpInSegs|TcpExtListenOverflows) ' "$work/nstat")" = 3 ]
ktap $? "nstat reads them"
[ $ktap_bad = 0 ] || sed 's/^/# /' "$work/nstat"
rm -rf "$work"
ktap_end
