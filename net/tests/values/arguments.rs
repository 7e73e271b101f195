//! A call's body: sorted under the parameters, and in Python's words when it does not fit.

use net::value::{
    Arguments, Keywords, Value, decode, encode, encode_arguments, encode_keywords, split_arguments,
};

use super::{hex, unhex};

static NAMES: [&str; 2] = ["a", "b"];

fn body(digits: &str) -> Vec<u8> {
    unhex(digits)
}

fn refused(body: &[u8]) -> String {
    Arguments::parse(body, &NAMES)
        .unwrap_err()
        .for_function("multiply")
        .to_string()
}

#[test]
fn arguments_are_a_plain_array() {
    let encoded = |encode: &dyn Fn(&mut Vec<u8>) -> Result<(), net::value::ValueError>| {
        let mut out = Vec::new();
        encode(&mut out).unwrap();
        hex(&out)
    };
    assert_eq!(encoded(&|out| encode_arguments(&(), out)), "80");
    assert_eq!(encoded(&|out| encode_arguments(&(1, "a"), out)), "82016161");
    assert_eq!(
        encoded(&|out| encode_arguments(&((1,),), out)),
        "81d99b828101",
        "a tuple inside is a tuple"
    );
    assert_eq!(
        encoded(&|out| encode_arguments(&[(1,)], out)),
        "81d99b828101"
    );
    assert_eq!(
        encoded(&|out| encode_arguments([1, 2].as_slice(), out)),
        "820102"
    );
    assert_eq!(
        encoded(&|out| encode_arguments(&vec![(1,)], out)),
        "81d99b828101"
    );
    assert_eq!(
        encoded(&|out| encode_keywords([("b", &5)], out)),
        "a1616205"
    );
    assert_eq!(encoded(&|out| encode_keywords::<u8>([], out)), "");
}

#[test]
fn a_single_value_is_no_arguments() {
    for refused in [
        encode_arguments(&5, &mut vec![]),
        encode_arguments("ab", &mut vec![]),
        encode_arguments(
            &std::collections::BTreeMap::from([("a", (1,))]),
            &mut vec![],
        ),
        encode_arguments(&Some(()), &mut vec![]).and(encode_arguments(&None::<()>, &mut vec![])),
    ] {
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("arguments must be a tuple")
        );
    }
    let mut out = vec![1, 2];
    assert!(encode_arguments(&5, &mut out).is_err());
    assert_eq!(out, [1, 2], "nothing is left behind");
}

#[test]
fn by_position_by_name_and_by_default() {
    let parse = |digits: &str| {
        let body = body(digits);
        let arguments = Arguments::parse(&body, &NAMES).unwrap();
        (
            arguments.required::<i64>(0).unwrap(),
            arguments.optional::<i64>(1, || 10).unwrap(),
        )
    };
    assert_eq!(parse("820506"), (5, 6));
    assert_eq!(parse("8105"), (5, 10));
    assert_eq!(parse("8105a1616206"), (5, 6));
    assert_eq!(parse("80a2616206616105"), (5, 6));
    assert_eq!(parse("8105a0"), (5, 10));
}

#[test]
fn keywords_of_each_its_own_type() {
    let mut keywords = Keywords::new();
    assert!(keywords.is_empty());
    keywords.add("a", &5).unwrap().add("b", "x").unwrap();
    let mut body = Vec::new();
    encode_arguments(&(), &mut body).unwrap();
    keywords.append_to(&mut body);
    let arguments = Arguments::parse(&body, &NAMES).unwrap();
    assert_eq!(arguments.required::<u8>(0).unwrap(), 5);
    assert_eq!(arguments.required::<&str>(1).unwrap(), "x");
}

#[test]
fn what_does_not_fit_is_told_as_python_does() {
    assert_eq!(
        refused(&body("83010203")),
        "multiply() takes 2 positional arguments but 3 were given"
    );
    assert_eq!(
        refused(&body("80a1616301")),
        "multiply() got an unexpected keyword argument 'c'"
    );
    assert_eq!(
        refused(&body("8101a1616102")),
        "multiply() got multiple values for argument 'a'"
    );
    let one: Result<Arguments<'_, 0>, _> = Arguments::parse(&[0x81, 1], &[]);
    assert_eq!(
        one.unwrap_err().to_string(),
        "takes 0 positional arguments but 1 was given"
    );
    let two: Result<Arguments<'_, 1>, _> = Arguments::parse(&[0x82, 1, 2], &["a"]);
    assert_eq!(
        two.unwrap_err().to_string(),
        "takes 1 positional argument but 2 were given"
    );

    let body = body("a0");
    assert!(refused(&body).starts_with("multiply() arguments must be a tuple"));
    let arguments = Arguments::parse(&[0x80], &NAMES).unwrap();
    let missing = arguments.required::<i64>(0).unwrap_err();
    assert_eq!(
        missing.for_function("multiply").to_string(),
        "multiply() missing required argument 'a'"
    );
}

#[test]
fn a_wrong_type_names_the_argument_and_the_place() {
    let mut body = Vec::new();
    encode_arguments(&(5, vec![("x", "ten")]), &mut body).unwrap();
    let arguments = Arguments::parse(&body, &NAMES).unwrap();
    let wrong = arguments.required::<Vec<(String, i64)>>(1).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "argument 'b'[0][1]: expected i64, found text \"ten\""
    );
    assert_eq!(wrong.path(), "argument 'b'[0][1]");
    assert_eq!(
        wrong.for_function("f").to_string(),
        "f() argument 'b'[0][1]: expected i64, found text \"ten\""
    );
}

#[test]
fn a_body_is_whole_and_no_more() {
    for digits in [
        "",
        "81",
        "8101a1",
        "8101a16161",
        "8101a1616101f6",
        "8101f6",
        "8101a10101",
        "9f01ff",
    ] {
        let body = body(digits);
        assert!(Arguments::parse(&body, &NAMES).is_err(), "{digits}");
        assert!(split_arguments(&body).is_err(), "{digits}");
    }
}

#[test]
fn a_keyword_that_comes_twice_is_refused() {
    let twice = body("80a2616101616102");
    assert_eq!(
        refused(&twice),
        "multiply() got multiple values for argument 'a'"
    );
    for refused in [
        split_arguments(&twice).map(drop),
        net::value::arguments_to_json(&twice).map(drop),
    ] {
        assert_eq!(
            refused.unwrap_err().to_string(),
            "got multiple values for argument 'a'"
        );
    }
}

#[test]
fn a_body_comes_apart_at_the_seam() {
    let body = body("820506a1616207");
    let parts = split_arguments(&body).unwrap();
    assert_eq!((parts.count, parts.items), (2, [5, 6].as_slice()));
    assert_eq!(
        decode::<Value>(parts.keywords.unwrap())
            .unwrap()
            .to_string(),
        "{'b': 7}"
    );
    let mut none = Vec::new();
    encode::<[u8]>(&[], &mut none).unwrap();
    assert_eq!(split_arguments(&none).unwrap().keywords, None);
}
