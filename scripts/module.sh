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
out=$RUSTTCP_TOP/build
[ "$name" = test ] || out=$out/$name
mkdir -p "$out"
make --no-print-directory -C "${KDIR:-$RUSTTCP_CACHE/build/$name}" LLVM=-"$LLVM" M="$RUSTTCP_TOP" MO="$out" \
	"${@:-modules}"
# The module that shows that the tools notice what they look for.
if [ $# = 0 ] && [ -z "${KDIR:-}" ]; then
	mkdir -p "$out/complain"
	make --no-print-directory -C "$RUSTTCP_CACHE/build/$name" LLVM=-"$LLVM" \
		M="$RUSTTCP_TOP/selftests/complain" MO="$out/complain" modules
fi
