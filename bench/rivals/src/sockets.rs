//! Sockets of both transports as one type, for the libraries that take any stream of bytes.

use lines::{Error, Transport};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

/// A connected socket.
pub(crate) type Stream = Either<TcpStream, UnixStream>;

/// Listens, and gives each connection to `answer`; says where, and what has to be awaited for it.
pub(crate) async fn listen<F: Fn(Stream)>(
    transport: Transport,
    dir: &str,
    answer: F,
) -> Result<(String, impl Future<Output = Result<(), Error>> + use<F>), Error> {
    let path = format!("{dir}/socket");
    let listener = match transport {
        Transport::Tcp => Either::Left(TcpListener::bind("127.0.0.1:0").await?),
        Transport::Unix => Either::Right(UnixListener::bind(&path)?),
    };
    let address = match &listener {
        Either::Left(listener) => listener.local_addr()?.to_string(),
        Either::Right(_) => format!("unix:{path}"),
    };
    let accepting = async move {
        loop {
            answer(match &listener {
                Either::Left(listener) => {
                    let (stream, _) = listener.accept().await?;
                    stream.set_nodelay(true)?;
                    Either::Left(stream)
                }
                Either::Right(listener) => Either::Right(listener.accept().await?.0),
            });
        }
    };
    Ok((address, accepting))
}

/// Connects to where [`listen`] said.
pub(crate) async fn connect(address: &str) -> Result<Stream, Error> {
    Ok(match address.strip_prefix("unix:") {
        Some(path) => Either::Right(UnixStream::connect(path).await?),
        None => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Either::Left(stream)
        }
    })
}
