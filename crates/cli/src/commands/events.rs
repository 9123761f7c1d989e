//! `events`.

use client::Request;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::filters;
use crate::args::system::Events;
use crate::failure::Failure;
use crate::output;
use crate::output::field::{map, number, text};
use crate::output::listing::object;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Events) -> Result<(), Failure> {
    let time = |text: &Option<String>| text.as_deref().map(|text| session.api_timestamp(text));
    let request = Request::get("/events")
        .query_if("since", time(&raw.since))
        .query_if("until", time(&raw.until))
        .query_if("filters", filters(&raw.filter)?);
    let mut events = session.client.send(request).await?.messages();
    while let Some(event) = events.next::<Value>().await? {
        let line = match raw.format.as_deref().filter(|format| !format.is_empty()) {
            Some(format) => object(format, event.to_string().as_bytes(), &event)?,
            None => line(&event, &session.zone),
        };
        output::print_line(&line)?;
    }
    Ok(())
}

fn line(event: &Value, zone: &TimeZone) -> String {
    let nanoseconds = match number(event, "timeNano") {
        0 => i128::from(number(event, "time")) * 1_000_000_000,
        nanoseconds => i128::from(nanoseconds),
    };
    let time = Timestamp::from_nanosecond(nanoseconds)
        .unwrap_or_default()
        .to_zoned(zone.clone())
        .strftime("%Y-%m-%dT%H:%M:%S.%9f%:z")
        .to_string();
    let time = time
        .strip_suffix("+00:00")
        .map_or_else(|| time.clone(), |utc| format!("{utc}Z"));
    let attributes: Vec<String> = map(event, "/Actor/Attributes")
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let attributes = if attributes.is_empty() {
        String::new()
    } else {
        format!(" ({})", attributes.join(", "))
    };
    format!(
        "{time} {} {} {}{attributes}",
        text(event, "Type"),
        text(event, "Action"),
        text(event, "/Actor/ID"),
    )
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::line;

    #[test]
    fn an_event_is_a_line() {
        let event = json!({
            "Type": "container", "Action": "start", "timeNano": 1_767_225_600_000_000_005_i64,
            "Actor": {"ID": "abc", "Attributes": {"name": "web", "image": "nginx"}},
        });
        assert_eq!(
            line(&event, &TimeZone::UTC),
            "2026-01-01T00:00:00.000000005Z container start abc (image=nginx, name=web)"
        );
    }
}
