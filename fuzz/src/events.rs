//! A subscriber and a publisher with several links between them that come, are changed and break, and any sequence of what
//! their drivers may do with [`Interests`] and [`Audience`].
//!
//! Each step takes five bytes: what is done, on which link, how, and a number.

mod drivers;

use std::time::Instant;

use net_proto::audience::Audience;
use net_proto::interests::{Delivery, Filter, Interests, Who, Wish};
use net_proto::{InstanceId, Interest, Limits, Policy, Publication, Published, Side};

use crate::end::{End, LARGEST, MOST_INTERESTS, filled, tight};
use crate::operations::size;
use crate::source::Source;

/// Steps in one input. More find nothing that a second input would not.
const MOST_STEPS: usize = 300;

/// Links that are there at once, and wishes.
const MOST_LINKS: usize = 4;
const MOST_WISHES: usize = 4;

const NAMES: [&str; 2] = ["alarm", "b.c"];

/// The two ends of a link.
const SUBSCRIBER: usize = 0;
const PUBLISHER: usize = 1;
const PEERS: [InstanceId; 2] = [InstanceId([1; 16]), InstanceId([2; 16])];

/// Events come in order and none twice, whatever becomes of the links; and while no link breaks, all that was published
/// comes but for what was counted as dropped.
pub fn events(input: &[u8]) {
    let mut source = Source::new(input);
    let mut world = World::new();
    let mut steps = 0;
    while !source.is_empty() && steps < MOST_STEPS {
        steps += 1;
        world.step(&mut source);
        world.check();
    }
    world.settle();
}

struct World {
    now: Instant,
    links: Vec<Link>,
    next_link: u32,
    in_use: Option<u32>,
    interests: Interests<u32>,
    audience: Audience<u32>,
    /// Interests for which their link had no room.
    blocked: Vec<(u32, Interest)>,
    wishes: Vec<Wished>,
    /// What was delivered and is not taken.
    inbox: Vec<Delivery<u32>>,
    /// The number of the last event that was published, to whomever.
    serial: u64,
    refuses: bool,
}

struct Link {
    number: u32,
    /// Each until that side has closed.
    ends: [Option<End>; 2],
    /// Bytes under way from each end.
    wires: [Vec<u8>; 2],
}

/// What is known of a wish.
#[derive(Debug)]
struct Wished {
    number: u64,
    /// The last event that was delivered.
    last: u64,
    delivered: u64,
    missed: u64,
    /// Events published to it, and those of them that were dropped.
    published: u64,
    dropped: u64,
    /// Whether a link broke or the publisher had enough of it: then some may be lost and not counted.
    is_disturbed: bool,
}

impl Link {
    fn end(&mut self, which: usize) -> Option<&mut End> {
        self.ends[which].as_mut()
    }

    /// Whether the subscriber may open an interest on it.
    fn is_usable(&self) -> bool {
        let end = self.ends[SUBSCRIBER].as_ref();
        end.is_some_and(|end| end.session.is_connected() && !end.session.is_draining())
    }
}

impl World {
    fn new() -> Self {
        Self {
            now: Instant::now(),
            links: Vec::new(),
            next_link: 0,
            in_use: None,
            interests: Interests::default(),
            audience: Audience::default(),
            blocked: Vec::new(),
            wishes: Vec::new(),
            inbox: Vec::new(),
            serial: 0,
            refuses: false,
        }
    }

    fn step(&mut self, source: &mut Source<'_>) {
        let (what, which, how) = (source.byte() % 20, source.byte(), source.byte());
        let number = source.short();
        let index = usize::from(which >> 1) % self.links.len().max(1);
        let side = usize::from(which & 1);
        match what {
            0 => self.open_link(how),
            1 => {
                let usable: Vec<_> = self.usable().collect();
                let link = usable.get(usize::from(which) % (usable.len() + 1)).copied();
                self.use_link(link);
            }
            2 | 3 => self.write(index, side, usize::from(number) * 8),
            4 | 5 => self.deliver(index, side, usize::from(number) * 8),
            6 => self.flow(),
            7 | 8 => self.publish(NAMES[usize::from(which & 1)], size(how, number)),
            9 => {
                for _ in 0..how % 32 {
                    self.publish(NAMES[usize::from(which & 1)], number.into());
                }
            }
            10 => self.take(number.into()),
            11 => {
                while !self.inbox.is_empty() {
                    self.take(0);
                }
            }
            12 => self.declare(which, how),
            13 => self.withdraw(number.into()),
            14 => self.cut(index, side),
            15 => {
                self.cut(index, SUBSCRIBER);
                self.cut(index, PUBLISHER);
            }
            16 => self.goodbye(index, side),
            17 => self.refuses = how & 1 != 0,
            18 => self.end_all(index),
            _ => {
                // As it is where two links were made and one is drained.
                self.open_link(how);
                self.flow();
                let newest = self.usable().last();
                self.use_link(newest);
                self.goodbye(0, side);
            }
        }
    }

    fn usable(&self) -> impl Iterator<Item = u32> {
        let usable = self.links.iter().filter(|link| link.is_usable());
        usable.map(|link| link.number)
    }

    fn link(&mut self, number: u32) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.number == number)
    }

    fn subscriber(&mut self, link: u32) -> Option<&mut End> {
        self.link(link)?.end(SUBSCRIBER)
    }

    fn open_link(&mut self, how: u8) {
        if self.links.len() == MOST_LINKS {
            return;
        }
        let limits = Limits {
            // All large ones may come at once, so that none is left out.
            max_arriving: (LARGEST as u64) * u64::from(MOST_INTERESTS),
            ..tight(1)
        };
        let sides = match how & 1 {
            0 => [Side::Dialer, Side::Acceptor],
            _ => [Side::Acceptor, Side::Dialer],
        };
        self.links.push(Link {
            number: self.next_link,
            ends: sides.map(|side| Some(End::plain(side, limits.clone(), self.now))),
            wires: Default::default(),
        });
        self.next_link += 1;
    }

    fn use_link(&mut self, link: Option<u32>) {
        self.in_use = link;
        let who = Who {
            id: Some(PEERS[PUBLISHER]),
            addresses: Vec::new(),
            group: None,
            hub: false,
            on_host: true,
        };
        self.interests.used(PEERS[PUBLISHER], &who, link);
        self.carry_out();
    }

    fn declare(&mut self, which: u8, how: u8) {
        if self.wishes.len() == MOST_WISHES {
            return;
        }
        let number = self.interests.declare(Wish {
            event: NAMES[usize::from(which & 1)].into(),
            keep: u32::from(how >> 2),
            policy: [Policy::DropOldest, Policy::Block][usize::from(how & 1)],
            window: u64::from(how & 2) << 17,
            from: Filter::default(),
        });
        self.wishes.push(Wished {
            number,
            last: 0,
            delivered: 0,
            missed: 0,
            published: 0,
            dropped: 0,
            is_disturbed: false,
        });
        self.carry_out();
    }

    fn withdraw(&mut self, which: usize) {
        if self.wishes.is_empty() {
            return;
        }
        let wished = self.wishes.remove(which % self.wishes.len());
        assert!(self.interests.withdraw(wished.number).is_some());
        self.inbox.retain(|delivery| delivery.wish != wished.number);
        self.blocked
            .retain(|(_, interest)| interest.number != wished.number);
        self.carry_out();
    }

    /// The subscriber's program takes what was delivered.
    fn take(&mut self, which: usize) {
        if self.inbox.is_empty() {
            return;
        }
        let taken = self.inbox.remove(which % self.inbox.len());
        if let Some(end) = self.subscriber(taken.link) {
            let arrivals = taken.arrivals.iter();
            arrivals.for_each(|arrival| end.take_arrival(arrival));
        }
        self.look();
    }

    fn publish(&mut self, event: &str, size: usize) {
        self.serial += 1;
        let publication = Publication {
            metadata: self.serial.to_le_bytes().to_vec().into(),
            body: filled(self.serial as u32, size).into(),
        };
        for member in self.audience.of(event) {
            let mut links = self.links.iter_mut();
            let link = links.find(|link| link.number == member.link);
            let end = link.and_then(|link| link.end(PUBLISHER));
            let end = end.expect("who is lost is no member");
            // Else it was ended.
            if !end
                .streams
                .wanted
                .iter()
                .any(|wanted| wanted.id == member.id)
            {
                continue;
            }
            let published = end.publish_as(member.id, &publication);
            let mut wishes = self.wishes.iter_mut();
            let Some(wished) = wishes.find(|wished| wished.number == member.number) else {
                continue;
            };
            match published {
                Published::Accepted { dropped } => {
                    wished.published += 1;
                    wished.dropped += dropped;
                }
                Published::TooLarge { .. } => {
                    wished.published += 1;
                    wished.dropped += 1;
                }
                Published::Full => {}
                Published::Gone => panic!("a link that works"),
            }
        }
    }

    fn write(&mut self, index: usize, side: usize, room: usize) {
        if let Some(link) = self.links.get_mut(index)
            && let Some(end) = &mut link.ends[side]
        {
            end.write(room, &mut link.wires[side]);
        }
        self.look();
    }

    fn deliver(&mut self, index: usize, side: usize, most: usize) {
        let now = self.now;
        if let Some(link) = self.links.get_mut(index) {
            let wire = &mut link.wires[side];
            let rest = wire.split_off(most.min(wire.len()));
            let bytes = std::mem::replace(wire, rest);
            if let Some(end) = link.end(1 - side)
                && !bytes.is_empty()
            {
                end.read(now, &bytes);
                assert_eq!(end.failed, None, "between honest sides");
            }
        }
        self.look();
    }

    /// Writes and delivers until nothing is under way.
    fn flow(&mut self) {
        loop {
            let mut moved = 0;
            for index in 0..self.links.len() {
                for side in [SUBSCRIBER, PUBLISHER] {
                    self.write(index, side, usize::MAX / 2);
                    moved += self.links[index].wires[side].len();
                    self.deliver(index, side, usize::MAX);
                }
            }
            if moved == 0 {
                break;
            }
        }
        for link in &mut self.links {
            if let Some(end) = link.end(PUBLISHER) {
                end.check_waiting();
            }
        }
    }

    /// One side finds a link broken. What it sent before may still come.
    fn cut(&mut self, index: usize, side: usize) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        let Some(end) = link.ends[side].take() else {
            return;
        };
        end.close();
        let number = link.number;
        if link.ends.iter().all(Option::is_none) {
            self.links.remove(index);
        }
        for wished in &mut self.wishes {
            wished.is_disturbed = true;
        }
        if side == PUBLISHER {
            self.audience.lost(&number);
            return;
        }
        self.leave(number);
        self.blocked.retain(|(on, _)| *on != number);
        self.interests.lost(PEERS[PUBLISHER], &number);
        self.carry_out();
    }

    /// A link is not to be used any more.
    fn leave(&mut self, number: u32) {
        if self.in_use == Some(number) {
            let other = self.usable().find(|usable| *usable != number);
            self.use_link(other);
        }
    }

    fn goodbye(&mut self, index: usize, side: usize) {
        let Some(link) = self.links.get(index) else {
            return;
        };
        let number = link.number;
        if side == SUBSCRIBER {
            self.leave(number);
        }
        if let Some(end) = self.links[index].end(side) {
            end.goodbye("there is another link between us");
        }
        self.look();
    }

    /// The publisher ends all that is on a link.
    fn end_all(&mut self, index: usize) {
        if let Some(link) = self.links.get_mut(index)
            && let Some(end) = link.end(PUBLISHER)
        {
            while !end.streams.wanted.is_empty() {
                end.end_interest(0);
                for wished in &mut self.wishes {
                    wished.is_disturbed = true;
                }
            }
        }
        self.look();
    }

    fn check(&self) {
        for end in self.links.iter().flat_map(|link| &link.ends).flatten() {
            end.check();
        }
    }

    /// Every side notices what is broken, and there is a link: all is subscribed to on that, and comes.
    fn settle(&mut self) {
        self.refuses = false;
        for index in (0..self.links.len()).rev() {
            if self.links[index].ends.iter().any(Option::is_none) {
                self.cut(index, SUBSCRIBER);
                if index < self.links.len() {
                    self.cut(index, PUBLISHER);
                }
            }
        }
        self.take_and_flow();
        if self.usable().next().is_none() {
            while self.links.len() >= MOST_LINKS {
                self.cut(0, SUBSCRIBER);
                self.cut(0, PUBLISHER);
            }
            self.open_link(0);
            self.take_and_flow();
        }
        let newest = self.usable().last();
        self.use_link(newest);
        self.take_and_flow();
        // So that what was dropped last shows too.
        NAMES.iter().for_each(|name| self.publish(name, 1));
        self.take_and_flow();

        let wishes = self.wishes.len();
        for link in &self.links {
            let expected = if Some(link.number) == newest {
                wishes
            } else {
                0
            };
            for (side, end) in link.ends.iter().flatten().enumerate() {
                let interests = end.session.interests();
                let here = [interests.0, interests.1][side];
                assert!(here == expected || self.wishes.iter().any(|w| w.is_disturbed));
                assert_eq!(end.session.usage().queued, 0);
                assert!(end.streams.wanted.iter().all(|own| own.waits.is_none()));
            }
        }
        for wished in &self.wishes {
            if !wished.is_disturbed {
                assert_eq!(wished.missed, wished.dropped, "{wished:?}");
                assert_eq!(
                    wished.delivered + wished.missed,
                    wished.published,
                    "{wished:?}"
                );
            }
        }
        while !self.wishes.is_empty() {
            self.withdraw(0);
        }
        self.flow();
        for end in self.links.iter().flat_map(|link| &link.ends).flatten() {
            assert_eq!(end.session.interests(), (0, 0));
        }
    }

    fn take_and_flow(&mut self) {
        for _ in 0..30 {
            self.flow();
            while !self.inbox.is_empty() {
                self.take(0);
            }
        }
    }
}
