#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make goodput: the links and the fairness, in a guest with a virtual clock, then the page. What was
# interrupted goes on where it was. `bench/goodput.sh --report` writes the page of what is there.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/../scripts/env.sh"
cd "$RUSTTCP_TOP" || exit 1
export GOODPUT_CC=${GOODPUT_CC:-cubic} GOODPUT_ROUNDS=${GOODPUT_ROUNDS:-25} GOODPUT_MINUTES=${GOODPUT_MINUTES:-0}
export GOODPUT_COMMIT=${GOODPUT_COMMIT:-$(git describe --always --dirty --exclude='*')}
if [ "${1:-}" != --report ]; then
	mkdir -p build/bench
	cc -O2 -static -Iinclude/uapi -Iselftests/prog selftests/prog/perf.c -o build/bench/perf -lpthread || exit
	log=build/bench/goodput.log
	: >$log
	# What such a guest writes last is lost while it ends: it writes to a file.
	# shellcheck disable=SC2016
	tools/vm --virtual-time --timeout "${GOODPUT_TIMEOUT:-20000}" -- env GOODPUT_CC="$GOODPUT_CC" \
		GOODPUT_ROUNDS="$GOODPUT_ROUNDS" GOODPUT_MINUTES="$GOODPUT_MINUTES" GOODPUT_COMMIT="$GOODPUT_COMMIT" bash -c \
		'python3 -u bench/goodput.py "$@" >build/bench/goodput.log 2>&1' goodput "$@" &
	guest=$!
	tail -n +1 -f --pid=$guest $log
	wait $guest
	status=$?
	# Some links only, or not all of them yet: no page.
	[ $status = 0 ] && [ $# = 0 ] || exit $status
fi
python3 bench/goodput.py --report
status=$?
if [ "$GOODPUT_CC" = cubic ]; then
	cp build/bench/goodput-cubic.rst build/bench/goodput.rst
	cp build/bench/goodput.rst Documentation/goodput.rst
fi
exit $status
