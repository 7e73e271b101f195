//! The paths through `net-proto`: what two sessions do for a call, many calls, a large body, an event, and to begin with.

use bytes::Bytes;
use net_proto::{Event, Interest, Outcome, Outgoing, Payload, Policy, Publication};

use crate::count::steadily;
use crate::pair::Pair;

/// `[5, 10]`
const SMALL: Payload<'_> = Payload::Borrowed(&[0x82, 5, 10]);
const SUBSCRIBERS: usize = 100;

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
    pair.flow(|session, event| match event {
        Event::Call(call) => session.reply(call.id, Payload::Borrowed(&[0x18, 50])),
        Event::Ended {
            outcome: Outcome::Reply(_),
            ..
        } => replies += 1,
        event => panic!("{event:?} was not expected"),
    });
    assert_eq!(replies, number);
}

/// An event published to a hundred subscribers, each on a link of its own, which take it.
pub(crate) fn event_to_many() -> u32 {
    let interest = Interest {
        event: "alarm".into(),
        number: 1,
        keep: 100,
        policy: Policy::DropOldest,
        window: 256 * 1024,
        after: 0,
        turn: 1,
    };
    let subscribe = |_| {
        let mut pair = Pair::connected();
        pair.dialer
            .session
            .interest(&interest)
            .expect("there is room");
        let mut id = None;
        pair.flow(|_, event| {
            if let Event::Interest { id: theirs, .. } = event {
                id = Some(theirs);
            }
        });
        (pair, id.expect("the interest has come"))
    };
    let mut subscribers: Vec<_> = (0..SUBSCRIBERS).map(subscribe).collect();
    let event = Publication {
        metadata: Bytes::new(),
        body: Bytes::from_static(b"\x82\x03\x67level 3"),
    };
    steadily(100, || {
        let mut arrived = 0;
        for (pair, id) in &mut subscribers {
            let _ = pair.acceptor.session.publish(*id, &event);
        }
        for (pair, _) in &mut subscribers {
            pair.flow(|session, event| {
                if let Event::Arrived(event) = event {
                    session.taken(event.id, event.charge);
                    arrived += 1;
                }
            });
        }
        assert_eq!(arrived, SUBSCRIBERS);
    })
}
