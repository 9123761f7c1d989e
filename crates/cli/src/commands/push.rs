//! `push`.

use client::Request;

use super::image_path;
use super::pull::{self, LOGIN_HEADER, Shown};
use crate::args::image::Push;
use crate::config::login_name;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Push) -> Result<(), Failure> {
    let reference = pull::parse(&raw.image)?;
    if reference.digest().is_some() {
        return Err(Failure::message("cannot push a digest reference"));
    }
    if raw.all_tags && !reference.is_name_only() {
        return Err(Failure::message("tag can't be used with --all-tags/-a"));
    }
    if !raw.all_tags && !raw.quiet && reference.is_name_only() {
        output::print_line("Using default tag: latest")?;
    }
    let reference = if raw.all_tags {
        reference
    } else {
        reference.or_latest()
    };
    let login = session
        .config
        .login(login_name(reference.repository().registry()))?;
    let path = image_path(&reference.repository().familiar(), "/push");
    let request = Request::post(path)
        .query_if("tag", reference.tag().map(|tag| tag.as_str().to_owned()))
        .header(LOGIN_HEADER, &login.header());
    let shown = if raw.quiet {
        Shown::Nothing
    } else {
        Shown::OnStdout
    };
    pull::show(session.client.send(request).await?, shown, |_| ()).await?;
    if raw.quiet {
        output::print_line(&reference.to_string())?;
    }
    Ok(())
}
