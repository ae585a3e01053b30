#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module.sh test|debug [MAKE ARGUMENTS]: builds the module against one of our kernels into
# build/ or build/debug/; with KDIR set, against that.
set -eu
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"

name=${1:-test}
shift || true
if [ -n "${KDIR:-}" ]; then
	grep -q '^CONFIG_RUST=y' "$KDIR/.config" 2>/dev/null ||
		die "KDIR=$KDIR has to be the build folder of a Linux $LINUX_SERIES with CONFIG_RUST=y in its .config"
fi
out=$RUSTTCP_TOP/build
[ "$name" = test ] || out=$out/$name
mkdir -p "$out"
make --no-print-directory -C "${KDIR:-$RUSTTCP_CACHE/build/$name}" LLVM=-"$LLVM" M="$RUSTTCP_TOP" MO="$out" \
	"${@:-modules}"
# The module that shows that the tools notice what they look for, and one that counts hooks.
if [ $# = 0 ] && [ -z "${KDIR:-}" ]; then
	for helper in complain hooks; do
		mkdir -p "$out/$helper"
		make --no-print-directory -C "$RUSTTCP_CACHE/build/$name" LLVM=-"$LLVM" \
			M="$RUSTTCP_TOP/selftests/$helper" MO="$out/$helper" modules
	done
fi
