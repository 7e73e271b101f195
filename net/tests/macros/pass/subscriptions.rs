//! A function that subscribes stays what it is, and is told of what the attributes say.
#![deny(warnings)]

use net::private::{Registration, inventory};

const GROUPS: [&str; 2] = ["a", "b"];
const KEEP: u32 = 10;
const READING: &str = "reading";

#[net::event("alarm")]
fn alarm(level: u8) -> u8 {
    level
}

/// Heard.
#[net::subscribe(
    alarm::EVENT,
    groups = GROUPS,
    hubs_only,
    on_host = true,
    keep = KEEP,
    when_full = "block"
)]
fn heard(level: u8, #[net(default = 5)] r#in: u8) -> u8 {
    level + r#in
}

#[net::subscribe("tick", any_group, hubs_only = false, when_full = "drop_oldest")]
#[net::subscribe(READING, groups = ["a"])]
#[net::connect("Several")]
async fn several(texts: &[String]) -> Result<usize, String> {
    Ok(texts.len())
}

#[net::connect("First")]
#[net::subscribe(READING, groups = "a", keep = 1)]
fn first() {}

fn main() {
    assert_eq!(heard(1, 2), 3);
    assert_eq!(heard::TAG, format!("{}.heard", module_path!()));
    assert_eq!((several::TAG, first::TAG), ("Several", "First"));
    first();
    drop(several(&[]));
    drop(alarm(1));
    let _: fn(&net::Remote, &[String]) -> net::Call<usize> = several::on;

    let events = |name: &str| -> Vec<&str> {
        inventory::iter::<Registration>()
            .filter(|found| found.name == name)
            .flat_map(|found| found.subscriptions)
            .map(|subscription| subscription.event)
            .collect()
    };
    assert_eq!(events("heard"), ["alarm"]);
    assert_eq!(events("several"), ["tick", "reading"]);
    assert_eq!(events("first"), ["reading"]);
}
