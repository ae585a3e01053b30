#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make demo: boots the VM, shows the module at work, and plots the lossy transfer.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/../scripts/env.sh"
cd "$RUSTTCP_TOP" || exit 1
tools/vm --timeout 900 --memory 3G -- bash demo/guest.sh
status=$?
mkdir -p demo/out
cp build/demo/*.pcap demo/out/ 2>/dev/null
"$RUSTTCP_CACHE/venv/bin/python" demo/plot.py demo/out/lossy.pcap demo/out/time-sequence.png || status=1
echo "captures and the time-sequence plot: demo/out/"
exit $status
