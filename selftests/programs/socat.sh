# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# socat: files both ways, half-close, a relay of two, IPv6, and its socket options.
# shellcheck source=selftests/programs/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
random "$work/file" 8000000

serve socat -u TCP-LISTEN:7001,reuseaddr "CREATE:$work/there"
listening 7001
client socat -u "FILE:$work/file" TCP:10.0.0.2:7001 && wait "$pid" && same "$work/file" "$work/there"
check $? "a file there"
serve socat -u "FILE:$work/file" TCP-LISTEN:7002,reuseaddr
listening 7002
client socat -u TCP:10.0.0.2:7002 "CREATE:$work/back" && same "$work/file" "$work/back"
check $? "a file back"
serve socat -t 60 TCP-LISTEN:7003,reuseaddr,fork,backlog=20 EXEC:cat
echo_server=$pid
listening 7003
client socat -t 60 - TCP:10.0.0.2:7003 <"$work/file" >"$work/back"
same "$work/file" "$work/back"
check $? "there and back through cat: the end is told by half-close"
pids=()
for i in $(seq 15); do
	client socat -t 60 - TCP:10.0.0.2:7003 <<<"text $i" >"$work/text.$i" &
	pids+=($!)
done
wait "${pids[@]}"
good=0
for i in $(seq 15); do
	[ "$(cat "$work/text.$i")" = "text $i" ] && good=$((good + 1))
done
[ $good = 15 ]
check $? "15 clients at once, a process for each"
serve socat -t 60 TCP-LISTEN:7004,reuseaddr,fork TCP:10.0.0.2:7003
listening 7004
head -c 2000000 "$work/file" >"$work/part"
client socat -t 60 - TCP:10.0.0.2:7004 <"$work/part" >"$work/back"
same "$work/part" "$work/back"
check $? "through a second one that passes it on"
serve socat -t 60 TCP6-LISTEN:7005,reuseaddr,fork EXEC:cat
listening 7005 6
client socat -t 60 - 'TCP6:[fd00::2]:7005' <"$work/part" >"$work/back"
same "$work/part" "$work/back"
check $? "over IPv6"
client socat -t 60 - TCP4:10.0.0.2:7005 <"$work/part" >"$work/back"
same "$work/part" "$work/back"
check $? "an IPv4 client of an IPv6 listener"
serve socat -t 60 TCP-LISTEN:7006,reuseaddr,fork,nodelay,keepalive,keepidle=9,keepintvl=3,keepcnt=4,linger=5,rcvbuf=50000,sndbuf=50000,mss=900,tos=8,ttl=9 EXEC:cat
listening 7006
client socat -t 60 - TCP:10.0.0.2:7006,nodelay,keepalive,cork=0,sndbuf=50000,setsockopt-int=6:18:20000,sourceport=7777,reuseaddr \
	<"$work/part" >"$work/back" 2>>"$work/client.log"
same "$work/part" "$work/back"
check $? "with socket options on either side"
client socat -u - TCP:10.0.0.2:7099,connect-timeout=5 <<<x 2>"$work/refused"
grep -q 'Connection refused' "$work/refused"
check $? "nobody listens: refused"
kill $echo_server
finish
