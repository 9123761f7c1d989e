//! What a container sees as its file system: put together in its own mount namespace, then made its root.
//!
//! ```text
//! sources   opened in the host's tree: bind mounts, devices, /dev/null   (they stay as they were when opened)
//! root      overlay or folder, mounted where only this namespace sees it
//! inside    /proc /dev /sys, then the container's mounts in order, then masks: each onto a descriptor found
//!           beneath the root, so that no link in the image decides where
//! pivot     the host's tree goes
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount,
    open_tree,
};

use crate::beneath::{self, Missing};
use crate::devices::{self, DEFAULT_NODES, LINKS, Node};
use crate::failure::{Failure, FailureKind};
use crate::host::CgroupLayout;
use crate::mount_options::{self, TmpfsOptions};
use crate::spec::{ContainerSpec, Mount, MountSource, Namespace, Propagation, Root};
use crate::syscall::{
    self, MOUNT_NODEV, MOUNT_NOEXEC, MOUNT_NOSUID, MOUNT_RDONLY, MountAttributes,
};

/// The first kernel that takes the layers of an overlay one by one. Older ones say so only in their log.
const LAYER_BY_LAYER: (u32, u32) = (6, 7);

/// A line of overlayfs options must fit a page.
const LONGEST_OPTIONS: usize = 4000;

/// What is opened in the host's tree before it is left.
#[derive(Debug)]
pub(crate) struct Sources {
    /// A copy of the mount for each bind mount of the specification, in its order.
    binds: Vec<Option<OwnedFd>>,
    nodes: Vec<Node>,
    null: OwnedFd,
    /// `/dev/shm` of the container whose IPC namespace is joined.
    shared_memory: Option<OwnedFd>,
}

/// The mounts that are needed again.
#[derive(Debug)]
pub(crate) struct Made {
    /// The root, not yet anybody's.
    pub(crate) root: OwnedFd,
    /// The folder of terminals, if it is one of the container's own.
    pub(crate) terminals: Option<OwnedFd>,
}

fn failed(what: impl std::fmt::Display) -> impl FnOnce(Errno) -> Failure {
    let what = what.to_string();
    move |error| Failure::new(FailureKind::Mount, format!("{what}: {error}"))
}

/// Opens what the container takes from the host. `shared_memory` comes from elsewhere, since it needs a visit to
/// another namespace.
pub(crate) fn sources(
    spec: &ContainerSpec,
    shared_memory: Option<OwnedFd>,
) -> Result<Sources, Failure> {
    let binds = spec
        .mounts
        .iter()
        .map(|mount| match &mount.source {
            MountSource::Bind {
                source, recursive, ..
            } => copy_of(CWD, source, *recursive)
                .map(Some)
                .map_err(failed(format_args!(
                    "bind source path does not exist: {}",
                    source.display()
                ))),
            MountSource::Tmpfs { .. } => Ok(None),
        })
        .collect::<Result<_, _>>()?;
    let nodes = devices::nodes_of(spec).map_err(|(path, error)| {
        let message = format!(
            "error gathering device information while adding custom device {}: {error}",
            path.display()
        );
        Failure::new(FailureKind::Mount, message)
    })?;
    let null = copy_of(CWD, Path::new("/dev/null"), false).map_err(failed("open /dev/null"))?;
    let status = rustix::fs::fstat(&null).map_err(failed("stat /dev/null"))?;
    if status.st_rdev != rustix::fs::makedev(1, 3) {
        return Err(Failure::new(
            FailureKind::Mount,
            "/dev/null of the host is not the null device",
        ));
    }
    Ok(Sources {
        binds,
        nodes,
        null,
        shared_memory,
    })
}

fn copy_of(folder: BorrowedFd<'_>, path: &Path, recursive: bool) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    if path.as_os_str().is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    open_tree(folder, path, flags)
}

/// Cuts this mount namespace off from the host's, so that nothing done here shows there.
pub(crate) fn cut_off() -> Result<(), Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open("/", flags, Mode::empty()).map_err(failed("open /"))?;
    let attributes = MountAttributes {
        propagation: libc::MS_SLAVE,
        ..MountAttributes::default()
    };
    syscall::set_mount_attributes(top.as_fd(), attributes, true)
        .map_err(|error| Failure::system("cut mounts off from the host's", error))
}

/// Mounts everything of the container beneath `place`, a folder of the host that only lends its name.
pub(crate) fn make(
    spec: &ContainerSpec,
    layout: &CgroupLayout,
    sources: Sources,
    place: &Path,
) -> Result<Made, Failure> {
    let root = mount_root(&spec.root)?;
    move_mount(
        &root,
        "",
        CWD,
        place,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .map_err(failed("place the root"))?;
    let is_replaced = |path: &str| {
        spec.mounts
            .iter()
            .any(|mount| mount.target == Path::new(path))
    };

    let proc = if is_replaced("/proc") {
        None
    } else {
        Some(mount_proc(root.as_fd())?)
    };
    let mut terminals = None;
    if !is_replaced("/dev") {
        let dev = mount_dev(root.as_fd())?;
        terminals = Some(mount_terminals(dev.as_fd())?);
        if !is_replaced("/dev/mqueue") && spec.namespaces.ipc == Namespace::New {
            mount_in(
                dev.as_fd(),
                "mqueue",
                "mqueue",
                &[],
                MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC,
            )?;
        }
        if !is_replaced("/dev/shm") {
            mount_shared_memory(
                dev.as_fd(),
                spec.namespaces.shm_size,
                sources.shared_memory.as_ref(),
            )?;
        }
    }
    if !is_replaced("/sys") {
        mount_sys(root.as_fd(), spec, layout)?;
    }
    for (mount, source) in spec.mounts.iter().zip(&sources.binds) {
        mount_extra(root.as_fd(), mount, source.as_ref())?;
    }
    for node in &sources.nodes {
        devices::make_node(root.as_fd(), node).map_err(failed(format_args!(
            "make the device {}",
            node.path.display()
        )))?;
    }
    if !spec.process.cwd.as_os_str().is_empty() {
        // What cannot be made shows when it is entered.
        drop(beneath::find_or_make(
            root.as_fd(),
            &spec.process.cwd,
            Missing::Folder,
        ));
    }
    if let Some(proc) = &proc {
        set_kernel_parameters(proc.as_fd(), spec)?;
    }
    for path in &spec.readonly_paths {
        make_readonly(root.as_fd(), path)?;
    }
    mask(root.as_fd(), &spec.masked_paths, sources.null.as_fd())?;
    if spec.readonly_root {
        let attributes = MountAttributes {
            set: MOUNT_RDONLY,
            ..MountAttributes::default()
        };
        syscall::set_mount_attributes(root.as_fd(), attributes, false)
            .map_err(|error| Failure::system("make the root read-only", error))?;
    }
    Ok(Made { root, terminals })
}

/// Makes the container's root this process's, and lets go of the host's tree.
pub(crate) fn become_root(root: &OwnedFd) -> Result<(), Failure> {
    rustix::process::fchdir(root).map_err(failed("enter the root"))?;
    match rustix::process::pivot_root(".", ".") {
        Ok(()) => rustix::mount::unmount(".", UnmountFlags::DETACH)
            .map_err(failed("let go of the host's tree"))?,
        // The host runs from the kernel's first root, which cannot be swapped: cover it instead.
        Err(Errno::INVAL) => {
            move_mount(root, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                .map_err(failed("cover the host's tree"))?;
            rustix::process::chroot(".").map_err(failed("change the root"))?;
        }
        Err(error) => return Err(failed("change the root")(error)),
    }
    rustix::process::chdir("/").map_err(failed("enter the root"))
}

fn mount_root(root: &Root) -> Result<OwnedFd, Failure> {
    match root {
        Root::Directory(folder) => {
            let mount = copy_of(CWD, folder, true)
                .map_err(failed(format_args!("open the root {}", folder.display())))?;
            set_propagation(&mount, Propagation::Rprivate)?;
            Ok(mount)
        }
        Root::Overlay { lower, upper, work } => mount_overlay(lower, upper, work),
    }
}

/// An overlay with a line for each layer where the kernel takes that (from 6.7 on), else all in one line, where their
/// names must be short enough. The container before this one may still be letting go of the same layers.
fn mount_overlay(lower: &[PathBuf], upper: &Path, work: &Path) -> Result<OwnedFd, Failure> {
    let is_new = crate::host::kernel() >= LAYER_BY_LAYER;
    for _ in 0..200 {
        let made = if is_new {
            overlay_by_layers(lower, upper, work)
        } else {
            overlay_at_once(lower, upper, work)
        };
        match made {
            Err(Errno::BUSY) => std::thread::sleep(std::time::Duration::from_millis(5)),
            // The kernel says so too while the one before clears its working directory away.
            Err(Errno::NOENT) => {
                let mut needed = lower.iter().map(PathBuf::as_path).chain([upper, work]);
                if let Some(missing) = needed.find(|path| !path.exists()) {
                    let what = format!("mount overlay of {}", missing.display());
                    return Err(failed(what)(Errno::NOENT));
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(Errno::TOOBIG) => {
                let message = "the image has too many layers for this kernel";
                return Err(Failure::new(FailureKind::Mount, message));
            }
            other => return other.map_err(failed("mount overlay")),
        }
    }
    Err(failed("mount overlay")(Errno::BUSY))
}

fn overlay_by_layers(lower: &[PathBuf], upper: &Path, work: &Path) -> rustix::io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let set = |name: &str, value: &Path| fsconfig_set_string(context.as_fd(), name, value);
    lower.iter().try_for_each(|layer| set("lowerdir+", layer))?;
    set("source", Path::new("overlay"))?;
    set("upperdir", upper)?;
    set("workdir", work)?;
    fsconfig_create(context.as_fd())?;
    fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
}

/// As kernels before 6.7 want it: through `mount`, onto a folder that is hidden from everybody else by this namespace.
fn overlay_at_once(lower: &[PathBuf], upper: &Path, work: &Path) -> rustix::io::Result<OwnedFd> {
    // All options must fit a page. Where all layers lie in one folder, their last names do from within that.
    let folder = lower.first().and_then(|layer| layer.parent());
    let folder = folder.filter(|folder| lower.iter().all(|layer| layer.parent() == Some(folder)));
    if let Some(folder) = folder {
        rustix::process::chdir(folder)?;
    }
    let layers: Vec<_> = lower
        .iter()
        .map(|layer| match layer.file_name() {
            Some(name) if folder.is_some() => name.to_string_lossy(),
            _ => layer.to_string_lossy(),
        })
        .collect();
    let (upper, work_text) = (upper.display(), work.display());
    let options = format!(
        "lowerdir={},upperdir={upper},workdir={work_text}",
        layers.join(":")
    );
    if options.len() > LONGEST_OPTIONS {
        return Err(Errno::TOOBIG);
    }
    let options = std::ffi::CString::new(options).map_err(|_| Errno::INVAL)?;
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("overlay", work, "overlay", flags, options.as_c_str())?;
    let copy = copy_of(CWD, work, false);
    rustix::mount::unmount(work, UnmountFlags::DETACH)?;
    copy
}

/// A file system of this type, with these options, mounted nowhere yet.
fn file_system(kind: &str, options: &[(&str, &str)], attributes: u64) -> Result<OwnedFd, Failure> {
    let what = format!("mount {kind}");
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed(&what))?;
    // What lists of mounts show as the device.
    fsconfig_set_string(context.as_fd(), "source", kind).map_err(failed(&what))?;
    for (name, value) in options {
        if value.is_empty() {
            fsconfig_set_flag(context.as_fd(), *name).map_err(failed(&what))?;
        } else {
            fsconfig_set_string(context.as_fd(), *name, *value)
                .map_err(failed(format_args!("{what} with {name}={value}")))?;
        }
    }
    fsconfig_create(context.as_fd()).map_err(failed(&what))?;
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(attributes).unwrap_or(0));
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(failed(&what))
}

fn attach(mount: &OwnedFd, target: &OwnedFd, what: impl std::fmt::Display) -> Result<(), Failure> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags).map_err(failed(what))
}

/// Mounts a new file system on `name` in a folder that we made ourselves.
fn mount_in(
    folder: BorrowedFd<'_>,
    name: &str,
    kind: &str,
    options: &[(&str, &str)],
    attributes: u64,
) -> Result<OwnedFd, Failure> {
    let mount = file_system(kind, options, attributes)?;
    let target =
        beneath::plain_folder(folder, name).map_err(failed(format_args!("make {name}")))?;
    attach(&mount, &target, format_args!("mount {kind} on {name}"))?;
    Ok(mount)
}

fn mount_proc(root: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    mount_in(
        root,
        "proc",
        "proc",
        &[],
        MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC,
    )
}

/// `/dev` may be a link in the image; whatever it leads to beneath the root gets the mount, and everything in it is
/// made through the mount itself.
fn mount_dev(root: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let dev = file_system(
        "tmpfs",
        &[("mode", "755"), ("size", "65536k")],
        MOUNT_NOSUID,
    )?;
    for (name, major, minor) in DEFAULT_NODES {
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(
            &dev,
            name,
            rustix::fs::FileType::CharacterDevice,
            Mode::from(0o666),
            device,
        )
        .map_err(failed(format_args!("make the device {name}")))?;
    }
    for (name, target) in LINKS {
        rustix::fs::symlinkat(target, &dev, name)
            .map_err(failed(format_args!("link /dev/{name}")))?;
    }
    let target = beneath::find_or_make(root, Path::new("/dev"), Missing::Folder)
        .map_err(failed("find /dev"))?;
    attach(&dev, &target, "mount /dev")?;
    Ok(dev)
}

fn mount_terminals(dev: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let options = [
        ("newinstance", ""),
        ("ptmxmode", "0666"),
        ("mode", "0620"),
        ("gid", "5"),
    ];
    mount_in(dev, "pts", "devpts", &options, MOUNT_NOSUID | MOUNT_NOEXEC)
}

fn mount_shared_memory(
    dev: BorrowedFd<'_>,
    size: u64,
    shared: Option<&OwnedFd>,
) -> Result<(), Failure> {
    if let Some(shared) = shared {
        let target = beneath::plain_folder(dev, "shm").map_err(failed("make /dev/shm"))?;
        return attach(shared, &target, "mount /dev/shm");
    }
    if size > 0 {
        let options = [("mode", "1777"), ("size", &*size.to_string())];
        mount_in(
            dev,
            "shm",
            "tmpfs",
            &options,
            MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC,
        )?;
    }
    Ok(())
}

fn mount_sys(
    root: BorrowedFd<'_>,
    spec: &ContainerSpec,
    layout: &CgroupLayout,
) -> Result<(), Failure> {
    let readonly = if spec.privileged { 0 } else { MOUNT_RDONLY };
    let attributes = readonly | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC;
    mount_in(root, "sys", "sysfs", &[], attributes)?;
    // On v1 there is none: whoever can write there lifts the limits of its own container.
    if let CgroupLayout::V2 { .. } = layout {
        let mount = file_system("cgroup2", &[], attributes)?;
        if let Ok(target) = beneath::find(root, Path::new("/sys/fs/cgroup")) {
            attach(&mount, &target, "mount /sys/fs/cgroup")?;
        }
    }
    Ok(())
}

fn mount_extra(
    root: BorrowedFd<'_>,
    mount: &Mount,
    source: Option<&OwnedFd>,
) -> Result<(), Failure> {
    let what = format!("mount on {}", mount.target.display());
    match (&mount.source, source) {
        (MountSource::Tmpfs { options }, _) => {
            let TmpfsOptions {
                mut attributes,
                values,
            } = mount_options::tmpfs(options)?;
            if mount.readonly {
                attributes |= MOUNT_RDONLY;
            }
            let values: Vec<(&str, &str)> = values
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect();
            let made = file_system("tmpfs", &values, attributes)?;
            let target = beneath::find_or_make(root, &mount.target, Missing::Folder)
                .map_err(failed(&what))?;
            keep_owner(&target, &made, &values).map_err(failed(&what))?;
            attach(&made, &target, what)
        }
        (
            MountSource::Bind {
                propagation,
                recursive,
                ..
            },
            Some(source),
        ) => {
            let is_folder = beneath::is_folder(source.as_fd()).map_err(failed(&what))?;
            let missing = if is_folder {
                Missing::Folder
            } else {
                Missing::File
            };
            let target =
                beneath::find_or_make(root, &mount.target, missing).map_err(failed(&what))?;
            if is_folder != beneath::is_folder(target.as_fd()).map_err(failed(&what))? {
                let message = format!(
                    "error mounting to rootfs at {}: not a directory: are you trying to mount a directory onto a file \
                     (or vice-versa)? Check if the specified host path exists and is the expected type",
                    mount.target.display()
                );
                return Err(Failure::new(FailureKind::Mount, message));
            }
            set_propagation(source, *propagation)?;
            if mount.readonly {
                let attributes = MountAttributes {
                    set: MOUNT_RDONLY,
                    ..MountAttributes::default()
                };
                syscall::set_mount_attributes(source.as_fd(), attributes, *recursive)
                    .map_err(|error| Failure::system(&what, error))?;
            }
            attach(source, &target, what)
        }
        (MountSource::Bind { .. }, None) => Err(Failure::new(FailureKind::Mount, what)),
    }
}

/// A file system in memory takes mode and owner from the folder it covers, unless told otherwise.
fn keep_owner(
    target: &OwnedFd,
    mount: &OwnedFd,
    values: &[(&str, &str)],
) -> rustix::io::Result<()> {
    let status = rustix::fs::statat(target, "", AtFlags::EMPTY_PATH)?;
    let is_said = |name: &str| values.iter().any(|(said, _)| *said == name);
    let top = rustix::fs::openat(
        mount,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    if !is_said("uid") && !is_said("gid") && (status.st_uid, status.st_gid) != (0, 0) {
        rustix::fs::fchown(
            &top,
            Some(Uid::from_raw(status.st_uid)),
            Some(Gid::from_raw(status.st_gid)),
        )?;
    }
    if !is_said("mode") {
        rustix::fs::fchmod(&top, Mode::from(status.st_mode & 0o7777))?;
    }
    Ok(())
}

fn set_propagation(mount: &OwnedFd, propagation: Propagation) -> Result<(), Failure> {
    let (kind, recursive) = match propagation {
        Propagation::Private => (libc::MS_PRIVATE, false),
        Propagation::Rprivate => (libc::MS_PRIVATE, true),
        Propagation::Slave => (libc::MS_SLAVE, false),
        Propagation::Rslave => (libc::MS_SLAVE, true),
        Propagation::Shared => (libc::MS_SHARED, false),
        Propagation::Rshared => (libc::MS_SHARED, true),
    };
    let attributes = MountAttributes {
        propagation: kind,
        ..MountAttributes::default()
    };
    syscall::set_mount_attributes(mount.as_fd(), attributes, recursive)
        .map_err(|error| Failure::system("set how mounts spread", error))
}

fn set_kernel_parameters(proc: BorrowedFd<'_>, spec: &ContainerSpec) -> Result<(), Failure> {
    for (name, value) in &spec.sysctls {
        let path = PathBuf::from("sys").join(name.replace('.', "/"));
        let write = || -> rustix::io::Result<()> {
            let resolve = rustix::fs::ResolveFlags::BENEATH | rustix::fs::ResolveFlags::NO_SYMLINKS;
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::openat2(proc, &path, flags, Mode::empty(), resolve)?;
            rustix::io::write(&file, value.as_bytes()).map(|_| ())
        };
        write().map_err(failed(format_args!("write sysctl key {name}")))?;
    }
    Ok(())
}

fn make_readonly(root: BorrowedFd<'_>, path: &Path) -> Result<(), Failure> {
    let what = format!("make {} read-only", path.display());
    let target = match beneath::find(root, path) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        other => other.map_err(failed(&what))?,
    };
    let copy = copy_of(target.as_fd(), Path::new(""), true).map_err(failed(&what))?;
    let attributes = MountAttributes {
        set: MOUNT_RDONLY,
        ..MountAttributes::default()
    };
    syscall::set_mount_attributes(copy.as_fd(), attributes, true)
        .map_err(|error| Failure::system(&what, error))?;
    attach(&copy, &target, what)
}

/// Hides files behind the null device, and folders behind one empty folder.
fn mask(root: BorrowedFd<'_>, paths: &[PathBuf], null: BorrowedFd<'_>) -> Result<(), Failure> {
    let mut null_here: Option<OwnedFd> = None;
    let mut empty_here: Option<OwnedFd> = None;
    for path in paths {
        let what = format!("mask {}", path.display());
        let target = match beneath::find(root, path) {
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            other => other.map_err(failed(&what))?,
        };
        let is_folder = beneath::is_folder(target.as_fd()).map_err(failed(&what))?;
        let here = if is_folder {
            &mut empty_here
        } else {
            &mut null_here
        };
        // The first is mounted; the next are copies of it, which is quicker than making more.
        let mount = match here {
            Some(mounted) => {
                copy_of(mounted.as_fd(), Path::new(""), false).map_err(failed(&what))?
            }
            None if is_folder => {
                file_system("tmpfs", &[("size", "4k"), ("nr_inodes", "2")], MOUNT_RDONLY)?
            }
            None => rustix::io::fcntl_dupfd_cloexec(null, 0).map_err(failed(&what))?,
        };
        attach(&mount, &target, what)?;
        here.get_or_insert(mount);
    }
    Ok(())
}
