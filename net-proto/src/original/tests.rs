//! Both dialects over the same cases: bytes of Python's own `json` and `base64`, cuts, limits.

use serde_json::json;

use super::*;

mod properties;

const BOTH: [Dialect; 2] = [Dialect::V03, Dialect::V06];

fn arguments() -> (Vec<Value>, Map<String, Value>) {
    let kwargs = Map::from_iter([("b".to_owned(), json!({"k": []}))]);
    (
        vec![
            json!(1),
            json!(-2.5),
            json!("é😀"),
            Value::Null,
            json!(true),
            json!(["x", {}]),
        ],
        kwargs,
    )
}

/// A request, the bytes that Python sends for it, and the bytes that we send: the same without spaces, without
/// `peer` and without `time_out`.
fn requests() -> Vec<(Dialect, Request, &'static str, &'static str)> {
    let (args, kwargs) = arguments();
    let multiply = Request {
        args,
        kwargs,
        ..Request::new("app.multiply")
    };
    let custom = Request::new("MyTägged");
    let subscribe = |args| Request {
        args,
        ..Request::new("net.defaults.handlers.subscription_handler")
    };
    let id = PeerId03 {
        host: "192.168.1.20".to_owned(),
        port: 3011,
        group: Some("render".to_owned()),
    };
    let handler = Tag03 {
        name: "app.on_shot".to_owned(),
        custom: false,
    };
    vec![
        (
            Dialect::V03,
            multiply.clone(),
            "eyJjb25uZWN0aW9uIjogIllYQndMbTExYkhScGNHeDUiLCAiYXJncyI6IFsxLCAtMi41LCAiXHUwMGU5XHVkODNkXHVkZTAwIiwgbnVsbCwgdHJ1ZSwgWyJ4Iiwge31dXSwgImt3YXJncyI6IHsiYiI6IHsiayI6IFtdfSwgInBlZXIiOiBbIjEyNy4wLjAuMSIsIDMwMTBdLCAidGltZV9vdXQiOiAwLjV9fQ==",
            "eyJjb25uZWN0aW9uIjoiWVhCd0xtMTFiSFJwY0d4NSIsImFyZ3MiOlsxLC0yLjUsIlx1MDBlOVx1ZDgzZFx1ZGUwMCIsbnVsbCx0cnVlLFsieCIse31dXSwia3dhcmdzIjp7ImIiOnsiayI6W119fX0=",
        ),
        (
            Dialect::V06,
            multiply,
            r#"{"connection": "app.multiply", "args": [1, -2.5, "\u00e9\ud83d\ude00", null, true, ["x", {}]], "kwargs": {"b": {"k": []}, "peer": ["127.0.0.1", 3010], "time_out": 0.5}}"#,
            r#"{"connection":"app.multiply","args":[1,-2.5,"\u00e9\ud83d\ude00",null,true,["x",{}]],"kwargs":{"b":{"k":[]}}}"#,
        ),
        (
            Dialect::V03,
            custom.clone(),
            "eyJjb25uZWN0aW9uIjogImV5SnlZWGNpT2lBaVRYbFVYSFV3TUdVMFoyZGxaQ0o5IiwgImFyZ3MiOiBbXSwgImt3YXJncyI6IHt9fQ==",
            "eyJjb25uZWN0aW9uIjoiZXlKeVlYY2lPaUFpVFhsVVhIVXdNR1UwWjJkbFpDSjkiLCJhcmdzIjpbXSwia3dhcmdzIjp7fX0=",
        ),
        (
            Dialect::V06,
            custom,
            r#"{"connection": "MyT\u00e4gged", "args": [], "kwargs": {}}"#,
            r#"{"connection":"MyT\u00e4gged","args":[],"kwargs":{}}"#,
        ),
        (
            Dialect::V03,
            subscribe(vec![
                json!("shot_done"),
                json!(id.encode()),
                json!(handler.encode()),
            ]),
            "eyJjb25uZWN0aW9uIjogImJtVjBMbVJsWm1GMWJIUnpMbWhoYm1Sc1pYSnpMbk4xWW5OamNtbHdkR2x2Ymw5b1lXNWtiR1Z5IiwgImFyZ3MiOiBbInNob3RfZG9uZSIsICJNVGt5TGpFMk9DNHhMakl3T2pNd01URWdMVDRnY21WdVpHVnkiLCAiWVhCd0xtOXVYM05vYjNRPSJdLCAia3dhcmdzIjoge319",
            "eyJjb25uZWN0aW9uIjoiYm1WMExtUmxabUYxYkhSekxtaGhibVJzWlhKekxuTjFZbk5qY21sd2RHbHZibDlvWVc1a2JHVnkiLCJhcmdzIjpbInNob3RfZG9uZSIsIk1Ua3lMakUyT0M0eExqSXdPak13TVRFZ0xUNGdjbVZ1WkdWeSIsIllYQndMbTl1WDNOb2IzUT0iXSwia3dhcmdzIjp7fX0=",
        ),
        (
            Dialect::V06,
            subscribe(vec![
                json!("shot_done"),
                json!("192.168.1.20"),
                json!(3011),
                json!("app.on_shot"),
            ]),
            r#"{"connection": "net.defaults.handlers.subscription_handler", "args": ["shot_done", "192.168.1.20", 3011, "app.on_shot"], "kwargs": {}}"#,
            r#"{"connection":"net.defaults.handlers.subscription_handler","args":["shot_done","192.168.1.20",3011,"app.on_shot"],"kwargs":{}}"#,
        ),
    ]
}

#[test]
fn requests_as_python_writes_them() {
    for (dialect, request, python, ours) in requests() {
        for bytes in [python, ours] {
            assert_eq!(
                dialect.parse_request(bytes.as_bytes()),
                Ok(Parsed::Complete(request.clone())),
                "{bytes}"
            );
            assert_eq!(sniff(bytes.as_bytes()), Some(Sniffed::Original(dialect)));
        }
        assert_eq!(dialect.build_request(&request), Ok(ours.into()));
    }
}

#[test]
fn every_beginning_of_a_request_is_incomplete() {
    for (dialect, request, python, ours) in requests() {
        for bytes in [python, ours] {
            for end in 0..bytes.len() {
                let parsed = dialect.parse_request(&bytes.as_bytes()[..end]);
                assert_eq!(parsed, Ok(Parsed::Incomplete), "{}", &bytes[..end]);
            }
            let padded = format!("{bytes}\r\n");
            assert_eq!(
                dialect.parse_request(padded.as_bytes()),
                Ok(Parsed::Complete(request.clone()))
            );
        }
    }
}

/// Results, with the bytes that Python sends for each in 0.6 and in 0.3.
#[test]
fn results_as_python_writes_them() {
    for (value, v06, v03) in [
        (json!(null), "null", "eyJyYXciOiBudWxsfQ=="),
        (json!(true), "true", "eyJyYXciOiB0cnVlfQ=="),
        (json!(false), "false", "eyJyYXciOiBmYWxzZX0="),
        (json!(0), "0", "eyJyYXciOiAwfQ=="),
        (json!(-7), "-7", "eyJyYXciOiAtN30="),
        (
            json!(u64::MAX),
            "18446744073709551615",
            "eyJyYXciOiAxODQ0Njc0NDA3MzcwOTU1MTYxNX0=",
        ),
        (json!(2.5), "2.5", "eyJyYXciOiAyLjV9"),
        (json!(1e16), "1e+16", "eyJyYXciOiAxZSsxNn0="),
        (json!(""), r#""""#, "eyJyYXciOiAiIn0="),
        (
            json!("text é"),
            r#""text \u00e9""#,
            "eyJyYXciOiAidGV4dCBcdTAwZTkifQ==",
        ),
        (json!([1, [2]]), "[1, [2]]", "eyJyYXciOiBbMSwgWzJdXX0="),
        (json!({}), "{}", "e30="),
        (
            json!({"a": {"b": null}}),
            r#"{"a": {"b": null}}"#,
            "eyJhIjogeyJiIjogbnVsbH19",
        ),
    ] {
        let answer = Answer::Value(value);
        assert_eq!(
            Dialect::V06.parse_answer(v06.as_bytes()).as_ref(),
            Ok(&answer)
        );
        assert_eq!(
            Dialect::V03.parse_answer(v03.as_bytes()).as_ref(),
            Ok(&answer)
        );
        for dialect in BOTH {
            assert_eq!(
                dialect
                    .parse_answer(&dialect.build_answer(&answer))
                    .as_ref(),
                Ok(&answer)
            );
        }
    }
}

#[test]
fn results_are_built_without_spaces() {
    let built =
        |dialect: Dialect, value| String::from_utf8(dialect.build_answer(&Answer::Value(value)));
    assert_eq!(
        built(Dialect::V03, json!([1, [2]])).as_deref(),
        Ok("eyJyYXciOlsxLFsyXV19")
    );
    assert_eq!(
        built(Dialect::V03, json!("text é")).as_deref(),
        Ok("eyJyYXciOiJ0ZXh0IFx1MDBlOSJ9")
    );
    assert_eq!(
        built(Dialect::V03, json!({"a": {"b": null}})).as_deref(),
        Ok("eyJhIjp7ImIiOm51bGx9fQ==")
    );
    assert_eq!(
        built(Dialect::V06, json!({"a": [1, 2.0, "é"]})).as_deref(),
        Ok(r#"{"a":[1,2.0,"\u00e9"]}"#)
    );
}

#[test]
fn an_object_with_raw_is_unwrapped_once() {
    // As an original sends {"raw": 1} and {"raw": [1], "x": 2}: the reader takes `raw` for the wrapper.
    assert_eq!(
        Dialect::V03.parse_answer(b"eyJyYXciOiAxfQ=="),
        Ok(Answer::Value(json!(1)))
    );
    assert_eq!(
        Dialect::V03.parse_answer(b"eyJyYXciOiBbMV0sICJ4IjogMn0="),
        Ok(Answer::Value(json!([1])))
    );
    // As we send them: wrapped, so that it is the wrapper that the reader takes off.
    for (value, bytes) in [
        (json!({"raw": 1}), "eyJyYXciOnsicmF3IjoxfX0="),
        (
            json!({"raw": [1], "x": 2}),
            "eyJyYXciOnsicmF3IjpbMV0sIngiOjJ9fQ==",
        ),
    ] {
        let answer = Answer::Value(value);
        assert_eq!(Dialect::V03.build_answer(&answer), bytes.as_bytes());
        assert_eq!(Dialect::V03.parse_answer(bytes.as_bytes()), Ok(answer));
    }
}

#[test]
fn a_result_that_looks_like_an_error() {
    let lookalike = json!({"payload": "error", "traceback": "x"});
    let read = |dialect: Dialect| {
        dialect.parse_answer(&dialect.build_answer(&Answer::Value(lookalike.clone())))
    };
    assert_eq!(read(Dialect::V03), Ok(Answer::Value(lookalike.clone())));
    assert_eq!(
        read(Dialect::V06),
        Ok(Answer::Error {
            traceback: "x".to_owned()
        })
    );
    // Not enough of a likeness.
    for value in [
        json!({"payload": "error"}),
        json!({"payload": "error", "traceback": 1}),
        json!({"traceback": "x"}),
    ] {
        for dialect in BOTH {
            let answer = Answer::Value(value.clone());
            assert_eq!(
                dialect.parse_answer(&dialect.build_answer(&answer)),
                Ok(answer)
            );
        }
    }
}

#[test]
fn errors_as_python_writes_them() {
    let traceback = "Traceback (most recent call last):\n  File \"app.py\", line 3, in f\n    return 1 / 0\n\
                     ZeroDivisionError: division by zero\n";
    let error = Answer::Error {
        traceback: traceback.to_owned(),
    };
    let v06 = r#"{"payload": "error", "traceback": "Traceback (most recent call last):\n  File \"app.py\", line 3, in f\n    return 1 / 0\nZeroDivisionError: division by zero\n"}"#;
    let v03 = "eyJwYXlsb2FkIjogImVycm9yIiwgInRyYWNlYmFjayI6ICJUcmFjZWJhY2sgKG1vc3QgcmVjZW50IGNhbGwgbGFzdCk6XG4gIEZpbGUgXCJhcHAucHlcIiwgbGluZSAzLCBpbiBmXG4gICAgcmV0dXJuIDEgLyAwXG5aZXJvRGl2aXNpb25FcnJvcjogZGl2aXNpb24gYnkgemVyb1xuIn0=";
    assert_eq!(
        Dialect::V06.parse_answer(v06.as_bytes()).as_ref(),
        Ok(&error)
    );
    assert_eq!(
        Dialect::V03.parse_answer(v03.as_bytes()).as_ref(),
        Ok(&error)
    );

    let ours = r#"{"payload":"error","traceback":"Traceback (most recent call last):\n  File \"app.py\", line 3, in f\n    return 1 / 0\nZeroDivisionError: division by zero\n"}"#;
    assert_eq!(Dialect::V06.build_answer(&error), ours.as_bytes());
    let ours = "eyJwYXlsb2FkIjoiZXJyb3IiLCJ0cmFjZWJhY2siOiJUcmFjZWJhY2sgKG1vc3QgcmVjZW50IGNhbGwgbGFzdCk6XG4gIEZpbGUgXCJhcHAucHlcIiwgbGluZSAzLCBpbiBmXG4gICAgcmV0dXJuIDEgLyAwXG5aZXJvRGl2aXNpb25FcnJvcjogZGl2aXNpb24gYnkgemVyb1xuIn0=";
    assert_eq!(Dialect::V03.build_answer(&error), ours.as_bytes());
}

#[test]
fn a_request_that_is_too_long_says_how_long_it_is_as_far_as_that_is_known() {
    let says = |size, limit| OriginalError::TooLong { size, limit }.to_string();
    assert!(says(2000, 1024).contains("has 2000 bytes"));
    assert!(says(1024, 1024).contains("has more than 1024 bytes"));
}

#[test]
fn a_tag_whose_text_happens_to_be_json_is_that_text() {
    for name in ["1", "null", "[]", r#"{"raw": 1}"#, "{}"] {
        let plain = v03::Tag03 {
            name: name.to_owned(),
            custom: false,
        };
        assert_eq!(v03::Tag03::decode(&plain.encode()), plain);
    }
}

#[test]
fn flags() {
    for (name, v03, v06) in [
        (NULL, "TlVMTA==", "NULL"),
        (
            INVALID_CONNECTION,
            "SU5WQUxJRF9DT05ORUNUSU9O",
            "INVALID_CONNECTION",
        ),
        ("BUSY_NOW", "QlVTWV9OT1c=", r#""BUSY_NOW""#),
    ] {
        let flag = Answer::Flag(name.to_owned());
        assert_eq!(Dialect::V03.build_answer(&flag), v03.as_bytes());
        assert_eq!(
            Dialect::V03.parse_answer(v03.as_bytes()).as_ref(),
            Ok(&flag)
        );
        assert_eq!(Dialect::V06.build_answer(&flag), v06.as_bytes());
        let string = Dialect::V06.parse_answer(json!(name).to_string().as_bytes());
        if name == "BUSY_NOW" {
            assert_eq!(
                string,
                Ok(Answer::Value(json!(name))),
                "only who registered it knows that it is a flag"
            );
        } else {
            assert_eq!(
                Dialect::V06.parse_answer(v06.as_bytes()).as_ref(),
                Ok(&flag)
            );
            assert_eq!(string, Ok(flag), "to an original the string is the flag");
        }
    }
    // In 0.3 a function may return the string: '{"raw": "NULL"}'.
    assert_eq!(
        Dialect::V03.parse_answer(b"eyJyYXciOiAiTlVMTCJ9"),
        Ok(Answer::Value(json!("NULL")))
    );
}

#[test]
fn answers_that_end_too_early() {
    for dialect in BOTH {
        assert_eq!(dialect.parse_answer(b""), Err(OriginalError::Empty));
        let whole = dialect.build_answer(&Answer::Value(json!({"a": [1, "é"]})));
        for end in 1..whole.len() {
            assert_eq!(
                dialect.parse_answer(&whole[..end]),
                Err(OriginalError::Cut { received: end })
            );
        }
    }
}

#[test]
fn answers_that_are_not_json() {
    assert_eq!(
        Dialect::V06.parse_answer(b"hello there"),
        Ok(Answer::Value(json!("hello there")))
    );
    assert!(matches!(
        Dialect::V06.parse_answer(b"hello \xff"),
        Err(OriginalError::Malformed { .. })
    ));
    assert!(matches!(
        Dialect::V03.parse_answer(b"hello there!"),
        Err(OriginalError::Malformed { .. })
    ));
    // base64.b64encode(b"{not json}"), base64.b64encode(b"\xff\xfe\xfd")
    assert!(matches!(
        Dialect::V03.parse_answer(b"e25vdCBqc29ufQ=="),
        Err(OriginalError::Malformed { .. })
    ));
    assert!(matches!(
        Dialect::V03.parse_answer(b"//79"),
        Err(OriginalError::Malformed { .. })
    ));
}

#[test]
fn numbers_that_would_arrive_as_others_are_refused() {
    let literal = "NaN".to_owned();
    assert_eq!(
        Dialect::V06.parse_answer(b"[NaN]"),
        Err(OriginalError::NotFinite {
            message: "answer",
            literal
        })
    );
    let literal = "123456789012345678901234567890".to_owned();
    assert_eq!(
        Dialect::V06
            .parse_request(br#"{"connection": "f", "args": [123456789012345678901234567890]}"#),
        Err(OriginalError::IntegerTooLarge {
            message: "request",
            literal
        })
    );
}

#[test]
fn base64_that_goes_on_after_its_request_is_refused() {
    let mut bytes = v03::seal(r#"{"connection": "f"}  "#);
    assert!(bytes.len().is_multiple_of(4) && !bytes.ends_with(b"="));
    bytes.extend(b"IC");
    let refused = Dialect::V03.parse_request(&bytes);
    assert!(
        matches!(refused, Err(OriginalError::Malformed { .. })),
        "{refused:?}"
    );
}

#[test]
fn what_nests_too_deep_is_refused_and_not_taken_for_text() {
    for dialect in BOTH {
        let nested = |levels: usize| {
            let list = |inner, _| Value::Array(vec![inner]);
            (0..levels).fold(json!(1), list)
        };
        let answer = |levels| {
            let bytes = dialect.build_answer(&Answer::Value(nested(levels)));
            dialect.parse_answer(&bytes)
        };
        // 0.3 puts an object around it.
        assert_eq!(answer(126), Ok(Answer::Value(nested(126))));
        let (message, limit) = ("answer", 127);
        assert_eq!(answer(128), Err(OriginalError::TooDeep { message, limit }));

        let request = |levels| Request {
            args: vec![nested(levels)],
            ..Request::new("app.f")
        };
        let bytes = dialect.build_request(&request(125)).unwrap();
        let read = dialect.parse_request(&bytes);
        assert_eq!(read, Ok(Parsed::Complete(request(125))));
        let bytes = dialect.build_request(&request(126)).unwrap();
        let message = "request";
        let too_deep = Err(OriginalError::TooDeep { message, limit });
        assert_eq!(dialect.parse_request(&bytes), too_deep);
    }
    // Brackets that are no JSON stay text.
    let text = format!("hello {}", "[".repeat(200));
    let answer = Dialect::V06.parse_answer(text.as_bytes());
    assert_eq!(answer, Ok(Answer::Value(json!(text))));
}

#[test]
fn requests_that_are_none() {
    for text in [
        "{}",
        r#"{"connection": 1}"#,
        r#"{"connection": "f", "args": {}}"#,
        r#"{"connection": "f", "kwargs": null}"#,
        r#"{"connection": "f"} x"#,
        "[]",
    ] {
        for bytes in [text.as_bytes().to_vec(), v03::seal(text)] {
            let dialect = if bytes.starts_with(text.as_bytes()) {
                Dialect::V06
            } else {
                Dialect::V03
            };
            assert!(
                matches!(
                    dialect.parse_request(&bytes),
                    Err(OriginalError::Malformed { .. })
                ),
                "{text}"
            );
        }
    }
    let repr =
        Dialect::V06.parse_request(b"{'connection': 'f', 'args': (<object>,), 'kwargs': {}}");
    assert!(repr.is_err_and(|error| error.to_string().contains("repr")));
    let bare = Dialect::V06.parse_request(br#"{"connection": "app.f"}"#);
    assert_eq!(
        bare,
        Ok(Parsed::Complete(Request::new("app.f"))),
        "args and kwargs may be missing"
    );
}

#[test]
fn requests_are_limited_to_what_an_original_reads() {
    for (dialect, longest) in [
        (Dialect::V03, MESSAGE_LIMIT / 4 * 3),
        (Dialect::V06, MESSAGE_LIMIT),
    ] {
        let overhead = match dialect {
            Dialect::V03 => r#"{"connection":"YXBwLmY=","args":[""],"kwargs":{}}"#.len(),
            Dialect::V06 => r#"{"connection":"app.f","args":[""],"kwargs":{}}"#.len(),
        };
        let request = |length| Request {
            args: vec![json!("x".repeat(length - overhead))],
            ..Request::new("app.f")
        };
        let whole = dialect
            .build_request(&request(longest))
            .expect("as long as can be");
        assert_eq!(whole.len(), 1024);
        assert_eq!(
            dialect.parse_request(&whole),
            Ok(Parsed::Complete(request(longest)))
        );
        assert_eq!(
            dialect.parse_request(&whole[..1023]),
            Ok(Parsed::Incomplete)
        );

        let size = match dialect {
            Dialect::V03 => 1028, // base64 grows by four
            Dialect::V06 => 1025,
        };
        let too_long = OriginalError::TooLong { size, limit: 1024 };
        assert_eq!(dialect.build_request(&request(longest + 1)), Err(too_long));
    }
}

#[test]
fn answers_are_limited_to_what_an_original_reads() {
    for (dialect, longest) in [
        (Dialect::V03, 768 - r#"{"raw":""}"#.len()),
        (Dialect::V06, 1024 - 2),
    ] {
        let answer = |length| Answer::Value(json!("x".repeat(length)));
        let whole = dialect.build_answer(&answer(longest));
        assert_eq!(whole.len(), 1024);
        assert_eq!(dialect.parse_answer(&whole), Ok(answer(longest)));

        let refused = dialect.build_answer(&answer(longest + 1));
        let Ok(Answer::Error { traceback }) = dialect.parse_answer(&refused) else {
            panic!("an answer of more than 1,024 bytes must be an error");
        };
        let (kind, message) = error_kind(&traceback);
        assert_eq!(kind, "AnswerTooLong");
        let size = if dialect == Dialect::V03 {
            "1028"
        } else {
            "1025"
        };
        assert!(
            message.contains(size) && message.contains("1024"),
            "{message}"
        );

        let flag = dialect.build_answer(&Answer::Flag("F".repeat(2000)));
        assert!(matches!(
            dialect.parse_answer(&flag),
            Ok(Answer::Error { .. })
        ));
    }
}

#[test]
fn long_answers_of_originals_are_read_whole() {
    let long = "x".repeat(100_000);
    assert_eq!(
        Dialect::V06.parse_answer(json!(long).to_string().as_bytes()),
        Ok(Answer::Value(json!(long)))
    );
}

#[test]
fn white_space_up_to_the_limit_is_no_request_whatever_follows() {
    let mut bytes = vec![b' '; MESSAGE_LIMIT];
    assert_eq!(sniff(&bytes), None);
    bytes.push(b'{');
    assert_eq!(sniff(&bytes), None);
    assert_eq!(sniff(&bytes[2..]), Some(Sniffed::Original(Dialect::V06)));
}

#[test]
fn sniffing() {
    assert_eq!(sniff(b""), Some(Sniffed::NeedMore));
    assert_eq!(sniff(b"e"), Some(Sniffed::NeedMore));
    assert_eq!(sniff(b" \r\n\t"), Some(Sniffed::NeedMore));
    assert_eq!(sniff(b" \r\n\t{"), Some(Sniffed::Original(Dialect::V06)));
    assert_eq!(
        sniff(b"{'connection'"),
        Some(Sniffed::Original(Dialect::V06))
    );
    assert_eq!(sniff(&[b' '; 1024]), None);
    for other in ["ex", "eyK", "GET /", " eyJ", "\x16\x03\x01", "[", "\0"] {
        assert_eq!(sniff(other.as_bytes()), None, "{other}");
    }
}
