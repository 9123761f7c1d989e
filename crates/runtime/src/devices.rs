//! The device nodes that a container has, and the rules of who may use which. Deciding is pure; [`make_node`] acts.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid};

use crate::beneath;
use crate::spec::{ContainerSpec, Device, DeviceRule};

/// Names, major and minor numbers of what every container has; all are character devices, mode 0666.
pub(crate) const DEFAULT_NODES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Links in `/dev`, as programs expect them.
pub(crate) const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// A device of the host that is to be in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where in the container.
    pub(crate) path: PathBuf,
    kind: FileType,
    mode: u32,
    device: u64,
    user: u32,
    group: u32,
}

impl Node {
    /// The device at this path of the host, to be at `path` in the container.
    pub(crate) fn of_host(host: &Path, path: &Path) -> rustix::io::Result<Self> {
        let status = rustix::fs::stat(host)?;
        let kind = FileType::from_raw_mode(status.st_mode);
        if !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
            return Err(rustix::io::Errno::NODEV);
        }
        Ok(Self {
            path: path.to_owned(),
            kind,
            mode: status.st_mode & 0o7777,
            device: status.st_rdev,
            user: status.st_uid,
            group: status.st_gid,
        })
    }

    /// The rule that lets a container use it.
    fn rule(&self, access: &str) -> DeviceRule {
        DeviceRule {
            kind: if self.kind == FileType::BlockDevice {
                'b'
            } else {
                'c'
            },
            major: Some(rustix::fs::major(self.device)),
            minor: Some(rustix::fs::minor(self.device)),
            access: access.to_owned(),
        }
    }
}

/// The devices of the host that a container asks for: those it names (a folder stands for all in it), or every one if
/// it is privileged. The error names the device.
pub(crate) fn nodes_of(spec: &ContainerSpec) -> Result<Vec<Node>, (PathBuf, rustix::io::Errno)> {
    let mut nodes = Vec::new();
    for device in &spec.devices {
        nodes.extend(
            nodes_at(&device.host_path, &device.container_path)
                .map_err(|error| (device.host_path.clone(), error))?,
        );
    }
    if spec.privileged {
        for node in nodes_at(Path::new("/dev"), Path::new("/dev")).unwrap_or_default() {
            if !nodes.iter().any(|known| known.path == node.path) {
                nodes.push(node);
            }
        }
    }
    Ok(nodes)
}

fn nodes_at(host: &Path, path: &Path) -> rustix::io::Result<Vec<Node>> {
    if !host.is_dir() {
        return Node::of_host(host, path).map(|node| vec![node]);
    }
    let mut nodes = Vec::new();
    let mut folders = vec![(host.to_owned(), path.to_owned())];
    while let Some((host, path)) = folders.pop() {
        for entry in std::fs::read_dir(&host).into_iter().flatten().flatten() {
            let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else {
                continue;
            };
            let skipped = [
                "pts",
                "shm",
                "fd",
                "mqueue",
                "console",
                "ptmx",
                ".lxc",
                ".lxd-mounts",
                ".udev",
            ];
            if skipped.iter().any(|skipped| name == *skipped) {
                continue;
            }
            if kind.is_dir() {
                folders.push((entry.path(), path.join(&name)));
            } else if !kind.is_symlink()
                && let Ok(node) = Node::of_host(&entry.path(), &path.join(&name))
            {
                nodes.push(node);
            }
        }
    }
    Ok(nodes)
}

/// Which devices a container may use.
pub(crate) fn rules_of(
    spec: &ContainerSpec,
) -> Result<Vec<DeviceRule>, (PathBuf, rustix::io::Errno)> {
    let rule = |kind, major, minor, access: &str| DeviceRule {
        kind,
        major,
        minor,
        access: access.to_owned(),
    };
    if spec.privileged {
        return Ok(vec![rule('a', None, None, "rwm")]);
    }
    let mut rules: Vec<DeviceRule> = DEFAULT_NODES
        .iter()
        .map(|&(_, major, minor)| rule('c', Some(major), Some(minor), "rwm"))
        .collect();
    rules.extend([
        // Making nodes is harmless where using them is not allowed.
        rule('c', None, None, "m"),
        rule('b', None, None, "m"),
        rule('c', Some(5), Some(1), "rwm"),
        rule('c', Some(5), Some(2), "rwm"),
        rule('c', Some(136), None, "rwm"),
    ]);
    for device in &spec.devices {
        rules.extend(rules_for(device).map_err(|error| (device.host_path.clone(), error))?);
    }
    rules.extend(spec.device_rules.iter().cloned());
    Ok(rules)
}

fn rules_for(device: &Device) -> rustix::io::Result<Vec<DeviceRule>> {
    let access = if device.access.is_empty() {
        "rwm"
    } else {
        &device.access
    };
    Ok(nodes_at(&device.host_path, &device.container_path)?
        .iter()
        .map(|node| node.rule(access))
        .collect())
}

/// Makes a node beneath a root. One that is there, as the same device, is good enough.
pub(crate) fn make_node(root: BorrowedFd<'_>, node: &Node) -> rustix::io::Result<()> {
    let (parent, name) = beneath::parent_or_make(root, &node.path)?;
    match rustix::fs::mknodat(&parent, name, node.kind, Mode::from(node.mode), node.device) {
        Err(rustix::io::Errno::EXIST) => {
            let status = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if status.st_rdev == node.device && FileType::from_raw_mode(status.st_mode) == node.kind
            {
                return Ok(());
            }
            rustix::fs::unlinkat(&parent, name, AtFlags::empty())?;
            rustix::fs::mknodat(&parent, name, node.kind, Mode::from(node.mode), node.device)?;
        }
        other => other?,
    }
    if (node.user, node.group) != (0, 0) {
        let (user, group) = (Uid::from_raw(node.user), Gid::from_raw(node.group));
        rustix::fs::chownat(
            &parent,
            name,
            Some(user),
            Some(group),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
    }
    Ok(())
}
