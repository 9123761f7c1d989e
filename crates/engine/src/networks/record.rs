//! What is stored of a network, and how the API shows it. Pure.

use jiff::Timestamp;
use model::api::Labels;
use model::api::network::{ConfigReference, Create, EndpointResource, Inspect, Ipam, IpamConfig};
use serde::{Deserialize, Serialize};

/// The names of the networks that are always there, with their drivers.
pub(super) const PREDEFINED: &[(&str, &str)] =
    &[("bridge", "bridge"), ("host", "host"), ("none", "null")];

/// One network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// What was asked for.
    pub asked: Create,
    /// The bridge that it came to; `host` and `none` have none, the default one not before it is first needed.
    pub bridge: Option<network::Network>,
}

impl Record {
    /// One of those that are always there.
    pub(super) fn predefined(id: String, name: &str, driver: &str, created: Timestamp) -> Self {
        Self {
            id,
            name: name.to_owned(),
            created,
            asked: Create {
                name: name.to_owned(),
                driver: driver.to_owned(),
                ..Create::default()
            },
            bridge: None,
        }
    }

    /// Whether it is always there.
    pub fn is_predefined(&self) -> bool {
        PREDEFINED.iter().any(|(name, _)| *name == self.name)
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        static NONE: Labels = Labels::new();
        self.asked.labels.as_ref().unwrap_or(&NONE)
    }

    /// As the API shows it, without its containers.
    pub fn inspect(&self) -> Inspect {
        Inspect {
            name: self.name.clone(),
            id: self.id.clone(),
            created: self.created.to_string(),
            scope: "local".to_owned(),
            driver: self.asked.driver.clone(),
            enable_ipv4: true,
            enable_ipv6: false,
            ipam: self.ipam(),
            internal: self.asked.internal,
            attachable: self.asked.attachable,
            ingress: false,
            config_from: ConfigReference::default(),
            config_only: false,
            containers: std::collections::BTreeMap::new(),
            options: self.options(),
            labels: self.labels().clone(),
        }
    }

    fn ipam(&self) -> Ipam {
        let asked = self.asked.ipam.as_ref();
        let config = self.bridge.as_ref().map(|bridge| {
            vec![IpamConfig {
                subnet: bridge.subnet.to_string(),
                ip_range: bridge
                    .ip_range
                    .map(|range| range.to_string())
                    .unwrap_or_default(),
                gateway: bridge.gateway.to_string(),
                auxiliary_addresses: bridge
                    .auxiliary
                    .iter()
                    .map(|(name, address)| (name.clone(), address.to_string()))
                    .collect(),
            }]
        });
        Ipam {
            driver: "default".to_owned(),
            options: asked
                .map(|ipam| ipam.options.clone().unwrap_or_default())
                .or_else(|| (!self.is_predefined()).then(Labels::new)),
            config,
        }
    }

    /// As asked for; the default network's say what it has, as Docker's do.
    fn options(&self) -> Labels {
        let Some(bridge) = self.bridge.as_ref().filter(|bridge| bridge.is_default) else {
            return self.asked.options.clone().unwrap_or_default();
        };
        let mtu = bridge.mtu.unwrap_or(1500);
        [
            (
                "com.docker.network.bridge.default_bridge",
                "true".to_owned(),
            ),
            (
                "com.docker.network.bridge.enable_icc",
                bridge.inter_container.to_string(),
            ),
            (
                "com.docker.network.bridge.enable_ip_masquerade",
                bridge.masquerade.to_string(),
            ),
            (
                "com.docker.network.bridge.host_binding_ipv4",
                bridge.host_binding.to_string(),
            ),
            ("com.docker.network.bridge.name", bridge.bridge.clone()),
            ("com.docker.network.driver.mtu", mtu.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}

/// A container's place in a network, as the API shows it.
pub(super) fn resource(name: String, endpoint: &network::Endpoint) -> EndpointResource {
    EndpointResource {
        name,
        endpoint_id: endpoint.id.clone(),
        mac_address: endpoint.mac.to_string(),
        ipv4_address: format!("{}/{}", endpoint.address, endpoint.prefix_length),
        ipv6_address: String::new(),
    }
}
