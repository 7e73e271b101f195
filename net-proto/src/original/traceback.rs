//! Python tracebacks as text: which exception one reports, and how to shorten one without losing that.
//!
//! What must not be in here: the messages that carry them.

use std::borrow::Cow;

use super::json;

const HEADER: &str = "Traceback (most recent call last):";
const GROUP_HEADER: &str = "  + Exception Group Traceback (most recent call last):";

/// What is in front of the lines of an exception group.
const GROUP_GUTTER: &str = "  | ";

/// The kind of an exception of which the text does not say it.
const UNKNOWN_KIND: &str = "Exception";

/// Put in the place of the first lines; with the header, so that it reads as a traceback still.
const LEFT_OUT: &str = "Traceback (most recent call last):\n  [first lines left out: an original app-net peer reads 1,024 bytes]\n";

/// Put where a message that is too long ends.
const CUT: &str = " [cut: an original app-net peer reads 1,024 bytes]";

/// The type and the message of the exception that a Python traceback reports: `ZeroDivisionError` and
/// `division by zero`, or `app.errors.NoSuchShot` and a message of several lines.
///
/// The last traceback in the text counts: after "During handling of the above exception" it is the exception that
/// was raised in the end, and inside an `Exception: RemoteError` of the original it is the one that caused it. A text
/// that reports no exception at all is the message of an `Exception`.
///
/// # Examples
///
/// ```
/// use net_proto::original::error_kind;
///
/// let traceback = "Traceback (most recent call last):\n  File \"app.py\", line 3, in f\n    1 / 0\n    ~~^~~\n\
///                  ZeroDivisionError: division by zero\n";
/// assert_eq!(error_kind(traceback), ("ZeroDivisionError".to_owned(), "division by zero".to_owned()));
/// ```
#[must_use]
pub fn error_kind(traceback: &str) -> (String, String) {
    let report = &traceback[report_start(traceback).0..];
    let (kind, message) = split_report(report).unwrap_or((UNKNOWN_KIND, report));
    (kind.to_owned(), message.trim_end().to_owned())
}

/// Where the lines begin that tell the exception, and whether those before them tell the calls. 0 if none is told.
fn report_start(traceback: &str) -> (usize, bool) {
    let mut last = None;
    let mut without_header = None;
    // Whether the calls of a traceback are being told, and thus its exception is still to come.
    let mut in_calls = false;
    let mut start = 0;
    for line in traceback.split_inclusive('\n') {
        let text = line.trim_end();
        if text == HEADER || text == GROUP_HEADER {
            in_calls = true;
        } else if in_calls {
            let gutter = if text.starts_with(GROUP_GUTTER) {
                GROUP_GUTTER.len()
            } else {
                0
            };
            if !text[gutter..].is_empty() && !text[gutter..].starts_with([' ', '|', '+']) {
                last = Some(start + gutter);
                in_calls = false;
            }
        } else if without_header.is_none()
            && split_report(text).is_some_and(|(kind, _)| text[kind.len()..].starts_with(':'))
        {
            without_header = Some(start);
        }
        start += line.len();
    }
    match last {
        Some(start) => (start, true),
        None => (without_header.unwrap_or(0), false),
    }
}

/// `kind: message`, or a kind alone.
fn split_report(report: &str) -> Option<(&str, &str)> {
    let first = report.lines().next()?;
    let kind_end = first.find(':').unwrap_or(first.trim_end().len());
    let (kind, rest) = report.split_at(kind_end);
    // `<` and `>` for a class made in a function: `app.f.<locals>.Failed`.
    let is_kind = |char: char| char.is_alphanumeric() || matches!(char, '_' | '.' | '<' | '>');
    if kind.is_empty() || !kind.chars().all(is_kind) {
        return None;
    }
    let message = match rest.strip_prefix(':') {
        Some(message) => message.strip_prefix(' ').unwrap_or(message),
        // Notes that were added to an exception without a message.
        None => rest.trim_start(),
    };
    Some((kind, message))
}

/// The traceback in `room` bytes of a JSON string, at least as many as [`LEFT_OUT`] and [`CUT`] take. The first
/// calls go first, and the exception's type and the beginning of its message stay.
pub(super) fn shorten(traceback: &str, room: usize) -> Cow<'_, str> {
    if width(traceback) <= room {
        return Cow::Borrowed(traceback);
    }
    let (start, has_calls) = report_start(traceback);
    let (before, report) = traceback.split_at(start);
    // Other lines would be taken for the exception under the header that is put there.
    let calls = if has_calls { before } else { "" };
    // Stands there even if the room is scarce: without a header it is a guess where the exception begins.
    let room = room.saturating_sub(width(LEFT_OUT));
    if let Some(mut left) = room.checked_sub(width(report)) {
        let mut start = calls.len();
        for line in calls.split_inclusive('\n').rev() {
            let Some(rest) = left.checked_sub(width(line)) else {
                break;
            };
            left = rest;
            start -= line.len();
        }
        return Cow::Owned(format!("{LEFT_OUT}{}{report}", &calls[start..]));
    }
    let mut left = room.saturating_sub(width(CUT));
    let end =
        report
            .char_indices()
            .find_map(|(at, char)| match left.checked_sub(json::width(char)) {
                Some(rest) => {
                    left = rest;
                    None
                }
                None => Some(at),
            });
    Cow::Owned(format!(
        "{LEFT_OUT}{}{CUT}",
        &report[..end.unwrap_or(report.len())]
    ))
}

fn width(text: &str) -> usize {
    text.chars().map(json::width).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tracebacks as Python 3.11 prints them, the calls shortened.
    #[test]
    fn the_exception_of_a_traceback() {
        let calls = "Traceback (most recent call last):\n  File \"app.py\", line 8, in show\n    try: f()\n         ^^^\n";
        let remote = format!(
            "{calls}Exception: RemoteError\n{calls}ZeroDivisionError: division by zero\n\n"
        );
        let chained = format!(
            "{calls}KeyError: 'k'\n\nDuring handling of the above exception, another exception occurred:\n\n\
             {calls}A.Failed: first\n\n  second: line\nthird\n"
        );
        let group = "  + Exception Group Traceback (most recent call last):\n  |   File \"app.py\", line 8, in show\n  \
                     |     try: f()\n  | ExceptionGroup: many (2 sub-exceptions)\n  \
                     +-+---------------- 1 ----------------\n    | ValueError: 1\n    \
                     +------------------------------------\n";
        for (traceback, kind, message) in [
            (
                format!("{calls}ZeroDivisionError: division by zero\n"),
                "ZeroDivisionError",
                "division by zero",
            ),
            (
                format!("{calls}loc.<locals>.Failed: x: y\n"),
                "loc.<locals>.Failed",
                "x: y",
            ),
            (
                format!("{calls}app.errors.NoSuchShot: \nshot 12\n"),
                "app.errors.NoSuchShot",
                "\nshot 12",
            ),
            (format!("{calls}ValueError\n"), "ValueError", ""),
            (
                format!("{calls}KeyboardInterrupt\na note: here\n"),
                "KeyboardInterrupt",
                "a note: here",
            ),
            (
                format!("{calls}  [Previous line repeated 995 more times]\nRecursionError: deep\n"),
                "RecursionError",
                "deep",
            ),
            (
                format!("{calls}  File \"<s>\", line 1\n    1 +\nSyntaxError: invalid syntax\n"),
                "SyntaxError",
                "invalid syntax",
            ),
            (remote.clone(), "ZeroDivisionError", "division by zero"),
            (
                format!("RemoteError\n{remote}"),
                "ZeroDivisionError",
                "division by zero",
            ),
            (chained, "A.Failed", "first\n\n  second: line\nthird"),
            (
                format!("{calls}Exception: RemoteError\n{calls}"),
                "Exception",
                &format!("RemoteError\n{}", calls.trim_end()),
            ),
            (
                format!("{calls}ValueError: windows\r\n").replace(":\n", ":\r\n"),
                "ValueError",
                "windows",
            ),
            (
                "AnswerTooLong: 2000 bytes".to_owned(),
                "AnswerTooLong",
                "2000 bytes",
            ),
            (
                "some words\nValueError: and more".to_owned(),
                "ValueError",
                "and more",
            ),
            (
                "app.Failed: \nat: all".to_owned(),
                "app.Failed",
                "\nat: all",
            ),
            ("some words".to_owned(), "Exception", "some words"),
            (String::new(), "Exception", ""),
        ] {
            assert_eq!(
                error_kind(&traceback),
                (kind.to_owned(), message.to_owned()),
                "{traceback}"
            );
        }
        let (kind, message) = error_kind(group);
        assert_eq!(kind, "ExceptionGroup");
        assert!(message.starts_with("many (2 sub-exceptions)\n"));
    }

    #[test]
    fn the_first_lines_go_first() {
        let calls: String = (0..40)
            .map(|line| format!("  File \"app.py\", line {line}, in f\n"))
            .collect();
        let traceback = format!("{HEADER}\n{calls}ValueError: of é\nand more\n");
        let short = shorten(&traceback, 400);
        assert!(short.starts_with(LEFT_OUT), "{short}");
        assert!(
            short.ends_with("line 39, in f\nValueError: of é\nand more\n"),
            "{short}"
        );
        assert!((360..=400).contains(&width(&short)), "{}", width(&short));
        assert_eq!(error_kind(&short), error_kind(&traceback));
        assert_eq!(shorten(&traceback, width(&traceback)), traceback);

        // No room for any call, and then not even for the message.
        let report = "ValueError: of é\nand more\n";
        assert_eq!(
            shorten(&traceback, width(LEFT_OUT) + width(report)),
            format!("{LEFT_OUT}{report}")
        );
        let long = format!("{HEADER}\n{calls}ValueError: {}", "é".repeat(1000));
        let short = shorten(&long, 400);
        assert!(
            short.starts_with(&format!("{LEFT_OUT}ValueError: ééé")) && short.ends_with(CUT),
            "{short}"
        );
        assert!((395..=400).contains(&width(&short)), "{}", width(&short));
    }

    #[test]
    fn words_before_an_exception_without_a_header_are_not_taken_for_it() {
        let long = format!("{}\nValueError: and more\n", "some words ".repeat(30));
        let short = shorten(&long, 300);
        assert_eq!(short, format!("{LEFT_OUT}ValueError: and more\n"));
        assert_eq!(error_kind(&short), error_kind(&long));
    }

    proptest! {
        #[test]
        fn never_panics(
            text in any::<String>(),
            lines in proptest::collection::vec(prop_oneof![
                Just(HEADER.to_owned()), Just(GROUP_HEADER.to_owned()), "  [|+]?.{0,8}", "[A-Za-z.é]{0,8}:? ?.{0,8}",
            ], 0..12),
            room in 0usize..400,
        ) {
            for text in [text, lines.join("\n")] {
                let _ = error_kind(&text);
                prop_assert!(width(&shorten(&text, room)) <= room.max(width(LEFT_OUT) + width(CUT)));
            }
        }
    }
}
