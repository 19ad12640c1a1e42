# In front of meson. `make help` lists what there is.
#   make CC=clang          a compiler, before the first build
#   make DEPS=no ...       never run apt
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= /usr/bin/python3
BUILD ?= build
DEPS ?= yes
# Seconds for each target of `make fuzz`.
SECONDS ?= 60

bindir = $(DESTDIR)$(PREFIX)/bin
mandir = $(DESTDIR)$(PREFIX)/share/man/man1
docdir = $(DESTDIR)$(PREFIX)/share/doc/pratique

ifeq ($(DEPS),yes)
deps = tools/apt-install.sh
else
deps = true
endif
# Python leaves nothing in the tree.
python = PYTHONDONTWRITEBYTECODE=1 $(PYTHON)

.PHONY: all deps demo test bench fuzz lint format man install uninstall interop \
    deb packages cross musl footprint clean help
.NOTPARALLEL:

all: ## build; the programs are then in build/bin
	@$(deps) build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD) bin.stamp

deps: ## install with apt all that any target here needs
	@tools/apt-install.sh build test lint fuzz bench interop deb packages cross musl

demo: all ## construct a signed Target from private images, in a lab of its own
	@$(deps) demo
	@$(python) tests/e2e/demo.py

test: ## unit tests, seeds, floors, the lab's tests, end-to-end tests; all again with sanitizers
	@$(deps) build test
	@$(python) tests/run

interop: all ## let others' programs judge the results
	@$(deps) interop
	@$(python) tests/run interop

bench: all ## measure; writes bench/RESULTS.md
	@$(deps) bench
	@$(python) bench/run.py

fuzz: ## run each fuzz target for SECONDS=60
	@$(deps) build fuzz
	@tools/fuzz.sh $(SECONDS)

lint: ## both compilers with warnings as errors, clang-tidy, cppcheck, format, floors
	@$(deps) build lint
	@PYTHON=$(PYTHON) tools/lint.sh

format: ## format the C sources
	@$(deps) lint
	@git ls-files '*.c' '*.h' | xargs clang-format -i

man: all ## write docs/man anew from the programs' --help
	@$(python) docs/man.py $(BUILD)/bin/pratique docs/man

install: all ## into DESTDIR and PREFIX=/usr/local
	install -d $(bindir) $(mandir) $(docdir)
	install -m 755 $(BUILD)/bin/pratique $(BUILD)/bin/docker-credential-pratique $(bindir)
	install -m 644 docs/man/*.1 $(mandir)
	install -d $(docdir)/docs $(docdir)/packaging/kubelet
	install -m 644 LICENSE README.md $(docdir)
	install -m 644 docs/*.md $(docdir)/docs
	install -m 644 packaging/kubelet/* $(docdir)/packaging/kubelet

uninstall: ## take away what install put there
	rm -f $(bindir)/pratique $(bindir)/docker-credential-pratique
	rm -f $(mandir)/pratique.1 $(mandir)/pratique-*.1 $(mandir)/docker-credential-pratique.1
	rm -rf $(docdir)

deb: ## build the Debian packages into build-deb, and let lintian judge them
	@$(deps) build deb
	@tools/deb.sh build-deb

packages: all ## install, start and remove the Debian packages in a Debian of their own; as root
	@$(deps) build test deb packages
	@$(python) tests/run packages

cross: all ## build for 32-bit and 64-bit ARM (build-armhf, build-arm64), and test that through qemu
	@$(deps) build test cross
	@$(python) tests/run cross

musl: all ## build the helper static with musl (build-musl), and test it
	@$(deps) build test musl
	@$(python) tests/run musl

footprint: all ## measure sizes and memory; writes docs/footprint.md
	@$(deps) build demo deb cross musl
	@$(python) bench/footprint.py

clean: ## remove every build folder
	rm -rf build build-armhf build-arm64 build-asan build-clang build-deb build-fuzz build-musl build-sysroot

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  \1|/p' Makefile | awk -F'|' '{ printf "%-14s%s\n", $$1, $$2 }'
