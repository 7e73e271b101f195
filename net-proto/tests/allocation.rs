//! Small calls and replies take no memory once their link is warm: they are written into one reused buffer and read as slices of
//! what came in.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::IoSlice;
use std::time::Instant;

use bytes::BytesMut;
use net_proto::{Event, Hello, InstanceId, Limits, Outgoing, Payload, Session, Side, Transmit};

/// The system's allocator, counting.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct End {
    session: Session<u32>,
    transmit: Transmit,
    input: BytesMut,
}

impl End {
    fn new(side: Side, now: Instant) -> Self {
        let hello = Hello::new(InstanceId([side as u8; 16]));
        Self {
            session: Session::new(side, hello, Limits::default(), now),
            transmit: Transmit::default(),
            input: BytesMut::with_capacity(64 * 1024),
        }
    }

    fn write(&mut self, to: &mut BytesMut) {
        self.session.transmit(&mut self.transmit);
        let mut slices = [IoSlice::new(&[]); 4];
        let used = self.transmit.slices(&mut slices);
        slices[..used]
            .iter()
            .for_each(|slice| to.extend_from_slice(slice));
        self.transmit.advance(self.transmit.len());
    }
}

#[test]
fn small_calls_take_no_memory() {
    let now = Instant::now();
    let (mut caller, mut callee) = (End::new(Side::Dialer, now), End::new(Side::Acceptor, now));
    callee.write(&mut caller.input);
    let connected = caller.session.receive(now, &mut caller.input);
    assert!(matches!(connected, Ok(Some(Event::Connected { .. }))));

    let mut before = 0;
    for round in 0..11_000 {
        if round == 1000 {
            before = ALLOCATIONS.get();
        }
        let call = Outgoing {
            tag: "app.multiply",
            time_left: None,
            metadata: &[],
            body: Payload::Borrowed(&[0x82, 5, 10]),
        };
        caller
            .session
            .call(now, call, round)
            .expect("there is room");
        caller.write(&mut callee.input);
        while let Some(event) = callee.session.receive(now, &mut callee.input).unwrap() {
            if let Event::Call(call) = event {
                let body = Payload::Borrowed(&[0x18, 50]);
                callee.session.reply(call.id, body);
            }
        }
        callee.write(&mut caller.input);
        while caller
            .session
            .receive(now, &mut caller.input)
            .unwrap()
            .is_some()
        {}
    }
    // Not none: the buffers that come in are renewed now and then.
    let taken = ALLOCATIONS.get() - before;
    assert!(taken < 100, "{taken} allocations in 10,000 calls");
}
