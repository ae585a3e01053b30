#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every server of samples/ serves: many at once, one who says nothing for a while, and more than
# fits any buffer at once, from clients of either stack.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
patience=30 bytes=600000
[ "$RUSTTCP_DEBUG" = 1 ] && patience=300 bytes=200000
trap 'kill $(jobs -p) 2>/dev/null' EXIT
ip link set lo up

# shellcheck disable=SC2317,SC2329
listens() {
	grep -q "$(printf ':%04X 00000000:0000 0A' "$1")" /proc/net/rusttcp
}

# many PORT: clients at the same time, each with a text of its own; how many got it back.
many() {
	local i good=0 pids=()
	for i in $(seq 20); do
		{ [ "$(echo_client 127.0.0.1 "$1" "text number $i")" = "text number $i" ]; } &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" && good=$((good + 1))
	done
	[ $good = 20 ]
}

# large PORTS: that many bytes there and back, by a client of the kernel's TCP that writes and reads at
# the same time; "PORT STATUS" for each.
large() {
	timeout $((patience * 2)) python3 -c '
import socket, sys, threading
data = (bytes(range(251)) * 2400)[:int(sys.argv[1])]
def there_and_back(port):
    with socket.create_connection(("127.0.0.1", port), timeout=int(sys.argv[2])) as s:
        def write():
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        threading.Thread(target=write, daemon=True).start()
        got = b""
        while True:
            part = s.recv(65536)
            if not part:
                return got == data
            got += part
for port in map(int, sys.argv[3:]):
    try:
        print(port, int(not there_and_back(port)), flush=True)
    except OSError as error:
        print(port, 1, error, flush=True)
' $bytes $patience "$@"
}

# All of them serve at the same time, each at a port of its own.
servers=(echo_server "prefork_server 4" thread_server "worker_server 4 worker" "worker_server 4 event"
	select_server poll_server "epoll_server level" "epoll_server edge" sigio_server uring_server)
pids=() silent=() first=7020
for i in "${!servers[@]}"; do
	read -r program argument <<<"${servers[i]}"
	# A session of its own: whom it forks meanwhile goes with it.
	# shellcheck disable=SC2086
	setsid $program $((first + i)) $argument >/dev/null &
	pids+=($!)
done
declare -A status
for i in "${!servers[@]}"; do
	port=$((first + i))
	wait_for 10 listens $port
	exec {fd}<>/dev/tcp/127.0.0.1/$port
	silent+=("$fd")
	many $port
	status[many$port]=$?
done
while read -r port bad _; do
	status[large$port]=$bad
done < <(large $(seq $first $((first + ${#servers[@]} - 1))))
for i in "${!servers[@]}"; do
	port=$((first + i)) fd=${silent[i]} server=${servers[i]}
	ktap "${status[many$port]}" "$server: 20 at once, and one who is silent"
	ktap "${status[large$port]:-1}" "$server: $bytes bytes each way"
	echo late >&"$fd"
	read -r -t 10 -u "$fd" answer && [ "$answer" = late ]
	ktap $? "$server: the silent one is served when it speaks"
	exec {fd}>&-
	kill -- -"${pids[i]}"
	wait "${pids[i]}" 2>/dev/null
done

counts=$(mktemp)
# buckets HOW LISTENERS: 120 connections one after the other; what the workers say is in $counts.
buckets() {
	bucket_server 7040 4 "$1" >"$counts" &
	pid=$!
	# shellcheck disable=SC2016
	wait_for 10 sh -c '[ "$(grep -c ":1B80 00000000:0000 0A" /proc/net/rusttcp)" = '"$2"' ]'
	ktap $? "bucket_server $1: listeners on one port: $2"
	for i in {1..120}; do
		exec 9<>/dev/tcp/127.0.0.1/7040
		echo "$i" >&9
		read -r -t 10 -u 9 answer && [ "$answer" = "$i" ] || echo failed
		exec 9>&-
	done | grep -q failed
	[ $? = 1 ]
	ktap $? "bucket_server $1: 120 connections"
	sleep 0.5
	kill $pid
	wait $pid
	sed 's/^/# /' "$counts"
}

woken() {
	awk '{ sum += $6 } END { print sum }' "$counts"
}

buckets "" 4
awk '$3 >= 12 { some++ } { sum += $3 } END { exit !(some == 4 && sum == 120) }' "$counts"
ktap $? "bucket_server: each listener had its share"
apart=$(woken)
buckets lone 1
awk '{ sum += $3 } END { exit !(NR == 4 && sum == 120) }' "$counts"
ktap $? "bucket_server lone: the workers had all of them"
together=$(woken)
# One worker is woken for a connection of its own bucket, and all four for one of a lone listener.
[ "$apart" -lt 240 ] && [ "$together" -gt $((apart * 2)) ]
ktap $? "nobody is woken for another's connection: $apart times, with a lone listener $together"
rm -f "$counts"

half_close | sed 's/^/# /'
[ "${PIPESTATUS[0]}" = 0 ]
ktap $? "half_close: shutdown() in all three forms, and close(), are as it says"
ktap_end
