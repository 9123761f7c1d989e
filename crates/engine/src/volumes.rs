//! Volumes: directories that outlive the containers they are mounted into.
//!
//! ```text
//! <data root>/volumes/<name>/_data      what a container sees
//!                     .removing/<name>  on its way out
//! ```
//!
//! Only the driver `local` is here. A volume whose options make it a directory of the host under another name is
//! that directory; options that need a mount of their own are refused, see [`local`]. A volume is never removed while a container, running or
//! not, names it; whoever makes a container holds all volumes ([`Engine::hold_volumes`]) from asking for one
//! until the container is known.

mod fill;
pub mod local;
mod size;
mod store;
mod users;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use model::api::Labels;
use model::api::filter::Filters;
use model::api::volume::{Create, List, Pruned, UsageData, Volume};

use crate::Engine;
use crate::error::{Error, Result};
use crate::event::Kind;
use crate::filter::prune::{PruneFilter, Pruned as Resource};
use crate::filter::volume::VolumeFilter;
use crate::moment;
pub(crate) use fill::is_empty;
pub use size::size_of;
pub use store::{Record, Volumes};

/// The label of volumes that nobody named.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// The only driver.
const LOCAL: &str = "local";

impl Engine {
    /// Makes a volume, or finds the one of this name.
    pub async fn create_volume(&self, create: Create) -> Result<Volume> {
        let name = Some(create.name.as_str()).filter(|name| !name.is_empty());
        let options = create.driver_opts.unwrap_or_default();
        let labels = create.labels.unwrap_or_default();
        self.volume_for_mount(name, &create.driver, &options, &labels)
            .await
    }

    /// The volume of this name, made if it is not there yet; without a name, a new anonymous one.
    pub async fn volume_for_mount(
        &self,
        name: Option<&str>,
        driver: &str,
        options: &Labels,
        labels: &Labels,
    ) -> Result<Volume> {
        if !matches!(driver, "" | LOCAL) {
            return Err(Error::not_found(format!(
                "error looking up volume plugin {driver}: plugin {driver:?} not found"
            )));
        }
        let mut labels = labels.clone();
        let name = if let Some(name) = name {
            check_name(name)?;
            name.to_owned()
        } else {
            labels.insert(ANONYMOUS.to_owned(), String::new());
            random_name()?
        };
        check_options(&name, options)?;
        let record = Record {
            created: moment::now(),
            labels,
            options: options.clone(),
        };
        let volumes = &self.inner.volumes;
        let (record, made) = volumes.find_or_make(self.state(), &name, record).await?;
        if made {
            self.volume_event("create", &name, Labels::new());
        }
        let mut volume = self.shown(&name, &record);
        if let Ok(Some(mount)) = local::mount_of(&record.options) {
            // A directory of the host under another name: it is that directory which containers see.
            volume.mountpoint = mount.device;
        }
        Ok(volume)
    }

    /// All volumes that the filters want, by name.
    pub fn list_volumes(&self, filters: Filters) -> Result<List> {
        let filter = VolumeFilter::of(filters)?;
        let used = self.used_volumes();
        let volumes = self.inner.volumes.all().into_iter();
        let wanted = volumes.filter(|(name, record)| {
            filter.wants(name, LOCAL, &record.labels, used.contains_key(name))
        });
        Ok(List {
            volumes: wanted
                .map(|(name, record)| self.shown(&name, &record))
                .collect(),
            warnings: None,
        })
    }

    /// One volume.
    pub fn inspect_volume(&self, name: &str) -> Result<Volume> {
        let record = self.inner.volumes.get(name).ok_or_else(|| missing(name))?;
        Ok(self.shown(name, &record))
    }

    /// Removes a volume that no container names; with `force`, one that is not there is fine.
    pub async fn remove_volume(&self, name: &str, force: bool) -> Result<()> {
        let turn = self.inner.volumes.turn_to_remove().await;
        if self.inner.volumes.get(name).is_none() {
            return if force { Ok(()) } else { Err(missing(name)) };
        }
        if let Some(users) = self.used_volumes().get(name) {
            return Err(Error::conflict(format!(
                "remove {name}: volume is in use - [{}]",
                users.join(", ")
            )));
        }
        self.inner.volumes.remove(self.state(), name).await?;
        drop(turn);
        self.volume_event("destroy", name, Labels::new());
        Ok(())
    }

    /// Removes the volume with a container that was mounted into it, if nobody named it and no other container
    /// has it.
    pub async fn remove_anonymous_volume(&self, name: &str) -> Result<()> {
        let anonymous = (self.inner.volumes.get(name))
            .is_some_and(|record| record.labels.contains_key(ANONYMOUS));
        if !anonymous {
            return Ok(());
        }
        match self.remove_volume(name, true).await {
            Err(error) if error.kind() == crate::error::Kind::Conflict => Ok(()),
            done => done,
        }
    }

    /// Removes the volumes that no container names: those without a name of their own, or all.
    pub async fn prune_volumes(&self, filters: Filters) -> Result<Pruned> {
        let filter = PruneFilter::of(filters, Resource::Volumes, moment::now())?;
        let mut pruned = Pruned::default();
        for (name, record) in self.inner.volumes.all() {
            let anonymous = record.labels.contains_key(ANONYMOUS);
            if !(filter.all() || anonymous) || !filter.wants(&record.labels, Timestamp::MIN) {
                continue;
            }
            let turn = self.inner.volumes.turn_to_remove().await;
            if self.used_volumes().contains_key(&name) || self.inner.volumes.get(&name).is_none() {
                continue;
            }
            let size = self.volume_size(&name).await;
            self.inner.volumes.remove(self.state(), &name).await?;
            drop(turn);
            self.volume_event("destroy", &name, Labels::new());
            pruned.space_reclaimed += size.unwrap_or_default();
            pruned.volumes_deleted.get_or_insert_default().push(name);
        }
        let reclaimed = pruned.space_reclaimed.to_string();
        let attributes = Labels::from([("reclaimed".to_owned(), reclaimed)]);
        self.event_bus()
            .publish(Kind::Volume, "prune", "", attributes);
        Ok(pruned)
    }

    /// Keeps all volumes from being removed until the answer is dropped.
    pub async fn hold_volumes(&self) -> tokio::sync::OwnedRwLockReadGuard<()> {
        self.inner.volumes.hold().await
    }

    /// Copies into a volume that is empty what `container_path` holds in the image: the directory's contents,
    /// and its owner and mode. `root` is the image as the container will see it.
    pub async fn fill_volume(
        &self,
        mountpoint: &Path,
        root: rootfs::Overlay,
        container_path: &Path,
    ) -> Result<()> {
        let (mountpoint, container_path) = (mountpoint.to_owned(), container_path.to_owned());
        let filled = tokio::task::spawn_blocking(move || {
            fill::fill(&mountpoint, &root, &container_path)
                .map_err(|error| Error::internal(format!("fill volume: {error}")).because(error))
        });
        filled
            .await
            .unwrap_or_else(|error| Err(Error::internal("fill volume").because(error)))
    }

    /// All volumes with what they hold and how many containers name them.
    pub(crate) async fn volume_usage(&self) -> Vec<Volume> {
        let used = self.used_volumes();
        let mut volumes = Vec::new();
        for (name, record) in self.inner.volumes.all() {
            let size = self.volume_size(&name).await;
            let users = used.get(&name).map_or(0, Vec::len);
            volumes.push(Volume {
                usage_data: Some(UsageData {
                    ref_count: i64::try_from(users).unwrap_or(i64::MAX),
                    size: size.map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX)),
                }),
                ..self.shown(&name, &record)
            });
        }
        volumes
    }

    async fn volume_size(&self, name: &str) -> Option<u64> {
        let path = self.inner.volumes.data(name);
        let size = tokio::task::spawn_blocking(move || size_of(&path).ok());
        size.await.ok().flatten()
    }

    fn shown(&self, name: &str, record: &Arc<Record>) -> Volume {
        Volume {
            created_at: record.created.to_string(),
            driver: LOCAL.to_owned(),
            labels: Some(record.labels.clone()).filter(|labels| !labels.is_empty()),
            mountpoint: self.inner.volumes.data(name).display().to_string(),
            name: name.to_owned(),
            options: Some(record.options.clone()).filter(|options| !options.is_empty()),
            scope: LOCAL.to_owned(),
            usage_data: None,
        }
    }

    fn volume_event(&self, action: &str, name: &str, mut attributes: Labels) {
        attributes.insert("driver".to_owned(), LOCAL.to_owned());
        self.event_bus()
            .publish(Kind::Volume, action, name, attributes);
    }
}

/// Refuses options that cannot be, and what would have to be mounted anew for each use.
fn check_options(name: &str, options: &Labels) -> Result<()> {
    let mount = local::mount_of(options)
        .map_err(|error| Error::bad_parameter(format!("create {name}: {error}")))?;
    match mount {
        None => Ok(()),
        Some(mount) if !mount.is_plain_bind() => Err(Error::not_implemented(format_args!(
            "a volume of type {:?} with the options it was given",
            mount.kind
        ))),
        Some(mount) if Path::new(&mount.device).is_dir() => Ok(()),
        Some(mount) => Err(Error::bad_parameter(format!(
            "create {name}: {} is no directory",
            mount.device
        ))),
    }
}

fn missing(name: &str) -> Error {
    Error::not_found(format!("get {name}: no such volume"))
}

/// Refuses a name that cannot be a volume's: two characters at least, so that it is no drive letter.
fn check_name(name: &str) -> Result<()> {
    let first = |byte: u8| byte.is_ascii_alphanumeric();
    let within = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if name.len() == 1 {
        return Err(Error::bad_parameter(format!(
            "create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )));
    }
    if name.len() > 255 || !name.bytes().next().is_some_and(first) || !name.bytes().all(within) {
        return Err(Error::bad_parameter(format!(
            "create {name}: {name:?} includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
        )));
    }
    Ok(())
}

fn random_name() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal("make up a volume's name").because(error))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[track_caller]
    fn check(name: &str, expect: bool) {
        assert_eq!(check_name(name).is_ok(), expect, "{name}");
    }

    #[test]
    fn volume_names_are_directory_names() {
        check("data", true);
        check("my_data-1.0", true);
        check("a", false);
        check("..", false);
        check(".removing", false);
        check("a/b", false);
        check("", false);
        check(&"a".repeat(256), false);
    }
}
