//! libFuzzer's way into `net_fuzz::events`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| net_fuzz::events(input));
