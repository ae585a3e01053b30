#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Routing domains (VRF): a listener that is bound to no device has connections of none of them, unless
# tcp_l3mdev_accept says so, and then each stays in its own; on both stacks. Connections of two of them
# may have the same addresses and ports.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair

ip -n "$B" link add red type vrf table 10
ip -n "$B" link set red up
ip -n "$B" link set vb master red
ip -n "$B" addr replace fd00::2/64 dev vb nodad

# The same once more: C has A's addresses, and B's are in another routing domain.
C=c$$
ip netns add "$C"
ip link add vc netns "$C" type veth peer name vd netns "$B"
ip -n "$B" link add blue type vrf table 20
ip -n "$B" link set blue up
ip -n "$B" link set vd master blue
ip -n "$B" addr add 10.0.0.2/24 dev vd
ip -n "$B" link set vd up
ip -n "$B" addr replace fd00::2/64 dev vd nodad
ip -n "$C" addr add 10.0.0.1/24 dev vc
ip -n "$C" addr add fd00::1/64 dev vc nodad
ip -n "$C" link set lo up
ip -n "$C" link set vc up
trap 'ns_cleanup; ip netns del "$C"' EXIT

log=$(mktemp)
timeout 200 python3 -B selftests/net/vrf.py "$A" "$B" "$C" >"$log" 2>&1
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
