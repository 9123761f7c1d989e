# The task menu: `make help`. Tasks with logic are scripts in tools/ or programs in the workspace.
SHELL := /bin/bash
# Where rustup puts cargo, for shells that don't know it yet.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin:/usr/sbin:/sbin
export CARGO_TERM_PROGRESS_WHEN ?= auto

PROGRAM = $(shell cargo metadata --no-deps --format-version 1 2>/dev/null | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/$(shell rustc -vV | sed -n 's/^host: //p')/release/dockercoins

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this menu
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: lab
lab: ## Build Dockercoins and run it on this computer; ARGS="--workers 10 --rng 3"
	@tools/setup lab
	cargo build --release -p dockercoins
	@exec "$(PROGRAM)" up $(ARGS)

comma := ,
# An engine, and what asks the kernel for namespaces and mounts, runs as root; all other tests run as anybody.
WITHOUT_ROOT = $(if $(filter 0,$(shell id -u)),,-E 'not (package(blackbox) | binary(kernel))')

.PHONY: test
test: ## Check formatting, lints, documentation and all tests
	@tools/setup test
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	cargo build --release -p dockercoins
	# The programs as well: the black-box tests run those that lie beside them.
	cargo build --workspace --bins --tests
	cargo nextest run --workspace $(if $(CI),--profile ci) $(WITHOUT_ROOT)
	@[ -z "$(WITHOUT_ROOT)" ] || echo "Left out, since it needs root: all that runs containers. sudo make test runs it"

.PHONY: bench
bench: ## Print the figures: rates, latencies, sizes; FORM=short for a quick look
	@tools/setup test
	cargo bench -p dockercoins --bench figures
	$(if $(WITHOUT_ROOT),@echo "Left out$(comma) since it needs root: the engine beside Docker",cargo build --release -p essaim -p dockercoins && cargo bench -p blackbox --bench engine)
	cargo run --release -p sim -- bench $(if $(filter short,$(FORM)),--small)

.PHONY: sim
sim: ## Simulate clusters with faults for long; SEEDS=20000 FIRST=0
	cargo run --release -p sim -- --seeds $(or $(SEEDS),20000) --first $(or $(FIRST),0) --steps 40

.PHONY: images
images: ## Build Dockercoins, stage it, and build its images where a Docker engine answers
	@tools/setup lab
	@tools/images

.PHONY: test-docker
test-docker: ## Prove images, Compose and Swarm on a real Docker Engine, in namespaces of its own (root)
	@tools/setup docker
	cargo build --release -p dockercoins
	ESSAIM_TEST_FORM=full cargo nextest run -p blackbox --success-output final

.PHONY: test-images
test-images: ## Make the images that tests run, from Debian's packages: busybox, alpine, redis, nginx …
	@tools/setup test
	@tools/test-images

.PHONY: test-vm
test-vm: ## Run the engine's smoke test under emulation, on a kernel with cgroup v2 alone
	@tools/setup vm
	cargo build --workspace --bins --tests
	@tools/test-vm "$(dir $(PROGRAM))../debug/essaim"

FUZZ_TARGETS = $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

.PHONY: fuzz
fuzz: ## Throw anything at what parses strangers' input; needs a nightly compiler. FUZZ_SECONDS=60 FUZZ_TARGETS=tar
	@tools/setup lab
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz@0.13.2
	for target in $(FUZZ_TARGETS); do cargo +nightly fuzz run --sanitizer none $$target -- -max_total_time=$(or $(FUZZ_SECONDS),60) -print_final_stats=1 || exit 1; done

.PHONY: deny
deny: ## Check the dependencies' licences and origins
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny@0.20.2
	cargo deny check licenses bans sources

.PHONY: clean
clean: ## Remove everything that was built
	cargo clean
