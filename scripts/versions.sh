# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Every version that the project pins, in one place.
LINUX_SERIES=7.3
LINUX_PACKAGE=linux-source-$LINUX_SERIES
LLVM=22
BINDGEN=0.73.0
VIRTME_NG=1.42
# Programs that the build and the tests run.
PACKAGES_BUILD="clang-$LLVM lld-$LLVM llvm-$LLVM libclang-$LLVM-dev flex bison bc libelf-dev libssl-dev
	cpio kmod rsync busybox-static udev xz-utils make gcc libc6-dev python3-venv ca-certificates git"
PACKAGES_TEST="iproute2 nftables tshark nginx-light curl iperf3 ethtool shellcheck procps"
# From the suites of the next release, pinned low.
SUITES="trixie-backports bookworm-backports"
