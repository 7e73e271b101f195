#!/bin/sh
# Installs the Debian packages that are named, where it may (root, apt-get); otherwise says which are missing, and fails.
set -eu

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "==> Installing Debian packages: $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
else
    echo "error: missing on this machine: $*" >&2
    echo "hint: on Debian and Ubuntu: sudo apt-get install $*" >&2
    exit 1
fi
