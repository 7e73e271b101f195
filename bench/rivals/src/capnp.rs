//! Cap'n Proto RPC. It runs on one thread by design: its tasks stay where they were begun, so the loops over its calls
//! are here again.

use std::rc::Rc;
use std::thread;
use std::time::Instant;

use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{RpcSystem, new_client};
use futures_util::AsyncReadExt;
use futures_util::io::{BufReader, BufWriter};
use lines::client::{Share, end_of};
use lines::{Done, Error, Order, Transport, worker};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::bench_capnp::bench::{
    Client, EchoParams, EchoResults, MultiplyParams, MultiplyResults, Server,
};
use crate::sockets::{self, Stream};

struct Functions;

impl Server for Functions {
    async fn multiply(
        self: Rc<Self>,
        factors: MultiplyParams,
        mut results: MultiplyResults,
    ) -> Result<(), capnp::Error> {
        let factors = factors.get()?;
        results.get().set_product(factors.get_a() * factors.get_b());
        Ok(())
    }

    async fn echo(
        self: Rc<Self>,
        params: EchoParams,
        mut results: EchoResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_value(params.get()?.get_value()?);
        Ok(())
    }
}

/// One side of a link that takes messages of any size.
fn network(stream: Stream, side: Side) -> Box<VatNetwork<BufReader<impl futures_util::AsyncRead>>> {
    let (input, output) = stream.compat().split();
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(None);
    let (input, output) = (BufReader::new(input), BufWriter::new(output));
    Box::new(VatNetwork::new(input, output, side, options))
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Listens on a thread of its own; says where.
pub(crate) fn serve(transport: Transport, dir: &str) -> Result<String, Error> {
    let (tell, told) = std::sync::mpsc::channel();
    let dir = dir.to_owned();
    thread::spawn(move || {
        let serving = async {
            let functions: Client = new_client(Functions);
            let (address, accepting) = sockets::listen(transport, &dir, |stream| {
                let network = network(stream, Side::Server);
                let functions = functions.clone().client;
                tokio::task::spawn_local(RpcSystem::new(network, Some(functions)));
            })
            .await?;
            tell.send(address)?;
            accepting.await
        };
        LocalSet::new().block_on(&runtime()?, serving)
    });
    Ok(told.recv()?)
}

/// Answers the driver's lines until they end.
pub(crate) fn ask(address: &str) -> Result<(), Error> {
    let (runtime, local) = (runtime()?, LocalSet::new());
    let client = local.block_on(&runtime, async {
        let stream = sockets::connect(address).await?;
        let mut system = RpcSystem::new(network(stream, Side::Client), None);
        let client: Client = system.bootstrap(Side::Server);
        tokio::task::spawn_local(system);
        multiply(&client).await?;
        Ok::<_, Error>(client)
    })?;
    worker::ask(|order| local.block_on(&runtime, carry_out(&client, order)))
}

async fn carry_out(client: &Client, order: Order) -> Result<Done, Error> {
    match order {
        Order::Latency { calls } => {
            let mut share = Share::whole(calls);
            for _ in share.by_ref() {
                multiply(client).await?;
            }
            Ok(share.into())
        }
        Order::Flight { window, calls } => {
            let mut tasks = JoinSet::new();
            let start = Instant::now();
            for mut share in Share::each(window, calls) {
                let client = client.clone();
                tasks.spawn_local(async move {
                    for _ in share.by_ref() {
                        multiply(&client).await?;
                    }
                    Ok(share)
                });
            }
            end_of(tasks, start).await
        }
        Order::Echo { size, calls } => {
            let value = vec![7; size];
            let mut share = Share::whole(calls);
            for _ in share.by_ref() {
                let mut request = client.echo_request();
                request.get().set_value(&value);
                let answer = request.send().promise.await?;
                if answer.get()?.get_value()?.len() != size {
                    return Err("the echo has another size".into());
                }
            }
            Ok(share.into())
        }
        _ => Err("not written for Cap'n Proto".into()),
    }
}

async fn multiply(client: &Client) -> Result<i64, capnp::Error> {
    let mut request = client.multiply_request();
    let mut factors = request.get();
    factors.set_a(5);
    factors.set_b(10);
    Ok(request.send().promise.await?.get()?.get_product())
}
