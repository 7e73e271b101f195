//! The worker, in Rust: it counts primes for a Python program that wants them counted, says how far it is, and calls it with the result.

use net::Peer;
use tokio::sync::mpsc::unbounded_channel;

/// Says whether a number is prime, to whoever calls.
#[net::connect("is_prime")]
fn is_prime(number: u64) -> bool {
    number > 1
        && (2..)
            .take_while(|d| d * d <= number)
            .all(|d| !number.is_multiple_of(d))
}

/// What the events of the office ask for.
enum Task {
    Count { below: u64 },
    Close { because: String },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = net::start().await?;
    let (do_it, mut tasks) = unbounded_channel();
    let close = do_it.clone();
    here.subscribe("wanted").run(move |(below,): (u64,)| {
        let _ = do_it.send(Task::Count { below });
    });
    here.subscribe("closing").run(move |(because,): (String,)| {
        let _ = close.send(Task::Close { because });
    });
    println!("the worker waits for something to do");
    loop {
        tokio::select! {
            task = tasks.recv() => match task {
                Some(Task::Count { below }) => count(&here, below).await?,
                Some(Task::Close { because }) => {
                    println!("the worker goes home: {because}");
                    break;
                }
                None => break,
            },
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                break;
            }
        }
    }
    here.shutdown().await;
    Ok(())
}

async fn count(here: &Peer, below: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut primes = 0;
    for quarter in 0..4 {
        let numbers = below * quarter / 4..below * (quarter + 1) / 4;
        primes += numbers.filter(|number| is_prime(*number)).count();
        here.emit("progress", &(below, 25 * (quarter + 1))).await?;
    }
    for office in here.peers().await {
        let answer: String = office.call("deliver", &(below, primes)).await?;
        println!("counted {primes} primes below {below}, and the office said: {answer}");
    }
    Ok(())
}
