//! Both dialects of the original app-net: any bytes as the first of a connection, a request, an answer, an id; and any
//! request and answer written and read.

mod messages;

use net_proto::original::{
    Answer, Dialect, MESSAGE_LIMIT, OriginalError, Parsed, PeerId03, Request, Sniffed, Tag03,
    error_kind, sniff,
};

use crate::source::Source;

const DIALECTS: [Dialect; 2] = [Dialect::V03, Dialect::V06];

/// The dialects of original peers, in both roles.
pub fn original(input: &[u8]) {
    sniffed(input);
    for dialect in DIALECTS {
        request(dialect, input);
        answer(dialect, input);
    }
    let text = String::from_utf8_lossy(input);
    ids(&text);
    let _ = error_kind(&text);
    messages::back_and_forth(&mut Source::new(input));
}

/// However the bytes are cut by the network, the same is seen in them.
fn sniffed(input: &[u8]) {
    let whole = sniff(input);
    // Past the limit only the reading itself is long.
    for end in 0..input.len().min(MESSAGE_LIMIT + 8) {
        let seen = sniff(&input[..end]);
        let fits = seen == whole || seen == Some(Sniffed::NeedMore);
        assert!(fits, "{end} bytes: {seen:?}, all: {whole:?}");
    }
}

fn request(dialect: Dialect, input: &[u8]) {
    let Ok(Parsed::Complete(request)) = dialect.parse_request(input) else {
        return;
    };
    for end in prefixes(input) {
        let begun = dialect.parse_request(&input[..end]);
        let fits = match &begun {
            Ok(Parsed::Incomplete) => true,
            // What follows is white space.
            Ok(Parsed::Complete(begun)) => *begun == request,
            Err(_) => false,
        };
        assert!(fits, "a whole request, of which {end} bytes are {begun:?}");
    }
    written(dialect, &request);
}

/// A request is written as what reads the same, or is too long.
fn written(dialect: Dialect, request: &Request) {
    match dialect.build_request(request) {
        Ok(bytes) => {
            assert!(bytes.is_ascii() && bytes.len() <= MESSAGE_LIMIT);
            if is_ambiguous(dialect, request) {
                return;
            }
            match dialect.parse_request(&bytes) {
                Ok(read) => assert_eq!(read, Parsed::Complete(request.clone())),
                // Of the values we have, one may nest deeper than what is read.
                Err(OriginalError::TooDeep { limit, .. }) => assert!(nests(&bytes) > limit / 2),
                Err(error) => panic!("{error}"),
            }
        }
        Err(OriginalError::TooLong { size, limit }) => assert!(size > limit),
        Err(error) => panic!("{error}"),
    }
}

/// In 0.3 a function's own tag can read as a custom one; in 0.6 it is guessed which it is.
fn is_ambiguous(dialect: Dialect, request: &Request) -> bool {
    match dialect {
        Dialect::V03 => !request.custom_tag && request.tag.trim_start().starts_with('{'),
        Dialect::V06 => request.custom_tag != Request::new(request.tag.clone()).custom_tag,
    }
}

fn answer(dialect: Dialect, input: &[u8]) {
    if let Ok(answer) = dialect.parse_answer(input) {
        answered(dialect, &answer);
    }
}

/// An answer is written as what reads the same, or as an error that says why not.
fn answered(dialect: Dialect, answer: &Answer) {
    let bytes = dialect.build_answer(answer);
    assert!(bytes.is_ascii() && bytes.len() <= MESSAGE_LIMIT);
    let read = match dialect.parse_answer(&bytes) {
        Ok(read) => read,
        Err(OriginalError::TooDeep { limit, .. }) => return assert!(nests(&bytes) > limit / 2),
        Err(error) => panic!("{error}"),
    };
    if read == *answer {
        return;
    }
    let Answer::Error { traceback } = &read else {
        panic!("{answer:?} came as {read:?}");
    };
    let (kind, _) = error_kind(traceback);
    match answer {
        Answer::Error { traceback } => {
            // A header in what is told of the exception may be cut into a line that reads as another.
            let is_plain = traceback.matches("Traceback (").count() <= 1;
            let (wanted, _) = error_kind(traceback);
            let is_kept = kind == wanted || wanted.len() > 100;
            assert!(
                is_kept || !is_plain,
                "{wanted} came as {kind}: {traceback:?}"
            );
        }
        _ => assert_eq!(kind, "AnswerTooLong", "{answer:?}"),
    }
}

/// How many levels a message of so many bytes may have: each takes two, in base64 a third more.
fn nests(bytes: &[u8]) -> usize {
    bytes.len() / 2
}

fn ids(text: &str) {
    let tag = Tag03::decode(text);
    if tag.custom || !tag.name.trim_start().starts_with('{') {
        assert_eq!(Tag03::decode(&tag.encode()), tag);
    }
    if let Ok(id) = PeerId03::decode(text) {
        assert_eq!(PeerId03::decode(&id.encode()), Ok(id));
    }
}

/// Ends to cut at: all of a short input, some of a long one.
fn prefixes(input: &[u8]) -> impl Iterator<Item = usize> {
    (0..input.len()).step_by(1 + input.len() / 256)
}
