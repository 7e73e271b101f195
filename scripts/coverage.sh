#!/bin/sh
# Measures which lines and branches of net-proto its own tests run, and prints them for each file: coverage.sh [TEST FILTER].
# Counted where the source is compiled (-C instrument-coverage), so that optimising changes nothing in it.
set -eu

target=${CARGO_TARGET_DIR:-$(pwd)/target}/coverage
least=95

# The tools have to read what this very compiler writes.
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
tools=$(rustc --print target-libdir)/../bin
if [ ! -x "$tools/llvm-cov" ]; then
    scripts/venv.sh "$target/tools" requirements/coverage.txt
    tools=$("$target/tools/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/llvm/bin
    chmod +x "$tools/llvm-cov" "$tools/llvm-profdata"
fi
if ! "$tools/llvm-cov" --version | grep -q "LLVM version $llvm\."; then
    echo "error: $tools/llvm-cov does not belong to the LLVM $llvm of this rustc" >&2
    echo "hint: rustup component add llvm-tools" >&2
    exit 1
fi

export CARGO_TARGET_DIR="$target"
export LLVM_PROFILE_FILE="$target/profiles/%p-%m.profraw"
# Branches are counted by an unstable option, which this lets a stable compiler take. Names stay uncompressed, for tools built without zlib.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Cinstrument-coverage -Zcoverage-options=branch -Cllvm-args=-enable-name-compression=false"

tests() { cargo test --quiet --package app-net-proto --lib --tests "$@"; }
objects=$(tests --no-run --message-format=json | sed -n 's|.*"executable":"[^"]*/\(debug/deps/[^"/]*\)".*|--object=\1|p')
# Building has run programs too.
rm -rf "$target/profiles"
tests -- "$@"

"$tools/llvm-profdata" merge --sparse "$target"/profiles/*.profraw --output "$target/tests.profdata"
cov() {
    command=$1
    shift
    # shellcheck disable=SC2086 # one word for each object
    cd "$target" && "$tools/llvm-cov" "$command" $objects --instr-profile tests.profdata \
        --ignore-filename-regex '(/registry/|/rustc/|/tests/|/tests\.rs$)' "$@"
}
(cov report --show-branch-summary --show-region-summary=false) | tee "$target/coverage.txt"
(cov show --show-branches=count --format=html --output-dir html) >/dev/null
echo "==> Line by line: $target/html/index.html"

# The row of sums: functions, missed, per cent; lines, missed, per cent; branches, missed, per cent.
awk -v least=$least '/^TOTAL/ { if ($7 + 0 < least) { print "error: fewer than " least " % of the lines are run"; exit 1 } }' \
    "$target/coverage.txt"
