//! Text that is safe for a terminal, tables, JSON: data goes to standard output, what is said beside it to standard error. What that is, is up to the commands.

use std::borrow::Cow;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::{Failure, Status};

/// Writes `text` and ends its line. A reader that has gone (`| head`) has what it wanted.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_to_reader(text).map(drop)
}

/// As [`print()`], for one who goes on writing. Says whether there is a reader.
pub(crate) fn print_to_reader(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(text.trim_end_matches('\n').as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(
            Status::Failed,
            format!("cannot write to standard output: {error}"),
        )),
    }
}

/// Whether there is a reader, as far as is known without writing.
pub(crate) fn has_reader() -> bool {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let out = io::stdout();
        let mut watched = [PollFd::new(&out, PollFlags::empty())];
        let polled = poll(&mut watched, Some(&Timespec::default()));
        polled.is_err() || watched[0].revents().is_empty()
    }
    #[cfg(not(unix))]
    true
}

/// Says `text`, of whole lines, beside the data: on standard error.
pub(crate) fn say(text: &str) {
    // With standard error closed there is nobody to tell.
    let _ = io::stderr().write_all(printable(text).as_bytes());
}

/// Writes JSON in indented lines.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print_json_text(serde_json::to_string_pretty(value)).map(drop)
}

/// Writes JSON in one line. Says whether there is a reader.
pub(crate) fn print_json_line(value: &impl Serialize) -> Result<bool, Failure> {
    print_json_text(serde_json::to_string(value))
}

fn print_json_text(text: serde_json::Result<String>) -> Result<bool, Failure> {
    match text {
        Ok(text) => print_to_reader(&json_for_terminal(&text)),
        Err(error) => Err(Failure::new(
            Status::Failed,
            format!("cannot write as JSON: {error}"),
        )),
    }
}

/// JSON leaves the control characters from U+007F to U+009F as they are, and some terminals obey them.
fn json_for_terminal(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| ('\u{7f}'..='\u{9f}').contains(&c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            // Only inside of strings, where an escape means the same.
            '\u{7f}'..='\u{9f}' => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// The text with its control characters shown instead of obeyed; it may have lines and tabs.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if is_unsafe(c) => safe.extend(c.escape_default()),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// The text in one line: a name with a line break in it must not begin a line of its own.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// Rows in aligned columns, two spaces apart.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let cell = |text: &String| one_line(text);
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(cell)).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_end_of_spaces() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned);
        assert_eq!(
            table(&[row(["NAME", "ID"]), row(["ö", "a\nb"]), row(["longer", ""])]),
            "NAME    ID\nö       a b\nlonger\n"
        );
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(
            printable("a\x1b[2Jb\u{9b}c\nd\te"),
            "a\\u{1b}[2Jb\\u{9b}c\nd\te"
        );
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_json() {
        let text = serde_json::to_string("x\u{9b}2J\x7f").unwrap();
        let safe = json_for_terminal(&text);
        assert_eq!(safe, r#""x\u009b2J\u007f""#);
        assert_eq!(
            serde_json::from_str::<String>(&safe).unwrap(),
            "x\u{9b}2J\x7f"
        );
    }
}
