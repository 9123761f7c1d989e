//! `logs`.

use client::Request;
use serde_json::Value;

use super::container_path;
use crate::args::container::Logs;
use crate::failure::Failure;
use crate::output::field::{flag, text};
use crate::session::Session;
use crate::terminal::streams::{Form, copy_output};

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Logs) -> Result<(), Failure> {
    let found: Value = session
        .client
        .send(Request::get(container_path(&raw.container, "/json")?))
        .await?
        .json()
        .await?;
    let form = if flag(&found, "/Config/Tty") {
        Form::Terminal
    } else {
        Form::Frames
    };
    let time = |text: &Option<String>| text.as_deref().map(|text| session.api_timestamp(text));
    let request = Request::get(container_path(text(&found, "Id"), "/logs")?)
        .query("stdout", "1")
        .query("stderr", "1")
        .flag("follow", raw.follow)
        .flag("timestamps", raw.timestamps)
        .flag("details", raw.details)
        .query("tail", &raw.tail)
        .query_if("since", time(&raw.since))
        .query_if("until", time(&raw.until));
    let answer = session.client.send(request).await?;
    copy_output(answer.reader(), form, true, true).await
}
