//! What a peer tells of itself and of its functions, asked for with the calls that every peer answers.

use std::collections::BTreeMap;
use std::time::Duration;

use net::{CallError, Remote, Speaks};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Answered by every peer, originals too.
const INFO: &str = "net.defaults.handlers.info";
/// Answered with a map by ours; originals answer a text for people.
const CONNECTIONS: &str = "net.defaults.handlers.connections";
/// Where the built-in functions stand.
pub(crate) const BUILT_IN: &str = "net.defaults.";

/// How long a peer may take to tell of itself. It answers at once unless it is very busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of a function. An original peer tells nothing but its tag.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) doc: Option<String>,
    pub(crate) signature: Option<String>,
    /// Those that may call it; none named is everybody.
    pub(crate) groups: Option<Vec<String>>,
}

/// Functions by tag.
pub(crate) type Functions = BTreeMap<String, Function>;

/// What the peer is.
pub(crate) async fn info(remote: &Remote) -> Result<Json, CallError> {
    remote.call::<Json>(INFO, &()).timeout(PATIENCE).await
}

/// What the peer offers.
pub(crate) async fn functions(remote: &Remote) -> Result<Functions, CallError> {
    if remote.speaks() == Speaks::Unknown {
        remote.connect().await?;
    }
    match remote.speaks() {
        Speaks::Native => remote.call(CONNECTIONS, &()).timeout(PATIENCE).await,
        _ => Ok(tags_in(&info(remote).await?)),
    }
}

/// The functions that an [`info`] names.
pub(crate) fn tags_in(info: &Json) -> Functions {
    let tags = info.get("connections").and_then(Json::as_array);
    tags.into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(|tag| (tag.to_owned(), Function::default()))
        .collect()
}
