//! Who is in the group, known to many peers in virtual time. `cargo test --release -p app-net-proto --test members -- --nocapture table`
//! prints how it grows (`MEMBERS_OF=100,1000,10000`); `SIM_SEED=7` replays one seed of the others.

mod scenes;
mod table;
mod world;
