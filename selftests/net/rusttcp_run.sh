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

"$top/tools/rusttcp-run" "$top/build/prog/run_early"
ktap $? "rusttcp-run: an allocator that makes system calls before all constructors"

# What was installed by make install-progs does the same.
installed=$(dirname "${RUSTTCP_KO:-}")/install/usr/local
"$installed/bin/rusttcp-run" "$asker" >"$out" 2>"$err"
[ "$(grep -cx 'ours 1' "$out")" = 2 ] && [ ! -s "$err" ]
ktap $? "rusttcp-run, installed: the same"
[ -e "$installed/include/linux/rusttcp.h" ]
ktap $? "rusttcp-run, installed: the header too"

# Children by vfork() and exec: the shell's, and Python's by posix_spawn() and by vfork().
child='import os, subprocess, sys
print("spawn", os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)[1])
sys.stdout.flush()
subprocess.run(sys.argv[1:], check=True, close_fds=False)'
"$top/tools/rusttcp-run" python3 -c "$child" "$asker" child >"$out" 2>"$err"
[ "$(grep -cx 'ours 1' "$out")" = 2 ] && [ ! -s "$err" ]
ktap $? "rusttcp-run: children by posix_spawn() and vfork()"

# What can't be reached is told, and runs.
room=$(mktemp -d -p "$top/build")
chmod 755 "$room"
static=$room/busybox
cp /bin/busybox "$static" 2>/dev/null
"$top/tools/rusttcp-run" "$static" echo runs >"$out" 2>"$err"
[ "$(cat "$out")" = runs ] && grep -q 'is statically linked, and can.t be reached' "$err"
ktap $? "rusttcp-run: a static program is told, and runs"
cp /bin/true "$static"
chmod 6755 "$static"
setpriv --reuid 65534 --clear-groups "$top/tools/rusttcp-run" "$static" 2>"$err" &&
	grep -q "gets rights of its own" "$err"
ktap $? "rusttcp-run: so is a set-user-ID one"
cp /bin/true "$static"
chgrp 65534 "$static"
chmod 2755 "$static"
"$top/tools/rusttcp-run" "$static" 2>"$err" && grep -q "gets rights of its own" "$err"
ktap $? "rusttcp-run: and a set-group-ID one that root starts"
chmod 755 "$static"
"$top/tools/rusttcp-run" "$static" 2>"$err" && [ ! -s "$err" ]
ktap $? "rusttcp-run: nothing is told of one that is neither"
capable=$(mktemp -d)
chmod 755 "$capable"
cp /bin/true "$capable/true"
setcap cap_net_bind_service+ep "$capable/true" &&
	setpriv --reuid 65534 --clear-groups "$top/tools/rusttcp-run" "$capable/true" 2>"$err" &&
	grep -q "gets rights of its own" "$err"
ktap $? "rusttcp-run: one with capabilities of its own is told"
rm -rf "$room" "$capable"
"$top/tools/rusttcp-run" no-such-program 2>"$err"
[ $? = 127 ]
ktap $? "rusttcp-run: one that is not there is the shell's to tell"

# A family that one may not use (here packets' one, EPERM; with a seccomp filter it may be EACCES).
RUSTTCP_FAMILY_NUMBER=17 LD_PRELOAD=$lib setpriv --reuid 65534 --clear-groups --bounding-set=-all \
	--inh-caps=-all "$asker" >"$out" 2>"$err"
ktap $? "not allowed: the program ran"
[ "$(grep -cx 'ours 0' "$out")" = 2 ] && [ "$(wc -l <"$err")" = 1 ] && grep -q "is not allowed here" "$err"
ktap $? "not allowed: by the kernel's TCP, and one line says so"

# A family that nobody has: as if the module were missing. Each process has the kernel look for it once.
loader=$(mktemp -d)
printf '#!/bin/sh\necho "$@" >>%s/asked\n' "$loader" >"$loader/modprobe"
chmod 755 "$loader/modprobe"
modprobe=$(cat /proc/sys/kernel/modprobe)
echo "$loader/modprobe" >/proc/sys/kernel/modprobe
RUSTTCP_FAMILY_NUMBER=4 LD_PRELOAD=$lib "$asker" >"$out" 2>"$err"
ktap $? "without the module: the program ran"
[ "$(grep -cx 'ours 0' "$out")" = 2 ]
ktap $? "without the module: by the kernel's TCP"
has "domain 2 protocol 6 type 1" "without the module: the answers are the same"
has "ours6 0" "without the module: IPv6 by the kernel's TCP"
has "accept6 family 10 length 28 mapped 1 domain 10" "without the module: and the answers the same"
[ "$(wc -l <"$err")" = 1 ] && grep -q "^rusttcp-run: AF_RUSTTCP is not there" "$err"
ktap $? "without the module: one line says so, child included"
echo "$modprobe" >/proc/sys/kernel/modprobe
asked=$(grep -c "net-pf-4$" "$loader/asked")
[ "$asked" = 2 ]
ktap $? "without the module: the kernel looked for it twice, for the program and its child ($asked)"
rm -rf "$out" "$err" "$loader"
ktap_end
