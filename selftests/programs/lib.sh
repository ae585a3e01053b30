# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the checks of programs share. A check runs in one pairing of stacks: its servers in
# namespace $B (10.0.0.2, fd00::2), its clients in $A (10.0.0.1, fd00::1).
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=selftests/lib/net.sh
. "$top/selftests/lib/net.sh"
program=$1
server_stack=${2%-*} client_stack=${2#*-}
SERVER=() CLIENT=()
[ "$server_stack" = inet ] || SERVER=("$top/tools/rusttcp-run")
[ "$client_stack" = inet ] || CLIENT=("$top/tools/rusttcp-run")
# shellcheck disable=SC2034
here=$top/selftests/programs
work=$(mktemp -d)
chmod 755 "$work"
ns_pair
trap 'ns_cleanup; rm -rf "$work"' EXIT

# serve CMD...: in the background, $pid; what it says is shown if a check fails.
# shellcheck disable=SC2034
serve() {
	(exec ip netns exec "$B" "${SERVER[@]}" "$@" >>"$work/server.log" 2>&1) &
	pid=$!
}

# client CMD...
client() {
	ip netns exec "$A" "${CLIENT[@]}" "$@"
}

# on_server CMD...: a command that is not the one under test, in the server's place.
on_server() {
	ip netns exec "$B" "$@"
}

# listening PORT [6]
listening() {
	wait_listen "$B" "$server_stack${2:-}" "$1"
}

# check STATUS WHAT
check() {
	ktap "$1" "$program $server_stack-$client_stack: $2"
	[ "$1" = 0 ] || tail -n 5 "$work"/*.log /dev/null 2>/dev/null | sed 's/^/# /'
}

# random FILE BYTES
random() {
	head -c "$2" /dev/urandom >"$1"
}

# same FILE FILE
same() {
	[ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]
}

# opens NAMESPACE NAME: a counter of the module's.
opens() {
	counter "$1" rusttcp_stat "$2" 2>/dev/null
}

# carried STACK COUNT: whether connections were there on ours, or none on the kernel's.
carried() {
	if [ "$1" = inet ]; then
		[ "${2:-0}" = 0 ]
	else
		[ "${2:-0}" -gt 0 ]
	fi
}

# finish: that the sockets were of the stacks that they should have been of; ends the check.
finish() {
	carried "$server_stack" "$(opens "$B" PassiveOpens)"
	check $? "the server's connections are of its stack"
	carried "$client_stack" "$(opens "$A" ActiveOpens)"
	check $? "the client's connections are of its stack"
	ktap_end
}
