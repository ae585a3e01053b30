#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make layers: the dependency rules of Documentation/architecture.rst, the count of
# `unsafe` by file, and the proof that the module refers to no panic from the core.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$RUSTTCP_TOP" || exit 1
bad=0

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

# 1. The core knows core:: and itself.
out=$(code rust/tcp | grep -E '\b(kernel|bindings|alloc|std)::' | grep -vE 'cfg\(|std::vec' || true)
[ -z "$out" ] || breach "the core names more than core::
$out"

# 2. No unsafe above net.
for layer in tcp stack socket admin; do
	grep -q '#!\[forbid(unsafe_code)\]' rust/$layer/mod.rs || breach "rust/$layer/mod.rs does not forbid unsafe code"
	out=$(code rust/$layer | grep -wE 'unsafe' | grep -v 'forbid(unsafe_code)' || true)
	[ -z "$out" ] || breach "unsafe in rust/$layer
$out"
done

# 3. Bindings are net's own.
out=$(code rust | grep -E 'bindings::' | grep -vE '^rust/(net|bindings)/' || true)
[ -z "$out" ] || breach "bindings outside rust/net
$out"

# 4. Arrows point down: layer -> what it may name.
declare -A may=([tcp]="tcp" [net]="net" [stack]="stack net tcp" [socket]="socket stack net tcp" [admin]="admin stack net tcp")
for layer in "${!may[@]}"; do
	allowed=${may[$layer]// /|}
	out=$(code rust/"$layer" | grep -oE '^[^:]*:[0-9]+:|crate::[a-z_]+' | awk '
		/^rust/ { at = $0; next } { print at $0 }' | grep -vE "crate::($allowed)\$" || true)
	[ -z "$out" ] || breach "rust/$layer names a layer above it
$out"
done

echo "unsafe by file (lines):"
grep -rcwE 'unsafe' rust/net rust/bindings --include='*.rs' | grep -v ':0$' | sort -t: -k2 -nr | sed 's/^/  /'

# 5. Panic-freedom, as linked. The kernel compiles the crate as one object without
# debug information; every call of a panic function shows as a relocation, and the
# function that holds it is named. The core's functions may hold none, and since the
# optimiser may inline them anywhere, no function of the module may hold one that is
# not accounted for in scripts/panic_allow.txt (none of which calls into the core).
object=build/rust/rusttcp_main.o
if [ ! -f $object ]; then
	breach "$object is not built: make modules"
else
	"llvm-objdump-$LLVM" -dr --no-show-raw-insn "$object" >build/layers.dis ||
		breach "llvm-objdump-$LLVM can't read $object"
	grep -q '^[0-9a-f]* <.*rusttcp_main.*tcp.*>:$' build/layers.dis ||
		breach "no function of the core is in $object"
	panics=$(awk '
		/^[0-9a-f]+ <.*>:$/ { fn = $2; gsub(/[<>:]/, "", fn) }
		/R_X86_64.*(core9panicking|9panicking|unwrap_failed|expect_failed|slice.*index.*fail|panic_bounds|copy_from_slice|panic_const|rust_begin_unwind|slice_.*_fail)/ {
			print fn " -> " $NF }' build/layers.dis | sort | uniq -c)
	demangled=$(echo "$panics" | "llvm-cxxfilt-$LLVM" 2>/dev/null || echo "$panics")
	left=$(echo "$demangled" | grep -vF -f <(grep -vE '^#|^$' scripts/panic_allow.txt) | grep -v '^[[:space:]]*$' || true)
	if [ -n "$left" ]; then
		breach "references to panic functions:
$left"
	else
		echo "panic references: none beyond scripts/panic_allow.txt ($(echo "$panics" | grep -c .) there)"
	fi
fi
[ $bad = 0 ] && echo "layers: all rules hold"
exit $bad
