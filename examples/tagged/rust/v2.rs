//! The second version of the shop: the function has moved, and has another name. Its tag is the same, so the first version calls it,
//! and is called, as before.

mod catalogue {
    /// What an item costs, in cents.
    #[net::connect("price")]
    pub(crate) fn look_up(item: &str) -> Option<u32> {
        println!("version 2 is asked for {item}");
        let items = [("tea", 260), ("cake", 420), ("coffee", 280)];
        let found = items.into_iter().find(|(name, _)| *name == item);
        found.map(|(_, cents)| cents)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = net::start().await?;
    let others = here.peers().await;
    if others.is_empty() {
        println!("version 2 is open: run version 1 in another terminal");
        tokio::signal::ctrl_c().await?;
    }
    for other in others {
        for item in ["tea", "coffee"] {
            match catalogue::look_up::on(&other, item).await? {
                Some(cents) => println!("{item} costs {cents} cents there"),
                None => println!("there is no {item} there"),
            }
        }
    }
    here.shutdown().await;
    Ok(())
}
