#!/bin/sh
# Sees to what a package manager must bring: a C linker and a Python that can make environments.
# Installs Debian packages where it may (root, apt-get); otherwise names what is missing and stops.
set -eu

python=${PYTHON:-python3}
missing=

command -v cc >/dev/null || missing="$missing gcc"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    missing="$missing python3"
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "==> Installing Debian packages:$missing"
        apt-get update -qq
        # shellcheck disable=SC2086 # one word for each package
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    else
        echo "error: missing on this machine:$missing" >&2
        echo "hint: on Debian and Ubuntu: sudo apt-get install$missing" >&2
        exit 1
    fi
fi

if ! command -v cargo >/dev/null; then
    echo "error: cargo is not on the PATH" >&2
    echo "hint: install stable Rust from https://rustup.rs" >&2
    exit 1
fi
