//! Two sessions joined in memory, in time that stands still. Between them is as little as can be, so that what is counted is theirs.

use std::io::IoSlice;
use std::time::Instant;

use bytes::BytesMut;
use net_proto::{Event, Hello, InstanceId, Limits, Session, Side, Transmit};

/// What a read brings at most, and the room from which on it is made anew: as in the runtime.
const READ_SIZE: usize = 64 * 1024;
const READ_LEAST: usize = 8 * 1024;

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) dialer: End,
    pub(crate) acceptor: End,
}

pub(crate) struct End {
    pub(crate) session: Session<()>,
    transmit: Transmit,
    pub(crate) input: BytesMut,
}

impl Pair {
    pub(crate) fn connected() -> Self {
        let now = Instant::now();
        let mut pair = Self {
            now,
            dialer: End::new(Side::Dialer, now),
            acceptor: End::new(Side::Acceptor, now),
        };
        let mut connected = 0;
        pair.flow(|_, event| connected += u32::from(matches!(event, Event::Connected { .. })));
        assert_eq!(connected, 2, "both sides have said HELLO");
        pair
    }

    /// Lets bytes flow until none are under way. `take` is told what comes of them, at either end.
    pub(crate) fn flow(&mut self, mut take: impl FnMut(&mut End, Event<()>)) {
        let (dialer, acceptor) = (&mut self.dialer, &mut self.acceptor);
        while dialer.session.wants_write() || acceptor.session.wants_write() {
            dialer.write_to(acceptor, self.now, &mut take);
            acceptor.write_to(dialer, self.now, &mut take);
        }
    }
}

impl End {
    fn new(side: Side, now: Instant) -> Self {
        let hello = Hello::new(InstanceId([side as u8; 16]));
        Self {
            session: Session::new(side, hello, Limits::default(), now),
            transmit: Transmit::default(),
            input: BytesMut::new(),
        }
    }

    fn write_to(
        &mut self,
        other: &mut Self,
        now: Instant,
        take: &mut impl FnMut(&mut End, Event<()>),
    ) {
        self.session.transmit(&mut self.transmit);
        while let Some(event) = self.session.poll() {
            take(self, event);
        }
        while !self.transmit.is_empty() {
            other.read(&mut self.transmit);
            other.handle(now, take);
        }
    }

    fn read(&mut self, from: &mut Transmit) {
        if self.input.capacity() - self.input.len() < READ_LEAST {
            self.input.reserve(READ_SIZE);
        }
        let before = self.input.len();
        let mut slices = [IoSlice::new(&[]); 8];
        let used = from.slices(&mut slices);
        for slice in &slices[..used] {
            let room = self.input.capacity() - self.input.len();
            self.input
                .extend_from_slice(&slice[..slice.len().min(room)]);
        }
        from.advance(self.input.len() - before);
    }

    fn handle(&mut self, now: Instant, take: &mut impl FnMut(&mut End, Event<()>)) {
        while let Some(event) = self
            .session
            .receive(now, &mut self.input)
            .expect("the other side keeps to the protocol")
        {
            take(self, event);
        }
    }
}
