//! A parameter may borrow; what it borrows from is decoded, and lives as long as the call.
#![deny(warnings)]

use std::{borrow::Cow, path::Path};

#[derive(serde::Serialize, serde::Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

#[net::connect]
fn length(text: &str, values: &[f64], point: &Point, path: &Path) -> f64 {
    text.len() as f64
        + values.iter().sum::<f64>()
        + point.x
        + point.y
        + path.as_os_str().len() as f64
}

#[net::connect]
async fn cow(text: Cow<'_, str>, number: &i64) -> usize {
    let length = text.len();
    std::future::ready(()).await;
    length + *number as usize
}

#[net::connect]
fn greeting(
    #[net(default = "world")] name: &str,
    #[net(default = &[1, 2])] numbers: &[u8],
) -> &'static str {
    if name.is_empty() && numbers.is_empty() {
        ""
    } else {
        "hello"
    }
}

fn main() {
    assert_eq!(
        length("ab", &[1.0], &Point { x: 1.0, y: 2.0 }, Path::new("c")),
        7.0
    );
    drop(cow("".into(), &1));
    assert_eq!(greeting("", &[]), "");

    let _: fn(&net::Remote, &str, &[f64], &Point, &Path) -> net::Call<f64> = length::on;
    let _: fn(&net::Remote, Cow<'_, str>, &i64) -> net::Call<usize> = cow::on;
    let _: fn(&net::Remote, &str, &[u8]) -> net::Call<String> = greeting::on;
}
