//! What the page says when a service is away, and that it goes on by itself.

use redis::AsyncCommands;
use rustix::process::Signal;
use serde_json::Value;

use crate::page::backend::Backend;
use crate::page::browser::Browser;

const STATES: &str =
    "return ['webui', 'redis'].map((name) => document.getElementById(`${name}-state`).textContent)";

#[tokio::test]
async fn redis_killed_and_restarted() {
    let mut backend = Backend::start();
    let browser = Browser::open(&backend).await;
    backend.set_counts(100, 5).await;
    browser.until_text("hashes", "100").await;
    expect_states(&browser, "webui answering", "Redis answering").await;
    mark(&browser).await;

    backend.store.process.kill();
    expect_states(&browser, "webui answering", "Redis failing").await;
    // The page shows webui's own words, which name what is wrong.
    let shown = browser.until("return [recorded.bodies.at(-1).error, document.getElementById('notice-text').textContent]",
        |pair| pair[0].is_string() && pair[0] == pair[1]).await;
    assert!(
        shown[1].as_str().unwrap().to_lowercase().contains("redis"),
        "{shown}"
    );
    // A rate of now is not known; the totals are what was last told.
    assert_eq!(browser.text("average").await, "–");
    assert_eq!(browser.text("hashes").await, "100");
    assert_eq!(
        browser.value("return document.title").await,
        "Redis failing · DockerCoins"
    );

    backend.store.restart();
    backend.set_counts(7, 0).await;
    expect_states(&browser, "webui answering", "Redis answering").await;
    browser.until_text("hashes", "7").await;
    // It says for a moment that all is well again, then nothing.
    browser.until_text("notice-text", "").await;
    expect_mark(&browser).await;
    browser.close().await;
}

#[tokio::test]
async fn wallet_of_the_wrong_type() {
    let backend = Backend::start();
    let browser = Browser::open(&backend).await;
    expect_states(&browser, "webui answering", "Redis answering").await;
    let mut redis = backend.redis().await;
    let () = redis.set("wallet", "no hash").await.unwrap();
    expect_states(&browser, "webui answering", "Redis failing").await;
    let () = redis.del("wallet").await.unwrap();
    expect_states(&browser, "webui answering", "Redis answering").await;
    browser.close().await;
}

#[tokio::test]
async fn webui_killed_and_restarted() {
    let mut backend = Backend::start();
    let browser = Browser::open(&backend).await;
    expect_states(&browser, "webui answering", "Redis answering").await;
    let count = "return recorded.bodies.length";
    browser
        .until(count, |count| count.as_u64() >= Some(4))
        .await;
    mark(&browser).await;

    backend.webui.process.kill();
    expect_states(&browser, "webui not answering", "Redis not known").await;
    browser
        .until_text(
            "notice-text",
            "webui is not answering: no connection to it.",
        )
        .await;

    let before = browser.value(count).await;

    backend.webui.restart();
    expect_states(&browser, "webui answering", "Redis answering").await;
    browser.until_text("average", "0.0").await;
    // The average begins anew: it spans nothing from before the outage.
    let spans = format!(
        "const recovered = recorded.bodies.slice({before});
         const caption = document.getElementById('average-caption').textContent;
         return [Number(/last (\\d+) s/.exec(caption)[1]), recovered.at(-1).now - recovered[0].now]"
    );
    let spans = browser.value(&spans).await;
    let [shown, known] = [0, 1].map(|index| spans[index].as_f64().unwrap());
    assert!(
        shown <= known.round(),
        "an average of {shown} s, {known} s after the outage"
    );
    expect_mark(&browser).await;
    browser.close().await;
}

#[tokio::test]
async fn webui_that_holds_still() {
    let backend = Backend::start();
    let browser = Browser::open(&backend).await;
    expect_states(&browser, "webui answering", "Redis answering").await;
    backend.webui.process.signal(Signal::STOP);
    browser
        .until_text("notice-text", "webui did not answer within 5\u{a0}s.")
        .await;
    backend.webui.process.signal(Signal::CONT);
    expect_states(&browser, "webui answering", "Redis answering").await;
    // Slow answers never pile questions up.
    assert_eq!(browser.value("return recorded.mostOpen").await, 1);
    browser.close().await;
}

#[track_caller]
fn expect_states(browser: &Browser, webui: &str, redis: &str) -> impl Future<Output = Value> {
    let wanted = serde_json::json!([webui, redis]);
    browser.until(STATES, move |states| *states == wanted)
}

/// Leaves something in the page that a reload would lose.
async fn mark(browser: &Browser) {
    browser.value("globalThis.marked = true").await;
}

async fn expect_mark(browser: &Browser) {
    assert_eq!(
        browser.value("return globalThis.marked").await,
        true,
        "the page was loaded again"
    );
}
