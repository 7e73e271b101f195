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
const LEFT_OUT: &str =
    "Traceback (most recent call last):\n  [first lines left out: an original app-net peer reads 1,024 bytes]\n";

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
    let report = &traceback[report_start(traceback)..];
    let (kind, message) = split_report(report).unwrap_or((UNKNOWN_KIND, report));
    (kind.to_owned(), message.trim_end().to_owned())
}

/// Where the lines begin that tell the exception, after those that tell the calls. 0 if none is told.
fn report_start(traceback: &str) -> usize {
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
            let gutter = if text.starts_with(GROUP_GUTTER) { GROUP_GUTTER.len() } else { 0 };
            if !text[gutter..].is_empty() && !text[gutter..].starts_with([' ', '|', '+']) {
                last = Some(start + gutter);
                in_calls = false;
            }
        } else if without_header.is_none() && split_report(text).is_some_and(|(_, message)| !message.is_empty()) {
            without_header = Some(start);
        }
        start += line.len();
    }
    last.or(without_header).unwrap_or(0)
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

/// The traceback in `room` bytes of a JSON string. The first lines go first, and the exception's type and the
/// beginning of its message last.
pub(super) fn shorten(traceback: &str, room: usize) -> Cow<'_, str> {
    if width(traceback) <= room {
        return Cow::Borrowed(traceback);
    }
    let (calls, report) = traceback.split_at(report_start(traceback));
    let needed = width(LEFT_OUT) + width(report);
    if needed <= room {
        let mut left = room - needed;
        let mut start = calls.len();
        for line in calls.split_inclusive('\n').rev() {
            let Some(rest) = left.checked_sub(width(line)) else { break };
            left = rest;
            start -= line.len();
        }
        return Cow::Owned(format!("{LEFT_OUT}{}{report}", &calls[start..]));
    }
    if width(report) <= room {
        return Cow::Borrowed(report);
    }
    let mut left = room.saturating_sub(width(CUT));
    let kept = report.char_indices().find_map(|(at, char)| match left.checked_sub(json::width(char)) {
        Some(rest) => {
            left = rest;
            None
        }
        None => Some(at),
    });
    Cow::Owned(format!("{}{CUT}", &report[..kept.unwrap_or(report.len())]))
}

fn width(text: &str) -> usize {
    text.chars().map(json::width).sum()
}
