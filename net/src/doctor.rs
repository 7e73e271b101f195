//! Why a peer is not seen: what lies between this one and it is looked at piece by piece, what is nearest first, so that the first fault is the
//! cause. Nothing is changed by it, but that a link may have been made at its end.

mod cause;
mod looks;

use std::time::Duration;

use net_proto::links::{Met, Target};
use net_proto::{Address, InstanceId};

use crate::find::Outcome;
use crate::peer::Peer;
use crate::remote::Remote;
use crate::secure::access::Access;
use crate::which::Which;

pub use cause::Cause;

/// How long the other's announcements are waited for. They come at once where they come at all, as an answer to a question.
const HEARD_WITHIN: Duration = Duration::from_secs(3);
/// How often it is looked whether they have come.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at: `interfaces`, `port` and so on.
    pub what: &'static str,
    /// Whether it is in the way.
    pub is_fault: bool,
    /// What was seen.
    pub text: String,
}

/// What was looked at, and what of it is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// All that was looked at, in this order.
    pub findings: Vec<Finding>,
    /// The one cause.
    pub cause: Cause,
}

#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
    cause: Option<Cause>,
}

impl Findings {
    fn note(&mut self, what: &'static str, text: impl Into<String>) {
        self.all.push(Finding {
            what,
            is_fault: false,
            text: text.into(),
        });
    }

    /// Takes in what a look has come to. Says whether the way goes on.
    fn take(&mut self, what: &'static str, look: looks::Look) -> bool {
        let (text, cause) = match look {
            Ok(text) => (text, None),
            Err((cause, text)) => (text, Some(cause)),
        };
        let is_fault = cause.is_some();
        self.all.push(Finding {
            what,
            is_fault,
            text,
        });
        if self.cause.is_none() {
            self.cause = cause;
        }
        !is_fault
    }

    fn concluded(self, otherwise: Cause) -> Diagnosis {
        Diagnosis {
            findings: self.all,
            cause: self.cause.unwrap_or(otherwise),
        }
    }
}

impl Peer {
    /// Says why a peer is not seen from here: one that is named by its address (`host:port`), its id or its name; or, without any, what keeps this one from
    /// seeing others.
    ///
    /// Takes some seconds at most.
    pub async fn diagnose(&self, target: Option<&str>) -> Diagnosis {
        let (peer, target) = (self.clone(), target.map(str::to_owned));
        // On the peer's own runtime: whoever asks may stand in another, or in none.
        let looking = self.0.runtime.spawn(async move {
            match target {
                Some(target) => toward(&peer, &target).await,
                None => around(&peer).await,
            }
        });
        looking.await.unwrap_or_else(|_| Diagnosis {
            findings: Vec::new(),
            cause: Cause::Unknown,
        })
    }
}

/// What keeps the peer from seeing others.
async fn around(peer: &Peer) -> Diagnosis {
    let mut findings = Findings::default();
    findings.note("this peer", looks::setup(peer));
    let others = peer.refresh_where(&Which::new().any_group()).await;
    note_finders(peer, &mut findings);
    findings.note("peers", format!("{} are there", others.len()));
    for here in others.iter().filter(|other| other.on_host()) {
        let name = here.name().unwrap_or_else(|| here.to_string());
        let text = format!("{name} listens at {}", here.addresses().join(", "));
        findings.note("bound", text);
    }
    if peer.0.access == Access::Host && !others.is_empty() {
        findings.note("network", "no further than this host is looked");
        return findings.concluded(Cause::None);
    }
    network(peer, &mut findings);
    for report in peer.finders() {
        if let ("mdns", Some(trouble)) = (report.finder, report.trouble) {
            findings.take("multicast", Err((Cause::MulticastBlocked, trouble)));
        }
    }
    findings.concluded(Cause::None)
}

fn note_finders(peer: &Peer, findings: &mut Findings) {
    for report in peer.finders() {
        let linked = report
            .seen
            .iter()
            .filter(|seen| matches!(seen.outcome, Outcome::Linked(_)));
        let (seen, linked) = (report.seen.len(), linked.count());
        let mut text = format!("{}: {seen} seen, {linked} linked", report.finder);
        if let Some(trouble) = report.trouble {
            text.push_str(&format!("; {trouble}"));
        }
        findings.note("finder", text);
    }
}

/// Why one peer is not seen.
async fn toward(peer: &Peer, target: &str) -> Diagnosis {
    let mut findings = Findings::default();
    findings.note("this peer", looks::setup(peer));
    let known = match target.parse::<InstanceId>() {
        Ok(id) => Some(Target::Instance(id)),
        Err(_) => target.parse::<Address>().ok().map(Target::At),
    };
    let address = match known {
        Some(Target::At(address)) => address,
        _ => match find(peer, target, &mut findings).await {
            Some(address) => address,
            None => return not_seen(peer, findings),
        },
    };
    if !address.is_here() {
        way(&address, &mut findings).await;
        if findings.cause == Some(Cause::NothingListens) && peer.0.access == Access::Host {
            findings.cause = Some(Cause::LoopbackOnly);
        }
    }
    if findings.cause.is_some() {
        return findings.concluded(Cause::Unknown);
    }
    let id = match looks::link(&peer.0, &address).await {
        Ok(Met::Peer(id)) => id,
        Ok(Met::Original(_)) => {
            findings.note("link", "a program of the original app-net answers");
            return findings.concluded(Cause::None);
        }
        Err(fault) => {
            findings.take("link", Err(fault));
            return findings.concluded(Cause::Unknown);
        }
    };
    let there = Remote::new(peer.clone(), peer.0.peers.found(id, None));
    findings.note("link", format!("there is a link to {there}"));
    findings.take("clock", looks::clock(&there).await);
    if !address.is_here() && findings.cause.is_none() {
        heard(peer, id, &mut findings).await;
    }
    findings.concluded(Cause::None)
}

/// The address of a peer that was named, where it has been seen.
async fn find(peer: &Peer, name: &str, findings: &mut Findings) -> Option<Address> {
    let others = peer.refresh_where(&Which::new().any_group()).await;
    let is_meant = |other: &Remote| {
        other.name().as_deref() == Some(name)
            || other
                .id()
                .is_some_and(|id| id.to_string().starts_with(name))
    };
    let address = others
        .iter()
        .find(|other| is_meant(other))
        .and_then(|found| {
            let first = found.addresses().into_iter().next()?;
            findings.note("found", format!("{name} is at {first}"));
            first.parse().ok()
        });
    if address.is_none() {
        note_finders(peer, findings);
        for report in peer.finders() {
            for seen in report.seen {
                if let Outcome::Failed(why) = seen.outcome {
                    findings.note(
                        "seen",
                        format!("{} by {}: {why}", seen.address, report.finder),
                    );
                }
            }
        }
    }
    address
}

/// Nobody of that name: what keeps this peer from seeing anybody is what there is to say, else that it was not seen.
fn not_seen(peer: &Peer, mut findings: Findings) -> Diagnosis {
    network(peer, &mut findings);
    findings.concluded(Cause::NotSeen)
}

/// Whether the peer sees anything of the networks of its host.
fn network(peer: &Peer, findings: &mut Findings) {
    if peer.0.access == Access::Host {
        let text =
            "this peer's group is served on its own host alone, and looks no further".to_owned();
        findings.take("network", Err((Cause::LoopbackOnly, text)));
    } else {
        findings.take("interfaces", looks::interfaces());
    }
}

/// The way to an address elsewhere, up to its port.
async fn way(address: &Address, findings: &mut Findings) {
    if !findings.take("interfaces", looks::interfaces()) {
        return;
    }
    let places = match looks::resolve(address).await {
        Ok(places) => places,
        Err(fault) => {
            findings.take("name", Err(fault));
            return;
        }
    };
    let mut faults = Vec::new();
    for at in places {
        let looked = match looks::route(at) {
            Ok(text) => {
                findings.note("route", text);
                looks::port(at).await
            }
            fault => fault,
        };
        if let Some(text) = looks::neighbour(at.ip()) {
            findings.note("neighbour", text);
        }
        match looked {
            Ok(text) => return findings.note("port", text),
            fault => faults.push(fault),
        }
    }
    for fault in faults {
        findings.take("port", fault);
    }
}

/// Whether the other's announcements are heard, where it announces itself.
async fn heard(peer: &Peer, id: InstanceId, findings: &mut Findings) {
    let looking = async {
        loop {
            match looks::announcements(&peer.finders(), id) {
                Some(Err(_)) => tokio::time::sleep(LOOK_EVERY).await,
                heard => return heard,
            }
        }
    };
    let heard = match tokio::time::timeout(HEARD_WITHIN, looking).await {
        Ok(heard) => heard,
        Err(_) => looks::announcements(&peer.finders(), id),
    };
    if let Some(look) = heard {
        findings.take("multicast", look);
    }
}
