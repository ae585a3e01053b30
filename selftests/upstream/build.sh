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
mkdir -p "$out/selftests/net/mptcp"

# The kernel's own headers: the distribution's are older than the tests.
echo "rusttcp: kernel headers"
make -s -C "$LINUX_SRC" O="$out/headers" ARCH=x86 headers >"$out/log" 2>&1 || { tail "$out/log"; die "make headers failed"; }

echo "rusttcp: the kernel's selftests"
cp "$from"/net/*.sh "$out/selftests/net/"
cp -r "$from/net/lib" "$from/kselftest" "$out/selftests/net/"
cp -r "$from/kselftest" "$out/selftests/"
# One file of 16 MiB, not of 32 GiB.
sed 's/(1ULL << 35)/(1ULL << 24)/' "$from/net/tcp_mmap.c" >"$out/tcp_mmap.c"
while IFS=$'\t' read -r name command programs; do
	case $name in '' | \#*) continue ;; esac
	for program in ${programs:-$name}; do
		source=$from/net/$program.c
		[ "$program" != tcp_mmap ] || source=$out/tcp_mmap.c
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
	: "$command"
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
