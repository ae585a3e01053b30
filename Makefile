# SPDX-License-Identifier: GPL-2.0
#
# AF_RUSTTCP: `make demo` and `make test` do everything from a bare machine on;
# `make help` lists the rest. Kbuild is what the kernel's build system reads.

SHELL := /bin/bash
T ?=
F ?=
E ?=
TIME ?=
PREFIX ?= /usr/local
PROGS := $(patsubst selftests/prog/%.c,build/prog/%,$(wildcard selftests/prog/*.c))
SAMPLES := $(patsubst samples/%.c,build/samples/%,$(wildcard samples/*.c))
PRELOAD := build/librusttcp-preload.so build/librusttcp-log.so
CFLAGS ?= -O2
CFLAGS += -Wall -Wextra -Werror -Iinclude/uapi

.PHONY: all modules progs setup kernel kernel-debug module-debug test test-host test-tools test-vm \
	test-debug fuzz loom nightly compliance bench goodput packetdrill differ programs upstream record record-cost replay layers lint fmt doc demo options errnos walkthrough install install-progs clean distclean help

all: modules progs ## the module and the user-space programs

modules: kernel ## the module, against KDIR (default: the project's test kernel)
	@scripts/module.sh test
	@mkdir -p build; scripts/check_layers.sh --only object >build/layers.log || { cat build/layers.log; false; }

progs: $(PROGS) $(SAMPLES) $(PRELOAD) build/replay

build/prog/%: selftests/prog/%.c $(wildcard selftests/prog/*.h) include/uapi/linux/rusttcp.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Iselftests/prog $< -o $@ -lpthread

build/samples/%: samples/%.c samples/sample.h include/uapi/linux/rusttcp.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $< -o $@ -lpthread

build/librusttcp-%.so: tools/preload/rusttcp_%.c include/uapi/linux/rusttcp.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fPIC -shared $< -o $@ -ldl

setup: ## packages, toolchain, kernel source (once)
	@scripts/setup.sh

kernel: setup
	@[ -n "$(KDIR)" ] || scripts/kernel.sh test

kernel-debug: setup
	@scripts/kernel.sh debug

module-debug: kernel-debug
	@scripts/module.sh debug

test: all module-debug ## host, layers, VM, a part under debug; ends with "N passed, N failed"
	@scripts/test.sh all

test-host: setup ## the core's tests and simulation
	@scripts/test.sh host

test-vm: all ## the suite in the VM (T=NAME: only what matches)
	@scripts/test.sh vm $(T)

test-tools: all ## layer rules, tools/vm: that they notice what they are for
	@scripts/test.sh tools

test-debug: all module-debug ## the same under KASAN, lockdep, kmemleak
	@scripts/test.sh debug $(T)

loom: setup ## what contexts share without a lock, in every order
	@. scripts/env.sh; cargo test --manifest-path selftests/loom/Cargo.toml --locked -q

fuzz: setup ## the core's fuzz targets, TIME=60 seconds each
	@scripts/fuzz.sh $(or $(TIME),60)

record: all build/replay ## the inputs of the sockets of a scenario (T=NAME of selftests/net): build/record/
	@scripts/record.sh $(T)

replay: setup ## F=FILE: feeds such a log to the core on this machine; the same has to come out
	@. scripts/env.sh; cargo run --manifest-path selftests/host/Cargo.toml --locked -q --release --bin replay -- "$(F)" $(E)

record-cost: setup ## instructions and time that the record costs, on and off (wants valgrind): Documentation/log.rst
	@. scripts/env.sh; cargo build --manifest-path selftests/host/Cargo.toml --locked -q --profile cost --bin cost && \
		scripts/record_cost.py "$$CARGO_TARGET_DIR/cost/cost"

build/replay: $(wildcard selftests/host/src/*.rs rust/tcp/*.rs rust/tcp/*/*.rs)
	@mkdir -p $(@D)
	@. scripts/env.sh; cargo build --manifest-path selftests/host/Cargo.toml --locked -q --release --bin replay && \
		cp "$$CARGO_TARGET_DIR/release/replay" $@

bench: all ## side by side with the kernel's TCP: bench/out/
	@bench/run.sh

goodput: all ## goodput over a matrix of links, and fairness, against the kernel's TCP (hours); Documentation/goodput.rst
	@GOODPUT_CC=$(or $(CC_NAME),cubic) GOODPUT_ROUNDS=$(or $(GOODPUT_ROUNDS),25) bench/goodput.sh $(if $(T),'$(T)')

demo: all ## nginx and curl through a TCP written in Rust
	@demo/demo.sh

compliance: setup ## Documentation/compliance.rst, from the tests and their results
	@. scripts/env.sh; log=$$(mktemp); cargo test --manifest-path selftests/host/Cargo.toml --locked >$$log 2>&1; \
		scripts/compliance.py $$log; rm -f $$log

nightly: all ## 100,000 seeds of the simulator (SEEDS=..., FIRST=...), a million wake-ups on each stack
	@scripts/nightly.sh $(or $(SEEDS),100000) $(or $(FIRST),0)

layers: modules ## the dependency rules, the unsafe count, panic-freedom
	@scripts/check_layers.sh

lint: all ## clippy, rustfmt, checkpatch, shellcheck
	@scripts/lint.sh

fmt: setup ## format the Rust sources as the kernel does
	@. scripts/env.sh; rustfmt --edition 2021 --config-path "$$LINUX_SRC/.rustfmt.toml" \
		rust/rusttcp_main.rs selftests/host/src/lib.rs selftests/host/src/main.rs

doc: setup ## rustdoc of the core
	@. scripts/env.sh; cargo doc --manifest-path selftests/host/Cargo.toml --no-deps --document-private-items

packetdrill: all ## the kernel's packetdrill scripts on both stacks (PACKETDRILL=program MODES=...): Documentation/packetdrill.rst
	@. scripts/env.sh; export LINUX_SRC; status=0; files=; \
		for mode in $(or $(MODES),ipv4 ipv6 ipv4-mapped-ipv6); do \
			files="$$files build/packetdrill-$$mode.json"; \
			selftests/packetdrill/run.py --modes $$mode --out build/packetdrill-$$mode.json || status=1; \
		done; selftests/packetdrill/run.py --table $$files && exit $$status

differ: all ## scripts from seeds on both stacks (COUNT=300 FIRST=1 FAMILIES="inet inet6"): Documentation/differences.rst
	@rm -f build/differ.json; tools/vm --virtual-time --timeout 1800 -- \
		env FAMILIES="$(or $(FAMILIES),inet inet6)" DIFFER_COMMIT=$$(git describe --always --dirty --exclude='*') \
		bash -c "selftests/wire/differ.sh --out ../../build/differ.json \
		--count $(or $(COUNT),300) --first $(or $(FIRST),1) >build/differ.log 2>&1" \
		</dev/null >/dev/null 2>&1; status=$$?; grep -v '^#   ' build/differ.log; \
		selftests/wire/differ.py --table build/differ.json && exit $$status

walkthrough: all ## Documentation/walkthrough.rst: a connection as ss and a capture show it
	@tools/vm -- env RUSTTCP_FAMILY=rusttcp unshare -n bash -c \
		"ip link set lo up; cd selftests/wire && exec /usr/bin/python3 -B walk.py" >build/walkthrough.rst </dev/null
	@sed -n '/^\.\. SPDX/,$$p' build/walkthrough.rst >Documentation/walkthrough.rst

programs: all ## unmodified programs (T=NAME) under rusttcp-run: Documentation/programs.rst
	@scripts/programs.sh programs
	@selftests/programs/run.py $(T); status=$$?; \
		selftests/programs/run.py --table build/programs.json && exit $$status

upstream: all ## the tests of others (T=SUITE) on both stacks: Documentation/upstream.rst
	@scripts/programs.sh upstream
	@selftests/upstream/run.py $(T); status=$$?; \
		selftests/upstream/run.py --table build/upstream.json && exit $$status

options: all ## Documentation/options.rst, from what both stacks answer
	@. scripts/env.sh; scripts/options.py "$$LINUX_SRC/include/uapi"
	@tools/vm -- build/prog/sk_opt --rst >build/options.rst 2>build/options.log </dev/null || \
		{ tail -n 25 build/options.log >&2; exit 1; }
	@sed -n '/^\.\. SPDX/,$$p' build/options.rst >Documentation/options.rst

errnos: all ## Documentation/errnos.rst, from what both stacks say and the man pages name
	@for family in rusttcp rusttcp6; do tools/vm -- env RUSTTCP_FAMILY=$$family build/prog/sk_errno --rst \
		>build/errnos-$$family.rst </dev/null || exit 1; done
	@scripts/errnos.py build/errnos-rusttcp.rst build/errnos-rusttcp6.rst >build/errnos.rst && \
		cp build/errnos.rst Documentation/errnos.rst

install: modules install-progs ## the module into /lib/modules/VERSION/updates of KDIR's kernel, rusttcp-run below PREFIX=/usr/local
	@scripts/module.sh test modules_install INSTALL_MOD_PATH="$(or $(INSTALL_MOD_PATH),$(DESTDIR))"

install-progs: $(PRELOAD)
	@install -Dm755 -t "$(DESTDIR)$(PREFIX)/bin" tools/rusttcp-run tools/rusttcp-log tools/rusttcp-qlog
	@install -Dm755 -t "$(DESTDIR)$(PREFIX)/lib/rusttcp" $(PRELOAD)
	@install -Dm644 -t "$(DESTDIR)$(PREFIX)/include/linux" include/uapi/linux/rusttcp.h
	@install -Dm644 -t "$(DESTDIR)$(PREFIX)/share/man/man1" Documentation/man/rusttcp-run.1
	@install -Dm644 -t "$(DESTDIR)$(PREFIX)/share/man/man7" Documentation/man/rusttcp.7

clean: ## what was built here (the cache stays)
	rm -rf build

distclean: clean ## and what was made for people to look at; the cache of kernels and tools stays
	rm -rf demo/out bench/out
	@echo "kernels, sources and tools are in $${RUSTTCP_CACHE:-$$HOME/.cache/rusttcp}; remove that by hand"

help: ## this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
