//! Groups whose peers have certificates of an organisation's own authority instead of a key. All on loopback, in runtime directories of
//! their own, so that no Unix socket leads past the certificates.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use net::{CallError, Peer};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

use common::authority::{Authority, Files, Wanted};
use common::log::log;
use common::{Place, until};

#[net::connect]
fn double(x: i64) -> i64 {
    2 * x
}

fn builder(place: &Place, group: &str) -> net::Builder {
    let builder = place.builder().discover(false).group(group);
    builder.bind([Ipv4Addr::LOCALHOST.into()])
}

fn with(builder: net::Builder, files: &Files) -> net::Builder {
    builder.certificates(&files.chain, &files.key, &files.authorities)
}

async fn peer(group: &str, files: &Files) -> (Place, Peer) {
    let place = Place::new();
    let peer = with(builder(&place, group), files).start().await.unwrap();
    (place, peer)
}

async fn refused_start(files: &Files) -> String {
    let place = Place::new();
    let started = with(builder(&place, "lab"), files).start().await;
    started.unwrap_err().to_string()
}

async fn call(caller: &Peer, callee: &Peer) -> Result<i64, CallError> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, callee.port().unwrap()));
    double::on(&caller.remote(&at.to_string()).unwrap(), 21).await
}

async fn refusal(caller: &Peer, callee: &Peer) -> String {
    match call(caller, callee).await {
        Err(CallError::Unreachable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

/// Whether a line of the log has all of these in it.
fn is_logged(parts: &[&str]) -> bool {
    let log = log().lock().unwrap();
    log.lines()
        .any(|line| parts.iter().all(|part| line.contains(part)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_of_one_authority_call_one_another() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("Example");
    let a_files = authority.issue(dir.path(), "a", Wanted::default());
    let uses = vec![ServerAuth, ClientAuth];
    let wanted = Wanted {
        uses,
        ..Wanted::default()
    };
    let b_files = authority.issue(dir.path(), "b", wanted);
    let (_a, a) = peer("lab", &a_files).await;
    let (_b, b) = peer("lab", &b_files).await;
    assert_eq!(call(&a, &b).await.unwrap(), 42);
    assert_eq!(call(&b, &a).await.unwrap(), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_between_a_certificate_and_its_authority_is_shown_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = Authority::new("Example");
    let part = root.intermediate("Example's laboratory");
    let a_files = root.issue(dir.path(), "a", Wanted::default());
    let b_files = part.issue(dir.path(), "b", Wanted::default());
    fs::write(&b_files.authorities, root.pem()).unwrap();
    // Nobody could tell whose it is.
    let error = refused_start(&b_files).await;
    assert!(error.contains("NET_TLS_CERT"), "{error}");
    assert!(error.contains("after its own"), "{error}");

    let leaf = fs::read_to_string(&b_files.chain).unwrap();
    fs::write(&b_files.chain, leaf + &part.pem()).unwrap();
    let (_a, a) = peer("lab", &a_files).await;
    let (_b, b) = peer("lab", &b_files).await;
    assert_eq!(call(&a, &b).await.unwrap(), 42);
    assert_eq!(call(&b, &a).await.unwrap(), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_of_another_authority_are_refused_and_both_logs_say_so() {
    let _ = log();
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new("Example").issue(dir.path(), "ours", Wanted::default());
    // By the same name, which is nothing to go by.
    let theirs = Authority::new("Example").issue(dir.path(), "theirs", Wanted::default());
    let (_a, a) = peer("lab", &ours).await;
    let (_b, b) = peer("lab", &theirs).await;
    let why = refusal(&a, &b).await;
    assert!(why.contains("no authority that is trusted here"), "{why}");
    assert!(why.contains("ours-ca.pem"), "{why}");
    let dialled = [
        "does not take the other",
        "no authority that is trusted here",
    ];
    assert!(is_logged(&dialled));
    let accepted = [
        "connection refused",
        "does not trust the authority",
        "theirs.pem",
    ];
    until("the other side's log says it", async || {
        is_logged(&accepted)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_the_same_authority_is_another_group_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("Example");
    let files = authority.issue(dir.path(), "a", Wanted::default());
    let (_a, lab) = peer("lab", &files).await;
    let (_b, test) = peer("test", &files).await;
    let why = refusal(&lab, &test).await;
    assert!(
        why.contains("it says that it is of group \"test\""),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_groups_key_has_no_certificate_of_its_authority() {
    let dir = tempfile::tempdir().unwrap();
    let files = Authority::new("Example").issue(dir.path(), "a", Wanted::default());
    let (_a, certified) = peer("lab", &files).await;
    let place = Place::new();
    let keyed = builder(&place, "lab").secret("3f9c1b7e5a2d8046c1e97b3f5d80a264");
    let keyed = keyed.start().await.unwrap();
    let why = refusal(&certified, &keyed).await;
    assert!(why.contains("no authority that is trusted here"), "{why}");
    let why = refusal(&keyed, &certified).await;
    assert!(why.contains("not of the key of group \"lab\""), "{why}");

    let keyless = Place::new();
    let keyless = builder(&keyless, "lab").start().await.unwrap();
    let why = refusal(&certified, &keyless).await;
    assert!(why.contains("NET_TLS_CERT gives it one"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_has_expired_meanwhile_is_refused_and_both_logs_say_so() {
    let _ = log();
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("Example");
    let good = authority.issue(dir.path(), "good", Wanted::default());
    // A certificate's times are whole seconds.
    let until_when = SystemTime::now() + Duration::from_secs(3);
    let short = Wanted {
        until: until_when,
        ..Wanted::default()
    };
    let short = authority.issue(dir.path(), "short", short);
    let (_a, good) = peer("lab", &good).await;
    let (_b, expired) = peer("lab", &short).await;
    // What is waited for is this time itself.
    let left = until_when
        .duration_since(SystemTime::now())
        .unwrap_or_default();
    tokio::time::sleep(left + Duration::from_secs(1)).await;

    let why = refusal(&good, &expired).await;
    assert!(why.contains("its certificate has expired"), "{why}");
    let why = refusal(&expired, &good).await;
    assert!(
        why.contains("this peer's own certificate has expired"),
        "{why}"
    );
    for at in ["does not take the other", "connection refused"] {
        for what in [
            "its certificate has expired",
            "this peer's own certificate has expired",
        ] {
            until("both logs say it", async || is_logged(&[at, what])).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_replaced_are_used_from_then_on() {
    let _ = log();
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("Old"), Authority::new("New"));
    let files = old.issue(dir.path(), "peer", Wanted::default());
    let (_a, renewed) = peer("lab", &files).await;
    let others = new.issue(dir.path(), "other", Wanted::default());
    let (_b, other) = peer("lab", &others).await;
    assert!(refusal(&other, &renewed).await.contains("certificate"));

    // Something that cannot be used changes nothing.
    let chain = fs::read(&files.chain).unwrap();
    fs::write(&files.chain, "half a certi").unwrap();
    let others = old.issue(dir.path(), "as-before", Wanted::default());
    let (_c, as_before) = peer("lab", &others).await;
    assert_eq!(call(&as_before, &renewed).await.unwrap(), 42);
    assert!(is_logged(&["WARN", "new certificates are not used"]));
    fs::write(&files.chain, chain).unwrap();

    new.issue(dir.path(), "peer", Wanted::default());
    assert_eq!(call(&other, &renewed).await.unwrap(), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_would_not_take_is_refused_at_the_start_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("Example");
    let now = SystemTime::now();
    let day = Duration::from_secs(24 * 3600);
    let cases = [
        (
            Wanted {
                from: now - 9 * day,
                until: now - 3 * day,
                uses: Vec::new(),
            },
            "it has expired, 3 days ago",
        ),
        (
            Wanted {
                from: now + day,
                until: now + 9 * day,
                uses: Vec::new(),
            },
            "it is not valid for another",
        ),
        (
            Wanted {
                uses: vec![ServerAuth],
                ..Wanted::default()
            },
            "serverAuth and clientAuth",
        ),
    ];
    for (wanted, why) in cases {
        let files = authority.issue(dir.path(), "peer", wanted);
        let error = refused_start(&files).await;
        assert!(error.contains(why), "{error}");
        assert!(
            error.contains("NET_TLS_CERT=") && error.contains("peer.pem"),
            "{error}"
        );
    }
}

type Spoil<'a> = &'a dyn Fn(&Files);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_not_usable_are_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let authority = Authority::new("Example");
    let peer = || authority.issue(dir, "peer", Wanted::default());
    let other = authority.issue(dir, "other", Wanted::default());
    let write = |path: &Path, text: &str| fs::write(path, text).unwrap();
    let cases: [(&str, Spoil<'_>, &str); 8] = [
        (
            "NET_TLS_CERT",
            &|files| fs::remove_file(&files.chain).unwrap(),
            "cannot be read",
        ),
        (
            "NET_TLS_CERT",
            &|files| write(&files.chain, "nothing"),
            "no certificate in PEM form",
        ),
        (
            "NET_TLS_CA",
            &|files| write(&files.authorities, ""),
            "no certificate in PEM form",
        ),
        (
            "NET_TLS_CA",
            &|files| {
                write(
                    &files.authorities,
                    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                );
            },
            "not usable",
        ),
        (
            "NET_TLS_KEY",
            &|files| write(&files.key, "nothing"),
            "no private key in PEM form",
        ),
        (
            "NET_TLS_KEY",
            &|files| {
                write(
                    &files.key,
                    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                );
            },
            "openssl pkey",
        ),
        (
            "NET_TLS_KEY",
            &|files| {
                fs::set_permissions(&files.key, Permissions::from_mode(0o644)).unwrap();
            },
            "chmod o-rwx",
        ),
        (
            "NET_TLS_KEY",
            &|files| {
                fs::copy(&other.key, &files.key).unwrap();
            },
            "it is not the key of NET_TLS_CERT",
        ),
    ];
    for (setting, spoil, what) in cases {
        let files = peer();
        spoil(&files);
        let error = refused_start(&files).await;
        assert!(error.contains(setting) && error.contains(what), "{error}");
    }
    // A file that the group of its owner can read too, as Debian's for servers are.
    let files = peer();
    fs::set_permissions(&files.key, Permissions::from_mode(0o640)).unwrap();
    let place = Place::new();
    with(builder(&place, "lab"), &files).start().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_of_a_group_and_in_the_place_of_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let files = Authority::new("Example").issue(dir.path(), "a", Wanted::default());
    let place = Place::new();
    let error = with(place.builder(), &files).start().await.unwrap_err();
    assert!(error.to_string().contains("NET_TLS_CERT needs NET_GROUP"));
    let both = builder(&place, "lab").secret("3f9c1b7e5a2d8046c1e97b3f5d80a264");
    let error = with(both, &files).start().await.unwrap_err();
    assert!(error.to_string().contains("not both"), "{error}");
}
