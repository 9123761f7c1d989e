//! `export`, and the writing of an archive to a file or to standard output, which `save` does too.

use std::path::Path;

use client::{Answer, Request};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::container_path;
use crate::args::container::Export;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::terminal::stdout_is_terminal;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Export) -> Result<(), Failure> {
    let target = target(raw.output.as_deref(), "export")?;
    let request = Request::get(container_path(&raw.container, "/export")?);
    write(session.client.send(request).await?, target).await
}

/// Where an archive goes: a file, or else standard output, unless that is a terminal.
pub(super) fn target<'a>(file: Option<&'a str>, action: &str) -> Result<Option<&'a Path>, Failure> {
    match file.filter(|file| !file.is_empty()) {
        Some(file) => {
            let path = Path::new(file);
            if path.is_dir() {
                return Err(Failure::message(format!("{file} is a directory")));
            }
            Ok(Some(path))
        }
        None if stdout_is_terminal() => Err(Failure::message(format!(
            "cowardly refusing to {action} to a terminal. Use the -o flag or redirect"
        ))),
        None => Ok(None),
    }
}

/// Writes an answer's body. A file appears under its name only when it is whole.
pub(super) async fn write(answer: Answer, target: Option<&Path>) -> Result<(), Failure> {
    let mut reader = answer.reader();
    let Some(path) = target else {
        return to_stdout(&mut reader).await;
    };
    let failed =
        |error: std::io::Error| Failure::caused(&format!("writing {}", path.display()), &error);
    // A pipe or a device is written to; only a file can be put in another's place.
    if path.exists() && !path.is_file() {
        let mut file = tokio::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .await
            .map_err(failed)?;
        tokio::io::copy(&mut reader, &mut file)
            .await
            .map_err(failed)?;
        return file.flush().await.map_err(failed);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let draft = path.with_file_name(name);
    let written = async {
        let mut file = File::create_new(&draft).await?;
        tokio::io::copy(&mut reader, &mut file).await?;
        file.flush().await?;
        tokio::fs::rename(&draft, path).await
    }
    .await;
    if written.is_err() {
        let _removed = tokio::fs::remove_file(&draft).await;
    }
    written.map_err(failed)
}

async fn to_stdout(reader: &mut client::BodyReader) -> Result<(), Failure> {
    use tokio::io::AsyncReadExt;

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
