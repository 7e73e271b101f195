//! libFuzzer's way into `net_fuzz::values`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| net_fuzz::values(input));
