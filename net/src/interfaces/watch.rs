//! When the interfaces of this host change, or it wakes from a sleep. What that means for a peer is not known here.

use std::time::Duration;

use tokio::time::timeout;

use super::{Interface, interfaces};
use crate::clock;

/// One change often comes as several: it is told when it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(100);
/// What does not come to rest is told after so long all the same.
const RESTLESS: Duration = Duration::from_secs(1);
/// How often it is looked whether the host has slept; and, where the system does not tell of changes, for those.
const EVERY: Duration = Duration::from_secs(3);
/// A clock that has gone on by so much more than it should have says that the host slept, or that the process stood still: others may have
/// given it up. Less is a busy machine.
const SLEPT: Duration = Duration::from_secs(5);

/// What came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The interfaces, or their addresses.
    Interfaces,
    /// The host woke from a sleep, or the process went on after it stood still.
    Woke,
}

/// A look at the interfaces that goes on.
pub(crate) struct Watch {
    known: Vec<Interface>,
    news: news::News,
    sleep: Sleep,
}

impl Watch {
    /// Begins with what is there now.
    pub(crate) fn begin() -> Self {
        // In this order: what changes between the two is told.
        let news = news::News::listen();
        Self {
            known: interfaces(),
            news,
            sleep: Sleep::new(since_start()),
        }
    }

    /// As they are known.
    pub(crate) fn interfaces(&self) -> &[Interface] {
        &self.known
    }

    /// The socket by which it is told, for a forked child to close.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        self.news.descriptor()
    }

    /// Ends with the next change; then it is known.
    pub(crate) async fn changed(&mut self) -> Change {
        loop {
            let is_told = timeout_of_clock(EVERY, self.news.next()).await;
            if is_told {
                self.come_to_rest().await;
            }
            let now = interfaces();
            if self.sleep.has_slept(since_start()) {
                self.known = now;
                return Change::Woke;
            }
            if now != self.known {
                self.known = now;
                return Change::Interfaces;
            }
        }
    }

    async fn come_to_rest(&mut self) {
        let _ = timeout(RESTLESS, async {
            while timeout(QUIET, self.news.next()).await.is_ok() {}
        })
        .await;
    }
}

/// Whether it ended in that time.
async fn timeout_of_clock(time: Duration, ending: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = ending => true,
        () = clock::sleep(time) => false,
    }
}

/// Notices that more time went by between two looks than should have.
#[derive(Debug)]
struct Sleep {
    last: Duration,
}

impl Sleep {
    fn new(now: Duration) -> Self {
        Self { last: now }
    }

    /// To be asked at least [`EVERY`] so often, with a clock that goes on while the host sleeps.
    fn has_slept(&mut self, now: Duration) -> bool {
        let gone = now.saturating_sub(self.last);
        self.last = now;
        gone >= EVERY + SLEPT
    }
}

/// The time since some moment, sleeps counted in.
///
/// From the file, and not by the system call: what rustix does for that on its first use ends a program under Valgrind, with which people look
/// for what is wrong with theirs.
#[cfg(target_os = "linux")]
fn since_start() -> Duration {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = uptime
        .split(' ')
        .next()
        .and_then(|seconds| seconds.parse().ok());
    // Without it, as where there is no /proc, no sleep is seen.
    Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}

/// The time since some moment, sleeps counted in. A clock that is set forward looks as one does that went on meanwhile.
#[cfg(not(target_os = "linux"))]
fn since_start() -> Duration {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
}

/// The kernel's word that something changed: what, is looked up.
#[cfg(target_os = "linux")]
mod news {
    use std::io;
    use std::os::fd::{AsRawFd, RawFd};
    use std::os::unix::net;

    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
    use tokio::net::UnixDatagram;

    /// Of the kernel's `rtnetlink.h`: interfaces, and their IPv4 and IPv6 addresses.
    const LINK: u32 = 0x1;
    const IPV4_ADDRESS: u32 = 0x10;
    const IPV6_ADDRESS: u32 = 0x100;

    pub(super) struct News {
        /// None where the system refuses one: then it is looked now and then.
        socket: Option<UnixDatagram>,
    }

    impl News {
        pub(super) fn listen() -> Self {
            let socket = open().inspect_err(|error| {
                tracing::debug!(%error, "the kernel does not tell when interfaces change");
            });
            Self {
                socket: socket.ok(),
            }
        }

        pub(super) fn descriptor(&self) -> Option<RawFd> {
            self.socket.as_ref().map(AsRawFd::as_raw_fd)
        }

        /// Ends when there are some.
        pub(super) async fn next(&mut self) {
            match &self.socket {
                // Only that they came counts, as it does where so many came that some are lost.
                Some(socket) => drop(socket.recv(&mut [0; 4096]).await),
                None => std::future::pending().await,
            }
        }
    }

    fn open() -> io::Result<UnixDatagram> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol it is that of routes.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        let groups = LINK | IPV4_ADDRESS | IPV6_ADDRESS;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        // It is no Unix socket. What is received from is the same to the kernel, and tokio has nothing for those of netlink.
        UnixDatagram::from_std(net::UnixDatagram::from(socket))
    }
}

/// Elsewhere nobody tells: it is looked now and then.
#[cfg(not(target_os = "linux"))]
mod news {
    pub(super) struct News;

    impl News {
        pub(super) fn listen() -> Self {
            Self
        }

        #[cfg(unix)]
        pub(super) fn descriptor(&self) -> Option<std::os::fd::RawFd> {
            None
        }

        pub(super) async fn next(&mut self) {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::tests::{ip, is_in_network_of_its_own};

    /// How long anything may take that is to happen at all.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_kernel_tells_of_an_address_that_comes_and_one_that_goes() {
        let name =
            "interfaces::watch::tests::the_kernel_tells_of_an_address_that_comes_and_one_that_goes";
        if !is_in_network_of_its_own(name) {
            return;
        }
        let mut news = news::News::listen();
        let mut watch = Watch::begin();
        let has = |watch: &Watch| {
            let mut all = watch.interfaces().iter();
            all.any(|it| it.name == "lo" && it.ip.to_string() == "127.9.9.9")
        };
        for (change, is_there) in [("add", true), ("del", false)] {
            assert_eq!(has(&watch), !is_there);
            ip(&format!("address {change} 127.9.9.9/32 dev lo"));
            timeout(PATIENCE, news.next()).await.expect(change);
            // An address of IPv6 that became usable may be told meanwhile.
            while has(&watch) != is_there {
                timeout(PATIENCE, watch.changed()).await.expect(change);
            }
        }
    }

    #[test]
    fn a_sleep_is_known_by_the_clock_that_went_on() {
        let minute = Duration::from_secs(60);
        let mut sleep = Sleep::new(minute);
        assert!(!sleep.has_slept(minute + EVERY));
        assert!(!sleep.has_slept(minute + EVERY + EVERY + SLEPT / 2));
        assert!(sleep.has_slept(minute + minute));
        // Told once.
        assert!(!sleep.has_slept(minute + minute + EVERY));
        // A clock that was set back is no sleep.
        assert!(!sleep.has_slept(minute));
    }
}
