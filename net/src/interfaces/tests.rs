//! A network namespace for one test: nothing that is sent in it leaves this host, and its interfaces can be changed at will.

use std::env;
use std::process::Command;

/// Set for a test that runs in one.
const INSIDE: &str = "NET_TEST_NETWORK";
/// Loopback, and a cable between two interfaces: one with an address, and one that has the name of a virtual one.
const SET_UP: &str = "ip link set lo up \
    && ip link add eth0 type veth peer name vethfar \
    && ip link set vethfar up && ip link set eth0 up \
    && ip address add 192.0.2.7/24 dev eth0 \
    && exec \"$@\"";

/// Whether this is inside: then the test goes on. Else it is run once more, inside, and this says no when that has passed. Where no namespace can
/// be had (no `unshare`, no `ip`, not permitted), the test is skipped with a message.
pub(crate) fn is_in_network_of_its_own(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let ran = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", SET_UP])
        .arg("sh")
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    let (out, error) = match &ran {
        Ok(ran) => (
            String::from_utf8_lossy(&ran.stdout).into_owned(),
            String::from_utf8_lossy(&ran.stderr).into_owned(),
        ),
        Err(error) => (String::new(), error.to_string()),
    };
    if !out.contains("running 1 test") {
        eprintln!("{test} is skipped: there is no network namespace to be had: {out}{error}");
        return false;
    }
    let passed = ran.is_ok_and(|ran| ran.status.success());
    assert!(passed, "{out}{error}");
    false
}

/// `ip` with these words.
pub(crate) fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {words}: {error}");
}
