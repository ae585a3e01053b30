#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every server of samples/ serves: many at once, one who says nothing for a while, and more than
# fits any buffer at once, from clients of either stack, over IPv4 and over IPv6.
# shellcheck source=selftests/lib/net.sh
. selftests/lib/net.sh
patience=30 bytes=600000
[ "$RUSTTCP_DEBUG" = 1 ] && patience=300 bytes=200000
trap 'kill $(jobs -p) 2>/dev/null' EXIT
ip link set lo up

# shellcheck disable=SC2317,SC2329
listens() {
	grep -Eq "$(printf ':%04X 0+:0000 0A' "$1")" /proc/net/rusttcp6
}

# many PORT: clients at the same time, each with a text of its own; how many got it back.
many() {
	local i good=0 pids=() to=(127.0.0.1 ::1)
	for i in $(seq 20); do
		{ [ "$(echo_client "${to[i % 2]}" "$1" "text number $i")" = "text number $i" ]; } &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" && good=$((good + 1))
	done
	[ $good = 20 ]
}

# large PORTS: that many bytes there and back, by a client of the kernel's TCP that writes and reads at
# the same time, over either family; "PORT STATUS" for each.
large() {
	timeout $((patience * 2)) python3 -c '
import socket, sys, threading
data = (bytes(range(251)) * 2400)[:int(sys.argv[1])]
def there_and_back(host, port):
    with socket.create_connection((host, port), timeout=int(sys.argv[2])) as s:
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
        print(port, int(not all(there_and_back(host, port) for host in ("127.0.0.1", "::1"))), flush=True)
    except OSError as error:
        print(port, 1, error, flush=True)
' $bytes $patience "$@"
}

# All of them serve at the same time, each at a port of its own.
servers=(echo_server "prefork_server 4" thread_server "worker_server 4 worker" "worker_server 4 event"
	select_server poll_server "epoll_server level" "epoll_server edge" sigio_server uring_server
	coroutine_server)
pids=() silent=() first=7020 localhost=(127.0.0.1 ::1)
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
	exec {fd}<>"/dev/tcp/${localhost[i % 2]}/$port"
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
# buckets HOW LISTENERS: 120 connections, over IPv4 and IPv6 in turn, one after the other; what the workers say is in $counts.
buckets() {
	bucket_server 7040 4 "$1" >"$counts" &
	pid=$!
	# shellcheck disable=SC2016
	wait_for 10 sh -c '[ "$(grep -Ec ":1B80 0+:0000 0A" /proc/net/rusttcp6)" = '"$2"' ]'
	ktap $? "bucket_server $1: listeners on one port: $2"
	# Which CPU a connection of loopback comes in on is where its client runs: 100 on the first.
	for cpu in 0 1; do
		# shellcheck disable=SC2016
		taskset -c $((cpu % $(nproc))) bash -c 'for ((i = 0; i < '$((100 - 80 * cpu))'; i++)); do
			to=127.0.0.1
			[ $((i % 2)) = 0 ] || to=::1
			exec 9<>/dev/tcp/$to/7040
			echo "$i" >&9
			read -r -t 10 -u 9 answer && [ "$answer" = "$i" ] || echo failed
			exec 9>&-
		done'
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
buckets pinned 4
# (With one CPU the first has both.)
awk -v cpus="$(nproc)" '{ got[$2 + 0] = $3 } END { exit !(cpus > 1 ? got[0] + got[2] == 100 && got[1] + got[3] == 20 : NR == 4) }' "$counts"
ktap $? "bucket_server pinned: each CPU's listeners had the connections that came in there"
rm -f "$counts"

# Several addresses and ports, and no others.
address_server 127.0.0.1 7041 127.0.0.2 7042 ::1 7043 &
pid=$!
wait_for 10 listens 7043
for place in "127.0.0.1 7041" "127.0.0.2 7042" "::1 7043"; do
	# shellcheck disable=SC2086
	[ "$(echo_client $place "to $place")" = "to $place" ]
	ktap $? "address_server: $place"
done
for place in "127.0.0.1 7042" "127.0.0.2 7041" "127.0.0.1 7043"; do
	# shellcheck disable=SC2086
	echo_client $place hello 2>&1 | grep -q 'Connection refused'
	ktap $? "address_server: nothing at $place"
done
kill $pid

for address in ::1 ::ffff:127.0.0.1; do
	half_close $address | sed 's/^/# /'
	[ "${PIPESTATUS[0]}" = 0 ]
	ktap $? "half_close $address: shutdown() in all three forms, and close(), are as it says"
done
ktap_end
