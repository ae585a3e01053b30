#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module goes when no socket is left, not before, and leaves nothing behind.
. selftests/lib/net.sh
ip link set lo up
cycles=20
[ "$RUSTTCP_DEBUG" = 1 ] && cycles=3

xfer server rusttcp 127.0.0.1 6000 0 &
server=$!
wait_for 10 grep -q ':1770 00000000:0000 0A' /proc/net/rusttcp
! rmmod rusttcp 2>/dev/null
ktap $? "rmmod is refused while a socket is open"
xfer client rusttcp 127.0.0.1 6000 0
wait $server
wait_for 20 rmmod rusttcp
ktap $? "rmmod after the last socket"
xfer client rusttcp 127.0.0.1 6000 0 2>&1 | grep -q "Bail out"
ktap $? "no family without the module"

status=0
for _ in $(seq $cycles); do
	insmod "$RUSTTCP_KO" || status=1
	xfer server rusttcp 127.0.0.1 6000 1000 &
	server=$!
	wait_for 10 grep -q ':1770 00000000:0000 0A' /proc/net/rusttcp
	xfer client rusttcp 127.0.0.1 6000 1000 || status=1
	wait $server || status=1
	wait_for 20 rmmod rusttcp || status=1
done
ktap $status "$cycles cycles of insmod, a connection, rmmod"
! grep -q RUSTTCP /proc/slabinfo
ktap $? "no slab cache is left"
[ ! -e /proc/net/rusttcp ]
ktap $? "no file in /proc is left"
insmod "$RUSTTCP_KO"
ktap $? "and it comes back"
ktap_end
