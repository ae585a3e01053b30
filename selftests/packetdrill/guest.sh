#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh ROOT.tar GUEST.py ARGS...: in the VM, unpacks the root into memory and runs
# GUEST.py there. Time is virtual: while the only processor waits for the host's disk it would
# jump from timer to timer, so something has to keep it busy until all is in memory.
set -eu
tar=$1
shift
(while :; do :; done) &
busy=$!
sysctl -q kernel.hung_task_timeout_secs=0 2>/dev/null || :
root=/tmp/packetdrill
mkdir -p $root
mount -t tmpfs -o size=700m none $root
tar -xf "$tar" -C $root
mkdir -p $root/proc $root/sys $root/dev $root/tmp $root/etc $root/run
mount -t proc none $root/proc
mount -t sysfs none $root/sys
mount --rbind /dev $root/dev
{ kill $busy; wait $busy; } 2>/dev/null || :
# virtme-ng loses what is written if its own I/O is late, as it may be with such a clock: the
# results are in a file as well.
chroot $root /usr/bin/env -i PATH=/usr/bin:/bin RUSTTCP_TOP="$RUSTTCP_TOP" python3 "$@" | tee "$tar.out"
exit "${PIPESTATUS[0]}"
