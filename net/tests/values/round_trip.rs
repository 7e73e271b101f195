//! Any value comes back as it was; its bytes are the shortest, and well-formed to another reader of CBOR.

use net::value::{BigInt, Decimal, MAX_DEPTH, Value, check, decode};
use proptest::prelude::*;

use super::strategies::{same, shared_value, value};
use super::{encoded, hex};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_value_comes_back(value in value()) {
        let bytes = encoded(&value);
        check(&bytes).unwrap();
        let back = decode::<Value>(&bytes).unwrap();
        prop_assert!(same(&back, &value), "{back:?}\nis not\n{value:?}");
        prop_assert_eq!(hex(&encoded(&back)), hex(&bytes));
        // A second reader agrees on where it ends.
        let mut other = minicbor::Decoder::new(&bytes);
        other.skip().unwrap();
        prop_assert_eq!(other.position(), bytes.len());
    }

    #[test]
    fn a_value_that_python_shares_comes_back(value in shared_value()) {
        let back = decode::<Value>(&encoded(&value)).unwrap();
        prop_assert!(same(&back, &value), "{back:?}\nis not\n{value:?}");
    }

    #[test]
    fn random_bytes_never_panic_and_agree_with_check(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let value = decode::<Value>(&bytes);
        if value.is_ok() {
            check(&bytes).unwrap();
        }
        let _ = decode::<Vec<(String, Option<i64>)>>(&bytes);
        let _ = net::value::to_json_lossy(&bytes);
        let _ = net::value::Arguments::parse(&bytes, &["a", "b"]);
        let _ = net::value::arguments_to_json(&bytes);
        // What was read can be written, and is then read as the same.
        if let Ok(value) = value {
            prop_assert!(same(&decode(&encoded(&value)).unwrap(), &value));
        }
    }

    #[test]
    fn a_broken_value_is_read_or_refused(
        value in value(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&value);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(value) = decode::<Value>(&bytes) {
            check(&bytes).unwrap();
            prop_assert!(same(&decode(&encoded(&value)).unwrap(), &value));
        }
    }

    #[test]
    fn a_value_cut_short_is_refused(value in value()) {
        let bytes = encoded(&value);
        for end in 0..bytes.len() {
            prop_assert!(decode::<Value>(&bytes[..end]).is_err());
            prop_assert!(check(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn numbers_agree_with_rusts(n in any::<i128>(), digits in "[1-9][0-9]{0,200}") {
        prop_assert_eq!(BigInt::from(n).to_string(), n.to_string());
        let decimal: Decimal = digits.parse().unwrap();
        let back: Decimal = decode(&encoded(&decimal)).unwrap();
        prop_assert_eq!(back.as_str(), digits);
    }
}

#[test]
fn nan_comes_back_with_its_bits() {
    for bits in [0x7ff8_0000_0000_1234, 0xfff0_0000_0000_0001, 1 << 63] {
        let float = f64::from_bits(bits);
        assert_eq!(decode::<f64>(&encoded(&float)).unwrap().to_bits(), bits);
    }
}

/// Of a negative power of 256 what is written is a byte shorter than its magnitude.
#[test]
fn a_negative_bignum_has_no_leading_zero() {
    for bytes in [16, 17, 40] {
        let mut magnitude = vec![0; bytes + 1];
        magnitude[0] = 1;
        let n = BigInt::new(true, &magnitude);
        let encoded = encoded(&n);
        let content = &encoded[encoded.len() - bytes..];
        assert_eq!(content, vec![0xff; bytes]);
        assert_eq!(
            minicbor::Decoder::new(&encoded[1..]).bytes().unwrap(),
            content
        );
        assert_eq!(decode::<BigInt>(&encoded).unwrap(), n);
    }
}

#[test]
fn a_list_of_nothing_and_a_tuple_of_nothing_are_apart() {
    assert_eq!(hex(&encoded(&[0u8; 0])), "d99b8280");
    assert_eq!(hex(&encoded(&Vec::<u8>::new())), "80");
    assert_eq!(decode::<[u8; 0]>(&encoded(&[0u8; 0])).unwrap(), [0u8; 0]);
}

#[test]
fn depth_counts_a_meaningful_tag() {
    let mut value = Value::Null;
    for _ in 0..MAX_DEPTH / 2 {
        value = Value::Tuple(vec![value]);
    }
    assert_eq!(decode::<Value>(&encoded(&value)).unwrap(), value);
    assert!(net::value::encode(&Value::Tuple(vec![value]), &mut vec![]).is_err());
}
