//! The page's arithmetic by itself, in the browser that runs it: cases too slow or too rare to wait for.

use serde_json::Value;

use crate::page::backend::Backend;
use crate::page::browser::Browser;

/// What each case starts with: the module, and a history of readings given as [time, hashes, coins].
const PRELUDE: &str = "
    const rate = await import('./rate.js');
    const read = (...readings) => {
      const history = [];
      for (const [at, hashes, coins = 0, broken = false] of readings) {
        rate.appendReading(history, { at, hashes: BigInt(hashes), coins }, broken);
      }
      return history;
    };
    const rates = (history) => history.map((reading) => reading.rate);
    const steady = (seconds, perSecond, from = 0) =>
      Array.from({ length: seconds + 1 }, (_, second) => [from + second, second * perSecond]);";

/// Expressions and what they come to, as JSON.
const CASES: &[(&str, &str)] = &[
    // A reading's rate is by the server's clock, however late the answer came.
    (
        "rates(read([10, 0], [11, 4], [13, 4], [13.5, 8]))",
        "[null, 4, 0, 8]",
    ),
    (
        "rates(read([10, 0], [15, 50], [20.5, 100]))",
        "[null, 10, null]",
    ),
    // A failed poll, an emptied Redis: nothing is said of the time between.
    (
        "rates(read([10, 5], [11, 9, 0, true], [12, 10]))",
        "[null, null, 1]",
    ),
    (
        "rates(read([10, 500], [11, 0], [12, 3]))",
        "[null, null, 3]",
    ),
    // Too close to tell: dropped.
    (
        "rates(read([10, 0], [10, 4], [10.2, 4], [11, 4]))",
        "[null, 4]",
    ),
    // The server's clock is set back an hour: the curve stays in order, with a gap.
    (
        "rates(read([5000, 0], [5001, 4], [1400, 8], [1401, 12]))",
        "[null, 4, null, 4]",
    ),
    (
        "read([5000, 0], [5001, 4], [1400, 8]).map(({ at }) => at)",
        "[1394, 1395, 1400]",
    ),
    // Past 2^53.
    (
        "rates(read([1, '9223372036854775800'], [2, '9223372036854775807']))",
        "[null, 7]",
    ),
    // The average spans what there is, up to its window, and never a gap.
    (
        "rate.averageOver(read(...steady(60, 3)), 10)",
        r#"{ "rate": 3, "seconds": 10 }"#,
    ),
    (
        "rate.averageOver(read(...steady(60, 3)), 60)",
        r#"{ "rate": 3, "seconds": 60 }"#,
    ),
    (
        "rate.averageOver(read(...steady(4, 3)), 10)",
        r#"{ "rate": 3, "seconds": 4 }"#,
    ),
    ("rate.averageOver(read([1, 5]), 10)", "null"),
    ("rate.averageOver([], 10)", "null"),
    (
        "read(...steady(20, 2), ...steady(3, 7, 30)).at(-1).average",
        "7",
    ),
    // An hour is kept, with the window before it, and no more.
    ("read(...steady(9000, 1)).length", "3611"),
    (
        "rate.secondsWithoutHash(read(...steady(5, 2), [6, 10], [7, 10], [8, 10]))",
        "3",
    ),
    ("rate.secondsWithoutHash(read([1, 0]))", "0"),
    ("rate.secondsWithoutHash([])", "0"),
    ("rate.hashesPerCoin({ hashes: 33n, coins: 2 })", "16.5"),
    ("rate.hashesPerCoin({ hashes: 33n, coins: 0 })", "null"),
    (
        "rate.binned(read([9, 0], [10, 2, 1], [11, 4, 1], [14, 10, 2], [30, 11, 2]), 9, 31, 10)",
        r#"[
            { "at": 0, "rate": null, "coins": 0 },
            { "at": 10, "rate": 2, "coins": 2 },
            { "at": 20, "rate": null, "coins": 0 },
            { "at": 30, "rate": null, "coins": 0 }
        ]"#,
    ),
    ("rate.nearest(read([1, 0], [2, 0], [20, 0]), 2.4)?.at", "2"),
    ("rate.nearest(read([1, 0], [2, 0], [20, 0]), 11)", "null"),
    ("rate.nearest([], 11)", "null"),
    ("rate.axis(4, 4)", r#"{ "top": 4, "step": 1 }"#),
    ("rate.axis(10.4, 5)", r#"{ "top": 12.5, "step": 2.5 }"#),
    ("rate.axis(31000, 5)", r#"{ "top": 40000, "step": 10000 }"#),
];

#[tokio::test]
async fn rates_and_axes() {
    let backend = Backend::start();
    let browser = Browser::open(&backend).await;
    for (case, expected) in CASES {
        let value = browser
            .promised(&format!("{PRELUDE}\nreturn {case};"))
            .await;
        assert_eq!(
            value,
            serde_json::from_str::<Value>(expected).unwrap(),
            "{case}"
        );
    }
    browser.close().await;
}

#[tokio::test]
async fn answers_that_make_no_sense() {
    let backend = Backend::start();
    let browser = Browser::open(&backend).await;
    assert_eq!(
        kind(&browser, 200, r#"{"coins":1,"hashes":"16","now":1.5}"#).await,
        "reading"
    );
    assert_eq!(
        kind(&browser, 200, r#"{"coins":1,"hashes":null,"now":1.5}"#).await,
        "reading"
    );
    assert_eq!(
        kind(&browser, 503, r#"{"error":"Redis is away","now":1.5}"#).await,
        "redis-away"
    );
    let unclear = [
        (200, "<html></html>"),
        (200, "null"),
        (200, "{}"),
        (200, r#"{"coins":1,"hashes":"many","now":1.5}"#),
        (200, r#"{"coins":-1,"hashes":"1","now":1.5}"#),
        (200, r#"{"coins":1,"hashes":"1","now":"today"}"#),
        (404, "not found"),
        (502, r#"{"error":"of a proxy"}"#),
        (503, "busy"),
    ];
    for (status, body) in unclear {
        assert_eq!(
            kind(&browser, status, body).await,
            "webui-away",
            "{status} {body}"
        );
    }
    browser.close().await;
}

/// What the page makes of an answer.
async fn kind(browser: &Browser, status: u16, body: &str) -> Value {
    let script = format!(
        "const {{ understand }} = await import('./feed.js');
         return understand({status}, {body:?}).kind;"
    );
    browser.promised(&script).await
}
