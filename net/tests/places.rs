//! The runtime directory: where it lies, what keeps a peer from using it, and what others have left in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod common;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::process::{Process, built};
use common::{PATIENCE, Place, until};
use net::{InstanceId, Peer, Remote};
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

/// A user that owns nothing.
const NOBODY: u32 = 65_534;

impl Place {
    /// Where the sockets lie.
    fn sockets(&self) -> PathBuf {
        self.path().join("app-net")
    }

    fn socket(&self, number: u8) -> PathBuf {
        self.sockets()
            .join(format!("{}.sock", InstanceId([number; 16])))
    }
}

/// A socket that nobody listens at any more.
fn leave_behind(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

async fn passes(remote: &Remote) {
    let call = remote.call::<i64>("net.defaults.handlers.pass_through", &(1,));
    assert_eq!(call.timeout(PATIENCE).await.unwrap(), 1);
}

fn listen(path: &Path, backlog: i32) -> Socket {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
    socket.listen(backlog).unwrap();
    socket
}

/// Connects until the queue of who listens there is full.
fn fill(path: &Path) -> Vec<Socket> {
    let mut queued = Vec::new();
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        match socket.connect(&SockAddr::unix(path).unwrap()) {
            Ok(()) => queued.push(socket),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return queued,
            Err(error) => panic!("{error}"),
        }
    }
}

// --- what others have left --------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_tidy_up_at_once_remove_what_is_dead_and_nothing_else() {
    let place = Place::new();
    let mut peers = Vec::new();
    for _ in 0..4 {
        peers.push(place.peer().await);
    }
    for _ in 0..5 {
        for number in 1..=20 {
            leave_behind(&place.socket(number));
        }
        let mut looks = tokio::task::JoinSet::new();
        for peer in peers.clone() {
            looks.spawn(async move { peer.refresh().await.len() });
        }
        assert!(looks.join_all().await.iter().all(|others| *others == 3));
        assert_eq!(fs::read_dir(place.sockets()).unwrap().count(), peers.len());
    }
    // Those that stayed are still the way in.
    let newcomer = place.peer().await;
    assert_eq!(newcomer.peers().await.len(), peers.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_starts_while_others_tidy_up_keeps_its_socket() {
    let place = Place::new();
    let tidy = place.peer().await;
    let tidying = tokio::spawn(async move {
        loop {
            tidy.refresh().await;
        }
    });
    for _ in 0..30 {
        let peer = place.builder().discover(false).start().await.unwrap();
        let socket = place.sockets().join(format!("{}.sock", peer.id()));
        assert!(socket.exists());
        peer.shutdown().await;
        assert!(!socket.exists());
    }
    tidying.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_whose_queue_is_full_is_not_taken_for_dead() {
    let place = Place::new();
    let peer = place.peer().await;
    let socket = place.socket(1);
    let _full = listen(&socket, 1);
    let _queued = fill(&socket);
    peer.refresh().await;
    assert!(socket.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_a_peer_whose_queue_is_full_waits_for_room() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let caller = place.builder().discover(false).start().await.unwrap();
    let called = elsewhere.builder().discover(false).start().await.unwrap();
    let name = format!("{}.sock", called.id());
    let socket = place.sockets().join(&name);
    let full = listen(&socket, 1);
    let queued = fill(&socket);
    let remote = caller.remote(&called.id().to_string()).unwrap();
    let call = tokio::spawn(async move { passes(&remote).await });
    // It has met the queue as it is.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!call.is_finished());
    // The peer gets to it: those who came first have left, then comes the caller.
    full.set_nonblocking(true).unwrap();
    let full = tokio::net::UnixListener::from_std(full.into()).unwrap();
    for _ in &queued {
        full.accept().await.unwrap();
    }
    drop(queued);
    let (mut dialled, _) = full.accept().await.unwrap();
    let there = elsewhere.sockets().join(&name);
    let mut onward = tokio::net::UnixStream::connect(there).await.unwrap();
    let carrying =
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut dialled, &mut onward).await });
    tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    carrying.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_socket_is_left_alone_and_a_link_is_not_followed() {
    let (place, elsewhere) = (Place::new(), TempDir::new().unwrap());
    let peer = place.peer().await;
    fs::write(place.socket(1), "a file").unwrap();
    fs::create_dir(place.socket(2)).unwrap();
    // To one that is dead, to one that is alive, to nothing.
    let (dead, alive) = (
        elsewhere.path().join("dead"),
        elsewhere.path().join("alive"),
    );
    leave_behind(&dead);
    let listener = UnixListener::bind(&alive).unwrap();
    listener.set_nonblocking(true).unwrap();
    symlink(&dead, place.socket(3)).unwrap();
    symlink(&alive, place.socket(4)).unwrap();
    symlink(elsewhere.path().join("nothing"), place.socket(5)).unwrap();
    assert!(peer.refresh().await.is_empty());
    assert!(peer.peers().await.is_empty());
    assert_eq!(fs::read(place.socket(1)).unwrap(), b"a file");
    for number in 2..=5 {
        assert!(
            fs::symlink_metadata(place.socket(number)).is_ok(),
            "{number}"
        );
    }
    assert!(dead.exists() && alive.exists());
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_peer_left_that_was_killed_while_it_started_is_removed_in_time() {
    let place = Place::new();
    let peer = place.peer().await;
    let (left, starting) = (
        place.socket(1).with_extension("new"),
        place.socket(2).with_extension("new"),
    );
    leave_behind(&left);
    // Between its `bind` and its `listen`: as refusing as a dead one.
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(&starting).unwrap()).unwrap();
    let start = Instant::now();
    peer.refresh().await;
    peer.refresh().await;
    // Looks that follow at once prove nothing.
    let exist = left.exists() && starting.exists();
    assert!(exist || start.elapsed() > Duration::from_secs(2));
    // A start takes no seconds, and this one goes on.
    fs::rename(&starting, place.socket(2)).unwrap();
    socket.listen(8).unwrap();
    until("it is removed", async || !left.exists()).await;
    assert!(place.socket(2).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_killed_at_any_moment_of_their_start_leave_nothing_for_long() {
    let place = Place::new();
    let peer = place.peer().await;
    for milliseconds in 0..30 {
        let mut command = Command::new(built());
        command
            .env("NET_RUNTIME_DIR", place.path())
            .env("NET_PORT", "0");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    until("one socket is left", async || {
        fs::read_dir(place.sockets()).unwrap().count() == 1
    })
    .await;
    assert!(peer.refresh().await.is_empty());
}

// --- what keeps a peer from using it ----------------------------------------------------------------------------

/// The example `peer` where everybody may run it, with nothing of this process's environment.
struct Program(TempDir);

impl Program {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(built(), dir.path().join("peer")).unwrap();
        Self(dir)
    }

    /// A directory beside it.
    fn dir(&self, name: &str, mode: u32, owner: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn as_nobody(&self) -> Command {
        let mut command = Command::new(self.0.path().join("peer"));
        command.env_clear().env("NET_PORT", "0").current_dir("/");
        command.uid(NOBODY).gid(NOBODY);
        command
    }
}

/// Permissions stop nobody but others than root, and only root can become another.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: needs to be root, to become somebody else");
    }
    is_root
}

/// What it says where it cannot start: the directory, why, and what to do.
#[track_caller]
fn assert_refused(started: Result<Process, String>, dir: &Path, why: &str) {
    let said = started.err().expect("it started");
    let path = dir.display().to_string();
    for part in ["the runtime directory", &path, why, "set NET_RUNTIME_DIR"] {
        assert!(said.contains(part), "no {part:?} in {said:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_to_is_named_with_what_to_do() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    let start = |dir: &Path| Process::run(program.as_nobody().env("NET_RUNTIME_DIR", dir));

    let roots = program.dir("roots", 0o755, 0);
    assert_refused(start(&roots), &roots.join("app-net"), "Permission denied");

    let closed = program.dir("closed", 0o700, 0);
    assert_refused(start(&closed), &closed.join("app-net"), "Permission denied");

    let mine = program.dir("mine", 0o755, NOBODY);
    program.dir("mine/app-net", 0o700, 0);
    assert_refused(
        start(&mine),
        &mine.join("app-net"),
        "it belongs to user 0, not to user 65534",
    );

    // Its own it opens for itself.
    for mode in [0o500, 0o000, 0o777] {
        let name = format!("own-{mode:o}");
        let own = program.dir(&name, 0o755, NOBODY);
        let place = program.dir(&format!("{name}/app-net"), mode, NOBODY);
        let _peer = start(&own).unwrap();
        let mode = fs::metadata(place).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn a_file_system_that_is_read_only_is_named_with_what_to_do() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    let dir = program.dir("mounted", 0o755, 0);
    let start = |prepare: &str| {
        // In a mount namespace of its own, which goes with it.
        let script = format!(
            "mount -t tmpfs none '{0}' && {prepare} && mount -o remount,ro '{0}' && exec '{1}'",
            dir.display(),
            program.0.path().join("peer").display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]);
        command.env("NET_RUNTIME_DIR", &dir).env("NET_PORT", "0");
        Process::run(&mut command)
    };
    let place = dir.join("app-net");
    let missing = start("true");
    if missing
        .as_ref()
        .is_err_and(|said| !said.contains("app-net"))
    {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    assert_refused(missing, &place, "Read-only file system");
    let there = start(&format!("mkdir -m 700 '{}'", place.display()));
    assert_refused(there, &place, "Read-only file system");
}

#[test]
fn without_a_directory_of_the_sessions_the_systems_for_temporary_files_is_used() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    let temporary = program.dir("tmp", 0o1777, 0);
    let fallback = temporary.join(format!("app-net-{NOBODY}"));
    let session = program.dir("session", 0o700, NOBODY);
    let start = |session: Option<&Path>| {
        let mut command = program.as_nobody();
        command.env("TMPDIR", &temporary);
        command.envs(session.map(|dir| ("XDG_RUNTIME_DIR", dir)));
        let peer = Process::run(&mut command).unwrap();
        let socket = peer.addresses[0].strip_prefix("unix:").unwrap().to_owned();
        PathBuf::from(socket).parent().unwrap().to_owned()
    };
    assert_eq!(start(Some(&session)), session.join("app-net"));
    assert_eq!(start(None), fallback);
    // Missing; left over from whoever became this user; not from the root on.
    for unfit in [
        program.0.path().join("missing"),
        program.dir("root", 0o755, 0),
        "tmp".into(),
    ] {
        assert_eq!(start(Some(&unfit)), fallback, "{}", unfit.display());
    }
    assert_eq!(
        fs::metadata(&fallback).unwrap().permissions().mode() & 0o777,
        0o700
    );
    // Where another user was there first, it is not used.
    fs::remove_dir_all(&fallback).unwrap();
    program.dir(&format!("tmp/app-net-{NOBODY}"), 0o777, 12_345);
    let mut command = program.as_nobody();
    let started = Process::run(command.env("TMPDIR", &temporary));
    assert_refused(started, &fallback, "it belongs to user 12345");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_path_that_a_socket_can_have_is_used_and_no_longer_one() {
    /// Of a socket's name in its directory.
    const NAME: usize = "/app-net/".len() + 32 + ".sock".len();
    const LONGEST: usize = 103;
    let dir = TempDir::new().unwrap();
    let room = LONGEST - NAME - dir.path().as_os_str().as_bytes().len() - "/".len();
    let start = |extra: usize| {
        let dir = dir.path().join("x".repeat(room + extra));
        Peer::builder().port(0).runtime_dir(dir).start()
    };
    let (a, b) = (start(0).await.unwrap(), start(0).await.unwrap());
    assert_eq!(a.addresses()[0].len(), "unix:".len() + LONGEST);
    passes(&a.remote(&b.addresses()[0]).unwrap()).await;
    let error = start(1).await.unwrap_err().to_string();
    for part in [
        "the runtime directory",
        "xxx",
        "104 bytes, 103 at most",
        "NET_RUNTIME_DIR",
    ] {
        assert!(error.contains(part), "{error}");
    }
}
