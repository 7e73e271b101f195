//! tonic (gRPC), with prost. The messages and the service are written by hand, as `tonic-build` would generate them from a
//! `.proto` file: that takes the compiler `protoc`, and comes to the same.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use lines::{Client, Error, Transport};
use prost::Message;
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use crate::MANY;

/// What a client may have under way. With the megabyte of its default a server takes four thousand small calls at once for an
/// attack, and ends the link.
const WINDOW: u32 = 16 * 1024 * 1024;

const MULTIPLY: &str = "/bench.Bench/Multiply";
const ECHO: &str = "/bench.Bench/Echo";

#[derive(Clone, Copy, PartialEq, Message)]
struct Factors {
    #[prost(int64, tag = "1")]
    a: i64,
    #[prost(int64, tag = "2")]
    b: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Product {
    #[prost(int64, tag = "1")]
    product: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(bytes = "bytes", tag = "1")]
    value: Bytes,
}

#[derive(Clone)]
struct Functions;

impl NamedService for Functions {
    const NAME: &'static str = "bench.Bench";
}

impl Service<HttpRequest<Body>> for Functions {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(match request.uri().path() {
                MULTIPLY => {
                    let multiply = service_fn(async |request: Request<Factors>| {
                        let Factors { a, b } = request.into_inner();
                        Ok::<_, Status>(Response::new(Product { product: a * b }))
                    });
                    let mut server = tonic::server::Grpc::new(ProstCodec::default());
                    server.unary(multiply, request).await
                }
                ECHO => {
                    let echo = service_fn(async |request: Request<Value>| {
                        Ok::<_, Status>(Response::new(request.into_inner()))
                    });
                    let server = tonic::server::Grpc::new(ProstCodec::default());
                    let mut server = server.max_decoding_message_size(usize::MAX);
                    server.unary(echo, request).await
                }
                _ => Status::unimplemented("no such function").into_http(),
            })
        })
    }
}

/// Listens in a task; says where.
pub(crate) async fn serve(transport: Transport, dir: &str) -> Result<String, Error> {
    let server = Server::builder()
        .max_concurrent_streams(u32::try_from(MANY)?)
        .initial_connection_window_size(WINDOW)
        .add_service(Functions);
    match transport {
        Transport::Tcp => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            tokio::spawn(server.serve_with_incoming(incoming));
            Ok(format!("http://{address}"))
        }
        Transport::Unix => {
            let path = format!("{dir}/socket");
            let incoming = UnixListenerStream::new(UnixListener::bind(&path)?);
            tokio::spawn(server.serve_with_incoming(incoming));
            Ok(format!("unix://{path}"))
        }
    }
}

/// A client's link.
#[derive(Clone)]
pub(crate) struct Link(Channel);

impl Link {
    async fn call<Sent, Got>(&self, path: &'static str, message: Sent) -> Result<Got, Error>
    where
        Sent: Message + 'static,
        Got: Message + Default + 'static,
    {
        let client = tonic::client::Grpc::new(self.0.clone());
        let mut client = client.max_decoding_message_size(usize::MAX);
        client.ready().await?;
        let (path, codec) = (PathAndQuery::from_static(path), ProstCodec::default());
        let answer = client.unary(Request::new(message), path, codec).await?;
        Ok(answer.into_inner())
    }
}

impl Client for Link {
    async fn connect(address: &str) -> Result<Self, Error> {
        let endpoint = Endpoint::from_shared(address.to_owned())?.buffer_size(MANY);
        Ok(Self(endpoint.connect().await?))
    }

    async fn multiply(&self, a: i64, b: i64) -> Result<i64, Error> {
        let Product { product } = self.call(MULTIPLY, Factors { a, b }).await?;
        Ok(product)
    }

    async fn echo(&self, value: Bytes) -> Result<usize, Error> {
        let Value { value } = self.call(ECHO, Value { value }).await?;
        Ok(value.len())
    }
}
