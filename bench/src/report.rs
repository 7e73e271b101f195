//! What the driver and its processes say to each other: orders down, `name=value` lines back, one line each.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What either side of the bench can fail with: the run ends, and says why.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a client is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// Small calls, one at a time.
    Latency { calls: usize },
    /// Small calls, so many in flight all the time.
    Flight { window: usize, calls: usize },
    /// Values of that size, there and back, one at a time.
    Echo { size: usize, calls: usize },
}

impl Order {
    pub(crate) fn calls(self) -> usize {
        match self {
            Self::Latency { calls } | Self::Flight { calls, .. } | Self::Echo { calls, .. } => {
                calls
            }
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { calls } => write!(f, "latency {calls}"),
            Self::Flight { window, calls } => write!(f, "flight {window} {calls}"),
            Self::Echo { size, calls } => write!(f, "echo {size} {calls}"),
        }
    }
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["latency", calls] => Ok(Self::Latency {
                calls: calls.parse()?,
            }),
            ["flight", window, calls] => Ok(Self::Flight {
                window: window.parse()?,
                calls: calls.parse()?,
            }),
            ["echo", size, calls] => Ok(Self::Echo {
                size: size.parse()?,
                calls: calls.parse()?,
            }),
            _ => Err(format!("{line:?} is no order").into()),
        }
    }
}

/// What came of an order, by the client that carried it out.
pub(crate) struct Done {
    /// All of it.
    pub(crate) took: Duration,
    /// The median call, where calls went one at a time.
    pub(crate) p50: Option<Duration>,
}

impl Done {
    /// From the time of each call.
    pub(crate) fn of_each(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self {
            took: times.iter().sum(),
            p50: times.get(times.len() / 2).copied(),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "took={}", self.took.as_secs_f64() * 1e6)?;
        match self.p50 {
            Some(p50) => write!(f, " p50={}", p50.as_secs_f64() * 1e6),
            None => Ok(()),
        }
    }
}

/// A line of `name=value`, as the driver reads it. Times are in microseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report(BTreeMap<String, f64>);

impl Report {
    /// A value that this report must have.
    pub(crate) fn get(&self, name: &str) -> Result<f64, Error> {
        self.find(name)
            .ok_or_else(|| format!("a process did not report {name:?}: {:?}", self.0).into())
    }

    /// A value that only some processes report.
    pub(crate) fn find(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }
}

impl FromStr for Report {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let pair = |word: &str| -> Result<(String, f64), Error> {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| format!("{line:?} is no report"))?;
            Ok((name.to_owned(), value.parse()?))
        };
        line.split_whitespace()
            .map(pair)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}
