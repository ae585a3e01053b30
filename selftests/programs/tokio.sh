# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# An echo pair in Rust on tokio (selftests/programs/tokio).
# shellcheck source=selftests/programs/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
echo_pair=$top/build/programs/tokio-echo
serve "$echo_pair" serve '[::]:8030' 10.0.0.2:8031
listening 8030 6 && listening 8031
for part in echo many peek timeout reset refused; do
	client timeout 120 "$echo_pair" $part 10.0.0.2:8031 2>>"$work/client.log"
	check $? "$part"
done
client timeout 120 "$echo_pair" echo '[fd00::2]:8030' 2>>"$work/client.log"
check $? "echo over IPv6"
client timeout 120 "$echo_pair" echo '10.0.0.2:8030' 2>>"$work/client.log"
check $? "echo from IPv4 to an IPv6 listener"
kill "$pid"
finish
