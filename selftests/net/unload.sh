#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module goes when no socket is left, not before, and leaves nothing behind.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
cycles=200
# Each takes seconds on the debug kernel; fewer where only part of the suite runs there.
[ "$RUSTTCP_DEBUG" = 1 ] && cycles=20 && [ -n "${RUSTTCP_PART:-}" ] && cycles=4

grep -q '^RUSTTCP ' /proc/slabinfo && [ -e /proc/net/rusttcp ] && grep -q '^RUSTTCP ' /proc/net/protocols
ktap $? "the module is in slabinfo, /proc/net and /proc/net/protocols"

# dummy0's network is where the half-open connections' peers would be.
log=$(mktemp)
unshare -n sh -c "ip link set lo up && ip link add dummy0 type dummy &&
	ip addr add 192.0.2.1/24 dev dummy0 && ip addr add 2001:db8::1/64 dev dummy0 nodad && ip link set dummy0 up && exec unload '$RUSTTCP_KO' $cycles" 2>&1 | tee "$log" |
	grep '^#'
while read -r line; do
	case $line in
	"ok "*) ktap 0 "${line#ok * - }" ;;
	"not ok "*) ktap 1 "${line#not ok * - }" ;;
	esac
done <"$log"
grep -q '^1\.\.' "$log"
ktap $? "unload ran to its end"
grep '^Bail out' "$log" | sed 's/^/# /'
rm -f "$log"

rmmod rusttcp
ktap $? "rmmod"
! grep -q RUSTTCP /proc/slabinfo /proc/net/protocols
ktap $? "no slab cache and no protocol is left"
[ ! -e /proc/net/rusttcp ] && [ ! -e /proc/net/rusttcp6 ] && [ ! -e /proc/net/rusttcp_stat ] && [ ! -e /sys/module/rusttcp ]
ktap $? "no file in /proc and /sys is left"
xfer client rusttcp 127.0.0.1 6000 0 2>&1 | grep -q "Bail out"
ktap $? "no family without the module"
insmod "$RUSTTCP_KO"
ktap $? "and it comes back"
ktap_end
