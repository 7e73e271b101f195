//! What the drivers of both sides do by themselves, as those in `net` do it: each event of a session is handed to
//! [`Interests`](net_proto::interests::Interests) or [`Audience`](net_proto::audience::Audience), and what these ask for is done. Not what is done of
//! somebody's own accord.

use net_proto::audience::{Joined, Member};
use net_proto::interests::{Action, Delivery};
use net_proto::{CallId, Interest, WhyRefused};

use super::{PEERS, PUBLISHER, SUBSCRIBER, World};
use crate::end::is_filled;

impl World {
    /// Does what the events of the sessions ask for.
    pub(super) fn look(&mut self) {
        for index in 0..self.links.len() {
            self.look_as_publisher(index);
            self.look_as_subscriber(index);
        }
        self.carry_out();
    }

    fn look_as_publisher(&mut self, index: usize) {
        let number = self.links[index].number;
        let Some(end) = self.links[index].end(PUBLISHER) else {
            return;
        };
        let joined = std::mem::take(&mut end.streams.joined);
        let left = std::mem::take(&mut end.streams.left);
        for (id, interest) in joined {
            if self.refuses {
                self.refuse(index, id);
                continue;
            }
            let new = Member {
                link: number,
                id,
                peer: PEERS[SUBSCRIBER],
                number: interest.number,
                turn: interest.turn,
            };
            let old = match self.audience.joined(&interest.event, new) {
                Joined::New => continue,
                Joined::Instead(old) => old,
                Joined::Late => {
                    if let Some(end) = self.links[index].end(PUBLISHER) {
                        let mut wanted = end.streams.wanted.iter();
                        let which = wanted.position(|wanted| wanted.id == id);
                        end.end_interest(which.expect("it has just come"));
                    }
                    continue;
                }
            };
            let older = self.link(old.link).and_then(|link| link.end(PUBLISHER));
            if let Some(moved) = older.and_then(|end| end.move_away(old.id))
                && let Some(end) = self.links[index].end(PUBLISHER)
            {
                end.resume(id, moved);
            }
        }
        for id in left {
            self.audience.left(&number, id);
        }
    }

    fn refuse(&mut self, index: usize, id: CallId) {
        for wished in &mut self.wishes {
            wished.is_disturbed = true;
        }
        if let Some(end) = self.links[index].end(PUBLISHER) {
            let which = end.streams.wanted.iter().position(|wanted| wanted.id == id);
            if let Some(which) = which {
                end.refuse(which);
            }
        }
    }

    fn look_as_subscriber(&mut self, index: usize) {
        let number = self.links[index].number;
        let Some(end) = self.links[index].end(SUBSCRIBER) else {
            return;
        };
        let mut arrived = Vec::new();
        end.look_at_arrivals(|arrival| arrived.push(arrival.clone()));
        let ended = std::mem::take(&mut end.streams.ended);
        let (has_room, is_leaving) = (!end.waits_for_room, end.session.is_draining());
        for run in arrived.chunk_by(|one, next| one.id == next.id) {
            let (id, run) = (run[0].id, run.to_vec().into());
            self.interests.arrived(PEERS[PUBLISHER], &number, id, run);
        }
        for (own, error) in ended {
            let peer = PEERS[PUBLISHER];
            self.interests.ended(peer, &number, own.id, error.is_some());
        }
        if is_leaving {
            self.leave(number);
        }
        if has_room {
            let (again, other) = std::mem::take(&mut self.blocked)
                .into_iter()
                .partition(|(on, _)| *on == number);
            self.blocked = other;
            for (link, interest) in again {
                self.open(link, interest);
            }
        }
    }

    pub(super) fn carry_out(&mut self) {
        while let Some(action) = self.interests.poll() {
            match action {
                Action::Open { link, interest, .. } => self.open(link, interest),
                Action::Lose { link, id } => {
                    let end = self.subscriber(link).expect("a link that is lost has none");
                    let mut own = end.streams.own.iter();
                    let which = own.position(|own| own.id == id);
                    end.lose(which.expect("what has ended is not taken back"));
                }
                Action::Deliver(delivery) => self.delivered(delivery),
            }
        }
    }

    fn open(&mut self, link: u32, interest: Interest) {
        let (peer, number) = (PEERS[PUBLISHER], interest.number);
        let end = self.subscriber(link);
        match end.map(|end| end.subscribe(&interest)) {
            Some(Ok(id)) => self.interests.opened(peer, number, &link, id),
            Some(Err(WhyRefused::Blocked)) => self.blocked.push((link, interest)),
            _ => self.interests.not_opened(peer, number, &link),
        }
    }

    fn delivered(&mut self, delivery: Delivery<u32>) {
        let mut wishes = self.wishes.iter_mut();
        let wished = wishes.find(|wished| wished.number == delivery.wish);
        let wished = wished.expect("what was withdrawn is not delivered");
        for arrival in &delivery.arrivals {
            let serial = arrival.metadata[..].try_into().expect("it is numbered");
            let serial = u64::from_le_bytes(serial);
            assert!(is_filled(serial as u32, &arrival.body), "as it was");
            assert!(serial > wished.last, "in order, and once");
            wished.last = serial;
            wished.delivered += 1;
        }
        wished.missed += delivery.missed;
        assert!(
            wished.is_disturbed || wished.missed <= wished.dropped,
            "{wished:?}"
        );
        self.inbox.push(delivery);
    }
}
