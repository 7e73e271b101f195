#!/bin/sh
# Builds the Python package and installs it in .venv, in place. What the build says is shown only when it fails.
set -eu

log=${CARGO_TARGET_DIR:-target}/package.log
mkdir -p "$(dirname "$log")"
if ! VIRTUAL_ENV="$(pwd)/.venv" .venv/bin/python -m maturin develop --manifest-path net-py/Cargo.toml >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
