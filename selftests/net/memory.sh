#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Memory: what sockets hold is charged to the cgroup of whoever made or accepted them, and to the
# protocol's pool; where there is no more, data waits at the sender.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
export PATH=$PWD/tools:$PATH
root=$(mktemp -d)
mount -t cgroup2 none "$root"
echo +memory >"$root/cgroup.subtree_control"
mkdir "$root/rusttcp-test"
ip link set lo up

# pool: pages that /proc/net/protocols says RUSTTCP holds.
pool() {
	awk '$1 == "RUSTTCP" { print $4 }' /proc/net/protocols
}

[ "$(pool)" -ge 0 ]
ktap $? "the protocol accounts for memory"
for stack in inet inet6 rusttcp rusttcp6; do
	run='' host=127.0.0.1
	[[ $stack == inet* ]] || run=rusttcp-run
	[[ $stack != *6 ]] || host=::1
	ktap_of "$stack: " $run python3 selftests/net/memory.py "$root/rusttcp-test" $host
done
rmdir "$root/rusttcp-test"
umount "$root"
rmdir "$root"
ktap_end
