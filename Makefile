# SPDX-License-Identifier: BSD-2-Clause
#
# `make` tells what there is to make. Every target sets the machine up first (docker/setup: Debian
# packages that are missing), and makes again only what has changed.

# ---- What may be set on the command line or in the environment

# The system to boot.
SPEC ?= capdl/specs/default.cdl
# The variant of the kernel: release, or debug (prints, checks its assertions).
KERNEL ?= release
# An installed seL4 kernel to use in place of the one built here.
SEL4_PREFIX ?=
# The disk of `make run`, which is made if there is none, and stays.
DISK ?= atoll-disk.img
# What the machine of `make run` has; `atoll run --help` has more.
RUN_FLAGS ?= --net --rng --disk $(DISK)
# The port of this host that leads to the machine's port 80 (default: the first free one from 8080 on), and the
# address of this host that it is at (default: 127.0.0.1).
HTTP_PORT ?=
LISTEN ?=
# What a new guest is called, and its folder (default: guests/NAME).
NAME :=
AT :=
# More arguments for gdb.
GDB_FLAGS ?=
# Files that frames of the spec are filled with: NAME=PATH ...
FILES ?=
# How long to fuzz, and what the inputs follow from.
SECONDS ?= 60
SEED ?= 1

# ---- Surroundings

BUILD := $(CURDIR)/build
export CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_HOME ?= $(or $(HOME:%=%/.cargo),$(BUILD)/cargo-home)

# Debian's toolchain, whatever else the user has in the way of rustup or Python. RUSTC_BOOTSTRAP:
# building the standard library from source is an unstable option.
export PATH := /usr/bin:/bin:$(PATH)
export CARGO := /usr/bin/cargo
export RUSTC := /usr/bin/rustc
export RUSTDOC := /usr/bin/rustdoc
export RUSTFMT := /usr/bin/rustfmt
export RUSTC_BOOTSTRAP := 1
unexport RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET RUSTC_WRAPPER RUSTUP_TOOLCHAIN

MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

say = @printf '==> %(%T)T %s\n' -1 '$(1)'

# ---- The parts and what becomes of them

# Programs for seL4, one a package of the same name: native tasks are native-NAME in native/NAME. The last are a
# root task that tests the kernel, a server that leaves a device running, and native tasks.
NATIVE_TASKS := $(patsubst native/%/src/main.rs,native-%,$(wildcard native/*/src/main.rs))
PROGRAMS := sel4-loader root-task wasm-server $(NATIVE_TASKS)
TEST_PROGRAMS := kernel-tests runaway native-tests
# Guests, one a package of the same name: those of the system, which are beside the libraries in guests/, demos
# and benchmarks. The last are for tests, and in no image but theirs.
GUESTS := $(notdir $(patsubst %/src/main.rs,%,$(wildcard $(addsuffix /src/main.rs,guests/* guests/demos/* guests/bench/*))))
TEST_GUESTS := across asker governed beside deployed deployer driver files hostile warden channels cycles dice library talker rpc load chaos
# Packages that are built and tested on the host are Cargo.toml's default-members.

AARCH64 := --target aarch64-unknown-none -Zbuild-std=core,alloc,compiler_builtins \
	-Zbuild-std-features=compiler-builtins-mem
WASM32  := --target wasm32-unknown-unknown -Zbuild-std=core,alloc,compiler_builtins \
	-Zbuild-std-features=compiler-builtins-mem

# What is on a disk that is made.
DISK_FILES := $(BUILD)/disk
DISK_SIZE  := 64M

OWN_PREFIX := $(BUILD)/kernel/$(KERNEL)
PREFIX     := $(or $(abspath $(SEL4_PREFIX)),$(OWN_PREFIX))

KERNEL_FILE   := $(PREFIX)/bin/kernel.elf
PROGRAM_DIR   := $(CARGO_TARGET_DIR)/aarch64-unknown-none/image
PROGRAM_FILES := $(PROGRAMS:%=$(PROGRAM_DIR)/%)
TEST_FILES    := $(TEST_PROGRAMS:%=$(PROGRAM_DIR)/%)
GUEST_DIR     := $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/guest
GUEST_FILES   := $(GUESTS:%=$(GUEST_DIR)/%.wasm)
TEST_GUEST_FILES := $(TEST_GUESTS:%=$(GUEST_DIR)/%.wasm)
ATOLL         := $(CARGO_TARGET_DIR)/tool/atoll
ARCHIVE       := $(BUILD)/archive.bin
PUBLIC_KEY    := $(BUILD)/keys/archive.pub
IMAGE         := $(BUILD)/atoll.elf

.PHONY: help setup kernel image run report new-guest gdb bench test fuzz fuzz-hostcalls lint fmt fmt-check hygiene \
	clippy unit-tests system-tests reproducible clean FORCE

help:
	@echo 'make run      boot the system that SPEC describes in QEMU (Ctrl-A X ends it)'
	@echo 'make report   tell who holds what in SPEC: build/report.txt, and a picture, build/report.svg'
	@echo 'make new-guest NAME=N   make a guest of your own, guests/N, and a system with it, capdl/specs/N.cdl'
	@echo 'make gdb      boot the system of SPEC under gdb, with names for the kernel, the root task, servers and guests'
	@echo 'make test     all checks and tests, as continuous integration runs them'
	@echo 'make fuzz     hostile peers of channels, drivers, devices, hostcalls, and specs, for SECONDS each with SEED'
	@echo 'make bench    count the instructions of what matters; also written to build/bench.json'
	@echo 'make image    only build the boot image, build/atoll.elf'
	@echo 'make kernel   only build the kernel'
	@echo 'make lint     formatting, clippy, licence headers, rooms of unsafe code'
	@echo 'make fmt      format the Rust code and the specs'
	@echo 'make clean    remove what was built'
	@echo
	@echo 'SPEC=FILE          the system to boot (default: $(SPEC))'
	@echo 'FILES="NAME=PATH"  files that the spec fills frames with'
	@echo 'HTTP_PORT=N        the port of this host that leads to port 80 of the machine'
	@echo 'DISK=FILE          the disk of make run, made if there is none (default: $(DISK))'
	@echo 'RUN_FLAGS=...      what the machine has (default: $(RUN_FLAGS))'
	@echo 'KERNEL=debug       a kernel that prints and checks its assertions'
	@echo 'SEL4_PREFIX=DIR    an installed seL4 kernel in place of the one built here'
	@echo
	@echo 'The same targets run in Docker on systems other than Debian 12: see make -C docker'

setup:
	@docker/setup

# Cargo and the kernel's build know best whether there is anything to do. They are always called
# (hence FORCE) and do not touch files that are up to date, so nothing is made again behind them.
FORCE:

kernel: $(KERNEL_FILE)

ifeq ($(PREFIX),$(OWN_PREFIX))
$(KERNEL_FILE): FORCE | setup
	$(call say,kernel ($(KERNEL)))
	@$(MAKE) -C sel4/kernel OUT=$(BUILD)/kernel $(KERNEL)
else
$(KERNEL_FILE):
	@echo 'SEL4_PREFIX names no installed kernel: there is no $@' >&2; exit 1
endif

$(SPEC):
	@echo 'SPEC: there is no file $@' >&2; exit 1

$(ATOLL): FORCE | setup
	$(call say,host tool)
	@$(CARGO) build --profile tool --bin atoll

# One call each: together, Cargo would give a crate that two of them use the features of both.
$(PROGRAM_FILES) $(TEST_FILES): $(PROGRAM_DIR)/%: FORCE | kernel
	$(call say,$*)
	@SEL4_PREFIX=$(PREFIX) $(CARGO) build --profile image $(AARCH64) -p $*

$(GUEST_FILES) &: FORCE | setup
	$(call say,guests)
	@$(CARGO) build --profile guest $(WASM32) $(GUESTS:%=-p %)

# Apart: Cargo would give those above the features of these.
$(TEST_GUEST_FILES) &: FORCE | setup
	$(call say,guests for tests)
	@$(CARGO) build --profile guest $(WASM32) $(TEST_GUESTS:%=-p %)

# What else the image depends on: the variables of the command line.
$(BUILD)/settings: FORCE
	@mkdir -p $(@D)
	@echo '$(SPEC) $(PREFIX) $(FILES)' | cmp -s - $@ || echo '$(SPEC) $(PREFIX) $(FILES)' >$@

# The archive of compiled guests, signed with a key that is made here the first time.
$(ARCHIVE): $(ATOLL) $(GUEST_FILES)
	$(call say,guests to machine code)
	@$(ATOLL) build --out $@ --keys $(dir $(PUBLIC_KEY)) --cache $(BUILD)/aot $(GUEST_FILES)

image: $(IMAGE)

$(IMAGE): $(ATOLL) $(KERNEL_FILE) $(PROGRAM_FILES) $(ARCHIVE) $(SPEC) $(BUILD)/settings
	$(call say,boot image of $(SPEC))
	@$(call atoll-image,$(SPEC),$(PROGRAM_DIR)/wasm-server) --out $@

# The command for a boot image of a spec and a server, with the native tasks that the spec names.
atoll-image = $(ATOLL) image --spec $(1) --kernel $(KERNEL_FILE) --loader $(PROGRAM_DIR)/sel4-loader \
	--root-task $(PROGRAM_DIR)/root-task --program wasm-server=$(2) \
	$(foreach task,$(NATIVE_TASKS),$(if $(shell grep -e '"$(task)"' $(1)),--program $(task)=$(PROGRAM_DIR)/$(task))) \
	$(FILES:%=--file %) \
	--archive $(ARCHIVE) --key $(PUBLIC_KEY) --modules $(GUEST_DIR)

# Made once: what was written to it is the user's.
$(DISK): | setup
	$(call say,a disk with files: $@)
	@rm -rf $(DISK_FILES) && mkdir -p $(DISK_FILES) && cp -r guests/demos/http-server/files $(DISK_FILES)/
	@/sbin/mke2fs -q -t ext4 -b 4096 -L atoll -d $(DISK_FILES) $@ $(DISK_SIZE)

run: $(IMAGE) $(DISK)
	@$(ATOLL) run $(RUN_FLAGS) $(HTTP_PORT:%=--forward %:80) $(LISTEN:%=--listen %) $(IMAGE:$(CURDIR)/%=%)

# Who holds what.
report: $(ATOLL) $(GUEST_FILES) $(SPEC)
	$(call say,who holds what in $(SPEC))
	@$(ATOLL) report $(SPEC) --modules $(GUEST_DIR) --text $(BUILD:$(CURDIR)/%=%)/report.txt --svg $(BUILD:$(CURDIR)/%=%)/report.svg

# A guest of one's own.
new-guest: $(ATOLL)
	@$(ATOLL) new $(or $(NAME),$(error say what to call it: make new-guest NAME=hello)) $(AT:%=--path %)

# The machine under the debugger; docs/tools.md has the commands. GDB_FLAGS=... has it do something by itself.
gdb: $(IMAGE) $(DISK)
	@ATOLL=$(ATOLL) ATOLL_IMAGE=$(IMAGE) ATOLL_KERNEL=$(KERNEL_FILE) ATOLL_PROGRAMS=$(PROGRAM_DIR) ATOLL_ARCHIVE=$(ARCHIVE) \
		ATOLL_LOG=$(BUILD)/gdb.log ATOLL_FLAGS='$(RUN_FLAGS)' \
		gdb-multiarch -q -nx -x tools/gdb/atoll.py -ex atoll-boot $(GDB_FLAGS)

# ---- Measuring

# The server that a guest can bring down.
CRASH_SERVER := $(BUILD)/crash/wasm-server

# What runs on the host to boot images and look at them. It takes what was built from variables.
TESTER := ATOLL=$(ATOLL) ATOLL_KERNELS=$(BUILD)/kernel ATOLL_PROGRAMS=$(PROGRAM_DIR) ATOLL_ARCHIVE=$(ARCHIVE) \
	ATOLL_KEY=$(PUBLIC_KEY) ATOLL_GUESTS=$(GUEST_DIR) \
	ATOLL_CRASH_SERVER=$(CRASH_SERVER)

BENCH_SPEC   := capdl/specs/bench.cdl
BENCH_IMAGE  := $(BUILD)/bench.elf
BENCH_NET_SPEC  := capdl/specs/bench-net.cdl
BENCH_NET_IMAGE := $(BUILD)/bench-net.elf
BENCH_FS_SPEC   := capdl/specs/bench-fs.cdl
BENCH_FS_IMAGE  := $(BUILD)/bench-fs.elf
BENCH_SERVERS_SPEC  := capdl/specs/bench-servers.cdl
BENCH_SERVERS_IMAGE := $(BUILD)/bench-servers.elf
# The server that also measures the bare kernel. Cargo puts it where the product's was, and puts that
# back when it is asked for it.
BENCH_SERVER := $(BUILD)/bench/wasm-server

$(BENCH_SERVER): FORCE | kernel
	$(call say,wasm-server that measures)
	@SEL4_PREFIX=$(PREFIX) $(CARGO) build --profile image $(AARCH64) -p wasm-server --features bench \
		-Zunstable-options --artifact-dir $(@D)

$(BENCH_IMAGE): $(ATOLL) $(KERNEL_FILE) $(filter-out %/wasm-server,$(PROGRAM_FILES)) $(BENCH_SERVER) $(ARCHIVE) \
		$(BENCH_SPEC) $(BUILD)/settings
	$(call say,boot image of $(BENCH_SPEC))
	@$(call atoll-image,$(BENCH_SPEC),$(BENCH_SERVER)) --out $@

$(BENCH_NET_IMAGE): $(BENCH_IMAGE) $(BENCH_NET_SPEC)
	$(call say,boot image of $(BENCH_NET_SPEC))
	@$(call atoll-image,$(BENCH_NET_SPEC),$(BENCH_SERVER)) --out $@

$(BENCH_FS_IMAGE): $(BENCH_IMAGE) $(BENCH_FS_SPEC)
	$(call say,boot image of $(BENCH_FS_SPEC))
	@$(call atoll-image,$(BENCH_FS_SPEC),$(BENCH_SERVER)) --out $@

$(BENCH_SERVERS_IMAGE): $(BENCH_IMAGE) $(BENCH_SERVERS_SPEC)
	$(call say,boot image of $(BENCH_SERVERS_SPEC))
	@$(call atoll-image,$(BENCH_SERVERS_SPEC),$(BENCH_SERVER)) --out $@

bench: $(BENCH_IMAGE) $(BENCH_NET_IMAGE) $(BENCH_FS_IMAGE) $(BENCH_SERVERS_IMAGE)
	$(call say,counting instructions)
	@$(TESTER) $(CARGO) run --quiet --profile tool -p system-tests --bin bench $^ $(BUILD)/bench.json

clean:
	rm -rf $(BUILD) $(CARGO_TARGET_DIR)

# ---- Checks and tests, the quick ones first

test: lint reproducible unit-tests system-tests

lint: fmt-check hygiene clippy

SPECS := $(wildcard capdl/specs/*.cdl tests/specs/*.cdl)

fmt: $(ATOLL)
	@/usr/bin/cargo-fmt --all
	@$(ATOLL) fmt $(SPECS)

fmt-check: $(ATOLL)
	$(call say,formatting)
	@/usr/bin/cargo-fmt --all --check
	@$(ATOLL) fmt --check $(SPECS)

hygiene: | setup
	$(call say,licence headers and rooms of unsafe code)
	@.ci/hygiene

# Called by its path: Cargo would prefer the one of a rustup installation.
CLIPPY := /usr/bin/cargo-clippy clippy

clippy: | kernel
	$(call say,clippy: host)
	@$(CLIPPY) --profile tool --all-targets -- -D warnings
	@$(CLIPPY) --profile tool --all-targets -p system-tests -- -D warnings
	$(call say,clippy: seL4)
	@for program in $(PROGRAMS) $(TEST_PROGRAMS); do \
		SEL4_PREFIX=$(PREFIX) $(CLIPPY) --profile image $(AARCH64) -p $$program -- -D warnings; \
	done
	@SEL4_PREFIX=$(PREFIX) $(CLIPPY) --profile image $(AARCH64) -p wasm-server --features bench,crash -- -D warnings
	$(call say,clippy: guests)
	@$(CLIPPY) --profile guest $(WASM32) $(GUESTS:%=-p %) -- -D warnings
	@$(CLIPPY) --profile guest $(WASM32) $(TEST_GUESTS:%=-p %) -- -D warnings

reproducible: | setup
	$(call say,the kernel comes out the same twice)
	@$(MAKE) -C sel4/kernel OUT=$(BUILD)/kernel check-reproducible

# Programs for seL4 that keep what can be tested on the host in a library of theirs.
TARGET_LIBS := root-task sel4-loader

# Packages of which models are checked. Their atomics and locks are loom's then, so they are built apart.
MODELLED := userland wasm-lock wasm-state wasm-virtio

# Some look at the guests as they were built, and run them on the host. The fuzzers of `fuzz` are among them: each would
# be built again by itself.
unit-tests: $(GUEST_FILES) $(TEST_GUEST_FILES)
	$(call say,unit tests)
	@ATOLL_GUESTS=$(GUEST_DIR) ATOLL_FUZZ_SECONDS=10 $(CARGO) test --profile tool
	@$(CARGO) test --profile tool $(TARGET_LIBS:%=-p %) --lib
	@$(MAKE) fuzz-hostcalls SECONDS=10
	$(call say,models)
	@RUSTFLAGS='--cfg loom' CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/loom \
		$(CARGO) test --profile tool $(MODELLED:%=-p %) --lib

# The channel's is a test of the guest library: it changes memory between any two accesses of the ends.
# Those of the virtqueues: drivers and devices that keep the rules, drivers that do not, devices that do not.
fuzz: | setup
	$(call say,fuzzing the channels for $(SECONDS) s)
	@ATOLL_FUZZ_SECONDS=$(SECONDS) ATOLL_FUZZ_SEED=$(SEED) \
		$(CARGO) test --quiet --profile tool -p userland --lib survives_a_hostile_peer -- --nocapture
	$(call say,fuzzing the mediated virtqueues for $(SECONDS) s)
	@ATOLL_FUZZ_SECONDS=$(SECONDS) ATOLL_FUZZ_SEED=$(SEED) \
		$(CARGO) test --quiet --profile tool -p wasm-virtio --lib -- honest hostile lying --nocapture
	$(call say,fuzzing the spec language for $(SECONDS) s)
	@ATOLL_FUZZ_SECONDS=$(SECONDS) ATOLL_FUZZ_SEED=$(SEED) \
		$(CARGO) test --quiet --profile tool -p capdl --lib -- language::tests::fuzz --nocapture
	@$(MAKE) fuzz-hostcalls

fuzz-hostcalls: | setup
	$(call say,fuzzing the hostcalls for $(SECONDS) s)
	@$(CARGO) build --quiet --profile tool --bin hostcall-fuzz
	@$(CARGO_TARGET_DIR)/tool/hostcall-fuzz --seconds $(SECONDS) --seed $(SEED) --crashes $(BUILD)/fuzz

$(CRASH_SERVER): FORCE | kernel
	$(call say,wasm-server that can crash)
	@SEL4_PREFIX=$(PREFIX) $(CARGO) build --profile image $(AARCH64) -p wasm-server --features crash \
		-Zunstable-options --artifact-dir $(@D)

# Cargo puts it where the product's is, and that back afterwards.
$(PROGRAM_DIR)/wasm-server: $(if $(filter test system-tests,$(MAKECMDGOALS)),$(CRASH_SERVER))

# Each boots images in QEMU, some of them on the kernel's other variants.
system-tests: $(ATOLL) $(PROGRAM_FILES) $(TEST_FILES) $(TEST_GUEST_FILES) $(ARCHIVE)
	$(call say,all variants of the kernel)
	@$(MAKE) -C sel4/kernel OUT=$(BUILD)/kernel all
	$(call say,system tests)
	@$(TESTER) $(CARGO) test --profile tool -p system-tests --no-fail-fast
