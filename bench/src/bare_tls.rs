//! The yardstick for TLS: what a bare socket of the standard library does, with rustls over it and nothing else. Of the cipher suites
//! only the one that a group with a key comes to; both ends know one certificate, since it is not the handshake that is measured.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use lines::{Done, Error, Order};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::{MESSAGE, bare_std};

const NAME: &str = "localhost";
/// An Ed25519 key in PKCS #8, known to all.
const KEY: [u8; 48] = {
    let mut key = [7; 48];
    let head = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let mut at = 0;
    while at < head.len() {
        key[at] = head[at];
        at += 1;
    }
    key
};

/// What the first message on a connection says that it is for.
const PING: u8 = b'p';
const LARGE: u8 = b'l';

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..ring::default_provider()
    })
}

fn certificate() -> Result<CertificateDer<'static>, Error> {
    let key = PrivatePkcs8KeyDer::from(&KEY[..]);
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ED25519)?;
    let params = CertificateParams::new(vec![NAME.to_owned()])?;
    Ok(params.self_signed(&pair)?.der().clone())
}

/// Listens on a thread of its own; says where.
pub(crate) fn serve() -> Result<String, Error> {
    let key = PrivatePkcs8KeyDer::from(KEY.to_vec());
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate()?], key.into())?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || answer(stream, config));
        }
    });
    Ok(address.to_string())
}

/// Serves one connection until the client has gone, which it sees as an error.
fn answer(stream: TcpStream, config: Arc<ServerConfig>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut stream = StreamOwned::new(ServerConnection::new(config)?, stream);
    let mut what = [0];
    stream.read_exact(&mut what)?;
    let mut value = vec![0; MESSAGE];
    loop {
        if what == [LARGE] {
            let mut size = [0; 8];
            stream.read_exact(&mut size)?;
            value.resize(usize::try_from(u64::from_be_bytes(size))?, 0);
        }
        stream.read_exact(&mut value)?;
        stream.write_all(&value)?;
        stream.flush()?;
    }
}

/// Carries out an order.
pub(crate) fn ask(address: &str, order: Order) -> Result<Done, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()?)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let connection = ClientConnection::new(Arc::new(config), NAME.try_into()?)?;
    let mut stream = StreamOwned::new(connection, stream);
    match order {
        Order::Latency { calls } => {
            stream.write_all(&[PING])?;
            bare_std::ping(stream, calls)
        }
        Order::Echo { size, calls } => {
            stream.write_all(&[LARGE])?;
            Ok(large(stream, size, calls)?)
        }
        _ => Err("bare TLS does one call at a time, small or large".into()),
    }
}

fn large(mut stream: impl Read + Write, size: usize, calls: usize) -> io::Result<Done> {
    let sent = vec![7; size];
    let mut received = vec![0; size];
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        stream.write_all(&(size as u64).to_be_bytes())?;
        stream.write_all(&sent)?;
        stream.flush()?;
        stream.read_exact(&mut received)?;
        times.push(start.elapsed());
    }
    Ok(Done::of_each(times))
}
