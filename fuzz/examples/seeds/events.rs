//! The seeds of events: what is said on their streams, and links that come and go under them.

use crate::Seed;

/// What is said on the streams of events, to a `session` that knows them and has been met.
pub(crate) fn streams() -> Vec<Seed> {
    let frame = |kind: u8, flags: u8, stream: u64, payload: &[u8]| {
        let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&[kind, flags, 0, 0]);
        bytes.extend_from_slice(&stream.to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes
    };
    // How it begins, pace and habit, and in one piece.
    let seed = |name: &str, head: [u8; 3], frames: &[Vec<u8>]| {
        let bytes = [&head[..], &[200, 200], &frames.concat()].concat();
        ("session", name.to_owned(), bytes)
    };
    let event = |number: u64, rest: &[u8]| [&number.to_le_bytes()[..], rest].concat();
    let large = event(2, &70_000_u64.to_le_bytes());
    let interest =
        b"\xa7\x00\x65alarm\x01\x03\x02\x19\x04\x00\x03\x00\x04\x1a\x00\x04\x00\x00\x05\x06\x06\x08";
    vec![
        seed(
            "events",
            [0xFB, 1, 9],
            &[
                frame(0x0C, 0, 1, &event(1, b"\x81\x18\x2a")),
                frame(0x0C, 4, 1, &event(2, b"\x02\0\0\0hi\x80")),
                frame(0x0C, 8, 3, &large),
                frame(0x0A, 0, 3, &[7; 65_536]),
                frame(0x0A, 1, 3, &[7; 70_000 - 65_536]),
                frame(0x07, 0, 1, &[]),
                frame(0x05, 0, 3, b"\xa1\x00\x04"),
            ],
        ),
        seed(
            "interests",
            [0xFA, 1, 0x11],
            &[
                frame(0x0B, 0, 1, interest),
                frame(0x0B, 0, 3, interest),
                frame(0x09, 0, 1, &20_u64.to_le_bytes()),
                frame(0x08, 0, 1, &[]),
            ],
        ),
        seed(
            "interest-refused",
            [0xFA, 1, 0x41],
            &[frame(0x0B, 0, 1, interest)],
        ),
        seed(
            "interest-ended",
            [0xFA, 1, 0x31],
            &[frame(0x0B, 0, 1, interest)],
        ),
    ]
}

/// Links that come and go under events: steps of `events`, of what is done, on which link, how, and a number.
pub(crate) fn links() -> Vec<Seed> {
    let step = |what: u8, which: u8, how: u8, number: u16| {
        let [low, high] = number.to_le_bytes();
        vec![what, which, how, low, high]
    };
    let flow = step(6, 0, 0, 0);
    let begun = |wish: u8| {
        let open = [step(0, 0, 0, 0), flow.clone(), step(1, 0, 0, 0)].concat();
        [open, step(12, 0, wish, 0), flow.clone()].concat()
    };
    let (small, large) = (step(7, 0, 0, 9), step(7, 0, 0xE0, 0x8000));
    let burst = step(9, 0, 31, 60_000);
    let (take, change) = (step(11, 0, 0, 0), step(19, 0, 0, 0));
    let (drops, waits) = (40, 41);
    let scenes = [
        ("delivered", drops, vec![&small, &large, &flow, &take]),
        ("dropped", drops, vec![&burst, &flow, &take]),
        ("waited-for", waits, vec![&burst, &flow, &take]),
        (
            "changed",
            waits,
            vec![&burst, &change, &burst, &flow, &take],
        ),
        (
            "changed-in-a-large-one",
            drops,
            vec![&large, &large, &change, &large, &flow],
        ),
    ];
    let mut seeds: Vec<Seed> = scenes
        .into_iter()
        .map(|(name, wish, then)| {
            let then = then.into_iter().flatten().copied();
            (
                "events",
                name.to_owned(),
                begun(wish).into_iter().chain(then).collect(),
            )
        })
        .collect();
    for (name, what, which, how) in [
        ("broken-there", 14, 1, 0),
        ("broken-here", 14, 0, 0),
        ("broken", 15, 0, 0),
        ("left", 16, 1, 0),
        ("ended", 18, 0, 0),
        ("refused", 17, 0, 1),
        ("withdrawn", 13, 0, 0),
    ] {
        let disturbed = [burst.clone(), flow.clone(), step(what, which, how, 0)].concat();
        let again = [change.clone(), burst.clone(), flow.clone(), take.clone()].concat();
        seeds.push((
            "events",
            name.into(),
            [begun(drops), disturbed, again].concat(),
        ));
    }
    seeds
}
