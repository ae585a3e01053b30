#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build.sh: the test programs of others, from the kernel source and from Rust's library source, into
# build/upstream. What can't be built is named, and fails where it is run.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/../../scripts/env.sh"
cd "$RUSTTCP_TOP" || exit 1
out=$RUSTTCP_TOP/build/upstream
from=$LINUX_SRC/tools/testing/selftests
stamp=$(cat selftests/upstream/build.sh selftests/upstream/*.list "$RUSTTCP_CACHE/rust-lib-src" | sha256sum)
[ "$(cat "$out/stamp" 2>/dev/null)" != "$stamp" ] || exit 0
rm -rf "$out"
mkdir -p "$out/selftests/net/mptcp" "$out/selftests/net/netfilter" "$out/bin"

# The kernel's own headers: the distribution's are older than the tests.
echo "rusttcp: kernel headers"
make -s -C "$LINUX_SRC" O="$out/headers" ARCH=x86 headers >"$out/log" 2>&1 || { tail "$out/log"; die "make headers failed"; }

echo "rusttcp: the kernel's selftests"
cp "$from"/net/*.sh "$out/selftests/net/"
cp -r "$from/net/lib" "$from/kselftest" "$out/selftests/net/"
cp -r "$from/kselftest" "$out/selftests/"
# What the scripts load is part of the test kernel, which has no modules but this one.
printf '#!/bin/sh\nexit 0\n' >"$out/bin/modprobe"
chmod +x "$out/bin/modprobe"
# What they look for in /proc/net/tcp is in /proc/net/rusttcp if it's ours.
# shellcheck disable=SC2016
sed -i 's|/proc/net/"${protocol}"|/proc/net/*"${protocol}"|' "$out/selftests/net/lib.sh"
# In emulation it may take longer than this until the receiver listens.
sed -i 's/sleep 0\.2$/sleep 3/' "$out/selftests/net/msg_zerocopy.sh" "$out/selftests/net/io_uring_zerocopy_tx.sh"
# The way to leave out the tests of MD5, which the test kernel is built without.
sed -i 's/^\tfips_enabled=0$/\tfips_enabled=1/' "$out/selftests/net/fcnal-test.sh"
# Programs that emulation would take an hour for: one file of 16 MiB, not of 32 GiB; 600 connections
# with a new key after each 50, so that each of the ten listeners gets one, not 10,000.
sed 's/(1ULL << 35)/(1ULL << 24)/' "$from/net/tcp_mmap.c" >"$out/tcp_mmap.c"
sed 's/n_loops = 10000/n_loops = 600/' "$from/net/tcp_fastopen_backup_key.c" >"$out/tcp_fastopen_backup_key.c"
while IFS=$'\t' read -r name command programs seconds; do
	case $name in '' | \#*) continue ;; esac
	for program in ${programs:-$name}; do
		source=$from/net/$program.c
		[ ! -e "$out/$program.c" ] || source=$out/$program.c
		[ ! -e "$out/selftests/net/$program" ] || continue
		libs=
		case $program in
		tcp_mmap) libs=-lcrypto ;;
		epoll_busy_poll) libs=-lcap ;;
		reuseport_bpf_numa) libs=-lnuma ;;
		esac
		# shellcheck disable=SC2086
		gcc -O2 -w -Wl,--no-as-needed -D_GNU_SOURCE= -I "$out/headers/usr/include" -I "$from/net" -I "$from" \
			-I "$LINUX_SRC/tools/include" -o "$out/selftests/net/$program" "$source" \
			-lpthread $libs >>"$out/log" 2>&1 || echo "rusttcp: $program can't be built: $out/log"
	done
	: "$command" "$seconds"
done <selftests/upstream/kernel.list

# The tests of Rust's std, which are part of it there, as a crate that uses it.
echo "rusttcp: the tests of Rust's library"
std=$RUST_LIB_SRC/std/src
cat >"$out/std_net.rs" <<RUST
#![feature(read_buf, core_io_borrowed_buf, tcp_linger, tcp_deferaccept, tcplistener_into_incoming)]
#![feature(io_error_uncategorized)]
#![allow(warnings)]
#![cfg(test)]
pub use std::{env, fmt, io, mem, sync, thread, time};
pub mod os {
    pub use std::os::{fd, unix};
    pub mod net {
        pub mod linux_ext {
            pub mod tcp {
                pub use std::os::linux::net::TcpStreamExt;
            }
        }
    }
}
pub mod net {
    pub use std::net::*;
    #[path = "$std/net/test.rs"]
    pub mod test;
}
#[path = "$std/net/tcp/tests.rs"]
mod tcp;
#[path = "$std/os/net/linux_ext/tests.rs"]
mod linux_ext;
RUST
RUSTC_BOOTSTRAP=1 rustc --edition 2024 --test -O -o "$out/std_net" "$out/std_net.rs" >>"$out/log" 2>&1 ||
	echo "rusttcp: the tests of Rust's library can't be built: $out/log"
echo "$stamp" >"$out/stamp"
