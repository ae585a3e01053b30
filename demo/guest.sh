#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demonstration, inside the VM (demo/demo.sh starts it). Each step checks itself.
set -u
. selftests/lib/net.sh >/dev/null
export PATH=$PWD/build/samples:$PWD/build/prog:$PWD/tools:$PATH
out=build/demo
rm -rf $out
mkdir -p $out
work=$(mktemp -d)
ns_pair
bad=0
summary=

step() {
	local mark=ok
	[ "$1" = 0 ] || { mark=FAILED; bad=1; }
	summary="$summary$(printf '%-7s %s' "$mark" "$2")"$'\n'
	printf '%-7s %s\n' "$mark" "$2"
}

# capture NAME PORT: into $out/NAME.pcap, until capture_end.
capture() {
	ip netns exec "$A" dumpcap -q -B 16 -i va -s 96 -w "$out/$1.pcap" -f "tcp port $2 or udp port 9" >/dev/null 2>&1 &
	dump=$!
	wait_for 20 test -s "$out/$1.pcap"
}

# A mark shows that dumpcap has read all that came before it.
capture_end() {
	for _ in 1 2 3 4 5 6 7 8; do
		ip netns exec "$A" bash -c 'echo end-of-capture >/dev/udp/10.0.0.2/9'
	done
	wait_for 20 grep -q end-of-capture "$out/$1.pcap"
	kill -INT $dump
	wait $dump 2>/dev/null
}

echo "--- 1. a C program on either side: socket(AF_RUSTTCP, SOCK_STREAM, 0)"
capture handshake 7007
ip netns exec "$B" echo_server 7007 &
server=$!
wait_listen "$B" rusttcp6 7007
said=$(ip netns exec "$A" echo_client 10.0.0.2 7007 hello from Rust)
echo "the echo: $said"
[ "$said" = "hello from Rust" ]
step $? "echo server and client in C over AF_RUSTTCP"
kill $server
wait $server 2>/dev/null
capture_end handshake
tshark -n -r $out/handshake.pcap -Y tcp -t r \
	-o 'gui.column.format:"Time","%t","Source","%s","Destination","%d","Info","%i"' 2>/dev/null |
	sed -E 's/ (MSS|WS|SACK_PERM|TSval|TSecr)(=[0-9]+)?//g'
[ "$(tshark -n -r $out/handshake.pcap -Y 'tcp.flags.fin == 1' 2>/dev/null | wc -l)" -ge 2 ]
step $? "its handshake and close, as captured (demo/out/handshake.pcap)"

head -c 67108864 /dev/urandom >"$work/64M"
want=$(sha256sum <"$work/64M")

# nginx COMMAND-PREFIX PORT
serve() {
	mkdir -p "$work/$2"
	cat >"$work/$2/conf" <<-CONF
		daemon off;
		master_process off;
		pid $work/$2/pid;
		error_log stderr error;
		events { worker_connections 64; }
		http {
			access_log off;
			client_body_temp_path $work/$2;
			proxy_temp_path $work/$2;
			fastcgi_temp_path $work/$2;
			uwsgi_temp_path $work/$2;
			scgi_temp_path $work/$2;
			server { listen $2; root $work; }
		}
	CONF
	# shellcheck disable=SC2086
	ip netns exec "$B" $1 nginx -c "$work/$2/conf" -p "$work/$2" -e stderr &
}

# fetch COMMAND-PREFIX PORT BYTES
fetch() {
	# shellcheck disable=SC2086
	ip netns exec "$A" $1 curl -sS --max-time 240 -r "0-$(($3 - 1))" -o "$work/got" \
		-w '%{size_download} bytes, %{speed_download} bytes/s\n' "http://10.0.0.2:$2/64M" || return 1
	if [ "$3" = 67108864 ]; then
		[ "$(sha256sum <"$work/got")" = "$want" ]
	else
		[ "$(sha256sum <"$work/got")" = "$(head -c "$3" "$work/64M" | sha256sum)" ]
	fi
}

serve "tools/rusttcp-run" 8001
wait_listen "$B" rusttcp 8001
serve "" 8002
wait_listen "$B" inet 8002
echo "--- ss before: the listeners of AF_RUSTTCP, then of the kernel's TCP"
our_ss "$B" -tlnH
ip netns exec "$B" ss -tlnH
ss_has "$B" '^LISTEN .*:8001 '
step $? "ss before: nginx's port 8001 is in LISTEN on AF_RUSTTCP"

echo "--- 2. nginx on AF_RUSTTCP, curl on the kernel's TCP: 64 MiB"
fetch "" 8001 67108864
step $? "nginx over AF_RUSTTCP to curl over the kernel's TCP, 64 MiB, SHA-256 equal"
echo "--- 3. nginx on the kernel's TCP, curl on AF_RUSTTCP: 64 MiB"
fetch tools/rusttcp-run 8002 67108864
step $? "nginx over the kernel's TCP to curl over AF_RUSTTCP, 64 MiB, SHA-256 equal"

echo "--- 4. both again over 10 ms of delay with 1 % loss and reordering"
ns_netem delay 10ms loss 1% reorder 2% 50%
bytes=${DEMO_LOSSY_BYTES:-67108864}
# A packet that netem loses shall be one segment, not a super-segment of forty.
ip netns exec "$A" ethtool -K va tso off gso off gro off >/dev/null 2>&1
ip netns exec "$B" ethtool -K vb tso off gso off gro off >/dev/null 2>&1
capture lossy 8001
fetch "" 8001 "$bytes"
step $? "nginx over AF_RUSTTCP, lossy link, $bytes bytes, SHA-256 equal"
capture_end lossy
fetch tools/rusttcp-run 8002 "$bytes"
step $? "curl over AF_RUSTTCP, lossy link, $bytes bytes, SHA-256 equal"

echo "--- ss after: what is in TIME-WAIT on AF_RUSTTCP; its server's counters"
# The server's FIN may be lost, too.
wait_for 20 ss_has "$A" '^TIME-WAIT .*:8002( |$)'
ended=$?
our_ss "$A" -tanH
step $ended "ss after: curl's connection to port 8002 is in TIME-WAIT on AF_RUSTTCP"
# shellcheck disable=SC2016
ip netns exec "$B" awk '$1 == "Tcp:" && !n++ { split($0, name); next }
	$1 == "Tcp:" { for (i = 2; i <= NF; i++) if (name[i] ~ /^(InSegs|OutSegs|RetransSegs|InErrs)$/) printf "%s %s  ", name[i], $i; print "" }' \
	/proc/net/rusttcp_stat

pkill nginx
wait 2>/dev/null
wait_for 90 rmmod rusttcp
step $? "rmmod"
echo
echo "=== AF_RUSTTCP on $(uname -sr) ==="
printf '%s' "$summary"
rm -rf "$work"
exit $bad
