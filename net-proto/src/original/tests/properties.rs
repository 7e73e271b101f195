//! What holds for any request, any answer and any bytes.

use proptest::prelude::*;

use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "NULL|INVALID_CONNECTION|raw|NaN|-Infinity".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let key = prop_oneof![any::<String>(), "raw|payload|traceback"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..6)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    let kwargs = proptest::collection::btree_map("[a-zé_]{1,3}", any_json(), 0..3);
    let tag = prop_oneof!["[a-z_]{1,8}(\\.[a-zA-Z_]{1,8}){1,3}", "[ -~é😀]{1,20}"];
    (
        tag,
        any::<bool>(),
        proptest::collection::vec(any_json(), 0..4),
        kwargs,
    )
        .prop_map(|(tag, custom_tag, args, kwargs)| Request {
            tag,
            custom_tag,
            args,
            kwargs: kwargs.into_iter().collect(),
        })
}

proptest! {
    #[test]
    fn any_request_survives(request in any_request()) {
        for dialect in BOTH {
            let Ok(bytes) = dialect.build_request(&request) else { continue };
            prop_assert!(bytes.is_ascii());
            let custom_tag = match dialect {
                Dialect::V03 => request.custom_tag,
                Dialect::V06 => !request.tag.contains('.'),
            };
            let expected = Request { custom_tag, ..request.clone() };
            prop_assert_eq!(dialect.parse_request(&bytes), Ok(Parsed::Complete(expected)));
            let mut reader = RequestReader::new(dialect);
            for end in 0..bytes.len() {
                prop_assert_eq!(dialect.parse_request(&bytes[..end]), Ok(Parsed::Incomplete));
                prop_assert_eq!(reader.read(&bytes[..end]), Ok(Parsed::Incomplete));
            }
            prop_assert_eq!(reader.read(&bytes), dialect.parse_request(&bytes));
        }
    }

    #[test]
    fn any_result_survives(value in any_json()) {
        for dialect in BOTH {
            let bytes = dialect.build_answer(&Answer::Value(value.clone()));
            prop_assert!(bytes.is_ascii() && bytes.len() <= MESSAGE_LIMIT);
            let is_flag = dialect == Dialect::V06 && (value == NULL || value == INVALID_CONNECTION);
            match dialect.parse_answer(&bytes) {
                Ok(Answer::Value(read)) => prop_assert_eq!(&read, &value),
                Ok(Answer::Flag(name)) => prop_assert!(is_flag && value == name),
                Ok(Answer::Error { traceback }) => prop_assert!(traceback.starts_with("AnswerTooLong: ")),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }

    #[test]
    fn any_error_fits(frames in proptest::collection::vec("[ -~é😀]{0,60}", 0..40), message in "[ -~\né😀]{0,900}") {
        let calls: String = frames.iter().map(|line| format!("    {line}\n")).collect();
        let traceback = format!("Traceback (most recent call last):\n{calls}app.Failed: {message}\n");
        let (_, whole) = error_kind(&traceback);
        for dialect in BOTH {
            let bytes = dialect.build_answer(&Answer::Error { traceback: traceback.clone() });
            prop_assert!(bytes.is_ascii() && bytes.len() <= MESSAGE_LIMIT);
            let Ok(Answer::Error { traceback }) = dialect.parse_answer(&bytes) else {
                return Err(TestCaseError::fail("an error must arrive as one"));
            };
            let (kind, message) = error_kind(&traceback);
            prop_assert_eq!(kind, "app.Failed");
            let kept = message.split(" [cut: ").next().unwrap_or_default();
            prop_assert!(message == whole || whole.starts_with(kept));
        }
    }

    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in r#"[\[\]{}":,\\0-9eE.+NaInfity u=-]{0,60}"#) {
        for bytes in [bytes.as_slice(), text.as_bytes(), &v03::seal(&text)] {
            let _ = sniff(bytes);
            for dialect in BOTH {
                let whole = dialect.parse_request(bytes);
                let _ = dialect.parse_answer(bytes);
                let mut reader = RequestReader::new(dialect);
                let mut pieces = (1..=bytes.len()).map(|end| reader.read(&bytes[..end]));
                let ended = pieces.find(|read| *read != Ok(Parsed::Incomplete));
                if let Ok(Parsed::Complete(_)) = whole {
                    prop_assert_eq!(ended, Some(whole));
                }
            }
        }
    }
}
