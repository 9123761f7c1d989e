//! `top`.

use client::Request;
use model::api::container::Top as Processes;

use super::container_path;
use crate::args::container::Top;
use crate::failure::Failure;
use crate::output;
use crate::output::table::align_by;
use crate::session::Session;

/// The columns of processes are set as Docker sets them.
const LEAST_WIDTH: usize = 20;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Top) -> Result<(), Failure> {
    let (container, options) = raw
        .container_and_options
        .split_first()
        .ok_or_else(|| Failure::message("no container is named"))?;
    let options = options.join(" ");
    let request = Request::get(container_path(container, "/top")?).query_if(
        "ps_args",
        Some(options).filter(|options| !options.is_empty()),
    );
    let found: Processes = session.client.send(request).await?.json().await?;
    let lines: String = std::iter::once(&found.titles)
        .chain(&found.processes)
        .map(|cells| cells.join("\t") + "\n")
        .collect();
    output::print(&align_by(&lines, LEAST_WIDTH, 3))
}
