#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a route says of TCP (ip-route(8): initcwnd, rto_min, congctl, ...). Both stacks, over IPv4 and over
# IPv6.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair
ktap_of "" python3 -B selftests/net/metrics.py "$A" "$B" metrics locks
ktap_end
