# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# redis: redis-benchmark, large values, publish and subscribe, a replica.
# shellcheck source=selftests/programs/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir "$work/master" "$work/replica"
serve redis-server --port 6379 --bind 10.0.0.2 fd00::2 --save "" --appendonly no --protected-mode no \
	--dir "$work/master" --tcp-keepalive 30
listening 6379
cli() {
	client redis-cli -h 10.0.0.2 "$@" 2>>"$work/client.log"
}

client redis-benchmark -h 10.0.0.2 -n 2000 -c 20 --csv -t ping,set,get,incr,lpush,lrange_100 >"$work/bench" 2>>"$work/client.log" &&
	[ "$(awk -F'"' '$4 > 0' "$work/bench" | grep -c '^"[A-Z]')" -ge 7 ]
check $? "redis-benchmark: 20 clients"
sed 's/^/# /' "$work/bench"
client redis-benchmark -h 10.0.0.2 -n 10000 -c 10 -P 16 --csv -t set,get >"$work/bench" 2>>"$work/client.log" &&
	[ "$(grep -cE '^"(SET|GET)"' "$work/bench")" = 2 ]
check $? "redis-benchmark: pipelined"
client redis-benchmark -h 10.0.0.2 -n 300 -c 10 -k 0 --csv -t ping >"$work/bench" 2>>"$work/client.log" &&
	grep -q PING "$work/bench"
check $? "redis-benchmark: a connection for each request"
client redis-benchmark -h fd00::2 -n 1000 -c 5 --csv -t set >"$work/bench" 2>>"$work/client.log" &&
	grep -q SET "$work/bench"
check $? "redis-benchmark: over IPv6"
random "$work/value" 8000000
cli -x set big <"$work/value" | grep -qx OK
check $? "a value of 8 MB written"
# redis-cli ends its output with a newline.
cli get big | head -c 8000000 | cmp -s - "$work/value"
check $? "a value of 8 MB read"
client redis-cli -h 10.0.0.2 subscribe news >"$work/news" 2>&1 &
reader=$!
wait_for 20 grep -q subscribe "$work/news"
for i in $(seq 50); do
	echo "publish news item$i"
done | cli >/dev/null
wait_for 20 grep -q item50 "$work/news"
[ "$(grep -c '^item' "$work/news")" = 50 ]
check $? "publish and subscribe"
kill $reader
(exec ip netns exec "$A" "${CLIENT[@]}" redis-server --port 6380 --bind 10.0.0.1 --save "" --appendonly no \
	--protected-mode no --dir "$work/replica" --replicaof 10.0.0.2 6379 >"$work/replica.log" 2>&1) &
replica=$!
# shellcheck disable=SC2317,SC2329
in_step() {
	client redis-cli -h 10.0.0.1 -p 6380 info replication | grep -q 'master_link_status:up'
}
wait_for 60 in_step
check $? "a replica comes in step"
cli set late word >/dev/null
# shellcheck disable=SC2016
wait_for 20 sh -c "$(printf '%q ' ip netns exec "$A" "${CLIENT[@]}" redis-cli -h 10.0.0.1 -p 6380 get late) | grep -qx word"
check $? "a replica follows"
client redis-cli -h 10.0.0.1 -p 6380 get big | head -c 8000000 | cmp -s - "$work/value"
check $? "a replica has all of it"
kill $replica
wait $replica 2>/dev/null
cli shutdown nosave
wait "$pid"
check $? "the server's end"
finish
