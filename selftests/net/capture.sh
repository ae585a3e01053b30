#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is on the wire, in tshark's judgement: nothing malformed, no wrong checksum, nothing
# acknowledged that was not sent, and a close in both directions; on a good link nothing sent
# again. Segmentation and checksums are done before the capture, so each is seen as it would
# leave a real card. The kernel's TCP with itself is the control.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
ns_pair
ip netns exec "$A" ethtool -K va tso off gso off gro off tx off >/dev/null 2>&1
ip netns exec "$B" ethtool -K vb tso off gso off gro off tx off >/dev/null 2>&1
size=200000
[ "$RUSTTCP_DEBUG" = 1 ] && size=60000
work=$(mktemp -d)
# SERVER CLIENT
pairs=()
for ip in '' 6; do
	pairs+=("inet$ip inet$ip" "inet$ip rusttcp$ip" "rusttcp$ip inet$ip" "rusttcp$ip rusttcp$ip")
done

# shellcheck disable=SC2317,SC2329
# closed PORT: neither stack has a connection of PORT that could still send a FIN.
closed() {
	local hex ns
	hex=$(printf ':%04X ' "$1")
	for ns in "$A" "$B"; do
		# Only TIME-WAIT (06) is left, if anything.
		cat "/proc/${ns_pid[$ns]}/net/"{tcp,rusttcp}{,6} | grep -F "$hex" |
			awk '$4 != "06" { found = 1 } END { exit !found }' && return 1
	done
	return 0
}

# record LINK FIRST-PORT: the four pairings, over IPv4 and over IPv6, in one capture.
record() {
	local file=$work/$1.pcap dump server status port=$2 pair to
	ip netns exec "$A" dumpcap -q -B 16 -i va -w "$file" \
		-f "tcp portrange $port-$((port + 7)) or udp port 9" >/dev/null 2>&1 &
	dump=$!
	# dumpcap writes the file's header when it has the device open.
	wait_for 20 test -s "$file"
	for pair in "${pairs[@]}"; do
		# shellcheck disable=SC2086
		set -- "$1" $pair
		to=$(host_of "$2" 2)
		# One CPU: veth has a queue for each, and a sender that moves between two reorders.
		ip netns exec "$B" taskset -c 0 xfer server "$2" "$to" "$port" $size both &
		server=$!
		wait_listen "$B" "$2" "$port"
		ip netns exec "$A" taskset -c 0 xfer client "$3" "$to" "$port" $size both
		status=$?
		wait $server || status=1
		ktap $status "$3 to $2, $1 link: $size bytes each way"
		wait_for 20 closed "$port"
		ktap $? "$3 to $2, $1 link: closed"
		port=$((port + 1))
	done
	# What dumpcap has not read yet when it is told to stop is lost: a mark shows that it has.
	# (More than one, on the link that loses.)
	for _ in 1 2 3 4 5 6 7 8; do
		ip netns exec "$A" bash -c 'echo end-of-capture >/dev/udp/10.0.0.2/9'
	done
	wait_for 20 grep -q end-of-capture "$file"
	ktap $? "$1 link: the capture is whole"
	kill -INT $dump
	wait $dump 2>/dev/null
}

# look: what tshark finds in all captures (in one go: its start takes minutes on the debug kernel).
look() {
	mergecap -w "$work/all" "$work"/*.pcap &&
		tshark -n -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -r "$work/all" -Y tcp -T fields \
		-E separator='|' -E occurrence=f -e frame.number -e tcp.srcport -e tcp.dstport -e tcp.flags.fin \
		-e tcp.checksum.status -e ip.checksum.status -e _ws.malformed -e _ws.expert.severity \
		-e tcp.analysis.ack_lost_segment -e tcp.flags.reset -e tcp.analysis.out_of_order \
		-e tcp.analysis.retransmission -e tcp.analysis.spurious_retransmission \
		-e tcp.analysis.lost_segment -e tcp.len -e tcp.nxtseq >"$work/fields" 2>/dev/null
}

# judge LINK FIRST-PORT: tshark's opinion of those.
judge() {
	awk -F'|' -v link="$1" -v first="$2" -v size=$size -v pairs="$(IFS='|' && echo "${pairs[*]}")" '
		BEGIN { n = split(pairs, names, "|") }
		($2 < first || $2 >= first + n) && ($3 < first || $3 >= first + n) { next }
		{
			down = $2 >= first && $2 < first + n
			port = down ? $2 : $3
			bytes[port, down] += $15
			if ($16 > last[port, down] + 0) last[port, down] = $16
			if ($4 == 1 || $4 == "True") fin[port, down]++
			why = ""
			if ($5 != 1) why = why " tcp checksum"
			# (IPv6 has none.)
			if ($6 != 1 && names[port - first + 1] !~ /6/) why = why " ip checksum"
			if ($7 != "") why = why " malformed"
			if ($8 >= 8388608) why = why " error"
			if ($9 != "") why = why " acknowledges what was not sent"
			if (link == "clean") {
				if ($10 == 1 || $10 == "True") why = why " reset"
				if ($11 != "") why = why " out of order"
				# A tail loss probe (RFC 8985, 7) may repeat the last segment when
				# only its ACK is late, as it is on a busy host.
				if ($12 != "" && $13 == "" && $16 != last[port, down])
					why = why " sent again"
				if ($14 != "") why = why " a hole"
			}
			if (why != "" && ++bad[port] < 5)
				print "# frame " $1 ", port " port ", up to byte " $16 " of " last[port, down] ":" why
		}
		END {
			for (i = 0; i < n; i++) {
				p = first + i
				split(names[i + 1], who, " ")
				what = who[2] " to " who[1] ", " link " link: "
				print (bad[p] ? "1 " : "0 ") what "nothing wrong in the capture"
				print (fin[p, 0] && fin[p, 1] ? "0 " : "1 ") what "a FIN each way"
				print (bytes[p, 0] >= size && bytes[p, 1] >= size ? "0 " : "1 ") what "every byte in the capture"
			}
		}' "$work/fields" >"$work/verdict"
	grep '^#' "$work/verdict"
	while read -r status what; do
		ktap "$status" "$what"
	done < <(grep -v '^#' "$work/verdict")
}

record clean 5100
ns_netem delay 3ms loss 1% reorder 5% 50%
record lossy 5110
look
judge clean 5100
judge lossy 5110
rm -rf "$work"
ktap_end
