#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a connection tells of itself: 3 MB over a lossy link, where the log of events has to agree with the counters;
# and 10 MB, of which the log of inputs has to make the core on the host do the very same.
. selftests/lib/net.sh
export PATH=$PWD/tools:$PATH
ns_pair
# 2,000 segments, of which about 20 are lost; over IPv6 half of that.
bytes=3000000 less=1500000
[ "$RUSTTCP_DEBUG" = 1 ] && bytes=1000000 less=1000000
tc -n "$A" qdisc replace dev va root netem delay 5ms loss 1% reorder 2% 50%
tc -n "$B" qdisc replace dev vb root netem delay 5ms
# netem draws lots for what the stack hands over: one segment each, or few lots are drawn.
ip -n "$A" link set va gso_max_segs 1
work=$(mktemp -d)
port=7700

# transfer SERVER CLIENT PREFIX...: from A to B, the prefix before the client.
transfer() {
	local server=$1 client=$2 pid to
	shift 2
	to=$(host_of "$server" 2)
	port=$((port + 1))
	ip netns exec "$B" "${wrap[@]}" xfer server "$server" "$to" $port $bytes &
	pid=$!
	wait_listen "$B" "$server" $port || return 1
	ip netns exec "$A" timeout 120 "$@" xfer client "$client" "$to" $port $bytes || { kill $pid; return 1; }
	wait $pid
}

# field NAME JSON: a number in the sums that rusttcp-qlog prints.
field() {
	[[ $2 =~ \"$1\":\ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}

# 1. Events: what the log says was sent again is what the counters say, and what a capture shows.
all=$bytes wrap=() lost=0
for ip in '' 6; do
	bytes=$all
	[ -z "$ip" ] || bytes=$less
	before=$(counter "$A" rusttcp_stat RetransSegs)
	outs=$(counter "$A" rusttcp_stat TCPTimeouts)
	transfer inet$ip rusttcp$ip rusttcp-log -n 200000 -o "$work/events$ip"
	ktap $? "rusttcp$ip: $bytes bytes over 1 % loss, with a log of events"
	netem=$(tc -n "$A" -s qdisc show dev va)
	[[ $netem =~ dropped\ ([0-9]+) ]]
	now=${BASH_REMATCH[1]:-0}
	dropped=$((now - lost)) lost=$now
	again=$(($(counter "$A" rusttcp_stat RetransSegs) - before))
	outs=$(($(counter "$A" rusttcp_stat TCPTimeouts) - outs))
	log=$(ls "$work"/events$ip/*.log)
	sums=$(rusttcp-qlog "$log" --qlog "$work/qlog" --count)
	echo "# $sums"
	[ "$(field missing "$sums")" = 0 ] && [ "$(field sent_again "$sums")" = "$again" ] &&
		[ "$again" -gt 0 ] && [ "$dropped" -gt 0 ]
	ktap $? "rusttcp$ip: sent again: $(field sent_again "$sums") by the log, $again by the counters, $dropped were lost"
	[ "$(field timeouts "$sums")" = "$outs" ]
	ktap $? "rusttcp$ip: time-outs: $(field timeouts "$sums") by the log, $outs by the counters"
	python3 -c '
import json, sys
lines = [json.loads(part) for part in open(sys.argv[1]).read().split("\x1e") if part]
names = {line["name"] for line in lines[1:]}
times = [line["time"] for line in lines[1:]]
need = {"tcp:segment_sent", "tcp:segment_received", "tcp:send_limited", "tcp:data_lost",
	"tcp:metrics_updated", "tcp:congestion_state_updated", "tcp:connection_state_updated"}
sys.exit(not need <= names or times != sorted(times) or "file_schema" not in lines[0])' "$work/qlog"
	ktap $? "rusttcp$ip, as qlog: every line is JSON, in order, and the events are there"
done

# The time-sequence graph: a picture of that size with something in it (an empty one is a tenth of it).
mkdir "$work/mpl"
cp ~/.cache/matplotlib/fontlist* "$work/mpl/" 2>/dev/null # It takes long to make.
(. scripts/env.sh; MPLCONFIGDIR=$work/mpl rusttcp-qlog "$log" --plot "$work/plot.png") && python3 -c '
import struct, sys
data = open(sys.argv[1], "rb").read()
width, height = struct.unpack(">II", data[16:24])
print(f"# the plot: {width} x {height}, {len(data)} bytes")
sys.exit(data[:8] != b"\x89PNG\r\n\x1a\n" or width < 1000 or height < 1000 or len(data) < 60_000)' "$work/plot.png"
ktap $? "as a plot"

# 2. Inputs: sender and receiver, both recorded, both replayed, each to its end; then a sender of 10 MB (the log of
# who was accepted has no room for that).
# replayed LOG WHAT: makes the core on the host do the same.
replayed() {
	local text status
	text=$(build/replay "$1")
	status=$?
	[[ $text != *early* ]] || status=1
	ktap $status "$2: ${text:-no log}"
}

for ip in '' 6; do
	bytes=$all
	[ -z "$ip" ] || bytes=$less
	wrap=(rusttcp-log -i -n 131072 -o "$work/server$ip")
	transfer rusttcp$ip rusttcp$ip rusttcp-log -i -n 131072 -o "$work/client$ip"
	ktap $? "rusttcp$ip: $bytes bytes over 1 % loss, with logs of inputs on both sides"
	for side in client$ip server$ip; do
		for log in "$work/$side"/*.log; do
			replayed "$log" "$side"
		done
	done
done
if [ "$RUSTTCP_DEBUG" != 1 ]; then
	wrap=() bytes=10000000
	transfer inet rusttcp rusttcp-log -i -n 131072 -o "$work/long"
	ktap $? "$bytes bytes over 1 % loss, with a log of inputs"
	replayed "$(ls "$work"/long/*.log)" "sender"
fi
text=$(build/replay "$(ls "$work"/client/*.log)" "$work/explained")
sums=$(rusttcp-qlog "$work/explained" --count)
echo "# $text"
echo "# the replay explains: $sums"
[ "$(field sent_again "$sums")" -gt 0 ]
ktap $? "the replay of the client's log explains $(field sent_again "$sums") retransmissions"
[ -z "${RUSTTCP_LOG_DIR:-}" ] || cp "$work"/{client,server}{,6}/*.log "$RUSTTCP_LOG_DIR"/
rm -rf "$work"
ktap_end
