//! `cp`: files from a container to here, from here to a container, or as an archive through a pipe.
//!
//! What goes where is decided in [`plan`], pure. What comes from a container is not trusted: [`extract`] writes
//! nothing outside of the folder that it goes to.

use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use client::{Request, pieces_body};
use data_encoding::BASE64;
use model::api::container::PathStat;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::container_path;
use super::upload::{self, Broken};
use crate::args::container::Cp;
use crate::failure::Failure;
use crate::output;
use crate::output::units::{float, precise_size};
use crate::session::Session;
use crate::terminal::{input, stdout_is_terminal};
use plan::{Known, Placement, Side, Source};

mod extract;
mod plan;

/// The bit of a mode, as Go writes one, that says "folder".
const GO_FOLDER: u32 = 1 << 31;
/// The one that says "symbolic link".
const GO_LINK: u32 = 1 << 27;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Cp) -> Result<(), Failure> {
    match (Side::parse(&raw.source), Side::parse(&raw.destination)) {
        (Side::Container { name, path }, Side::Stdio) => {
            to_stdout(session, raw, &name, &path).await
        }
        (Side::Container { name, path }, Side::Local(here)) => {
            from_container(session, raw, &name, &path, &here).await
        }
        (Side::Stdio, Side::Container { name, path }) => {
            from_stdin(session, raw, &name, &path).await
        }
        (Side::Local(here), Side::Container { name, path }) => {
            to_container(session, raw, &here, &name, &path).await
        }
        (Side::Container { .. }, Side::Container { .. }) => Err(Failure::message(
            "copying between containers is not supported",
        )),
        (Side::Local(_) | Side::Stdio, Side::Local(_) | Side::Stdio) => Err(Failure::message(
            "must specify at least one container source",
        )),
    }
}

async fn to_stdout(session: &Session, raw: &Cp, name: &str, path: &str) -> Result<(), Failure> {
    let path = followed(session, raw, name, path).await?;
    let request = Request::get(container_path(name, "/archive")?).query("path", path);
    let mut reader = session.client.send(request).await?.reader();
    let mut stdout = tokio::io::stdout();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = reader
            .read(&mut buffer)
            .await
            .map_err(|error| Failure::caused("reading from the engine", &error))?;
        if count == 0 {
            return Ok(());
        }
        let written = stdout.write_all(&buffer[..count]).await;
        written
            .and(stdout.flush().await)
            .map_err(|error| output::output_failed(&error))?;
    }
}

async fn from_container(
    session: &Session,
    raw: &Cp,
    name: &str,
    path: &str,
    here: &str,
) -> Result<(), Failure> {
    let asked = followed(session, raw, name, path).await?;
    let request = Request::get(container_path(name, "/archive")?).query("path", &asked);
    let answer = session.client.send(request).await?;
    let stat = stat_of(answer.header("x-docker-container-path-stat"))?;
    let source = Source {
        path: asked,
        // A link that was followed keeps the name that it was asked for by.
        name: plan::base(path),
        is_folder: stat.mode & GO_FOLDER != 0,
    };
    let placement = plan::placement(&source, here, known_here(here)).map_err(Failure::message)?;
    let folder = if placement.folder.is_empty() {
        ".".to_owned()
    } else {
        placement.folder.clone()
    };
    if !Path::new(&folder).is_dir() {
        return Err(Failure::message(format!(
            "invalid output path: directory {folder:?} does not exist"
        )));
    }
    let how = extract::How {
        rename: placement.rename,
        contents_only: source.is_contents(),
        keep_owner: raw.archive,
    };
    let (sender, receiver) = mpsc::channel(8);
    let extracting =
        tokio::task::spawn_blocking(move || extract::extract(receiver, Path::new(&folder), &how));
    let mut reader = answer.reader();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reader.read(&mut buffer).await;
        let ended = !matches!(read, Ok(1..));
        let piece = match read {
            Ok(0) => break,
            Ok(count) => Ok(Bytes::copy_from_slice(&buffer[..count])),
            Err(error) => Err(error),
        };
        // The extractor has given up: it says why.
        if sender.send(piece).await.is_err() || ended {
            break;
        }
    }
    drop(sender);
    let size = extracting
        .await
        .map_err(|error| Failure::caused("extracting", &error))?
        .map_err(|error| Failure::message(crate::failure::with_causes(&error)))?;
    tell(raw, size, here);
    Ok(())
}

async fn from_stdin(session: &Session, raw: &Cp, name: &str, path: &str) -> Result<(), Failure> {
    let (path, known) = known_there(session, name, path).await?;
    if !known.is_some_and(|is_folder| is_folder) {
        return Err(Failure::message(format!(
            "destination \"{name}:{path}\" must be a directory"
        )));
    }
    let request = put(raw, name, &path)?.archive(pieces_body(input::pieces()));
    session.client.send(request).await?;
    Ok(())
}

async fn to_container(
    session: &Session,
    raw: &Cp,
    here: &str,
    name: &str,
    path: &str,
) -> Result<(), Failure> {
    let follows = raw.follow_link || here.ends_with("/.") || here.ends_with('/') || here == ".";
    let found = if follows {
        fs::metadata(here)
    } else {
        fs::symlink_metadata(here)
    };
    let found = found.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::message(format!("lstat {here}: no such file or directory"))
        }
        _ => Failure::caused(&format!("lstat {here}"), &error),
    })?;
    let source = Source {
        path: here.to_owned(),
        name: plan::base(here),
        is_folder: found.is_dir(),
    };
    let (there, known) = known_there(session, name, path).await?;
    let Placement { folder, rename } =
        plan::placement(&source, &there, known.map_or(Known::Absent, Known::found))
            .map_err(Failure::message)?;
    let folder = if folder.is_empty() {
        "/".to_owned()
    } else {
        folder
    };
    let inner = rename.unwrap_or_else(|| {
        if source.is_contents() {
            ".".to_owned()
        } else {
            source.name.clone()
        }
    });
    let origin = here.to_owned();
    let is_folder = found.is_dir();
    let upload = upload::start(move |out| pack(out, &origin, &inner, is_folder, follows))?;
    let request = put(raw, name, &folder)?.archive(upload.body);
    let outcome = session.client.send(request).await;
    if let Ok(failure) = upload.failure.try_recv() {
        return Err(failure);
    }
    outcome?;
    if !is_folder {
        tell(raw, found.len(), &format!("{name}:{path}"));
    }
    Ok(())
}

fn pack(
    out: &mut upload::Pieces,
    origin: &str,
    inner: &str,
    is_folder: bool,
    follows: bool,
) -> Result<(), Broken> {
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Broken::NotTaken
        } else {
            Broken::Failed(Failure::caused(&format!("reading {origin}"), &error))
        }
    };
    let mut archive = tar::Builder::new(out);
    archive.follow_symlinks(false);
    if is_folder {
        archive.append_dir_all(inner, origin).map_err(failed)?;
    } else if follows {
        let mut file = fs::File::open(origin).map_err(failed)?;
        archive.append_file(inner, &mut file).map_err(failed)?;
    } else {
        archive
            .append_path_with_name(origin, inner)
            .map_err(failed)?;
    }
    archive.finish().map_err(failed)
}

fn put(raw: &Cp, name: &str, folder: &str) -> Result<Request, Failure> {
    Ok(Request::put(container_path(name, "/archive")?)
        .query("path", folder)
        // A folder does not take a file's place, nor the other way round.
        .query("noOverwriteDirNonDir", "true")
        .flag("copyUIDGID", raw.archive))
}

/// The path to ask for: with `-L`, what a link points to.
async fn followed(session: &Session, raw: &Cp, name: &str, path: &str) -> Result<String, Failure> {
    if !raw.follow_link {
        return Ok(path.to_owned());
    }
    let stat = stat(session, name, path).await?;
    Ok(match stat {
        Some(stat) if stat.mode & GO_LINK != 0 => plan::link_target(path, &stat.link_target),
        _ => path.to_owned(),
    })
}

/// What is at a path of the container: nothing, or whether it is a folder. A link is followed, and the path is
/// then its target's.
async fn known_there(
    session: &Session,
    name: &str,
    path: &str,
) -> Result<(String, Option<bool>), Failure> {
    let Some(mut found) = stat(session, name, path).await? else {
        return Ok((path.to_owned(), None));
    };
    let mut path = path.to_owned();
    if found.mode & GO_LINK != 0 {
        path = plan::link_target(&path, &found.link_target);
        match stat(session, name, &path).await? {
            Some(target) => found = target,
            None => return Ok((path, None)),
        }
    }
    Ok((path, Some(found.mode & GO_FOLDER != 0)))
}

async fn stat(session: &Session, name: &str, path: &str) -> Result<Option<PathStat>, Failure> {
    let request = Request::head(container_path(name, "/archive")?).query("path", path);
    match session.client.send(request).await {
        Ok(answer) => stat_of(answer.header("x-docker-container-path-stat")).map(Some),
        // The answer to HEAD has no text: whether it is the container that is not there comes out next.
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn stat_of(header: Option<&str>) -> Result<PathStat, Failure> {
    let header =
        header.ok_or_else(|| Failure::message("the engine does not say what is at the path"))?;
    let bytes = BASE64
        .decode(header.as_bytes())
        .map_err(|error| Failure::caused("reading what the engine says of the path", &error))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::caused("reading what the engine says of the path", &error))
}

fn known_here(path: &str) -> Known {
    fs::metadata(path).map_or(Known::Absent, |found| Known::found(found.is_dir()))
}

fn tell(raw: &Cp, size: u64, to: &str) {
    if !raw.quiet && stdout_is_terminal() {
        let size = precise_size(float(i64::try_from(size).unwrap_or(i64::MAX)));
        output::warn(&format!("Successfully copied {size} to {to}"));
    }
}
