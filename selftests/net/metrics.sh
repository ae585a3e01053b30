#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a route says of TCP (ip-route(8): initcwnd, rto_min, congctl, ...) and what TCP tells IP of it:
# that a neighbour is there, and that a route may be dead. Both stacks, over IPv4 and over IPv6.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
export PATH=$PWD/tools:$PATH
ns_pair
while read -r status what; do
	ktap "$status" "$what"
done < <(python3 selftests/net/metrics.py check "$A" "$B"; echo "$? ran to its end")
ktap_end
