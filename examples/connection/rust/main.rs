//! One program, run more than once: each peer has the functions of all.
//!
//! The first one waits to be called, until Ctrl-C. One that finds others calls them, and ends.

/// Multiplies, wherever it runs.
#[net::connect]
fn multiply(a: i64, b: i64) -> i64 {
    println!("asked for {a} × {b}");
    a * b
}

/// What fails there fails here, with the same text.
#[net::connect]
fn divide(a: i64, b: i64) -> Result<i64, String> {
    a.checked_div(b)
        .ok_or_else(|| format!("{a} cannot be divided by {b}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = net::start().await?;
    let others = here.peers().await;
    if others.is_empty() {
        println!("nobody else is here: run this once more, in another terminal");
        tokio::signal::ctrl_c().await?;
    }
    for other in others {
        println!("{other}:");
        match multiply::on(&other, 5, 10).await {
            Ok(product) => println!("  5 × 10 = {product}"),
            Err(error) => println!("  {error}"),
        }
        match divide::on(&other, 1, 0).await {
            Ok(quotient) => println!("  1 / 0 = {quotient}"),
            Err(error) => println!("  {error}"),
        }
    }
    here.shutdown().await;
    Ok(())
}
