//! tarpc, with bincode.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use lines::{Client, Error, Transport};
use tarpc::client;
use tarpc::context::{self, Context};
use tarpc::serde_transport::{self, Transport as Framed};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::LengthDelimitedCodec;

use crate::MANY;
use crate::sockets::{self, Stream};

#[tarpc::service]
trait Bench {
    async fn multiply(a: i64, b: i64) -> i64;
    async fn echo(value: Bytes) -> Bytes;
}

#[derive(Clone)]
struct Functions;

impl Bench for Functions {
    async fn multiply(self, _: Context, a: i64, b: i64) -> i64 {
        a * b
    }

    async fn echo(self, _: Context, value: Bytes) -> Bytes {
        value
    }
}

/// Messages of any size over a socket.
fn framed<In, Out>(stream: Stream) -> Framed<Stream, In, Out, Bincode<In, Out>>
where
    In: for<'a> tarpc::serde::Deserialize<'a>,
    Out: tarpc::serde::Serialize,
{
    let mut lengths = LengthDelimitedCodec::builder();
    lengths.max_frame_length(usize::MAX);
    serde_transport::new(lengths.new_framed(stream), Bincode::default())
}

/// Listens in a task; says where.
pub(crate) async fn serve(transport: Transport, dir: &str) -> Result<String, Error> {
    let (address, accepting) = sockets::listen(transport, dir, |stream| {
        let calls = BaseChannel::with_defaults(framed(stream)).execute(Functions.serve());
        tokio::spawn(calls.for_each(|call| async {
            tokio::spawn(call);
        }));
    })
    .await?;
    tokio::spawn(accepting);
    Ok(address)
}

/// A client's link.
#[derive(Clone)]
pub(crate) struct Link(BenchClient);

impl Client for Link {
    async fn connect(address: &str) -> Result<Self, Error> {
        let mut config = client::Config::default();
        config.max_in_flight_requests = MANY;
        let transport = framed(sockets::connect(address).await?);
        let link = Self(BenchClient::new(config, transport).spawn());
        link.multiply(1, 1).await?;
        Ok(link)
    }

    async fn multiply(&self, a: i64, b: i64) -> Result<i64, Error> {
        Ok(self.0.multiply(context::current(), a, b).await?)
    }

    async fn echo(&self, value: Bytes) -> Result<usize, Error> {
        let mut context = context::current();
        context.deadline = Instant::now() + Duration::from_secs(60);
        Ok(self.0.echo(context, value).await?.len())
    }
}
