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

# 4. Arrows point down: layer -> what it may name. `crate::x`, `crate::{x, y}` over lines,
# and `super::super` from a layer's own top all count.
arrows() {
	code "$1" | awk -v layer="$2" '
		{
			file = $0; sub(/:.*/, "", file)
			text = $0; sub(/^[^:]*:[0-9]*:/, "", text)
			at = $0; sub(/:[^:]*$/, "", at)
			# A group that a line before opened: only names at its first level.
			line = text
			if (!depth && match(line, /crate::\{/)) {
				depth = 1
				line = substr(line, RSTART + RLENGTH)
			} else if (!depth) {
				rest = line
				while (match(rest, /crate::[a-z_]+/)) {
					print file ":" substr(rest, RSTART + 7, RLENGTH - 7)
					rest = substr(rest, RSTART + RLENGTH)
				}
				if (file ~ "^rust/" layer "/[a-z_0-9]+\\.rs$" && line ~ /super::super/)
					print file ":super::super"
				next
			}
			n = length(line); word = ""
			for (i = 1; i <= n; i++) {
				c = substr(line, i, 1)
				if (c ~ /[a-z_]/ && depth == 1 && !skip) word = word c
				else {
					if (word != "" && depth == 1 && !skip) { print file ":" word; word = "" ; skip = 1 }
					if (c == "{") depth++
					if (c == "}") depth--
					if (c == "," && depth == 1) skip = 0
					if (!depth) { skip = 0; break }
				}
			}
			if (word != "") { print file ":" word; word = ""; skip = 1 }
		}'
}
declare -A may=([tcp]="tcp" [net]="net" [stack]="stack net tcp" [socket]="socket stack net tcp" [admin]="admin stack net tcp")
for layer in "${!may[@]}"; do
	allowed=${may[$layer]// /|}
	out=$(arrows rust/"$layer" "$layer" | grep -vE ":($allowed)\$" || true)
	[ -z "$out" ] || breach "rust/$layer names a layer above it
$out"
done
# The check of the check: three arrows that point up.
mkdir -p build/layers/rust/tcp
printf 'use crate::{\n    tcp::a,\n    stack::{b, c}, //\n};\nuse crate::socket::d;\nuse super::super::admin;\n' \
	>build/layers/rust/tcp/fixture.rs
[ "$(cd build/layers && arrows rust/tcp tcp | tr '\n' ' ')" = \
	"rust/tcp/fixture.rs:tcp rust/tcp/fixture.rs:stack rust/tcp/fixture.rs:socket rust/tcp/fixture.rs:super::super " ] ||
	breach "arrows that point up are not found: the check is blind"

echo "unsafe by file (lines):"
grep -rcwE 'unsafe' rust/net rust/bindings --include='*.rs' | grep -v ':0$' | sort -t: -k2 -nr | sed 's/^/  /'

# 5. Panic-freedom, as linked. The kernel compiles the crate as one object without
# debug information; every call of a panic function shows as a relocation, and the
# function that holds it is named. The core's functions may hold none, and since the
# optimiser may inline them anywhere, no function of the module may hold one that is
# not accounted for in scripts/panic_allow.txt, line by line (none of them calls into the
# core).

# panics OBJECT: a line for each function that refers to a panic: "function -> what".
panics() {
	"llvm-objdump-$LLVM" -dr --no-show-raw-insn "$1" >build/layers.dis || return 1
	awk '
		/^[0-9a-f]+ <.*>:$/ { fn = $2; gsub(/[<>:]/, "", fn) }
		/R_X86_64.*(core9panicking|9panicking|unwrap_failed|expect_failed|slice.*index.*fail|panic_bounds|copy_from_slice|panic_const|rust_begin_unwind|slice_.*_fail)/ {
			sub(/[+-]0x[0-9a-f]+$/, "", $NF); print fn " -> " $NF }' build/layers.dis |
		sort -u | "llvm-cxxfilt-$LLVM" | sed -E 's/::h[0-9a-f]{16}//g'
}

object=build/rust/rusttcp_main.o
complain=build/complain/complain.o
if [ ! -f $object ] || [ ! -f $complain ]; then
	breach "$object or $complain is not built: make modules"
else
	found=$(panics $object) || breach "llvm-objdump-$LLVM can't read $object"
	grep -q '^[0-9a-f]* <.*rusttcp_main.*tcp.*>:$' build/layers.dis ||
		breach "no function of the core is in $object"
	left=$(echo "$found" | grep -vxF -f <(grep -vE '^#|^$' scripts/panic_allow.txt) | grep -v '^$' || true)
	if [ -n "$left" ]; then
		breach "references to panic functions:
$left"
	else
		echo "panic references: none beyond scripts/panic_allow.txt ($(echo "$found" | grep -c .) there)"
	fi
	# The check of the check: a module with one deliberate panic.
	panics $complain | grep -q '^complain_could_panic -> .*panic_bounds_check' ||
		breach "the panic in $complain is not found: the check is blind"
fi
[ $bad = 0 ] && echo "layers: all rules hold"
exit $bad
