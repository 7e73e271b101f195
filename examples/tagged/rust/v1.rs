//! The first version of a shop. Whatever becomes of its code, `price` is what other peers call.
//!
//! The first shop that is open waits for customers, until Ctrl-C. One that finds others asks them, and ends.

/// The price of an item, in cents.
#[net::connect("price")]
fn price(item: &str) -> Option<u32> {
    println!("version 1 is asked for {item}");
    match item {
        "tea" => Some(250),
        "cake" => Some(400),
        _ => None,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = net::start().await?;
    let others = here.peers().await;
    if others.is_empty() {
        println!("version 1 is open: run version 2 in another terminal");
        tokio::signal::ctrl_c().await?;
    }
    for other in others {
        match price::on(&other, "tea").await? {
            Some(cents) => println!("tea costs {cents} cents there"),
            None => println!("there is no tea there"),
        }
    }
    here.shutdown().await;
    Ok(())
}
