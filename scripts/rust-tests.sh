#!/bin/sh
# Runs the Rust tests with cargo-nextest (each test in a process of its own), which is built once into the
# target folder where it is missing. Where that cannot be done, plain `cargo test` runs the same tests.
#
# net-py has no Rust tests: an extension module only links into a Python, and pytest tests it there.
set -eu

tools=${CARGO_TARGET_DIR:-target}/tools
PATH=$tools/bin:$PATH
export PATH

if ! cargo nextest --version >/dev/null 2>&1; then
    echo "==> Building cargo-nextest into $tools (once; some minutes)"
    cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" cargo-nextest || true
    rm -rf "$tools/build"
fi

if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --workspace --exclude app-net-py "$@"
fi
echo "warning: cargo-nextest is missing and could not be built; running cargo test instead" >&2
exec cargo test --workspace --exclude app-net-py --lib --bins --tests --examples "$@"
