//! `pull`, for itself and before `run` and `create`; how long work is shown and which login goes with it.

use client::{Answer, Request};
use http::HeaderName;
use model::api::progress::Message;
use model::reference::{InvalidReference, Reference};

use crate::args::image::Pull;
use crate::config::login_name;
use crate::failure::Failure;
use crate::output;
use crate::output::progress::Progress;
use crate::session::Session;
use crate::terminal;

/// The header with a login.
pub(super) const LOGIN_HEADER: HeaderName = HeaderName::from_static("x-registry-auth");

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    OnStdout,
    /// Where standard output is a container's.
    OnStderr,
    Nothing,
}

/// What to pull and how.
#[derive(Debug)]
pub(super) struct How<'a> {
    pub(super) image: &'a str,
    pub(super) platform: Option<&'a str>,
    pub(super) all_tags: bool,
    pub(super) shown: Shown,
}

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Pull) -> Result<(), Failure> {
    let reference = parse(&raw.image)?;
    if raw.all_tags && !reference.is_name_only() {
        return Err(Failure::message("tag can't be used with --all-tags/-a"));
    }
    let full_name = if raw.all_tags {
        reference.clone()
    } else {
        reference.clone().or_latest()
    };
    if !raw.all_tags && !raw.quiet && reference.is_name_only() {
        output::print_line("Using default tag: latest")?;
    }
    let how = How {
        image: &raw.image,
        platform: raw.platform.as_deref(),
        all_tags: raw.all_tags,
        shown: if raw.quiet {
            Shown::Nothing
        } else {
            Shown::OnStdout
        },
    };
    pull(session, &how).await?;
    output::print_line(&full_name.to_string())
}

/// Pulls an image.
pub(super) async fn pull(session: &Session, how: &How<'_>) -> Result<(), Failure> {
    let reference = parse(how.image)?;
    let reference = if how.all_tags {
        reference
    } else {
        reference.or_latest()
    };
    let tag = match reference.digest() {
        Some(digest) => Some(digest.to_string()),
        None => reference.tag().map(|tag| tag.as_str().to_owned()),
    };
    let login = session
        .config
        .login(login_name(reference.repository().registry()))?;
    let request = Request::post("/images/create")
        .query("fromImage", reference.repository().familiar())
        .query_if("tag", tag)
        .query_if("platform", how.platform)
        .header(LOGIN_HEADER, &login.header());
    show(session.client.send(request).await?, how.shown, |_| ()).await
}

/// A name of an image.
pub(super) fn parse(name: &str) -> Result<Reference, Failure> {
    name.parse()
        .map_err(|error: InvalidReference| Failure::message(error.to_string()))
}

/// Shows messages as they come. `watch` sees each one first; what an engine sends for programs rather than people
/// is not shown. An error has the code of the process that failed, where the engine tells it.
pub(super) async fn show(
    answer: Answer,
    shown: Shown,
    mut watch: impl FnMut(&Message),
) -> Result<(), Failure> {
    let width = match shown {
        Shown::OnStdout => terminal::progress_width(std::io::stdout()),
        Shown::OnStderr => terminal::progress_width(std::io::stderr()),
        Shown::Nothing => None,
    };
    let mut progress = Progress::new(width);
    let mut messages = answer.messages();
    while let Some(message) = messages.next::<Message>().await? {
        watch(&message);
        if message.aux.is_some() {
            continue;
        }
        let text = progress.show(&message).map_err(|told| {
            let code = told
                .code
                .and_then(|code| u8::try_from(code).ok())
                .filter(|&code| code > 0);
            Failure::message(told.message).with_code(code.unwrap_or(1))
        })?;
        match shown {
            Shown::OnStdout => output::print(&text)?,
            Shown::OnStderr => output::warn_part(&text),
            Shown::Nothing => {}
        }
    }
    Ok(())
}
