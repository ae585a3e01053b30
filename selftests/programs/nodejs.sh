# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Node.js: net, http with connections kept and not, HTTP/2, cluster (nodejs.js).
# shellcheck source=selftests/programs/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
serve node "$here/nodejs.js" serve
wait_for 90 grep -q ready "$work/server.log"
for part in echo many abort http agent http2 cluster timeout; do
	client timeout 120 node "$here/nodejs.js" "$part" 10.0.0.2 2>>"$work/client.log"
	check $? "$part"
done
client timeout 120 node "$here/nodejs.js" echo fd00::2 2>>"$work/client.log"
check $? "echo over IPv6"
kill "$pid"
finish
