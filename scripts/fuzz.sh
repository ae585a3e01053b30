#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fuzz.sh [SECONDS [TARGET...]]: runs the fuzz targets of selftests/fuzz, one after the other, each
# for that long (60). What they find is kept in selftests/fuzz/findings/TARGET, where
# make test-host replays it.
#
# The stable toolchain is enough: libFuzzer comes with libfuzzer-sys and needs a C++ compiler
# (set-up brings g++), and the coverage that guides it is an LLVM pass that -Cpasses turns on. Sanitizers, which do need a
# nightly toolchain, would find nothing in code without unsafe.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$RUSTTCP_TOP/selftests/fuzz" || exit 1

seconds=${1:-60}
shift
targets=${*:-parse connection pair}
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Coverflow-checks=yes -Cdebug-assertions=yes"
export CARGO_TARGET_DIR=$CARGO_TARGET_DIR/fuzz
# With --target the flags do not reach build scripts.
cargo build --release --locked -q --target "$host" || die "the fuzz targets do not build"

bad=0
for target in $targets; do
	mkdir -p "$CARGO_TARGET_DIR/corpus/$target" "findings/$target"
	echo "rusttcp: fuzzing $target for $seconds s"
	dict=()
	[ -e "$target.dict" ] && dict=(-dict="$target.dict")
	# New inputs go to the first folder, which is not committed.
	if ! "$CARGO_TARGET_DIR/$host/release/$target" -max_total_time="$seconds" -max_len=4096 -timeout=20 \
		"${dict[@]}" -print_final_stats=1 -verbosity=0 -artifact_prefix="findings/$target/" \
		"$CARGO_TARGET_DIR/corpus/$target" "corpus/$target" >"$CARGO_TARGET_DIR/$target.log" 2>&1; then
		grep -E 'panicked|ERROR|Test unit written' -A 3 "$CARGO_TARGET_DIR/$target.log" | head -n 30
		echo "not ok - fuzz $target"
		bad=1
	else
		grep -E 'number_of_executed_units' "$CARGO_TARGET_DIR/$target.log"
		echo "ok - fuzz $target"
	fi
	rmdir "findings/$target" 2>/dev/null
done
rmdir findings 2>/dev/null
exit $bad
