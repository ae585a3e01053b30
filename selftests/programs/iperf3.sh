# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# iperf3 in both directions, with its columns of TCP_INFO, on a good and on a lossy link.
# shellcheck source=selftests/programs/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
port=5200

# measure WHAT EXPRESSION OPTIONS...: EXPRESSION is judge()'s in iperf3.py.
measure() {
	local what=$1 expression=$2
	shift 2
	port=$((port + 1))
	serve iperf3 -s -1 -J -p $port
	# It serves IPv4 and IPv6 by one socket.
	listening $port 6
	client iperf3 -c "${to:-10.0.0.2}" -p $port -J -i 1 --get-server-output "$@" >"$work/json" 2>>"$work/client.log" &&
		python3 "$here/iperf3.py" "$work/json" "$expression" >"$work/judge.log"
	check $? "$what"
	sed 's/^/# /' "$work/judge.log"
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}

measure "upload: bytes, retransmits, cwnd, rtt, pmtu" "sent and info and clean" -t 3
measure "download: the server's columns" "sent and info and clean" -t 3 -R
measure "four streams" "sent and info and streams == 4" -t 3 -P 4
measure "both directions at once" "sent and streams == 2" -t 3 --bidir
measure "sendfile(), small buffers, TCP_MAXSEG, Reno" "sent and info and congestion == 'reno'" -t 2 -Z -w 64K -M 1000 -C reno
measure "exactly 5 MB, paced to 20 Mbit/s" "sent and 5000000 <= total < 5300000 and seconds > 1.5" -n 5000000 --fq-rate 20M
to=fd00::2
measure "over IPv6" "sent and info and clean" -t 2 -6
to=10.0.0.2
ns_netem delay 5ms loss 1%
ip netns exec "$A" ethtool -K va tso off gso off gro off >/dev/null 2>&1
ip netns exec "$B" ethtool -K vb tso off gso off gro off >/dev/null 2>&1
measure "a link with delay and loss: upload" "sent and info and retransmits > 0 and delayed" -t 4
measure "a link with delay and loss: download" "sent and info and retransmits > 0 and delayed" -t 4 -R
finish
