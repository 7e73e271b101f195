//! The attribute macros of app-net: the entry points that the compiler calls.
//!
//! Only entry points and their documentation belong here. What a macro does is in the module of its name, over
//! `proc_macro2` streams, so that tests can run it outside the compiler.
//!
//! Generated code names nothing but `::std`, `::net::private` and public items of `::net`.

mod arguments;
mod connect;
mod docs;
mod errors;
mod event;
mod flag;
mod item;
mod signature;
mod types;
mod written;

use proc_macro::TokenStream;

/// Lets other peers call a function.
///
/// The function stays as it is. Beside it comes a type of the same name, whose `on` calls the function on another peer:
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let start = || net::Peer::builder().port(0).runtime_dir(dir.path()).start();
/// # let (here, there) = (start().await?, start().await?);
/// # let there = here.remote(&there.id().to_string())?;
/// /// The product of two numbers.
/// #[net::connect]
/// fn multiply(a: i64, #[net(default = 5)] b: i64) -> i64 {
///     a * b
/// }
///
/// assert_eq!(multiply(5, 10), 50);                        // here
/// assert_eq!(multiply::on(&there, 5, 10).await?, 50);     // there
/// # Ok(())
/// # }
/// ```
///
/// Each peer of the program can be asked for the function by its tag, `multiply::TAG`: the module path and the name,
/// joined by dots. `#[net::connect("Tag")]`, or `#[net::connect(tag = "Tag")]`, chooses another.
///
/// Whoever reaches the peer may call it. `#[net::connect(groups("a", "b"))]`, with a tag or without, lets callers of these groups alone: others
/// are refused (`CallError::Refused`) before anything of the function runs. `net::caller()` in a function says who calls.
///
/// - The function may be `async`; it then runs as a task. Its future has to be `Send`.
/// - Parameters are of types that serde can write and read. A reference, such as `&str`, `&[T]` or `&T`, borrows from a
///   value that lives as long as the call.
/// - `#[net(default = EXPR)]` on a parameter is for callers that leave it out, as Python's may. `on` takes every
///   parameter.
/// - A function that returns a `Result` answers with the value inside `Ok`. An `Err` reaches the caller as a remote
///   error with the name of its type and its `Display` text. Where the error is a `net::Flag`, or a box with one inside
///   (`Box<dyn Error + Send + Sync>`), the function answers with that flag.
/// - With [`subscribe`](macro@subscribe) on the same function, it is told of events too.
///
/// # Errors
///
/// Does not compile on what cannot be called from afar: methods, generic functions, and parameters or results that only
/// mean something in this process, such as `&mut T` or `impl Trait`. All such mistakes are reported at once.
#[proc_macro_attribute]
pub fn connect(arguments: TokenStream, item: TokenStream) -> TokenStream {
    connect::expand(arguments.into(), item.into()).into()
}

/// Makes a function publish what it returns, as an event.
///
/// What the function returns are the event's arguments: the members of a tuple, a single value as one, `()` as none. Calling it
/// hands them to every subscriber of this process's current peer (`net::Peer::current`), and returns a `net::Emit` in their place. All who have
/// room have the event by then; awaiting the `Emit` waits for those who asked that the publisher wait.
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let start = || net::Peer::builder().port(0).runtime_dir(dir.path()).start();
/// # let (here, there) = (start().await?, start().await?);
/// /// A job has ended.
/// #[net::event("done")]
/// fn done(job: u32) -> (u32, String) {
///     (job, format!("job {job} is done"))
/// }
///
/// # let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
/// # there.subscribe(done::EVENT).run(move |event: (u32, String)| { let _ = tell.send(event); });
/// # while here.subscribers(done::EVENT) == 0 { there.peers().await; tokio::task::yield_now().await; }
/// done(1);                        // from this process's peer, waiting for nobody
/// done(2).await?;                 // waits for those who asked for it
/// done::on(&here, 3).await?;      // from this peer of the process
/// # for job in 1..=3 { assert_eq!(told.recv().await, Some(done::arguments(job))); }
/// # Ok(())
/// # }
/// ```
///
/// Beside the function comes a type of the same name: `done::EVENT` is the event's name, `done::on` publishes from a peer that
/// is named, and `done::arguments` gives what would be published. Without a name of its own (`#[net::event]`) the event is called by
/// the module path and the function's name, joined by dots.
///
/// - The function may be `async`: it is awaited, and gives the `Emit`.
/// - Of a function that returns a `Result`, the value inside `Ok` is published, and it returns a `Result` with the `Emit` in it; an `Err` is
///   its caller's, and nothing is published.
/// - It is called by this program alone, so its parameters may be of any type. What it returns has to be what serde can write.
///
/// # Errors
///
/// Does not compile on methods and on functions that are unsafe, `extern` or `const`. All such mistakes are reported at once.
#[proc_macro_attribute]
pub fn event(arguments: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(arguments.into(), item.into()).into()
}

/// Has a function told of an event, by every peer that publishes it.
///
/// Each peer of the program subscribes when it starts. The function gets the event's arguments as it would those of a call: by place
/// and by name, with `#[net(default = EXPR)]` for those that a publisher leaves out. Arguments that do not fit and a function that fails are
/// logged, and the next event comes all the same.
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let start = || net::Peer::builder().port(0).runtime_dir(dir.path()).start();
/// # let (here, there) = (start().await?, start().await?);
/// #[net::subscribe("alarm")]
/// fn on_alarm(level: u8, #[net(default = "")] text: &str) {
///     println!("{level} {text}");
/// #    HIGHEST.fetch_max(level, std::sync::atomic::Ordering::Relaxed);
/// }
///
/// const READING: &str = "reading";
///
/// #[net::subscribe(READING, groups = ["lab"], hubs_only, keep = 100, when_full = "block")]
/// async fn on_reading(celsius: f64) {}
/// # static HIGHEST: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
/// # while there.subscribers("alarm") == 0 { here.peers().await; tokio::task::yield_now().await; }
/// # there.emit("alarm", &(3,)).await?;
/// # while HIGHEST.load(std::sync::atomic::Ordering::Relaxed) < 3 { tokio::task::yield_now().await; }
/// # Ok(())
/// # }
/// ```
///
/// The event's name comes first: a text, or a constant such as the `EVENT` of an [`event`](macro@event). Then, each as the method of
/// `net::Subscribe` that has its name:
///
/// | argument | events of |
/// |---|---|
/// | | peers in this one's own group |
/// | `groups = ["a", "b"]` | peers in these groups instead |
/// | `any_group` | peers in any group and in none |
/// | `hubs_only` | hubs |
/// | `on_host` | peers on this host |
///
/// `keep = 100` events wait at each publisher while they are not taken, and `when_full` says what becomes of one more: `"drop_oldest"`, which
/// is so unless it is said, or `"block"`, which has publishers wait.
///
/// The function stays as it is, and can be called by other peers too, as one with [`connect`](macro@connect); the same type stands beside
/// it. Several of these attributes on one function, and a `#[net::connect("Tag")]` among them, add up.
///
/// # Errors
///
/// Does not compile on what `connect` does not take. All mistakes are reported at once.
#[proc_macro_attribute]
pub fn subscribe(arguments: TokenStream, item: TokenStream) -> TokenStream {
    connect::expand_subscribe(arguments.into(), item.into()).into()
}

/// Has a function decide what a call comes to that is answered with a flag, a reserved response.
///
/// The function is called with the tag that was called and the peer that answered, and what it returns is the call's result; where it returns a
/// `Result`, an `Err` is the call's error. It stays as it is. `FLAG` of the type of its name is the flag itself, for functions to answer with:
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let start = || net::Peer::builder().port(0).runtime_dir(dir.path()).start();
/// # let (here, there) = (start().await?, start().await?);
/// # let there = here.remote(&there.id().to_string())?;
/// #[net::flag("BUSY")]
/// fn busy(connection: &str, peer: &net::Remote) -> i64 {
///     println!("{peer} is too busy for {connection}");
///     -1
/// }
///
/// #[net::connect]
/// fn place_in_queue(job: &str) -> Result<i64, net::Flag> {
///     Err(busy::FLAG)
/// }
///
/// assert_eq!(place_in_queue("a job"), Err(busy::FLAG));
/// assert_eq!(place_in_queue::on(&there, "a job").await?, -1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Does not compile on a function that takes anything else, and on one that is async, generic, unsafe, `extern` or `const`. All such
/// mistakes are reported at once.
#[proc_macro_attribute]
pub fn flag(arguments: TokenStream, item: TokenStream) -> TokenStream {
    flag::expand(arguments.into(), item.into()).into()
}
