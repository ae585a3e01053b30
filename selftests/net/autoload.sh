#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Where the module is installed (make install), the first socket() of the family loads it: the
# kernel asks for the alias net-pf-19. Anybody's socket(), not only root's.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
tree=$(dirname "$RUSTTCP_KO")/install/lib/modules

# Whether socket() knows the family: the connection is refused, not the socket.
family_known() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$PWD/build/prog/xfer" client rusttcp 127.0.0.1 1 0 2>&1 |
		grep -q 'Connection refused'
}

ip link set lo up
[ -e "$tree/$(uname -r)/updates/rusttcp.ko" ]
ktap $? "make install has put the module below lib/modules/$(uname -r)"
# What ended just now may still be closing.
if ! wait_for 20 rmmod rusttcp; then
	awk '$4 != "06" { print "# " $0 }' /proc/net/rusttcp
	lsmod | sed 's/^/# /'
fi
! family_known
ktap $? "neither inserted nor installed: no such family"
mount --bind "$tree" /lib/modules
ktap $? "installed"
! grep -q '^rusttcp ' /proc/modules
ktap $? "and not inserted yet"
family_known
ktap $? "socket(AF_RUSTTCP) of an ordinary user works"
grep -q '^rusttcp ' /proc/modules
ktap $? "the kernel has inserted the module for it"
wait_for 20 rmmod rusttcp
ktap $? "and it can be removed again"
umount /lib/modules
insmod "$RUSTTCP_KO"
ktap_end
