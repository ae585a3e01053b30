#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The page that make walkthrough writes: each state as its text says, for either stack and over either family; and
# what ss says of ours is what is in the page. (Without the captures: they take long to read, and on a busy host
# something may be sent again.)
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
page=Documentation/walkthrough.rst
log=$(mktemp)

# steps FILE: the lines of the page in it, without the captures.
steps() {
	sed -n '/^\.\. SPDX/,$p' "$1" | grep -vE '^(The capture of all that::|	(host > peer|peer > host)  .*|)$'
}

for family in inet inet6 rusttcp rusttcp6; do
	RUSTTCP_FAMILY=$family unshare -n bash -c \
		"ip link set lo up; cd selftests/wire && exec /usr/bin/python3 -B walk.py --steps" >"$log" 2>"$log.err"
	ktap $? "$family: every state, as the text says"
	sed 's/^/# /' "$log.err"
	[ $family = rusttcp ] || continue
	diff <(steps "$log") <(steps $page) | sed 's/^/# /'
	[ "${PIPESTATUS[0]}" = 0 ]
	ktap $? "$family: $page is what it writes"
done
rm -f "$log" "$log.err"
ktap_end
