//! From a word of the command line to an argument of a call. `app-net call --help` has the rules.

use net::Value;

use crate::failure::{Failure, Status};

/// One argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    /// By place.
    Positional(Value),
    /// By name.
    Keyword(String, Value),
}

impl Argument {
    pub(crate) fn parse(word: &str) -> Result<Self, Failure> {
        match word.split_once('=') {
            Some((name, value)) if is_identifier(name) => {
                Ok(Self::Keyword(name.to_owned(), parse_value(value, word)?))
            }
            _ => parse_value(word, word).map(Self::Positional),
        }
    }
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
        && chars.all(|c| c == '_' || c.is_alphanumeric())
}

/// The value that `text` is; `word` is what it stands in, for errors.
fn parse_value(text: &str, word: &str) -> Result<Value, Failure> {
    let wrong = |why: String| Failure::new(Status::Usage, format!("the argument {word} {why}"));
    let error = match serde_json::from_str::<Value>(text) {
        // Read again, since JSON would make a float of one beyond 64 bits.
        Ok(_) if is_integer(text) => {
            return text.trim().parse::<i128>().map(Value::from).map_err(|_| {
                wrong("is an integer of more than 128 bits".to_owned())
                    .hint("write it as a text, or with an exponent for a float: 1e40")
            });
        }
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    match text {
        "True" | "False" | "None" => {
            let json = match text {
                "True" => "true",
                "False" => "false",
                _ => "null",
            };
            Err(wrong("is Python, not JSON".to_owned())
                .hint(format!("write {json}; for the text, write '\"{text}\"'")))
        }
        _ if text.trim_start().starts_with(['{', '[', '"']) => {
            Err(wrong(format!("is not whole JSON: {error}")).hint(
                "keep the shell from changing it with single quotes, as in '[1, \"two\"]'; a text that begins so \
                 is itself written in JSON: '\"[1\"'",
            ))
        }
        _ => Ok(Value::Text(text.to_owned())),
    }
}

fn is_integer(json: &str) -> bool {
    let digits = json.trim();
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positional(word: &str) -> Value {
        match Argument::parse(word).unwrap() {
            Argument::Positional(value) => value,
            keyword => panic!("{word}: {keyword:?}"),
        }
    }

    #[test]
    fn json_is_what_it_is() {
        assert_eq!(positional("5"), Value::Int(5));
        assert_eq!(positional("-5"), Value::Int(-5));
        assert_eq!(positional("5.0"), Value::Float(5.0));
        assert_eq!(positional("1e3"), Value::Float(1000.0));
        assert_eq!(positional("true"), Value::Bool(true));
        assert_eq!(positional("null"), Value::Null);
        assert_eq!(positional(r#""5""#), Value::from("5"));
        assert_eq!(
            positional("[1,2]"),
            Value::List(vec![Value::Int(1), Value::Int(2)])
        );
        assert_eq!(
            positional(r#"{"b": 1, "a": null}"#),
            Value::Map(vec![("b".into(), Value::Int(1)), ("a".into(), Value::Null)])
        );
    }

    #[test]
    fn integers_keep_all_their_digits() {
        assert_eq!(
            positional("18446744073709551616"),
            Value::from(1_u128 << 64)
        );
        assert_eq!(
            positional("-18446744073709551616"),
            Value::from(-(1_i128 << 64))
        );
        assert!(Argument::parse(&"9".repeat(40)).is_err());
    }

    #[test]
    fn what_is_no_json_is_text() {
        for word in [
            "you",
            "hello world",
            "",
            "10.0.0.1",
            "2024-02-03",
            "007",
            "/a/b",
            "ü",
            "a b=c",
            "-x",
            "=1",
        ] {
            assert_eq!(positional(word), Value::from(word), "{word}");
        }
    }

    #[test]
    fn a_name_and_an_equals_sign_make_a_keyword() {
        let keyword = |name: &str, value| Ok::<_, ()>(Argument::Keyword(name.to_owned(), value));
        for (word, expected) in [
            ("b=3", keyword("b", Value::Int(3))),
            ("unit=mm", keyword("unit", "mm".into())),
            ("url=a=b", keyword("url", "a=b".into())),
            ("_x1=[]", keyword("_x1", Value::List(vec![]))),
            ("empty=", keyword("empty", "".into())),
        ] {
            assert_eq!(Argument::parse(word).map_err(|_| ()), expected, "{word}");
        }
        assert_eq!(positional(r#""b=3""#), Value::from("b=3"));
        assert_eq!(positional("1=2"), Value::from("1=2"));
    }

    #[test]
    fn what_was_meant_as_json_is_not_passed_as_text() {
        for word in [
            "[1,",
            "{a: 1}",
            "\"open",
            "x=[1",
            "True",
            "False",
            "None",
            "flag=True",
        ] {
            assert_eq!(
                Argument::parse(word).unwrap_err().status(),
                Status::Usage,
                "{word}"
            );
        }
    }
}
