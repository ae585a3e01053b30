#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make lint: rustfmt with the kernel's settings, clippy, checkpatch on C, shellcheck.
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
	touch rust/rusttcp_main.rs
	scripts/module.sh test CLIPPY=1 modules >"$log" 2>&1
	grep -E '^(warning|error)' "$log" | sort | uniq -c | sort -rn | head -n 20
	! grep -qE '^(warning|error)' "$log"
}

check "rustfmt" rustfmt --check --edition 2021 --config-path "$LINUX_SRC/.rustfmt.toml" \
	rust/rusttcp_main.rs selftests/host/src/lib.rs selftests/host/src/main.rs
check "clippy, host crate" cargo clippy --manifest-path selftests/host/Cargo.toml --locked -q -- -D warnings
check "clippy, module" clippy_kernel
mapfile -t c_files < <(git ls-files '*.c' '*.h')
# Macros that check in place need statements and return; samples print their usage; the
# prototypes in rust/helpers stand beside their functions as in the kernel's.
check "checkpatch" perl "$LINUX_SRC/scripts/checkpatch.pl" --no-tree --terse --no-summary -q \
	--max-line-length=100 -f \
	--ignore "AVOID_EXTERNS,FILE_PATH_CHANGES,SPDX_LICENSE_TAG,MACRO_ARG_REUSE,PREFER_DEFINED_ATTRIBUTE_MACRO,CONST_STRUCT,VOLATILE,SSCANF_TO_KSTRTO,NEW_TYPEDEFS" \
	"${c_files[@]}"
mapfile -t shell_files < <(git ls-files '*.sh' tools/vm tools/rusttcp-run .ci/run)
check "shellcheck" shellcheck -x -e SC1091,SC2317 "${shell_files[@]}"
exit $bad
