//! Who calls: what is known of it, what it has proved, what it may be shown, and who it is that calls right now.
//!
//! Not here: how anything is proved (see `link::proof`), and which functions ask for what (see `registry`).

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use net_proto::links::Target;
use net_proto::{ErrorBody, Hello, InstanceId};

use crate::link::proof::{self, Membership};
use crate::peer::{Core, Peer};
use crate::remote::Remote;

/// Who makes a call, or, in a function that is told of events, who has published. A clone is the same one.
#[derive(Clone)]
pub struct Caller(Arc<Who>);

struct Who {
    /// None: a program of the original app-net.
    id: Option<InstanceId>,
    name: String,
    group: Option<String>,
    is_inside: bool,
    /// The peer that is called.
    called: Weak<Core>,
}

impl Caller {
    /// The peer at the other end of a link.
    pub(crate) fn linked(core: &Arc<Core>, hello: &Hello, shown: Membership) -> Self {
        let is_inside = match &shown {
            Membership::SameUser(_) => true,
            Membership::Proved(group) => *group == core.group,
            Membership::Unproved => false,
        };
        let (Membership::SameUser(group) | Membership::Proved(group)) = shown else {
            return Self::new(core, Some(hello.id), &hello.name, None, is_inside);
        };
        Self::new(core, Some(hello.id), &hello.name, group, is_inside)
    }

    /// A program of the original app-net, which says nothing of itself but where it is. On this host, where any program could say that it
    /// is of this peer's group, it is shown what one that does is shown.
    pub(crate) fn original(core: &Arc<Core>, address: &str) -> Self {
        Self::new(core, None, address, None, proof::is_on_host(address))
    }

    /// A peer that calls itself.
    #[must_use]
    pub fn own(peer: &Peer) -> Self {
        let core = &peer.0;
        Self::new(core, Some(core.id), &core.name, core.group.clone(), true)
    }

    fn new(
        core: &Arc<Core>,
        id: Option<InstanceId>,
        name: &str,
        group: Option<String>,
        is_inside: bool,
    ) -> Self {
        Self(Arc::new(Who {
            id,
            name: name.to_owned(),
            group,
            is_inside,
            called: Arc::downgrade(core),
        }))
    }

    /// The instance that calls. None: a program of the original app-net, which has no identity.
    #[must_use]
    pub fn id(&self) -> Option<InstanceId> {
        self.0.id
    }

    /// What it calls itself, for people; of an original, where it calls from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The group that it has proved to be of, whatever it says: None where it is in none, or has proved nothing.
    ///
    /// On this host, a peer's word is its proof.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.0.group.as_deref()
    }

    /// Whether it is a program of the original app-net.
    #[must_use]
    pub fn is_original(&self) -> bool {
        self.0.id.is_none()
    }

    /// A handle on it, from the peer that it calls: to call back. None of an original, which cannot be called where it calls
    /// from, and once that peer has gone.
    #[must_use]
    pub fn remote(&self) -> Option<Remote> {
        let core = self.0.called.upgrade()?;
        let entry = core.peers.entry(&Target::Instance(self.0.id?));
        Some(Remote::new(Peer(core), entry))
    }

    /// Whether it is one of ours: of the called peer's own group, or a program of the same user on this host. Who is not is not shown who
    /// runs this program, and from where.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.0.is_inside
    }

    /// Whether the two are one caller, on one link.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What it is sent of an error: who is not of ours has no use for the lines of our files. Every error that leaves goes through here.
    pub(crate) fn shown(&self, mut error: Box<ErrorBody>) -> Box<ErrorBody> {
        if !self.is_inside() {
            error.traceback.clear();
        }
        error
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("group", &self.group())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

thread_local! {
    /// Only borrowed: a count for each call would be a good part of what entering a small function costs.
    static CURRENT: Cell<Option<NonNull<Caller>>> = const { Cell::new(None) };
}

/// Who calls the function that asks; in one that is told of events, who has published. None outside of both, as where a program calls its
/// function itself.
///
/// An `async` function may ask at any time. A task or a thread that a function begins is not the function: it is to be given the
/// [`Caller`], which is cheap to clone.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let start = |name| net::Peer::builder().name(name).port(0).runtime_dir(dir.path()).start();
/// # let (here, there) = (start("here").await?, start("there").await?);
/// # let there = here.remote(&there.id().to_string())?;
/// #[net::connect]
/// fn greet() -> String {
///     match net::caller() {
///         Some(caller) => format!("hello, {}", caller.name()),
///         None => "hello, myself".into(),
///     }
/// }
///
/// assert_eq!(greet(), "hello, myself");
/// assert_eq!(greet::on(&there).await?, "hello, here");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn caller() -> Option<Caller> {
    // SAFETY: `run_for` alone sets it, to a reference that outlives the function that it runs; when that is left, by a panic too, `Restore`
    // puts back what was there before. So what is found here is borrowed further down this thread's stack.
    CURRENT
        .get()
        .map(|caller| unsafe { caller.as_ref() }.clone())
}

/// Puts back who called before, when a function is left, by a panic too: one may run within another.
struct Restore(Option<NonNull<Caller>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Runs a function, or a part of it, for its caller.
pub(crate) fn run_for<R>(caller: &Caller, run: impl FnOnce() -> R) -> R {
    let _restore = Restore(CURRENT.replace(Some(NonNull::from(caller))));
    run()
}

/// The same for one that goes on in a future, whichever threads poll it.
pub(crate) async fn go_on_for<F: Future>(caller: Caller, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| run_for(&caller, || future.as_mut().poll(cx))).await
}
