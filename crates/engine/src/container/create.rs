//! Making containers.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::api::container::{Create, CreateOptions, Created};
use model::api::endpoint::{EndpointSettings, NetworkingConfig};
use model::api::host_config::HostConfig;
use model::api::inspect::MountPoint;
use model::hex_id::ContainerId;

use super::{Base, Condition, Container, Record, files, moment};
use crate::Engine;
use crate::error::{Error, Result};
use crate::resolve::mounts::{Plan, Source};
use crate::resolve::network_mode::{NetworkMode, joined};
use crate::resolve::spec::Files;
use crate::resolve::{config, host_config, mounts};
use crate::state::{Change, Table};
use crate::{resolve, volumes};

/// Whom a container is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A user, who keeps it until it is removed.
    Use,
    /// A build, which must not outlive the daemon.
    Step,
}

impl Engine {
    /// Makes a container.
    pub async fn create_container(
        &self,
        options: CreateOptions,
        create: Create,
    ) -> Result<Created> {
        self.ready().await;
        if create.config.image.is_empty() {
            return Err(Error::bad_parameter("no image specified"));
        }
        let base = self.image_for_container(&create.config.image)?;
        if let Some(platform) = options.platform.as_deref().filter(|text| !text.is_empty()) {
            check_platform(platform)?;
        }
        let name = options.name.as_deref();
        Box::pin(self.make_container(base, name, create, Purpose::Use)).await
    }

    /// Checks a request, then makes what is in it; what was made goes again if a later step fails.
    pub(super) async fn make_container(
        &self,
        base: Base,
        name: Option<&str>,
        create: Create,
        purpose: Purpose,
    ) -> Result<Created> {
        let Create {
            host_config: asked,
            networking_config: networking,
            config: asked_config,
        } = create;
        let host = self.host();
        let mut host_config = host_config::filled(asked.unwrap_or_default(), self.settings(), host);
        let mut config = config::merge(asked_config, &base.config);
        let warnings = resolve::check(&config, &host_config, self.settings(), host)?;
        self.name_joined(&mut host_config)?;
        let networks = self
            .networks_asked_for(&config, &host_config, networking)
            .await?;

        let id = ContainerId::from_bytes(random_bytes()?);
        if config.hostname.is_empty() {
            config.hostname = match NetworkMode::of(&host_config) {
                _ if host_config.uts_mode == "host" => files::host_name(),
                NetworkMode::Host => files::host_name(),
                NetworkMode::Container(other) => {
                    let other = self.containers().find(other)?;
                    other.record().config.hostname.clone()
                }
                NetworkMode::Default | NetworkMode::None | NetworkMode::Named(_) => id.short(),
            };
        }
        let hold = self.hold_layers(&base)?;
        let held_volumes = self.hold_volumes().await;
        let name = self.containers().take_name(id, name)?;
        let mut record = Record {
            id,
            name: name.clone(),
            created: moment(),
            config,
            host_config,
            image: base.id.clone(),
            layers: base.layers.clone(),
            mounts: Vec::new(),
            networks,
            step: purpose == Purpose::Step,
        };
        let made = self.make_parts(&mut record, &base).await;
        if let Err(error) = made {
            self.undo(&record).await;
            return Err(error);
        }
        let mut container = Container::new(record, Condition::default());
        container.hold = hold;
        let container = Arc::new(container);
        self.containers().enter(Arc::clone(&container));
        drop(held_volumes);
        self.container_event(&container, "create", []);
        Ok(Created {
            id: id.to_string(),
            warnings,
        })
    }

    /// The volumes, the folder, and last the entry in the state, by which all of it counts.
    async fn make_parts(&self, record: &mut Record, base: &Base) -> Result<()> {
        let plans = mounts::plan(&record.config, &record.host_config)?;
        let mut points = Vec::with_capacity(plans.len());
        for plan in &plans {
            points.push(self.mount_point(plan, base).await?);
            record.mounts.clone_from(&points);
        }
        for point in self.mounts_of_others(&record.host_config)? {
            if !points
                .iter()
                .any(|own| own.destination == point.destination)
            {
                points.push(point);
            }
        }
        record.mounts = points;
        let id = record.id.to_string();
        let files = Files::new(self.settings(), &id);
        files::make_directories(&files)?;
        let change = Change::put(Table::Containers, id, record)?;
        self.state().commit(vec![change]).await
    }

    async fn undo(&self, record: &Record) {
        let files = Files::new(self.settings(), &record.id.to_string());
        if let Err(error) = std::fs::remove_dir_all(&files.directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %files.directory.display(), %error, "what is left of a container stays");
        }
        self.containers().give_name_back(record.id, &record.name);
        for point in &record.mounts {
            if point.kind == "volume"
                && let Err(error) = self.remove_anonymous_volume(&point.name).await
            {
                tracing::warn!(volume = point.name, %error, "a volume that nobody uses stays");
            }
        }
    }

    async fn mount_point(&self, plan: &Plan, base: &Base) -> Result<MountPoint> {
        let mut point = MountPoint {
            destination: plan.target.clone(),
            mode: plan.mode.clone(),
            rw: !plan.readonly,
            ..MountPoint::default()
        };
        match &plan.source {
            Source::Bind {
                path,
                create,
                propagation,
                ..
            } => {
                if !create && !std::path::Path::new(path).exists() {
                    return Err(Error::bad_parameter(format!(
                        "invalid mount config for type \"bind\": bind source path does not exist: {path}"
                    )));
                }
                "bind".clone_into(&mut point.kind);
                point.source.clone_from(path);
                point.propagation = format!("{propagation:?}").to_lowercase();
            }
            Source::Tmpfs(_) => "tmpfs".clone_into(&mut point.kind),
            Source::Volume {
                name,
                driver,
                options,
                labels,
                copy,
            } => {
                let volume = self
                    .volume_for_mount(name.as_deref(), driver, options, labels)
                    .await?;
                if *copy && options.is_empty() {
                    self.fill_from_image(&volume.mountpoint, base, &plan.target)
                        .await?;
                }
                "volume".clone_into(&mut point.kind);
                point.name = volume.name;
                point.source = volume.mountpoint;
                point.driver = volume.driver;
            }
        }
        Ok(point)
    }

    async fn fill_from_image(&self, volume: &str, base: &Base, target: &str) -> Result<()> {
        let volume = std::path::Path::new(volume);
        if base.layers.is_empty() || !volumes::is_empty(volume) {
            return Ok(());
        }
        let overlay = rootfs::Overlay::read_only(self.layer_directories(&base.layers)?);
        self.fill_volume(volume, overlay, std::path::Path::new(target))
            .await
    }

    /// What `--volumes-from` brings.
    fn mounts_of_others(&self, host_config: &HostConfig) -> Result<Vec<MountPoint>> {
        let mut points = Vec::new();
        for text in host_config.volumes_from.iter().flatten() {
            let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
            let readonly = match mode {
                "ro" => true,
                "rw" | "z" | "Z" => false,
                _ => {
                    return Err(Error::bad_parameter(format!(
                        "invalid mode {mode:?} of volumes from {name}"
                    )));
                }
            };
            let other = self.containers().find(name)?.record();
            let shown = other.mounts.iter().filter(|point| point.kind != "tmpfs");
            points.extend(shown.cloned().map(|mut point| {
                point.rw &= !readonly;
                point
            }));
        }
        Ok(points)
    }

    /// Containers that are joined are named by their ids from here on: names change.
    fn name_joined(&self, host_config: &mut HostConfig) -> Result<()> {
        for mode in [
            &mut host_config.network_mode,
            &mut host_config.ipc_mode,
            &mut host_config.pid_mode,
        ] {
            if let Some(name) = joined(mode) {
                let other = self.containers().find(name)?;
                *mode = format!("container:{}", other.id);
            }
        }
        Ok(())
    }

    /// The networks that the container is to be in, by name.
    async fn networks_asked_for(
        &self,
        config: &model::api::container::Config,
        host_config: &HostConfig,
        networking: Option<NetworkingConfig>,
    ) -> Result<BTreeMap<String, EndpointSettings>> {
        let mode = NetworkMode::of(host_config);
        let Some(first) = mode.network() else {
            return Ok(BTreeMap::new());
        };
        let disabled = config.network_disabled;
        let first = if disabled { "none" } else { first };
        let mut networks = BTreeMap::new();
        let asked = networking.unwrap_or_default().endpoints_config;
        for (name, settings) in asked {
            if disabled {
                continue;
            }
            let settings = settings.unwrap_or_default();
            let name = match name.as_str() {
                "default" => "bridge".to_owned(),
                "bridge" | "host" | "none" => name,
                _ => self.find_network(&name).await?.name,
            };
            networks.insert(name, settings);
        }
        let first = match mode {
            NetworkMode::Named(name) if !disabled => self.find_network(name).await?.name,
            _ => first.to_owned(),
        };
        let settings = networks.entry(first.clone()).or_default();
        if settings.mac_address.is_empty() {
            settings.mac_address.clone_from(&config.mac_address);
        }
        if networks.len() > 1 && matches!(first.as_str(), "none" | "host") {
            return Err(Error::bad_parameter(format!(
                "conflicting options: a container in network {first} cannot be in others"
            )));
        }
        Ok(networks)
    }
}

fn check_platform(platform: &str) -> Result<()> {
    let mut parts = platform.split('/');
    let system = parts.next().unwrap_or_default();
    let processor = parts.next();
    let own = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let alike = |name: &str| {
        name == own || (own == "amd64" && name == "x86_64") || (own == "arm64" && name == "aarch64")
    };
    if system == "linux" && processor.is_none_or(alike) {
        Ok(())
    } else {
        Err(Error::not_found(format!(
            "no image for the platform {platform} can run here: this is linux/{own}"
        )))
    }
}

/// Bytes that nobody can foretell.
pub(super) fn random_bytes() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|cause| Error::internal(format!("make an id up: {cause}")))?;
    Ok(bytes)
}
