//! The same calls and events done with other libraries, beside ours.

use lines::{Error, Order, Transport};

use crate::child::Wrap;
use crate::field::{ALL, Field};
use crate::suite::{LARGE, LATENCY, MIB, Paper, WARM_UP, WINDOWS, take_turns};

/// Small calls of one round where many are in flight: fewer than beside the bare sockets, as some rivals take longer.
const FLIGHT_CALLS: usize = 40_000;
/// One publisher, so many subscribers on a link each, so many events of each round.
const EVENTS: Order = Order::Events {
    subscribers: 100,
    events: 1_000,
};

/// Small calls one at a time and many in flight, and large values.
pub(crate) fn run(
    paper: &mut Paper,
    field: &Field<'_>,
    pinned: &Wrap,
    rounds: usize,
) -> Result<(), Error> {
    for transport in Transport::ALL {
        let name = transport.name();
        let mut started = field.start(&ALL, transport, pinned)?;
        take_turns(&mut started.pairs, WARM_UP, 1);
        let taken = take_turns(&mut started.pairs, LATENCY, rounds);
        paper.print(&format!(
            "\n{name}: one small call at a time, all processes on one core"
        ))?;
        started.print(paper, "p50 in µs", &taken, |round| round.client.get("p50"))?;

        let mut started = field.start(&ALL, transport, &Wrap::default())?;
        for window in WINDOWS {
            let calls = FLIGHT_CALLS;
            let order = Order::Flight { window, calls };
            take_turns(&mut started.pairs, order, 1);
            let taken = take_turns(&mut started.pairs, order, rounds);
            paper.print(&format!(
                "\n{name}: {window} small calls in flight on one link"
            ))?;
            started.print(paper, "calls/s", &taken, |round| {
                Ok(calls as f64 / round.client.get("took")? * 1e6)
            })?;
        }
        for (mib, calls) in LARGE {
            let size = mib * MIB;
            let order = Order::Echo { size, calls };
            take_turns(&mut started.pairs, order, 1);
            let taken = take_turns(&mut started.pairs, order, rounds);
            paper.print(&format!("\n{name}: a value of {mib} MiB there and back"))?;
            started.print(paper, "MB/s", &taken, |round| {
                Ok((size * calls) as f64 / round.client.get("took")?)
            })?;
        }
    }
    Ok(())
}

/// One publisher, many subscribers.
pub(crate) fn events(paper: &mut Paper, field: &Field<'_>, rounds: usize) -> Result<(), Error> {
    let mut started = field.start(&["nats"], Transport::Tcp, &Wrap::default())?;
    take_turns(&mut started.pairs, EVENTS, 1);
    let taken = take_turns(&mut started.pairs, EVENTS, rounds);
    paper.print("\ntcp: events of one publisher to 100 subscribers on 100 links, none dropped")?;
    started.print(paper, "deliveries/s", &taken, |round| {
        Ok(EVENTS.calls() as f64 / round.client.get("took")? * 1e6)
    })
}
