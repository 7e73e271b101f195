//! Newcomers for whom there is no room: each is told so in what it speaks, where it says at once what that is. It costs little
//! and not for long: so many at a time, a moment for each; beyond that they are closed without a word.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use net_proto::original;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::accept::{FIRST_BYTES, Speaker, first_bytes};
use super::connections::Full;
use super::handshake::let_it_read;
use super::socket::Socket;
use super::tls;

/// Those that are told at a time, at each listener. They are in no other count.
const AT_A_TIME: usize = 32;
/// How long each of them has, to say what it speaks and to read the answer. Both are on their way when it connects.
const TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct TurnedAway(Arc<Semaphore>);

impl TurnedAway {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }

    /// Tells a newcomer why, in a task of its own.
    pub(super) fn add(&self, runtime: &Handle, socket: Socket, why: Full) {
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else {
            return;
        };
        runtime.spawn(async move {
            // One that is too slow is closed all the same.
            let _ = timeout(TIME, tell(socket, &why.to_string())).await;
            drop(permit);
        });
    }
}

async fn tell(mut socket: Socket, why: &str) {
    let mut read = BytesMut::with_capacity(FIRST_BYTES);
    let words = match first_bytes(&mut socket, &mut read).await {
        Ok(Speaker::Native) => net_proto::turn_away(why),
        Ok(Speaker::Original(dialect)) => dialect.build_answer(&original::Answer::Error {
            traceback: format!("Busy: {why}\n"),
        }),
        Ok(Speaker::Tls) => tls::BUSY.to_vec(),
        Ok(Speaker::Left | Speaker::Unknown) | Err(_) => return,
    };
    if socket.write_all(&words).await.is_ok() {
        let_it_read(&mut socket).await;
    }
}
