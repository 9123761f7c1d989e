//! Layers that a build makes itself: what is below is seen as an overlay that is mounted nowhere, files are put
//! into it, and what that changed becomes a layer.

use std::fs;
use std::path::{Path, PathBuf};

use image::Store;
use image::dockerfile::{Copy, Heredoc};
use model::digest::DiffId;
use rootfs::{CopyOptions, ExtractOptions, Kind, Links, Mode, Overlay, Owner, Root};

use super::account;
use super::configure::below;
use super::context::{compression, decompressed, internal};
use super::files::Source;
use super::workspace::Workspace;
use crate::error::{Error, Result};

/// The permissions of folders that are made on the way.
const FOLDER: Mode = Mode(0o755);

/// The permissions of a file given in the Dockerfile.
const HEREDOC: Mode = Mode(0o644);

/// A layer, and what keeps it in the store until an image has it.
#[derive(Debug)]
pub(super) struct Made {
    /// `None`: nothing was changed.
    pub(super) layer: Option<image::Layer>,
}

/// Lets `change` work on the root that `layers` make, lowest first, and makes a layer of what it changed.
pub(super) fn make(
    store: &Store,
    workspace: &Workspace,
    layers: &[DiffId],
    change: impl FnOnce(&Root) -> Result<()>,
) -> Result<Made> {
    let changes = workspace.folder("changes")?;
    set_mode(&changes)?;
    let work = workspace.folder("work")?;
    let lower = store.layer_directories(layers)?;
    let root = Overlay::writable(lower, changes.clone(), work)
        .mount()
        .map_err(internal)?;
    change(&root)?;
    drop(root);
    workspace.remove("work")?;
    let made = adopt(store, &changes)?;
    workspace.remove("changes")?;
    Ok(made)
}

/// Makes a layer of a directory of changes, which is taken away unless it is empty.
pub(super) fn adopt(store: &Store, changes: &Path) -> Result<Made> {
    let layer = if is_empty(changes)? {
        None
    } else {
        Some(store.adopt_layer(changes)?)
    };
    Ok(Made { layer })
}

/// Makes a layer like a directory of changes, which stays.
pub(super) fn copied(store: &Store, changes: &Path) -> Result<Made> {
    let layer = if is_empty(changes)? {
        None
    } else {
        Some(store.commit_layer(changes)?)
    };
    Ok(Made { layer })
}

fn is_empty(changes: &Path) -> Result<bool> {
    fs::read_dir(changes)
        .map(|mut entries| entries.next().is_none())
        .map_err(|cause| Error::io("read a build's changes", cause))
}

/// The top of every root: it is no secret, whatever the umask of the daemon.
fn set_mode(changes: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(changes, fs::Permissions::from_mode(0o755))
        .map_err(|cause| Error::io("make a build's changes readable", cause))
}

/// What a `COPY` or `ADD` does.
#[derive(Debug)]
pub(super) struct Copying<'a> {
    /// `COPY` or `ADD`, for messages.
    pub(super) name: &'static str,
    pub(super) copy: &'a Copy,
    /// Where the sources are.
    pub(super) from: &'a Root,
    pub(super) sources: &'a [Source],
    /// The folder that a relative destination is in.
    pub(super) folder: &'a str,
    /// Whether archives are unpacked.
    pub(super) unpacks: bool,
}

/// Puts the files into `root`.
pub(super) fn put(root: &Root, copying: &Copying<'_>) -> Result<()> {
    let copy = copying.copy;
    let owner = match &copy.chown {
        None => Owner::default(),
        Some(text) => account::owner(root, text)?,
    };
    let options = CopyOptions {
        owner: Some(owner),
        mode: copy.chmod.map(Mode),
        ..CopyOptions::default()
    };
    let target = below(copying.folder, &copy.destination);
    let target = real(root, Path::new(&target))?;
    let count = copying.sources.len() + copy.heredocs.len();
    let is_folder = is_folder(&copy.destination);
    if count > 1 && !is_folder {
        return Err(Error::bad_parameter(format!(
            "When using {} with more than one source file, the destination must be a directory and end with a /",
            copying.name
        )));
    }
    for source in copying.sources {
        one(root, copying, source, &target, is_folder, owner, &options)?;
    }
    for heredoc in &copy.heredocs {
        let place = place(root, &target, heredoc.name.as_ref(), is_folder)?;
        write(root, &place, heredoc, owner, copy.chmod)?;
    }
    Ok(())
}

fn one(
    root: &Root,
    copying: &Copying<'_>,
    source: &Source,
    target: &Path,
    is_folder: bool,
    owner: Owner,
    options: &CopyOptions,
) -> Result<()> {
    let failed = |error: rootfs::Error| {
        Error::bad_parameter(format!("{} failed: {error}", copying.name)).because(error)
    };
    if source.is_folder {
        make_parent(root, target, owner)?;
        rootfs::copy(copying.from, &source.path, root, target, options).map_err(failed)?;
        return Ok(());
    }
    if copying.unpacks && is_archive(copying.from, &source.path)? {
        root.make_directories(target, FOLDER, owner)
            .map_err(failed)?;
        let inside = root.enter(target).map_err(failed)?;
        let owner = copying.copy.chown.as_ref().map(|_| owner);
        return unpack(copying.from, &source.path, &inside, owner);
    }
    let place = place(root, target, &source.name, is_folder)?;
    make_parent(root, &place, owner)?;
    rootfs::copy(copying.from, &source.path, root, &place, options).map_err(failed)?;
    Ok(())
}

/// Whether a destination is written as a folder.
fn is_folder(destination: &str) -> bool {
    destination.ends_with('/') || matches!(destination.rsplit('/').next(), Some("." | ".."))
}

/// Where a file goes: into the folder that is meant or there, or to that very path.
fn place(root: &Root, target: &Path, name: &std::ffi::OsStr, is_folder: bool) -> Result<PathBuf> {
    if is_folder || kind(root, target)? == Some(Kind::Directory) {
        real(root, &target.join(name))
    } else {
        Ok(target.to_owned())
    }
}

/// Where `path` really is, if there is something.
fn real(root: &Root, path: &Path) -> Result<PathBuf> {
    match root.canonical(path) {
        Ok(real) => Ok(real),
        Err(error) if error.is_not_found() => Ok(path.to_owned()),
        Err(error) => Err(Error::bad_parameter(error.to_string()).because(error)),
    }
}

fn kind(root: &Root, path: &Path) -> Result<Option<Kind>> {
    match root.metadata(path, Links::Follow) {
        Ok(metadata) => Ok(Some(metadata.kind)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(internal(error)),
    }
}

fn make_parent(root: &Root, path: &Path, owner: Owner) -> Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    root.make_directories(parent, FOLDER, owner)
        .map_err(|error| Error::bad_parameter(error.to_string()).because(error))
}

fn write(
    root: &Root,
    place: &Path,
    heredoc: &Heredoc,
    owner: Owner,
    mode: Option<u32>,
) -> Result<()> {
    use std::io::Write as _;
    make_parent(root, place, owner)?;
    let mut file = root
        .replace_file(place, mode.map_or(HEREDOC, Mode))
        .map_err(internal)?;
    file.write_all(heredoc.contents.as_bytes())
        .map_err(|cause| Error::io(format_args!("write {}", place.display()), cause))?;
    root.set_owner(place, owner).map_err(internal)?;
    // The same layer for the same Dockerfile, whenever it is built.
    root.set_modified(place, 0, 0).map_err(internal)
}

/// Makes the folder that a `WORKDIR` names, for the user of the image as Docker does: root's.
pub(super) fn make_folder(root: &Root, path: &str) -> Result<()> {
    if kind(root, Path::new(path))? == Some(Kind::Directory) {
        return Ok(());
    }
    root.make_directories(path, FOLDER, Owner::default())
        .map_err(|error| {
            Error::bad_parameter(format!("make the folder {path}: {error}")).because(error)
        })
}

/// Whether a file is a tar archive, maybe a compressed one.
fn is_archive(root: &Root, path: &Path) -> Result<bool> {
    use std::io::Read as _;
    let metadata = root.metadata(path, Links::Keep).map_err(internal)?;
    if metadata.kind != Kind::File {
        return Ok(false);
    }
    let file = root.open_file(path).map_err(internal)?;
    let mut head = Vec::new();
    let read = |cause| Error::io(format_args!("read {}", path.display()), cause);
    (&file).take(512).read_to_end(&mut head).map_err(read)?;
    match compression(&head) {
        None => Ok(context::is_archive(&head)),
        // A compressed file that is no archive is copied.
        Some("gzip") => {
            let file = root.open_file(path).map_err(internal)?;
            let mut inside = Vec::new();
            let opened = decompressed(file).map_err(read)?;
            let is_read = opened.take(512).read_to_end(&mut inside).is_ok();
            Ok(is_read && context::is_archive(&inside))
        }
        Some(other) => Err(Error::bad_parameter(format!(
            "ADD failed: {} is compressed with {other}, which this engine does not unpack; COPY takes it as it is",
            path.display()
        ))),
    }
}

fn unpack(from: &Root, path: &Path, to: &Root, owner: Option<Owner>) -> Result<()> {
    let file = from.open_file(path).map_err(internal)?;
    let archive = decompressed(file)
        .map_err(|cause| Error::io(format_args!("read {}", path.display()), cause))?;
    let options = ExtractOptions {
        owner,
        ..ExtractOptions::default()
    };
    rootfs::extract(archive, to, &options).map_err(|error| {
        Error::bad_parameter(format!("ADD failed: unpack {}: {error}", path.display()))
            .because(error)
    })?;
    Ok(())
}
