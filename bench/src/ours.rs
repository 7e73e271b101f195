//! The same work as calls of this project: the functions, the peer that serves them and the peer that calls.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lines::{Client, Done, Error, Order, Share, Tally, Transport};
use net::{Builder, Connection, Peer, Policy, Remote};
use tokio::runtime::Runtime;

/// The event that is published to many.
const EVENT: &str = "tick";

#[net::connect]
fn multiply(a: i64, b: i64) -> i64 {
    a * b
}

#[net::connect("echo")]
fn echo(value: net::value::Bytes<Bytes>) -> net::value::Bytes<Bytes> {
    value
}

/// Registers `multiply` under further tags, until there are so many.
#[net::connect("register")]
fn register(functions: u64) -> Result<(), String> {
    let peer = Peer::current().ok_or("no peer")?;
    let registry = peer.registry();
    let known = registry.find(multiply::TAG).ok_or("no multiply")?;
    for number in (0..functions).rev() {
        let tag = numbered(number);
        if registry.find(&tag).is_some() {
            break;
        }
        registry.register(Connection {
            name: tag.clone(),
            tag,
            module: known.module.clone(),
            doc: known.doc.clone(),
            signature: known.signature.clone(),
            groups: known.groups.clone(),
            handler: Arc::clone(&known.handler),
        });
    }
    Ok(())
}

fn numbered(number: u64) -> String {
    format!("multiply.{number}")
}

/// Publishes so many events, as fast as those who are told of them take them.
#[net::connect("publish")]
async fn publish(events: u64) -> Result<(), String> {
    for number in 0..events {
        let emitted = net::emit(EVENT, &(number,)).await;
        emitted.map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[net::connect("subscribers")]
fn subscribers() -> u64 {
    Peer::current().map_or(0, |peer| peer.subscribers(EVENT) as u64)
}

/// A peer that looks for nobody.
pub(crate) fn quiet() -> Builder {
    Peer::builder().discover(false)
}

/// As [`quiet`], of a group that speaks TLS over TCP.
pub(crate) fn with_a_key() -> Builder {
    quiet()
        .group("bench")
        .secret("3f9c1b7e5a2d8046c1e97b3f5d80a264")
        .bind([Ipv4Addr::LOCALHOST.into()])
}

/// Starts a peer in `runtime`; says where it can be called.
pub(crate) fn serve(
    runtime: &Runtime,
    transport: Transport,
    dir: &Path,
    builder: Builder,
) -> Result<String, Error> {
    let start = builder.port(0).port_range(0).runtime_dir(dir).start();
    let peer = runtime.block_on(start)?;
    let wanted = |address: &String| address.starts_with("unix:") == (transport == Transport::Unix);
    let mut addresses = peer.addresses().into_iter();
    let address = addresses.find(wanted);
    Ok(address.ok_or("the peer has no such address")?)
}

/// A peer that calls one other, and is linked with it.
async fn caller(address: &str, builder: Builder) -> Result<Remote, Error> {
    let peer = builder.listen(false).start().await?;
    let remote = peer.remote(address)?;
    remote.connect().await?;
    Ok(remote)
}

/// A link of a peer of its own: two peers have one link.
#[derive(Clone)]
pub(crate) struct Net(Remote);

impl Client for Net {
    async fn connect(address: &str) -> Result<Self, Error> {
        Ok(Self(caller(address, quiet()).await?))
    }

    async fn multiply(&self, a: i64, b: i64) -> Result<i64, Error> {
        Ok(multiply::on(&self.0, a, b).await?)
    }

    async fn echo(&self, value: Bytes) -> Result<usize, Error> {
        let value = net::value::Bytes(value);
        let back: net::value::Bytes<Bytes> = self.0.call("echo", &(value,)).await?;
        Ok(back.0.len())
    }

    async fn register(&self, functions: usize) -> Result<(), Error> {
        Ok(register::on(&self.0, functions as u64).await?)
    }

    async fn numbered(&self, number: usize) -> Result<i64, Error> {
        Ok(self.0.call(&numbered(number as u64), &(5, 10)).await?)
    }

    async fn subscribe(links: &[Self], tally: &Arc<Tally>) -> Result<(), Error> {
        for Self(publisher) in links {
            let tally = Arc::clone(tally);
            let wish = publisher.local().subscribe(EVENT).peers([publisher]);
            wish.when_full(Policy::Block)
                .run(move |_: (u64,)| tally.count());
        }
        if let Some(Self(publisher)) = links.first() {
            // A wish is told to the publisher in the background.
            while subscribers::on(publisher).await? < links.len() as u64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Ok(())
    }

    async fn publish(&self, events: usize) -> Result<(), Error> {
        Ok(publish::on(&self.0, events as u64).await?)
    }
}

/// The same over TLS: the small calls and the large values.
#[derive(Clone)]
pub(crate) struct NetTls(Net);

impl Client for NetTls {
    async fn connect(address: &str) -> Result<Self, Error> {
        Ok(Self(Net(caller(address, with_a_key()).await?)))
    }

    async fn multiply(&self, a: i64, b: i64) -> Result<i64, Error> {
        self.0.multiply(a, b).await
    }

    async fn echo(&self, value: Bytes) -> Result<usize, Error> {
        self.0.echo(value).await
    }
}

/// A caller that has no runtime of its own.
pub(crate) fn connect_and_wait(address: &str, builder: Builder) -> Result<Remote, Error> {
    net::blocking::block_on(caller(address, builder))
}

/// Carries out an order with calls that block this thread.
pub(crate) fn ask_and_wait(remote: &Remote, order: Order) -> Result<Done, Error> {
    let Order::Latency { calls } = order else {
        return Err("waiting only does one call at a time".into());
    };
    let mut share = Share::whole(calls);
    for _ in share.by_ref() {
        black_box(multiply::on(remote, black_box(5), 10).wait()?);
    }
    Ok(share.into())
}
