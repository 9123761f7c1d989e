//! The page fits a phone and can be read in both themes, in every state.

use serde_json::json;

use crate::page::backend::Backend;
use crate::page::browser::Browser;

const STATE: &str = "return document.body.dataset.state";
const TOO_WIDE: &str = "return [...document.querySelectorAll('body *')]
    .filter((element) => element.getBoundingClientRect().right > 360.5)
    .map((element) => element.outerHTML.slice(0, 100))";

#[tokio::test]
async fn fits_a_phone_and_is_legible() {
    let mut backend = Backend::start();
    let browser = Browser::open(&backend).await;
    browser.resize(360, 740).await;
    backend.set_counts(i64::MAX.unsigned_abs(), 3).await;
    browser.until_text("coins", "3").await;
    browser
        .value("document.getElementById('table-details').open = true")
        .await;
    expect_good_looks(&browser).await;

    backend.store.process.kill();
    browser.until(STATE, |state| state == "redis-away").await;
    expect_good_looks(&browser).await;

    backend.store.restart();
    browser.until(STATE, |state| state == "reading").await;
    expect_good_looks(&browser).await;

    backend.webui.process.kill();
    browser.until(STATE, |state| state == "webui-away").await;
    expect_good_looks(&browser).await;
    browser.close().await;
}

async fn expect_good_looks(browser: &Browser) {
    for theme in ["light", "dark"] {
        browser.prefer(theme).await;
        // Colours ease from one theme to the other.
        let state = browser.value(STATE).await;
        let illegible = browser
            .until(include_str!("looks.js"), |found| *found == json!([]))
            .await;
        assert_eq!(illegible, json!([]), "{theme}, {state}");
    }
    assert_eq!(
        browser.value(TOO_WIDE).await,
        json!([]),
        "wider than the screen"
    );
    let width = browser
        .value("return document.documentElement.scrollWidth")
        .await;
    assert_eq!(width, 360, "the page scrolls sideways");
}
