//! The functions that a hostile caller calls, and what it sends them for arguments: CBOR that is deep, that claims much, that comes in
//! pieces, that lies about its shape, or that was good once.

use std::collections::BTreeMap;

use fastrand::Rng;
use net::value::{Bytes, NdArray, Value};

/// Of these every kind of decoder is reached: untyped, of lists, of maps, of arrays, of numbers, of bytes.
pub(crate) const TAGS: [&str; 7] = [
    any::TAG,
    lists::TAG,
    table::TAG,
    array::TAG,
    crate::measured::multiply::TAG,
    crate::measured::echo::TAG,
    "net.defaults.handlers.pass_through",
];

#[net::connect]
pub(crate) fn any(value: Value) -> usize {
    value.to_string().len().min(1)
}

#[net::connect]
pub(crate) fn lists(value: Vec<Vec<i64>>) -> usize {
    value.len()
}

#[net::connect]
pub(crate) fn table(value: BTreeMap<String, Vec<f64>>) -> usize {
    value.len()
}

#[net::connect]
pub(crate) fn array(value: NdArray<f64>) -> usize {
    value.elements().len()
}

/// Bytes of a body at most; one that is larger goes in parts, and is not what this is about.
const MOST: usize = 60_000;
/// Most bodies are small, so that there are many.
const USUAL: usize = 200;

/// What stands for the arguments of a call, in one frame.
pub(crate) fn body(random: &mut Rng) -> Vec<u8> {
    let size = match random.u8(..) {
        0 => random.usize(..MOST),
        _ => random.usize(..USUAL),
    };
    let mut bytes = match random.u8(..4) {
        // As the list of arguments itself.
        0 => Vec::new(),
        // As the value of one by name.
        1 => b"\x80\xa1\x65value".to_vec(),
        _ => vec![0x81],
    };
    match random.u8(..8) {
        0 => deep(random, size, &mut bytes),
        1 => claimed(random, size, &mut bytes),
        2 => in_pieces(random, size, &mut bytes),
        3 | 4 => shaped(random, size, &mut bytes),
        5 => bytes.extend((0..size).map(|_| random.u8(..))),
        _ => {
            bytes = good(random);
            for _ in 0..random.usize(1..4) {
                change(random, &mut bytes);
            }
        }
    }
    bytes.truncate(MOST);
    bytes
}

/// One head in another, far deeper than any value may be.
fn deep(random: &mut Rng, size: usize, bytes: &mut Vec<u8>) {
    const HEADS: [&[u8]; 8] = [
        &[0x81],
        &[0x9f],
        &[0xa1, 0x00],
        &[0xbf, 0x60],
        &[0xc1],
        &[0xd8, 40, 0x82, 0x81, 0x01],
        &[0xd9, 0x9b, 0x82, 0x81],
        &[0x82, 0x81, 0x01],
    ];
    let head = HEADS[random.usize(..HEADS.len())];
    bytes.extend(head.repeat(size / head.len() + 1));
}

/// Lengths that nothing follows.
fn claimed(random: &mut Rng, size: usize, bytes: &mut Vec<u8>) {
    for _ in 0..random.usize(1..5) {
        let major = random.u8(2..=6) << 5;
        match random.u8(..3) {
            0 => {
                bytes.push(major | 0x1b);
                bytes.extend((random.u64(..) >> random.u32(..64)).to_be_bytes());
            }
            1 => {
                bytes.push(major | 0x1a);
                bytes.extend((random.u32(..) >> random.u32(..32)).to_be_bytes());
            }
            // Just about what follows.
            _ => {
                bytes.push(major | 0x19);
                bytes.extend((size as u16).saturating_add(random.u16(..3)).to_be_bytes());
            }
        }
    }
    bytes.resize(bytes.len() + size, random.u8(..));
}

/// Strings in pieces, of the right and of other kinds, with and without an end.
fn in_pieces(random: &mut Rng, size: usize, bytes: &mut Vec<u8>) {
    bytes.push(*random.choice(&[0x5f, 0x7f, 0x9f, 0xbf]).unwrap());
    while bytes.len() < size {
        let length = random.u8(..24);
        bytes.push(*random.choice(&[0x40, 0x60, 0x60, 0x80]).unwrap() | length);
        bytes.resize(bytes.len() + usize::from(length), random.u8(0x60..0x82));
        if random.u8(..16) == 0 {
            bytes.push(*random.choice(&[0x5f, 0x7f, 0x9f, 0xff]).unwrap());
        }
    }
    if random.bool() {
        bytes.push(0xff);
    }
}

/// Arrays of numbers, in a shape that need not be theirs.
fn shaped(random: &mut Rng, size: usize, bytes: &mut Vec<u8>) {
    if random.bool() {
        bytes.extend([0xd8, *random.choice(&[40, 40, 0x04, 64]).unwrap(), 0x82]);
        let dimensions = random.u8(..6);
        bytes.push(0x80 | dimensions);
        for _ in 0..dimensions {
            match random.u8(..4) {
                0 => bytes.push(random.u8(..24)),
                1 => bytes.push(0),
                2 => {
                    bytes.push(0x1a);
                    bytes.extend(random.u32(..).to_be_bytes());
                }
                _ => {
                    bytes.push(0x1b);
                    bytes.extend((random.u64(..) >> random.u32(..64)).to_be_bytes());
                }
            }
        }
    }
    bytes.extend([0xd8, random.u8(64..=87)]);
    let claimed = match random.u8(..4) {
        0 => random.u32(..),
        1 => size as u32 + 1,
        _ => size as u32,
    };
    bytes.push(0x5a);
    bytes.extend(claimed.to_be_bytes());
    bytes.resize(bytes.len() + size, random.u8(..));
}

/// Arguments as a good caller sends them.
fn good(random: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    let encoded = match random.u8(..6) {
        0 => net::value::encode_arguments(&(random.i64(..), random.i64(..)), &mut out),
        1 => net::value::encode_arguments(&(vec![vec![1_i64; 4]; 8],), &mut out),
        2 => {
            let table: BTreeMap<_, _> = (0..8)
                .map(|at| (format!("column {at}"), vec![0.5, 1e300, -1.0]))
                .collect();
            net::value::encode_arguments(&(table,), &mut out)
        }
        3 => {
            let array = NdArray::new(vec![3, 4], vec![0.25_f64; 12]).unwrap();
            net::value::encode_arguments(&(array,), &mut out)
        }
        4 => net::value::encode_arguments(&(Bytes(vec![7; 100]),), &mut out),
        _ => net::value::encode_arguments(&(("a", Some(1.5), [true; 3], "täxt"),), &mut out),
    };
    encoded.unwrap();
    out
}

/// A bit flipped, a part cut out, doubled or moved, or bytes put in.
pub(crate) fn change(random: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.push(random.u8(..));
        return;
    }
    let at = random.usize(..bytes.len());
    let until = (at + random.usize(1..=16)).min(bytes.len());
    match random.u8(..8) {
        0..=3 => bytes[at] ^= 1 << random.u8(..8),
        4 => bytes[at] = random.u8(..),
        5 => drop(bytes.drain(at..until)),
        6 => {
            let part = bytes[at..until].to_vec();
            let to = random.usize(..=bytes.len());
            bytes.splice(to..to, part);
        }
        _ => bytes.truncate(at),
    }
}
