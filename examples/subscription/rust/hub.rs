//! The hub of a group: it publishes the weather to whoever subscribes to it, and ends.

use std::time::Duration;

use tokio::time::sleep;

/// Tells the group of a measurement, and how many are yet to come.
#[net::event("weather")]
fn weather(station: &str, celsius: f64, left: usize) -> (String, f64, usize) {
    (station.to_owned(), celsius, left)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = net::start().await?;
    if !here.hub() {
        return Err("members hear the hub alone: start it with NET_IS_HUB=1".into());
    }
    println!("waiting for a member of the group");
    while here.subscribers(weather::EVENT) == 0 {
        sleep(Duration::from_millis(50)).await;
    }
    let measured = [("harbour", 8.5), ("hill", 4.0), ("harbour", 9.0)];
    for (index, (station, celsius)) in measured.into_iter().enumerate() {
        let left = measured.len() - 1 - index;
        let emitted = weather(station, celsius, left).await?;
        println!("told {} of {celsius} °C", emitted.subscribers);
    }
    here.shutdown().await;
    Ok(())
}
