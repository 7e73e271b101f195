# The project's commands. `make` alone lists them; `make test` is exactly what CI runs.
# Everything is made inside this folder (target/, .venv/, .venv-deny/, .venv-original/, .venv-bench/). Paths are relative and quoted,
# so that a checkout whose path has spaces in it works.

export CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TERM_COLOR ?= auto
PYTHON ?= python3
export PYTHON

py := .venv/bin/python
say = @printf '\n==> %s\n'

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup system venv venv-original package demo test fmt-check lint rustdoc rust-tests doc-tests \
        deny unsafe guard python-lint stubs python-tests lab-tools fmt bench guard-accept soak members hostile fuzz fuzz-seeds fuzz-minimise coverage docs deny clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: package venv-original ## Make the Python environments and build and install the package (what is there is kept)

demo: setup ## Watch a Rust, a Python and an original 0.6.2 peer call and hear one another
	$(say) 'Building the demo'\''s Rust peer'
	@cargo build --quiet -p demo-peer
	@$(py) scripts/demo.py

test: fmt-check lint deny unsafe rustdoc rust-tests doc-tests guard python-lint stubs python-tests ## Run every check and every test, as CI does

fmt: venv ## Format the Rust and the Python code
	@cargo fmt --all
	@cargo fmt --manifest-path bench/rivals/Cargo.toml
	@$(py) -m ruff check --quiet --fix-only .
	@$(py) -m ruff format .

# --- the steps of `make test` -------------------------------------------------------------------------

fmt-check: system ## Check the formatting of the Rust code
	$(say) 'cargo fmt --check'
	@cargo fmt --all --check
	@cargo fmt --check --manifest-path bench/rivals/Cargo.toml

lint: system ## Lint the Rust code (clippy, warnings denied)
	$(say) 'cargo clippy'
	@cargo clippy --quiet --workspace --all-targets -- -D warnings

deny: system ## Check licences, bans and sources of the dependencies (cargo-deny)
	$(say) 'cargo deny'
	@scripts/deny.sh

unsafe: ## Check that unsafe code is only where ARCHITECTURE.md says, each block with its proof
	$(say) 'Where unsafe is'
	@"$(PYTHON)" scripts/unsafe.py

rustdoc: system ## Build the Rust documentation, warnings denied
	$(say) 'cargo doc'
	@RUSTDOCFLAGS='-D warnings' cargo doc --quiet --workspace --no-deps

rust-tests: system ## Run the Rust tests
	$(say) 'Rust tests'
	@scripts/rust-tests.sh

doc-tests: system ## Run the code in the Rust documentation
	$(say) 'Rust documentation tests'
	@cargo test --quiet --doc --workspace --exclude app-net-py

guard: system ## Count the hot paths' instructions and allocations, against the committed figures
	$(say) 'Instructions and allocations of the hot paths'
	@"$(PYTHON)" scripts/guard.py

python-lint: venv ## Lint the Python code and check its formatting
	$(say) 'ruff'
	@$(py) -m ruff check .
	@$(py) -m ruff format --check .

stubs: package ## Check the type stubs against the built module
	$(say) 'Type stubs against the module'
	@$(py) -m mypy.stubtest --ignore-disjoint-bases net._net

python-tests: setup lab-tools ## Run the Python tests: the package, interop with 0.6.2, README, the demo, many hosts
	$(say) 'Python tests'
	@cargo build --quiet -p demo-peer -p mixed-worker -p values-peer -p app-net-cli
	@$(py) -m pytest

# --- the rest -----------------------------------------------------------------------------------------

bench: setup ## Measure calls beside bare sockets and rivals (see bench/)
	@$(MAKE) --no-print-directory -C bench

guard-accept: system ## Take what the hot paths cost now as the figures to commit
	@"$(PYTHON)" scripts/guard.py --accept

soak: system ## Simulate peers with new seeds for SOAK_S seconds (3600), in optimised code
	$(say) 'Simulating'
	@SOAK_S="$${SOAK_S:-3600}" cargo test --release -p app-net-proto --test simulation soak -- --nocapture

members: system ## Print how knowing who is in a group grows (MEMBERS_OF=100,1000; 10000 takes an hour and 8 GB)
	$(say) 'Members in virtual time'
	@MEMBERS_OF="$${MEMBERS_OF:-100,1000}" cargo test --release -p app-net-proto --test members table -- --nocapture

hostile: system ## Send HOSTILE_INPUTS (1000000) hostile inputs to a peer over real sockets
	$(say) 'Hostile inputs'
	@HOSTILE_INPUTS="$${HOSTILE_INPUTS:-1000000}" cargo test -p app-net --test hostile inputs_by_the -- --nocapture

fuzz: system ## Fuzz FUZZ_TARGET, or each target, for FUZZ_S seconds (60)
	@scripts/fuzz.sh

fuzz-seeds: system ## Write the fuzz targets' seeds anew
	@cargo run --quiet -p app-net-fuzz --example seeds

fuzz-minimise: system ## Take what was found on the way into fuzz/corpus, without what adds nothing
	@scripts/fuzz.sh minimise

coverage: system ## Measure which lines and branches of net-proto its tests run (95 % of the lines at least)
	$(say) 'Coverage of net-proto'
	@scripts/coverage.sh

docs: system ## Build the Rust documentation for reading
	@cargo doc --workspace --no-deps
	@echo "Open $(CARGO_TARGET_DIR)/doc/net/index.html"

clean: ## Remove all that was built
	@rm -rf .venv .venv-deny .venv-original .venv-bench .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@cargo clean

# --- what the others stand on -------------------------------------------------------------------------

system:
	@scripts/system.sh

# What lab/ makes hosts with. Who is not root, and cannot use it, does without, and its tests are skipped.
lab-tools:
	@[ "$$(id -u)" != 0 ] || command -v ip >/dev/null || ! command -v apt-get >/dev/null || scripts/apt.sh iproute2

venv: system
	@scripts/venv.sh .venv requirements/dev.txt

venv-original: system
	@scripts/venv.sh .venv-original requirements/original.txt

package: venv
	$(say) 'Building the Python package into .venv (the first time takes some minutes)'
	@scripts/package.sh
