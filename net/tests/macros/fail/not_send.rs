//! An async function runs as a task, so its future has to be `Send`.
#![allow(unused)]

use std::rc::Rc;

#[net::connect]
async fn count() -> usize {
    let counter = Rc::new(());
    std::future::ready(()).await;
    Rc::strong_count(&counter)
}

fn main() {}
