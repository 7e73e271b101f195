//! The built binary, run against peers of the test process that meet in a directory of the test's own.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "all of it runs in tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use net::blocking::{block_on, shutdown};
use net::value::{decode, encode};
use net::{Answer, Connection, Handled, Handler, Incoming, Peer, Signature, Value};
use serde::Serialize;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// Multiplies.
///
/// And this is no longer the first line.
#[net::connect("app.multiply")]
fn multiply(a: i64, #[net(default = 5)] b: i64) -> i64 {
    a * b
}

/// A place where peers meet that no other test shares.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn builder(&self, name: &str) -> net::Builder {
        let builder = Peer::builder().name(name).port(0).port_range(0);
        builder.runtime_dir(self.0.path())
    }

    /// A peer that offers `app.multiply`.
    pub(crate) fn peer(&self, name: &str) -> Running {
        Running(block_on(self.builder(name).start()).unwrap())
    }

    /// One that offers it as the hub of a group.
    pub(crate) fn hub(&self, name: &str, group: &str) -> Running {
        Running(block_on(self.builder(name).group(group).hub(true).start()).unwrap())
    }

    /// One that offers nothing.
    pub(crate) fn empty_peer(&self, name: &str) -> Running {
        Running(block_on(self.builder(name).functions(false).start()).unwrap())
    }

    /// The binary, set up to look for peers here and nowhere else.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.command_of(env!("CARGO_BIN_EXE_app-net"));
        command.args(args);
        command
    }

    /// Another program that runs the binary, set up as it is.
    pub(crate) fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_remove("NET_GROUP")
            .env_remove("NET_SECRET")
            .env("XDG_CONFIG_HOME", self.config_dir())
            .env("NET_RUNTIME_DIR", self.0.path())
            .env("NET_PORT", "0")
            // Nothing on the networks of whoever runs the tests, and nothing remembered.
            .env("NET_INTERFACES", "!*")
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    /// Where the binary has the keys of groups.
    pub(crate) fn config_dir(&self) -> PathBuf {
        self.0.path().join("config")
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Runs it with this on its standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap().into()
    }
}

/// A peer that is shut down with the test.
pub(crate) struct Running(pub(crate) Peer);

impl Running {
    pub(crate) fn id(&self) -> String {
        self.0.id().to_string()
    }

    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.0.host(), self.0.port().unwrap())
    }

    /// Offers one more function.
    pub(crate) fn offer(
        &self,
        tag: &str,
        function: impl Fn(&Incoming) -> Answer + Send + Sync + 'static,
    ) {
        self.0.registry().register(Connection {
            tag: tag.to_owned(),
            name: tag.to_owned(),
            module: String::new(),
            doc: String::new(),
            signature: Signature::default(),
            groups: None,
            handler: Arc::new(Function(function)),
        });
    }

    /// Offers a function that answers with its own arguments: its body, as text.
    pub(crate) fn offer_arguments(&self, tag: &str) {
        self.offer(tag, |call| {
            // Positional and keyword arguments lie one after the other; as one list they can be decoded together.
            let both = |count: u8| [&[0x80 | count], &call.body[..]].concat();
            let value = decode::<Value>(&both(1)).or_else(|_| decode::<Value>(&both(2)));
            answer_value(&value.unwrap())
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        shutdown(&self.0);
    }
}

struct Function<F>(F);

impl<F: Fn(&Incoming) -> Answer + Send + Sync> Handler for Function<F> {
    fn call(&self, call: &Incoming) -> Handled {
        Handled::Ready((self.0)(call))
    }
}

/// The answer of a function whose result is `value`.
pub(crate) fn answer_value<T: Serialize + ?Sized>(value: &T) -> Answer {
    let mut bytes = Vec::new();
    encode(value, &mut bytes).unwrap();
    Answer::Value(bytes.into())
}

/// What the binary did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }

    /// What it wrote, as it did what it was asked to and said nothing else.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        assert_eq!((self.status, self.err.as_str()), (0, ""), "{self:?}");
        self.out
    }

    /// What it wrote, as it did what it was asked to and said each of `parts` beside it.
    #[track_caller]
    pub(crate) fn text_saying(self, parts: &[&str]) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in:\n{}", self.err);
        }
        self.out
    }

    #[track_caller]
    pub(crate) fn json(self) -> Json {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// Checks that it failed with `status`, wrote no data, and said each of `parts`.
    #[track_caller]
    pub(crate) fn fails(self, status: i32, parts: &[&str]) {
        assert_eq!((self.status, self.out.as_str()), (status, ""), "{self:?}");
        assert!(self.err.starts_with("error: "), "{}", self.err);
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in:\n{}", self.err);
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Something that answers as an app-net 0.6 peer does, at the port that is given back: `info`, and `app.double`.
pub(crate) fn original_peer() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = move |request: &[u8]| -> Json {
        let failed = |text: &str| json!({"payload": "error", "traceback": format!("Traceback (most recent call last):\n{text}\n")});
        let Ok(request) = serde_json::from_slice::<Json>(request) else {
            return failed("JSONDecodeError: Expecting value");
        };
        match request["connection"].as_str() {
            Some("net.defaults.handlers.info") => json!({
                "tag": "<net.Peer>", "host": "127.0.0.1", "port": port, "user": "mona", "executable": "/usr/bin/python",
                "group": "render", "hub": true, "connections": ["app.double", "net.defaults.handlers.info"],
                "subscriptions": [], "flags": [],
            }),
            Some("app.double") => match request["args"][0].as_i64() {
                Some(x) => json!(2 * x),
                None => failed("TypeError: not a number"),
            },
            _ => json!("INVALID_CONNECTION"),
        }
    };
    // Ends with the process: one connection after the other, a request and an answer on each.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap_or(0);
            let answer = match answer(&request[..read]) {
                Json::String(flag) => flag,
                value => value.to_string(),
            };
            // Whoever only looked whether someone is here has left.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

/// An address at which nobody is.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
