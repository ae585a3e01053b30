#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The ports of both stacks are one space: a port that one holds is taken for the other; what is not ours goes to the kernel's
# TCP; namespaces know nothing of each other.
. selftests/lib/net.sh
ns_pair

for ip in '' 6; do
	a=$(host_of inet$ip 1) b=$(host_of inet$ip 2)
	for first in inet$ip rusttcp$ip; do
		for second in inet$ip rusttcp$ip; do
			ip netns exec "$A" xfer server "$first" "$a" 7000 0 &
			holder=$!
			wait_listen "$A" "$first" 7000
			said=$(ip netns exec "$A" timeout 30 xfer server "$second" "$a" 7000 0 2>&1)
			echo "$said" | grep -q "Address already in use"
			ktap $? "$second after $first: the port is taken"
			# The other namespace has the same port to itself.
			ip netns exec "$B" xfer server "$second" "$b" 7000 0 &
			other=$!
			wait_listen "$B" "$second" 7000
			ktap $? "$second: free in the other namespace"
			ip netns exec "$B" xfer client inet$ip "$a" 7000 0
			ktap $? "the $first listener serves"
			ip netns exec "$A" xfer client inet$ip "$b" 7000 0
			ktap $? "the other namespace's $second listener serves"
			wait $holder $other
		done
	done
done

# No listener anywhere: the kernel's TCP refuses for both.
for family in inet rusttcp inet6 rusttcp6; do
	said=$(ip netns exec "$A" timeout 30 xfer client "$family" "$(host_of "$family" 2)" 7999 0 2>&1)
	echo "$said" | grep -q "Connection refused"
	ktap $? "$family: refused where nobody listens"
done
ktap_end
