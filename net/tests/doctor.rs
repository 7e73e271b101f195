//! What a diagnosis comes to, on one host: each fault that can be had there is named as the cause. Those of networks are in lab/.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use net::{Cause, Diagnosis, Peer};

use common::{Place, free_ports, tcp};

const KEY: &str = "3f9c1b7e5a2d8046c1e97b3f5d80a264";
const OTHER: &str = "b8427dd05e9a41f3a6c0915e7fd2384c";

async fn peer(group: &str, key: Option<&str>) -> (Place, Peer) {
    let place = Place::new();
    let builder = place.builder().discover(false).group(group);
    let mut builder = builder.bind([Ipv4Addr::LOCALHOST.into()]);
    if let Some(key) = key {
        builder = builder.secret(key);
    }
    (place, builder.start().await.unwrap())
}

async fn diagnose(from: &Peer, at: SocketAddr) -> Diagnosis {
    from.diagnose(Some(&at.to_string())).await
}

/// The one that is told last as a fault is why.
fn fault(diagnosis: &Diagnosis) -> &str {
    let mut faults = diagnosis.findings.iter().filter(|finding| finding.is_fault);
    faults.next_back().map_or("", |finding| &finding.text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_in_the_way_of_one_that_can_be_linked_to() {
    let (_a, a) = peer("lab", Some(KEY)).await;
    let (_b, b) = peer("lab", Some(KEY)).await;
    let diagnosis = diagnose(&a, tcp(&b)).await;
    assert_eq!(diagnosis.cause, Cause::None, "{diagnosis:?}");
    let looked: Vec<_> = diagnosis
        .findings
        .iter()
        .map(|finding| finding.what)
        .collect();
    assert!(looked.ends_with(&["link", "clock"]), "{looked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_groups_that_differ_are_told_apart() {
    let (_a, lab) = peer("lab", Some(KEY)).await;
    let (_b, keyless) = peer("lab", None).await;
    for (group, key, cause) in [
        ("lab", Some(OTHER), Cause::OtherKey),
        ("test", Some(KEY), Cause::OtherGroup),
        ("lab", None, Cause::KeyMissingThere),
    ] {
        let (_c, other) = peer(group, key).await;
        let diagnosis = diagnose(&lab, tcp(&other)).await;
        assert_eq!(diagnosis.cause, cause, "{diagnosis:?}");
        assert!(!fault(&diagnosis).is_empty());
    }
    let diagnosis = diagnose(&keyless, tcp(&lab)).await;
    assert_eq!(diagnosis.cause, Cause::KeyMissingHere, "{diagnosis:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_and_somebody_else_are_told_apart() {
    let (_a, keyless) = peer("lab", None).await;
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, free_ports(1)));
    let diagnosis = diagnose(&keyless, nobody).await;
    assert_eq!(diagnosis.cause, Cause::NothingListens, "{diagnosis:?}");

    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = other.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut socket, _)) = other.accept() {
            let _ = std::io::Write::write_all(&mut socket, b"220 mail.example.org ESMTP\r\n");
        }
    });
    let diagnosis = diagnose(&keyless, at).await;
    assert_eq!(diagnosis.cause, Cause::NotAPeer, "{diagnosis:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_nowhere_and_one_that_nobody_has_are_named() {
    let (_a, lab) = peer("lab", Some(KEY)).await;
    let diagnosis = lab.diagnose(Some("no-such-host.invalid:3010")).await;
    assert!(
        matches!(diagnosis.cause, Cause::NameUnknown | Cause::InterfaceDown),
        "{diagnosis:?}"
    );
    let diagnosis = lab.diagnose(Some("nobody@nowhere:1")).await;
    assert!(
        matches!(diagnosis.cause, Cause::NotSeen | Cause::InterfaceDown),
        "{diagnosis:?}"
    );
    let (_b, keyless) = peer("lab", None).await;
    let diagnosis = keyless.diagnose(None).await;
    assert_eq!(diagnosis.cause, Cause::LoopbackOnly, "{diagnosis:?}");
    let diagnosis = keyless.diagnose(Some("nobody@nowhere:1")).await;
    assert_eq!(diagnosis.cause, Cause::LoopbackOnly, "{diagnosis:?}");
}
