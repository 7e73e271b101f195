//! Original app-net peers, met over TCP: asking them, and answering them. The dialects themselves are in
//! [`net_proto::original`]; values go between JSON and our own form here, and functions are found and run as for anyone.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use net_proto::Address;
use net_proto::original::{
    self, Dialect, INVALID_CONNECTION, MESSAGE_LIMIT, OriginalError, Parsed, Request, RequestReader,
};
use tokio::time::timeout;

use crate::builtin;
use crate::caller::Caller;
use crate::error::CallError;
use crate::link::dial::CONNECT_TIME;
use crate::link::lookup::connect_to_any;
use crate::link::socket::Socket;
use crate::peer::Core;
use crate::registry::{Answer, Handled, Incoming};
use crate::remote::Remote;
use crate::value::cbor::Writer;
use crate::value::{self, ValueError};

/// How long an original may take to send its whole request: it sends it in one piece.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// How long an original may take to list its functions, for an error that would do without.
const LISTING_TIME: Duration = Duration::from_millis(500);
/// The longest request that is read. An original caller sends any length, though an original peer would read only the
/// first 1,024 bytes of it.
const REQUEST_MOST: usize = 1024 * 1024;
/// The longest answer that is read from an original.
const ANSWER_MOST: usize = 64 * 1024 * 1024;
/// Read at a time.
const READ: usize = 16 * 1024;

/// Answers the one request of an original on this connection, and closes it. `admit` gives leave to run what it asks for,
/// which is held meanwhile.
pub(crate) async fn serve<Leave>(
    core: &Arc<Core>,
    mut socket: Socket,
    mut read: BytesMut,
    dialect: Dialect,
    admit: impl FnOnce() -> Option<Leave>,
) {
    let _visit = core.ending.visit();
    let request = timeout(REQUEST_TIME, read_request(&mut socket, &mut read, dialect));
    let Some(request) = core.ending.unless_begun(request).await else {
        return;
    };
    let caller = Caller::original(core, &socket.peer);
    let answer = match request {
        Ok(Ok(request)) => match admit() {
            Some(_leave) => match core
                .ending
                .within_grace(answer(core, dialect, &request, &caller))
                .await
            {
                Some(answer) => answer,
                None => return,
            },
            None => original::Answer::Error {
                traceback: "Busy: this peer serves as many calls as it can; try again\n".to_owned(),
            },
        },
        Ok(Err(error)) => original::Answer::Error {
            traceback: format!("RequestError: {error}\n"),
        },
        Err(_) => original::Answer::Error {
            traceback: format!("RequestError: no whole request in {REQUEST_TIME:?}\n"),
        },
    };
    // Who asked may have left; nobody else is to be told.
    if let Err(error) = socket.write_all(&dialect.build_answer(&answer)).await {
        tracing::debug!(peer = %socket.peer, %error, "an original peer did not take its answer");
    }
}

async fn read_request(
    socket: &mut Socket,
    read: &mut BytesMut,
    dialect: Dialect,
) -> Result<Request, OriginalError> {
    let mut reader = RequestReader::new(dialect);
    loop {
        if let Parsed::Complete(request) = reader.read(read)? {
            return Ok(request);
        }
        if read.len() > REQUEST_MOST {
            return Err(OriginalError::TooLong {
                size: read.len(),
                limit: REQUEST_MOST,
            });
        }
        read.reserve(READ);
        match poll_fn(|cx| socket.read.poll_read(cx, read)).await {
            Ok(n) if n > 0 => {}
            _ => {
                return match dialect.parse_request(read)? {
                    Parsed::Complete(request) => Ok(request),
                    Parsed::Incomplete => Err(OriginalError::Empty),
                };
            }
        }
    }
}

async fn answer(
    core: &Arc<Core>,
    dialect: Dialect,
    request: &Request,
    caller: &Caller,
) -> original::Answer {
    let failed = |kind: &str, message: &str| original::Answer::Error {
        traceback: format!("{kind}: {message}\n"),
    };
    tracing::debug!(tag = %request.tag, peer = %caller, "call received from an original peer");
    if let Some(mailbox) = core.subscriber.mailbox(&request.tag) {
        return match encode_request(request) {
            Ok(body) => {
                mailbox.put(core, body.into()).await;
                original::Answer::Value(serde_json::Value::Null)
            }
            Err(error) => failed("ValueError", &error.to_string()),
        };
    }
    let Some(connection) = core.registry.find(&request.tag) else {
        return original::Answer::Flag(INVALID_CONNECTION.into());
    };
    if let Some(Answer::Error(refusal)) = connection.refusal(caller) {
        return failed(&refusal.kind, &refusal.message);
    }
    if request.tag == builtin::INFO {
        let info = builtin::info_for_original(core, caller, dialect, MESSAGE_LIMIT);
        return original::Answer::Value(info);
    }
    let body = match encode_request(request) {
        Ok(body) => body,
        Err(error) => return failed("ValueError", &error.to_string()),
    };
    let incoming = Incoming {
        body: body.into(),
        peer: core.peer(),
        caller: caller.clone(),
        time_left: None,
    };
    // An original's function may block for long; it holds a thread of the pool, as it holds one of its own there.
    let run = core
        .runtime
        .spawn_blocking(move || connection.handler.call(&incoming))
        .await;
    let answer = match run {
        Ok(Handled::Ready(answer)) => answer,
        Ok(Handled::Later(later)) => match core.runtime.spawn(later).await {
            Ok(answer) => answer,
            Err(error) => return failed("RuntimeError", &error.to_string()),
        },
        Err(error) => return failed("RuntimeError", &error.to_string()),
    };
    match answer {
        Answer::Value(body) => match value::to_json(&body.into_bytes()) {
            Ok(json) => original::Answer::Value(json),
            Err(error) => failed(
                "TypeError",
                &format!("the result cannot be sent to an original peer: {error}"),
            ),
        },
        Answer::Flag(name) => original::Answer::Flag(name),
        Answer::Error(body) => match caller.shown(body) {
            body if body.traceback.is_empty() => failed(&body.kind, &body.message),
            body => original::Answer::Error {
                traceback: body.traceback,
            },
        },
    }
}

fn encode_request(request: &Request) -> Result<Vec<u8>, ValueError> {
    let mut body = Vec::with_capacity(64);
    value::encode_array_head(request.args.len(), &mut body);
    for argument in &request.args {
        value::from_json(argument, &mut body)?;
    }
    if !request.kwargs.is_empty() {
        value::encode_map_head(request.kwargs.len(), &mut body);
        for (name, argument) in &request.kwargs {
            Writer::new(&mut body).text(name);
            value::from_json(argument, &mut body)?;
        }
    }
    Ok(body)
}

/// Makes one call on an original peer.
pub(crate) async fn ask(
    remote: &Remote,
    dialect: Dialect,
    tag: &str,
    body: &[u8],
) -> Result<Answer, CallError> {
    let (args, kwargs) = value::arguments_to_json(body)?;
    let request = Request {
        args,
        kwargs,
        ..Request::new(tag)
    };
    let address = remote.tcp_address().ok_or_else(|| CallError::Unreachable {
        peer: remote.to_string(),
        why: "an original peer is reached over TCP, and no TCP address is known for it".into(),
    })?;
    let refused = |why: OriginalError| CallError::Refused {
        peer: remote.to_string(),
        why: why.to_string(),
    };
    let bytes = dialect.build_request(&request).map_err(refused)?;
    tracing::debug!(tag, peer = %remote, "call sent to an original peer");
    let answer = exchange(&address, &bytes)
        .await
        .map_err(|error| match error {
            Exchange::NotSent(error) => CallError::Unreachable {
                peer: remote.to_string(),
                why: error.to_string(),
            },
            Exchange::Sent => CallError::Lost {
                peer: remote.to_string(),
            },
        })?;
    match dialect.parse_answer(&answer) {
        // It answers with a flag of its own as with any text: only who knows the flag can tell.
        Ok(original::Answer::Value(serde_json::Value::String(text)))
            if remote.local().registry().has_flag(&text) =>
        {
            Ok(Answer::Flag(text))
        }
        Ok(original::Answer::Value(json)) => {
            let mut bytes = Vec::new();
            value::from_json(&json, &mut bytes)?;
            Ok(Answer::Value(bytes.into()))
        }
        Ok(original::Answer::Flag(name)) if name == INVALID_CONNECTION => {
            Err(CallError::NoSuchConnection {
                peer: remote.to_string(),
                tag: tag.to_owned(),
                connections: connections(&address).await,
            })
        }
        Ok(original::Answer::Flag(name)) => Ok(Answer::Flag(name)),
        Ok(original::Answer::Error { traceback }) => {
            let (kind, message) = original::error_kind(&traceback);
            Ok(Answer::failed(kind, message, traceback))
        }
        // An original that dies in the middle of a call closes without a word.
        Err(OriginalError::Empty) => Err(CallError::Lost {
            peer: remote.to_string(),
        }),
        Err(error) => Err(refused(error)),
    }
}

/// How far a request came before it failed.
enum Exchange {
    NotSent(io::Error),
    Sent,
}

async fn exchange(address: &Address, request: &[u8]) -> Result<Bytes, Exchange> {
    let stream = timeout(CONNECT_TIME, connect_to_any(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let mut socket = stream.and_then(Socket::tcp).map_err(Exchange::NotSent)?;
    socket
        .write_all(request)
        .await
        .map_err(|_| Exchange::Sent)?;
    let mut answer = BytesMut::new();
    loop {
        answer.reserve(READ);
        if poll_fn(|cx| socket.read.poll_read(cx, &mut answer))
            .await
            .map_err(|_| Exchange::Sent)?
            == 0
        {
            return Ok(answer.freeze());
        }
        if answer.len() > ANSWER_MOST {
            return Err(Exchange::Sent);
        }
    }
}

/// The tags that an original says it has, where it does: what the error over one that it has not shows.
async fn connections(address: &Address) -> Vec<String> {
    let Probed::Answers(_, info) = probe(address, LISTING_TIME).await else {
        return Vec::new();
    };
    let listed = info.get("connections");
    let tags = listed.and_then(serde_json::Value::as_array);
    tags.into_iter()
        .flatten()
        .filter_map(|tag| tag.as_str().map(str::to_owned))
        .collect()
}

/// Who listens at an address, as far as asking in the old dialects tells.
pub(crate) enum Probed {
    /// Who speaks this dialect, and says this of itself: an original, or one of ours.
    Answers(Dialect, serde_json::Value),
    /// Somebody who speaks something else.
    Foreign,
    /// Somebody who says nothing.
    Silent,
}

/// Asks whoever listens at `address` for the original's information about itself.
pub(crate) async fn probe(address: &Address, patience: Duration) -> Probed {
    for dialect in [Dialect::V06, Dialect::V03] {
        let request = Request::new(builtin::INFO);
        let Ok(bytes) = dialect.build_request(&request) else {
            continue;
        };
        let asked = timeout(patience, exchange(address, &bytes)).await;
        let answer = match asked {
            Ok(Ok(answer)) if !answer.is_empty() => answer,
            _ => return Probed::Silent,
        };
        if let Ok(original::Answer::Value(info)) = dialect.parse_answer(&answer)
            && info.get("port").is_some()
        {
            return Probed::Answers(dialect, info);
        }
    }
    Probed::Foreign
}
