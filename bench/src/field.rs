//! Who is compared: ours first, then the rivals, which another program has; and the table of them.

use std::path::Path;
use std::process::Command;

use lines::{Error, Transport};

use crate::Kind;
use crate::child::{Pair, Round, Wrap};
use crate::suite::Paper;
use crate::table::{Table, number, spread};

/// All rivals, as their program names them.
pub(crate) const ALL: [&str; 4] = ["tarpc", "tonic", "capnp", "nats"];

/// Where the processes of ours and of the rivals come from.
pub(crate) struct Field<'a> {
    program: Option<&'a str>,
    versions: String,
    dir: &'a Path,
}

/// Those of them that were started.
pub(crate) struct Started {
    /// Ours is the first.
    pub(crate) pairs: Vec<Pair>,
    /// The others, and why not.
    missing: Vec<(String, String)>,
}

impl<'a> Field<'a> {
    pub(crate) fn find(program: Option<&'a str>, dir: &'a Path) -> Result<Self, Error> {
        let versions = match program {
            None => "nothing, no --rivals was given (`make bench` gives it)".to_owned(),
            Some(program) => {
                let said = Command::new(program).arg("versions").output();
                let said = said.map_err(|error| format!("{program}: {error}"))?;
                String::from_utf8(said.stdout)?.trim().to_owned()
            }
        };
        Ok(Self {
            program,
            versions,
            dir,
        })
    }

    /// Of the rivals.
    pub(crate) fn versions(&self) -> &str {
        &self.versions
    }

    /// Starts ours and some rivals.
    pub(crate) fn start(
        &self,
        rivals: &[&str],
        transport: Transport,
        wrap: &Wrap,
    ) -> Result<Started, Error> {
        let mut started = Started {
            pairs: vec![self.ours(transport, wrap)?],
            missing: Vec::new(),
        };
        for rival in rivals {
            match self.rival(rival, transport, wrap) {
                None => {}
                Some(Ok(pair)) => started.pairs.push(pair),
                Some(Err(why)) => {
                    let missing = ((*rival).to_owned(), why.to_string());
                    started.missing.push(missing);
                }
            }
        }
        Ok(started)
    }

    pub(crate) fn ours(&self, transport: Transport, wrap: &Wrap) -> Result<Pair, Error> {
        let dir = tempfile::tempdir_in(self.dir)?.keep();
        let mut pair = Pair::start(Kind::Net, transport, &dir, wrap)?;
        pair.label = "app-net".to_owned();
        Ok(pair)
    }

    /// None if there is no program for rivals.
    pub(crate) fn rival(
        &self,
        name: &str,
        transport: Transport,
        wrap: &Wrap,
    ) -> Option<Result<Pair, Error>> {
        let program = self.program?;
        let start = || {
            let dir = tempfile::tempdir_in(self.dir)?.keep();
            let words = |words: &[&str]| -> Vec<String> {
                let words = std::iter::once(&program).chain(words);
                words.map(|word| (*word).to_owned()).collect()
            };
            let server = words(&["serve", name, transport.name(), &dir.to_string_lossy()]);
            let client = |address: &str| words(&["ask", name, address]);
            Pair::of(name, &server, client, wrap)
        };
        Some(start())
    }
}

impl Started {
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|pair| pair.label.as_str())
    }

    /// One measure of all: the medians, and the ratios to ours of neighbouring rounds. Below it, who could not, and why.
    pub(crate) fn print(
        &self,
        paper: &mut Paper,
        title: &str,
        taken: &[Vec<Round>],
        measure: impl Fn(&Round) -> Result<f64, Error>,
    ) -> Result<(), Error> {
        let mut table = Table::new(&["", title, "rival / ours", "(least-most)"]);
        let mut missing = self.missing.clone();
        let ours = values(&taken[0], &measure)?;
        for (pair, rounds) in self.pairs.iter().zip(taken) {
            match values(rounds, &measure) {
                Ok(values) => {
                    let mut row = vec![pair.label.clone(), number(spread(values.clone()).0)];
                    if pair.label != self.pairs[0].label {
                        let ratios = values.iter().zip(&ours).map(|(rival, ours)| rival / ours);
                        let (ratio, least, most) = spread(ratios);
                        row.push(number(ratio));
                        row.push(format!("({}-{})", number(least), number(most)));
                    }
                    table.row(row);
                }
                Err(why) => missing.push((pair.label.clone(), why.to_string())),
            }
        }
        for (rival, _) in &missing {
            table.row(vec![rival.clone(), "cannot".to_owned()]);
        }
        paper.print(table.to_string().trim_end())?;
        self.print_missing(paper, &missing[self.missing.len()..])
    }

    /// Says why those that are missing are.
    fn print_missing(&self, paper: &mut Paper, more: &[(String, String)]) -> Result<(), Error> {
        for (rival, why) in self.missing.iter().chain(more) {
            paper.print(&format!("  {rival} cannot: {why}"))?;
        }
        Ok(())
    }
}

/// A measure of each round, if all have it.
pub(crate) fn values(
    rounds: &[Round],
    measure: impl Fn(&Round) -> Result<f64, Error>,
) -> Result<Vec<f64>, Error> {
    rounds.iter().map(measure).collect()
}
