#!/bin/sh
# Runs the fuzz targets (fuzz/), FUZZ_S seconds each (60), or only FUZZ_TARGET; stops at the first that finds something.
# What they find on their way stays in target/fuzz/. cargo-fuzz is built once into the target folder where it is missing.
#
# Without an address sanitizer, since the code under test has no `unsafe` and runs several times as fast so; FUZZ_SANITIZER=address
# turns one on, which is what needs a nightly toolchain.
#
#   fuzz.sh           runs them
#   fuzz.sh minimise  makes fuzz/corpus/ the least that covers what was reached so far
set -eu

target=${CARGO_TARGET_DIR:-target}
tools=$target/tools
seconds=${FUZZ_S:-60}
sanitizer=${FUZZ_SANITIZER:-none}
# Longer inputs find nothing more in these formats, and slow all the others down.
most_bytes=4096
PATH=$tools/bin:$PATH
export PATH
# The release profile is made for speed of what is shipped; here what counts is the build's own, and lines in a backtrace.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_STRIP=none

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "==> Building cargo-fuzz into $tools (once; some minutes)"
    cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" cargo-fuzz
    rm -rf "$tools/build"
fi
if ! command -v c++ >/dev/null; then
    echo 'error: a C++ compiler is missing, with which libFuzzer is built' >&2
    echo 'hint: on Debian and Ubuntu: sudo apt-get install g++' >&2
    exit 1
fi
toolchain=
if [ "$sanitizer" != none ]; then
    toolchain=+nightly
    if ! cargo +nightly --version >/dev/null 2>&1; then
        echo "error: the sanitizer '$sanitizer' needs a nightly toolchain, and there is none" >&2
        echo 'hint: rustup toolchain install nightly --profile minimal; or leave FUZZ_SANITIZER unset' >&2
        exit 1
    fi
fi

fuzz() {
    command=$1
    shift
    cargo $toolchain fuzz "$command" --fuzz-dir fuzz --sanitizer "$sanitizer" --features libfuzzer "$@"
}

targets=${FUZZ_TARGET:-events frames handshake operations original session values}
# shellcheck disable=SC2086 # the toolchain is one word or none
fuzz build ${FUZZ_TARGET:-}

minimise=false
[ "${1:-}" != minimise ] || minimise=true
for name in $targets; do
    found=$target/fuzz/$name
    mkdir -p "$found" "$target/fuzz/artifacts/$name"
    if $minimise; then
        # By what is reached and not by how often: some hundred files instead of thousands.
        small=$target/fuzz/minimised/$name
        rm -rf "$small"
        mkdir -p "$small"
        fuzz run "$name" "$small" "fuzz/corpus/$name" "$found" -- \
            -set_cover_merge=1 -use_counters=0 -max_len=$most_bytes >"$target/fuzz/$name.log" 2>&1
        rm -rf "fuzz/corpus/$name"
        mv "$small" "fuzz/corpus/$name"
        echo "==> $name: $(find "fuzz/corpus/$name" -type f | wc -l) files"
        continue
    fi
    set -- -max_total_time="$seconds" -max_len=$most_bytes -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$target/fuzz/artifacts/$name/"
    if [ -f "fuzz/dictionaries/$name" ]; then
        set -- "$@" -dict="fuzz/dictionaries/$name"
    fi
    log=$target/fuzz/$name.log
    echo "==> Fuzzing $name for $seconds s"
    if ! fuzz run "$name" "$found" "fuzz/corpus/$name" -- "$@" >"$log" 2>&1; then
        grep -a -A 4 'panicked at' "$log" >&2 || tail -n 20 "$log" >&2
        input=$(sed -n 's/.*Test unit written to //p' "$log")
        echo "error: $name found something: ${input:-see $log}" >&2
        if [ -n "$input" ]; then
            echo "hint: keep it: mkdir -p fuzz/found/$name && cp $input fuzz/found/$name/what-the-defect-was" >&2
            echo "hint: run it again: cargo test -p app-net-fuzz $name" >&2
        fi
        exit 1
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    coverage=$(sed -n 's/.*DONE *cov: \([0-9]*\).*/\1/p' "$log")
    echo "==> $name: $executions executions, $coverage edges, nothing found"
done

if $minimise; then
    cargo run --quiet -p app-net-fuzz --example seeds
fi
