//! What the driver and its processes say to each other: orders down, `name=value` lines back, one line each.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What either side of the bench can fail with: the run ends, and says why.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a client is to do.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "each variant says what its numbers are")]
pub enum Order {
    /// Small calls, one at a time.
    Latency { calls: usize },
    /// Small calls, so many in flight all the time.
    Flight { window: usize, calls: usize },
    /// Values of that size, there and back, one at a time.
    Echo { size: usize, calls: usize },
    /// Small calls over so many links in turn.
    Links { links: usize, calls: usize },
    /// Small calls of so many functions in turn.
    Functions { functions: usize, calls: usize },
    /// Events of one publisher to so many subscribers, each on a link of its own.
    Events { subscribers: usize, events: usize },
}

impl Order {
    /// How many calls it is; of events, how many are delivered.
    #[must_use]
    pub fn calls(self) -> usize {
        match self {
            Self::Latency { calls }
            | Self::Flight { calls, .. }
            | Self::Echo { calls, .. }
            | Self::Links { calls, .. }
            | Self::Functions { calls, .. } => calls,
            Self::Events {
                subscribers,
                events,
            } => subscribers * events,
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { calls } => write!(f, "latency {calls}"),
            Self::Flight { window, calls } => write!(f, "flight {window} {calls}"),
            Self::Echo { size, calls } => write!(f, "echo {size} {calls}"),
            Self::Links { links, calls } => write!(f, "links {links} {calls}"),
            Self::Functions { functions, calls } => write!(f, "functions {functions} {calls}"),
            Self::Events {
                subscribers,
                events,
            } => write!(f, "events {subscribers} {events}"),
        }
    }
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let (name, numbers) = line.split_once(' ').unwrap_or((line, ""));
        let numbers: Vec<usize> = numbers
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(match (name, numbers.as_slice()) {
            ("latency", &[calls]) => Self::Latency { calls },
            ("flight", &[window, calls]) => Self::Flight { window, calls },
            ("echo", &[size, calls]) => Self::Echo { size, calls },
            ("links", &[links, calls]) => Self::Links { links, calls },
            ("functions", &[functions, calls]) => Self::Functions { functions, calls },
            ("events", &[subscribers, events]) => Self::Events {
                subscribers,
                events,
            },
            _ => return Err(format!("{line:?} is no order").into()),
        })
    }
}

/// What came of an order, by the client that carried it out.
pub struct Done {
    took: Duration,
    /// Of the calls that were timed, from the shortest to the longest.
    times: Vec<Duration>,
}

impl Done {
    /// From the time of all, and those of single calls.
    #[must_use]
    pub fn of(took: Duration, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { took, times }
    }

    /// From the time of each call, where they went one at a time.
    #[must_use]
    pub fn of_each(times: Vec<Duration>) -> Self {
        Self::of(times.iter().sum(), times)
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        write!(f, "took={}", micros(self.took))?;
        for (name, part) in [("p50", 50), ("p99", 99)] {
            if let Some(time) = self.times.get(self.times.len() * part / 100) {
                write!(f, " {name}={}", micros(*time))?;
            }
        }
        Ok(())
    }
}

/// A line of `name=value`, as the driver reads it, or of `cannot` and why. Times are in microseconds.
#[derive(Debug, Clone)]
pub struct Report {
    values: BTreeMap<String, f64>,
    /// Why the order was not carried out.
    cannot: Option<String>,
}

impl Report {
    /// Of an order that was not carried out.
    #[must_use]
    pub fn cannot(why: impl ToString) -> Self {
        Self {
            values: BTreeMap::new(),
            cannot: Some(why.to_string()),
        }
    }

    /// A value that this report must have.
    ///
    /// # Errors
    ///
    /// It has not, or the order was not carried out.
    pub fn get(&self, name: &str) -> Result<f64, Error> {
        match (&self.cannot, self.find(name)) {
            (Some(why), _) => Err(why.clone().into()),
            (None, Some(value)) => Ok(value),
            (None, None) => {
                Err(format!("a process did not report {name:?}: {:?}", self.values).into())
            }
        }
    }

    /// A value that only some processes report.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }
}

impl FromStr for Report {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        if let Some(why) = line.strip_prefix("cannot ") {
            return Ok(Self::cannot(why));
        }
        let pair = |word: &str| -> Result<(String, f64), Error> {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| format!("{line:?} is no report"))?;
            Ok((name.to_owned(), value.parse()?))
        };
        Ok(Self {
            values: line
                .split_whitespace()
                .map(pair)
                .collect::<Result<_, _>>()?,
            cannot: None,
        })
    }
}
