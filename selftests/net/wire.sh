#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Raw segments against each stack, the kernel's TCP first as the control: the eleven states, input
# that no honest peer sends, what TCP has to do with IP, settings, options,
# and what TCP_INFO tells.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
for family in inet inet6 rusttcp rusttcp6; do
	for what in states badinput flood iplayer sysctls info effects; do
		log=$(mktemp)
		RUSTTCP_FAMILY=$family unshare -n bash -c \
			"ip link set lo up; cd selftests/wire && exec /usr/bin/python3 -B $what.py" >"$log" 2>&1
		status=$?
		# One numbering for all.
		while read -r line; do
			case $line in
			"ok "*) ktap 0 "$what: ${line#ok * - }" ;;
			"not ok "*) ktap 1 "$what: ${line#not ok * - }" ;;
			"KTAP "* | "1.."*) ;;
			*) echo "# $line" ;;
			esac
		done <"$log"
		grep -q '^1\.\.' "$log"
		ktap $? "$what over $family ran to its end (status $status)"
		rm -f "$log"
	done
done
ktap_end
