#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make layers: the dependency rules of Documentation/architecture.rst, the count of
# `unsafe` by file, and the proof that the module refers to no panic from the core.
#
# check_layers.sh [--rust DIRECTORY] [--object OBJECT] [--allow FILE] [--only sources|object]
#
# The options are for selftests/lib/layers-selftest.sh, which shows that each rule can fail.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$RUSTTCP_TOP" || exit 1
bad=0
rust=rust object=build/rust/rusttcp_main.o allow=scripts/panic_allow.txt only=all
while [ $# -gt 0 ]; do
	case $1 in
	--rust) rust=$2 ;;
	--object) object=$2 ;;
	--allow) allow=$2 ;;
	--only) only=$2 ;;
	*) die "check_layers.sh: what is $1?" ;;
	esac
	shift 2
done

breach() {
	echo "layers: $*"
	bad=1
}

# code DIRECTORY: file:line:text without comments and test modules (which come last).
code() {
	find "$@" -name '*.rs' -exec awk '
		FNR == 1 { test = 0 }
		/^#\[cfg\(test\)\]/ { test = 1 }
		!test && !/^[[:space:]]*\/\// { print FILENAME ":" FNR ":" $0 }' {} +
}

check_sources() {
	# 1. The core knows core:: and itself.
	out=$(code "$rust"/tcp | grep -E '\b(kernel|bindings|alloc|std|macros|pin_init)::|\buse (::)?(kernel|alloc|std)\b|\bextern crate\b' |
		grep -vE 'cfg\(|std::vec' || true)
	[ -z "$out" ] || breach "the core names more than core::
$out"

	# 2. No unsafe above net.
	for layer in tcp stack socket admin; do
		grep -q '^#!\[forbid(unsafe_code)\]' "$rust/$layer/mod.rs" ||
			breach "rust/$layer/mod.rs does not forbid unsafe code"
		out=$(code "$rust/$layer" | grep -wE 'unsafe' | grep -v 'forbid(unsafe_code)' || true)
		[ -z "$out" ] || breach "unsafe in rust/$layer
$out"
	done

	# 3. Bindings are net's own.
	out=$(code "$rust" | grep -E '\bbindings\b' | grep -vE "^$rust/(net|bindings)/" || true)
	[ -z "$out" ] || breach "bindings outside rust/net
$out"

	# 4. Arrows point down: what each layer may name.
	python3 -B scripts/layer_arrows.py "$rust" >"$work/arrows" || breach "layer_arrows.py failed"
	[ "$(wc -l <"$work/arrows")" -ge 5 ] || breach "layer_arrows.py found next to nothing"
	out=$(awk 'BEGIN {
			may["tcp"] = " tcp "
			may["bindings"] = " bindings "
			may["net"] = " net bindings "
			may["stack"] = " stack net tcp "
			may["socket"] = " socket stack net tcp "
			may["admin"] = " admin stack net tcp "
		}
		index(may[$2], " " $3 " ") == 0 { print $1 ": " $2 " names " $3 }' "$work/arrows")
	[ -z "$out" ] || breach "arrows that point up
$out"

	echo "unsafe by file (lines):"
	grep -rcwE 'unsafe' "$rust" --include='*.rs' | grep -v ':0$' | grep -E "^$rust/(net|bindings)" |
		sort -t: -k2 -nr | sed 's/^/  /'
}

# Panic-freedom, as linked. The kernel compiles the crate as one object without debug
# information; every call of a panic function shows as a relocation, and the function that
# holds it is named. The core's functions may hold none, and since the optimiser may inline
# them anywhere, no function of the module may hold one that is not accounted for in
# scripts/panic_allow.txt, line for line (none of which calls into the core).
check_object() {
	if [ ! -f "$object" ]; then
		breach "$object is not built: make modules"
		return
	fi
	"llvm-objdump-$LLVM" -dr --no-show-raw-insn "$object" >"$work/dis" ||
		breach "llvm-objdump-$LLVM can't read $object"
	grep -q '^[0-9a-f]* <.*rusttcp_main.*tcp.*>:$' "$work/dis" ||
		breach "no function of the core is in $object"
	# What lies outside the crate and is called (or jumped to) because something went wrong:
	# core::panicking::*, unwrap_failed, expect_failed, slice_index_fail, len_mismatch_fail,
	# panic_already_borrowed, capacity_overflow, handle_alloc_error, ...
	awk '
		/^[0-9a-f]+ <.*>:$/ { fn = $2; gsub(/[<>:]/, "", fn) }
		/R_X86_64_/ {
			to = $NF
			sub(/[-+]0x[0-9a-f]+$/, "", to)
			if (to ~ /^_R.*(panick|panic_|_fail|unwind|overflow|alloc_error)/ || to ~ /^(rust_helper_BUG|abort)$/)
				print fn " -> " to
		}' "$work/dis" | sort -u >"$work/mangled"
	"llvm-cxxfilt-$LLVM" <"$work/mangled" >"$work/panics" || breach "llvm-cxxfilt-$LLVM failed"
	grep -vE '^#|^$' "$allow" | sort -u >"$work/allowed"
	left=$(comm -23 <(sort "$work/panics") "$work/allowed")
	if [ -n "$left" ]; then
		breach "references to panic functions:
$left"
	else
		echo "panic references: none beyond $allow ($(wc -l <"$work/panics") there)"
	fi
	comm -13 <(sort "$work/panics") "$work/allowed" |
		sed 's/^/layers: no longer needed in the list of panics: /'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ "$only" = object ] || check_sources
[ "$only" = sources ] || check_object
[ $bad = 0 ] && echo "layers: all rules hold"
exit $bad
