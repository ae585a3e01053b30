#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh test|debug: configures and builds a kernel for the VM, once.
set -eu
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"

name=${1:-test}
dir=$RUSTTCP_CACHE/build/$name
fragments=$RUSTTCP_TOP/selftests/kernel
case $name in
test) set -- "$fragments/test.config" ;;
debug) set -- "$fragments/test.config" "$fragments/debug.config" ;;
*) die "kernels are test and debug" ;;
esac
key=$( (cat "$0" "$@"; "clang-$LLVM" --version; rustc --version; bindgen --version
	head -n 5 "$LINUX_SRC/Makefile") | sha256sum)
[ "$(cat "$dir/rusttcp.key" 2>/dev/null)" = "$key" ] && [ -f "$dir/arch/x86/boot/bzImage" ] && exit 0

mkdir -p "$dir"
# The last word on a symbol is the later fragment's.
cat "$@" | tac | awk -F= '/^CONFIG_/ && !seen[$1]++' >"$dir/rusttcp.config"
configure() {
	KCONFIG_ALLCONFIG=$dir/rusttcp.config make -C "$LINUX_SRC" O="$dir" LLVM=-"$LLVM" allnoconfig
}
step 15 "configuring the $name kernel" configure
while IFS= read -r line; do
	grep -qxF "$line" "$dir/.config" || die "the kernel's configuration refused $line"
done <"$dir/rusttcp.config"
step 500 "building the $name kernel" make -C "$LINUX_SRC" O="$dir" LLVM=-"$LLVM" -j"$(nproc)" bzImage modules
echo "$key" >"$dir/rusttcp.key"
