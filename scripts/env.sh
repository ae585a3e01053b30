# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Where things are; sourced by the other scripts and by the Makefile's recipes.
RUSTTCP_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RUSTTCP_CACHE=${RUSTTCP_CACHE:-$HOME/.cache/rusttcp}
# shellcheck source=scripts/versions.sh
. "$RUSTTCP_TOP/scripts/versions.sh"

export RUSTTCP_TOP RUSTTCP_CACHE
export PATH=$RUSTTCP_CACHE/tools/bin:$RUSTTCP_CACHE/venv/bin:$HOME/.cargo/bin:$PATH
export LIBCLANG_PATH=/usr/lib/llvm-$LLVM/lib
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$RUSTTCP_CACHE/target}
if [ -f "$RUSTTCP_CACHE/rust-lib-src" ]; then
	RUST_LIB_SRC=$(cat "$RUSTTCP_CACHE/rust-lib-src")
	export RUST_LIB_SRC
fi
export LINUX_SRC=$RUSTTCP_CACHE/src/$LINUX_PACKAGE

die() {
	echo "rusttcp: $*" >&2
	exit 1
}

# step SECONDS-EXPECTED WHAT COMMAND...: one line before, progress while it runs, the
# log's end if it fails.
step() {
	local about=$1 what=$2 log start pid
	shift 2
	mkdir -p "$RUSTTCP_CACHE/log"
	log=$RUSTTCP_CACHE/log/$(echo "$what" | tr -c 'a-zA-Z0-9\n' '-').log
	start=$SECONDS
	echo "rusttcp: $what (about $about s)"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		if [ $(((SECONDS - start) % 30)) = 29 ]; then
			echo "rusttcp:   $((SECONDS - start)) s, $(wc -l <"$log") lines of log"
		fi
	done
	if ! wait "$pid"; then
		tail -n 25 "$log" >&2
		die "$what failed; the log is $log"
	fi
}
