//! Events with peers of the original app-net, both ways. They subscribe by calling our `subscription_handler`, and so do we with theirs;
//! an event is then a call of the subscriber's function.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use net_proto::interests::Wish;
use net_proto::links::Target;
use net_proto::original::{Dialect, PeerId03, Tag03};
use net_proto::{Address, InstanceId};

use super::inbox::Subscribed;
use super::mailbox::Mailbox;
use crate::peer::Core;
use crate::private::answer_value;
use crate::registry::{Answer, Incoming};
use crate::remote::Remote;
use crate::value::{self, ValueError};

/// The tag of [`subscription_handler`], on every peer.
pub(crate) const TAG: &str = "net.defaults.handlers.subscription_handler";

/// The original peers that were asked for events, and for which wishes.
#[derive(Default)]
pub(super) struct Asked(Arc<Mutex<Asks>>);

#[derive(Default)]
struct Asks {
    /// By the number of the wish and the original's address.
    asks: HashMap<(u64, Address), Ask>,
    mailboxes: HashMap<String, Arc<Mailbox>>,
}

struct Ask {
    /// How often it was asked so far.
    times: u32,
    state: State,
    /// What it calls with an event. An original cannot be told that it is to stop, and calls once for each time that it was asked, by
    /// whoever was at that address before too: so each time has a tag of its own, and what comes for an older one is refused.
    tag: String,
}

#[derive(Clone, Copy)]
enum State {
    OnItsWay,
    /// It has answered or, if that got lost, may have heard.
    Heard(Instant),
    /// It is to be asked again.
    Again,
}

impl Asks {
    fn forget(&mut self, which: impl Fn(u64, &Address) -> bool) {
        let Self { asks, mailboxes } = self;
        asks.retain(|(number, address), ask| {
            let goes = which(*number, address);
            if goes {
                mailboxes.remove(&ask.tag);
            }
            !goes
        });
    }
}

/// A tag that is nobody else's, and shows people whose it is.
fn tag_for(function: &str, of: InstanceId, number: u64, times: u32) -> String {
    format!("{function}#{of}.{number}.{times}")
}

impl Asked {
    fn all(&self) -> MutexGuard<'_, Asks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a peer to call us with each event, if it was not asked.
    pub(super) fn ask(
        &self,
        core: &Arc<Core>,
        number: u64,
        wish: &Wish,
        address: &Address,
        dialect: Dialect,
        subscribed: &Arc<Subscribed>,
    ) {
        let key = (number, address.clone());
        let tag;
        {
            let mut all = self.all();
            let old = all.asks.get(&key);
            if old.is_some_and(|ask| !matches!(ask.state, State::Again)) {
                return;
            }
            let times = old.map_or(0, |ask| ask.times) + 1;
            tag = tag_for(&subscribed.function.tag, core.id, number, times);
            let ask = Ask {
                times,
                state: State::OnItsWay,
                tag: tag.clone(),
            };
            if let Some(old) = all.asks.insert(key.clone(), ask) {
                all.mailboxes.remove(&old.tag);
            }
            let mailbox = Mailbox::new(wish, subscribed, address.to_string());
            all.mailboxes.insert(tag.clone(), mailbox);
        }
        let Some(port) = core.port else {
            tracing::warn!(peer = %address, event = wish.event, "an original peer cannot be subscribed to: it has to call this one, which does not listen");
            return;
        };
        let remote = Remote::new(core.peer(), core.peers.entry(&Target::At(address.clone())));
        let body = question(core, &wish.event, port, dialect, tag.clone());
        let asked = Self(Arc::clone(&self.0));
        core.runtime.spawn(async move {
            let (state, error) = match remote.call_raw(TAG, body).await {
                Ok(Answer::Error(error)) => (State::Heard(Instant::now()), Some(error.message)),
                Ok(_) => (State::Heard(Instant::now()), None),
                Err(error) if error.was_not_run() => (State::Again, Some(error.to_string())),
                Err(error) => (State::Heard(Instant::now()), Some(error.to_string())),
            };
            let mut all = asked.all();
            // Else it was forgotten meanwhile.
            let Some(ask) = all.asks.get_mut(&key).filter(|ask| ask.tag == tag) else {
                return;
            };
            ask.state = state;
            match error {
                Some(error) if ask.times == 1 => {
                    tracing::info!(peer = %remote, error, "an original peer cannot be subscribed to (it is asked again; that is logged at debug level)");
                }
                Some(error) => tracing::debug!(peer = %remote, error, "an original peer cannot be subscribed to"),
                None => tracing::debug!(peer = %remote, tag, "subscribed to an original peer"),
            }
        });
    }

    /// Where an event goes with which an original calls `tag`.
    pub(super) fn mailbox(&self, tag: &str) -> Option<Arc<Mailbox>> {
        self.all().mailboxes.get(tag).cloned()
    }

    /// A wish was withdrawn. An original cannot be told: what it calls is not there any more.
    pub(super) fn forget(&self, number: u64) {
        self.all().forget(|of, _| of == number);
    }

    /// A peer is gone: if it comes back, it is another one.
    pub(super) fn is_gone(&self, address: &Address) {
        self.all().forget(|_, at| at == address);
    }

    /// Has a peer asked again for those wishes of which it does not know, though it had heard of them before it was looked at.
    pub(super) fn check(&self, address: &Address, looked: Instant, knows: impl Fn(u64) -> bool) {
        for ((number, at), ask) in &mut self.all().asks {
            if let State::Heard(heard) = ask.state
                && at == address
                && heard < looked
                && !knows(*number)
            {
                ask.state = State::Again;
            }
        }
    }
}

/// The arguments with which an original's `subscription_handler` is called.
fn question(core: &Core, event: &str, port: u16, dialect: Dialect, tag: String) -> Vec<u8> {
    let host = core.host.as_str();
    let mut body = Vec::new();
    let encoded = match dialect {
        Dialect::V06 => value::encode_arguments(&(event, host, port, tag), &mut body),
        Dialect::V03 => {
            let id = PeerId03 {
                host: host.to_owned(),
                port,
                group: core.group.clone(),
            };
            let tag = Tag03 {
                name: tag,
                custom: false,
            };
            value::encode_arguments(&(event, id.encode(), tag.encode()), &mut body)
        }
    };
    debug_assert!(encoded.is_ok(), "texts and numbers can be sent");
    body
}

/// The built-in function by which an original subscribes to us: `(event, host, port, connection)` in 0.6, and
/// `(event, peer id, connection)` in 0.3.
pub(crate) fn subscription_handler(call: &Incoming) -> Answer {
    match read(call).and_then(|(event, address, tag)| {
        let remote = call.peer.remote(&address).map_err(|e| e.to_string())?;
        call.peer.0.publisher.outposts.add(&event, remote, tag)
    }) {
        Ok(()) => answer_value(&()),
        Err(why) => Answer::failed("ValueError", format!("subscription_handler: {why}"), ""),
    }
}

/// The event, the subscriber's address, and the tag of its function.
fn read(call: &Incoming) -> Result<(String, String, String), String> {
    let text = |error: ValueError| error.to_string();
    let parts = value::split_arguments(&call.body).map_err(text)?;
    match parts.count {
        3 => {
            let (event, id, tag): (String, String, String) =
                value::decode_arguments(&call.body).map_err(text)?;
            let id = PeerId03::decode(&id).map_err(|error| error.to_string())?;
            Ok((event, at(&id.host, id.port), Tag03::decode(&tag).name))
        }
        _ => {
            let (event, host, port, tag): (String, String, u16, String) =
                value::decode_arguments(&call.body).map_err(text)?;
            Ok((event, at(&host, port), tag))
        }
    }
}

fn at(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}
