#!/bin/sh
# Sees to what a package manager must bring: a C linker and a Python that can make environments.
# Installs Debian packages where it may; otherwise names what is missing and stops.
set -eu

python=${PYTHON:-python3}
missing=

command -v cc >/dev/null || missing="$missing gcc"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    missing="$missing python3"
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"

# shellcheck disable=SC2086 # one word for each package
[ -z "$missing" ] || "$(dirname "$0")/debian.sh" $missing

if ! command -v cargo >/dev/null; then
    echo "error: cargo is not on the PATH" >&2
    echo "hint: install stable Rust from https://rustup.rs" >&2
    exit 1
fi
