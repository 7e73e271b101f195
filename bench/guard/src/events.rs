//! The paths of events: through `net-proto` to many subscribers and, many at once, to one; and to the function of a subscriber.

use std::collections::VecDeque;
use std::hint::black_box;

use bytes::Bytes;
use net_proto::interests::{Action, Filter, Interests, Who, Wish};
use net_proto::{CallId, Event, InstanceId, Policy, Publication};

use crate::calling::{incoming, quiet, start};
use crate::count::steadily;
use crate::pair::Pair;

const SUBSCRIBERS: usize = 100;
const EVENTS: usize = 64;
const PUBLISHER: InstanceId = InstanceId([1; 16]);

/// A pair of sessions of which the dialer has an interest in the acceptor's events; its wish, and the stream.
fn subscribed() -> (Pair, Interests<()>, CallId) {
    let who = Who {
        id: Some(PUBLISHER),
        addresses: Vec::new(),
        group: None,
        hub: false,
        on_host: true,
    };
    let mut interests = Interests::default();
    let number = interests.declare(Wish {
        event: "alarm".into(),
        keep: 100,
        policy: Policy::DropOldest,
        window: 256 * 1024,
        from: Filter::default(),
    });
    interests.used(PUBLISHER, &who, Some(()));
    let Some(Action::Open { interest, .. }) = interests.poll() else {
        panic!("there is a link, and nobody was asked");
    };
    let mut pair = Pair::connected();
    let asked = pair.dialer.session.interest(&interest);
    let id = asked.expect("there is room");
    interests.opened(PUBLISHER, number, &(), id);
    pair.flow(|_, event| assert!(matches!(event, Event::Interest { .. })));
    (pair, interests, id)
}

fn alarm() -> Publication {
    Publication {
        metadata: Bytes::new(),
        body: Bytes::from_static(b"\x82\x03\x67level 3"),
    }
}

/// An event published to a hundred subscribers, each on a link of its own, which take it.
pub(crate) fn to_many() -> u32 {
    let mut subscribers: Vec<_> = (0..SUBSCRIBERS).map(|_| subscribed()).collect();
    let event = alarm();
    steadily(100, || {
        let mut arrived = 0;
        for (pair, _, id) in &mut subscribers {
            let _ = pair.acceptor.session.publish(*id, &event);
        }
        for (pair, ..) in &mut subscribers {
            pair.flow(|end, event| {
                if let Event::Arrived(event) = event {
                    end.session.taken(event.id, event.charge);
                    arrived += 1;
                }
            });
        }
        assert_eq!(arrived, SUBSCRIBERS);
    })
}

/// Many events published to one subscriber and written at once, up to where its program is given them.
pub(crate) fn many_to_one() -> u32 {
    let (mut pair, mut interests, id) = subscribed();
    let event = alarm();
    steadily(100, || {
        for _ in 0..EVENTS {
            let _ = pair.acceptor.session.publish(id, &event);
        }
        let mut arrivals = VecDeque::new();
        pair.flow(|end, event| {
            if let Event::Arrived(first) = event {
                let input = &mut end.input;
                arrivals = end.session.receive_run(input, first, EVENTS);
            }
        });
        interests.arrived(PUBLISHER, &(), id, arrivals);
        let Some(Action::Deliver(delivery)) = interests.poll() else {
            panic!("nothing is delivered");
        };
        assert_eq!(delivery.arrivals.len(), EVENTS);
        let charge = delivery.arrivals.iter().map(|arrival| arrival.charge).sum();
        pair.dialer.session.taken(id, charge);
    })
}

/// One event as its function has it: from the arguments' bytes on.
pub(crate) fn function() -> u32 {
    let peer = start(quiet().listen(false));
    let subscription = peer.subscribe("alarm").run(|(level,): (u64,)| {
        black_box(level);
    });
    let function = peer.registry().find(subscription.function());
    let function = function.expect("it is registered");
    let event = incoming(&peer, &[0x81, 0x19, 0x03, 0xE8]);
    steadily(1000, || {
        black_box(function.handler.call(&event));
    })
}
