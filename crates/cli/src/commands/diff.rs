//! `diff`.

use client::Request;
use model::api::container::Change;

use super::container_path;
use crate::args::container::One;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &One) -> Result<(), Failure> {
    let answer = session
        .client
        .send(Request::get(container_path(&raw.container, "/changes")?))
        .await?;
    let changes: Option<Vec<Change>> = answer.json().await?;
    let mut lines = String::new();
    for change in changes.unwrap_or_default() {
        let kind = match change.kind {
            0 => 'C',
            1 => 'A',
            2 => 'D',
            _ => '?',
        };
        lines.push_str(&format!("{kind} {}\n", change.path));
    }
    output::print(&lines)
}
