//! Bytes of an attacker: refused without a panic, and without room made for what is only claimed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

use net::value::{
    Arguments, BigInt, Bytes, Value, ValueErrorKind, check, check_sequence, decode,
    split_arguments, to_json,
};
use serde::Deserialize;

use super::{encoded, unhex};

/// Counts what each thread asks for.
struct Counting;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all work is the system allocator's; counting touches only a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn allocated(work: impl FnOnce()) -> usize {
    let before = ASKED.get();
    work();
    ASKED.get() - before
}

#[test]
fn a_claimed_length_makes_no_room() {
    for digits in [
        "9bffffffffffffffff",
        "9affffffff00",
        "bb7fffffffffffffff",
        "5bffffffffffffffff",
        "7affffffff61",
        "5f5affffffff",
        // An array of 2^63, a text of 2^40, a map whose pairs are more than can be counted, numbers of a GiB.
        "9b8000000000000000",
        "7b000001000000000061",
        "bb800000000000000000",
        "bbffffffffffffffff00",
        "c25a40000000ff",
        "c35a40000000ff",
        "c48200c25a40000000ff",
        "81a10081d99b829b000001000000000000",
        "d901029affffffff01",
        "d8255affffffff",
        "d8565affffffff00",
        "d828829affffffff",
        "d82882811b7fffffffffffffffd8565b7fffffffffffffff",
    ] {
        let bytes = unhex(digits);
        let asked = allocated(|| {
            assert!(matches!(
                decode::<Value>(&bytes).unwrap_err().kind(),
                ValueErrorKind::Truncated { .. }
            ));
            assert!(decode::<Vec<u64>>(&bytes).is_err());
            assert!(decode::<BTreeMap<u64, u64>>(&bytes).is_err());
            assert!(decode::<String>(&bytes).is_err());
            assert!(decode::<Bytes>(&bytes).is_err());
            assert!(decode::<BigInt>(&bytes).is_err());
            assert!(decode::<(u8, Vec<String>)>(&bytes).is_err());
            assert!(check(&bytes).is_err());
            assert!(to_json(&bytes).is_err());
            let body = [&[0x81], bytes.as_slice()].concat();
            assert!(Arguments::parse(&body, &["a"]).is_err());
            assert!(split_arguments(&body).is_err());
            let keyword = [&[0x80, 0xa1, 0x61, b'a'], bytes.as_slice()].concat();
            assert!(Arguments::parse(&keyword, &["a"]).is_err());
            assert!(split_arguments(&keyword).is_err());
        });
        assert!(asked < 16_384, "{digits}: {asked} bytes");
    }
}

#[test]
fn nested_claims_make_little_room() {
    // Each level claims as many elements as bytes follow, which is all that a length can be held against.
    let mut bytes = Vec::new();
    for _ in 0..120 {
        bytes.extend([0x9a, 0, 0, 0xff, 0]);
    }
    bytes.resize(100_000, 0);
    let asked = allocated(|| drop(decode::<Value>(&bytes).unwrap_err()));
    // 128 levels of 1024 elements at most, and what the flat innermost array really holds.
    assert!(asked < 16 << 20, "{asked} bytes");
}

#[test]
fn depth_is_bounded_in_every_reader() {
    #[derive(Debug, Deserialize)]
    struct Nest(#[expect(dead_code, reason = "only its depth matters")] Vec<Nest>);

    for head in [
        vec![0x81],
        vec![0x9f],
        vec![0xa1, 0x00],
        vec![0xc1],
        vec![0xd9, 0x9b, 0x82, 0x81],
    ] {
        let bytes = head.repeat(100_000);
        assert!(decode::<Value>(&bytes).is_err());
        assert!(decode::<Nest>(&bytes).is_err());
        assert!(decode::<serde::de::IgnoredAny>(&bytes).is_err());
        assert!(check(&bytes).is_err());
        assert!(check_sequence(&bytes).is_err());
        assert!(to_json(&bytes).is_err());
        assert!(Arguments::parse(&[&[0x81], bytes.as_slice()].concat(), &["a"]).is_err());
    }
}

#[test]
fn checking_allocates_nothing() {
    let bytes = encoded(&vec![
        (
            "text",
            vec![1.5; 100],
            BTreeMap::from([(1, [0u8; 9])])
        );
        100
    ]);
    assert_eq!(allocated(|| check(&bytes).unwrap()), 0);
    let body = unhex("8105a1616206");
    assert_eq!(
        allocated(|| {
            let arguments = Arguments::parse(&body, &["a", "b"]).unwrap();
            assert_eq!(arguments.required::<i64>(1).unwrap(), 6);
        }),
        0
    );
}

#[test]
fn encoding_a_small_call_into_a_used_buffer_allocates_nothing() {
    let mut out = Vec::with_capacity(256);
    let asked = allocated(|| {
        for _ in 0..10 {
            out.clear();
            net::value::encode_arguments(&(5, 10.0, "text", Some(true), [1, 2]), &mut out).unwrap();
        }
    });
    assert_eq!(asked, 0);
}

#[test]
fn a_huge_number_is_not_spelled_out() {
    // Turning a megabyte into decimal digits would take minutes.
    let magnitude = vec![0xff; 1 << 20];
    let huge = Value::from(net::value::BigInt::new(false, &magnitude));
    let bytes = encoded(&huge);
    assert!(
        decode::<Value>(&bytes)
            .unwrap()
            .to_string()
            .starts_with("0xff")
    );
    assert!(to_json(&bytes).is_err());
    let decimal = [&[0xc4, 0x82, 0x00], bytes.as_slice()].concat();
    assert!(
        decode::<Value>(&decimal)
            .unwrap_err()
            .to_string()
            .contains("4300 digits")
    );
}
