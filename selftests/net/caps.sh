#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who may what: root, an ordinary user, root of a user namespace with a network namespace of its own, and
# such a root in a network namespace that is not its own. The answers of the kernel's TCP are what is expected.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
work=$(mktemp -d)
chmod 755 "$work"
cp selftests/net/caps.py selftests/lib/stack.py "$work"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
ip link set lo up
# shellcheck disable=SC2317,SC2329
in_own() { unshare -n bash -c 'ip link set lo up; exec "$@"' bash "$@"; }
# shellcheck disable=SC2317,SC2329
user() { "${nobody[@]}" "$@"; }
# shellcheck disable=SC2317,SC2329
user_root() { "${nobody[@]}" unshare -Urn bash -c 'ip link set lo up; exec "$@"' bash "$@"; }
# shellcheck disable=SC2317,SC2329
stranger() { "${nobody[@]}" unshare -Ur "$@"; }
for who in in_own user user_root stranger; do
	$who timeout 60 python3 -B "$work/caps.py" >"$work/all" 2>&1
	grep -v '^[a-z0-9]* [A-Za-z]' "$work/all" | sed 's/^/# /'
	for v6 in "" 6; do
		for stack in inet rusttcp; do
			sed -n "s/^$stack$v6 //p" "$work/all" >"$work/$stack"
		done
		cmp -s "$work/inet" "$work/rusttcp" && [ "$(wc -l <"$work/inet")" = 19 ]
		ktap $? "$who, IPv${v6:-4}: $(grep -c ' may$' "$work/rusttcp") of $(wc -l <"$work/rusttcp") allowed, as on the kernel's TCP"
		diff "$work/inet" "$work/rusttcp" | sed 's/^/# /'
	done
done
rm -rf "$work"
ktap_end
