//! One container in full.

use std::collections::BTreeMap;

use model::api::endpoint::EndpointSettings;
use model::api::host_config::{PortBinding, PortMap};
use model::api::inspect::{GraphDriver, Inspect, NetworkSettings, State};
use model::api::time;
use model::time::Timestamp;

use super::{Condition, Phase, Record, to_jiff};
use crate::Engine;
use crate::error::Result;
use crate::resolve::spec::Files;
use crate::resolve::{config, ports};

impl Engine {
    /// All about a container; with `size`, how much it wrote, too.
    pub async fn inspect_container(&self, name: &str, size: bool) -> Result<Inspect> {
        let container = self.container(name).await?;
        let (record, condition) = (container.record(), container.condition());
        let files = Files::new(self.settings(), &record.id.to_string());
        let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let mut command = config::command(&record.config).into_iter();
        let (size_rw, size_root_fs) = if size {
            let (written, whole) = self.sizes(&container).await;
            (Some(written), Some(whole))
        } else {
            (None, None)
        };
        let execs = self.execs().of(record.id);
        let log = self.log_path(&container).map(path).unwrap_or_default();
        Ok(Inspect {
            id: record.id.to_string(),
            created: time::text(to_jiff(record.created)),
            path: command.next().unwrap_or_default(),
            args: command.collect(),
            state: state(&condition),
            image: record.image.clone(),
            resolv_conf_path: path(files.resolv_conf()),
            hostname_path: path(files.hostname()),
            hosts_path: path(files.hosts()),
            log_path: log,
            name: format!("/{}", record.name),
            restart_count: condition.restart_count,
            driver: "overlay2".to_owned(),
            platform: "linux".to_owned(),
            mount_label: String::new(),
            process_label: String::new(),
            app_armor_profile: String::new(),
            exec_ids: (!execs.is_empty()).then_some(execs),
            host_config: record.host_config.clone(),
            graph_driver: self.graph_driver(&record, &files),
            size_rw,
            size_root_fs,
            mounts: record.mounts.clone(),
            config: record.config.clone(),
            network_settings: network_settings(&record, &condition),
        })
    }

    fn graph_driver(&self, record: &Record, files: &Files) -> GraphDriver {
        let lower = self.layer_directories(&record.layers).unwrap_or_default();
        let lower: Vec<_> = lower
            .iter()
            .map(|layer| layer.to_string_lossy().into_owned())
            .collect();
        let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        GraphDriver {
            name: "overlay2".to_owned(),
            data: Some(BTreeMap::from([
                ("LowerDir".to_owned(), lower.join(":")),
                ("UpperDir".to_owned(), path(files.upper())),
                ("WorkDir".to_owned(), path(files.work())),
            ])),
        }
    }
}

fn state(condition: &Condition) -> State {
    let moment = |moment: Option<Timestamp>| time::text_or_never(moment.map(to_jiff));
    let phase = condition.phase;
    State {
        status: phase.as_str().to_owned(),
        // A container that waits for its restart counts as running, as with Docker.
        running: phase.is_running() || phase == Phase::Restarting,
        paused: phase == Phase::Paused,
        restarting: phase == Phase::Restarting,
        oom_killed: condition.oom_killed,
        dead: false,
        pid: condition.pid,
        exit_code: condition.exit_code,
        error: condition.error.clone(),
        started_at: moment(condition.started_at),
        finished_at: moment(condition.finished_at),
        health: condition.health.clone(),
    }
}

/// The networks of a container: what was asked for, and what it has while it runs.
pub(super) fn networks(
    record: &Record,
    condition: &Condition,
) -> BTreeMap<String, EndpointSettings> {
    let mut networks = record.networks.clone();
    for (name, settings) in &mut networks {
        let endpoint = condition
            .endpoints
            .iter()
            .find(|endpoint| condition.network_names.get(&endpoint.network) == Some(name));
        let Some(endpoint) = endpoint else {
            continue;
        };
        settings.network_id.clone_from(&endpoint.network);
        settings.endpoint_id.clone_from(&endpoint.id);
        settings.ip_address = endpoint.address.to_string();
        settings.ip_prefix_len = endpoint.prefix_length;
        settings.gateway = endpoint
            .gateway
            .map_or_else(String::new, |gateway| gateway.to_string());
        settings.mac_address = endpoint.mac.to_string();
        settings.dns_names = (!endpoint.names.is_empty()).then(|| endpoint.names.clone());
    }
    networks
}

fn network_settings(record: &Record, condition: &Condition) -> NetworkSettings {
    let networks = networks(record, condition);
    // The top level shows the default bridge, as it did before there were other networks.
    let default = networks.get("bridge").cloned().unwrap_or_default();
    let id = record.id.to_string();
    NetworkSettings {
        sandbox_id: if condition.phase.is_running() {
            id
        } else {
            String::new()
        },
        sandbox_key: if condition.pid == 0 {
            String::new()
        } else {
            format!("/proc/{}/ns/net", condition.pid)
        },
        ports: port_map(record, condition),
        endpoint_id: default.endpoint_id,
        gateway: default.gateway,
        ip_address: default.ip_address,
        ip_prefix_len: default.ip_prefix_len,
        mac_address: default.mac_address,
        networks,
        ..NetworkSettings::default()
    }
}

fn port_map(record: &Record, condition: &Condition) -> PortMap {
    let mut map = PortMap::new();
    if !condition.phase.is_running() {
        return map;
    }
    for port in ports::exposed(&record.config).unwrap_or_default() {
        map.insert(port.to_string(), None);
    }
    for binding in &condition.ports {
        let bindings = map.entry(binding.container.to_string()).or_default();
        bindings.get_or_insert_default().push(PortBinding {
            host_ip: binding.host_address.to_string(),
            host_port: binding.host_port.to_string(),
        });
    }
    map
}
