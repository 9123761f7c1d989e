//! A container's root as the container sees it, or would.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use rootfs::{Kind, Links, Overlay, Root};

use crate::Engine;
use crate::container::Container;
use crate::error::{Error, Result};
use crate::resolve::spec::Files;

/// Why nothing can be written to a container whose root cannot be.
pub(super) const ROOT_READ_ONLY: &str = "container rootfs is marked read-only";

/// Why nothing can be written to a mount that cannot be.
const MOUNT_READ_ONLY: &str = "mounted volume is marked read-only";

/// How many links are followed before it is a loop: as many as the kernel follows.
const MOST_LINKS: usize = 40;

/// Where paths of a container are looked up.
#[derive(Debug)]
pub(super) enum View {
    /// In its own mount namespace.
    Running { root: Root },
    /// In its layers, and in what would be mounted.
    Stopped {
        root: Root,
        root_read_only: bool,
        mounts: Vec<Mounted>,
        /// How to mount it so that it can be written to.
        overlay: Overlay,
    },
}

/// Something of the host that would be mounted.
#[derive(Debug, Clone)]
pub(super) struct Mounted {
    destination: PathBuf,
    source: PathBuf,
    read_only: bool,
}

/// Where something is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) root: Root,
    /// Beneath the root.
    pub(super) path: PathBuf,
    /// The container's own name for it.
    pub(super) seen: PathBuf,
    /// Why it cannot be written to.
    pub(super) read_only: Option<&'static str>,
}

impl Engine {
    /// A container's root, to be read.
    pub(super) async fn view(&self, name: &str) -> Result<View> {
        self.ready().await;
        let engine = self.clone();
        let name = name.to_owned();
        super::blocking(move || engine.view_of(&*engine.containers().find(&name)?)).await
    }

    pub(super) fn view_of(&self, container: &Container) -> Result<View> {
        if let Some(root) = running_root(container)? {
            return Ok(View::Running { root });
        }
        let record = container.record();
        let frozen = self.frozen_root(container)?;
        let mounted = frozen.mount();
        let root = mounted.map_err(|error| Error::io("mount the root", error.source))?;
        let mounts = record
            .mounts
            .iter()
            .filter(|mount| matches!(mount.kind.as_str(), "bind" | "volume"))
            .map(|mount| Mounted {
                destination: PathBuf::from(&mount.destination),
                source: PathBuf::from(&mount.source),
                read_only: !mount.rw,
            })
            .collect();
        let files = Files::new(self.settings(), &record.id.to_string());
        let store = self.image_store();
        let layers = store.layer_directories(&record.layers)?;
        Ok(View::Stopped {
            root,
            root_read_only: record.host_config.readonly_rootfs,
            mounts,
            overlay: Overlay::writable(layers, files.upper(), files.work()),
        })
    }

    /// A container's layers and what it wrote, as they are, without what is mounted into it. It may run.
    pub(super) fn frozen_root(&self, container: &Container) -> Result<Overlay> {
        let record = container.record();
        let files = Files::new(self.settings(), &record.id.to_string());
        let mut layers = vec![files.upper()];
        layers.extend(self.image_store().layer_directories(&record.layers)?);
        Ok(Overlay::read_only(layers))
    }
}

/// The root of a running container's first process.
fn running_root(container: &Container) -> Result<Option<Root>> {
    let condition = container.condition();
    if !condition.phase.is_running() || condition.pid == 0 {
        return Ok(None);
    }
    let process = PathBuf::from(format!("/proc/{}", condition.pid));
    let root = match Root::open(process.join("root")) {
        Ok(root) => root,
        // It has ended just now.
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(Error::io("open the container's root", error.source)),
    };
    // The number may be another process's by now; only the container's own are in its cgroup.
    let cgroups = std::fs::read_to_string(process.join("cgroup")).unwrap_or_default();
    Ok(cgroups.contains(&container.id.to_string()).then_some(root))
}

impl View {
    /// The same, to be written to; nothing else may use the container's layers meanwhile.
    pub(super) fn writable(self) -> Result<Self> {
        match self {
            Self::Running { .. } => Ok(self),
            Self::Stopped {
                root_read_only,
                mounts,
                overlay,
                root,
            } => {
                drop(root);
                let mounted = overlay.mount();
                let root = mounted.map_err(|error| Error::io("mount the root", error.source))?;
                Ok(Self::Stopped {
                    root,
                    root_read_only,
                    mounts,
                    overlay,
                })
            }
        }
    }

    /// Where a path is; what it ends in is followed or not.
    pub(super) fn locate(&self, absolute: &str, links: Links) -> Result<Place, rootfs::Error> {
        let path = Path::new(absolute);
        match self {
            Self::Running { root } => {
                let seen = match links {
                    Links::Follow => root.canonical(relative(path))?,
                    Links::Keep => path.to_owned(),
                };
                Ok(Place {
                    root: root.try_clone()?,
                    path: relative(path),
                    seen: Path::new("/").join(seen),
                    read_only: None,
                })
            }
            Self::Stopped {
                root,
                root_read_only,
                mounts,
                ..
            } => {
                let seen = resolve(root, mounts, path, links)?;
                let Some(mount) = mount_of(mounts, &seen) else {
                    return Ok(Place {
                        root: root.try_clone()?,
                        path: relative(&seen),
                        seen,
                        read_only: root_read_only.then_some(ROOT_READ_ONLY),
                    });
                };
                let (root, path) = mount.place(&seen)?;
                Ok(Place {
                    root,
                    path,
                    seen,
                    read_only: mount.read_only.then_some(MOUNT_READ_ONLY),
                })
            }
        }
    }

    /// A short file's text.
    pub(super) fn read_text(&self, path: &Path) -> Option<String> {
        use std::io::Read as _;
        let place = self.locate(path.to_str()?, Links::Follow).ok()?;
        let file = place.root.open_file(&place.path).ok()?;
        let mut text = String::new();
        file.take(1024 * 1024).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

impl Mounted {
    /// The root that it is, and the path beneath. A file that is mounted is found in its own directory.
    fn place(&self, seen: &Path) -> Result<(Root, PathBuf), rootfs::Error> {
        let beneath = seen
            .strip_prefix(&self.destination)
            .unwrap_or(Path::new(""));
        let is_directory = std::fs::metadata(&self.source).is_ok_and(|found| found.is_dir());
        if is_directory {
            return Ok((Root::open(&self.source)?, relative(beneath)));
        }
        let parent = self.source.parent().unwrap_or(Path::new("/"));
        let name = self.source.file_name().unwrap_or_default();
        Ok((Root::open(parent)?, PathBuf::from(name)))
    }
}

/// The innermost mount that a path is in or at.
fn mount_of<'a>(mounts: &'a [Mounted], path: &Path) -> Option<&'a Mounted> {
    let around = mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.destination));
    around.max_by_key(|mount| mount.destination.components().count())
}

/// The path that is meant, all links followed but maybe the last, as the container would with its mounts. Whatever
/// changes meanwhile, what is opened in the end is opened beneath the root of where this leads.
fn resolve(
    root: &Root,
    mounts: &[Mounted],
    path: &Path,
    links: Links,
) -> Result<PathBuf, rootfs::Error> {
    let mut left: VecDeque<OsString> = parts(path);
    let mut seen = PathBuf::from("/");
    let mut followed = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            seen.pop();
            continue;
        }
        seen.push(&part);
        if left.is_empty() && links == Links::Keep {
            break;
        }
        let (root, beneath) = match mount_of(mounts, &seen) {
            Some(mount) => mount.place(&seen)?,
            None => (root.try_clone()?, relative(&seen)),
        };
        if root.metadata(&beneath, Links::Keep)?.kind != Kind::Symlink {
            continue;
        }
        followed += 1;
        if followed > MOST_LINKS {
            return Err(rootfs::Error {
                operation: "look up",
                path: path.to_owned(),
                source: rustix::io::Errno::LOOP.into(),
            });
        }
        let target = root.read_link(&beneath)?;
        if target.is_absolute() {
            seen = PathBuf::from("/");
        } else {
            seen.pop();
        }
        for part in parts(&target).into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(seen)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let components = path.components();
    components
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// Beneath a root; the root itself is `.`.
fn relative(path: &Path) -> PathBuf {
    let beneath = path.strip_prefix("/").unwrap_or(path);
    if beneath.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        beneath.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use rootfs::{Links, Root};

    use super::{Mounted, mount_of, resolve};

    #[test]
    fn paths_of_a_stopped_container_lead_into_its_mounts() {
        let folder = tempfile::tempdir().unwrap();
        let (image, volume) = (folder.path().join("image"), folder.path().join("volume"));
        fs::create_dir_all(image.join("data")).unwrap();
        fs::create_dir_all(image.join("etc")).unwrap();
        fs::create_dir_all(volume.join("sub")).unwrap();
        symlink("/data/sub", image.join("link")).unwrap();
        symlink("../../../../etc", image.join("etc/up")).unwrap();
        symlink("/etc", volume.join("out")).unwrap();
        symlink("loop", image.join("loop")).unwrap();
        let root = Root::open(&image).unwrap();
        let mounts = [Mounted {
            destination: PathBuf::from("/data"),
            source: volume,
            read_only: false,
        }];
        let check = |path: &str, links: Links, expect: Option<&str>| {
            let seen = resolve(&root, &mounts, Path::new(path), links).ok();
            assert_eq!(seen.as_deref(), expect.map(Path::new), "{path}");
        };
        check("/link", Links::Follow, Some("/data/sub"));
        check("/link", Links::Keep, Some("/link"));
        check("/data/sub/..", Links::Follow, Some("/data"));
        check("/etc/up", Links::Follow, Some("/etc"));
        check("/data/out", Links::Follow, Some("/etc"));
        check("/loop", Links::Follow, None);
        check("/none/at/all", Links::Follow, None);
        check("/", Links::Follow, Some("/"));
        assert!(mount_of(&mounts, Path::new("/data/sub")).is_some());
        assert!(mount_of(&mounts, Path::new("/database")).is_none());
    }
}
