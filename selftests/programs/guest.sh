#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh PROGRAM... [-- PAIR...]: in the VM, the checks of programs in each pairing of stacks.
# A pair is SERVER-CLIENT, each inet (the kernel's TCP) or rusttcp.
set -u
cd "$(dirname "$0")/../.." || exit 1
pairs=(inet-inet rusttcp-inet inet-rusttcp rusttcp-rusttcp)
programs=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	programs+=("$1")
	shift
done
[ $# -le 1 ] || pairs=("${@:2}")
for program in "${programs[@]}"; do
	for pair in "${pairs[@]}"; do
		start=$SECONDS
		timeout -k 5 400 bash "selftests/programs/$program.sh" "$program" "$pair" 2>&1
		status=$?
		[ $status -le 1 ] || echo "not ok 0 - $program $pair: exit status $status"
		echo "# $program $pair: $((SECONDS - start)) s"
	done
done
echo "# programs finished"
