#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What connect() and send() say of packets that a firewall drops or rejects on their way out or in, and
# what connection tracking and address translation make of a connection, and which
# answers have the mark of what they answer: the same as with the kernel's TCP.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
work=$(mktemp -d)
for family in inet inet6 rusttcp rusttcp6; do
	RUSTTCP_FAMILY=$family python3 -B selftests/net/netfilter.py >"$work/$family" 2>"$work/$family.err" &
done
wait
for v in "" 6; do
	sed 's/^/# /' "$work/inet$v.err" "$work/rusttcp$v.err"
	while IFS='|' read -r what want; do
		got=$(grep -F "$what|" "$work/rusttcp$v" | cut -d'|' -f2)
		[ "$want" = "$got" ]
		ktap $? "rusttcp$v: $what: $got"
		[ "$want" = "$got" ] || echo "# the kernel's TCP: $want"
	done <"$work/inet$v"
	[ "$(wc -l <"$work/inet$v")" = 30 ]
	ktap $? "inet$v: all cases"
done
rm -rf "$work"
ktap_end
