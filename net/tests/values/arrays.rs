//! Arrays of numbers (RFC 8746): their bytes in either order, what fits what, and what is refused.

use std::collections::BTreeMap;

use net::value::{
    Array, ArrayRef, Bytes, NdArray, Number, NumberType, Numbers, Value, check, decode, encode,
    to_json, to_json_lossy,
};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{encoded, hex, unhex, untyped};

/// The array has these bytes, is read from them, and from those in big endian; so is its untyped form, with this text.
#[track_caller]
fn is<T: Number + PartialEq + std::fmt::Debug>(
    elements: &[T],
    little: &str,
    big: &str,
    text: &str,
) {
    let array = Array(elements.to_vec());
    assert_eq!(hex(&encoded(&array)), little);
    assert_eq!(hex(&encoded(&ArrayRef(elements))), little);
    assert_eq!(hex(&encoded(&Value::from(array.clone()))), little);
    for digits in [little, big] {
        let bytes = unhex(digits);
        assert_eq!(decode::<Array<T>>(&bytes).unwrap(), array);
        assert_eq!(decode::<Vec<T>>(&bytes).unwrap(), elements);
        let value = untyped(digits);
        assert_eq!(value, Value::from(array.clone()));
        assert_eq!(value.to_string(), text);
        // As the only dimension.
        let shaped = [&unhex("d8288281"), &encoded(&elements.len())[..], &bytes].concat();
        let nd: NdArray<T> = decode(&shaped).unwrap();
        assert_eq!(
            (nd.shape(), nd.elements()),
            (&[elements.len()][..], elements)
        );
        assert_eq!(decode::<Array<T>>(&shaped).unwrap(), array);
        assert_eq!(decode::<Vec<T>>(&shaped).unwrap(), elements);
    }
}

#[test]
fn each_type_in_either_order_as_in_rfc_8746() {
    is(
        &[1u8, 255],
        "d8404201ff",
        "d8444201ff",
        "array(u8, [1, 255])",
    );
    is(
        &[1u16, 0x203],
        "d8454401000302",
        "d8414400010203",
        "array(u16, [1, 515])",
    );
    is(
        &[1u32],
        "d8464401000000",
        "d8424400000001",
        "array(u32, [1])",
    );
    is(
        &[1u64],
        "d847480100000000000000",
        "d843480000000000000001",
        "array(u64, [1])",
    );
    is(
        &[-1i8, 127],
        "d84842ff7f",
        "d84842ff7f",
        "array(i8, [-1, 127])",
    );
    is(
        &[1i16, -2],
        "d84d440100feff",
        "d849440001fffe",
        "array(i16, [1, -2])",
    );
    is(
        &[-2i32],
        "d84e44feffffff",
        "d84a44fffffffe",
        "array(i32, [-2])",
    );
    is(
        &[-2i64],
        "d84f48feffffffffffffff",
        "d84b48fffffffffffffffe",
        "array(i64, [-2])",
    );
    is(
        &[1.5f32],
        "d855440000c03f",
        "d851443fc00000",
        "array(f32, [1.5])",
    );
    is(
        &[1.5f64],
        "d85648000000000000f83f",
        "d852483ff8000000000000",
        "array(f64, [1.5])",
    );
    is::<f64>(&[], "d85640", "d85240", "array(f64, [])");
}

#[test]
fn half_floats_are_kept_and_read_as_floats() {
    let little = "d85444003e00c4";
    assert_eq!(untyped(little).to_string(), "array(f16, [1.5, -4.0])");
    assert_eq!(untyped("d850443e00c400"), untyped(little));
    assert_eq!(hex(&encoded(&untyped(little))), little);
    assert_eq!(decode::<Vec<f64>>(&unhex(little)).unwrap(), [1.5, -4.0]);
    assert_eq!(decode::<Array<f32>>(&unhex(little)).unwrap().0, [1.5, -4.0]);
}

/// Figure 1 of the RFC: two rows of three numbers.
const RFC_FIGURE: &str = "d828 82 82 02 03 d841 4c 0002 0004 0008 0004 0010 0100";

#[test]
fn several_dimensions_as_in_rfc_8746() {
    let bytes = unhex(RFC_FIGURE);
    let array: NdArray<u16> = decode(&bytes).unwrap();
    assert_eq!(
        array,
        NdArray::new(vec![2, 3], vec![2, 4, 8, 4, 16, 256]).unwrap()
    );
    let little = "d82882820203d8454c020004000800040010000001";
    assert_eq!(hex(&encoded(&array)), little);
    assert_eq!(hex(&encoded(&untyped(RFC_FIGURE))), little);
    assert_eq!(
        untyped(RFC_FIGURE).to_string(),
        "array(u16, (2, 3), [2, 4, 8, 4, 16, 256])"
    );
    assert_eq!(
        decode::<Vec<Vec<u32>>>(&bytes).unwrap(),
        [[2, 4, 8], [4, 16, 256]]
    );
    assert_eq!(
        decode::<[(f64, f64, f64); 2]>(&bytes).unwrap()[1],
        (4.0, 16.0, 256.0)
    );
    assert_eq!(
        decode::<Vec<Array<u16>>>(&bytes).unwrap()[1].0,
        [4, 16, 256]
    );
    // Of unknown lengths.
    assert_eq!(
        decode::<NdArray<u16>>(&unhex("d8289f9f02ffd845420100 4202 00ff")).ok(),
        None
    );
    let unknown = decode::<NdArray<u16>>(&unhex("d8289f9f02ffd8455f42010042 0200ffff")).unwrap();
    assert_eq!(unknown.into_parts(), (vec![2], vec![1, 2]));
}

#[test]
fn no_dimension_is_a_number() {
    let number = NdArray::new(vec![], vec![1.5]).unwrap();
    let bytes = encoded(&number);
    assert_eq!(hex(&bytes), "d8288280d85648000000000000f83f");
    assert_eq!(decode::<NdArray<f64>>(&bytes).unwrap(), number);
    assert_eq!(decode::<f64>(&bytes).unwrap(), 1.5);
    assert_eq!(decode::<Option<f32>>(&bytes).unwrap(), Some(1.5));
    assert_eq!(decode::<NdArray<f64>>(&encoded(&1.5)).unwrap(), number);
    assert!(decode::<Vec<f64>>(&bytes).is_err());
    assert_eq!(to_json(&bytes).unwrap(), json!(1.5));
    assert_eq!(untyped(&hex(&bytes)).to_string(), "array(f64, (), [1.5])");
}

#[test]
fn a_list_fits_an_array_and_an_array_a_list() {
    let list = encoded(&vec![1, 2, 3]);
    assert_eq!(decode::<Array<f64>>(&list).unwrap().0, [1.0, 2.0, 3.0]);
    assert_eq!(decode::<Array<u8>>(&list).unwrap().0, [1, 2, 3]);
    assert_eq!(decode::<Array<u8>>(&encoded(&(1, 2))).unwrap().0, [1, 2]);
    assert_eq!(
        decode::<Array<u8>>(&encoded(&Bytes(b"ab"))).unwrap().0,
        *b"ab"
    );
    assert_eq!(
        decode::<Bytes>(&encoded(&ArrayRef(b"ab"))).unwrap().0,
        *b"ab"
    );
    let integers = encoded(&ArrayRef(&[1i32, 2]));
    assert_eq!(decode::<Vec<f64>>(&integers).unwrap(), [1.0, 2.0]);
    assert_eq!(decode::<Array<f64>>(&integers).unwrap().0, [1.0, 2.0]);
    assert_eq!(
        decode::<(u8, Option<i64>)>(&integers).unwrap(),
        (1, Some(2))
    );
    assert_eq!(
        decode::<serde_json::Value>(&integers).unwrap(),
        json!([1, 2])
    );

    let rows = vec![vec![1, 2], vec![3, 4], vec![5, 6]];
    let nested: NdArray<i8> = decode(&encoded(&rows)).unwrap();
    assert_eq!(nested.into_parts(), (vec![3, 2], vec![1, 2, 3, 4, 5, 6]));
    let of_arrays = vec![ArrayRef(&[1.5]), ArrayRef(&[2.5])];
    let stacked: NdArray<f64> = decode(&encoded(&of_arrays)).unwrap();
    assert_eq!(stacked.into_parts(), (vec![2, 1], vec![1.5, 2.5]));
    for (list, shape) in [(json!([]), vec![0]), (json!([[], []]), vec![2, 0])] {
        let empty: NdArray<i8> = decode(&encoded(&list)).unwrap();
        assert_eq!(empty.shape(), shape);
    }
    for uneven in [
        json!([[1], [2, 3]]),
        json!([1, [2]]),
        json!([[1], 2]),
        json!([1, []]),
        json!([[], 1]),
        json!([[], [[]]]),
        json!([[[1]], [2]]),
    ] {
        let error = decode::<NdArray<i8>>(&encoded(&uneven))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("must be as long, and nest as deep"),
            "{uneven}: {error}"
        );
    }
}

#[test]
fn what_does_not_fit_is_said() {
    #[track_caller]
    fn refused<T: DeserializeOwned>(digits: &str, text: &str) {
        let error = decode::<T>(&unhex(digits)).err().unwrap();
        assert_eq!(error.to_string(), text);
    }
    refused::<Vec<i64>>(
        "d85648000000000000f83f",
        "value[0]: expected i64, found the float 1.5",
    );
    refused::<Vec<u8>>("d845420001", "value[0]: expected u8, found the integer 256");
    refused::<String>("d84041 61", "expected a string, found an array of numbers");
    refused::<(u8,)>("d840420102", "expected a tuple of size 1, found 2 of them");
    refused::<Array<u16>>(
        RFC_FIGURE.replace("82 02 03", "82 03 02").as_str(),
        "expected an array of u16 in one row, found an array of shape (3, 2)",
    );
    refused::<Array<f64>>("60", "expected an array of f64, found text \"\"");
}

#[test]
fn what_is_no_array_is_refused() {
    for (digits, text) in [
        (
            "d85647 00000000000000",
            "an array of f64 must be a multiple of 8 bytes, not 7",
        ),
        (
            "d84543 000000",
            "an array of u16 must be a multiple of 2 bytes, not 3",
        ),
        ("d85680", "tag 86 must be on a byte string"),
        ("d84060", "tag 64 must be on a byte string"),
        (
            "d84c4100",
            "an array under tag 76 is of numbers that have no type here",
        ),
        (
            "d85350 00000000000000000000000000000000",
            "an array under tag 83 is of numbers that have no type here",
        ),
        (
            "d85740",
            "an array under tag 87 is of numbers that have no type here",
        ),
        (
            "d828 82 82 02 03 d840 45 0000000000",
            "an array of shape (2, 3) cannot have 5 elements",
        ),
        (
            "d828 82 81 00 d840 41 00",
            "an array of shape (0,) cannot have 1 elements",
        ),
        (
            "d828 82 80 d840 40",
            "an array of shape () cannot have 0 elements",
        ),
        (
            "d828 82 83 1bffffffffffffffff 1bffffffffffffffff 00 d840 40",
            "an array of shape (18446744073709551615, 18446744073709551615, 0) cannot have 0 elements",
        ),
        (
            "d828 82 81 20 d840 40",
            "tag 40 must be on an array of two: the dimensions, and a typed array",
        ),
        (
            "d828 81 81 00",
            "tag 40 must be on an array of two: the dimensions, and a typed array",
        ),
        (
            "d828 82 81 01 81 01",
            "tag 40 must be on an array of two: the dimensions, and a typed array",
        ),
        (
            "d828 82 81 01 d828 82 81 01 d840 41 00",
            "tag 40 must be on an array of two: the dimensions, and a typed array",
        ),
        (
            "d828 41 00",
            "tag 40 must be on an array of two: the dimensions, and a typed array",
        ),
        (
            &format!("d828 82 98 41 {} d840 41 00", "01".repeat(65)),
            "an array has 64 dimensions at most, not 65",
        ),
        (
            &format!("d828 82 9f {} ff d840 41 00", "01".repeat(65)),
            "an array has 64 dimensions at most, not 65",
        ),
    ] {
        let bytes = unhex(digits);
        check(&bytes).unwrap();
        let in_a_list = [&[0x81], &bytes[..]].concat();
        for error in [
            decode::<Value>(&bytes).unwrap_err(),
            decode::<Array<f64>>(&bytes).unwrap_err(),
            decode::<NdArray<u8>>(&bytes).unwrap_err(),
            decode::<Vec<f64>>(&bytes).unwrap_err(),
            decode::<serde_json::Value>(&bytes).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), text, "{digits}");
        }
        let error = decode::<Vec<Array<f64>>>(&in_a_list)
            .unwrap_err()
            .to_string();
        assert_eq!(error, format!("value[0]: {text}"));
    }
}

#[test]
fn a_shape_cannot_be_made_up_without_its_elements() {
    assert!(NdArray::new(vec![2, 3], vec![0u8; 5]).is_err());
    assert!(NdArray::new(vec![1; 65], vec![0u8]).is_err());
    assert!(NdArray::new(vec![usize::MAX, 2], vec![0u8]).is_err());
    assert!(Numbers::new(NumberType::F64, None, vec![0; 7]).is_err());
    assert!(Numbers::new(NumberType::F64, Some(vec![2]), vec![0; 8]).is_err());
    let numbers = Numbers::new(NumberType::I16, Some(vec![1, 2]), vec![1, 0, 2, 0]).unwrap();
    assert_eq!(numbers.to_vec::<i16>(), Some(vec![1, 2]));
    assert_eq!(numbers.to_vec::<u16>(), None);
    assert_eq!((numbers.len(), numbers.is_empty()), (2, false));
}

#[test]
fn a_few_bytes_do_not_become_many_lists() {
    // 2^62 rows without columns, which is an array and no list of lists.
    let rows = "d828 82 82 1b4000000000000000 00 d840 40";
    let bytes = unhex(rows);
    assert_eq!(decode::<NdArray<u8>>(&bytes).unwrap().shape(), [1 << 62, 0]);
    untyped(rows);
    for error in [
        decode::<Vec<Vec<u8>>>(&bytes).unwrap_err().to_string(),
        decode::<serde_json::Value>(&bytes).unwrap_err().to_string(),
    ] {
        assert!(
            error.ends_with("makes too many lists; ask for an array"),
            "{error}"
        );
    }
    assert!(to_json(&bytes).is_err());
    assert!(to_json_lossy(&bytes).unwrap().is_string());
    // As many as any small array may have.
    let few = unhex("d828 82 82 1903e8 00 d840 40");
    assert_eq!(decode::<Vec<Vec<u8>>>(&few).unwrap().len(), 1000);
}

#[test]
fn json_has_lists_of_the_numbers() {
    assert_eq!(
        to_json(&unhex(RFC_FIGURE)).unwrap(),
        json!([[2, 4, 8], [4, 16, 256]])
    );
    assert_eq!(
        to_json(&encoded(&ArrayRef(&[u64::MAX, 0]))).unwrap(),
        json!([u64::MAX, 0])
    );
    assert_eq!(
        to_json_lossy(&encoded(&ArrayRef(&[f64::NAN, 1.0]))).unwrap(),
        json!(["nan", 1.0])
    );
    assert_eq!(
        to_json(&encoded(&vec![ArrayRef(&[1.0, f64::INFINITY])]))
            .unwrap_err()
            .path(),
        "value[0][1]"
    );
}

/// As serde's other formats: a list for people, bytes for machines, and either is read again.
#[test]
fn other_formats_have_it_too() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        row: Array<f32>,
        rows: NdArray<i64>,
    }
    let both = Both {
        row: Array(vec![1.5, -0.0]),
        rows: NdArray::new(vec![2, 1], vec![1, -1]).unwrap(),
    };
    let text = serde_json::to_string(&both).unwrap();
    assert_eq!(text, r#"{"row":[1.5,-0.0],"rows":[[1],[-1]]}"#);
    assert_eq!(serde_json::from_str::<Both>(&text).unwrap(), both);
    assert_eq!(decode::<Both>(&encoded(&both)).unwrap(), both);
    assert_eq!(
        serde_json::to_value(untyped(RFC_FIGURE)).unwrap(),
        json!([[2, 4, 8], [4, 16, 256]])
    );
}

#[test]
fn the_levels_of_an_array_count() {
    let nested = |levels: usize, digits: &str| [vec![0x81; levels], unhex(digits)].concat();
    for (digits, levels) in [("d8404100", 1), (RFC_FIGURE, 3)] {
        let deepest = nested(128 - levels, digits);
        check(&deepest).unwrap();
        let value: Value = decode(&deepest).unwrap();
        assert_eq!(decode::<Value>(&encoded(&value)).unwrap(), value);
        to_json_lossy(&deepest).unwrap();
        let deeper = nested(129 - levels, digits);
        check(&deeper).unwrap_err();
        decode::<Value>(&deeper).unwrap_err();
        decode::<serde_json::Value>(&deepest).unwrap();
        decode::<serde_json::Value>(&deeper).unwrap_err();
        encode(&Value::List(vec![value]), &mut vec![]).unwrap_err();
    }
    // Lists of it nest deeper than the array.
    let many = format!("d828 82 9840 {} d840 41 07", "01".repeat(64));
    let deep = nested(100, &many);
    decode::<Value>(&deep).unwrap();
    assert!(to_json(&deep).is_err());
    assert!(
        to_json_lossy(&deep)
            .unwrap()
            .to_string()
            .contains("array(u8, (1, 1,")
    );
    assert!(decode::<serde_json::Value>(&deep).is_err());
    assert!(decode::<serde_json::Value>(&nested(64, &many)).is_ok());
}

#[test]
fn an_array_in_arguments_and_maps() {
    let bytes = encoded(&BTreeMap::from([("x", (ArrayRef(&[1u8]), 2))]));
    assert_eq!(hex(&bytes), "a16178d99b8282d840410102");
    let mut body = Vec::new();
    net::value::encode_arguments(&(ArrayRef(&[1u8]), 2u8), &mut body).unwrap();
    assert_eq!(hex(&body), "82d840410102");
    // As an original is told.
    let (positional, _) = net::value::arguments_to_json(&body).unwrap();
    assert_eq!(positional, [json!([1]), json!(2)]);
    assert!(net::value::encode_arguments(&ArrayRef(&[1u8]), &mut vec![]).is_err());
    assert!(
        net::value::encode_arguments(&NdArray::new(vec![1], vec![1u8]).unwrap(), &mut vec![])
            .is_err()
    );
}

proptest! {
    #[test]
    fn any_array_comes_back(elements: Vec<i32>, floats: Vec<u64>, rows in 1usize..4) {
        let array = Array(elements.clone());
        prop_assert_eq!(&decode::<Array<i32>>(&encoded(&array)).unwrap(), &array);
        prop_assert_eq!(&decode::<Vec<i64>>(&encoded(&array)).unwrap(),
                        &elements.iter().map(|&n| n.into()).collect::<Vec<i64>>());
        let floats: Vec<f64> = floats.into_iter().map(f64::from_bits).collect();
        let back: Array<f64> = decode(&encoded(&ArrayRef(&floats))).unwrap();
        let bits = |floats: &[f64]| floats.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&back.0), bits(&floats));

        let columns = elements.len() / rows;
        let array = NdArray::new(vec![rows, columns], elements[..rows * columns].to_vec()).unwrap();
        prop_assert_eq!(&decode::<NdArray<i32>>(&encoded(&array)).unwrap(), &array);
        let lists: Vec<Vec<i32>> = decode(&encoded(&array)).unwrap();
        prop_assert_eq!(&decode::<NdArray<i32>>(&encoded(&lists)).unwrap(), &array);
        let json = serde_json::to_string(&array).unwrap();
        prop_assert_eq!(&serde_json::from_str::<NdArray<i32>>(&json).unwrap(), &array);
    }
}
