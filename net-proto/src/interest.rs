//! What a subscriber asks of a publisher, and its encoding in an INTEREST. What follows from it is in `session`.

use minicbor::{Decoder, Encoder};

use crate::error::Misbehaviour;
use crate::frame::Kind;
use crate::limits::{MAX_EVENT, MAX_NUMBER, MIN_STREAM_WINDOW};

/// A wish to be told of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The event's name, of at most [`MAX_EVENT`] bytes.
    pub event: String,
    /// The subscriber's own number for it. The same one on another link between the two takes this one's place.
    pub number: u64,
    /// How many events the publisher keeps for this subscriber while it does not take them; at least one.
    pub keep: u32,
    /// What becomes of one more.
    pub policy: Policy,
    /// Bytes of events that may be under way, or here and not taken: at least [`MIN_STREAM_WINDOW`].
    pub window: u64,
    /// The number of the last event that came for it, over whichever link; 0 for none. Numbers go on from there. At most
    /// [`MAX_NUMBER`].
    pub after: u64,
    /// One more than any before of the same number on any link: what was opened later counts, whichever comes first.
    pub turn: u64,
}

/// What a publisher does with an event for a subscriber whose queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The oldest in the queue makes room, and the subscriber sees that one is missing.
    #[default]
    DropOldest,
    /// The publisher waits until there is room: nothing is lost, and the subscriber sets the pace.
    Block,
}

impl Policy {
    fn number(self) -> u8 {
        match self {
            Self::DropOldest => 0,
            Self::Block => 1,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::DropOldest, Self::Block]
            .into_iter()
            .find(|policy| policy.number() == number)
    }
}

impl Interest {
    /// Appends the CBOR map of PROTOCOL.md.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut cbor = Encoder::new(out);
        let written: Result<(), minicbor::encode::Error<_>> = (|| {
            cbor.map(7)?.u8(0)?.str(&self.event)?;
            cbor.u8(1)?.u64(self.number)?.u8(2)?.u32(self.keep)?;
            cbor.u8(3)?.u8(self.policy.number())?;
            cbor.u8(4)?.u64(self.window)?.u8(5)?.u64(self.after)?;
            cbor.u8(6)?.u64(self.turn)?;
            Ok(())
        })();
        written.expect("a Vec takes every byte");
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Misbehaviour> {
        let kind = Kind::Interest;
        let bad = |field| Misbehaviour::BadField { kind, field };
        let mut cbor = Decoder::new(bytes);
        let interest = read_map(&mut cbor).map_err(|_| bad("map"))?;
        if cbor.position() != bytes.len() {
            return Err(bad("length"));
        }
        if interest.keep == 0 {
            return Err(bad("queue"));
        }
        if interest.window < MIN_STREAM_WINDOW {
            return Err(bad("stream window"));
        }
        if interest.after > MAX_NUMBER {
            return Err(bad("last number"));
        }
        Ok(interest)
    }
}

fn read_map(cbor: &mut Decoder<'_>) -> Result<Interest, minicbor::decode::Error> {
    let bad = minicbor::decode::Error::message;
    let (mut event, mut number, mut keep, mut policy) = Default::default();
    let (mut window, mut after, mut turn) = Default::default();
    for _ in 0..cbor.map()?.ok_or_else(|| bad("no length"))? {
        match cbor.u64()? {
            0 => event = Some(cbor.str()?),
            1 => number = Some(cbor.u64()?),
            2 => keep = Some(cbor.u32()?),
            3 => policy = Policy::from_number(cbor.u8()?),
            4 => window = Some(cbor.u64()?),
            5 => after = Some(cbor.u64()?),
            6 => turn = Some(cbor.u64()?),
            _ => cbor.skip()?,
        }
    }
    let missing = || bad("a key is missing, or not what it has to be");
    Ok(Interest {
        event: event
            .filter(|event: &&str| event.len() <= MAX_EVENT)
            .ok_or_else(missing)?
            .to_owned(),
        number: number.ok_or_else(missing)?,
        keep: keep.ok_or_else(missing)?,
        policy: policy.ok_or_else(missing)?,
        window: window.ok_or_else(missing)?,
        after: after.ok_or_else(missing)?,
        turn: turn.ok_or_else(missing)?,
    })
}
