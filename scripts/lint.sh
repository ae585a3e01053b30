#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make lint: rustfmt with the kernel's settings, clippy, checkpatch on C, shellcheck, man, pyflakes.
set -u
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$RUSTTCP_TOP" || exit 1
bad=0

check() {
	local what=$1
	shift
	if "$@"; then
		echo "ok - $what"
	else
		echo "not ok - $what"
		bad=1
	fi
}

clippy_kernel() {
	local log
	log=$(mktemp)
	# In a folder of its own: the module under test stays what it is.
	rm -rf build/clippy
	mkdir -p build/clippy
	make -C "$RUSTTCP_CACHE/build/test" LLVM=-"$LLVM" M="$RUSTTCP_TOP" MO="$RUSTTCP_TOP/build/clippy" CLIPPY=1 \
		modules >"$log" 2>&1
	[ -f build/clippy/rusttcp.ko ] || { tail -n 20 "$log"; return 1; }
	grep -E -A1 '^(warning|error)' "$log" | head -n 40
	! grep -qE '^(warning|error)' "$log"
}

check "rustfmt" rustfmt --check --edition 2021 --config-path "$LINUX_SRC/.rustfmt.toml" \
	rust/rusttcp_main.rs selftests/host/src/{lib,main,replay_main,cost_main}.rs
check "clippy, host crate" cargo clippy --manifest-path selftests/host/Cargo.toml --all-targets --locked -q -- \
	-D warnings
check "clippy, module" clippy_kernel
mapfile -t c_files < <(git ls-files '*.c' '*.h')
# Macros that check in place need statements and return; samples print their usage; the
# prototypes in rust/helpers stand beside their functions as in the kernel's.
check "checkpatch" perl "$LINUX_SRC/scripts/checkpatch.pl" --no-tree --terse --no-summary -q \
	--max-line-length=100 -f \
	--ignore "AVOID_EXTERNS,FILE_PATH_CHANGES,SPDX_LICENSE_TAG,MACRO_ARG_REUSE,PREFER_DEFINED_ATTRIBUTE_MACRO,CONST_STRUCT,VOLATILE,SSCANF_TO_KSTRTO,NEW_TYPEDEFS" \
	"${c_files[@]}"
mapfile -t shell_files < <(git ls-files '*.sh' tools/vm tools/rusttcp-run tools/rusttcp-log .ci/run)
check "shellcheck" shellcheck -x -e SC1091,SC2317 "${shell_files[@]}"
man_pages() {
	local page said
	for page in Documentation/man/*; do
		said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
		[ -z "$said" ] || { echo "$page: $said"; return 1; }
	done
}
check "man pages" man_pages
# Not needed by anything else, so it comes when it is first wanted.
[ -x "$RUSTTCP_CACHE/venv/bin/pyflakes" ] ||
	"$RUSTTCP_CACHE/venv/bin/pip" install --quiet --disable-pip-version-check "pyflakes==$PYFLAKES"
mapfile -t python_files < <(git ls-files '*.py' tools/rusttcp-qlog)
check "pyflakes" "$RUSTTCP_CACHE/venv/bin/pyflakes" "${python_files[@]}"
exit $bad
