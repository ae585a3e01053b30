#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# record.sh [NAME]: runs a scenario of selftests/net (log: 10 MB over a lossy link) in the VM with
# every AF_RUSTTCP socket keeping a log of its inputs: build/record/NAME/*.log, for make replay F=.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$RUSTTCP_TOP" || exit 1
name=${1:-log}
[ -f "selftests/net/$name.sh" ] || die "there is no selftests/net/$name.sh"
out=build/record/$name
rm -rf "$out"
mkdir -p "$out"
tools/vm --timeout 900 -- env PATH="$PWD/build/prog:$PWD/tools:$PATH" RUSTTCP_DEBUG=0 \
	tools/rusttcp-log -i -n 131072 -o "$PWD/$out" bash "selftests/net/$name.sh"
status=$?
count=$(find "$out" -name '*.log' | wc -l)
echo "$count logs in $out; make replay F=FILE feeds one to the core"
[ "$status" = 0 ] && [ "$count" -gt 0 ]
