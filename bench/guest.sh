#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The measurements, inside the VM (bench/run.sh starts it). The stacks take turns, so that
# what drifts with time falls on both. Every line of the result: what, stack, figure.
set -u
. selftests/lib/net.sh >/dev/null
export PATH=$PWD/build/prog:$PATH
rounds=${BENCH_ROUNDS:-5}
seconds=${BENCH_SECONDS:-3}
count=${BENCH_COUNT:-1000}
result=build/bench/results.tsv
mkdir -p build/bench
: >$result
ns_pair
bad=0

# One server of each stack for each way to it: loopback inside B, veth from A.
port=9000
for stack in inet rusttcp; do
	for addr in 127.0.0.1 10.0.0.2; do
		port=$((port + 1))
		ip netns exec "$B" perf server $stack $addr $port &
		wait_listen "$B" $stack $port || { echo "bench: no $stack server on $addr" >&2; exit 1; }
		eval "port_${stack}_${addr//./_}=$port"
	done
done

# measure NAME MODE NAMESPACE ADDR SECONDS-OR-COUNT
measure() {
	local name=$1 mode=$2 ns=$3 addr=$4 amount=$5 stack order key figure
	for round in $(seq "$rounds"); do
		order="inet rusttcp"
		[ $((round % 2)) = 0 ] && order="rusttcp inet"
		for stack in $order; do
			key=port_${stack}_${addr//./_}
			figure=$(ip netns exec "$ns" timeout 60 perf "$mode" "$stack" "$addr" "${!key}" "$amount") || {
				echo "bench: $name over $stack failed: $figure" >&2
				bad=1
				continue
			}
			printf '%s\t%s\t%s\n' "$name" "$stack" "$figure" | tee -a $result
		done
	done
}

measure bulk-loopback bulk "$B" 127.0.0.1 "$seconds"
measure bulk-veth bulk "$A" 10.0.0.2 "$seconds"
measure request-response rr "$B" 127.0.0.1 "$seconds"
measure request-response-veth rr "$A" 10.0.0.2 "$seconds"
measure connect crr "$B" 127.0.0.1 "$count"
uname -r >build/bench/kernel
exit $bad
