//! `create`, and the making of a container that `run` begins with.

use std::fs;
use std::io::Write;

use client::Request;
use model::api::container::Created;
use model::reference::Reference;

use super::pull;
use crate::args::create as raw;
use crate::failure::{Failure, OUR_ERROR, with_causes};
use crate::output;
use crate::request::create::{NewContainer, Stay, Surroundings, container};
use crate::session::Session;
use crate::terminal;
use crate::value::PullPolicy;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &raw::Create) -> Result<(), Failure> {
    let (_, id) = make(session, raw, Stay::Attached).await?;
    output::print_line(&id)
}

/// Makes a container, and pulls its image where that is asked for or needed.
pub(crate) async fn make(
    session: &Session,
    raw: &raw::Create,
    stay: Stay,
) -> Result<(NewContainer, String), Failure> {
    let new = resolved(raw, stay).map_err(|text| Failure::message(text).with_code(OUR_ERROR))?;
    let id = create(session, raw, &new).await?;
    Ok((new, id))
}

fn resolved(raw: &raw::Create, stay: Stay) -> Result<NewContainer, String> {
    let folder = std::env::current_dir()
        .map_err(|error| format!("finding the working directory: {}", with_causes(&error)))?;
    let around = Surroundings {
        variable: &|name| std::env::var(name).ok(),
        read: &|path| {
            fs::read_to_string(path)
                .map_err(|error| format!("open {path}: {}", with_causes(&error)))
        },
        folder: &folder,
        console: terminal::size(),
    };
    container(raw, stay, &around)
}

async fn create(
    session: &Session,
    raw: &raw::Create,
    new: &NewContainer,
) -> Result<String, Failure> {
    let mut id_file = raw
        .lifecycle
        .cidfile
        .as_deref()
        .map(IdFile::claim)
        .transpose()?;
    if raw.pull == PullPolicy::Always {
        pull_first(session, raw, &new.image).await?;
    }
    let request = || {
        Request::post("/containers/create")
            .query_if("name", raw.name.as_deref())
            .query_if("platform", raw.platform.as_deref())
            .json(&new.body)
    };
    let created: Created = match session.client.send(request()).await {
        Ok(answer) => answer.json().await?,
        Err(error) if error.is_not_found() && raw.pull == PullPolicy::Missing => {
            let Ok(reference) = new.image.parse::<Reference>() else {
                return Err(error.into());
            };
            output::warn(&format!(
                "Unable to find image '{}' locally",
                reference.or_latest().familiar()
            ));
            pull_first(session, raw, &new.image).await?;
            session.client.send(request()).await?.json().await?
        }
        Err(error) => return Err(error.into()),
    };
    for warning in &created.warnings {
        output::warn(&format!("WARNING: {warning}"));
    }
    if let Some(file) = &mut id_file {
        file.write(&created.id)?;
    }
    Ok(created.id)
}

async fn pull_first(session: &Session, raw: &raw::Create, image: &str) -> Result<(), Failure> {
    let how = pull::How {
        image,
        platform: raw.platform.as_deref(),
        all_tags: false,
        shown: if raw.quiet {
            pull::Shown::Nothing
        } else {
            pull::Shown::OnStderr
        },
    };
    pull::pull(session, &how).await
}

/// The file for a container's id: claimed before there is one, removed again if there never is.
struct IdFile {
    path: String,
    written: bool,
}

impl IdFile {
    fn claim(path: &str) -> Result<Self, Failure> {
        match fs::File::create_new(path) {
            Ok(_) => Ok(Self {
                path: path.to_owned(),
                written: false,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Failure::message(format!(
                    "container ID file found, make sure the other container isn't running or delete {path}"
                )))
            }
            Err(error) => Err(Failure::caused(
                &format!("failed to create the container ID file {path}"),
                &error,
            )),
        }
    }

    fn write(&mut self, id: &str) -> Result<(), Failure> {
        let written = fs::OpenOptions::new()
            .write(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(id.as_bytes()));
        self.written = written.is_ok();
        written.map_err(|error| {
            Failure::caused(
                &format!("failed to write the container ID to {}", self.path),
                &error,
            )
        })
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if !self.written {
            let _removed = fs::remove_file(&self.path);
        }
    }
}
