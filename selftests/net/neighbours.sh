#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What TCP tells IP: that a neighbour is there, and that a route may be dead. Both stacks, over IPv4 and over
# IPv6.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair
ktap_of "" python3 -B selftests/net/metrics.py "$A" "$B" neighbours dead_path
ktap_end
