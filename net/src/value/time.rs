//! Points and spans of time as RFC 3339 and Python know them. No clock, no time zones, no arithmetic.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::error::ValueError;
use super::tags::marker;

/// A date (tag 1004).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A time of day, without an offset, to the nanosecond (our own tag). Python keeps microseconds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    nanosecond: u32,
}

/// A date and time that does not say where (our own tag).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NaiveDateTime {
    /// The date.
    pub date: Date,
    /// The time of day.
    pub time: Time,
}

/// A date and time with its offset from UTC (tag 0).
///
/// Equality is of date, time and offset, not of the instant: 12:00+01:00 is not 11:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    local: NaiveDateTime,
    offset: i16,
}

/// A span of time, of either sign, to the microsecond (tag 1002).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeDelta {
    seconds: i64,
    microseconds: u32,
}

impl Date {
    /// A date of the years 1 to 9999.
    ///
    /// # Errors
    ///
    /// When there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, ValueError> {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            _ => 0,
        };
        if (1..=9999).contains(&year) && (1..=days).contains(&day) {
            Ok(Self { year, month, day })
        } else {
            Err(ValueError::custom(format_args!(
                "there is no day {year:04}-{month:02}-{day:02}"
            )))
        }
    }

    /// The year, 1 to 9999.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    pub fn day(self) -> u8 {
        self.day
    }

    /// Days since 1970-01-01, in the proleptic Gregorian calendar.
    fn days_since_epoch(self) -> i64 {
        // Years begin in March, so that the leap day is a year's last.
        let month = (i64::from(self.month) + 9) % 12;
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
            - DAYS_TO_EPOCH
    }

    fn from_days_since_epoch(days: i64) -> Option<Self> {
        let days = days.checked_add(DAYS_TO_EPOCH)?;
        let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let year = era * 400 + year_of_era + i64::from(month >= 10);
        Self::new(
            u16::try_from(year).ok()?,
            u8::try_from((month + 2) % 12 + 1).ok()?,
            u8::try_from(day).ok()?,
        )
        .ok()
    }
}

/// Days of 400 years.
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;
const SECONDS_PER_DAY: i64 = 86_400;

impl Time {
    /// A time of day. There is no leap second: Python has no form for it.
    ///
    /// # Errors
    ///
    /// When a part is out of range.
    pub fn new(hour: u8, minute: u8, second: u8, nanosecond: u32) -> Result<Self, ValueError> {
        if hour < 24 && minute < 60 && second < 60 && nanosecond < 1_000_000_000 {
            Ok(Self {
                hour,
                minute,
                second,
                nanosecond,
            })
        } else {
            Err(ValueError::custom(format_args!(
                "there is no time {hour:02}:{minute:02}:{second:02}.{nanosecond:09}"
            )))
        }
    }

    /// The hour, 0 to 23.
    pub fn hour(self) -> u8 {
        self.hour
    }

    /// The minute, 0 to 59.
    pub fn minute(self) -> u8 {
        self.minute
    }

    /// The second, 0 to 59.
    pub fn second(self) -> u8 {
        self.second
    }

    /// The part of a second, in nanoseconds.
    pub fn nanosecond(self) -> u32 {
        self.nanosecond
    }

    /// The part of a second, in whole microseconds.
    pub fn microsecond(self) -> u32 {
        self.nanosecond / 1000
    }
}

impl NaiveDateTime {
    /// The time that this is where the offset from UTC is so many minutes.
    ///
    /// # Errors
    ///
    /// When the offset is a day or more.
    pub fn at_offset(self, minutes: i16) -> Result<DateTime, ValueError> {
        if minutes.unsigned_abs() < 24 * 60 {
            Ok(DateTime {
                local: self,
                offset: minutes,
            })
        } else {
            Err(ValueError::custom(format_args!(
                "an offset of {minutes} minutes is a day or more"
            )))
        }
    }
}

impl DateTime {
    /// Date and time at its offset.
    pub fn local(self) -> NaiveDateTime {
        self.local
    }

    /// Minutes east of UTC.
    pub fn offset_minutes(self) -> i16 {
        self.offset
    }
}

impl TryFrom<SystemTime> for DateTime {
    type Error = ValueError;

    /// In UTC; an error outside of the years 1 to 9999.
    fn try_from(time: SystemTime) -> Result<Self, ValueError> {
        let (seconds, nanosecond) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (i64::try_from(after.as_secs()).ok(), after.subsec_nanos()),
            Err(before) => match before.duration() {
                before if before.subsec_nanos() == 0 => {
                    (0i64.checked_sub_unsigned(before.as_secs()), 0)
                }
                before => (
                    (-1i64).checked_sub_unsigned(before.as_secs()),
                    1_000_000_000 - before.subsec_nanos(),
                ),
            },
        };
        let date = seconds
            .and_then(|seconds| Date::from_days_since_epoch(seconds.div_euclid(SECONDS_PER_DAY)));
        let (Some(date), Some(seconds)) = (date, seconds) else {
            return Err(ValueError::custom(
                "the time is outside of the years 1 to 9999",
            ));
        };
        let second = seconds.rem_euclid(SECONDS_PER_DAY) as u32;
        // Each narrowing is exact: a day has 24 hours of 60 minutes of 60 seconds.
        let time = Time {
            hour: (second / 3600) as u8,
            minute: (second / 60 % 60) as u8,
            second: (second % 60) as u8,
            nanosecond,
        };
        Ok(Self {
            local: NaiveDateTime { date, time },
            offset: 0,
        })
    }
}

impl From<DateTime> for SystemTime {
    fn from(time: DateTime) -> Self {
        let NaiveDateTime { date, time: clock } = time.local;
        let minutes = i64::from(clock.hour) * 60 + i64::from(clock.minute) - i64::from(time.offset);
        let seconds =
            date.days_since_epoch() * SECONDS_PER_DAY + minutes * 60 + i64::from(clock.second);
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let whole = if seconds < 0 {
            UNIX_EPOCH - whole
        } else {
            UNIX_EPOCH + whole
        };
        whole + Duration::from_nanos(clock.nanosecond.into())
    }
}

impl TimeDelta {
    /// So many seconds (rounded down) and microseconds of the next one.
    ///
    /// # Errors
    ///
    /// When there are a million microseconds or more.
    pub fn new(seconds: i64, microseconds: u32) -> Result<Self, ValueError> {
        if microseconds < 1_000_000 {
            Ok(Self {
                seconds,
                microseconds,
            })
        } else {
            Err(ValueError::custom(format_args!(
                "{microseconds} microseconds are a second or more"
            )))
        }
    }

    /// Whole seconds, rounded down: -0.25 s is -1 s and 750000 µs, as in Python.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Microseconds to add to the seconds, 0 to 999999.
    pub fn microseconds(self) -> u32 {
        self.microseconds
    }
}

impl TryFrom<Duration> for TimeDelta {
    type Error = ValueError;

    /// Parts of a microsecond are dropped.
    fn try_from(duration: Duration) -> Result<Self, ValueError> {
        let seconds = i64::try_from(duration.as_secs())
            .map_err(|_| ValueError::custom("the duration is too long"))?;
        Ok(Self {
            seconds,
            microseconds: duration.subsec_micros(),
        })
    }
}

impl TryFrom<TimeDelta> for Duration {
    type Error = ValueError;

    fn try_from(delta: TimeDelta) -> Result<Self, ValueError> {
        let seconds = u64::try_from(delta.seconds)
            .map_err(|_| ValueError::custom("a duration cannot be negative"))?;
        Ok(Self::new(seconds, delta.microseconds * 1000))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        match self.nanosecond {
            0 => Ok(()),
            n if n % 1000 == 0 => write!(f, ".{:06}", n / 1000),
            n => write!(f, ".{n:09}"),
        }
    }
}

impl fmt::Display for NaiveDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}", self.date, self.time)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.local.fmt(f)?;
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let (sign, minutes) = (
            if self.offset < 0 { '-' } else { '+' },
            self.offset.unsigned_abs(),
        );
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Seconds: `-0.25s`.
impl fmt::Display for TimeDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = i128::from(self.seconds) * 1_000_000 + i128::from(self.microseconds);
        let (sign, total) = (if total < 0 { "-" } else { "" }, total.unsigned_abs());
        match total % 1_000_000 {
            0 => write!(f, "{sign}{}s", total / 1_000_000),
            part => {
                let part = format!("{part:06}");
                write!(
                    f,
                    "{sign}{}.{}s",
                    total / 1_000_000,
                    part.trim_end_matches('0')
                )
            }
        }
    }
}

impl FromStr for Date {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.as_bytes() {
            [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => {
                match (number(year), number(&[*m1, *m2]), number(&[*d1, *d2])) {
                    (Some(year), Some(month), Some(day)) => {
                        Self::new(year as u16, month as u8, day as u8)
                    }
                    _ => Err(unreadable(text, "a date (YYYY-MM-DD)")),
                }
            }
            _ => Err(unreadable(text, "a date (YYYY-MM-DD)")),
        }
    }
}

impl FromStr for Time {
    type Err = ValueError;

    /// More than nine digits of a second are cut off.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || unreadable(text, "a time (HH:MM:SS.ffffff)");
        let (clock, fraction) = text
            .split_once('.')
            .map_or((text, None), |(clock, fraction)| (clock, Some(fraction)));
        let &[h1, h2, b':', m1, m2, b':', s1, s2] = clock.as_bytes() else {
            return Err(wrong());
        };
        let nanosecond = match fraction.map(str::as_bytes) {
            None => 0,
            Some(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
                let kept = &digits[..digits.len().min(9)];
                number(kept).ok_or_else(wrong)? * 10u32.pow(9 - kept.len() as u32)
            }
            Some(_) => return Err(wrong()),
        };
        match (number(&[h1, h2]), number(&[m1, m2]), number(&[s1, s2])) {
            (Some(hour), Some(minute), Some(second)) => {
                Self::new(hour as u8, minute as u8, second as u8, nanosecond)
            }
            _ => Err(wrong()),
        }
    }
}

impl FromStr for NaiveDateTime {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.split_once(['T', 't', ' ']) {
            Some((date, time)) => Ok(Self {
                date: date.parse()?,
                time: time.parse()?,
            }),
            None => Err(unreadable(text, "a datetime (YYYY-MM-DDTHH:MM:SS.ffffff)")),
        }
    }
}

impl FromStr for DateTime {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(local) = text.strip_suffix(['Z', 'z']) {
            return local.parse::<NaiveDateTime>()?.at_offset(0);
        }
        let wrong = || {
            unreadable(
                text,
                "a datetime with an offset (YYYY-MM-DDTHH:MM:SS.ffffff+HH:MM)",
            )
        };
        let (local, offset) = text
            .len()
            .checked_sub(6)
            .and_then(|at| text.split_at_checked(at))
            .ok_or_else(wrong)?;
        let &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = offset.as_bytes() else {
            return Err(wrong());
        };
        let minutes = match (number(&[h1, h2]), number(&[m1, m2])) {
            (Some(hours @ 0..24), Some(minutes @ 0..60)) => (hours * 60 + minutes) as i16,
            _ => return Err(wrong()),
        };
        local
            .parse::<NaiveDateTime>()?
            .at_offset(if sign == b'-' { -minutes } else { minutes })
    }
}

/// A few ASCII digits (at most nine) as a number.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

fn unreadable(text: &str, expected: &str) -> ValueError {
    ValueError::custom(format_args!("{text:.40?} is not {expected}"))
}

/// Serializes as the text that it displays as.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

macro_rules! serialize_as_tagged_text {
    ($($type:ty => $tag:ident,)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_newtype_struct(marker::$tag, &Shown(self))
            }
        }
    )*};
}

serialize_as_tagged_text! {
    Date => DATE,
    Time => TIME,
    NaiveDateTime => NAIVE_DATETIME,
    DateTime => DATETIME,
}

/// Keys of RFC 9581's duration map.
pub(crate) const SECONDS_KEY: i64 = 1;
pub(crate) const MICROSECONDS_KEY: i64 = -6;

impl Serialize for TimeDelta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Content(TimeDelta);
        impl Serialize for Content {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let part = self.0.microseconds;
                let mut map = serializer.serialize_map(Some(1 + usize::from(part != 0)))?;
                map.serialize_entry(&SECONDS_KEY, &self.0.seconds)?;
                if part != 0 {
                    map.serialize_entry(&MICROSECONDS_KEY, &part)?;
                }
                map.end()
            }
        }
        serializer.serialize_newtype_struct(marker::TIMEDELTA, &Content(*self))
    }
}
