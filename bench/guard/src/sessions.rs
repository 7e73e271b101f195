//! The paths through `net-proto`: what two sessions do for a call, many calls, a large body, and to begin with.

use net_proto::{Event, Outcome, Outgoing, Payload};

use crate::count::steadily;
use crate::pair::Pair;

/// `[5, 10]`
const SMALL: Payload<'_> = Payload::Borrowed(&[0x82, 5, 10]);

/// Two new sessions, until each knows the other.
pub(crate) fn handshake() -> u32 {
    steadily(100, || {
        Pair::connected();
    })
}

/// One small call and its answer.
pub(crate) fn call() -> u32 {
    let mut pair = Pair::connected();
    steadily(1000, || calls(&mut pair, 1, &SMALL))
}

/// As many small calls written at once, and answered at once.
pub(crate) fn calls_in_flight() -> u32 {
    let mut pair = Pair::connected();
    steadily(100, || calls(&mut pair, 64, &SMALL))
}

/// A call with a body that goes in chunks, against credit.
pub(crate) fn large_body() -> u32 {
    let mut pair = Pair::connected();
    let body = vec![7; 1024 * 1024].into();
    steadily(20, || calls(&mut pair, 1, &body))
}

fn calls(pair: &mut Pair, number: u32, body: &Payload<'_>) {
    let now = pair.now;
    for _ in 0..number {
        let call = Outgoing {
            tag: "app.multiply",
            time_left: None,
            metadata: &[],
            body: body.clone(),
        };
        pair.dialer
            .session
            .call(now, call, ())
            .expect("there is room");
    }
    let mut replies = 0;
    pair.flow(|end, event| match event {
        Event::Call(call) => end.session.reply(call.id, Payload::Borrowed(&[0x18, 50])),
        Event::Ended {
            outcome: Outcome::Reply(_),
            ..
        } => replies += 1,
        event => panic!("{event:?} was not expected"),
    });
    assert_eq!(replies, number);
}
