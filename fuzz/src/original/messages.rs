//! Any request and any answer, written and read.

use net_proto::original::{Answer, Dialect, INVALID_CONNECTION, NULL, Request};
use serde_json::{Map, Value, json};

use super::{DIALECTS, answered, written};
use crate::source::Source;

/// Values in one message; a message holds 1,024 bytes.
const MOST: usize = 600;

pub(super) fn back_and_forth(source: &mut Source<'_>) {
    let dialect = DIALECTS[usize::from(source.yes())];
    let mut left = MOST;
    if source.yes() {
        written(dialect, &request(source, &mut left));
    } else {
        let answer = answer(source, &mut left);
        if !is_taken_for_another(dialect, &answer) {
            answered(dialect, &answer);
        }
    }
}

fn request(source: &mut Source<'_>, left: &mut usize) -> Request {
    let mut request = Request::new(source.text());
    if source.yes() {
        request.custom_tag = source.yes();
    }
    request.args = values(source, left, 0);
    request.kwargs = object(source, left, 0);
    for name in ["peer", "time_out"] {
        request.kwargs.remove(name);
    }
    request
}

fn answer(source: &mut Source<'_>, left: &mut usize) -> Answer {
    match source.byte() % 8 {
        0 => Answer::Flag(NULL.to_owned()),
        1 => Answer::Flag(INVALID_CONNECTION.to_owned()),
        2 => Answer::Flag(source.text()),
        3 => Answer::Error {
            traceback: traceback(source),
        },
        _ => Answer::Value(value(source, left, 0)),
    }
}

fn traceback(source: &mut Source<'_>) -> String {
    let mut text = String::new();
    while !source.is_empty() {
        match source.byte() % 6 {
            0 => text.push_str("Traceback (most recent call last):\n"),
            1 => text.push_str("  File \"app.py\", line 3, in f\n"),
            2 => text.push_str("  + Exception Group Traceback (most recent call last):\n"),
            3 => text.push_str("ValueError: "),
            4 => text.push_str(&source.text()),
            _ => text.push_str(&source.text().repeat(usize::from(source.byte() % 20))),
        }
    }
    text
}

/// What the dialects' documentation says cannot be told apart.
fn is_taken_for_another(dialect: Dialect, answer: &Answer) -> bool {
    match (dialect, answer) {
        (Dialect::V03, Answer::Flag(name)) => name.is_empty() || name.starts_with('{'),
        (Dialect::V06, Answer::Flag(name)) => name != NULL && name != INVALID_CONNECTION,
        (Dialect::V06, Answer::Value(Value::String(text))) => {
            text == NULL || text == INVALID_CONNECTION
        }
        (Dialect::V06, Answer::Value(value)) => value.get("payload") == Some(&json!("error")),
        _ => false,
    }
}

fn value(source: &mut Source<'_>, left: &mut usize, depth: usize) -> Value {
    // Deeper than any may be, so that the limit is run into.
    if source.is_empty() || *left == 0 || depth > 400 {
        return Value::Null;
    }
    *left -= 1;
    match source.byte() % 13 {
        0 => Value::Null,
        1 => source.yes().into(),
        2 => source.byte().into(),
        3 => source.long().into(),
        4 => (source.long() as i64).into(),
        5 => f64::from_bits(source.long()).into(),
        6 => source.text().into(),
        7 => {
            let text = source.text();
            text.repeat(usize::from(source.byte() % 50)).into()
        }
        8 => values(source, left, depth).into(),
        9 => object(source, left, depth).into(),
        10 => json!({ "raw": value(source, left, depth + 1) }),
        11 => json!({ "payload": "error", "traceback": source.text() }),
        _ => {
            let levels = usize::from(source.byte());
            let inner = value(source, left, depth + levels);
            (0..levels).fold(inner, |inner, _| Value::Array(vec![inner]))
        }
    }
}

fn values(source: &mut Source<'_>, left: &mut usize, depth: usize) -> Vec<Value> {
    let length = source.byte() % 16;
    (0..length)
        .map(|_| value(source, left, depth + 1))
        .collect()
}

fn object(source: &mut Source<'_>, left: &mut usize, depth: usize) -> Map<String, Value> {
    let entries = 0..source.byte() % 8;
    let mut entry = |_| (source.text(), value(source, left, depth + 1));
    entries.map(&mut entry).collect()
}
