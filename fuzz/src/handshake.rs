//! How two sides meet: any bytes as preface and HELLO, a HELLO that says anything, and two sides between which bytes
//! are changed.
//!
//! An input begins with a byte that says which.

use std::time::Instant;

use net::value::cbor::Writer;
use net_proto::limits::{MAX_HELLO_LIST, MAX_HELLO_TEXT, MIN_LINK_WINDOW, MIN_STREAM_WINDOW};
use net_proto::{Hello, InstanceId, Limits, MAGIC, Misbehaviour, ProtocolError, Side};

use crate::allocation;
use crate::end::End;
use crate::source::Source;

/// Bytes of a preface.
const PREFACE: usize = 8;

/// Bytes that a side may hold of a stranger, whatever it sends: a HELLO, a few times over, and its own buffers.
const MEMORY: usize = 256 * 1024;

/// Two sides meet, or say clearly why they do not.
pub fn handshake(input: &[u8]) {
    let mut source = Source::new(input);
    match source.byte() % 4 {
        0 => stranger(source.rest(), true),
        1 => stranger(&map(&mut source), false),
        2 => introduced(&mut source),
        _ => disturbed(&mut source),
    }
}

/// Anything, whole and byte by byte: the same comes of it.
fn stranger(bytes: &[u8], has_preface: bool) {
    let now = Instant::now();
    let mut all = if has_preface {
        Vec::new()
    } else {
        preface(1, 1)
    };
    all.extend_from_slice(bytes);
    let (whole, peak) = allocation::peak(|| {
        let mut end = End::plain(Side::Acceptor, Limits::default(), now);
        end.read(now, &all);
        end
    });
    assert!(
        peak <= MEMORY + 4 * all.len(),
        "{peak} bytes are held for a stranger"
    );
    let mut end = End::plain(Side::Acceptor, Limits::default(), now);
    for byte in &all {
        if end.failed.is_none() {
            end.read(now, &[*byte]);
        }
    }
    let failed = [&end, &whole].map(|end| end.failed.clone().map(unnamed));
    assert_eq!((&failed[0], &end.hello), (&failed[1], &whole.hello));
    if let Some(theirs) = all.first_chunk::<PREFACE>() {
        agreed(theirs, end.failed.as_ref());
    }
    if let Some(hello) = &end.hello {
        assert!(hello.link_window >= MIN_LINK_WINDOW && hello.stream_window >= MIN_STREAM_WINDOW);
        assert!(hello.addresses.len().max(hello.features.len()) <= MAX_HELLO_LIST);
    }
    whole.close();
    end.close();
}

/// What has to come of a preface. This side speaks version 1 alone.
fn agreed(theirs: &[u8; PREFACE], failed: Option<&ProtocolError>) {
    let [.., least, most] = *theirs;
    let failed = failed.cloned().map(unnamed);
    if !theirs.starts_with(&MAGIC) {
        assert_eq!(failed, Some(Misbehaviour::BadPreface.into()));
    } else if least == 0 || least > most {
        let (lowest, highest) = (least, most);
        let expected = Misbehaviour::BadVersions { lowest, highest };
        assert_eq!(failed, Some(expected.into()));
    } else if least > 1 {
        let expected = ProtocolError::Incompatible {
            ours: 1..=1,
            theirs: least..=most,
            software: String::new(),
        };
        assert_eq!(failed.as_ref(), Some(&expected));
        assert!(
            expected
                .to_string()
                .ends_with("update app-net on this side")
        );
    } else {
        let refused = matches!(failed, Some(ProtocolError::Incompatible { .. }));
        assert!(!refused, "version 1 is common to both");
    }
}

/// Without the software of the other side, which is named where its HELLO came along with its preface.
fn unnamed(error: ProtocolError) -> ProtocolError {
    match error {
        ProtocolError::Incompatible { ours, theirs, .. } => ProtocolError::Incompatible {
            ours,
            theirs,
            software: String::new(),
        },
        other => other,
    }
}

fn preface(least: u8, most: u8) -> Vec<u8> {
    [&MAGIC[..], &[least, most]].concat()
}

/// The frame of a HELLO whose map has its keys in any order, twice or not at all, with any values.
fn map(source: &mut Source<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    let entries = usize::from(source.byte() % 20);
    let mut cbor = Writer::new(&mut payload);
    let is_whole = source.yes();
    cbor.map(entries + if is_whole { 5 } else { 0 });
    if is_whole {
        // What may not be missing, so that the rest is what it hangs on.
        cbor.uint(0);
        cbor.bytes(&[1; 16]);
        for (key, number) in [
            (7, 5),
            (8, MIN_LINK_WINDOW),
            (9, MIN_STREAM_WINDOW),
            (10, 9),
        ] {
            cbor.uint(key);
            cbor.uint(number);
        }
    }
    for _ in 0..entries {
        let key = source.byte();
        cbor.uint(u64::from(key % 16));
        match key >> 4 {
            0..=3 => cbor.text(&source.text()),
            4 => cbor.text(&source.text().repeat(2)),
            5 | 6 => cbor.uint(source.long() >> (source.byte() % 64)),
            7 => cbor.bool(source.yes()),
            8 => cbor.bytes(source.bytes(16)),
            9..=11 => {
                let length = usize::from(source.byte() % 40);
                cbor.array(length);
                for _ in 0..length {
                    cbor.text(&source.text());
                }
            }
            12 => cbor.null(),
            13 => cbor.int(-5),
            14 => cbor.tag(source.long()),
            _ => cbor.map(source.byte().into()),
        }
    }
    let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend_from_slice(&payload);
    frame
}

/// Whatever a side is told to say of itself, the other side hears it, long texts and lists cut.
fn introduced(source: &mut Source<'_>) {
    let now = Instant::now();
    let (said, limits) = (hello(source), limits(source));
    let mut end = End::new(Side::Dialer, said.clone(), limits, now);
    let mut wire = Vec::new();
    end.write(usize::MAX / 2, &mut wire);
    let mut other = End::plain(Side::Acceptor, Limits::default(), now);
    other.read(now, &wire);
    assert_eq!(other.failed, None, "what a session says is understood");
    let heard = other.hello.take().expect("a HELLO was said");

    let is_start = |heard: &str, said: &str| {
        said.starts_with(heard) && (heard.len() == said.len() || heard.len() + 4 > MAX_HELLO_TEXT)
    };
    let is_list = |heard: &[String], said: &[String]| {
        let kept = said.len().min(MAX_HELLO_LIST);
        heard.len() == kept
            && heard
                .iter()
                .zip(said)
                .all(|(heard, said)| is_start(heard, said))
    };
    assert_eq!(
        (heard.id, heard.hub, heard.transient),
        (said.id, said.hub, said.transient)
    );
    assert_eq!(heard.group.is_some(), said.group.is_some());
    let groups = [&heard, &said].map(|hello| hello.group.as_deref().unwrap_or_default());
    assert!(is_start(groups[0], groups[1]));
    assert!(is_start(&heard.name, &said.name) && is_start(&heard.software, &said.software));
    assert!(is_list(&heard.addresses, &said.addresses));
    let known = ["events", "members"];
    let named = said.features.iter().map(String::as_str);
    let named = named.filter(|named| !known.contains(named));
    let features: Vec<_> = known.into_iter().chain(named).map(str::to_owned).collect();
    assert!(is_list(&heard.features, &features));
    end.close();
    other.close();
}

/// Two sides, of whose bytes some are changed on the way: both are connected, or at least one says what is wrong.
fn disturbed(source: &mut Source<'_>) {
    let now = Instant::now();
    let mut ends = [Side::Dialer, Side::Acceptor].map(|side| {
        let (hello, limits) = (hello(source), limits(source));
        End::new(side, hello, limits, now)
    });
    let mut wires = [Vec::new(), Vec::new()];
    for (end, wire) in ends.iter_mut().zip(&mut wires) {
        end.write(usize::MAX / 2, wire);
    }
    let mut is_changed = [false; 2];
    while !source.is_empty() {
        let (which, at, byte) = (source.byte(), source.short(), source.byte());
        let from = usize::from(which & 1);
        let at = usize::from(at) % wires[from].len();
        // The start is where the most depends on each byte.
        let at = if which & 2 != 0 { at % 64 } else { at };
        if which & 4 != 0 {
            wires[from].truncate(at.max(1));
        } else {
            wires[from][at] = byte;
        }
        is_changed[from] = true;
    }
    for from in [0, 1] {
        let to = &mut ends[1 - from];
        to.read(now, &wires[from]);
        assert!(
            is_changed[from] || to.session.is_connected(),
            "{:?}",
            to.failed
        );
        if let Some(theirs) = wires[from].first_chunk::<PREFACE>() {
            agreed(theirs, to.failed.as_ref());
        }
        // What is cut short is waited for, and not for ever.
        to.tick(now + Limits::default().handshake_time);
        to.tick(now + 2 * Limits::default().handshake_time);
        assert!(to.failed.is_some() || to.hello.is_some());
    }
    for end in ends {
        end.close();
    }
}

fn hello(source: &mut Source<'_>) -> Hello {
    let mut id = [0; 16];
    id.fill_with(|| source.byte());
    let how = source.byte();
    let list = |source: &mut Source<'_>| {
        let length = source.byte() % 40;
        (0..length).map(|_| source.text()).collect()
    };
    Hello {
        group: (how & 1 != 0).then(|| source.text()),
        hub: how & 2 != 0,
        transient: how & 4 != 0,
        name: source.text().repeat(usize::from(how >> 6)),
        addresses: if how & 8 != 0 {
            list(source)
        } else {
            Vec::new()
        },
        software: source.text(),
        features: if how & 16 != 0 {
            list(source)
        } else {
            Vec::new()
        },
        ..Hello::new(InstanceId(id))
    }
}

/// Any limits, workable or not.
fn limits(source: &mut Source<'_>) -> Limits {
    let how = source.byte();
    let mut number = |bit: u8, usual: u64| {
        if how & bit != 0 {
            source.long() >> (source.byte() % 64)
        } else {
            usual
        }
    };
    let usual = Limits::default();
    Limits {
        max_calls: number(1, 100) as u32,
        link_window: number(2, usual.link_window),
        stream_window: number(4, usual.stream_window),
        max_value: number(8, usual.max_value),
        ..usual
    }
}
