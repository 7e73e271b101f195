//! Several links to one peer, and which of them is used.

/// What a link goes over, the better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// A Unix socket: faster than loopback TCP, and the kernel vouches for the user.
    Unix,
    /// TCP.
    Tcp,
}

/// The links to one peer.
#[derive(Debug)]
pub(super) struct Choice<L> {
    /// In the order in which they came.
    links: Vec<Held<L>>,
    in_use: Option<L>,
}

#[derive(Debug)]
struct Held<L> {
    link: L,
    standing: Standing,
    carrier: Carrier,
    /// Whether the peer with the smaller id dialled it: what both sides can tell alike.
    by_smaller: bool,
}

/// What is known of the other side of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The other side has made another link since: this one may have ended there.
    Doubted,
    /// The other side has just said HELLO.
    Fresh,
    /// It has answered since the last link came: it has this one too.
    Confirmed,
}

impl<L> Default for Choice<L> {
    fn default() -> Self {
        Self {
            links: Vec::new(),
            in_use: None,
        }
    }
}

impl<L: Clone + PartialEq> Choice<L> {
    pub(super) fn add(&mut self, link: L, carrier: Carrier, by_smaller: bool) {
        for held in &mut self.links {
            held.standing = Standing::Doubted;
        }
        self.links.push(Held {
            link,
            standing: Standing::Fresh,
            carrier,
            by_smaller,
        });
    }

    pub(super) fn confirm(&mut self, link: &L) {
        let held = self.links.iter_mut().find(|held| held.link == *link);
        if let Some(held) = held {
            held.standing = Standing::Confirmed;
        }
    }

    pub(super) fn remove(&mut self, link: &L) {
        self.links.retain(|held| held.link != *link);
    }

    /// Takes out the oldest one, if there are more than `most`.
    pub(super) fn drop_oldest(&mut self, most: usize) -> Option<L> {
        (self.links.len() > most).then(|| self.links.remove(0).link)
    }

    /// Takes out those that are not needed: all but the best, of those that the other side is known to have.
    pub(super) fn settle(&mut self) -> Vec<L> {
        let confirmed = |held: &&Held<L>| held.standing == Standing::Confirmed;
        let best = self
            .links
            .iter()
            .filter(confirmed)
            .min_by_key(|held| held.rank());
        let Some(best) = best.map(|held| held.link.clone()) else {
            return Vec::new();
        };
        let (out, stay) = std::mem::take(&mut self.links)
            .into_iter()
            .partition(|held| confirmed(&held) && held.link != best);
        self.links = stay;
        out.into_iter().map(|held: Held<L>| held.link).collect()
    }

    /// Chooses anew which one is used. Says whether that is another than before.
    pub(super) fn choose(&mut self) -> bool {
        let best = self.links.iter().min_by_key(|held| held.rank());
        let best = best.map(|held| held.link.clone());
        let is_other = best != self.in_use;
        self.in_use = best;
        is_other
    }

    pub(super) fn in_use(&self) -> Option<&L> {
        self.in_use.as_ref()
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &L> {
        self.links.iter().map(|held| &held.link)
    }
}

impl<L> Held<L> {
    /// The least is the best; of equals the older one.
    fn rank(&self) -> (bool, Carrier, bool) {
        (
            self.standing == Standing::Doubted,
            self.carrier,
            !self.by_smaller,
        )
    }
}
