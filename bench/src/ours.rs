//! The same work as calls of this project: the functions, the peer that serves them and the peer that calls.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use net::value::Bytes;
use net::{CallError, Peer, Remote};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Transport;
use crate::report::{Done, Error, Order};

#[net::connect]
fn multiply(a: i64, b: i64) -> i64 {
    a * b
}

#[net::connect("echo")]
fn echo(value: Bytes) -> Bytes {
    value
}

/// Starts a peer in `runtime`; says where it can be called.
pub(crate) fn serve(runtime: &Runtime, transport: Transport, dir: &Path) -> Result<String, Error> {
    let start = Peer::builder()
        .port(0)
        .port_range(0)
        .runtime_dir(dir)
        .discover(false)
        .start();
    let peer = runtime.block_on(start)?;
    let wanted = |address: &&String| address.starts_with("unix:") == (transport == Transport::Unix);
    let address = peer
        .addresses()
        .iter()
        .find(wanted)
        .ok_or("the peer has no such address")?;
    Ok(address.clone())
}

/// A peer that calls one other, and its handle to it.
pub(crate) fn connect(runtime: Option<&Runtime>, address: &str) -> Result<Remote, Error> {
    let start = Peer::builder().listen(false).discover(false).start();
    let peer = match runtime {
        Some(runtime) => runtime.block_on(start)?,
        None => net::blocking::block_on(start)?,
    };
    Ok(peer.remote(address)?)
}

/// Carries out an order with awaited calls.
pub(crate) async fn ask(remote: Remote, order: Order) -> Result<Done, Error> {
    match order {
        Order::Latency { calls } => {
            let mut times = Vec::with_capacity(calls);
            for _ in 0..calls {
                let start = Instant::now();
                black_box(multiply::on(&remote, black_box(5), 10).await?);
                times.push(start.elapsed());
            }
            Ok(Done::of_each(times))
        }
        Order::Flight { window, calls } => in_flight(remote, window, calls).await,
        Order::Echo { size, calls } => {
            let value = vec![7; size];
            let mut times = Vec::with_capacity(calls);
            for _ in 0..calls {
                let start = Instant::now();
                let back: Bytes = remote.call("echo", &(Bytes(&value),)).await?;
                times.push(start.elapsed());
                if back.0.len() != size {
                    return Err("the echo has another size".into());
                }
            }
            Ok(Done::of_each(times))
        }
    }
}

/// Keeps `window` calls in flight: so many tasks, each of which makes one call after the other.
async fn in_flight(remote: Remote, window: usize, calls: usize) -> Result<Done, Error> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..window {
        let remote = remote.clone();
        let share = calls / window + usize::from(task < calls % window);
        tasks.spawn(async move {
            for _ in 0..share {
                black_box(multiply::on(&remote, black_box(5), 10).await?);
            }
            Ok::<(), CallError>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(Done {
        took: start.elapsed(),
        p50: None,
    })
}

/// Carries out an order with calls that block this thread.
pub(crate) fn ask_and_wait(remote: &Remote, order: Order) -> Result<Done, Error> {
    let Order::Latency { calls } = order else {
        return Err("waiting only does one call at a time".into());
    };
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        black_box(multiply::on(remote, black_box(5), 10).wait()?);
        times.push(start.elapsed());
    }
    Ok(Done::of_each(times))
}
