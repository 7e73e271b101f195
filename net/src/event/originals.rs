//! Events with peers of the original app-net, both ways. They subscribe by calling our `subscription_handler`, and so do we with theirs;
//! an event is then a call of the subscriber's function.

use std::collections::HashSet;
use std::sync::Arc;

use net_proto::Address;
use net_proto::links::Target;
use net_proto::original::{Dialect, PeerId03, Tag03};

use super::inbox::Subscribed;
use crate::peer::Core;
use crate::private::answer_value;
use crate::registry::{Answer, Incoming};
use crate::remote::Remote;
use crate::value::{self, ValueError};

/// The tag of [`subscription_handler`], on every peer.
pub(crate) const TAG: &str = "net.defaults.handlers.subscription_handler";

/// The original peers that were asked for events, and for which wishes.
#[derive(Default)]
pub(super) struct Asked(Arc<std::sync::Mutex<HashSet<(u64, Address)>>>);

impl Asked {
    fn all(&self) -> std::sync::MutexGuard<'_, HashSet<(u64, Address)>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Asks a peer to call our function with each event, if it was not asked.
    pub(super) fn ask(
        &mut self,
        core: &Arc<Core>,
        number: u64,
        address: &Address,
        dialect: Dialect,
        subscribed: &Subscribed,
    ) {
        // It has no other way to call than a port.
        let Some(port) = core.port else { return };
        if !self.all().insert((number, address.clone())) {
            return;
        }
        let event = &subscribed.event;
        let tag = &subscribed.function.tag;
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
                let (name, custom) = (tag.clone(), false);
                let tag = Tag03 { name, custom }.encode();
                value::encode_arguments(&(event, id.encode(), tag), &mut body)
            }
        };
        debug_assert!(encoded.is_ok(), "texts and numbers can be sent");
        let target = Target::At(address.clone());
        let remote = Remote::new(core.peer(), core.peers.entry(&target));
        let (asked, key) = (Arc::clone(&self.0), (number, address.clone()));
        core.runtime.spawn(async move {
            let told = match remote.call_raw(TAG, body).await {
                Ok(Answer::Error(error)) => Err(error.message),
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = told {
                tracing::info!(peer = %remote, error, "an original peer cannot be subscribed to");
                asked
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .remove(&key);
            }
        });
    }

    /// A wish was withdrawn. An original cannot be told: it finds out when its call is refused.
    pub(super) fn forget(&mut self, number: u64) {
        self.all().retain(|(of, _)| *of != number);
    }

    /// A peer is gone: if it comes back, it is another one.
    pub(super) fn is_gone(&mut self, address: &Address) {
        self.all().retain(|(_, at)| at != address);
    }

    /// Forgets that a peer was asked for those wishes of which it does not know.
    pub(super) fn keep(&mut self, address: &Address, knows: impl Fn(u64) -> bool) {
        self.all()
            .retain(|(number, at)| at != address || knows(*number));
    }
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
