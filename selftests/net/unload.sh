#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module goes when no socket is left, not before, and leaves nothing behind.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ip link set lo up
cycles=200
[ "$RUSTTCP_DEBUG" = 1 ] && cycles=10

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

# Whoever connects to port 6012 stays half-open: the last ACK of the handshake never arrives.
nft add table ip churn
nft add chain ip churn in '{ type filter hook input priority 0; }'
nft add rule ip churn in tcp dport 6012 tcp flags '& (syn | ack | rst) == ack' drop

kernel_memory() {
	echo 3 >/proc/sys/vm/drop_caches
	awk '$1 ~ /^(SUnreclaim|Percpu|VmallocUsed):/ { sum += $2 } END { print sum }' /proc/meminfo
}

status=0
for cycle in $(seq $cycles); do
	insmod "$RUSTTCP_KO" || status=1
	case $((cycle % 3)) in
	0) churn rusttcp rusttcp 100 6010 ;;
	1) churn rusttcp inet 100 6010 ;;
	2) churn inet rusttcp 100 6010 ;;
	esac || status=1
	if ! wait_for 20 rmmod rusttcp; then
		status=1
		echo "# cycle $cycle: still in use: $(lsmod | grep rusttcp)"
		sed 's/^/# /' /proc/net/rusttcp
		break
	fi
	! grep -q RUSTTCP /proc/slabinfo || status=1
	[ "$cycle" != 20 ] || before=$(kernel_memory)
	[ $status = 0 ] || break
done
ktap $status "$cycles cycles of insmod, 100 connections, close, rmmod; no slab cache left"
nft delete table ip churn
if [ $cycles -gt 20 ]; then
	grown=$(($(kernel_memory) - before))
	echo "# kernel memory after the cycles 20 to $cycles: $grown kB more"
	# A buffer of each connection would be ten times that.
	[ $grown -lt 2048 ]
	ktap $? "180 cycles leave less than 2 MiB"
fi
[ ! -e /proc/net/rusttcp ]
ktap $? "no file in /proc is left"
insmod "$RUSTTCP_KO"
ktap $? "and it comes back"
ktap_end
