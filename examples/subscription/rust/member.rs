//! A member of a group: it is told of the weather by the hub, whichever of the two was started first, and ends with the last measurement.

use tokio::sync::Notify;

static LAST: Notify = Notify::const_new();

/// Runs with each event that a hub of this peer's group publishes.
#[net::subscribe("weather", hubs_only)]
fn on_weather(station: &str, celsius: f64, left: usize) {
    println!("{celsius} °C at the {station}");
    if left == 0 {
        LAST.notify_one();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = net::start().await?;
    println!("waiting for the hub of the group");
    tokio::select! {
        () = LAST.notified() => {}
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    here.shutdown().await;
    Ok(())
}
