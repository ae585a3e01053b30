#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What security modules (SELinux, AppArmor, Smack, BPF) are told and asked: the same as by the kernel's TCP.
# The kernel has none; selftests/hooks counts the calls, and can refuse.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
module=$(dirname "$RUSTTCP_KO")/hooks/hooks.ko
insmod "$module"
ktap $? "the hooks can be counted"
ns_pair
trap 'ns_cleanup; rmmod hooks' EXIT
log=$(mktemp)
timeout 200 python3 -B selftests/net/lsm.py "$A" "$B" >"$log" 2>&1
ktap $? "lsm.py ran to its end"
while IFS="|" read -r what status; do
	case $what in
	"case "*) ktap "$status" "${what#case }" ;;
	*) echo "# $what $status" ;;
	esac
done <"$log"
rm -f "$log"
trap - EXIT
ns_cleanup
rmmod hooks
! dmesg | grep -q "request_labels.* still has objects"
ktap $? "what a module labelled a request with is freed with it"
ktap_end
