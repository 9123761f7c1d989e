//! All is reached and worked by keys, and what was chosen is kept.

use fantoccini::key::Key;
use serde_json::Value;

use crate::page::backend::Backend;
use crate::page::browser::Browser;

/// What has the focus: the value of a radio button, the id or the name of another element.
const FOCUS: &str = "const element = document.activeElement;
    return element.type === 'radio' ? `${element.name} ${element.value}` : element.id || element.localName";

/// Whether one sees that it has.
const FOCUS_IS_SEEN: &str = "const element = document.activeElement;
    const shown = element.type === 'radio' ? element.closest('label') : element;
    const { outlineStyle, outlineWidth } = getComputedStyle(shown);
    return outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2";

const GROUND: &str = "return getComputedStyle(document.body).backgroundColor";
const LIGHT_GROUND: &str = "rgb(238, 242, 243)";
const DARK_GROUND: &str = "rgb(12, 22, 28)";

#[tokio::test]
async fn keys_reach_and_work_every_control() {
    let backend = Backend::start();
    let browser = Browser::open(&backend).await;
    browser
        .until("return recorded.bodies.length", |count| {
            count.as_u64() >= Some(3)
        })
        .await;

    tab_to(&browser, "theme system").await;
    browser.press(Key::Right).await;
    browser.until(FOCUS, |focus| focus == "theme light").await;
    tab_to(&browser, "range 300").await;
    browser.press(Key::Right).await;
    browser.until(FOCUS, |focus| focus == "range 900").await;
    browser.until_text("plot-summary", "Chart of the last 15 minutes: the 10 s average lay between 0.0 and 0.0 hashes per second and ended at 0.0.").await;
    browser.press(Key::Left).await;
    browser.press(Key::Left).await;
    browser
        .until(
            "return document.querySelector('[name=range]:checked').value",
            |range| range == "60",
        )
        .await;

    tab_to(&browser, "plot").await;
    assert_eq!(moment(&browser).await, "now");
    browser.press(Key::Left).await;
    let earlier = moment(&browser).await;
    assert!(
        earlier
            .as_str()
            .unwrap()
            .contains(": 0.0 hashes per second on average"),
        "{earlier}"
    );
    browser.press(Key::Escape).await;
    assert_eq!(moment(&browser).await, "now");
    browser.press(Key::Home).await;
    let first = moment(&browser).await;
    assert!(
        first.as_str().unwrap().ends_with(": first reading"),
        "{first}"
    );

    tab_to(&browser, "summary").await;
    // Leaving the chart returns it to now.
    assert_eq!(moment(&browser).await, "now");
    browser.press(Key::Enter).await;
    browser
        .until(
            "return document.querySelectorAll('#table-rows tr').length",
            |rows| rows.as_u64() > Some(0),
        )
        .await;
    browser.press(' ').await;
    browser
        .until(
            "return document.getElementById('table-details').open",
            |open| open == false,
        )
        .await;
    tab_to(&browser, "a").await;
    browser.close().await;
}

#[tokio::test]
async fn mouse_reads_the_chart() {
    let backend = Backend::start();
    let browser = Browser::open(&backend).await;
    browser.resize(1280, 800).await;
    browser.until_text("legend-average", "0.0").await;
    // The middle of five minutes is before the page was opened.
    browser.point_at("canvas", 0.0).await;
    browser.until_text("legend-average", "–").await;
    let moment = moment(&browser).await;
    assert!(
        moment.as_str().unwrap().ends_with(": no reading"),
        "{moment}"
    );
    // The right end is now.
    let end = browser
        .value("return document.getElementById('canvas').clientWidth / 2 - 12")
        .await;
    browser.point_at("canvas", end.as_f64().unwrap()).await;
    browser.until_text("legend-average", "0.0").await;
    let named = "return document.getElementById('legend-moment').textContent";
    browser
        .until(named, |text| text.as_str().unwrap().starts_with("at "))
        .await;
    // And away from it.
    browser.point_at("hashes", 0.0).await;
    browser.until_text("legend-moment", "now").await;
    browser.close().await;
}

#[tokio::test]
async fn theme_follows_the_system_until_one_is_chosen() {
    let backend = Backend::start();
    let browser = Browser::open(&backend).await;
    browser.prefer("light").await;
    browser.until(GROUND, |ground| ground == LIGHT_GROUND).await;
    browser.prefer("dark").await;
    browser.until(GROUND, |ground| ground == DARK_GROUND).await;

    choose(&browser, "theme", "light").await;
    browser.until(GROUND, |ground| ground == LIGHT_GROUND).await;
    choose(&browser, "range", "3600").await;
    browser.reload().await;
    browser.until(GROUND, |ground| ground == LIGHT_GROUND).await;
    let chosen = "return [...document.querySelectorAll(':checked')].map(({ value }) => value)";
    browser
        .until(chosen, |values| {
            *values == serde_json::json!(["light", "3600"])
        })
        .await;

    choose(&browser, "theme", "system").await;
    browser.until(GROUND, |ground| ground == DARK_GROUND).await;
    browser.close().await;
}

/// Presses Tab once, which must go to what is named, and visibly so.
async fn tab_to(browser: &Browser, name: &str) {
    browser.press(Key::Tab).await;
    assert_eq!(browser.value(FOCUS).await, name);
    assert_eq!(
        browser.value(FOCUS_IS_SEEN).await,
        true,
        "no focus is seen on {name}"
    );
}

async fn choose(browser: &Browser, group: &str, value: &str) {
    browser
        .value(&format!(
            "document.querySelector('[name={group}][value=\"{value}\"]').click()"
        ))
        .await;
}

async fn moment(browser: &Browser) -> Value {
    browser
        .value("return document.getElementById('plot').getAttribute('aria-valuetext')")
        .await
}
