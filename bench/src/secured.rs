//! What a group's key costs: calls over TLS beside the same over plain TCP, and beside a bare socket with TLS over it.

use std::path::Path;

use lines::{Error, Order, Transport};

use crate::Kind;
use crate::child::Wrap;
use crate::suite::{
    FLIGHT_CALLS, LARGE, LATENCY, MIB, Paper, WARM_UP, WINDOWS, compare, costs, pairs, take_turns,
};

pub(crate) fn run(
    paper: &mut Paper,
    dir: &Path,
    pinned: &Wrap,
    rounds: usize,
) -> Result<(), Error> {
    latency(paper, dir, pinned, rounds)?;
    let kinds = [Kind::NetTls, Kind::Net, Kind::StdTls];
    let mut pairs = pairs(&kinds, Transport::Tcp, dir, &Wrap::default())?;
    let (window, calls) = (WINDOWS[0], FLIGHT_CALLS);
    let order = Order::Flight { window, calls };
    let ours = &mut pairs[..2];
    take_turns(ours, order, 1);
    let taken = take_turns(ours, order, rounds);
    paper.print(&format!(
        "\ntls: {window} small calls in flight on one link, calls/s"
    ))?;
    compare(paper, ours, &taken, &[(0, 1)], |round| {
        Ok(calls as f64 / round.client.get("took")? * 1e6)
    })?;
    costs(paper, ours, &taken, order)?;
    for (mib, calls) in LARGE {
        let size = mib * MIB;
        let order = Order::Echo { size, calls };
        take_turns(&mut pairs, order, 1);
        let taken = take_turns(&mut pairs, order, rounds);
        paper.print(&format!(
            "\ntls: a value of {mib} MiB there and back, MB/s (its size by the time)"
        ))?;
        compare(paper, &pairs, &taken, &[(0, 1), (0, 2)], |round| {
            Ok((size * calls) as f64 / round.client.get("took")?)
        })?;
    }
    Ok(())
}

fn latency(paper: &mut Paper, dir: &Path, pinned: &Wrap, rounds: usize) -> Result<(), Error> {
    let kinds = [
        Kind::NetTls,
        Kind::Net,
        Kind::NetTlsWait,
        Kind::NetWait,
        Kind::StdTls,
        Kind::Std,
    ];
    let mut pairs = pairs(&kinds, Transport::Tcp, dir, pinned)?;
    take_turns(&mut pairs, WARM_UP, 1);
    let taken = take_turns(&mut pairs, LATENCY, rounds);
    paper.print("\ntls: one small call at a time, both ends on one core, p50 in µs")?;
    let couples = [(0, 1), (2, 3), (4, 5), (0, 4), (2, 4)];
    compare(paper, &pairs, &taken, &couples, |round| {
        round.client.get("p50")
    })?;
    costs(paper, &pairs, &taken, LATENCY)
}
