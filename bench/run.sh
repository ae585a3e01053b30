#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make bench: both stacks in one boot of the VM, then the table and the plot.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/../scripts/env.sh"
cd "$RUSTTCP_TOP" || exit 1
rm -rf build/bench
mkdir -p build/bench bench/out
tools/vm --timeout 900 --memory 3G -- bash bench/guest.sh || exit
"$RUSTTCP_CACHE/venv/bin/python" bench/report.py build/bench/results.tsv bench/out
