//! Files of a container read and written from outside: `docker cp`, `docker export`.
//!
//! ```text
//! path ──▶ View: the root as the container sees it ──locate──▶ (root, path beneath it) ──▶ stat, pack, extract
//! ```
//!
//! Of a container that runs, the view is its own, mounts included. Of one that does not, it is its layers, mounted
//! nowhere, and the volumes and directories of the host that would be mounted. Either way paths are resolved by the
//! kernel beneath a root: a container that swaps links meanwhile gets itself read or written, never the host.

mod stat;
mod view;

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::Stream;
use model::api::container::{ArchivePutOptions, PathStat};
use rootfs::{ExtractError, ExtractOptions, Kind, Links, Overwriting, Owner, PackOptions};
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;

use crate::Engine;
use crate::error::{Error, Result};
use crate::stream;
use view::View;

impl Engine {
    /// What is at a path of a container.
    pub async fn archive_stat(&self, name: &str, path: &str) -> Result<PathStat> {
        let view = self.view(name).await?;
        let (name, path) = (name.to_owned(), path.to_owned());
        blocking(move || stat_of(&view, &name, &path).map(|found| found.stat)).await
    }

    /// What is at a path of a container, as an archive whose names begin with the path's last part.
    pub async fn archive_get(
        &self,
        name: &str,
        path: &str,
    ) -> Result<(
        PathStat,
        impl Stream<Item = io::Result<Bytes>> + Send + use<>,
    )> {
        let view = self.view(name).await?;
        let (name, path) = (name.to_owned(), path.to_owned());
        let found = blocking(move || stat_of(&view, &name, &path)).await?;
        let stat = found.stat.clone();
        let packed = stream::written(move |target| {
            let options = PackOptions {
                name: PathBuf::from(&found.stat.name),
                ..PackOptions::default()
            };
            let packed = rootfs::pack(&found.place.root, &found.place.path, target, &options);
            packed.map(drop).map_err(io::Error::other)
        });
        Ok((stat, packed))
    }

    /// Extracts an archive into a directory of a container.
    pub async fn archive_put(
        &self,
        name: &str,
        options: ArchivePutOptions,
        archive: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<()> {
        self.ready().await;
        let container = self.containers().find(name)?;
        // A container that does not run must not be started while its layers are written to.
        let turn = container.turn().await;
        let view = self.view_of(&container).and_then(View::writable);
        let view = container.unless_leaving(view)?;
        let owner = options
            .copy_uid_gid
            .then(|| container.record().config.user.clone())
            .filter(|user| !user.is_empty());
        let archive = SyncIoBridge::new(archive);
        let name = name.to_owned();
        let done = blocking(move || put(&view, &name, &options, owner.as_deref(), archive)).await;
        drop(turn);
        done
    }

    /// Everything in a container's root, without what is mounted into it, as an archive.
    pub async fn export_container(
        &self,
        name: &str,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
        self.ready().await;
        let container = self.containers().find(name)?;
        let overlay = self.frozen_root(&container)?;
        let root = blocking(move || {
            let mounted = overlay.mount();
            mounted.map_err(|error| Error::io(format_args!("mount the root"), error.source))
        });
        let root = container.unless_leaving(root.await)?;
        let record = container.record();
        let mut attributes = record.config.labels.clone().unwrap_or_default();
        attributes.insert("name".to_owned(), record.name.clone());
        attributes.insert("image".to_owned(), record.config.image.clone());
        let id = container.id.to_string();
        self.event_bus()
            .publish(crate::event::Kind::Container, "export", id, attributes);
        Ok(stream::written(move |target| {
            let packed = rootfs::pack(&root, ".", target, &PackOptions::default());
            packed.map(drop).map_err(io::Error::other)
        }))
    }
}

/// Something found, and where.
struct Found {
    stat: PathStat,
    place: view::Place,
}

/// Looks at a path; the link it ends in, unless it ends in a slash, is not followed.
fn stat_of(view: &View, name: &str, path: &str) -> Result<Found> {
    let absolute = stat::absolute(path);
    let followed = absolute.ends_with('/') || absolute.ends_with("/.");
    let links = if followed { Links::Follow } else { Links::Keep };
    let place = view
        .locate(&absolute, links)
        .map_err(|error| missing(error, name, path))?;
    let metadata = place
        .root
        .metadata(&place.path, links)
        .map_err(|error| missing(error, name, path))?;
    if followed && metadata.kind != Kind::Directory {
        return Err(Error::bad_parameter("not a directory"));
    }
    let link_target = if metadata.kind == Kind::Symlink {
        let target = view.locate(&absolute, Links::Follow);
        target.map(|target| target.seen).unwrap_or_default()
    } else {
        PathBuf::new()
    };
    // What a link leads to is packed, not the link, where the path says that a directory is meant.
    let place = if followed {
        let root = place.root.enter(&place.path);
        view::Place {
            root: root.map_err(|error| missing(error, name, path))?,
            path: PathBuf::from("."),
            ..place
        }
    } else {
        place
    };
    Ok(Found {
        stat: stat::path_stat(&absolute, &metadata, &link_target),
        place,
    })
}

fn put(
    view: &View,
    name: &str,
    options: &ArchivePutOptions,
    user: Option<&str>,
    archive: impl io::Read,
) -> Result<()> {
    let absolute = stat::absolute(&options.path);
    let place = view
        .locate(&absolute, Links::Follow)
        .map_err(|error| missing(error, name, &options.path))?;
    let metadata = place
        .root
        .metadata(&place.path, Links::Follow)
        .map_err(|error| missing(error, name, &options.path))?;
    if metadata.kind != Kind::Directory {
        return Err(Error::bad_parameter("extraction point is not a directory"));
    }
    if let Some(reason) = place.read_only {
        return Err(Error::forbidden(reason));
    }
    let owner = user.map(|user| owner(view, user)).transpose()?;
    let extract = ExtractOptions {
        owner,
        overwriting: if options.no_overwrite_dir_non_dir {
            Overwriting::KeepDirectories
        } else {
            Overwriting::Replace
        },
        ..ExtractOptions::default()
    };
    let root = place
        .root
        .enter(&place.path)
        .map_err(|error| missing(error, name, &options.path))?;
    match rootfs::extract(archive, &root, &extract) {
        Ok(_) => Ok(()),
        Err(
            error @ (ExtractError::DirectoryInTheWay { .. }
            | ExtractError::NoDirectoryInTheWay { .. }),
        ) => Err(Error::bad_parameter(error.to_string())),
        Err(ExtractError::Make(error)) if error.errno() == Some(rustix::io::Errno::ROFS) => {
            Err(Error::forbidden(view::ROOT_READ_ONLY))
        }
        Err(ExtractError::Make(error)) => Err(Error::io("extract archive", error.source)),
        Err(error) => Err(Error::bad_parameter(format!("extract archive: {error}")).because(error)),
    }
}

/// The user's numbers, by the container's own files.
fn owner(view: &View, user: &str) -> Result<Owner> {
    let (user, group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (user, None),
    };
    let lines = |path: &str| -> Vec<Vec<String>> {
        let text = view.read_text(Path::new(path)).unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| line.split(':').map(str::to_owned).collect());
        lines.collect()
    };
    let unknown = |what: &str| Error::bad_parameter(format!("unable to find user {what}"));
    let passwd = lines("/etc/passwd");
    let entry = passwd.iter().find(|fields| {
        fields.first().is_some_and(|name| name == user)
            || fields.get(2).is_some_and(|id| id == user)
    });
    let number = |field: Option<&String>| field.and_then(|field| field.parse().ok());
    let (user_id, primary) = match entry {
        Some(fields) => (number(fields.get(2)), number(fields.get(3))),
        None => (user.parse().ok(), Some(0)),
    };
    let group_id = match group {
        None => primary,
        Some(group) => group.parse().ok().or_else(|| {
            let groups = lines("/etc/group");
            let entry = groups
                .iter()
                .find(|fields| fields.first().is_some_and(|name| name == group));
            number(entry?.get(2))
        }),
    };
    Ok(Owner {
        user: user_id.ok_or_else(|| unknown(user))?,
        group: group_id.ok_or_else(|| unknown(group.unwrap_or_default()))?,
    })
}

fn missing(error: rootfs::Error, name: &str, path: &str) -> Error {
    if error.is_not_found() || error.errno() == Some(rustix::io::Errno::NOTDIR) {
        return Error::not_found(format!(
            "Could not find the file {path} in container {name}"
        ));
    }
    Error::io(
        format_args!("{} {path} in container {name}", error.operation),
        error.source,
    )
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::internal("a thread that works with files ended").because(error)),
    }
}
