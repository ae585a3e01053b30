# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Every version that the project pins, in one place.
LINUX_SERIES=7.3
LINUX_PACKAGE=linux-source-$LINUX_SERIES
# The package's version; another of the series is taken, with a word, when the archive has
# this one no more.
LINUX_VERSION=7.3.4-1~bpo13+1
LLVM=22
BINDGEN=0.73.0
VIRTME_NG=1.42
# Programs that the build and the tests run.
PACKAGES_BUILD="clang-$LLVM lld-$LLVM llvm-$LLVM libclang-$LLVM-dev flex bison bc libelf-dev libssl-dev
	cpio kmod rsync busybox-static udev xz-utils make gcc libc6-dev python3-venv ca-certificates git"
# g++ is for `make fuzz`: libFuzzer is C++. dumpcap and mergecap come with tshark.
PACKAGES_TEST="iproute2 nftables tshark nginx-light curl iperf3 ethtool shellcheck procps
	strace socat netcat-openbsd python3 g++ man-db manpages manpages-dev"
# What `make programs` and `make upstream` run, installed when they are first wanted.
PACKAGES_PROGRAMS="redis-server redis-tools postgresql postgresql-contrib openssh-server openssh-client nodejs openssl"
# And the test suite of the distribution's Python; ping and killall are what scripts of the kernel's use.
PACKAGES_UPSTREAM="libcap-dev libnuma-dev iputils-ping psmisc"
SCAPY=2.8.0
MATPLOTLIB=3.11.2
PYFLAKES=3.4.0
# From the suites of the next release, pinned low.
SUITES="trixie-backports bookworm-backports"
