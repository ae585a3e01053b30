#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A port that one stack holds is taken for the other; what is not ours goes to the kernel's
# TCP; namespaces know nothing of each other.
. selftests/lib/net.sh
ns_pair

for first in inet rusttcp; do
	for second in inet rusttcp; do
		ip netns exec "$A" xfer server $first 10.0.0.1 7000 0 &
		holder=$!
		wait_listen "$A" $first 7000
		said=$(ip netns exec "$A" timeout 5 xfer server $second 10.0.0.1 7000 0 2>&1)
		echo "$said" | grep -q "Address already in use"
		ktap $? "$second after $first: the port is taken"
		# The other namespace has the same port to itself.
		ip netns exec "$B" xfer server $second 10.0.0.2 7000 0 &
		other=$!
		wait_listen "$B" $second 7000
		ktap $? "$second: free in the other namespace"
		ip netns exec "$B" xfer client inet 10.0.0.1 7000 0
		ktap $? "the $first listener serves"
		ip netns exec "$A" xfer client inet 10.0.0.2 7000 0
		ktap $? "the other namespace's $second listener serves"
		wait $holder $other
	done
done

# No listener anywhere: the kernel's TCP refuses for both.
for family in inet rusttcp; do
	said=$(ip netns exec "$A" timeout 5 xfer client $family 10.0.0.2 7999 0 2>&1)
	echo "$said" | grep -q "Connection refused"
	ktap $? "$family: refused where nobody listens"
done
ktap_end
