//! Dates and times as text (RFC 3339 and its parts): taking them apart. Not here: the tags, the Python classes.

/// A day of the proleptic Gregorian calendar. Ranges are left to Python's constructors, which name what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
}

/// A time of day; what is finer than a microsecond is cut off, since Python holds no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) microsecond: u32,
    /// Seconds east of UTC, where the text says.
    pub(super) offset: Option<i32>,
}

/// `YYYY-MM-DD`.
pub(super) fn day(text: &str) -> Option<Day> {
    let mut rest = text.as_bytes();
    let day = take_day(&mut rest)?;
    rest.is_empty().then_some(day)
}

/// `HH:MM:SS[.fraction][Z|±HH:MM]`.
pub(super) fn clock(text: &str) -> Option<Clock> {
    let mut rest = text.as_bytes();
    let clock = take_clock(&mut rest)?;
    rest.is_empty().then_some(clock)
}

/// A day and a time with `T` (or `t`, or a blank, as RFC 3339 allows) between them.
pub(super) fn day_and_clock(text: &str) -> Option<(Day, Clock)> {
    let mut rest = text.as_bytes();
    let day = take_day(&mut rest)?;
    if !take(&mut rest, b"Tt ") {
        return None;
    }
    let clock = take_clock(&mut rest)?;
    rest.is_empty().then_some((day, clock))
}

fn take_day(rest: &mut &[u8]) -> Option<Day> {
    let year = u16::try_from(number(rest, 4)?).ok()?;
    let month = take(rest, b"-").then(|| two(rest))??;
    let day = take(rest, b"-").then(|| two(rest))??;
    Some(Day { year, month, day })
}

fn take_clock(rest: &mut &[u8]) -> Option<Clock> {
    let hour = two(rest)?;
    let minute = take(rest, b":").then(|| two(rest))??;
    let second = take(rest, b":").then(|| two(rest))??;
    let microsecond = if take(rest, b".") { fraction(rest)? } else { 0 };
    let offset = if take(rest, b"Zz") {
        Some(0)
    } else {
        match rest.first() {
            Some(&sign @ (b'+' | b'-')) => {
                *rest = &rest[1..];
                let hours = i32::from(two(rest)?);
                let minutes = i32::from(take(rest, b":").then(|| two(rest))??);
                let seconds = hours * 3600 + minutes * 60;
                Some(if sign == b'-' { -seconds } else { seconds })
            }
            _ => None,
        }
    };
    Some(Clock {
        hour,
        minute,
        second,
        microsecond,
        offset,
    })
}

fn take(rest: &mut &[u8], any_of: &[u8]) -> bool {
    match rest.split_first() {
        Some((first, others)) if any_of.contains(first) => {
            *rest = others;
            true
        }
        _ => false,
    }
}

fn two(rest: &mut &[u8]) -> Option<u8> {
    u8::try_from(number(rest, 2)?).ok()
}

fn number(rest: &mut &[u8], digits: usize) -> Option<u32> {
    let (head, tail) = rest.split_at_checked(digits)?;
    let mut number = 0;
    for digit in head {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u32::from(digit - b'0');
    }
    *rest = tail;
    Some(number)
}

/// Digits after the point as microseconds; at least one digit.
fn fraction(rest: &mut &[u8]) -> Option<u32> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let (head, tail) = rest.split_at(digits);
    *rest = tail;
    let mut microsecond = 0;
    for place in 0..6 {
        microsecond = microsecond * 10 + head.get(place).map_or(0, |digit| u32::from(digit - b'0'));
    }
    Some(microsecond)
}
