#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Where the module is installed (make install), the first socket() of the family loads it: the
# kernel asks for the alias net-pf-19. Anybody's socket(), not only root's.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
tree=$(dirname "$RUSTTCP_KO")/install/lib/modules

# family_known [6]: whether socket() knows the family: the connection is refused, not the socket.
family_known() {
	local to=127.0.0.1
	[ -z "${1:-}" ] || to=::1
	setpriv --reuid 65534 --regid 65534 --clear-groups "$PWD/build/prog/xfer" client "rusttcp${1:-}" $to 1 0 2>&1 |
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
! family_known && ! family_known 6
ktap $? "neither inserted nor installed: no such family"
said=$(mktemp -d)
"$PWD/tools/rusttcp-run" "$PWD/build/prog/asker" >"$said/out" 2>"$said/err"
ktap $? "nor for rusttcp-run, whose program runs"
[ "$(grep -cx 'ours 0' "$said/out")" = 2 ] && grep -qx 'ours6 0' "$said/out" && grep -qx 'connect 0' "$said/out" &&
	grep -qx 'connect6 0' "$said/out"
ktap $? "by the kernel's TCP, over IPv4 and IPv6, and its child too"
[ "$(wc -l <"$said/err")" = 1 ] && grep -q '^rusttcp-run: AF_RUSTTCP is not there' "$said/err"
status=$?
sed 's/^/# /' "$said/err"
ktap $status "and one line says so"
rm -r "$said"
mount --bind "$tree" /lib/modules
ktap $? "installed"
! grep -q '^rusttcp ' /proc/modules
ktap $? "and not inserted yet"
for ip in '' 6; do
	family_known $ip
	ktap $? "socket(AF_RUSTTCP) of an ordinary user works, over IPv${ip:-4}"
	grep -q '^rusttcp ' /proc/modules
	ktap $? "the kernel has inserted the module for it"
	wait_for 20 rmmod rusttcp
	ktap $? "and it can be removed again"
done

# With another number: the alias and the parameter are modprobe's to know.
mkdir -p /run/modprobe.d
printf 'alias net-pf-4 rusttcp\noptions rusttcp family=4\n' >/run/modprobe.d/rusttcp.conf
setpriv --reuid 65534 --regid 65534 --clear-groups python3 -c '
import ctypes, socket
fd = ctypes.CDLL(None).socket(4, socket.SOCK_STREAM, 0)
said = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fd).connect_ex(("127.0.0.1", 1))
raise SystemExit(f"# fd {fd}, connect: {said}" if said != 111 else 0)' 2>&1
ktap $? "with another number of the family (4) in /run/modprobe.d"
! family_known
ktap $? "which is the only one then"
RUSTTCP_FAMILY_NUMBER=4 "$PWD/tools/rusttcp-run" "$PWD/build/prog/asker" child | grep -qx 'ours 1'
ktap $? "and rusttcp-run is told of it"
rm /run/modprobe.d/rusttcp.conf
wait_for 20 rmmod rusttcp
ktap $? "and it can be removed"
taken=
for family in 0 2 46 65535 70000 -1 x; do
	insmod "$RUSTTCP_KO" family=$family 2>/dev/null || continue
	taken="$taken $family"
	rmmod rusttcp
done
[ -z "$taken" ]
ktap $? "a number that is taken, or that is none, is refused${taken:+ (not:$taken)}"
umount /lib/modules
insmod "$RUSTTCP_KO"
ktap_end
