//! What is paid for nothing: the processor time of a server that nobody calls, and the time until it can be called.

use std::thread;
use std::time::{Duration, Instant};

use lines::{Error, Order, Transport};

use crate::child::{Pair, Wrap};
use crate::field::{ALL, Field};
use crate::suite::Paper;
use crate::table::{Table, number, spread};

/// How long the servers are left alone.
const ALONE: Duration = Duration::from_secs(10);
/// Starts that the medians are of.
const STARTS: usize = 11;

pub(crate) fn run(paper: &mut Paper, field: &Field<'_>) -> Result<(), Error> {
    let mut started = field.start(&ALL, Transport::Tcp, &Wrap::default())?;
    for pair in &mut started.pairs {
        pair.server_used()?;
    }
    thread::sleep(ALONE);
    paper.print(&format!(
        "\ntcp: a server with one link that is idle for {ALONE:?}"
    ))?;
    let mut table = Table::new(&["", "cpu ms", "waits", "resident MiB"]);
    for pair in &mut started.pairs {
        let used = pair.server_used()?;
        table.row(vec![
            pair.label.clone(),
            number(used.get("cpu")? / 1e3),
            number(used.get("waits")?),
            number(used.get("resident")? / 1024.0 / 1024.0),
        ]);
    }
    paper.print(table.to_string().trim_end())?;
    drop(started);

    paper.print(&format!(
        "\ntcp: from the start of a server's process, median of {STARTS} in ms"
    ))?;
    let heading = [
        "",
        "until it listens",
        "until a client, started then, has its answer",
    ];
    let mut table = Table::new(&heading);
    let free = Wrap::default();
    starts(&mut table, || field.ours(Transport::Tcp, &free))?;
    for rival in ALL {
        if field
            .rival(rival, Transport::Tcp, &free)
            .is_some_and(|pair| pair.is_ok())
        {
            let start = || {
                field
                    .rival(rival, Transport::Tcp, &free)
                    .ok_or("no rivals")?
            };
            starts(&mut table, start)?;
        }
    }
    paper.print(table.to_string().trim_end())
}

fn starts(table: &mut Table, start: impl Fn() -> Result<Pair, Error>) -> Result<(), Error> {
    let (mut listening, mut answered, mut label) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut pair = start()?;
        pair.round(Order::Latency { calls: 1 })?;
        answered.push(begun.elapsed().as_secs_f64() * 1e3);
        listening.push(pair.listening_after.as_secs_f64() * 1e3);
        label.clone_from(&pair.label);
    }
    table.row(vec![
        label,
        number(spread(listening).0),
        number(spread(answered).0),
    ]);
    Ok(())
}
