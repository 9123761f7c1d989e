//! The numbers on the page are those of the store.

use std::time::Duration;

use redis::AsyncCommands;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::page::backend::Backend;
use crate::page::browser::Browser;

/// What the page shows, and all answers that it got, at one moment.
const SHOWN_AND_RECORDED: &str = "return {
    average: document.getElementById('average').textContent,
    caption: document.getElementById('average-caption').textContent,
    reading: document.getElementById('reading').textContent,
    bodies: recorded.bodies,
}";

#[tokio::test]
async fn totals_from_nothing_to_the_largest() {
    let backend = Backend::start();
    let browser = Browser::open(&backend).await;
    // Nothing was counted yet: "hashes" is null.
    browser
        .until("return recorded.bodies[0]?.hashes", Value::is_null)
        .await;
    browser.until_text("hashes", "0").await;
    browser.until_text("coins", "0").await;
    browser.until_text("share", "–").await;
    browser.until_text("average", "0.0").await;

    backend.set_counts(168, 10).await;
    browser.until_text("hashes", "168").await;
    browser.until_text("coins", "10").await;
    browser.until_text("share", "16.8").await;

    // As far as INCRBY counts, and past what a double holds exactly.
    backend.set_counts(i64::MAX.unsigned_abs(), 10).await;
    browser
        .until_text("hashes", "9,223,372,036,854,775,807")
        .await;
    browser.close().await;
}

#[tokio::test]
async fn average_is_that_of_the_counts() {
    const HASHES_PER_SECOND: u32 = 20;
    let backend = Backend::start();
    let mut redis = backend.redis().await;
    let counting = tokio::spawn(async move {
        let started = Instant::now();
        let mut counted = 0;
        loop {
            let due = started.elapsed().as_millis() * u128::from(HASHES_PER_SECOND) / 1000;
            let due = u64::try_from(due).unwrap();
            let () = redis.incr("hashes", due - counted).await.unwrap();
            counted = due;
            sleep(Duration::from_millis(100)).await;
        }
    });
    let browser = Browser::open(&backend).await;
    browser
        .until_text("average-caption", "average of the last 10 s")
        .await;
    // Whatever the timing was, the page says what its own readings come to. It shows a reading some
    // milliseconds after it got it, so ask until the two meet.
    let meets = |value: &Value| {
        let readings = readings(&value["bodies"]);
        value["average"] == rate_over(&readings, 10.5)
            && value["reading"] == rate_over(&readings[readings.len() - 2..], 10.5)
    };
    let shown = browser.until(SHOWN_AND_RECORDED, meets).await;
    let average: f64 = shown["average"].as_str().unwrap().parse().unwrap();
    let expected = f64::from(HASHES_PER_SECOND);
    assert!(
        (average - expected).abs() < expected / 4.0,
        "{average} hashes/s shown"
    );
    assert!(!counting.is_finished(), "the counting failed");
    browser.close().await;
}

#[tokio::test]
async fn emptied_store_draws_no_negative_rate() {
    let backend = Backend::start();
    let browser = Browser::open(&backend).await;
    backend.set_counts(5000, 300).await;
    browser.until_text("hashes", "5,000").await;
    browser
        .until(
            "return document.getElementById('average').dataset.known",
            |known| known == "true",
        )
        .await;

    let mut redis = backend.redis().await;
    let () = redis.del(&["hashes", "wallet"]).await.unwrap();
    // In the reading that goes back no rate is told; then it starts anew.
    browser.until_text("reading", "–").await;
    browser.until_text("hashes", "0").await;
    browser.until_text("average", "0.0").await;
    browser.until_text("coins", "0").await;
    let rates = browser
        .promised(
            "const { appendReading, parseReading } = await import('./rate.js');
             const history = [];
             for (const body of recorded.bodies) appendReading(history, parseReading(body), false);
             return history.flatMap(({ rate, average }) => [rate, average]).filter((rate) => rate < 0);",
        )
        .await;
    assert_eq!(rates, serde_json::json!([]), "rates below zero");
    browser.close().await;
}

/// The server's time and the count of hashes of each answer.
fn readings(bodies: &Value) -> Vec<(f64, f64)> {
    let number = |value: &Value| value.as_str().map_or(0.0, |text| text.parse().unwrap());
    let reading = |body: &Value| (body["now"].as_f64().unwrap(), number(&body["hashes"]));
    bodies.as_array().unwrap().iter().map(reading).collect()
}

/// Hashes per second between the last reading and the first that is at most so old, as the page writes it.
fn rate_over(readings: &[(f64, f64)], seconds: f64) -> String {
    let (now, hashes) = *readings.last().unwrap();
    let (then, before) = *readings.iter().find(|(at, _)| now - at <= seconds).unwrap();
    format!("{:.1}", (hashes - before) / (now - then))
}
