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

/// What SECURITY.md says of the number of elements, which has no limit of its own.
#[test]
fn what_a_value_holds_is_in_proportion_to_its_bytes() {
    const SIZE: usize = 100_000;
    /// Bytes for a byte, with all that a list that grows asks for on its way.
    const MOST: usize = 128;
    /// The same as JSON, which is for peers of the original, whose requests have a megabyte at most.
    const MOST_AS_JSON: usize = 512;
    let list = |element: &[u8]| {
        let mut bytes = vec![0x9f];
        bytes.extend(element.repeat(SIZE / element.len()));
        bytes.push(0xff);
        bytes
    };
    let (mut worst, mut worst_as_json) = (0, 0);
    for element in [
        &b"\x00"[..],
        b"\x80",
        b"\xa0",
        b"\x40",
        b"\x61a",
        b"\x81\x00",
        b"\xa1\x00\x00",
        b"\x81\x81\x81\x81\x80",
        b"\xc2\x41\x01",
        b"\xd9\x01\x02\x80",
        b"\xd8\x40\x41\x01",
        b"\xd8\x28\x82\x81\x01\xd8\x40\x41\x01",
    ] {
        let bytes = list(element);
        worst = worst.max(allocated(|| drop(decode::<Value>(&bytes).unwrap())));
        worst_as_json = worst_as_json.max(allocated(|| drop(to_json(&bytes))));
    }
    let pairs = [&[0xbf][..], &b"\x00\x00".repeat(SIZE / 2), &[0xff]].concat();
    worst = worst.max(allocated(|| drop(decode::<Value>(&pairs).unwrap())));
    let (worst, worst_as_json) = (worst / SIZE, worst_as_json / SIZE);
    println!("{worst} bytes for a byte, {worst_as_json} as JSON");
    assert!(worst <= MOST, "{worst} bytes for a byte");
    assert!(
        worst_as_json <= MOST_AS_JSON,
        "{worst_as_json} bytes for a byte"
    );
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
