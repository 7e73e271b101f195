#!/bin/sh
# Installs Debian packages where it may (root, apt-get); otherwise names them as missing and fails: apt.sh PACKAGE...
set -eu

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "==> Installing Debian packages: $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
else
    echo "missing on this machine: $*" >&2
    echo "hint: on Debian and Ubuntu: sudo apt-get install $*" >&2
    exit 1
fi
