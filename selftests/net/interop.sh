#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every pairing of the two stacks over veth, on a good and on a bad link: every byte is
# checked, in both directions at once.
. selftests/lib/net.sh
ns_pair
size=4000000
[ "$RUSTTCP_DEBUG" = 1 ] && size=500000

# xfer SERVER-FAMILY CLIENT-FAMILY BYTES PORT
transfer() {
	local server to
	to=$(host_of "$1" 2)
	ip netns exec "$B" xfer server "$1" "$to" "$4" "$3" both &
	server=$!
	wait_listen "$B" "$1" "$4" || return 1
	ip netns exec "$A" xfer client "$2" "$to" "$4" "$3" both || { kill $server; return 1; }
	wait $server
}

port=5000
for link in clean "loss 1% delay 5ms" "delay 2ms 1ms reorder 20% duplicate 2%"; do
	bytes=$size
	if [ "$link" != clean ]; then
		# shellcheck disable=SC2086
		ns_netem $link
		bytes=$((size / 8))
	fi
	for ip in '' 6; do
		for server in inet rusttcp; do
			for client in inet rusttcp; do
				port=$((port + 1))
				transfer $server$ip $client$ip $bytes $port
				ktap $? "$client$ip to $server$ip, $link: $bytes bytes each way"
			done
		done
	done
done
ktap_end
