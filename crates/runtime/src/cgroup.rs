//! A container's cgroup: made, entered, limited, frozen, emptied and removed, on both versions of the interface.
//!
//! What is written where is decided in `limits`, purely; here it is done. A process is never moved from outside: on
//! v1 each writes itself into `tasks`, on v2 it is cloned into the group. Moving another process makes the kernel wait
//! for every CPU, some 10 ms.

pub(crate) mod device_filter;
mod limits;
#[cfg(feature = "client")]
mod usage;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::{CgroupLayout, Hierarchy};
use crate::spec::{DeviceRule, Resources};
use limits::Setting;

/// How often a group that is busy is tried again before that is an error.
const ATTEMPTS: u32 = 500;

/// A cgroup by its name in each hierarchy; whether it exists is another matter.
#[derive(Debug, Clone)]
pub struct Cgroup {
    layout: CgroupLayout,
    name: String,
}

/// A file of a cgroup that could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the cgroup file {path:?}: {source}")]
pub struct CgroupError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    let path = path.to_owned();
    move |source| CgroupError { path, source }
}

impl Cgroup {
    /// The cgroup `name`, relative to each hierarchy's mount: `essaim/<id>`.
    pub fn new(layout: CgroupLayout, name: &str) -> Self {
        Self {
            layout,
            name: name.trim_matches('/').to_owned(),
        }
    }

    /// Its folders, one for each hierarchy.
    fn folders(&self) -> Vec<PathBuf> {
        match &self.layout {
            CgroupLayout::V1 { hierarchies } => hierarchies
                .iter()
                .map(|hierarchy| hierarchy.mount.join(&self.name))
                .collect(),
            CgroupLayout::V2 { mount, .. } => vec![mount.join(&self.name)],
            CgroupLayout::Absent => Vec::new(),
        }
    }

    /// Its folder for a controller, where there is one.
    fn folder_of(&self, controller: &str) -> Option<PathBuf> {
        match &self.layout {
            CgroupLayout::V1 { hierarchies } => hierarchies
                .iter()
                .find(|hierarchy| hierarchy.controllers.iter().any(|name| name == controller))
                .map(|hierarchy| hierarchy.mount.join(&self.name)),
            CgroupLayout::V2 { mount, .. } => Some(mount.join(&self.name)),
            CgroupLayout::Absent => None,
        }
    }

    /// Makes it, in every hierarchy, with those above it. One that is there already is taken.
    pub(crate) fn make(&self) -> Result<(), CgroupError> {
        match &self.layout {
            CgroupLayout::V1 { hierarchies } => hierarchies
                .iter()
                .try_for_each(|hierarchy| self.make_v1(hierarchy)),
            CgroupLayout::V2 { mount, controllers } => self.make_v2(mount, controllers),
            CgroupLayout::Absent => Ok(()),
        }
    }

    fn make_v1(&self, hierarchy: &Hierarchy) -> Result<(), CgroupError> {
        let folder = hierarchy.mount.join(&self.name);
        match make_folder(&folder) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let is_cpuset = hierarchy.controllers.iter().any(|name| name == "cpuset");
        let mut reached = hierarchy.mount.clone();
        for part in self.name.split('/') {
            if is_cpuset && reached != hierarchy.mount {
                // The group inherits its parent's CPUs and memory instead of having none, so that a process may enter.
                let file = reached.join("cgroup.clone_children");
                write_value(&file, "1").map_err(at(&file))?;
            }
            let parent = reached.clone();
            reached.push(part);
            make_folder(&reached)?;
            if is_cpuset && parent == hierarchy.mount {
                for name in ["cpuset.cpus", "cpuset.mems"] {
                    let (from, to) = (parent.join(name), reached.join(name));
                    let value = std::fs::read_to_string(&from).map_err(at(&from))?;
                    write_value(&to, value.trim()).map_err(at(&to))?;
                }
            }
        }
        Ok(())
    }

    fn make_v2(&self, mount: &Path, controllers: &[String]) -> Result<(), CgroupError> {
        let folder = mount.join(&self.name);
        match make_folder(&folder) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let mut reached = mount.to_owned();
        for part in self.name.split('/') {
            for controller in controllers {
                let file = reached.join("cgroup.subtree_control");
                // One that cannot be had is missed when a limit is set, not before.
                drop(write_value(&file, &format!("+{controller}")));
            }
            reached.push(part);
            make_folder(&reached)?;
        }
        Ok(())
    }

    /// What a process writes `0` to in order to be in it (v1), kept open across changes of namespaces.
    pub(crate) fn entrances(&self) -> Result<Vec<File>, CgroupError> {
        let CgroupLayout::V1 { .. } = &self.layout else {
            return Ok(Vec::new());
        };
        self.folders()
            .into_iter()
            .map(|folder| {
                let file = folder.join("tasks");
                File::options().write(true).open(&file).map_err(at(&file))
            })
            .collect()
    }

    /// What a process is cloned into in order to be in it (v2).
    pub(crate) fn handle(&self) -> Result<Option<OwnedFd>, CgroupError> {
        let CgroupLayout::V2 { mount, .. } = &self.layout else {
            return Ok(None);
        };
        let folder = mount.join(&self.name);
        File::open(&folder)
            .map_err(at(&folder))
            .map(|file| Some(file.into()))
    }

    /// Sets limits. Those whose controller this computer doesn't have are an error if they were asked for.
    pub(crate) fn limit(&self, resources: &Resources) -> Result<(), CgroupError> {
        for setting in self.settings(resources) {
            self.apply(&setting)?;
        }
        Ok(())
    }

    /// Changes limits of a group that has some. Memory and swap depend on each other, so the order may have to change.
    #[cfg(feature = "client")]
    pub(crate) fn change_limits(&self, resources: &Resources) -> Result<(), CgroupError> {
        let mut late = Vec::new();
        for setting in self.settings(resources) {
            if self.apply(&setting).is_err() {
                late.push(setting);
            }
        }
        late.iter().try_for_each(|setting| self.apply(setting))
    }

    fn settings(&self, resources: &Resources) -> Vec<Setting> {
        let device_number = |path: &Path| {
            let status = rustix::fs::stat(path).ok()?;
            Some((
                rustix::fs::major(status.st_rdev),
                rustix::fs::minor(status.st_rdev),
            ))
        };
        match &self.layout {
            CgroupLayout::V1 { .. } => limits::v1(resources, device_number),
            CgroupLayout::V2 { .. } => limits::v2(resources, device_number),
            CgroupLayout::Absent => Vec::new(),
        }
    }

    fn apply(&self, setting: &Setting) -> Result<(), CgroupError> {
        let Some(folder) = self.folder_of(setting.controller) else {
            let path = PathBuf::from(setting.file);
            let source = io::Error::other(format!(
                "there is no {} controller here",
                setting.controller
            ));
            return if setting.optional {
                Ok(())
            } else {
                Err(CgroupError { path, source })
            };
        };
        let file = folder.join(setting.file);
        match write_value(&file, &setting.value) {
            Err(error) if setting.optional && error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(at(&file)),
        }
    }

    /// Lets processes use devices by these rules only.
    pub(crate) fn allow_devices(&self, rules: &[DeviceRule]) -> Result<(), CgroupError> {
        match &self.layout {
            CgroupLayout::V1 { .. } => {
                let Some(folder) = self.folder_of("devices") else {
                    return Ok(());
                };
                let deny = folder.join("devices.deny");
                write_value(&deny, "a").map_err(at(&deny))?;
                let path = folder.join("devices.allow");
                let mut file = File::options().write(true).open(&path).map_err(at(&path))?;
                for rule in rules {
                    file.write_all(limits::device_rule(rule).as_bytes())
                        .map_err(at(&path))?;
                }
                Ok(())
            }
            CgroupLayout::V2 { mount, .. } => {
                let folder = mount.join(&self.name);
                let handle = File::open(&folder).map_err(at(&folder))?;
                device_filter::attach(&handle, rules).map_err(at(&folder))
            }
            CgroupLayout::Absent => Ok(()),
        }
    }

    /// How many of its processes the kernel has killed for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let file = match &self.layout {
            CgroupLayout::V1 { .. } => "memory.oom_control",
            CgroupLayout::V2 { .. } => "memory.events",
            CgroupLayout::Absent => return 0,
        };
        self.folder_of("memory")
            .and_then(|folder| std::fs::read_to_string(folder.join(file)).ok())
            .and_then(|text| {
                text.lines()
                    .find_map(|line| line.strip_prefix("oom_kill "))
                    .and_then(|count| count.trim().parse().ok())
            })
            .unwrap_or(0)
    }

    /// Freezes its processes, or lets them go on, and waits until that is so.
    #[cfg(feature = "client")]
    pub(crate) fn freeze(&self, frozen: bool) -> Result<(), CgroupError> {
        let Some(folder) = self.folder_of("freezer") else {
            return Ok(());
        };
        let (file, value, state, done) = match (&self.layout, frozen) {
            (CgroupLayout::V2 { .. }, true) => ("cgroup.freeze", "1", "cgroup.events", "frozen 1"),
            (CgroupLayout::V2 { .. }, false) => ("cgroup.freeze", "0", "cgroup.events", "frozen 0"),
            (_, true) => ("freezer.state", "FROZEN", "freezer.state", "FROZEN"),
            (_, false) => ("freezer.state", "THAWED", "freezer.state", "THAWED"),
        };
        let (path, state) = (folder.join(file), folder.join(state));
        for _ in 0..ATTEMPTS {
            write_value(&path, value).map_err(at(&path))?;
            let text = std::fs::read_to_string(&state).map_err(at(&state))?;
            if text.lines().any(|line| line == done) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let source = io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it does not become {value}"),
        );
        Err(CgroupError { path, source })
    }

    /// The ids of its processes and of those in groups beneath it, as this process sees them.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let main = ["pids", "freezer", "memory"]
            .iter()
            .find_map(|controller| self.folder_of(controller));
        let Some(main) = main.or_else(|| self.folders().into_iter().next()) else {
            return Vec::new();
        };
        let mut processes = Vec::new();
        let mut folders = vec![main];
        while let Some(folder) = folders.pop() {
            let text = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            processes.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
            folders.extend(subfolders(&folder));
        }
        processes
    }

    /// Kills every process in it, also those that are frozen or just being born, and waits until none is left. Gives
    /// up on what the kernel cannot end now.
    pub(crate) fn kill(&self) {
        if let CgroupLayout::V2 { mount, .. } = &self.layout {
            drop(write_value(
                &mount.join(&self.name).join("cgroup.kill"),
                "1",
            ));
        }
        let mut first = true;
        for attempt in 0..ATTEMPTS {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            if std::mem::take(&mut first)
                && matches!(self.layout, CgroupLayout::V1 { .. })
                && let Some(folder) = self.folder_of("pids")
            {
                drop(write_value(&folder.join("pids.max"), "0"));
            }
            for process in processes {
                // Zero cannot be killed: it stands for a process of another namespace.
                if let Some(process) = i32::try_from(process).ok().filter(|&process| process > 0) {
                    drop(crate::syscall::kill(process, libc::SIGKILL));
                }
            }
            if matches!(self.layout, CgroupLayout::V1 { .. })
                && let Some(folder) = self.folder_of("freezer")
            {
                drop(write_value(&folder.join("freezer.state"), "THAWED"));
            }
            std::thread::sleep(Duration::from_micros(if attempt < 10 {
                200
            } else {
                5_000
            }));
        }
    }

    /// Removes it, and what is beneath it, from every hierarchy. Its processes must be gone.
    pub(crate) fn remove(&self) -> Result<(), CgroupError> {
        self.folders()
            .iter()
            .try_for_each(|folder| remove_folder(folder))
    }
}

fn make_folder(folder: &Path) -> Result<(), CgroupError> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(at(folder)),
    }
}

fn remove_folder(folder: &Path) -> Result<(), CgroupError> {
    for attempt in 0..ATTEMPTS {
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                for inner in subfolders(folder) {
                    remove_folder(&inner)?;
                }
                std::thread::sleep(Duration::from_micros(if attempt < 10 {
                    200
                } else {
                    2_000
                }));
            }
            other => return other.map_err(at(folder)),
        }
    }
    let source = io::Error::new(io::ErrorKind::ResourceBusy, "it is still in use");
    Err(CgroupError {
        path: folder.to_owned(),
        source,
    })
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Puts this process into the groups of these entrances, see [`Cgroup::entrances`].
pub(crate) fn enter(entrances: &[File]) -> io::Result<()> {
    entrances
        .iter()
        .try_for_each(|mut entrance| entrance.write_all(b"0"))
}

fn write_value(file: &Path, value: &str) -> io::Result<()> {
    File::options()
        .write(true)
        .open(file)?
        .write_all(value.as_bytes())
}
