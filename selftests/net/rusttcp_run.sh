#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tools/rusttcp-run: an unmodified program, its children, and a machine without the module.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=selftests/lib/net.sh
. "$top/selftests/lib/net.sh"
asker=$top/build/prog/asker
lib=$top/build/librusttcp-preload.so
out=$(mktemp) err=$(mktemp)
has() {
	grep -qxF "$1" "$out"
	ktap $? "$2"
}

"$top/tools/rusttcp-run" "$asker" >"$out" 2>"$err"
ktap $? "rusttcp-run: the program ran"
[ "$(grep -cx 'ours 1' "$out")" = 2 ]
ktap $? "rusttcp-run: its listener is ours, and its child's too"
has "domain 2 protocol 6 type 1" "rusttcp-run: SO_DOMAIN, SO_PROTOCOL and SO_TYPE are those of TCP"
has "raw domain 2 nonblock 1 cloexec 1" "rusttcp-run: syscall(SYS_socket) with its flags"
has "connect 0" "rusttcp-run: connect"
has "accept family 2 length 16 domain 2" "rusttcp-run: accept gives an AF_INET address"
has "peer family 2 length 16" "rusttcp-run: getpeername too"
has "udp domain 2 protocol 17" "rusttcp-run: other sockets are left alone"
has "ipv6 domain 10 protocol 6" "rusttcp-run: an AF_INET6 socket says so"
has "ours6 1" "rusttcp-run: an AF_INET6 listener is ours"
has "connect6 0" "rusttcp-run: an IPv4 client of it"
has "accept6 family 10 length 28 mapped 1 domain 10" "rusttcp-run: its address is v4-mapped"
has "getaddrinfo 0" "rusttcp-run: getaddrinfo is left alone"
[ ! -s "$err" ]
ktap $? "rusttcp-run: nothing on stderr"

# A family that nobody has: as if the module were missing.
RUSTTCP_FAMILY_NUMBER=4 LD_PRELOAD=$lib "$asker" >"$out" 2>"$err"
ktap $? "without the module: the program ran"
[ "$(grep -cx 'ours 0' "$out")" = 2 ]
ktap $? "without the module: by the kernel's TCP"
has "domain 2 protocol 6 type 1" "without the module: the answers are the same"
has "ours6 0" "without the module: IPv6 by the kernel's TCP"
has "accept6 family 10 length 28 mapped 1 domain 10" "without the module: and the answers the same"
[ "$(wc -l <"$err")" = 1 ] && grep -q "^rusttcp-run: AF_RUSTTCP is not there" "$err"
ktap $? "without the module: one line says so, child included"
rm -f "$out" "$err"
ktap_end
