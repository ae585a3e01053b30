#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# layers-selftest.sh: each rule of scripts/check_layers.sh can fail. Builds the module once: a minute.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/../../scripts/env.sh"
cd "$RUSTTCP_TOP" || exit 1
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=$RUSTTCP_CACHE/build/test

# The module's flags (as Kbuild recorded them) that decide about code.
# (The line goes on with the C compiler's for the helpers.)
mapfile -t flags < <(sed -n "/^savedcmd/s/;.*//p" build/rust/.rusttcp_main.o.cmd | tr ' ' '\n' |
	grep -E '^(--edition|-C|--target|-Z(tune-cpu|function-sections|unstable-options))' | grep -v '^-Cembed-bitcode' | sort -u)
RUSTC_BOOTSTRAP=1 rustc "${flags[@]}" -L "$kernel/rust" --sysroot=/dev/null --crate-name rusttcp_main \
	--crate-type rlib --emit=obj="$work/panics.o" selftests/layers/panics.rs >"$work/rustc" 2>&1
status=$?
sed 's/^/# /' "$work/rustc"
[ "${#flags[@]}" -ge 10 ] || status=1
ktap $status "the functions that can panic are built with the module's flags"

: >"$work/none"
scripts/check_layers.sh --only object --object "$work/panics.o" --allow "$work/none" >"$work/out"
ktap $((!$?)) "such an object is refused"
while read -r fn; do
	grep -q "^rusttcp_main::tcp::$fn -> " "$work/out"
	found=$?
	if [ "$fn" = has_no_panic ]; then
		ktap $((!found)) "$fn is not named"
	else
		ktap $found "$fn is named"
	fi
done < <(sed -n 's/.*pub fn \([a-z_]*\).*/\1/p' selftests/layers/panics.rs)

# The list of exceptions holds whole lines only.
grep ' -> ' "$work/out" >"$work/all"
scripts/check_layers.sh --only object --object "$work/panics.o" --allow "$work/all" >/dev/null
ktap $? "what is on the list, line for line, passes"
sed 's/ -> .*//' "$work/all" >"$work/stem"
scripts/check_layers.sh --only object --object "$work/panics.o" --allow "$work/stem" >/dev/null
ktap $((!$?)) "half a line does not do"
sed 1d "$work/all" >"$work/less"
scripts/check_layers.sh --only object --object "$work/panics.o" --allow "$work/less" >/dev/null
ktap $((!$?)) "nor all but one"

# One such line in the core, where the optimiser may put it anywhere, fails the build of the module itself.
mkdir "$work/tree" "$work/tree/selftests"
cp -r Makefile Kbuild rust scripts include "$work/tree"
cp -r selftests/{complain,hooks,kernel} "$work/tree/selftests"
sed -i '/let r = rtt.as_nanos().max(1);/a self.min_before = [1, 2, 3][(r % 7) as usize];' "$work/tree/rust/tcp/rtt.rs"
cmp -s rust/tcp/rtt.rs "$work/tree/rust/tcp/rtt.rs"
ktap $((!$?)) "a line that can panic, in a copy of the core"
make -C "$work/tree" modules >"$work/out" 2>&1
status=$?
[ $status != 0 ] && [ -f "$work/tree/build/rusttcp.ko" ] &&
	grep -q '^<rusttcp_main::tcp::.* -> core::panicking::panic_bounds_check$' "$work/out"
ktap $? "make modules fails and names the function: status $status"
grep '^layers:\|^<' "$work/out" | sed 's/^/# /'
rm -rf "$work/tree"

# breach FILE WHAT: with the code on stdin added to FILE, the sources are refused and FILE is named.
breach() {
	local status
	rm -rf "$work/rust"
	cp -r rust "$work/rust"
	cat >"$work/added"
	# At the top: the tests at the end may do as they like.
	sed -i "1r $work/added" "$work/rust/$1"
	scripts/check_layers.sh --only sources --rust "$work/rust" >"$work/out"
	status=$?
	[ $status != 0 ] && grep -q "$1" "$work/out"
	ktap $? "$2"
}

rm -rf "$work/rust"
cp -r rust "$work/rust"
scripts/check_layers.sh --only sources --rust "$work/rust" >/dev/null
ktap $? "the sources as they are pass"
printf '// use crate::stack::x; unsafe\n/* use crate::stack::x */\n' | sed -i '1r /dev/stdin' "$work/rust/net/ip.rs"
scripts/check_layers.sh --only sources --rust "$work/rust" >/dev/null
ktap $? "and with more comments"
breach net/ip.rs "net names stack: plain path" <<<'use crate::stack::sock::TcpSock as Up;'
breach net/ip.rs "net names stack: in a group" <<<'use crate::{net::clock as Fine, stack::{netns::NetState as Up}};'
breach net/ip.rs "net names stack: in a group of several lines" <<<'use crate::{
    net::clock as Fine,
    stack::netns::NetState as Up, //
};'
breach net/ip.rs "net names tcp: by super::super" <<<'use super::super::tcp::time::Instant as Up;'
breach stack/sock.rs "stack names socket: by super in a group" <<<'use super::{egress as Fine, super::socket::poll as Up};'
breach stack/sock.rs "stack names admin: in code" <<<'fn up() { super::super::admin::proc::nothing() }'
breach stack/sock.rs "stack names everything: by the root" <<<'use super::super::*;'
breach tcp/connection/output.rs "tcp names net: by super" <<<'use super::super::super::net::clock as Up;'
breach tcp/connection/output.rs "tcp names net: in an inline module" <<<'mod inner { use super::super::super::super::net::clock as Up; }'
breach socket/poll.rs "socket names admin" <<<'use crate::admin::proc as Up;'
breach socket/poll.rs "the crate under another name" <<<'use crate as everything;'
breach tcp/rtt.rs "the core names the kernel crate" <<<'use kernel::prelude::*;'
breach tcp/rtt.rs "the core names std" <<<'type Up = std::time::Instant;'
breach stack/netns.rs "unsafe in stack" <<<'fn up() { unsafe { core::hint::unreachable_unchecked() } }'
breach socket/poll.rs "bindings outside net" <<<'use crate::net::bindings::sock as Up;'
rm -rf "$work/rust"
cp -r rust "$work/rust"
sed -i '/forbid(unsafe_code)/d' "$work/rust/admin/mod.rs"
scripts/check_layers.sh --only sources --rust "$work/rust" | grep -q 'admin/mod.rs does not forbid'
ktap $? "a layer that does not forbid unsafe code"
ktap_end
