//! The functions that every peer answers, under the tags that the original gave them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use net_proto::original::{Dialect, INVALID_CONNECTION};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::caller::Caller;
use crate::event::{self, subscription_handler};
use crate::peer::{Core, Peer};
use crate::private::{answer_bad_arguments, answer_value, sync_handler};
use crate::registry::{
    Answer, Connection, Incoming, Param, ParamKind, Registered, Registry, Signature,
};
use crate::secure::access::Access;
use crate::value;

/// The tag of [`info`].
pub(crate) const INFO: &str = "net.defaults.handlers.info";
const MODULE: &str = "net.defaults.handlers";
/// The flag that says that there is no answer.
pub(crate) const NULL: &str = "NULL";

/// What a peer tells of itself to whoever asks, as in the original, and its identity.
#[derive(Debug, Serialize)]
struct Info {
    tag: String,
    instance: String,
    host: String,
    port: Option<u16>,
    /// The original writes a missing group as the text "None", and filters by it.
    group: String,
    hub: bool,
    /// Who runs it, and from where: not for everybody.
    user: Option<String>,
    executable: Option<String>,
    /// Who may reach it.
    access: Access,
    /// What its clock says, in seconds since 1970.
    time: f64,
    software: &'static str,
    connections: Vec<String>,
    subscriptions: Vec<String>,
    flags: Vec<String>,
}

/// What a peer tells of one of its functions.
#[derive(Debug, Serialize)]
struct Described {
    name: String,
    module: String,
    doc: String,
    /// As written, for people.
    signature: String,
    parameters: Vec<DescribedParam>,
    returns: Option<String>,
    /// The groups that may call it; without, every caller may.
    groups: Option<Vec<String>>,
}

/// What a peer tells of one parameter of one of its functions, for programs that build a signature of it.
#[derive(Debug, Serialize)]
struct DescribedParam {
    name: String,
    kind: &'static str,
    annotation: Option<String>,
    default: Option<String>,
}

impl From<&Param> for DescribedParam {
    fn from(param: &Param) -> Self {
        let kind = match param.kind {
            ParamKind::Positional => "positional",
            ParamKind::KeywordOnly => "keyword_only",
            ParamKind::VarPositional => "var_positional",
            ParamKind::VarKeyword => "var_keyword",
        };
        Self {
            name: param.name.clone(),
            kind,
            annotation: param.annotation.clone(),
            default: param.default.clone(),
        }
    }
}

/// Registers the built-in functions and flags.
pub(crate) fn register(registry: &Registry) {
    registry.register_flag(NULL);
    registry.register_flag(INVALID_CONNECTION);
    let add = |name: &str, doc: &str, run: fn(&Incoming) -> Answer| {
        registry.register(Connection {
            tag: format!("{MODULE}.{name}"),
            name: name.into(),
            module: MODULE.into(),
            doc: doc.into(),
            signature: any_arguments(),
            groups: None,
            handler: sync_handler(run),
        });
    };
    add(
        "info",
        "What this peer is: host, port, group, hub, user, executable, and what it offers. User and executable are for its group and its user.",
        |call| answer_value(&info(&call.peer, &call.caller)),
    );
    add(
        "pass_through",
        "Gives back what it is given: one argument as it is, several as (args, kwargs).",
        pass_through,
    );
    add("null", "Answers with the flag NULL.", |_| {
        Answer::Flag(NULL.into())
    });
    add(
        "subscription_handler",
        "Has a function of a peer called with each event: (event, host, port, connection), or (event, peer id, connection).",
        subscription_handler,
    );
    add(
        "connections",
        "The functions of this peer by tag, each with name, module, doc and signature.",
        |call| answer_value(&described(call.peer.registry())),
    );
}

fn any_arguments() -> Signature {
    let param = |name: &str, kind| Param {
        name: name.into(),
        kind,
        annotation: None,
        default: None,
    };
    Signature {
        params: vec![
            param("args", ParamKind::VarPositional),
            param("kwargs", ParamKind::VarKeyword),
        ],
        returns: None,
    }
}

fn info(peer: &Peer, caller: &Caller) -> Info {
    let host = peer.host().to_owned();
    let group = peer.group().unwrap_or("None").to_owned();
    let connections: Vec<String> = peer
        .registry()
        .all()
        .iter()
        .map(|(tag, _)| tag.to_string())
        .collect();
    let subscriptions = peer.subscribed_events();
    let flags = peer.registry().flags();
    Info {
        tag: format!(
            "<net.Peer h:{host} p:{} g:{group} c:{} s:{} f:{}>",
            peer.port()
                .map_or_else(|| "None".to_owned(), |port| port.to_string()),
            connections.len(),
            subscriptions.len(),
            flags.len(),
        ),
        instance: peer.id().to_string(),
        host,
        port: peer.port(),
        group,
        hub: peer.hub(),
        user: caller.is_inside().then(|| peer.0.user.clone()),
        executable: caller.is_inside().then(executable),
        access: peer.0.access,
        time: now(),
        software: concat!("app-net/", env!("CARGO_PKG_VERSION")),
        connections,
        subscriptions,
        flags,
    }
}

fn now() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0.0, |now| now.as_secs_f64())
}

fn executable() -> String {
    let path = std::env::current_exe().unwrap_or_else(|_| PathBuf::new());
    path.display().to_string()
}

fn described(registry: &Registry) -> std::collections::BTreeMap<String, Described> {
    let describe = |c: &Arc<Registered>| Described {
        name: c.name.clone(),
        module: c.module.clone(),
        doc: c.doc.clone(),
        signature: c.signature.to_string(),
        parameters: c
            .signature
            .params
            .iter()
            .map(DescribedParam::from)
            .collect(),
        returns: c.signature.returns.clone(),
        groups: c.groups.clone(),
    };
    registry
        .all()
        .iter()
        .map(|(tag, c)| (tag.to_string(), describe(c)))
        .collect()
}

fn pass_through(call: &Incoming) -> Answer {
    match value::split_arguments(&call.body) {
        Ok(parts) if parts.count == 1 && parts.keywords.is_none() => {
            Answer::Value(call.body.slice_ref(parts.items).into())
        }
        Ok(parts) => {
            let mut out = Vec::with_capacity(call.body.len() + 16);
            value::encode_tuple_head(2, &mut out);
            value::encode_tuple_head(parts.count, &mut out);
            out.extend_from_slice(parts.items);
            match parts.keywords {
                Some(keywords) => out.extend_from_slice(keywords),
                None => value::encode_map_head(0, &mut out),
            }
            Answer::Value(out.into())
        }
        Err(error) => answer_bad_arguments("pass_through", error),
    }
}

/// [`info`] for an original peer, which reads `limit` bytes and no more: names of flags, and then of functions, are left out from the
/// end of their list until it fits, because without the rest it could not meet us at all.
pub(crate) fn info_for_original(
    core: &Arc<Core>,
    caller: &Caller,
    dialect: Dialect,
    limit: usize,
) -> Json {
    let mut info = info(&core.peer(), caller);
    // Ours first: every peer has the built-in ones. But an original calls as a method what it subscribes by, so it has to read of it.
    info.connections.sort_by_key(|tag| {
        let subscribes = tag == event::SUBSCRIPTION_HANDLER;
        (!subscribes, tag.starts_with(MODULE), tag.clone())
    });
    let mut answer = json!(info);
    let room = match dialect {
        Dialect::V06 => limit,
        // Base64: four bytes for three.
        Dialect::V03 => limit * 3 / 4 - 16,
    };
    let mut size = ascii_size(&answer);
    for list in ["flags", "subscriptions", "connections"] {
        let names = answer.get_mut(list).and_then(Json::as_array_mut);
        let Some(names) = names else { continue };
        while size > room
            && let Some(name) = names.pop()
        {
            // And the comma before it, which the first has none of.
            size -= ascii_size(&name) + usize::from(!names.is_empty());
        }
    }
    answer
}

/// The bytes of JSON as an original is sent it: in ASCII, anything else as `\uXXXX`.
fn ascii_size(json: &Json) -> usize {
    let size = |c: char| match c.is_ascii() {
        true => 1,
        false => 6 * c.len_utf16(),
    };
    json.to_string().chars().map(size).sum()
}
