//! What the tests of the decisions start from.

use model::api::container::Config;
use model::api::host_config::HostConfig;
use model::api::text_list::TextList;
use model::hex_id::ContainerId;

use super::Host;
use crate::container::Record;
use crate::settings::Settings;

/// A computer with two processors.
pub const HOST: Host = Host {
    processors: 2,
    last_processor: 1,
    private_cgroups: false,
};

/// Settings that nobody changed.
pub fn settings() -> Settings {
    Settings::new("/var/lib/essaim", "/run/essaim")
}

/// A container that runs `true`.
pub fn record() -> Record {
    let host_config = super::host_config::filled(HostConfig::default(), &settings(), HOST);
    Record {
        id: ContainerId::from_bytes([0x11; 32]),
        name: "plain".to_owned(),
        created: model::time::Timestamp::default(),
        config: Config {
            hostname: "111111111111".to_owned(),
            image: "busybox".to_owned(),
            cmd: Some(TextList(vec!["true".to_owned()])),
            ..Config::default()
        },
        host_config,
        image: format!("sha256:{}", "2".repeat(64)),
        layers: Vec::new(),
        mounts: Vec::new(),
        networks: std::collections::BTreeMap::new(),
        step: false,
    }
}
