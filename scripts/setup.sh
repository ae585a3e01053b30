#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Brings a bare Debian 12 machine to what the build and the tests need. Idempotent;
# a second run takes a second.
set -eu
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"

cache=$RUSTTCP_CACHE
stamp=$cache/setup.stamp
# What a finished set-up leaves in the stamp. Another compiler needs its own library source.
mark() {
	cat "$RUSTTCP_TOP/scripts/versions.sh" "$0" | sha256sum
	rustc --version 2>/dev/null || true
}
# The cache outlives machines: what the packages brought is looked for by itself.
have() {
	local tool
	for tool in "clang-$LLVM" "ld.lld-$LLVM" cc c++ rustc cargo flex bison bc udevadm qemu-system-x86_64 nft tshark \
		dumpcap mergecap nginx curl iperf3 ethtool shellcheck strace socat man; do
		command -v "$tool" >/dev/null || return 1
	done
}
if [ "$(cat "$stamp" 2>/dev/null)" = "$(mark)" ] && have && "$cache/venv/bin/vng" --version >/dev/null 2>&1 &&
	[ -f "$cache/src/$LINUX_PACKAGE/Makefile" ] && "$cache/tools/bin/bindgen" --version >/dev/null 2>&1; then
	exit 0
fi

[ "$(id -u)" = 0 ] || die "set-up installs packages: run as root"
command -v apt-get >/dev/null || die "no apt-get: this set-up knows Debian; install what scripts/versions.sh names by hand"
[ "$(uname -m)" = x86_64 ] || die "only x86_64 is supported, this is $(uname -m)"
mkdir -p "$cache"
free=$(df -Pk "$cache" | awk 'NR == 2 { print int($4 / 1048576) }')
[ "$free" -ge 12 ] || die "$cache has $free GiB free, 12 are needed; set RUSTTCP_CACHE to a roomier place"
export DEBIAN_FRONTEND=noninteractive

# The machine's own package source, for the suites of the next release. Low pins: nothing
# is taken from there that is not asked for by name.
uri=$(sed -nE 's/^URIs:[[:space:]]*([^[:space:]]*debian)\/?$/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n1)
[ -n "$uri" ] || uri=$(sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)\/?[[:space:]]+(bookworm|trixie)[[:space:]].*/\2/p' \
	/etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n1)
[ -n "$uri" ] || die "no Debian package source found under /etc/apt: add one and try again"
{
	echo "Types: deb"
	echo "URIs: $uri"
	echo "Suites: $SUITES"
	echo "Components: main"
	echo "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
} >/etc/apt/sources.list.d/rusttcp-backports.sources
for suite in $SUITES; do
	printf 'Package: *\nPin: release n=%s\nPin-Priority: %s\n\n' "$suite" \
		"$([ "${suite%%-*}" = trixie ] && echo 50 || echo 100)"
done >/etc/apt/preferences.d/rusttcp-backports

# nginx must not start as a service when it is installed.
if [ ! -e /usr/sbin/policy-rc.d ]; then
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod +x /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
step 10 "package lists" apt-get update
for package in "clang-$LLVM" "$LINUX_PACKAGE"; do
	[ -n "$(apt-cache madison "$package")" ] ||
		die "no package $package to be had: is Debian's archive reachable, and are its backports? ($cache/log)"
done
# shellcheck disable=SC2086
step 120 "packages" apt-get install -y --no-install-recommends $PACKAGES_BUILD $PACKAGES_TEST
command -v qemu-system-x86_64 >/dev/null ||
	step 30 "qemu" apt-get install -y --no-install-recommends -t bookworm-backports qemu-system-x86

# The kernel's source.
fetch() {
	mkdir -p "$cache/dl" && cd "$cache/dl" && apt-get download "$@"
}
linux=$LINUX_PACKAGE=$LINUX_VERSION
if ! apt-cache madison "$LINUX_PACKAGE" | grep -qF "$LINUX_VERSION"; then
	linux=$LINUX_PACKAGE
	echo "rusttcp: the archive has no $LINUX_PACKAGE $LINUX_VERSION any more; taking what it has of that series"
fi
if [ ! -f "$cache/src/$LINUX_PACKAGE/Makefile" ]; then
	step 30 "kernel source package" fetch "$linux"
	unpack() {
		rm -rf "$cache/tmp" && mkdir -p "$cache/tmp" "$cache/src"
		dpkg-deb -x "$(ls "$cache"/dl/"$LINUX_PACKAGE"_*.deb)" "$cache/tmp"
		tar -C "$cache/src" -xf "$cache/tmp/usr/src/$LINUX_PACKAGE.tar.xz"
		rm -rf "$cache/tmp"
	}
	step 25 "unpacking the kernel source" unpack
fi

# The Rust compiler, and the library source of that very version.
if ! command -v rustc >/dev/null || ! command -v cargo >/dev/null; then
	step 60 "Rust" apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src
fi
release=$(rustc --version | awk '{ print $2 }')
src=$(rustc --print sysroot)/lib/rustlib/src/rust/library
[ -d "$src" ] || src=/usr/src/rustc-$release/library
[ -d "$src" ] || src=$cache/rust-src/usr/src/rustc-$release/library
if [ ! -d "$src" ]; then
	package=$(apt-cache madison rust-src | awk -F'|' -v r="$release" \
		'{ gsub(/ /, "", $2) } index($2, r "+") == 1 { print $2; exit }')
	if [ -n "$package" ]; then
		step 20 "Rust library source $release" fetch "rust-src=$package"
		mkdir -p "$cache/rust-src"
		dpkg-deb -x "$(ls "$cache"/dl/rust-src_"$release"*.deb)" "$cache/rust-src"
	else
		step 60 "Rust with its library source" apt-get install -y --no-install-recommends \
			rustc-web cargo-web rust-web-src
		release=$(/usr/bin/rustc --version | awk '{ print $2 }')
		src=/usr/src/rustc-$release/library
		[ -d "$src" ] || src=$(find /usr/src -path '*/library/core' -printf '%h\n' | head -n1)
		mkdir -p "$cache/tools/bin"
		ln -sf /usr/bin/rustc "$cache/tools/bin/rustc"
		ln -sf /usr/bin/cargo "$cache/tools/bin/cargo"
	fi
fi
[ -d "$src" ] || die "no library source for rustc $release"
echo "$src" >"$cache/rust-lib-src"

if ! "$cache/tools/bin/bindgen" --version 2>/dev/null | grep -q "$BINDGEN"; then
	step 70 "bindgen $BINDGEN" cargo install bindgen-cli --version "$BINDGEN" --locked \
		--root "$cache/tools" --target-dir "$cache/target/bindgen"
fi
venv() {
	rm -rf "$cache/venv"
	python3 -m venv "$cache/venv"
	"$cache/venv/bin/pip" install --quiet "virtme-ng==$VIRTME_NG" "scapy==$SCAPY" "matplotlib==$MATPLOTLIB"
}
"$cache/venv/bin/vng" --version 2>/dev/null | grep -qF "$VIRTME_NG" || step 40 "virtme-ng, scapy, matplotlib" venv
# What the shell remembers of where rustc is may be out of date.
hash -r
mark >"$stamp"
