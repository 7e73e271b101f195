//! Who is in the group, known to many peers in virtual time: what must hold (`scenes`), and how it grows (`table`).
//!
//! `SIM_SEED=7` replays one seed of each scene, `SIM_SEEDS=1000` runs so many. `MEMBERS_OF=100,1000,10000 cargo test --release -p app-net-proto --test members table -- --nocapture`
//! prints the table, with `MEMBERS_WIDE=1` over links of 50 ms, with `MEMBERS_PEACE=1` without a network that is parted, with
//! `MEMBERS_ASSUMED=1` without a start of all at once: of 10,000 either takes an hour and 8 GB.

mod scenes;
mod table;
mod world;
