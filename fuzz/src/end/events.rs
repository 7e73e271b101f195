//! What a side's driver knows of events: its own interests and what came for them, those of the other side and what it
//! published to them. What must hold of it is checked here.

use net_proto::limits::{MAX_EVENT, MAX_METADATA, MIN_STREAM_WINDOW};
use net_proto::{
    Arrival, Backlog, CallId, ErrorBody, ErrorCode, Interest, Policy, Publication, Published,
    WhyRefused,
};

use super::{End, LARGEST, filled, is_filled};

/// The streams of events of one side.
#[derive(Default)]
pub(crate) struct Streams {
    /// Our interests that have not ended.
    pub(crate) own: Vec<Own>,
    /// What has come for them and was not looked at.
    pub(crate) fresh: Vec<Arrival>,
    /// What was looked at and is not taken.
    pub(crate) untaken: Vec<Arrival>,
    /// How interests of ours ended that we did not take back.
    pub(crate) ended: Vec<(Own, Option<ErrorBody>)>,
    /// The other side's, in the order in which they came, that are published to.
    pub(crate) wanted: Vec<Wanted>,
    /// Those that came and were not looked at, by a driver that does.
    pub(crate) joined: Vec<(CallId, Interest)>,
    /// Those that were taken back, likewise.
    pub(crate) left: Vec<CallId>,
    /// Those that were ended by us.
    pub(crate) over: Vec<Wanted>,
    /// Bytes that were brought from other links and may be beyond the limit.
    brought: u64,
}

/// An interest of ours.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) id: CallId,
    window: u64,
    /// The number of the last event.
    last: u64,
    /// How many have come.
    pub(crate) count: u64,
}

/// An interest of the other side.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) id: CallId,
    policy: Policy,
    /// The number of the last event that was published.
    last: u64,
    /// How many of them it is to get.
    pub(crate) count: u64,
    /// Whether a body among them was large: it may be left out where many arrive.
    pub(crate) had_large: bool,
    /// The size of the event for which there was no room, until room is told of.
    pub(crate) waits: Option<usize>,
}

/// What an event's payload counts for at the least.
fn size(arrival: &Arrival) -> u64 {
    (8 + arrival.metadata.len() + arrival.body.len()) as u64
}

impl End {
    /// Asks for an event.
    pub(crate) fn subscribe(&mut self, interest: &Interest) -> Result<CallId, WhyRefused> {
        let is_open = self.session.is_connected() && !self.session.is_draining();
        let knows = self
            .hello
            .as_ref()
            .is_some_and(|hello| hello.features.iter().any(|named| named == "events"));
        let asked = self.session.interest(interest);
        match asked {
            Ok(id) => {
                assert!(is_open && knows);
                self.streams.own.push(Own {
                    id,
                    window: interest.window.max(MIN_STREAM_WINDOW),
                    last: interest.after,
                    count: 0,
                });
            }
            Err(WhyRefused::NotConnected) => assert!(!self.session.is_connected()),
            Err(WhyRefused::NotSupported) => assert!(!knows),
            Err(WhyRefused::Draining) => assert!(self.session.is_draining()),
            Err(WhyRefused::TagTooLong { length, .. }) => assert!(length > MAX_EVENT),
            Err(WhyRefused::Blocked) => self.waits_for_room = true,
            Err(why) => panic!("{why}"),
        }
        self.poll();
        asked
    }

    /// Takes an interest back.
    pub(crate) fn lose(&mut self, which: usize) {
        let own = &mut self.streams.own;
        if own.is_empty() {
            return;
        }
        let lost = own.remove(which % own.len());
        self.session.lose_interest(lost.id);
        self.poll();
    }

    /// The program takes one of what came, whichever.
    pub(crate) fn take_one(&mut self, which: usize) {
        self.look_at_arrivals(|_| {});
        let untaken = &mut self.streams.untaken;
        if untaken.is_empty() {
            return;
        }
        let arrival = untaken.remove(which % untaken.len());
        self.session.taken(arrival.id, arrival.charge);
        self.poll();
    }

    /// The program takes this one.
    pub(crate) fn take_arrival(&mut self, arrival: &Arrival) {
        let untaken = &mut self.streams.untaken;
        let which = untaken.iter().position(|one| one == arrival);
        self.take_one(which.expect("it came and was not taken"));
    }

    /// The program takes all that came.
    pub(crate) fn take_all(&mut self) {
        self.look_at_arrivals(|_| {});
        for arrival in std::mem::take(&mut self.streams.untaken) {
            self.session.taken(arrival.id, arrival.charge);
        }
        self.poll();
    }

    /// Looks at what came since.
    pub(crate) fn look_at_arrivals(&mut self, look: impl FnMut(&Arrival)) {
        let streams = &mut self.streams;
        streams.fresh.iter().for_each(look);
        streams.untaken.append(&mut streams.fresh);
    }

    /// Publishes a body that shows its number to one interest of the other side.
    pub(crate) fn publish(&mut self, which: usize, size: usize) {
        let count = self.streams.wanted.len().max(1);
        let Some(wanted) = self.streams.wanted.get(which % count) else {
            return;
        };
        let number = wanted.last.wrapping_add(1);
        let event = Publication {
            metadata: number.to_le_bytes().to_vec().into(),
            body: filled(number as u32, size).into(),
        };
        let _ = self.publish_as(wanted.id, &event);
    }

    /// Publishes an event to one interest of the other side, which has not ended.
    pub(crate) fn publish_as(&mut self, id: CallId, event: &Publication) -> Published {
        let most = self.hello.as_ref().map_or(0, |hello| hello.max_value);
        let is_up = self.failed.is_none();
        let size = event.body.len();
        let published = self.session.publish(id, event);
        let wanted = self.streams.wanted.iter_mut().find(|own| own.id == id);
        let wanted = wanted.expect("it is wanted");
        match published {
            Published::Accepted { dropped } => {
                assert!(dropped == 0 || wanted.policy == Policy::DropOldest);
                wanted.last = wanted.last.saturating_add(1);
                // One that is dropped itself was never counted.
                wanted.count = (wanted.count + 1).checked_sub(dropped).expect("few drops");
                wanted.had_large |= size > net_proto::limits::MAX_BODY;
            }
            Published::TooLarge { .. } => {
                assert!(size as u64 > most);
                wanted.last = wanted.last.saturating_add(1);
            }
            Published::Full => {
                assert_eq!(wanted.policy, Policy::Block);
                wanted.waits = Some(size);
            }
            Published::Gone => assert!(!is_up, "it is wanted"),
        }
        self.poll();
        published
    }

    /// Tries again what was refused, of those that were not told of room: there is none.
    pub(crate) fn check_waiting(&mut self) {
        for wanted in &self.streams.wanted {
            if let Some(size) = wanted.waits {
                let event = Publication {
                    metadata: [0; 8].to_vec().into(),
                    body: vec![0; size].into(),
                };
                let published = self.session.publish(wanted.id, &event);
                assert_eq!(
                    published,
                    Published::Full,
                    "there is room, and nobody was told"
                );
            }
        }
    }

    pub(crate) fn end_interest(&mut self, which: usize) {
        if let Some(wanted) = self.unwanted(which) {
            self.session.end_interest(wanted.id);
            let event = Publication::default();
            let published = self.session.publish(wanted.id, &event);
            assert_eq!(published, Published::Gone);
            self.streams.over.push(wanted);
            self.poll();
        }
    }

    pub(crate) fn refuse(&mut self, which: usize) {
        if let Some(wanted) = self.unwanted(which) {
            let why = ErrorBody::new(ErrorCode::Refused, "not for you");
            self.session.refuse_interest(wanted.id, &why);
            self.poll();
        }
    }

    fn unwanted(&mut self, which: usize) -> Option<Wanted> {
        let wanted = &mut self.streams.wanted;
        (!wanted.is_empty()).then(|| wanted.remove(which % wanted.len()))
    }

    /// Takes out what waits for an interest that goes on elsewhere.
    pub(crate) fn move_away(&mut self, id: CallId) -> Option<(Wanted, Backlog, u64)> {
        let before = self.session.usage().queued;
        let backlog = self.session.move_interest(id);
        let wanted = &mut self.streams.wanted;
        let index = wanted.iter().position(|wanted| wanted.id == id);
        let wanted = match index {
            Some(index) => Some(wanted.remove(index)),
            // What was ended may still have something.
            None => {
                let over = &mut self.streams.over;
                let index = over.iter().position(|over| over.id == id);
                index.map(|index| over.remove(index))
            }
        };
        let bytes = before - self.session.usage().queued;
        self.poll();
        Some((wanted?, backlog?, bytes))
    }

    /// Goes on with what was taken out elsewhere.
    pub(crate) fn resume(&mut self, id: CallId, moved: (Wanted, Backlog, u64)) {
        let (old, backlog, bytes) = moved;
        self.streams.brought += bytes;
        self.session.resume_interest(id, backlog);
        if let Some(new) = self.streams.wanted.iter_mut().find(|new| new.id == id) {
            (new.last, new.count) = (old.last.max(new.last), old.count);
            new.had_large = old.had_large;
        }
        self.poll();
    }

    pub(super) fn interest_came(&mut self, id: CallId, interest: Interest) {
        assert!(interest.keep > 0 && interest.window >= MIN_STREAM_WINDOW);
        let streams = &mut self.streams;
        assert!(
            streams.wanted.iter().all(|wanted| wanted.id < id),
            "newer ones have higher ids"
        );
        streams.wanted.push(Wanted {
            id,
            policy: interest.policy,
            last: interest.after,
            count: 0,
            had_large: false,
            waits: None,
        });
        streams.joined.push((id, interest));
    }

    pub(super) fn interest_left(&mut self, id: CallId) {
        let wanted = &mut self.streams.wanted;
        let before = wanted.len();
        wanted.retain(|wanted| wanted.id != id);
        assert_eq!(
            before,
            wanted.len() + 1,
            "only what is wanted is taken back"
        );
        self.streams.left.push(id);
    }

    pub(super) fn queue_has_room(&mut self, id: CallId) {
        if let Some(wanted) = self.streams.wanted.iter_mut().find(|own| own.id == id) {
            let waited = wanted.waits.take();
            assert!(waited.is_some(), "who waits for nothing is told of room");
        }
    }

    pub(super) fn event_came(&mut self, arrival: Arrival) {
        let mut own = self.streams.own.iter_mut();
        let own = own.find(|own| own.id == arrival.id);
        let own = own.expect("only what is asked for comes");
        assert!(arrival.number > own.last, "in order");
        assert!(arrival.metadata.len() <= MAX_METADATA);
        assert!(arrival.body.len() as u64 <= self.limits.max_value);
        own.last = arrival.number;
        own.count += 1;
        self.streams.fresh.push(arrival);
    }

    pub(super) fn own_interest_ended(&mut self, id: CallId, error: Option<ErrorBody>) {
        let own = &mut self.streams.own;
        let index = own.iter().position(|own| own.id == id);
        let ended = own.remove(index.expect("it has not ended"));
        self.streams.ended.push((ended, error));
    }

    /// What must hold of events at any time.
    pub(super) fn check_events(&self) {
        let streams = &self.streams;
        let (own, theirs) = self.session.interests();
        assert_eq!(own, streams.own.len());
        let most = self.limits.max_interests as usize;
        assert!(streams.wanted.len() <= theirs && theirs <= most);

        // One of any size may wait.
        let one = (LARGEST + MAX_METADATA + 256) as u64;
        let queued = self.session.usage().queued;
        let most = self.limits.max_queued.max(one) + streams.brought;
        assert!(queued <= most, "{queued} bytes wait");

        for own in &streams.own {
            let held = streams.fresh.iter().chain(&streams.untaken);
            let held = held.filter(|arrival| arrival.id == own.id);
            let (mut bytes, mut largest) = (0, 0);
            for arrival in held {
                bytes += size(arrival);
                largest = largest.max(arrival.body.len() as u64);
            }
            assert!(bytes <= own.window + largest, "{bytes} bytes are held");
        }
    }
}

/// Looks whether what came is what was published under its number.
pub(crate) fn check_arrival(arrival: &Arrival) {
    assert_eq!(arrival.metadata, arrival.number.to_le_bytes()[..]);
    assert!(
        is_filled(arrival.number as u32, &arrival.body),
        "another's body"
    );
}
