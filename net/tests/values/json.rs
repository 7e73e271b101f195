//! JSON in and out, as original peers and the command line speak it.

use net::value::{
    Value, arguments_to_json, decode, encode_arguments, from_json, to_json, to_json_lossy,
};
use serde_json::json;

use super::{encoded, unhex};

#[test]
fn json_comes_back() {
    let json =
        json!({"a": [1, -2, 1.5, null, true, "é"], "b": {"c": 18446744073709551615u64}, "d": []});
    let mut bytes = Vec::new();
    from_json(&json, &mut bytes).unwrap();
    assert_eq!(to_json(&bytes).unwrap(), json);
    assert_eq!(to_json_lossy(&bytes).unwrap(), json);
    assert_eq!(
        decode::<Value>(&bytes)
            .unwrap()
            .get("a")
            .unwrap()
            .to_string(),
        "[1, -2, 1.5, None, True, 'é']"
    );
}

#[test]
fn a_tuple_becomes_a_list_and_simple_keys_text_as_pythons_json_does() {
    assert_eq!(to_json(&encoded(&(1, (2,)))).unwrap(), json!([1, [2]]));
    let keys = Value::Map(vec![
        (1.into(), 2.into()),
        (true.into(), 3.into()),
        (().into(), 4.into()),
    ]);
    assert_eq!(
        to_json(&encoded(&keys)).unwrap(),
        json!({"1": 2, "true": 3, "null": 4})
    );
}

#[test]
fn what_json_has_no_form_for_is_named_with_its_place() {
    let no_form = |bytes: &[u8]| to_json(bytes).unwrap_err().to_string();
    assert_eq!(
        no_form(&unhex("82 01 a1 61 78 41 00")),
        "value[1][\"x\"]: JSON has no form for bytes; convert it before it leaves (to text, a number or a list)"
    );
    for (bytes, what) in [
        ("d9010280", "a set"),
        ("d903ec6a323032342d30322d3239", "a date"),
        ("fb7ff8000000000000", "the float NaN"),
        ("c249010000000000000000", "an integer beyond 64 bits"),
        ("a1410000", "the key b'\\x00'"),
    ] {
        assert!(
            no_form(&unhex(bytes)).starts_with(&format!("JSON has no form for {what};")),
            "{bytes}"
        );
    }
}

#[test]
fn for_people_everything_has_a_form() {
    let lossy = |digits: &str| to_json_lossy(&unhex(digits)).unwrap();
    assert_eq!(lossy("43010203"), json!("AQID"));
    assert_eq!(lossy("4101"), json!("AQ=="));
    assert_eq!(lossy("420102"), json!("AQI="));
    assert_eq!(lossy("d901028101"), json!([1]));
    assert_eq!(lossy("d903ec6a323032342d30322d3239"), json!("2024-02-29"));
    assert_eq!(lossy("fb7ff8000000000000"), json!("nan"));
    assert_eq!(
        lossy("c249010000000000000000"),
        json!("18446744073709551616")
    );
    assert_eq!(
        lossy("d9a7f882fb3ff0000000000000fbc004000000000000"),
        json!("(1.0-2.5j)")
    );
    assert_eq!(lossy("a1d99b82820102f6"), json!({"(1, 2)": null}));
    assert_eq!(lossy("a1410000"), json!({"AA==": 0}));
    assert_eq!(lossy("c105"), json!(5));
}

#[test]
fn a_body_as_json() {
    let mut body = Vec::new();
    encode_arguments(&(1, ("a",)), &mut body).unwrap();
    body.extend(unhex("a1616205"));
    let (positional, named) = arguments_to_json(&body).unwrap();
    assert_eq!(positional, [json!(1), json!(["a"])]);
    assert_eq!(json!(named), json!({"b": 5}));
    let wrong = |digits: &str| arguments_to_json(&unhex(digits)).unwrap_err().path();
    assert_eq!(wrong("82018140"), "args[1][0]");
    assert_eq!(wrong("80a1616240"), "argument 'b'");
}
