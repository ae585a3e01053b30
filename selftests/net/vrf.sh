#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Routing domains (VRF): a listener that is bound to no device has connections of none of them, unless
# tcp_l3mdev_accept says so, and then each stays in its own; on both stacks.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair

ip -n "$B" link add red type vrf table 10
ip -n "$B" link set red up
ip -n "$B" link set vb master red
ip -n "$B" addr replace fd00::2/64 dev vb nodad

log=$(mktemp)
timeout 200 python3 -B selftests/net/vrf.py "$A" "$B" >"$log" 2>&1
ktap $? "vrf.py ran to its end"
while IFS=: read -r what want got; do
	case $what in
	"case "*)
		[ "$got" = "$want" ]
		ktap $? "${what#case }: $got"
		;;
	*) echo "# $what:$want:$got" ;;
	esac
done <"$log"
rm -f "$log"
ktap_end
