//! async-nats, with a `nats-server` of its own between the two ends. What travels is the bare bytes of the numbers: NATS
//! has no calls with arguments.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io, thread};

use async_nats::{Client as Nats, ConnectOptions, Message, Subscriber};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use lines::{Client, Error, Tally};
use tokio::runtime::Runtime;

const SERVER: &str = "nats-server";
const EVENT: &str = "tick";
/// What the server takes at most: the largest value that the bench sends, and a little.
const LARGEST: usize = 257 * 1024 * 1024;

/// Starts a server and, in `runtime`, a client of it that answers; says where the server is.
pub(crate) fn serve(runtime: &Runtime, dir: &str) -> Result<String, Error> {
    let address = start_server(dir)?;
    runtime.block_on(async {
        let nats = connect(&address).await?;
        answer(&nats, "multiply", |_, factors| async { product(factors) }).await?;
        answer(&nats, "echo", |_, value| async { value }).await?;
        answer(&nats, "publish", publish).await?;
        let registered = Arc::new(AtomicUsize::new(0));
        answer(&nats, "register", move |nats, functions| {
            register(nats, functions, Arc::clone(&registered))
        })
        .await?;
        nats.flush().await?;
        Ok(address)
    })
}

/// The server, at a port that the system gives; it ends when this process does.
fn start_server(dir: &str) -> Result<String, Error> {
    let config = format!("{dir}/{SERVER}.conf");
    let pending = 4 * LARGEST;
    fs::write(
        &config,
        format!("listen: \"127.0.0.1:-1\"\nmax_payload: {LARGEST}\nmax_pending: {pending}\n"),
    )?;
    let mut command = Command::new(SERVER);
    command
        .args(["-c", &config])
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    // SAFETY: in the child, before it runs the server, only one system call is made.
    unsafe {
        command.pre_exec(
            || match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            },
        );
    }
    let mut server = command
        .spawn()
        .map_err(|error| format!("{SERVER}: {error}; the Debian package `{SERVER}` has it"))?;
    let mut said = BufReader::new(server.stderr.take().ok_or("a server without output")?).lines();
    let address = said.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, address) = line.split_once("Listening for client connections on ")?;
        Some(address.to_owned())
    });
    // It would stop at a full pipe.
    thread::spawn(move || said.for_each(drop));
    Ok(address.ok_or("the server does not listen")?)
}

/// As the package says it.
pub(crate) fn server_version() -> Option<String> {
    let said = Command::new(SERVER).arg("--version").output().ok()?.stdout;
    Some(String::from_utf8(said).ok()?.trim().replace(": v", " "))
}

async fn connect(address: &str) -> Result<Nats, Error> {
    let options = ConnectOptions::new().request_timeout(Some(std::time::Duration::from_secs(60)));
    Ok(options.connect(address).await?)
}

/// Answers the requests of a subject, one after the other.
async fn answer<F>(
    nats: &Nats,
    subject: &str,
    function: impl Fn(Nats, Bytes) -> F + Send + 'static,
) -> Result<(), Error>
where
    F: Future<Output = Bytes> + Send,
{
    let mut requests = nats.subscribe(subject.to_owned()).await?;
    let nats = nats.clone();
    tokio::spawn(async move {
        while let Some(Message { reply, payload, .. }) = requests.next().await {
            let answer = function(nats.clone(), payload).await;
            if let Some(reply) = reply {
                nats.publish(reply, answer).await?;
            }
        }
        Ok::<(), async_nats::PublishError>(())
    });
    Ok(())
}

fn numbers<const N: usize>(numbers: [i64; N]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(N * 8);
    numbers.into_iter().for_each(|number| bytes.put_i64(number));
    bytes.freeze()
}

fn product(mut factors: Bytes) -> Bytes {
    numbers([factors.get_i64() * factors.get_i64()])
}

async fn publish(nats: Nats, mut events: Bytes) -> Bytes {
    for number in 0..events.get_i64() {
        // Its error is that the connection has ended, which who waits for the events finds out too.
        let _ = nats.publish(EVENT, numbers([number])).await;
    }
    Bytes::new()
}

fn numbered(number: usize) -> String {
    format!("multiply.{number}")
}

/// Answers under further subjects, until there are so many.
async fn register(nats: Nats, mut functions: Bytes, registered: Arc<AtomicUsize>) -> Bytes {
    let functions = functions.get_i64() as usize; // this bench's own client sent it
    for number in registered.fetch_max(functions, Ordering::Relaxed)..functions {
        let _ = answer(&nats, &numbered(number), |_, factors| async {
            product(factors)
        })
        .await;
    }
    Bytes::new()
}

/// A client's link, to the server.
#[derive(Clone)]
pub(crate) struct Link(Nats);

impl Client for Link {
    async fn connect(address: &str) -> Result<Self, Error> {
        Ok(Self(connect(address).await?))
    }

    async fn multiply(&self, a: i64, b: i64) -> Result<i64, Error> {
        let mut answer = self.0.request("multiply", numbers([a, b])).await?.payload;
        Ok(answer.try_get_i64()?)
    }

    async fn echo(&self, value: Bytes) -> Result<usize, Error> {
        if value.len() > LARGEST {
            return Err("larger than what the server takes".into());
        }
        Ok(self.0.request("echo", value).await?.payload.len())
    }

    async fn register(&self, functions: usize) -> Result<(), Error> {
        self.0
            .request("register", numbers([functions as i64]))
            .await?;
        Ok(())
    }

    async fn numbered(&self, number: usize) -> Result<i64, Error> {
        let request = self.0.request(numbered(number), numbers([5, 10]));
        Ok(request.await?.payload.try_get_i64()?)
    }

    async fn subscribe(links: &[Self], tally: &Arc<Tally>) -> Result<(), Error> {
        for link in links {
            let events: Subscriber = link.0.subscribe(EVENT).await?;
            let tally = Arc::clone(tally);
            tokio::spawn(events.for_each(move |_| {
                tally.count();
                std::future::ready(())
            }));
            // The server takes what a client sends in turn: once this is answered, it knows of the subscription.
            link.multiply(1, 1).await?;
        }
        Ok(())
    }

    async fn publish(&self, events: usize) -> Result<(), Error> {
        self.0.request("publish", numbers([events as i64])).await?;
        Ok(())
    }
}
