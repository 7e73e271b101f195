//! Looking around anew takes seconds where there are neighbours to ask: how far that is, for who sits at a terminal.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::pin::pin;
use std::time::Duration;

use net::{Peer, Remote, Which};

/// How often it is said. What is over sooner is not said at all.
const EVERY: Duration = Duration::from_millis(400);

/// The peers of all groups, after one more look around.
pub(crate) async fn refreshed(me: &Peer) -> Vec<Remote> {
    let every = Which::new().any_group();
    told(me, me.refresh_where(&every)).await
}

async fn told<T>(me: &Peer, looking: impl Future<Output = T>) -> T {
    let mut looking = pin!(looking);
    if !stderr().is_terminal() {
        return looking.await;
    }
    let mut said = 0;
    loop {
        match tokio::time::timeout(EVERY, &mut looking).await {
            Ok(done) => {
                say(&" ".repeat(said));
                say("");
                return done;
            }
            Err(_) => {
                let text = progress(me);
                say(&format!("{text:<said$}"));
                said = said.max(text.len());
            }
        }
    }
}

/// What is looked at still, as far as its finder says how far it is.
fn progress(me: &Peer) -> String {
    let reports = me.finders().into_iter();
    let going = reports.filter_map(|report| {
        let (done, all) = report.progress?;
        Some(format!("{}: {done} of {all}", report.finder))
    });
    let going: Vec<_> = going.collect();
    format!("looking around … {}", going.join(", "))
}

/// In the place of what was said before.
fn say(text: &str) {
    let mut err = stderr();
    // With standard error closed there is nobody to tell.
    let _ = write!(err, "\r{text}").and_then(|()| err.flush());
}
